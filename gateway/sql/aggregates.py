"""Aggregate functions: which calls are understood, and what is known of their results."""

from dataclasses import dataclass, field, replace
from fractions import Fraction

from sqlglot import exp

from gateway.catalog.types import BOOLEAN, DOUBLE, INTEGER, OTHER, SqlType, TypeKind, decimal
from gateway.errors import GatewayError
from gateway.sql.operators import mismatch, truth
from gateway.sql.parse import dialect_of, place, refuse_other_parts, whole_number
from gateway.sql.plan import AggregateCall, AggregateKind, Field
from gateway.sql.ranges import Range
from gateway.sql.rows import Resolve
from gateway.sql.scope import Ids
from gateway.sql.terms import Term

Kind = AggregateKind

_ONE_ARGUMENT: dict[type[exp.Expr], Kind] = {
    exp.Sum: Kind.SUM,
    exp.Avg: Kind.AVG,
    exp.Min: Kind.MIN,
    exp.Max: Kind.MAX,
    exp.VariancePop: Kind.VAR_POP,
    exp.Variance: Kind.VAR_SAMP,
    exp.StddevPop: Kind.STDDEV_POP,
    exp.StddevSamp: Kind.STDDEV_SAMP,
    exp.Stddev: Kind.STDDEV_SAMP,
    exp.LogicalAnd: Kind.BOOL_AND,
    exp.LogicalOr: Kind.BOOL_OR,
    exp.ApproxDistinct: Kind.COUNT_DISTINCT,
    exp.Mode: Kind.MODE,
}
_TWO_ARGUMENTS: dict[type[exp.Expr], Kind] = {
    exp.CovarPop: Kind.COVAR_POP,
    exp.CovarSamp: Kind.COVAR_SAMP,
    exp.Corr: Kind.CORR,
    exp.RegrSlope: Kind.REGR_SLOPE,
    exp.RegrIntercept: Kind.REGR_INTERCEPT,
    exp.RegrR2: Kind.REGR_R2,
    exp.RegrCount: Kind.REGR_COUNT,
    exp.RegrAvgx: Kind.REGR_AVGX,
    exp.RegrAvgy: Kind.REGR_AVGY,
    exp.RegrSxx: Kind.REGR_SXX,
    exp.RegrSyy: Kind.REGR_SYY,
    exp.RegrSxy: Kind.REGR_SXY,
}
_BY_NAME: dict[str, Kind] = {
    "EVERY": Kind.BOOL_AND,
    "SOME": Kind.BOOL_OR,
    "STD": Kind.STDDEV_SAMP,
    "MEAN": Kind.AVG,
}
_QUANTILES: dict[type[exp.Expr], Kind] = {
    exp.PercentileCont: Kind.QUANTILE_CONT,
    exp.PercentileDisc: Kind.QUANTILE_DISC,
    exp.ApproxQuantile: Kind.QUANTILE_DISC,
}

COUNTS = frozenset({Kind.COUNT_ROWS, Kind.COUNT, Kind.COUNT_DISTINCT, Kind.REGR_COUNT})
"""Aggregates that are 0 of no rows; all others are NULL."""

_WITHOUT_DISTINCT = frozenset({Kind.MIN, Kind.MAX, Kind.BOOL_AND, Kind.BOOL_OR, Kind.COUNT_DISTINCT})
"""DISTINCT changes nothing in them."""

_OF_NUMBERS = frozenset(set(_TWO_ARGUMENTS.values()) | {Kind.SUM, Kind.AVG, Kind.VAR_POP, Kind.VAR_SAMP}) | {
    Kind.STDDEV_POP,
    Kind.STDDEV_SAMP,
    Kind.QUANTILE_CONT,
}
_KEEPING = frozenset({Kind.MIN, Kind.MAX, Kind.QUANTILE_DISC, Kind.MODE})
"""Aggregates whose result is one of the values."""

MAX_TOP = 1_000

ANSWERED = (
    "COUNT, SUM, AVG, MIN, MAX, VAR_POP, VAR_SAMP, STDDEV_POP, STDDEV_SAMP, COVAR_POP, COVAR_SAMP, CORR, REGR_*, "
    "MEDIAN, QUANTILE_CONT, QUANTILE_DISC, PERCENTILE_CONT, PERCENTILE_DISC, BOOL_AND, BOOL_OR, MODE, "
    "APPROX_COUNT_DISTINCT, APPROX_TOP_K and COUNT_IF, each with FILTER"
)


@dataclass(frozen=True, slots=True)
class Call:
    """An aggregate function as it is written: what it is, of what, and where it stands."""

    kind: Kind
    arguments: tuple[Term, ...]
    filter: Term | None
    parameter: Fraction | None
    node: exp.Expr

    def same(self, other: AggregateCall) -> bool:
        return (
            self.kind is other.kind
            and self.parameter == other.parameter
            and [a.node for a in self.arguments] == [a.node for a in other.arguments]
            and (self.filter and self.filter.node) == (other.filter and other.filter.node)
        )


@dataclass(slots=True)
class Calls:
    """Collects the aggregate calls of one SELECT; the same call twice is one."""

    rows: Resolve
    ids: Ids
    made: list[AggregateCall] = field(default_factory=list)

    def add(self, node: exp.Expr) -> AggregateCall:
        """Return the call that a node writes. Raises GatewayError by name for what is not understood."""
        call = read(node, self.rows)
        known = next((made for made in self.made if call.same(made)), None)
        if known is not None:
            return known
        made = placed(call, self.ids)
        self.made.append(made)
        return made


def placed(call: Call, ids: Ids) -> AggregateCall:
    """Return a call with an output column of its own."""
    term = replace(result(call), node=exp.column(ids.next()))
    column = Field(call.kind.value.lower(), term)
    return AggregateCall(call.kind, call.arguments, call.filter, column, place(call.node), call.parameter)


def read(node: exp.Expr, rows: Resolve) -> Call:
    """Return an aggregate call over rows, FILTER and WITHIN GROUP included."""
    inside, condition = node, None
    if isinstance(inside, exp.Filter):
        refuse_other_parts(inside, "this", "expression")
        refuse_other_parts(inside.expression, "this")
        condition = truth(inside.expression.this, rows)
        inside = inside.this
    if isinstance(inside, exp.IgnoreNulls | exp.RespectNulls) and not isinstance(inside.this, exp.AnyValue):
        raise GatewayError("unsupported_sql", "IGNORE NULLS is not answered.", "Leave it out.", place(node))
    if isinstance(inside, exp.CountIf):
        refuse_other_parts(inside, "this")
        if condition is not None:
            hint = "Use COUNT(*) FILTER (...)."
            raise GatewayError("unsupported_sql", "COUNT_IF with FILTER.", hint, place(node))
        return Call(Kind.COUNT_ROWS, (), truth(inside.this, rows), None, node)
    kind, operands, parameter = _parts(inside)
    arguments = tuple(rows(operand) for operand in operands)
    _check(kind, arguments, node)
    if kind is Kind.COUNT and not arguments[0].nullable and not arguments[0].ids:
        kind, arguments = Kind.COUNT_ROWS, ()  # COUNT(1)
    return Call(kind, arguments, condition, parameter, node)


Parts = tuple[Kind, tuple[exp.Expr, ...], Fraction | None]


def _parts(node: exp.Expr) -> Parts:
    """Return the kind of an aggregate, its operands and its parameter."""
    if isinstance(node, exp.Count):
        return _count(node)
    if isinstance(node, exp.WithinGroup):
        return _within_group(node)
    if type(node) in _ONE_ARGUMENT and node.this is not None:
        refuse_other_parts(node, "this", "deterministic")
        kind = _ONE_ARGUMENT[type(node)]
        return kind, (_operand(node, kind),), None
    if type(node) in _TWO_ARGUMENTS and node.args.get("expression") is not None:
        refuse_other_parts(node, "this", "expression", "null_on_zero_variance")
        kind = _TWO_ARGUMENTS[type(node)]
        return kind, (_operand(node, kind), node.expression), None
    if isinstance(node, exp.Median):
        refuse_other_parts(node, "this")
        return Kind.QUANTILE_CONT, (_operand(node, Kind.QUANTILE_CONT),), Fraction(1, 2)
    if isinstance(node, exp.Anonymous) and node.name.upper() in _BY_NAME and len(node.expressions) == 1:
        kind = _BY_NAME[node.name.upper()]
        return kind, (_plain(node, node.expressions[0], kind),), None
    if isinstance(node, exp.ApproxTopK):
        return _top(node)
    return _quantile(node)


def _top(node: exp.ApproxTopK) -> Parts:
    refuse_other_parts(node, "this", "expression")
    number = whole_number(node.expression) if node.args.get("expression") is not None else None
    if number is None or not 1 <= number <= MAX_TOP:
        hint = f"Write APPROX_TOP_K(x, k) with a whole number from 1 to {MAX_TOP:,}."
        raise GatewayError("unsupported_sql", "APPROX_TOP_K takes a literal number of values.", hint, place(node))
    return Kind.APPROX_TOP_K, (_operand(node, Kind.APPROX_TOP_K),), Fraction(number)


def _quantile(node: exp.Expr) -> Parts:
    if isinstance(node, exp.ApproxQuantile):
        refuse_other_parts(node, "this", "quantile")
        return Kind.QUANTILE_DISC, (_operand(node, Kind.QUANTILE_DISC),), _fraction(node.args.get("quantile"), node)
    if isinstance(node, exp.Quantile):  # Spark's PERCENTILE interpolates, DuckDB's QUANTILE does not
        refuse_other_parts(node, "this", "quantile")
        kind = Kind.QUANTILE_CONT if dialect_of(node) == "spark" else Kind.QUANTILE_DISC
        return kind, (_operand(node, kind),), _fraction(node.args.get("quantile"), node)
    if type(node) in _QUANTILES and node.args.get("expression") is not None:
        refuse_other_parts(node, "this", "expression")
        kind = _QUANTILES[type(node)]
        return kind, (_operand(node, kind),), _fraction(node.expression, node)
    if type(node) in _QUANTILES:
        hint = "Write PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY x)."
        raise GatewayError("sql_syntax", "The percentile lacks WITHIN GROUP.", hint, place(node))
    raise _unknown(node)


def _unknown(node: exp.Expr) -> GatewayError:
    inside = node.this if isinstance(node, exp.IgnoreNulls) else node
    name = inside.name if isinstance(inside, exp.Anonymous) else inside.key
    detail = f"The aggregate {name.upper()} is not answered."
    return GatewayError("unsupported_function", detail, f"Answered are {ANSWERED}.", place(node))


def _within_group(node: exp.WithinGroup) -> Parts:
    refuse_other_parts(node, "this", "expression")
    function, order = node.this, node.expression
    ordered = order.expressions[0] if isinstance(order, exp.Order) and len(order.expressions) == 1 else None
    if not isinstance(ordered, exp.Ordered):
        hint = "Write WITHIN GROUP (ORDER BY x)."
        raise GatewayError("unsupported_sql", "WITHIN GROUP takes one ordered value.", hint, place(node))
    refuse_other_parts(order, "expressions")
    refuse_other_parts(ordered, "this", "desc", "nulls_first")
    if isinstance(function, exp.Mode):
        refuse_other_parts(function)
        return Kind.MODE, (ordered.this,), None
    if not isinstance(function, exp.PercentileCont | exp.PercentileDisc):
        raise _unknown(function)
    refuse_other_parts(function, "this")
    kind, fraction = _QUANTILES[type(function)], _fraction(function.this, node)
    if ordered.args.get("desc"):
        if kind is Kind.QUANTILE_DISC:
            hint = "Write ORDER BY x without DESC, and 1 - fraction."
            raise GatewayError("unsupported_sql", "PERCENTILE_DISC counts upwards here.", hint, place(node))
        fraction = 1 - fraction
    return kind, (ordered.this,), fraction


def _fraction(written: exp.Expr | None, node: exp.Expr) -> Fraction:
    """Return a literal fraction. Raises `unsupported_sql` for lists and for anything computed."""
    text = written.name if isinstance(written, exp.Literal) and not written.is_string else ""
    try:
        value = Fraction(text) if len(text) <= 20 else Fraction(-1)
    except ValueError:
        value = Fraction(-1)
    if not 0 <= value <= 1:
        hint = "Write one aggregate for each fraction, for example QUANTILE_CONT(x, 0.5)."
        raise GatewayError("unsupported_sql", "A quantile takes one literal from 0 to 1.", hint, place(node))
    return value


def _count(node: exp.Count) -> Parts:
    refuse_other_parts(node, "this", "big_int")
    inside = node.this
    if inside is None:
        raise GatewayError("unsupported_sql", "COUNT takes an argument.", "Write COUNT(*).", place(node))
    if isinstance(inside, exp.Star):
        refuse_other_parts(inside)
        return Kind.COUNT_ROWS, (), None
    if isinstance(inside, exp.Distinct):
        refuse_other_parts(inside, "expressions")
        if len(inside.expressions) != 1 or isinstance(inside.expressions[0].unnest(), exp.Tuple):
            hint = "Write SELECT COUNT(*) FROM (SELECT DISTINCT a, b ...)."
            raise GatewayError("distinct", "COUNT(DISTINCT a, b) is not answered.", hint, place(node))
        return Kind.COUNT_DISTINCT, (inside.expressions[0],), None
    return Kind.COUNT, (_plain(node, inside, Kind.COUNT),), None


def _operand(node: exp.Expr, kind: Kind) -> exp.Expr:
    return _plain(node, node.this, kind)


def _plain(node: exp.Expr, operand: exp.Expr, kind: Kind) -> exp.Expr:
    """Return the operand of an aggregate without a DISTINCT that changes nothing."""
    if isinstance(operand, exp.Order):
        detail = f"ORDER BY inside {kind.value} is not answered."
        raise GatewayError("unsupported_sql", detail, "Leave it out.", place(node))
    if not isinstance(operand, exp.Distinct):
        return operand
    refuse_other_parts(operand, "expressions")
    if kind in _WITHOUT_DISTINCT and len(operand.expressions) == 1:
        inside: exp.Expr = operand.expressions[0]
        return inside
    hint = "Leave DISTINCT out, or aggregate over SELECT DISTINCT."
    raise GatewayError("distinct", f"{kind.value}(DISTINCT ...) is not answered.", hint, place(node))


def _check(kind: Kind, arguments: tuple[Term, ...], node: exp.Expr) -> None:
    """Refuse arguments of a type that the aggregate does not take."""
    for argument in arguments:
        type_ = argument.type
        if kind in _OF_NUMBERS and not type_.numeric:
            hint = "; use PERCENTILE_DISC for dates" if kind is Kind.QUANTILE_CONT and type_.temporal else ""
            raise mismatch(node, f"{kind.value} takes a number; this is {type_}{hint}.")
        if kind is Kind.QUANTILE_DISC and not (type_.numeric or type_.temporal):
            raise mismatch(node, f"A quantile is of numbers or dates; this is {type_}.")
        if kind in (Kind.BOOL_AND, Kind.BOOL_OR) and type_ != BOOLEAN:
            raise mismatch(node, f"{kind.value} takes a condition; this is {type_}.")
        if type_ == OTHER and kind is not Kind.COUNT:
            raise mismatch(node, f"{kind.value} does not take this value.")


# -- results ----------------------------------------------------------------------------------------------------------


def result_type(kind: Kind, argument: Term | None) -> SqlType:
    """Return the type of an aggregate's result: sums of decimals stay exact, averages are DOUBLE."""
    if kind in COUNTS:
        return INTEGER
    assert argument is not None  # INVARIANT: all but counts have an argument
    if kind is Kind.SUM:
        if argument.type.kind is TypeKind.DECIMAL:
            return decimal(38, argument.type.scale)
        return INTEGER if argument.type == INTEGER else DOUBLE
    if kind in _KEEPING or kind in (Kind.BOOL_AND, Kind.BOOL_OR):
        return argument.type
    return OTHER if kind is Kind.APPROX_TOP_K else DOUBLE


_NOT_NEGATIVE = Range(Fraction(0), None)
_RANGES: dict[Kind, Range] = {
    Kind.VAR_POP: _NOT_NEGATIVE,
    Kind.VAR_SAMP: _NOT_NEGATIVE,
    Kind.STDDEV_POP: _NOT_NEGATIVE,
    Kind.STDDEV_SAMP: _NOT_NEGATIVE,
    Kind.REGR_SXX: _NOT_NEGATIVE,
    Kind.REGR_SYY: _NOT_NEGATIVE,
    Kind.CORR: Range(Fraction(-1), Fraction(1)),
    Kind.REGR_R2: Range(Fraction(0), Fraction(1)),
}


def result(call: Call) -> Term:
    """Return what is known of a call's result. No range is enforced: noise may leave it, so all are claimed (`raw`)."""
    arguments, kind = call.arguments, call.kind
    argument = arguments[0] if arguments else None
    filtered = call.filter.bases if call.filter is not None else frozenset()
    value = frozenset().union(*(a.value for a in arguments))
    condition = filtered.union(*(a.condition for a in arguments))
    built = Term(
        exp.Null(), result_type(kind, argument), nullable=kind not in COUNTS, value=value, condition=condition, raw=True
    )
    if kind in COUNTS:
        return replace(built, range=_NOT_NEGATIVE, value=frozenset(), condition=value | condition)
    assert argument is not None  # INVARIANT: all but counts have an argument
    if kind in _KEEPING:
        grain = argument.granularity
        return replace(built, range=argument.range, span=argument.span, domain=argument.domain, granularity=grain)
    if kind in (Kind.AVG, Kind.QUANTILE_CONT):
        return replace(built, range=argument.range)
    if kind is Kind.SUM:
        return replace(built, range=_signed(argument.range), granularity=argument.granularity)
    if kind in (Kind.BOOL_AND, Kind.BOOL_OR):
        return replace(built, domain=(False, True))
    if kind in (Kind.REGR_AVGX, Kind.REGR_AVGY):
        return replace(built, range=arguments[kind is Kind.REGR_AVGX].range)
    return replace(built, range=_RANGES.get(kind, Range()))


def _signed(limits: Range) -> Range:
    """Return what a range says of a sum of any number of its values: its sign."""
    lo = Fraction(0) if limits.lo is not None and limits.lo >= 0 else None
    hi = Fraction(0) if limits.hi is not None and limits.hi <= 0 else None
    return Range(lo, hi)
