"""What is asked of relations: keys, aggregates of every kind, grouping sets, and what is done with released rows."""

import re
from dataclasses import dataclass, field, replace

from support.generated.relations import Relations
from support.generated.tables import OWNER, Relation
from support.generated.values import AGGREGATE, FILTER, GROUP, Column

EXACT, CLOSE, RANKED, NAMED = "exact", "close", "ranked", "named"
"""How a measure at a huge budget compares with plain SQL: a count or sum; to the rounding of moments; to a leaf of a
tree; by name, where ties leave it open."""


@dataclass(frozen=True, slots=True)
class Item:
    """One column of the answer; `like` is None for a key.

    `values` writes the sorted list of what a quantile is of, `fraction` says which of them it is.
    """

    sql: str
    name: str
    like: str | None = None
    values: str = ""
    fraction: float = 0.0


@dataclass(slots=True)
class Answers:
    """Makes the outermost SELECT over relations."""

    rows: Relations
    depth: int
    wanted: str | None = None
    """An aggregate that is asked for where it can be."""
    whole: bool = True
    """Every cell of plain SQL shows in the answer and no row is chosen by noise or ties."""
    used: set[str] = field(default_factory=set)

    @property
    def draw(self):
        return self.rows.draw

    def key(self, columns: list[Column]) -> str | None:
        """Return an expression to group by."""
        kind = self.draw.choice(("whole", "truth", "text", "date", "truth"))
        return self.rows.values.value(columns, kind, GROUP, self.draw.choice((0, 1)))

    def keys(self, columns: list[Column], most: int) -> list[Item]:
        found = [self.key(columns) for _ in range(self.draw.randint(0, most))]
        return [Item(sql, f"k{i}") for i, sql in enumerate(dict.fromkeys(f for f in found if f is not None))]

    def measure(self, columns: list[Column], owner: str | None) -> Item:
        """Return an aggregate of any kind that the columns here let be asked; else a count of rows."""
        kinds = [kind for kind in KINDS if any(construct(t) == self.wanted for t in POOLS[kind])] or KINDS
        for _ in range(4):
            kind = self.draw.choice(kinds)
            made = self._of(kind, columns, owner)
            if made is not None:
                break
        else:
            made = "COUNT(*)", EXACT
        sql, like = made
        self.used.add(construct(sql))
        cut = self.rows.values.value(columns, "truth", FILTER, 1) if self.draw.random() < 0.2 else None
        if cut is None or sql.startswith(("APPROX_TOP_K", "COUNT_IF")):
            return _item(sql, like, "")
        self.used.add("FILTER")
        return _item(sql, like, cut)

    def _of(self, kind: str, columns: list[Column], owner: str | None) -> tuple[str, str] | None:
        """Return an aggregate of one kind, and how it compares with plain SQL's."""
        value = self.rows.values.value
        if kind == "units":
            return (f"COUNT(DISTINCT {owner})", EXACT) if owner is not None else None
        if kind in ("top", "distinct"):
            kinds, use, like = (
                (("whole", "exact", "float"), AGGREGATE, EXACT) if kind == "distinct" else (("truth",), GROUP, NAMED)
            )
            one = value(columns, self.draw.choice(kinds), use, 1)
            return (
                (self._one_of(DISTINCT if kind == "distinct" else TOP).format(one), like) if one is not None else None
            )
        if kind == "truth":
            test = value([c for c in columns if AGGREGATE in c.uses], "truth", FILTER, 2)
            return (self._one_of(TRUTHS).format(test), NAMED) if test is not None else None
        if kind == "if":
            test = value(columns, "truth", FILTER, 1)
            return (POOLS[kind][0].format(test), EXACT) if test is not None else None
        number = value(columns, self.draw.choice(("whole", "exact", "float", "whole")), AGGREGATE, 1)
        if number is None:
            return None
        if kind in ("moment", "pair", "rank"):
            number = f"LEAST(GREATEST({number}, -20), 60)"  # without bounds there are no moments and no trees
        if kind == "pair":
            other = value(columns, "whole", AGGREGATE, 0)
            other = f"LEAST(GREATEST({other}, 0), 50)" if other is not None else "1"
            return self._one_of(PAIRS).format(number, other), CLOSE
        return self._one_of(POOLS[kind]).format(number), {"count": EXACT, "rank": RANKED}.get(kind, CLOSE)

    def _one_of(self, pool: tuple[str, ...]) -> str:
        """Return a template: the one that is wanted, if it is there."""
        asked = [template for template in pool if self.wanted and construct(template) == self.wanted]
        return self.draw.choice(asked or pool)

    def measures(self, columns: list[Column], owner: str | None) -> list[Item]:
        made = [self.measure(columns, owner) for _ in range(self.draw.choice((1, 1, 2, 3)))]
        return [replace(item, name=f"m{i}") for i, item in enumerate(dict.fromkeys(made))]

    def source(self) -> tuple[Relation, list[Column], str | None, str]:
        """Return a relation, its columns, its owner's column, and a condition on it."""
        made = self.rows.relation(self.depth)
        columns = made.of("t")
        test = self.rows.values.value(columns, "truth", FILTER, 2) if self.draw.random() < 0.3 else None
        return made, columns, f"t.{OWNER}" if made.owner else None, f" WHERE {test}" if test is not None else ""

    def flawed(self, name: str | None) -> str | None:
        """Return what is asked in place of an answer, where that is the flaw."""
        made, columns, owner, where = self.source()
        if name == "rows shown" and columns:
            return f"SELECT {columns[0].name} FROM {made.sql} t{where}"
        if owner is None:
            return None
        if name == "the unit's key shown":
            return f"SELECT {owner}, COUNT(*) AS m0 FROM {made.sql} t{where} GROUP BY 1"
        return f"SELECT DISTINCT {owner} FROM {made.sql} t{where}"

    # -- shapes ------------------------------------------------------------------------------------------------------

    def plain(self) -> tuple[str, list[Item]]:
        made, columns, owner, where = self.source()
        keys = self.keys(columns, 2)
        items = [*keys, *self.measures(columns, owner)]
        return f"SELECT {listing(items)} FROM {made.sql} t{where}{_group(keys)}", items

    def histogram(self) -> tuple[str, list[Item]] | None:
        made, columns, _owner, where = self.source()
        number = self.rows.values.value(columns, "whole", GROUP, 0)
        if number is None:
            return None
        self.used.add("histogram by width_bucket")
        items = [
            Item(f"width_bucket({number}, 0, 50, {self.draw.choice((3, 5, 10))})", "k0"),
            Item("COUNT(*)", "m0", EXACT),
        ]
        return f"SELECT {listing(items)} FROM {made.sql} t{where} GROUP BY 1", items

    def grouping_sets(self) -> tuple[str, list[Item]] | None:
        made, columns, owner, where = self.source()
        keys = self.keys(columns, 3)[:2]
        if len(keys) < 2:
            return None
        shape = self.draw.choice(("ROLLUP", "CUBE", "GROUPING SETS"))
        self.used.add(shape)
        a, b = keys[0].sql, keys[1].sql
        sets = f"{shape} ({a}, {b})" if shape != "GROUPING SETS" else f"GROUPING SETS (({a}), ({b}), ())"
        items = [*keys, Item(f"GROUPING({a})", "k2"), *self.measures(columns, owner)[:1]]
        return f"SELECT {listing(items)} FROM {made.sql} t{where} GROUP BY {sets}", items

    def keys_alone(self) -> tuple[str, list[Item]] | None:
        made, columns, _owner, where = self.source()
        keys = self.keys(columns, 2)
        if not keys:
            return None
        self.whole = False  # which keys show follows from the noise
        self.used.add("DISTINCT releases keys")
        return f"SELECT DISTINCT {listing(keys)} FROM {made.sql} t{where}", keys

    def padded(self) -> tuple[str, list[Item]] | None:
        made, columns, owner, _where = self.source()
        ties = [c.name for c in columns if c.kind == "date" and "j" in c.uses]
        labels = [c.name for c in columns if c.kind == "text" and "j" in c.uses]
        if ties:
            public, tie, pool = (
                "calendar",
                f"k.day = {self.draw.choice(ties)}",
                ("k.quarter", "k.weekday", "k.weekday > 5"),
            )
        elif labels:
            public, tie, pool = "cohorts", f"k.cohort = {self.draw.choice(labels)}", ("k.label", "k.cohort")
        else:
            return None
        self.used.add("public LEFT JOIN private")
        key = self.draw.choice(pool)
        number = self.rows.values.value(columns, "whole", AGGREGATE, 0)
        counted = owner or f"t.{made.keys('t')[0].split('.')[1]}"
        measure = self.draw.choice((f"COUNT({counted})", f"SUM({number})" if number else f"COUNT({counted})"))
        items = [Item(key, "k0"), Item(measure, "m0", EXACT)]
        above = " WHERE k.weekday < 6" if public == "calendar" and self.draw.random() < 0.4 else ""
        joined = f"{public} k LEFT JOIN {made.sql} t ON {tie}"
        if self.draw.random() < 0.3:
            joined = f"{made.sql} t RIGHT JOIN {public} k ON {tie}"
        return f"SELECT {listing(items)} FROM {joined}{above} GROUP BY 1", items

    def counted(self) -> tuple[str, list[Item]] | None:
        """Return counts by one or two keys: what post-processing is over."""
        made, columns, owner, where = self.source()
        keys = self.keys(columns, 2)
        if not keys:
            return None
        count = self.draw.choice(("COUNT(*)", f"COUNT(DISTINCT {owner})" if owner else "COUNT(*)"))
        items = [*keys, Item(count, "m0", EXACT)]
        return f"SELECT {listing(items)} FROM {made.sql} t{where}{_group(keys)}", items

    def post(self) -> tuple[str, list[Item]] | None:
        first = self.counted()
        if first is None:
            return None
        sql, items = first
        keys = [item for item in items if item.like is None]
        names = ", ".join(item.name for item in keys)
        shape = self.draw.choice(
            ("HAVING", "LIMIT", "share", "running", "CASE", "joined", "union", "again", "QUALIFY", "scalar")
        )
        self.used.add(f"post-processing: {shape}")
        if shape == "HAVING":
            return f"{sql} HAVING COUNT(*) > {self.draw.choice((0.5, 2.5, 20.5))}", items
        if shape == "LIMIT":
            return f"{sql} ORDER BY m0 DESC, {names} LIMIT {self.draw.choice((1, 3))}", items
        if shape == "QUALIFY":
            ordered = f"ORDER BY r.m0 DESC, {', '.join(f'r.{k.name}' for k in keys)}"
            return f"SELECT {names}, m0 FROM ({sql}) r QUALIFY ROW_NUMBER() OVER ({ordered}) <= 2", items
        if shape == "CASE":
            case = Item(f"CASE WHEN m0 > {self.draw.choice((0.5, 9.5))} THEN 1 ELSE 0 END", "m1", EXACT)
            return f"SELECT {names}, m0, {listing([case])} FROM ({sql}) r", [*items, case]
        if shape == "share":
            return f"SELECT {names}, m0 * 1.0 / NULLIF(SUM(m0) OVER (), 0) AS m0 FROM ({sql}) r", [
                *keys,
                Item("", "m0", CLOSE),
            ]
        if shape == "running":
            return f"SELECT {names}, SUM(m0) OVER (ORDER BY {names}) AS m0 FROM ({sql}) r", [
                *keys,
                Item("", "m0", "running"),
            ]
        if shape == "again":
            return f"SELECT k0, SUM(m0) AS m0, MAX(m0) AS m1 FROM ({sql}) r GROUP BY k0", [
                keys[0],
                items[-1],
                Item("", "m1", EXACT),
            ]
        if shape == "scalar":
            second, _columns, _owner, where = self.source()
            value = f"(SELECT COUNT(*) FROM {second.sql} t{where})"
            return f"SELECT {names}, m0 * 1.0 / NULLIF({value}, 0) AS m0 FROM ({sql}) r", [*keys, Item("", "m0", CLOSE)]
        if shape == "union":
            second, _columns, _owner, where = self.source()
            total = f"SELECT {', '.join(['NULL'] * len(keys))}, COUNT(*) FROM {second.sql} t{where}"
            return f"{sql} UNION ALL {total}", items
        on = " AND ".join(f"r.{k.name} IS NOT DISTINCT FROM s.{k.name}" for k in keys)
        view = self.rows.name("w")
        self.rows.views.append(f"{view} AS ({sql})")
        self.used.add("WITH of released rows used twice")
        listed = ", ".join(f"r.{k.name}" for k in keys)
        return f"SELECT {listed}, r.m0 + s.m0 AS m0 FROM {view} r JOIN {view} s ON {on}", items


def listing(items: list[Item]) -> str:
    return ", ".join(f"{item.sql} AS {item.name}" for item in items)


def _group(keys: list[Item]) -> str:
    return f" GROUP BY {', '.join(str(i + 1) for i in range(len(keys)))}" if keys else ""


def _item(sql: str, like: str, cut: str) -> Item:
    """Return an aggregate over the rows that meet a condition, if there is one."""
    shown = f"{sql} FILTER (WHERE {cut})" if cut else sql
    if like != RANKED:
        return Item(shown, "", like)
    name = construct(sql)
    template = next(t for t in RANKS if construct(t) == name)
    start, end = template.split("{}")
    value = sql[len(start) : len(sql) - len(end)]
    fraction = {"MEDIAN": 0.5, "MIN": 0.0, "MAX": 1.0}.get(name) or float(
        next(iter(re.findall(r"0\.\d+", start[:20] + end)), "0")
    )
    counted = f"{value} IS NOT NULL" + (f" AND {cut}" if cut else "")
    return Item(shown, "", like, f"list_sort(list({value}) FILTER (WHERE {counted}))", fraction)


def construct(sql: str) -> str:
    """Return the name of an aggregate."""
    return sql.split("(", maxsplit=1)[0] + ("(DISTINCT)" if "(DISTINCT" in sql else "")


COUNTS, SUMS, TRUTHS = ("COUNT({})",), ("SUM({})", "AVG({})"), ("BOOL_AND({})", "BOOL_OR({})")
DISTINCT = ("COUNT(DISTINCT {})", "APPROX_COUNT_DISTINCT({})")
TOP = ("MODE({})", "APPROX_TOP_K({}, 2)")
MOMENTS = ("VAR_POP({})", "VAR_SAMP({})", "STDDEV_POP({})", "STDDEV_SAMP({})", "VARIANCE({})", "STDDEV({})")
PAIRS = tuple(f"{name}({{}}, {{}})" for name in (
    "COVAR_POP", "COVAR_SAMP", "CORR", "REGR_SLOPE", "REGR_INTERCEPT", "REGR_R2", "REGR_COUNT", "REGR_AVGX", "REGR_AVGY",
    "REGR_SXX", "REGR_SYY", "REGR_SXY"))  # fmt: skip
RANKS = ("MEDIAN({})", "QUANTILE_CONT({}, 0.25)", "QUANTILE_DISC({}, 0.75)", "PERCENTILE_CONT(0.9) WITHIN GROUP (ORDER BY {})",
         "PERCENTILE_DISC(0.1) WITHIN GROUP (ORDER BY {})", "MIN({})", "MAX({})", "APPROX_QUANTILE({}, 0.5)")  # fmt: skip
POOLS = {"count": COUNTS, "if": ("COUNT_IF({})",), "sum": SUMS, "moment": MOMENTS, "pair": PAIRS, "rank": RANKS,
         "truth": TRUTHS, "top": TOP, "distinct": DISTINCT, "units": ()}  # fmt: skip
KINDS = tuple(POOLS)
SHAPES = (
    Answers.plain, Answers.plain, Answers.plain, Answers.plain, Answers.histogram, Answers.grouping_sets, Answers.keys_alone,
    Answers.padded, Answers.post, Answers.post, Answers.post,
)  # fmt: skip
