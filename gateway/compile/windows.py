"""Window functions as SQL that is total: nothing in the rows makes the engine raise, and ties are told apart.

An aggregate over a window is written as in aggregates.py, each of its parts over the same window.
"""

from collections.abc import Sequence

from sqlglot import exp

from gateway.catalog.types import DOUBLE, INTEGER, SqlType, TypeKind, decimal
from gateway.compile import aggregates
from gateway.errors import GatewayError
from gateway.sql.plan import AggregateKind, SortKey, WindowCall, WindowKind
from gateway.sql.terms import Term, cast, data_type
from gateway.sql.writing import copied

BY_ROW = (WindowKind.ROW_NUMBER, WindowKind.NTILE, WindowKind.LAG, WindowKind.LEAD)
"""Functions that look at the place of a row whatever the frame: columns added to their order change no peers."""

RANKS = {
    WindowKind.ROW_NUMBER: INTEGER,
    WindowKind.RANK: INTEGER,
    WindowKind.DENSE_RANK: INTEGER,
    WindowKind.NTILE: INTEGER,
    WindowKind.PERCENT_RANK: DOUBLE,
    WindowKind.CUME_DIST: DOUBLE,
}


def call(window: WindowCall, partition: Sequence[exp.Expr], ties: Sequence[exp.Expr]) -> exp.Expr:
    """Return one window function, its partitions cut by `partition` too and its ties broken by `ties`.

    Raises GatewayError `unsupported_sql` for frames over values that an engine could not add to without overflow.
    """
    order = [ordered(key) for key in _ordered_keys(window)]
    if window.kind in BY_ROW or _kind(window.frame) == "ROWS":
        order += [exp.Ordered(this=copied(tie), desc=False, nulls_first=False) for tie in ties]

    def over(node: exp.Expr) -> exp.Expr:
        if window.filter is not None:
            node = exp.Filter(this=node, expression=exp.Where(this=copied(window.filter.node)))
        return exp.Window(
            this=node,
            partition_by=[*(copied(part) for part in partition), *(copied(term.node) for term in window.partition)],
            order=exp.Order(expressions=[copied(key) for key in order]) if order else None,
            spec=copied(window.frame) if window.frame is not None else None,
            over="OVER",
        )

    type_ = window.field.term.type
    if isinstance(window.kind, AggregateKind):
        built, native = aggregates.function(window.kind, window.arguments, None, over, window.place)
        return aggregates.into(built, native, type_)
    if window.filter is not None:
        hint = "Use FILTER with COUNT, SUM, AVG, MIN and MAX; else CASE inside the function."
        raise GatewayError("unsupported_sql", f"{window.kind.value} takes no FILTER.", hint, window.place)
    if window.kind is WindowKind.NTILE:
        return _buckets(window, over)
    nodes = [copied(term.node) for term in window.arguments]
    native = RANKS.get(window.kind, window.arguments[0].type if window.arguments else None)
    return aggregates.into(over(exp.Anonymous(this=window.kind.value, expressions=nodes)), native, type_)


def _buckets(window: WindowCall, over: aggregates.Each) -> exp.Expr:
    """Return NTILE; of a number of buckets below 1, NULL."""
    count = window.arguments[0]
    if isinstance(count.literal, int) and count.literal > 0:
        return over(exp.Anonymous(this="NTILE", expressions=[copied(count.node)]))
    positive = exp.GT(this=exp.paren(copied(count.node), copy=False), expression=exp.Literal.number(0))
    held = exp.Case(ifs=[exp.If(this=positive, true=copied(count.node))])
    return over(exp.Anonymous(this="NTILE", expressions=[held]))


def ordered(key: SortKey) -> exp.Ordered:
    """Return one key of an ORDER BY, with the place of NULL written out where it is not the engine's own."""
    return exp.Ordered(this=copied(key.term.node), desc=key.descending, nulls_first=key.nulls_first)


def _kind(frame: exp.WindowSpec | None) -> str | None:
    return None if frame is None else str(frame.args.get("kind")).upper()


def _ordered_keys(window: WindowCall) -> tuple[SortKey, ...]:
    """Return the keys of the order; where a RANGE frame adds to the one key, in a type that cannot overflow."""
    frame = window.frame
    if frame is None or _kind(frame) != "RANGE":
        return window.order
    if not any(isinstance(frame.args.get(end), exp.Expr) for end in ("start", "end")):
        return window.order  # UNBOUNDED and CURRENT ROW only: nothing is added
    if len(window.order) != 1:
        hint = "ORDER BY one number, or use ROWS or GROUPS."
        raise GatewayError("unsupported_sql", "A RANGE frame with an offset takes one key.", hint, window.place)
    key = window.order[0]
    return (SortKey(_roomy(key.term, window), key.descending, key.nulls_first),)


def _roomy(term: Term, window: WindowCall) -> Term:
    type_ = term.type
    if type_ == DOUBLE:
        return term
    node: exp.Expr
    if type_.kind is TypeKind.INTEGER:
        node = exp.Cast(this=copied(term.node), to=data_type("HUGEINT"))
    elif type_.kind is TypeKind.DECIMAL and type_.precision <= 36:
        node = cast(copied(term.node), decimal(38, type_.scale))
    else:
        hint = "Order by a BIGINT, a DOUBLE or a DECIMAL of at most 36 digits, or use ROWS or GROUPS."
        detail = f"A RANGE frame with an offset is not answered over {type_}."
        raise GatewayError("unsupported_sql", detail, hint, window.place)
    return Term(node, SqlType(TypeKind.OTHER), nullable=term.nullable)
