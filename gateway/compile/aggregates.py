"""Aggregate functions as SQL that is total: no value of the rows makes the engine raise.

Sums of integers and decimals are exact and end at a bound that the result's type still holds; averages are the exact
sum over the count. Statistics of floating point numbers that are no number (nothing to divide by, beyond 1e308) are
NULL. What this cannot say of a type is refused by name.
"""

from collections.abc import Callable
from fractions import Fraction

from sqlglot import exp

from gateway.catalog.types import DATE, DOUBLE, INTEGER, TIMESTAMP, SqlType, TypeKind, decimal
from gateway.errors import GatewayError, Position
from gateway.sql.operators import digits_needed
from gateway.sql.plan import AggregateCall, AggregateKind
from gateway.sql.terms import Term, cast, clamp, data_type, finite, try_cast, whole
from gateway.sql.writing import copied

TOTAL_LIMIT = 2**62
"""Sums of integers end here."""

ROWS_DIGITS = 12
"""A relation has fewer rows than a number of so many digits."""

Each = Callable[[exp.Expr], exp.Expr]
"""Puts FILTER and OVER around one plain aggregate function: a call may be made of several."""

COUNTS = (AggregateKind.COUNT_ROWS, AggregateKind.COUNT, AggregateKind.COUNT_DISTINCT, AggregateKind.REGR_COUNT)
"""What is 0, not NULL, over no rows."""

_MOMENTS = {
    AggregateKind.VAR_POP,
    AggregateKind.VAR_SAMP,
    AggregateKind.STDDEV_POP,
    AggregateKind.STDDEV_SAMP,
    AggregateKind.COVAR_POP,
    AggregateKind.COVAR_SAMP,
    AggregateKind.CORR,
    AggregateKind.REGR_SLOPE,
    AggregateKind.REGR_INTERCEPT,
    AggregateKind.REGR_R2,
    AggregateKind.REGR_AVGX,
    AggregateKind.REGR_AVGY,
    AggregateKind.REGR_SXX,
    AggregateKind.REGR_SYY,
    AggregateKind.REGR_SXY,
}


def call(aggregate: AggregateCall) -> exp.Expr:
    """Return one call of a GROUP BY."""

    def filtered(node: exp.Expr) -> exp.Expr:
        if aggregate.filter is None:
            return node
        return exp.Filter(this=node, expression=exp.Where(this=copied(aggregate.filter.node)))

    built, type_ = function(aggregate.kind, aggregate.arguments, aggregate.parameter, filtered, aggregate.place)
    return into(built, type_, aggregate.field.term.type)


def into(node: exp.Expr, native: SqlType | None, type_: SqlType) -> exp.Expr:
    """Return a function's result in the type that the plan gives it."""
    if native in (None, type_) or type_.kind is TypeKind.OTHER:
        return node
    return try_cast(node, type_)


def function(
    kind: AggregateKind, arguments: tuple[Term, ...], parameter: Fraction | None, each: Each, place: Position | None
) -> tuple[exp.Expr, SqlType | None]:
    """Return an aggregate function and its type; None: it is left to the engine."""
    nodes = [copied(term.node) for term in arguments]
    if kind is AggregateKind.COUNT_ROWS:
        return each(exp.Count(this=exp.Star(), big_int=True)), INTEGER
    if kind in _MOMENTS:
        return _moment(kind, arguments, each), DOUBLE
    if kind is AggregateKind.REGR_COUNT:
        return cast(each(exp.func(kind.value, *_doubles(arguments))), INTEGER), INTEGER
    term = arguments[0]
    match kind:
        case AggregateKind.COUNT:
            return each(exp.Count(this=nodes[0], big_int=True)), INTEGER
        case AggregateKind.COUNT_DISTINCT:
            return each(exp.Count(this=exp.Distinct(expressions=nodes), big_int=True)), INTEGER
        case AggregateKind.SUM:
            return _sum(term, each, place)
        case AggregateKind.AVG:
            return _average(term, each, place), DOUBLE
        case AggregateKind.MIN | AggregateKind.MAX | AggregateKind.BOOL_AND | AggregateKind.BOOL_OR:
            return each(exp.func(kind.value, nodes[0])), term.type
        case AggregateKind.QUANTILE_CONT | AggregateKind.QUANTILE_DISC:
            return _quantile(kind, term, parameter, each)
        case AggregateKind.MODE | AggregateKind.APPROX_TOP_K:
            return _most_common(kind, arguments, parameter, each)
        case _:
            raise AssertionError(kind)  # INVARIANT: every kind is above


def _doubles(arguments: tuple[Term, ...]) -> list[exp.Expr]:
    return [copied(term.node) if term.type == DOUBLE else cast(copied(term.node), DOUBLE) for term in arguments]


def _moment(kind: AggregateKind, arguments: tuple[Term, ...], each: Each) -> exp.Expr:
    built = each(exp.func(kind.value, *_doubles(arguments)))
    return finite(built, copied(built))


def _sum(term: Term, each: Each, place: Position | None) -> tuple[exp.Expr, SqlType]:
    match term.type.kind:
        case TypeKind.INTEGER:
            total = each(exp.Sum(this=copied(term.node)))
            return cast(clamp(total, whole(-TOTAL_LIMIT), whole(TOTAL_LIMIT)), INTEGER), INTEGER
        case TypeKind.DECIMAL:
            return _decimal_sum(term, each, place), decimal(38, term.type.scale)
        case _:
            return each(exp.Sum(this=cast(copied(term.node), DOUBLE))), DOUBLE


def _decimal_sum(term: Term, each: Each, place: Position | None) -> exp.Expr:
    """Return an exact sum of decimals in DECIMAL(38, s).

    Where so many of the longest could be beyond 38 digits, each is split at 10^k: the low parts add up within 38
    digits, the high parts are whole numbers of 12 digits, and the total ends at what the type holds.
    """
    scale = term.type.scale
    digits = term.type.precision if term.raw else min(term.type.precision, digits_needed(term.limits(), scale))
    type_ = decimal(38, scale)
    if digits + ROWS_DIGITS <= 38:
        return each(exp.Sum(this=cast(copied(term.node), decimal(max(digits, term.type.precision), scale))))
    k = 38 - ROWS_DIGITS - scale
    if k < 1:
        detail = f"A sum of {term.type} may need more digits than there are."
        raise GatewayError("unsupported_sql", detail, "CAST it to DECIMAL(38,18), or to DOUBLE.", place or term.place)
    power = exp.Literal.string(str(10**k))
    low: exp.Expr = exp.Mod(this=exp.paren(copied(term.node), copy=False), expression=cast(copied(power), type_))
    rest = exp.paren(exp.Sub(this=exp.paren(copied(term.node), copy=False), expression=exp.paren(low)), copy=False)
    steps = exp.Div(this=cast(rest, DOUBLE), expression=cast(copied(power), DOUBLE))
    high = each(exp.Sum(this=cast(exp.Round(this=steps), INTEGER)))
    total = exp.Mul(this=_huge(copied(high)), expression=_huge(copied(power)))
    sum_ = exp.Add(this=cast(total, type_), expression=each(exp.Sum(this=cast(low, type_))))
    limit = 9 * 10 ** (ROWS_DIGITS - 1)
    most = "9" * (38 - scale) + (f".{'9' * scale}" if scale else "")
    return exp.Case(
        ifs=[
            exp.If(
                this=exp.GT(this=copied(high), expression=whole(limit)),
                true=cast(exp.Literal.string(most), type_),
            ),
            exp.If(
                this=exp.LT(this=copied(high), expression=whole(-limit)),
                true=cast(exp.Literal.string(f"-{most}"), type_),
            ),
        ],
        default=sum_,
    )


def _average(term: Term, each: Each, place: Position | None) -> exp.Expr:
    """Return the exact sum over the count, in DOUBLE: the same for any order of the rows."""
    if term.type == DOUBLE:
        return each(exp.Avg(this=copied(term.node)))
    if term.type.kind is TypeKind.INTEGER:
        total = each(exp.Sum(this=copied(term.node)))
    else:
        total = _sum(term, each, place)[0]
    count = each(exp.Count(this=copied(term.node), big_int=True))
    return exp.Div(this=cast(total, DOUBLE), expression=exp.Nullif(this=cast(count, DOUBLE), expression=whole(0)))


def _quantile(
    kind: AggregateKind, term: Term, parameter: Fraction | None, each: Each
) -> tuple[exp.Expr, SqlType | None]:
    assert parameter is not None  # INVARIANT: the resolver reads the fraction
    node, type_ = copied(term.node), term.type
    if kind is AggregateKind.QUANTILE_CONT and type_.numeric:
        node, type_ = _doubles((term,))[0], DOUBLE  # between decimals an engine would round to their scale
    elif kind is AggregateKind.QUANTILE_CONT and type_ == DATE:
        node, type_ = try_cast(node, TIMESTAMP), TIMESTAMP
    fraction = exp.Literal.number(repr(float(parameter)))
    return each(exp.func(kind.value, node, fraction, dialect="duckdb")), type_


def _most_common(
    kind: AggregateKind, arguments: tuple[Term, ...], parameter: Fraction | None, each: Each
) -> tuple[exp.Expr, SqlType | None]:
    """Return MODE or APPROX_TOP_K: of values in rows, or (by a second argument) of values counted before."""
    nodes = [copied(term.node) for term in arguments]
    if kind is AggregateKind.MODE and len(nodes) == 2:
        return each(exp.func("ARG_MAX", *nodes)), arguments[0].type
    if kind is AggregateKind.MODE:  # in order, so that a tie is broken by the value alone
        order = exp.Order(this=nodes[0], expressions=[exp.Ordered(this=copied(nodes[0]), nulls_first=False)])
        return each(exp.Mode(this=order)), arguments[0].type
    assert parameter is not None  # INVARIANT: the resolver reads k
    name = "ARG_MAX" if len(nodes) == 2 else kind.value
    return each(exp.Anonymous(this=name, expressions=[*nodes, whole(int(parameter))])), None


def _huge(node: exp.Expr) -> exp.Expr:
    return exp.Cast(this=node, to=data_type("HUGEINT"))
