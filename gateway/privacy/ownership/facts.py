"""Facts about rows as they pass through a plan: the owner's column, unique keys, what the owner determines.

Facts choose bounds and hints. Only `owner`, and what is added for it to keys and partitions, carries the proof.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from sqlglot import exp

from gateway.catalog.model import Dataset
from gateway.catalog.types import DOUBLE, TEXT, SqlType
from gateway.privacy.relations import Owned, Public, Released
from gateway.sql.plan import Computed, Field, Plan, Project, Scan, SortKey
from gateway.sql.terms import Term, cast
from gateway.sql.writing import reference

Unique = frozenset[frozenset[str]]

MAX_KEYS = 16
"""Unique keys that are followed; more than these would only cost time."""

SINGLE: Unique = frozenset({frozenset()})
"""At most one row."""


def ids_of(terms: Iterable[Term]) -> frozenset[str]:
    """Return the ids of all columns in some terms."""
    return frozenset().union(*(term.ids for term in terms))


def shown(plan: Plan) -> frozenset[str]:
    """Return the ids that a relation carries, the owner's among them."""
    own = {plan.owner.id} if isinstance(plan, Scan) and plan.owner is not None else set()
    return frozenset(own | {field.id for field in plan.fields})


def owner_field(owned: Owned) -> Field:
    """Return the field of the owner's column."""
    if isinstance(owned.plan, Scan) and owned.plan.owner is not None:
        return owned.plan.owner
    return next(field for field in owned.plan.fields if field.id == owned.owner)


def owner_computed(owned: Owned, column_id: str) -> Computed:
    """Return a column `column_id` that passes the owner on, under no name that a query could use."""
    term = Term(reference(owned.owner), owner_field(owned).term.type, nullable=False)
    return Computed(Field("", Term(reference(column_id), term.type, nullable=False)), term)


def carried(fields: tuple[Field, ...], owned: Owned) -> tuple[Field, ...]:
    """Return the fields with the owner's among them."""
    if any(field.id == owned.owner for field in fields):
        return fields
    own = owner_field(owned)
    return (*fields, Field("", Term(reference(own.id), own.term.type, nullable=False)))


def listed(owned: Owned) -> Owned:
    """Return the relation with the owner's column among its fields also where a chain found it."""
    if any(field.id == owned.owner for field in owned.plan.fields):
        return owned
    columns = tuple(Computed(field, field.term.reference(field.id)) for field in owned.plan.fields)
    return replace(owned, plan=Project(owned.plan, (*columns, owner_computed(owned, owned.owner)), owned.plan.place))


def owner_name(owned: Owned, dataset: Dataset) -> str:
    """Return what the buyer calls the owner's column here, else the unit key's name."""
    named = (f.name for f in owned.plan.fields if f.id in owned.aliases and f.name)
    return next(named, dataset.privacy.unit_key)


def hidden(owned: Owned) -> bool:
    """Tell whether no column that the query can name holds the owner."""
    return not any(f.id in owned.aliases and f.name for f in owned.plan.fields)


def in_sight(owned: Owned) -> Owned:
    """Return the relation with the facts of columns that are no longer there left out, and the row bound that holds."""
    ids = shown(owned.plan)
    unique = frozenset(key for key in owned.unique if key <= ids)
    determined = (owned.determined & ids) | {owned.owner}
    single = any(key <= determined for key in unique)
    return replace(
        owned,
        aliases=owned.aliases & ids,
        chains={key: held for key, chain in owned.chains.items() if (held := chain & ids)},
        unique=unique,
        determined=ids if single else determined,
        rows=1 if single else owned.rows,
        groups=1 if single else owned.groups,
    )


def matched(relation: Public | Owned | Released, ids: frozenset[str]) -> bool:
    """Tell whether at most one row of the relation has given values in the columns `ids` (by declaration)."""
    return any(key <= ids for key in relation.unique)


def pairs(left: Unique, right: Unique) -> Unique:
    """Return the unique keys of rows that pair a row of each side."""
    return fewest(frozenset(a | b for a in left for b in right))


def fewest(unique: Unique) -> Unique:
    """Return at most so many keys as are worth following, the shortest."""
    if len(unique) <= MAX_KEYS:
        return unique
    return frozenset(sorted(unique, key=lambda key: (len(key), sorted(key)))[:MAX_KEYS])


def constants(condition: Iterable[Term]) -> frozenset[str]:
    """Return the ids that a condition sets equal to one literal each."""
    found = set()
    for term in condition:
        node = term.node.unnest()
        if not isinstance(node, exp.EQ):
            continue
        for column, value in ((node.this.unnest(), node.expression), (node.expression.unnest(), node.this)):
            if isinstance(column, exp.Column) and value.find(exp.Column) is None:
                found.add(column.name)
    return frozenset(found)


def narrowed(unique: Unique, condition: Iterable[Term]) -> Unique:
    """Return the unique keys of rows that meet a condition: a column set equal to one value tells none apart."""
    fixed = constants(condition)
    return frozenset(key - fixed for key in unique) if fixed else unique


def names_of(columns: Iterable[Computed]) -> dict[str, list[str]]:
    """Return under each id below the ids that hold it unchanged above."""
    names: dict[str, list[str]] = {}
    for column in columns:
        if column.term.id is not None:
            names.setdefault(column.term.id, []).append(column.field.id)
    return names


def through(unique: Unique, names: Mapping[str, list[str]]) -> Unique:
    """Return the unique keys that are left when columns are renamed."""
    return frozenset(frozenset(names[part][0] for part in key) for key in unique if key <= names.keys())


def renamed(ids: frozenset[str], names: Mapping[str, list[str]]) -> frozenset[str]:
    return frozenset(new for old in ids for new in names.get(old, ()))


def steady(term: Term) -> Term:
    """Return a number whose equal values have equal bits: 0.0 and -0.0 are one."""
    if term.type != DOUBLE:
        return term
    zero = cast(exp.Literal.number(0), DOUBLE)
    same = exp.EQ(this=exp.paren(term.node.copy(), copy=False), expression=zero)
    node = exp.Case(ifs=[exp.If(this=same, true=zero.copy())], default=term.node.copy())
    return replace(term, node=node, origin=None)


def tie_breaks(plan: Plan) -> tuple[SortKey, ...]:
    """Return every column of a relation as a key: rows that still tie are alike in every bit.

    They are no use of a column by the query, so they say nothing of what they are made of.
    """
    types = {f.id: f.term.type for f in plan.fields}
    keys: list[SortKey] = []
    for name, type_ in sorted(types.items(), key=lambda item: item[0]):
        keys.append(_key(reference(name), type_))
        if type_ == DOUBLE:  # 0.0 and -0.0 are peers, but not alike
            keys.append(_key(cast(reference(name), TEXT), TEXT))
    return tuple(keys)


def _key(node: exp.Expr, type_: SqlType) -> SortKey:
    return SortKey(Term(node, type_, nullable=True), descending=False, nulls_first=False)
