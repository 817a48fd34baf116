"""Functions of numbers: rounding, roots, powers, logarithms, angles and buckets. Outside its domain each is NULL."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

from sqlglot import exp

from gateway.catalog.types import DOUBLE, INTEGER, TypeKind, decimal
from gateway.errors import GatewayError
from gateway.sql import ranges
from gateway.sql.operators import affordable, as_double, mismatch, numeric
from gateway.sql.parse import dialect_of, place
from gateway.sql.ranges import BIGINT_MAX, BIGINT_MIN, UNKNOWN, Range
from gateway.sql.rows import Resolve
from gateway.sql.terms import Term, cast, merge, number, predicate, try_cast
from gateway.sql.writing import copied

MAX_BUCKETS = 10_000


def absolute(node: exp.Abs, resolve: Resolve) -> Term:
    term = numeric(node.this, resolve)
    bound = term.limits().magnitude()
    if term.type == INTEGER and (bound is None or bound > BIGINT_MAX):
        term = replace(term, node=as_double(term), type=DOUBLE)
    built = exp.Abs(this=copied(term.node))
    return replace(term, node=built, range=ranges.absolute(term.range), per_unit_sum=None, domain=None)


# -- rounding ----------------------------------------------------------------------------------------------------


def _places(node: exp.Round | exp.Trunc, resolve: Resolve) -> int:
    places = node.args.get("decimals")
    count = 0 if places is None else resolve(places).literal
    if not isinstance(count, int) or not -15 <= count <= 18:
        raise mismatch(node, f"{node.key.upper()} takes a literal number of decimals from -15 to 18.")
    return count


def rounding(node: exp.Round, resolve: Resolve) -> Term:
    """Return ROUND(x [, n]) with a literal n; halves go away from zero. Integers and decimals stay exact."""
    term, count = numeric(node.this, resolve), _places(node, resolve)
    if term.type.kind is not TypeKind.DOUBLE and count >= term.type.scale:
        return _foreign(node, term)
    if term.type.kind is not TypeKind.DOUBLE:
        return _exactly(node, exp.Round(this=copied(term.node), decimals=_literal(count)), term, count)
    if dialect_of(node) == "postgres":
        hint = "Write ROUND(CAST(x AS DECIMAL(p,s)), n)."
        detail = "ROUND of a floating point number takes halves to the even side in postgres, but not in the engine."
        raise GatewayError("unsupported_sql", detail, hint, place(node))
    return _to_places(exp.Round(this=copied(term.node), decimals=_literal(count)), term, count)


def truncation(node: exp.Trunc, resolve: Resolve) -> Term:
    """Return TRUNC(x [, n]): cut off towards zero. Integers and decimals stay exact."""
    term, count = numeric(node.this, resolve), _places(node, resolve)
    if term.type.kind is not TypeKind.DOUBLE and count >= term.type.scale:
        return _foreign(node, term)
    cut = exp.Anonymous(this="TRUNC", expressions=[copied(term.node), *([_literal(count)] if count else [])])
    if term.type.kind is not TypeKind.DOUBLE:
        return _exactly(node, cut, term, count)
    return _to_places(cut, term, count)


def _literal(count: int) -> exp.Expr:
    literal = exp.Literal.number(abs(count))
    return exp.Neg(this=literal) if count < 0 else literal


def _exactly(node: exp.Expr, built: exp.Expr, term: Term, count: int) -> Term:
    """Return an integer or decimal rounded to fewer places than it has."""
    step = Fraction(1, 10**count) if count >= 0 else Fraction(10**-count)
    limits = ranges.outward(term.range, step)
    if term.type == INTEGER:
        held = ranges.outward(term.limits(), step)
        assert held.lo is not None and held.hi is not None  # noqa: PT018 - INVARIANT: integers end
        if held.lo < BIGINT_MIN or held.hi > BIGINT_MAX:
            detail = f"This {node.key.upper()} may overflow."
            raise GatewayError("no_bounds", detail, "Round a column with bounds, or CAST it to DOUBLE.", place(node))
        return Term(built, INTEGER, nullable=term.nullable, range=limits, granularity=step, **merge(term))
    scale = max(count, 0)  # one digit more before the point than x can have
    type_ = decimal(max(1, term.type.precision - term.type.scale + scale + 1), scale)
    return Term(cast(built, type_), type_, nullable=term.nullable, range=limits, granularity=step, **merge(term))


def _to_places(built: exp.Expr, term: Term, count: int) -> Term:
    """Return a DOUBLE at `count` decimals."""
    step = Fraction(1, 10**count) if count >= 0 else Fraction(10**-count)
    limits = ranges.outward(term.range, step)
    return Term(built, DOUBLE, nullable=term.nullable, range=limits, granularity=step, **merge(term))


def floor_or_ceil(node: exp.Floor | exp.Ceil, resolve: Resolve) -> Term:
    """Return FLOOR or CEIL: an integer where the range is known to fit, else DOUBLE."""
    term = numeric(node.this, resolve)
    if term.type == INTEGER:
        return _foreign(node, term)
    lo, hi = term.range.lo, term.range.hi
    edge = math.floor if isinstance(node, exp.Floor) else math.ceil
    limits = Range(None if lo is None else Fraction(edge(lo)), None if hi is None else Fraction(edge(hi)))
    cut: exp.Expr = type(node)(this=copied(term.node))  # of a decimal exact, also beyond the digits of a DOUBLE
    built, type_, nullable = cast(cut, DOUBLE) if term.type != DOUBLE else cut, DOUBLE, term.nullable
    if limits.lo is not None and limits.hi is not None and limits.lo > BIGINT_MIN // 2 and limits.hi < BIGINT_MAX // 2:
        built, type_, nullable = try_cast(cut, INTEGER), INTEGER, nullable or term.type == DOUBLE
    # what is known of a DOUBLE is known of exact arithmetic, so an integer made of one is only claimed to lie within it
    claimed = type_ == INTEGER and term.type == DOUBLE
    return replace(
        Term(built, type_, nullable=nullable, range=limits, granularity=Fraction(1), raw=claimed, **merge(term)),
        fractional=type_ == INTEGER,
    )


def _foreign(node: exp.Expr, term: Term) -> Term:
    """Return a number that is rounded already; to postgres an integer is a floating point number from here on."""
    return replace(term, fractional=True) if dialect_of(node) == "postgres" and term.type == INTEGER else term


def sign(node: exp.Sign, resolve: Resolve) -> Term:
    term = numeric(node.this, resolve)
    built = cast(exp.Sign(this=copied(term.node)), INTEGER)
    lo = -1 if term.range.lo is None or term.range.lo < 0 else 0
    hi = 1 if term.range.hi is None or term.range.hi > 0 else 0
    limits = ranges.between(min(lo, hi), max(lo, hi))
    foreign = term.type != INTEGER or dialect_of(node) in ("postgres", "spark")
    made = Term(built, INTEGER, nullable=term.nullable, range=limits, **merge(term))
    return replace(made, fractional=made.fractional or foreign)


# -- functions of one DOUBLE -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Curve:
    """A function that rises over its domain: the engine's name, the ends of the domain, and what it is in Python."""

    name: str
    of: Callable[[float], float]
    lowest: float | None = None
    open_end: bool = False
    """Whether `lowest` itself is outside."""
    base: int = 0
    """Of a logarithm that is called by its base."""


_CURVES: dict[type[exp.Expr], _Curve] = {
    exp.Sqrt: _Curve("SQRT", math.sqrt, 0.0),
    exp.Cbrt: _Curve("CBRT", math.cbrt),
    exp.Ln: _Curve("LN", math.log, 0.0, open_end=True),
    exp.Exp: _Curve("EXP", math.exp),
    exp.Degrees: _Curve("DEGREES", math.degrees),
    exp.Radians: _Curve("RADIANS", math.radians),
    exp.Atan: _Curve("ATAN", math.atan),
}
_LOG10 = _Curve("LOG", math.log10, 0.0, open_end=True, base=10)
_LOG2 = _Curve("LOG", math.log2, 0.0, open_end=True, base=2)


def curve(node: exp.Expr, resolve: Resolve) -> Term:
    return _risen(node, numeric(node.this, resolve), _CURVES[type(node)])


def _risen(node: exp.Expr, term: Term, curve_: _Curve) -> Term:
    value = exp.paren(as_double(term).copy(), copy=False)
    built: exp.Expr = exp.Anonymous(this=curve_.name, expressions=[value])
    if curve_.base:
        built = exp.Log(this=exp.Literal.number(curve_.base), expression=value)
    nullable = term.nullable
    lo, hi = term.range.lo, term.range.hi
    if curve_.lowest is not None:
        inside = lo is not None and (lo > curve_.lowest or (lo == curve_.lowest and not curve_.open_end))
        if not inside:
            affordable(node, [term])
            test = exp.GT if curve_.open_end else exp.GTE
            floor = number(Fraction(curve_.lowest), DOUBLE)
            built = exp.Case(ifs=[exp.If(this=test(this=copied(value), expression=floor), true=built)])
            nullable = True
            lo = None if curve_.open_end or (hi is not None and hi < curve_.lowest) else Fraction(curve_.lowest)
        if hi is not None and (hi < curve_.lowest or (curve_.open_end and hi == curve_.lowest)):
            hi = None  # nothing but NULL comes out
    limits = Range(_image(curve_, lo), _image(curve_, hi))
    if curve_.name == "ATAN":
        limits = Range(limits.lo or Fraction(-2), limits.hi or Fraction(2))
    if curve_.name == "EXP" and limits.lo is None:
        limits = Range(Fraction(0), limits.hi)
    return Term(built, DOUBLE, nullable=nullable, range=limits, **merge(term))


def _image(curve_: _Curve, end: Fraction | None) -> Fraction | None:
    """Return the value at an end of the range, to the precision of a DOUBLE; None where there is none."""
    if end is None:
        return None
    try:
        value = curve_.of(float(end))
    except (OverflowError, ValueError):
        return None
    return Fraction(value) if math.isfinite(value) else None


def logarithm(node: exp.Log, resolve: Resolve) -> Term:
    """Return LOG(x) to base 10, and LOG(b, x) with a literal base."""
    if node.expression is None:
        return _risen(node, numeric(node.this, resolve), _LOG10)
    base = resolve(node.this)
    if base.range.lo is None or base.range.lo != base.range.hi or base.bases or not base.range.lo > 1:
        raise mismatch(node, "LOG takes a literal base above 1.")
    value = base.range.lo
    term = numeric(node.expression, resolve)
    if value in (2, 10):
        return _risen(node, term, _LOG2 if value == 2 else _LOG10)
    natural = _risen(node, term, _CURVES[exp.Ln])
    scale = number(Fraction(math.log(value)), DOUBLE)
    built = exp.paren(exp.Div(this=exp.paren(natural.node, copy=False), expression=scale), copy=False)
    limits = ranges.divide(natural.range, ranges.point(Fraction(math.log(value))))
    return replace(natural, node=built, range=limits)


def wave(node: exp.Expr, resolve: Resolve) -> Term:
    """Return SIN, COS or TAN of an angle; NULL of an infinite one."""
    return _finite(node, numeric(node.this, resolve), None, UNKNOWN if isinstance(node, exp.Tan) else _UNIT)


def arc(node: exp.Expr, resolve: Resolve) -> Term:
    """Return ASIN or ACOS; NULL outside -1 to 1."""
    limits = ranges.between(-2, 2) if isinstance(node, exp.Asin) else ranges.between(0, 4)
    return _finite(node, numeric(node.this, resolve), _UNIT, limits)


_UNIT = ranges.between(-1, 1)


def _finite(node: exp.Expr, term: Term, inside: Range | None, limits: Range) -> Term:
    affordable(node, [term])
    value = exp.paren(as_double(term).copy(), copy=False)
    test: exp.Expr = exp.func("ISFINITE", copied(value))
    if inside is not None and inside.lo is not None and inside.hi is not None:
        test = exp.Between(this=copied(value), low=number(inside.lo, DOUBLE), high=number(inside.hi, DOUBLE))
    call = exp.Anonymous(this=node.key.upper(), expressions=[value])
    built = exp.Case(ifs=[exp.If(this=test, true=call)])
    return Term(built, DOUBLE, nullable=True, range=limits, **merge(term))


def arc_tangent(node: exp.Atan2, resolve: Resolve) -> Term:
    terms = [numeric(part, resolve) for part in (node.this, node.expression)]
    built = exp.Anonymous(this="ATAN2", expressions=[as_double(term).copy() for term in terms])
    nullable = any(term.nullable for term in terms)
    return Term(built, DOUBLE, nullable=nullable, range=ranges.between(-4, 4), **merge(*terms))


def pi(_node: exp.Pi, _: Resolve) -> Term:
    value = Fraction(math.pi)
    return Term(number(value, DOUBLE), DOUBLE, nullable=False, range=ranges.point(value))


def power(node: exp.Pow, resolve: Resolve) -> Term:
    """Return a to the power of b: NULL for a fraction of a negative a, and for zero to a negative power."""
    base, raised = numeric(node.this, resolve), numeric(node.expression, resolve)
    a, b = (exp.paren(as_double(term).copy(), copy=False) for term in (base, raised))
    zero = number(Fraction(0), DOUBLE)
    call = exp.Anonymous(this="POWER", expressions=[a, b])
    exponent = raised.range.lo if raised.range.lo == raised.range.hi and not raised.bases else None
    positive, wholly = base.range.lo is not None and base.range.lo > 0, exponent is not None and exponent % 1 == 0
    if positive or (wholly and exponent is not None and exponent >= 0):
        nullable = base.nullable or raised.nullable
        limits, step = _power_range(base, exponent), Fraction(1) if _whole_power(base, exponent) else None
        return Term(call, DOUBLE, nullable=nullable, range=limits, granularity=step, **merge(base, raised))
    affordable(node, [base, raised])
    above = exp.GT(this=copied(a), expression=copied(zero))
    at_zero = exp.And(
        this=exp.EQ(this=copied(a), expression=copied(zero)),
        expression=exp.GTE(this=copied(b), expression=copied(zero)),
    )
    below = exp.And(
        this=exp.LT(this=copied(a), expression=copied(zero)),
        expression=exp.EQ(this=copied(b), expression=exp.Floor(this=copied(b))),
    )
    ifs = [exp.If(this=exp.paren(test, copy=False), true=copied(call)) for test in (above, at_zero, below)]
    return Term(exp.Case(ifs=ifs), DOUBLE, nullable=True, range=UNKNOWN, **merge(base, raised))


def _power_range(base: Term, exponent: Fraction | None) -> Range:
    if exponent is None or base.range.lo is None or base.range.hi is None:
        return UNKNOWN
    try:
        ends = [Fraction(math.pow(float(end), float(exponent))) for end in (base.range.lo, base.range.hi)]
    except (OverflowError, ValueError):
        return UNKNOWN
    if base.range.lo < 0 < base.range.hi:
        ends.append(Fraction(0 if exponent else 1))
    return Range(min(ends), max(ends))


def _whole_power(base: Term, exponent: Fraction | None) -> bool:
    bound = _power_range(base, exponent).magnitude()
    return base.type == INTEGER and exponent is not None and exponent >= 0 and bound is not None and bound < 2**53


# -- buckets and tests -------------------------------------------------------------------------------------------


def width_bucket(node: exp.WidthBucket, resolve: Resolve) -> Term:
    """Return the bucket of x among n equal ones from lo up to (not with) hi: 0 below, n + 1 from hi on.

    The ends are literals. (x - lo) * n / (hi - lo) is cut off in DOUBLE, in that order: exact where x, lo and hi are
    whole numbers or decimals of up to 15 digits.
    """
    x = numeric(node.this, resolve)
    ends = [resolve(node.args[part]) for part in ("min_value", "max_value", "num_buckets")]
    lo, hi, count = (t.range.lo if t.range.lo == t.range.hi and not t.bases else None for t in ends)
    if lo is None or hi is None or count is None or not lo < hi:
        raise mismatch(node, "WIDTH_BUCKET takes literal ends, the lower one first, and a literal number of buckets.")
    if count % 1 or not 1 <= count <= MAX_BUCKETS:
        raise mismatch(node, f"WIDTH_BUCKET takes from 1 to {MAX_BUCKETS:,} buckets.")
    affordable(node, [x])
    unit = Fraction(10 ** max(t.type.scale for t in (x, *ends[:2]))) if x.type != DOUBLE else Fraction(1)
    value = exp.paren(as_double(x).copy(), copy=False)
    scaled: exp.Expr = exp.Mul(this=copied(value), expression=number(unit, DOUBLE)) if unit != 1 else copied(value)
    if unit != 1:  # whole numbers, so that the edges are exact
        scaled = exp.Round(this=scaled)
    distance = exp.paren(exp.Sub(this=scaled, expression=number(lo * unit, DOUBLE)), copy=False)
    share = exp.Div(
        this=exp.paren(exp.Mul(this=distance, expression=number(count, DOUBLE)), copy=False),
        expression=number((hi - lo) * unit, DOUBLE),
    )
    # TRY_CAST: an engine folds constants also where the tests around them say no
    inner = try_cast(exp.Floor(this=exp.paren(share, copy=False)), INTEGER)
    held = exp.Least(this=inner, expressions=[number(count - 1, INTEGER)])  # a rounded quotient may reach n
    bucket = exp.Add(this=held, expression=number(Fraction(1), INTEGER))
    # an edge is itself compared exactly, in the type of x
    below, above = (exp.LT(this=copied(value), expression=number(end, DOUBLE)) for end in (lo, hi))
    last = exp.paren(exp.Not(this=exp.func("ISNAN", copied(value))), copy=False)
    ifs = [
        exp.If(this=below, true=number(Fraction(0), INTEGER)),
        exp.If(this=above, true=bucket),
        exp.If(this=last, true=number(count + 1, INTEGER)),
    ]
    exact = x.type != DOUBLE and max(abs(lo), abs(hi), (hi - lo) * count) * unit < 2**53
    limits = _buckets(x.range, (lo, hi), count, Fraction(0 if exact else 1))
    nullable = x.nullable or x.type == DOUBLE
    return Term(exp.Case(ifs=ifs), INTEGER, nullable=nullable, range=limits, **merge(x))


def _buckets(known: Range, ends: tuple[Fraction, Fraction], count: Fraction, slack: Fraction) -> Range:
    """Return the first and last bucket that numbers in a range fall into, give or take `slack` between the ends."""
    lo, hi = ends
    first, last = Fraction(0), count + 1
    if known.lo is not None and known.lo >= lo:
        inside = Fraction((known.lo - lo) * count // (hi - lo)) + 1
        first = count + 1 if known.lo >= hi else min(max(inside - slack, Fraction(1)), count)
    if known.hi is not None and known.hi < hi:
        inside = Fraction((known.hi - lo) * count // (hi - lo)) + 1
        last = Fraction(0) if known.hi < lo else max(min(inside + slack, count), Fraction(1))
    return Range(first, max(first, last))


def float_test(node: exp.IsNan | exp.IsInf, resolve: Resolve) -> Term:
    """Return whether a number is NaN, or infinite."""
    term = numeric(node.this, resolve)
    call = exp.func("ISNAN" if isinstance(node, exp.IsNan) else "ISINF", exp.paren(as_double(term).copy(), copy=False))
    return predicate(call, term, nullable=term.nullable)
