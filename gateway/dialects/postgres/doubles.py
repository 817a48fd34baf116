"""Arithmetic of floating point numbers that never raises: PostgreSQL has errors where IEEE 754 has infinity and zero.

Where the values are known to stay far from both ends, an operation is written as it is. Else a CASE tells, by the same
operation on numbers that are scaled by a power of two (which is exact), whether the result would be rounded to
infinity or to zero, and gives that; so that every value is the one that IEEE 754 prescribes.
"""

import math
from dataclasses import replace

from sqlglot import exp

from gateway.dialects.typed import (
    EXACT,
    SMALLEST,
    Kind,
    Typed,
    call,
    case,
    cast,
    compare,
    double,
    every,
    held,
    number,
    quotient,
)

_LARGE, _SMALL = 1e300, 1e-300


def _made(node: exp.Expr, reach: float, least: float, *, natural: bool) -> Typed:
    known = reach if reach < _LARGE else math.inf
    return Typed(held(node), Kind.DOUBLE, reach=known, least=max(least, SMALLEST), natural=natural and known == reach)


def size(one: Typed) -> exp.Expr:
    return call("ABS", one.node.copy())


def sign(node: exp.Expr) -> exp.Expr:
    return call("SIGN", node)


def add(left: Typed, right: Typed, kind: type[exp.Add] | type[exp.Sub]) -> Typed:
    """Return a + b or a - b. Only the largest numbers of all can overflow; nothing underflows."""
    plain = kind(this=left.copy(), expression=right.copy())
    reach, natural = left.reach + right.reach, kind is exp.Add and left.natural and right.natural
    least = min(left.least, right.least) * 2.0**-53
    if reach < _LARGE:
        return _made(plain, reach, least, natural=natural)
    edge = double(2.0**960)
    large = every(compare(exp.GTE, size(left), edge), compare(exp.GTE, size(right), edge.copy()))
    halves = (exp.Mul(this=one.copy(), expression=double(0.5)) for one in (left, right))
    half = exp.paren(kind(this=next(halves), expression=next(halves)), copy=False)
    beyond = compare(exp.GTE, call("ABS", half), double(2.0**1023))
    infinite = exp.Mul(this=sign(half.copy()), expression=double(math.inf))
    within = case((beyond, infinite), otherwise=plain.copy())
    return _made(case((large, within), otherwise=plain), math.inf, least, natural=False)


def multiply(left: Typed, right: Typed) -> Typed:
    """Return a * b."""
    plain = exp.Mul(this=left.copy(), expression=right.copy())
    reach, least, natural = left.reach * right.reach, left.least * right.least, left.natural and right.natural
    # a factor below 1 makes nothing larger, one above 1 nothing smaller
    over = not reach < _LARGE and min(left.reach, right.reach) >= 1
    under = least < _SMALL and max(left.least, right.least) < 1
    if not over and not under:
        return _made(plain, reach, least, natural=natural)
    branches: list[tuple[exp.Expr, exp.Expr]] = []
    if over:
        large = every(*(compare(exp.GTE, size(one), double(1.0)) for one in (left, right)))
        scaled = [exp.Mul(this=size(one), expression=double(2.0**-512)) for one in (left, right)]
        product = exp.Mul(this=exp.paren(scaled[0], copy=False), expression=exp.paren(scaled[1], copy=False))
        infinite = _signed(left, right, math.inf)
        branches.append((large, case((compare(exp.GTE, product, double(1.0)), infinite), otherwise=plain.copy())))
    if under:
        branches.append((_both_small(left, right), _small_product(left, right, plain)))
    return _made(case(*branches, otherwise=plain), reach, least, natural=natural)


def _both_small(left: Typed, right: Typed) -> exp.Expr:
    tests = [compare(exp.LT, size(one), double(1.0)) for one in (left, right)]
    return every(*tests, *(compare(exp.NEQ, one.copy(), double(0.0)) for one in (left, right)))


def _small_product(left: Typed, right: Typed, plain: exp.Expr) -> exp.Expr:
    """Return a product of two numbers below 1: zero where it would be rounded to it.

    The border is met to 53 bits: a product that is larger than half of the least number, by less, is zero here too.
    """
    lesser, greater = call("LEAST", size(left), size(right)), call("GREATEST", size(left), size(right))
    nothing = _signed(left, right, 0.0)
    scaled = exp.Mul(
        this=exp.paren(exp.Mul(this=lesser, expression=double(2.0**538)), copy=False), expression=greater.copy()
    )
    return case(
        (compare(exp.LTE, greater, double(2.0**-538)), nothing),
        (compare(exp.LTE, scaled, double(2.0**-537)), nothing.copy()),
        otherwise=plain.copy(),
    )


def _signed(left: Typed, right: Typed, value: float) -> exp.Expr:
    signs = exp.Mul(this=sign(left.node.copy()), expression=sign(right.node.copy()))
    return exp.Mul(this=exp.paren(signs, copy=False), expression=double(value))


def divide(left: Typed, right: Typed) -> Typed:
    """Return a / b; NULL where b is zero."""
    if right.reach == right.least == 1 and right.natural:  # one itself
        return left
    natural = left.natural and right.natural
    nonzero = isinstance(right.node, exp.Nullif) or _is_nonzero(right.node)
    divisor = right if nonzero else replace(right, node=exp.Nullif(this=right.node, expression=double(0.0)))
    plain = quotient(left.copy(), divisor.copy())
    reach, least = left.reach / right.least, left.least / right.reach if right.reach else SMALLEST
    over = not reach < _LARGE and left.reach >= 1 > right.least
    under = least < _SMALL and left.least < 1 <= right.reach
    if not over and not under:
        return _made(plain, reach, least, natural=natural)
    branches: list[tuple[exp.Expr, exp.Expr]] = []
    if over:
        branches.append(_large_quotient(left, divisor, plain))
    if under:
        branches.append(_small_quotient(left, divisor, plain))
    return _made(case(*branches, otherwise=plain), reach, least, natural=natural)


def _is_nonzero(node: exp.Expr) -> bool:
    if isinstance(node, exp.Paren):
        return _is_nonzero(node.this)
    text = node.this.name if isinstance(node, exp.Cast) and isinstance(node.this, exp.Literal) else ""
    try:
        return float(text) != 0
    except ValueError:
        return False


def _large_quotient(left: Typed, right: Typed, plain: exp.Expr) -> tuple[exp.Expr, exp.Expr]:
    """Return the branch of |a| >= 1 > |b| > 0, which may overflow.

    No quotient of two floating point numbers lies between 2^1024 and what is rounded to it: comparing is exact.
    """
    test = every(
        compare(exp.GTE, size(left), double(1.0)),
        compare(exp.LT, size(right), double(1.0)),
        compare(exp.NEQ, right.copy(), double(0.0)),
    )
    a, b = _times(left, 2.0**-600), _times(right, 2.0**424)
    infinite = _signed(left, right, math.inf)
    return test, case((compare(exp.GTE, a, b), infinite), otherwise=plain.copy())


def _small_quotient(left: Typed, right: Typed, plain: exp.Expr) -> tuple[exp.Expr, exp.Expr]:
    """Return the branch of 0 < |a| < 1 <= |b| < infinity, which may be rounded to zero."""
    test = every(
        compare(exp.LT, size(left), double(1.0)),
        compare(exp.NEQ, left.copy(), double(0.0)),
        compare(exp.GTE, size(right), double(1.0)),
        compare(exp.LT, size(right), double(math.inf)),
    )
    a, b = _times(left, 2.0**600), _times(right, 2.0**-475)
    return test, case((compare(exp.LTE, a, b), _signed(left, right, 0.0)), otherwise=plain.copy())


def _times(one: Typed, power: float) -> exp.Expr:
    return exp.paren(exp.Mul(this=size(one), expression=double(power)), copy=False)


def of_exact(one: Typed) -> Typed:
    """Return an exact number as the DOUBLE that DuckDB makes of it.

    Where its digits do not fit the 53 bits, that is not always the nearest one: DuckDB adds up two halves.
    """
    assert one.kind in EXACT  # INVARIANT: asked of exact numbers
    plain = cast(one.node.copy(), Kind.DOUBLE)
    whole = one.scale == 0
    if one.kind in (Kind.INT, Kind.BIGINT) or (one.kind is Kind.DECIMAL and one.digits <= (18 if whole else 15)):
        return replace(one, node=plain, kind=Kind.DOUBLE)
    if one.kind is Kind.HUGE or whole:
        fits = one.reach <= 2.0**53
        return replace(one, node=plain if fits else _of_huge(one.node, natural=one.natural), kind=Kind.DOUBLE)
    cut = call("TRUNC", one.node.copy())
    rest = exp.paren(exp.Sub(this=one.copy(), expression=cut.copy()), copy=False)
    units = cast(exp.Mul(this=rest, expression=exp.Literal.number(10**one.scale)), Kind.DECIMAL, 38, 0)
    small = compare(exp.LTE, call("ABS", one.node.copy()), exp.Literal.number(2**53 // 10**one.scale))
    above = _of_huge(cut, natural=False) if one.digits > 18 else cast(cut, Kind.DOUBLE)
    fraction = quotient(cast(units, Kind.DOUBLE), double(10.0**one.scale))
    halves = exp.Add(this=held(above), expression=fraction)
    return replace(one, node=held(case((small, plain), otherwise=halves)), kind=Kind.DOUBLE)


def _of_huge(node: exp.Expr, *, natural: bool) -> exp.Expr:
    """Return a whole number of up to 128 bits as the sum of its two halves, each rounded by itself.

    Just below zero DuckDB rounds the number above it and takes one away. DIV is exact, and cuts off towards zero.
    """
    power = exp.Literal.number(2**64)
    upper = call("DIV", node.copy(), power)
    if not natural:
        below_zero = exp.Sub(this=held(node.copy()), expression=exp.Literal.number(2**64 - 1))
        upper = case(
            (compare(exp.GTE, held(node.copy()), number(0)), upper),
            otherwise=call("DIV", below_zero, power.copy()),
        )
    lower = exp.Sub(this=held(node.copy()), expression=exp.Mul(this=upper.copy(), expression=power.copy()))
    halves = exp.Add(
        this=cast(lower, Kind.DOUBLE),
        expression=exp.Mul(this=cast(upper, Kind.DOUBLE), expression=double(2.0**64)),
    )
    plain = cast(node.copy(), Kind.DOUBLE)
    if natural:
        return case((compare(exp.LTE, held(node.copy()), number(2**53)), plain), otherwise=halves)
    inside = exp.Between(this=held(node.copy()), low=number(-(2**53)), high=number(2**53))
    near = exp.Between(this=held(node.copy()), low=number(-(2**64)), high=number(-1))
    before = exp.Sub(this=number(-1), expression=held(node.copy()))
    below = exp.Sub(this=exp.Neg(this=cast(before, Kind.DOUBLE)), expression=double(1.0))
    return case((inside, plain), (near, below), otherwise=halves)
