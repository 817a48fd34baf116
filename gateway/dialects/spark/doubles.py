"""Floating point numbers in Spark: Java computes them as IEEE 754 says, so that nothing has to be guarded.

Rounding is another matter: FLOOR and CEIL give whole numbers of 64 bits there, and a CAST cuts off. RINT alone gives a
floating point number, to the even side, of which every other rounding is made.
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
    held,
    number,
    refused,
)

HALF = 0.5 - 2.0**-54
"""The largest number below one half: added to what is exactly between two whole numbers, it is rounded up to one."""

MAX_PLACES = 18


def made(node: exp.Expr, reach: float, least: float = SMALLEST, *, natural: bool = False) -> Typed:
    known = reach if reach < 1e300 else math.inf
    return Typed(held(node), Kind.DOUBLE, reach=known, least=max(least, SMALLEST), natural=natural and known == reach)


def add(left: Typed, right: Typed, kind: type[exp.Binary]) -> Typed:
    """Return a + b or a - b."""
    natural = kind is exp.Add and left.natural and right.natural
    least = min(left.least, right.least) * 2.0**-53
    return made(kind(this=left.copy(), expression=right.copy()), left.reach + right.reach, least, natural=natural)


def multiply(left: Typed, right: Typed) -> Typed:
    """Return a * b."""
    reach = left.reach * right.reach if left.reach and right.reach else 0.0
    natural, least = left.natural and right.natural, left.least * right.least
    return made(exp.Mul(this=left.copy(), expression=right.copy()), reach, least, natural=natural)


def divide(left: Typed, right: Typed) -> Typed:
    """Return a / b; NULL where b is zero, as Spark has it by itself."""
    reach = left.reach / right.least
    least = left.least / right.reach if right.reach else SMALLEST
    return made(quotient(left.copy(), right.copy()), reach, least, natural=left.natural and right.natural)


def quotient(left: exp.Expr, right: exp.Expr) -> exp.Expr:
    return exp.Div(this=left, expression=right, typed=False, safe=True)


def size(one: Typed) -> exp.Expr:
    return call("ABS", one.node.copy())


# -- rounding ---------------------------------------------------------------------------------------------------------


def floor(node: exp.Expr) -> exp.Expr:
    """Return the largest whole number that is not above a floating point one, as a floating point one."""
    nearest = call("RINT", node)
    above = compare(exp.GT, nearest, held(node.copy()))
    return case((above, exp.Sub(this=nearest.copy(), expression=double(1.0))), otherwise=nearest.copy())


def ceiling(node: exp.Expr) -> exp.Expr:
    return exp.Neg(this=exp.paren(floor(exp.paren(exp.Neg(this=held(node)), copy=False)), copy=False))


def cut(node: exp.Expr) -> exp.Expr:
    """Return a floating point number without its fraction; the sign of zero stays."""
    whole = exp.paren(floor(call("ABS", node)), copy=False)
    return exp.Mul(this=call("SIGN", node.copy()), expression=whole)


def away(one: Typed) -> exp.Expr:
    """Return a floating point number rounded to a whole one, halves away from zero."""
    half = exp.Mul(this=call("SIGN", one.node.copy()), expression=double(HALF))
    return cut(exp.Add(this=one.copy(), expression=half))


# -- from exact numbers -----------------------------------------------------------------------------------------------


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
    if one.scale > MAX_PLACES:
        raise refused("A DOUBLE made of a decimal with so many places", "CAST it to DECIMAL(38, 18) first.")
    rest = exp.paren(exp.Mod(this=one.copy(), expression=cast(number(1), Kind.DECIMAL, 1, 0)), copy=False)
    whole_part = cast(exp.Sub(this=one.copy(), expression=rest.copy()), Kind.DECIMAL, 38, 0)
    tens = cast(exp.Literal.string(str(10**one.scale)), Kind.DECIMAL, one.scale + 1, 0)
    units = cast(exp.Mul(this=rest, expression=tens), Kind.DECIMAL, 38, 0)
    edge = cast(exp.Literal.string(str(2**53 // 10**one.scale)), Kind.DECIMAL, 38, one.scale)
    small = exp.Between(
        this=cast(one.node.copy(), Kind.DECIMAL, 38, one.scale), low=exp.Neg(this=edge.copy()), high=edge
    )
    above = _of_huge(whole_part, natural=False) if one.digits > 18 else cast(whole_part, Kind.DOUBLE)
    fraction = quotient(cast(units, Kind.DOUBLE), double(10.0**one.scale))
    halves = exp.Add(this=held(above), expression=fraction)
    return replace(one, node=held(case((small, plain), otherwise=halves)), kind=Kind.DOUBLE)


def _of_huge(node: exp.Expr, *, natural: bool) -> exp.Expr:
    """Return a whole number of up to 128 bits as the sum of its two halves, each rounded by itself.

    The upper half is written with its zeros: a power of two changes no rounding. Just below zero DuckDB rounds the
    number above it and takes one away.
    """
    power = cast(exp.Literal.string(str(2**64)), Kind.DECIMAL, 20, 0)
    lower = call("PMOD", node.copy(), power)
    upper = exp.paren(exp.Sub(this=held(node.copy()), expression=lower.copy()), copy=False)
    halves = exp.Add(this=cast(lower, Kind.DOUBLE), expression=cast(upper, Kind.DOUBLE))
    plain = cast(node.copy(), Kind.DOUBLE)
    if natural:
        return case((compare(exp.LTE, held(node.copy()), number(2**53)), plain), otherwise=halves)
    inside = exp.Between(this=held(node.copy()), low=number(-(2**53)), high=number(2**53))
    near = exp.Between(this=held(node.copy()), low=cast(exp.Literal.string(str(-(2**64))), Kind.HUGE), high=number(-1))
    before = exp.Sub(this=number(-1), expression=held(node.copy()))
    below = exp.Sub(this=exp.Neg(this=cast(before, Kind.DOUBLE)), expression=double(1.0))
    return case((inside, plain), (near, below), otherwise=halves)
