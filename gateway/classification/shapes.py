"""How tables hang together: their keys, what leads where, and whose rows they are. From what is declared, then names.

Pure. Of two tables that lead to each other's rows by several columns one step is taken: a row has one owner.
"""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

from gateway.catalog.inspection import EngineColumn, EngineTable
from gateway.catalog.scalars import sql_type
from gateway.classification.model import Facts, Key, Link, Looks, Place, Shape
from gateway.classification.rules import keyable
from gateway.classification.words import prefix_of, singular, without, words_of
from gateway.errors import GatewayError


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PEOPLE = _set(
    "customer client user member patient person people individual passenger employee staff student citizen resident "
    "household subscriber account taxpayer driver buyer guest visitor participant respondent beneficiary insured "
    "policyholder learner teacher doctor donor borrower "
    "kehu yonghu huanzhe huiyuan yuangong xuesheng jumin renyuan"
)
_PEOPLE_TEXTS = (
    "客户",
    "用户",
    "患者",
    "病人",
    "会员",
    "员工",
    "学生",
    "居民",
    "人员",
    "乘客",
    "账户",
    "参保人",
    "个人",
)
_OTHERS = _set(
    "company firm organisation organization enterprise business merchant shop vehicle car plane aircraft device meter "
    "machine vessel ship qiye gongsi cheliang shebei shanghu"
)
_OTHERS_TEXTS = ("企业", "公司", "车辆", "设备", "商户", "单位")
_SUFFIXES = ("number", "code", "key", "num", "id", "no")
_SHORT = ("key", "id", "no", "code")
_ENDS = ("编号", "代码", "标识", "号", "id")

DECLARED, VALUES, NAMES = "declared", "from values", "from names"


def shape(tables: Sequence[EngineTable], facts: Facts, looks: Looks, unit: str | None) -> Shape:
    """Return how tables hang together. `unit` names TABLE.KEY where somebody said it.

    Raises GatewayError `settings_invalid` where nothing tells whom to protect, or the unit that is named is not there.
    """
    subjects = {"".join(map(singular, words_of(table.name))) for table in tables}
    keys = {table.name: key for table in tables if (key := _key(table, subjects, facts, looks)) is not None}
    place, why = _named(tables, unit) if unit is not None else _unit(tables, keys, facts)
    if place[0] not in keys or keys[place[0]].column != place[1]:
        keys = {**keys, place[0]: Key(place[1], NAMES)}
    links = tuple(_links(tables, keys, facts))
    return Shape(place, why, keys, _steps(place, keys, links), links)


def _key(table: EngineTable, subjects: AbstractSet[str], facts: Facts, looks: Looks) -> Key | None:
    """Return the column that tells a table's rows apart, if one does."""
    columns = [column for column in table.columns if keyable(sql_type(column.type_text).kind)]
    declared = {key[0] for key in table.unique if len(key) == 1}
    declared |= {key[0] for name, key in facts.unique if name == table.name and len(key) == 1}
    named = next((column.name for column in columns if _own(table, column.name, subjects)), None)
    ordered = sorted((c.name for c in columns if c.name in declared), key=lambda name: name != named)
    if ordered:
        return Key(ordered[0], DECLARED)
    look = looks.tables.get(table.name)
    if look is not None and look.rows > 0:
        first = table.columns[0].name  # another column may tell rows apart by chance
        for name in (named, first):
            seen = look.columns.get(name) if name is not None else None
            if name in {c.name for c in columns} and seen is not None and (seen.nulls, seen.distinct) == (0, look.rows):
                return Key(str(name), VALUES)
        return None
    return Key(named, NAMES) if named is not None else None


def _own(table: EngineTable, column: str, subjects: AbstractSet[str]) -> bool:
    """Tell whether a column is called like its table's own key: id, customer_id of customers, c_custkey of customer.

    `subjects` are what all tables are called: order_id of order_lines is the key of orders, where those are.
    """
    name = "".join(without(prefix_of([c.name for c in table.columns]), column))
    words = [singular(word) for word in words_of(table.name)]
    whole = {"".join(words), words[-1] if words else ""}
    if name in {"id", "key", "uuid"} or any(name == f"{one}{suffix}" for one in whole for suffix in _SUFFIXES if one):
        return True
    stem = next((name.removesuffix(suffix) for suffix in _SHORT if name.endswith(suffix)), "")
    if len(stem) >= 3 and len(words) == 1 and words[0].startswith(stem) and stem not in subjects:
        return True
    subject = next((name.removesuffix(end) for end in _ENDS if name.endswith(end)), "")
    named = table.name.removesuffix("表").removesuffix("信息").removesuffix("基本")
    return bool(subject) and not subject.isascii() and named.endswith(subject)


def _links(tables: Sequence[EngineTable], keys: Mapping[str, Key], facts: Facts) -> Iterator[Link]:
    by_name = {table.name.casefold(): table for table in tables}
    for table in tables:
        prefix = prefix_of([c.name for c in table.columns])
        for column in table.columns:
            found = _declared(table, column, by_name, keys, facts) or _called(table, column, prefix, by_name, keys)
            if found is not None:
                yield found


def _declared(
    table: EngineTable,
    column: EngineColumn,
    by_name: Mapping[str, EngineTable],
    keys: Mapping[str, Key],
    facts: Facts,
) -> Link | None:
    said = facts.references.get((table.name, column.name))
    if said is not None:
        target = by_name.get(said[0].casefold())
        there = None if target is None else _column(target, said[1])
        if target is not None and there is not None and _alike(column, there) and target.name != table.name:
            return Link(table.name, column.name, target.name, there.name, declared=True)
    for columns, name in table.references:
        target = by_name.get(name.casefold())
        if columns == (column.name,) and target is not None and target.name in keys and target.name != table.name:
            there = _column(target, keys[target.name].column)
            if there is not None and _alike(column, there):
                return Link(table.name, column.name, target.name, there.name, declared=True)
    return None


def _called(
    table: EngineTable,
    column: EngineColumn,
    prefix: str,
    by_name: Mapping[str, EngineTable],
    keys: Mapping[str, Key],
) -> Link | None:
    """Return the link of a column that is called like another table's key."""
    called = "".join(without(prefix, column.name))
    for target in by_name.values():
        key = keys.get(target.name)
        if target.name == table.name or key is None or (table.name in keys and keys[table.name].column == column.name):
            continue
        there = _column(target, key.column)
        assert there is not None  # INVARIANT: a key is a column of its table
        own = "".join(without(prefix_of([c.name for c in target.columns]), key.column))
        owner = "".join(singular(word) for word in words_of(target.name))
        same = called == own and own not in {"id", "key", "uuid", "code", "no", "name"}
        if (same or called in {f"{owner}{own}", f"{owner}id"}) and _alike(column, there):
            return Link(table.name, column.name, target.name, there.name, declared=False)
    return None


def _column(table: EngineTable, name: str) -> EngineColumn | None:
    return next((c for c in table.columns if c.name.casefold() == name.casefold()), None)


def _alike(one: EngineColumn, other: EngineColumn) -> bool:
    return sql_type(one.type_text) == sql_type(other.type_text) and keyable(sql_type(one.type_text).kind)


def _rank(table: str) -> int:
    """Return how surely a table is one of people, by its name: 2 of people, 1 of what belongs to some, 0 neither."""
    words = {singular(word) for word in words_of(table)}
    if words & _PEOPLE or any(text in table for text in _PEOPLE_TEXTS):
        return 2
    return 1 if words & _OTHERS or any(text in table for text in _OTHERS_TEXTS) else 0


def _unit(tables: Sequence[EngineTable], keys: Mapping[str, Key], facts: Facts) -> tuple[Place, str]:
    """Return whom to protect: the table of people that most leads to, else a column that is called like their key."""
    led = [link.target for link in _links(tables, keys, facts)]
    ranked = sorted(keys, key=lambda name: (-_rank(name), -led.count(name), name))
    best = ranked[0] if ranked else None
    if best is not None and _rank(best) == 2:
        return (best, keys[best].column), "a table of people, by its name"
    for table in tables:
        for column in table.columns:
            if _of_person(column):
                return (table.name, column.name), "a column that is called like a person's key"
    if best is not None and (_rank(best) or led.count(best)):
        why = "by its name" if _rank(best) else "most tables lead to it"
        return (best, keys[best].column), f"{why}: whose people are to be protected is yours to say"
    detail = "Nothing here is called like a table of people, or like a key of theirs."
    raise GatewayError("settings_invalid", detail, "Say whom to protect: --unit TABLE.KEY.")


def _of_person(column: EngineColumn) -> bool:
    words = words_of(column.name)
    kind = keyable(sql_type(column.type_text).kind)
    latin = len(words) > 1 and words[-1] in _SUFFIXES and singular(words[-2]) in _PEOPLE
    chinese = any(column.name.startswith(text) and column.name.lower().endswith(_ENDS) for text in _PEOPLE_TEXTS)
    return kind and (latin or chinese)


def _named(tables: Sequence[EngineTable], unit: str) -> tuple[Place, str]:
    for table in tables:
        for column in table.columns:
            if f"{table.name}.{column.name}".casefold() == unit.casefold():
                return (table.name, column.name), "as you said"
    known = ", ".join(table.name for table in tables[:8])
    raise GatewayError("settings_invalid", f"There is no '{unit}'.", f"Write --unit TABLE.KEY; tables are: {known}.")


def _steps(unit: Place, keys: Mapping[str, Key], links: Sequence[Link]) -> dict[str, Link]:
    """Return the step of each table that leads to the unit, by the fewest steps; declared links before others."""
    steps: dict[str, Link] = {}
    reached = {unit[0]: unit[1]}
    while True:
        ordered = sorted(links, key=lambda link: not link.declared)
        further = [
            link
            for link in ordered
            if link.table not in reached and link.target in reached and reached[link.target] == link.key
        ]
        if not further:
            return steps
        here = dict(reached)
        for link in further:
            if link.table not in steps and link.target in here:
                steps[link.table] = link
                reached[link.table] = keys[link.table].column if link.table in keys else ""
