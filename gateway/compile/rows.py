"""What every statement of a measurement starts and ends with: owned rows and their keys, the pick, listed cells."""

from collections.abc import Iterable, Sequence

from sqlglot import exp

from gateway.catalog.types import BOOLEAN, INTEGER, TEXT
from gateway.compile.relations import select
from gateway.privacy.bounding import Bounded
from gateway.privacy.keys import literal_cell
from gateway.sql.plan import Computed, Field, Plan, Project
from gateway.sql.terms import Term, cast, data_type, whole

TOTAL_LIMIT = 2**62
"""Totals are clamped here before they meet 64-bit noise."""

HUGE = data_type("HUGEINT")


def names(bounded: Bounded) -> list[str]:
    return [key.key.name for key in bounded.keys]


def relation(plan: Plan, wanted: Iterable[str]) -> exp.Select:
    """Return the SELECT of a relation's columns that are wanted, and no others."""
    terms = {name: Term(exp.column(name), BOOLEAN, nullable=True) for name in dict.fromkeys(wanted)}
    columns = tuple(Computed(Field("", term), term) for term in terms.values())
    return select(Project(plan, columns, None))


def rows_of(bounded: Bounded, values: Sequence[exp.Expr]) -> exp.Select:
    """Return one line for each owned row: unit `u`, keys, and the values as `v0`.. ; none without an owner."""
    query = exp.select(exp.alias_(exp.column(bounded.owner), "u"))
    for key in bounded.keys:
        query.select(exp.alias_(key.expression.copy(), key.key.name), copy=False)
    for index, value in enumerate(values):
        query.select(exp.alias_(value.copy(), f"v{index}"), copy=False)
    conditions = [present(exp.column(bounded.owner))]
    conditions += [key.inside.copy() for key in bounded.keys if key.inside is not None]
    wanted = [bounded.owner]
    for node in (*query.expressions, *conditions):
        wanted += [column.name for column in node.find_all(exp.Column)]
    query.from_(relation(bounded.relation, wanted).subquery("q"), copy=False)
    return query.where(*conditions, copy=False)


def present(column: exp.Expr) -> exp.Expr:
    return exp.paren(exp.Not(this=exp.Is(this=column, expression=exp.Null())), copy=False)


def integer(value: int) -> exp.Expr:
    return exp.Literal.number(value)


def same(left: str, right: str, columns: Iterable[str]) -> list[exp.Expr]:
    """Return the tests that two relations agree in columns, NULL with NULL."""
    return [exp.NullSafeEQ(this=exp.column(name, left), expression=exp.column(name, right)) for name in columns]


def keyed_hash(columns: Iterable[str]) -> exp.Expr:
    """Return MD5 of the secret (a bound parameter) and a canonical, injective encoding of the columns."""
    encoded: exp.Expr = exp.Placeholder()
    for name in columns:
        encoded = exp.DPipe(this=encoded, expression=_encoded(exp.column(name)))
    return exp.MD5(this=encoded)


def _encoded(node: exp.Expr) -> exp.Expr:
    """Return `length:text`, or `-` for NULL: no two lists of cells have the same encoding."""
    text = cast(node, TEXT)
    sized = exp.DPipe(this=cast(exp.Length(this=text), TEXT), expression=exp.Literal.string(":"))
    return exp.Coalesce(this=exp.DPipe(this=sized, expression=text.copy()), expressions=[exp.Literal.string("-")])


def place_among(partition: Sequence[str], columns: Sequence[str]) -> exp.Expr:
    """Return the place of a row among those of its partition, by the keyed hash of both."""
    order = [keyed_hash((*partition, *columns)), *(exp.column(name) for name in columns)]
    return exp.Window(
        this=exp.RowNumber(),
        partition_by=[exp.column(name) for name in partition],
        order=exp.Order(expressions=[exp.Ordered(this=one, desc=False, nulls_first=False) for one in order]),
    )


def picked(bounded: Bounded) -> exp.Expr:
    """Return the condition that a (unit, key) is among the unit's `groups` keys."""
    return exp.LTE(this=exp.column("pick"), expression=integer(bounded.groups))


def held(total: exp.Expr) -> exp.Expr:
    """Return an exact total (never NULL) as BIGINT, within the limit of 64-bit noise."""
    raised = exp.Greatest(this=total, expressions=[whole(-TOTAL_LIMIT)], ignore_nulls=True)
    return cast(exp.Least(this=raised, expressions=[whole(TOTAL_LIMIT)], ignore_nulls=True), INTEGER)


def finished(bounded: Bounded, totals: Sequence[str], *, leaf: bool) -> exp.Select:
    """Return the cells from the totals in `t`: with factors, every cell that they list, in the same rows.

    Columns: `s` (NULL), the keys, of a tree `leaf`, then the totals.
    """
    place = exp.alias_(cast(exp.Null(), INTEGER), "s")
    extra = ["leaf"] if leaf else []
    if not bounded.factors:
        columns = [exp.alias_(held(exp.column(name)), name) for name in totals]
        return exp.select(place, *names(bounded), *extra, *columns).from_("t")
    keys = [exp.alias_(exp.column(name, "c"), name) for name in names(bounded)]
    there = [
        exp.alias_(held(exp.Coalesce(this=exp.column(name, "t"), expressions=[integer(0)])), name) for name in totals
    ]
    query = exp.select(place, *keys, *extra, *there).from_("c")
    return query.join("t", on=exp.and_(*same("c", "t", names(bounded)), copy=False), join_type="left", copy=False)


def listed(bounded: Bounded) -> exp.Select | None:
    """Return every cell that the factors and the public lists make together; None without factors."""
    if not bounded.factors:
        return None
    query = exp.select()
    columns: dict[int, exp.Expr] = {}
    for number, factor in enumerate(bounded.factors):
        source = exp.select(*(exp.column(name) for name in dict.fromkeys(factor.columns))).distinct()
        source = source.from_(relation(factor.plan, factor.columns).subquery("q")).subquery(f"f{number}")
        query = query.from_(source) if number == 0 else query.join(source, join_type="cross", copy=False)
        columns |= {key: exp.column(c, f"f{number}") for key, c in zip(factor.keys, factor.columns, strict=True)}
    for index, key in enumerate(bounded.keys):
        if index in columns:
            continue
        assert key.key.domain is not None  # INVARIANT: factors list what no list does
        rows = [exp.Tuple(expressions=[literal_cell(cell, key.key.type)]) for cell in key.key.domain]
        alias = exp.TableAlias(this=exp.to_identifier(f"d{index}"), columns=[exp.to_identifier("v")])
        query.join(exp.Values(expressions=rows, alias=alias), join_type="cross", copy=False)
        columns[index] = exp.column("v", f"d{index}")
    shown = [exp.alias_(columns[i], name) for i, name in enumerate(names(bounded))]
    return query.select(*shown, copy=False)


def found(
    bounded: Bounded, source: str, bin_: str, last: int, totals: Sequence[str], at: int, *, leaf: bool
) -> exp.Select:
    """Return how many units of `source` need each candidate: `s` from the bin, the count in the column `totals[at]`."""
    capped = exp.Least(this=exp.column(bin_), expressions=[integer(last)], ignore_nulls=True)
    keys = [exp.alias_(cast(exp.Null(), key.key.type), key.key.name) for key in bounded.keys]
    extra = [exp.alias_(cast(exp.Null(), INTEGER), "leaf")] if leaf else []
    counts = [
        exp.alias_(exp.Count(this=exp.Star(), big_int=True) if i == at else integer(0), name)
        for i, name in enumerate(totals)
    ]
    return (
        exp.select(exp.alias_(cast(capped, INTEGER), "s"), *keys, *extra, *counts).from_(source).group_by(capped.copy())
    )
