"""A bounded group-by to engine SQL: rows, per-unit partials, clamps and the pick, totals (docs/PRIVACY.md, section 3).

The text that comes out is parsed and checked again before it leaves, so that what runs is what was planned.
"""

import sqlglot
from sqlglot import exp

from gateway.catalog.types import INTEGER, TEXT
from gateway.compile.relations import select
from gateway.privacy.bounding import Bounded
from gateway.privacy.calibrate import Compiled
from gateway.privacy.partials import Combine, Partial
from gateway.sql.terms import cast, clamp, data_type, whole

TOTAL_LIMIT = 2**62
"""Totals are clamped here before they meet 64-bit noise."""

_HUGE = data_type("HUGEINT")


def compile_measurement(bounded: Bounded) -> Compiled:
    """Return the DuckDB SQL of a bounded group-by; each `?` in it takes the secret of the keyed hash."""
    rows = _rows(bounded)
    partials = _partials(bounded)
    clamped = _clamped(bounded)
    totals = _totals(bounded)
    query = totals.with_("r", rows).with_("u", partials).with_("b", clamped)
    text = query.sql("duckdb", copy=False)
    _check(text)
    return Compiled(text, select(bounded.relation).sql("duckdb", copy=False), 1 if bounded.pick else 0)


def _check(text: str) -> None:
    """Parse the text again. INVARIANT: one SELECT, and writing it out once more gives the same text."""
    statements = sqlglot.parse(text, read="duckdb")
    assert len(statements) == 1 and isinstance(statements[0], exp.Select)  # noqa: PT018
    assert statements[0].args.get("into") is None
    assert statements[0].sql("duckdb", copy=False) == text, "the engine's SQL does not read back as it was planned"


def _names(bounded: Bounded) -> list[str]:
    return [key.key.name for key in bounded.keys]


def _rows(bounded: Bounded) -> exp.Select:
    """Return one line for each owned row: unit, keys, and every partial's value."""
    query = exp.select(exp.alias_(exp.column(bounded.owner), "u"))
    for key in bounded.keys:
        query = query.select(exp.alias_(key.expression.copy(), key.key.name))
    for index, part in enumerate(bounded.partials):
        query = query.select(exp.alias_(part.row.copy(), f"v{index}"))
    query = query.from_(select(bounded.relation).subquery("q"))
    for key in bounded.keys:
        if key.inside is not None:
            query = query.where(key.inside.copy())
    return query


def _partials(bounded: Bounded) -> exp.Select:
    """Return one line for each (unit, key): the partial aggregates as integers."""
    names = ["u", *_names(bounded)]
    query = exp.select(*names).from_("r").group_by(*names)
    for index, part in enumerate(bounded.partials):
        query = query.select(exp.alias_(_combined(part, exp.column(f"v{index}")), f"p{index}"))
    return query


def _combined(part: Partial, row: exp.Expr) -> exp.Expr:
    count = exp.Count(this=row.copy(), big_int=True)
    if part.combine is Combine.COUNT:
        return count
    total = exp.Sum(this=row.copy())
    if part.combine is Combine.SUM:
        return total
    limit = exp.Literal.number(part.rows)
    scaled = exp.Mul(this=exp.Cast(this=total.copy(), to=_HUGE.copy()), expression=limit.copy())
    shrunk = exp.IntDiv(this=exp.paren(scaled, copy=False), expression=count.copy())
    return exp.Case(ifs=[exp.If(this=exp.GT(this=count, expression=limit), true=shrunk)], default=total)


def _clamped(bounded: Bounded) -> exp.Select:
    """Return the same lines with every partial clamped to its literals, and the order of the pick."""
    names = _names(bounded)
    query = exp.select(*names).from_("u")
    for index, part in enumerate(bounded.partials):
        held = clamp(exp.column(f"p{index}"), whole(part.lower), whole(part.upper))
        query = query.select(exp.alias_(cast(held, INTEGER), f"p{index}"))
    if bounded.pick:
        order = [_hash(bounded), *(exp.column(name) for name in names)]
        ranked = exp.Window(
            this=exp.RowNumber(),
            partition_by=[exp.column("u")],
            order=exp.Order(expressions=[_ordered(o) for o in order]),
        )
        query = query.select(exp.alias_(ranked, "pick"))
    return query


def _ordered(node: exp.Expr) -> exp.Ordered:
    return exp.Ordered(this=node, desc=False, nulls_first=False)


def _hash(bounded: Bounded) -> exp.Expr:
    """Return MD5 of the secret (a bound parameter) and a canonical, injective encoding of unit and key."""
    encoded: exp.Expr = exp.Placeholder()
    for name in ("u", *_names(bounded)):
        encoded = exp.DPipe(this=encoded, expression=_encoded(exp.column(name)))
    return exp.MD5(this=encoded)


def _encoded(node: exp.Expr) -> exp.Expr:
    """Return `length:text`, or `-` for NULL: no two lists of cells have the same encoding."""
    text = cast(node, TEXT)
    sized = exp.DPipe(this=cast(exp.Length(this=text), TEXT), expression=exp.Literal.string(":"))
    return exp.Coalesce(this=exp.DPipe(this=sized, expression=text.copy()), expressions=[exp.Literal.string("-")])


def _totals(bounded: Bounded) -> exp.Select:
    """Return one line for each cell: exact totals of what is kept."""
    names = _names(bounded)
    query = exp.select(*names).from_("b")
    for index, _part in enumerate(bounded.partials):
        total = exp.Coalesce(this=exp.Sum(this=exp.column(f"p{index}")), expressions=[exp.Literal.number(0)])
        held = clamp(total, whole(-TOTAL_LIMIT), whole(TOTAL_LIMIT))
        query = query.select(exp.alias_(cast(held, INTEGER), f"p{index}"))
    if bounded.pick:
        query = query.where(exp.LTE(this=exp.column("pick"), expression=exp.Literal.number(bounded.groups)))
    return query.group_by(*names) if names else query
