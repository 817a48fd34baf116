"""Functions of numbers in Spark's words. What a mathematical library computes is refused: its last bit differs."""

import math
from collections.abc import Callable
from dataclasses import replace

from sqlglot import exp

from gateway.dialects.arguments import decimals_of, numeric
from gateway.dialects.operators import Write
from gateway.dialects.spark import doubles
from gateway.dialects.spark.words import MAX_DIGITS, as_decimal, negative
from gateway.dialects.typed import (
    EXACT,
    WHOLE,
    Kind,
    Typed,
    as_bigint,
    call,
    case,
    cast,
    compare,
    double,
    held,
    number,
    refused,
    typed,
)


def _floating(node: exp.Expr, write: Write, name: str) -> Typed:
    one = numeric(node, write, name)
    return one if one.kind is Kind.DOUBLE else doubles.of_exact(one)


def absolute(node: exp.Abs, write: Write) -> Typed:
    one = as_bigint(numeric(node.this, write, "ABS"))
    if isinstance(shown := negative(one), exp.Neg):
        return replace(one, node=call("ABS", one.node), natural=True)
    below = compare(exp.LT, one.copy(), cast(number(0), one.kind, one.digits, one.scale))
    return replace(one, node=case((below, shown), otherwise=one.copy()), natural=True)


def sign(node: exp.Sign, write: Write) -> Typed:
    one = numeric(node.this, write, "SIGN")
    found = call("SIGN", one.node)
    if one.kind is Kind.DOUBLE:
        return Typed(found, Kind.DOUBLE, reach=1.0, least=1.0)
    return Typed(cast(found, Kind.BIGINT), Kind.BIGINT, reach=1.0, least=1.0)


def square_root(arguments: list[exp.Expr], write: Write) -> Typed:
    """Return a square root, which every engine rounds alike; NULL of a negative number."""
    one = _floating(arguments[0], write, "SQRT")
    root = call("SQRT", one.node.copy())
    built = root if one.natural else case((compare(exp.GTE, one.copy(), double(0.0)), root))
    reach = math.sqrt(one.reach) if math.isfinite(one.reach) else math.inf
    return Typed(built, Kind.DOUBLE, reach=reach, least=math.sqrt(one.least), natural=True)


def scaled(factor: float) -> Callable[[list[exp.Expr], Write], Typed]:
    """Return the rule of DEGREES or RADIANS, which DuckDB computes as a product."""

    def rule(arguments: list[exp.Expr], write: Write) -> Typed:
        one = _floating(arguments[0], write, "An angle")
        return doubles.multiply(one, Typed(double(factor), Kind.DOUBLE, reach=factor, least=factor))

    return rule


def finite(node: exp.Expr, write: Write) -> Typed:
    """Return isfinite(x): of a number that is neither infinite nor no number. Dates are always finite here."""
    one = write(node)
    if one.kind in (Kind.DATE, Kind.TIMESTAMP, *EXACT):
        return typed(held(compare(exp.EQ, one.copy(), one.copy())), Kind.BOOLEAN)
    if one.kind is not Kind.DOUBLE:
        raise refused(f"ISFINITE of {one.kind}")
    exact = node.unnest()
    if isinstance(exact, exp.Cast) and (source := write(exact.this)).kind in EXACT:  # always, where it is not NULL
        return typed(held(compare(exp.EQ, source.copy(), source.copy())), Kind.BOOLEAN)
    return typed(held(compare(exp.LT, doubles.size(one), double(math.inf))), Kind.BOOLEAN)


def not_a_number(node: exp.Expr, write: Write) -> Typed:
    one = _floating(node, write, "ISNAN")
    return typed(held(compare(exp.EQ, one.copy(), double(math.nan))), Kind.BOOLEAN)


def infinite(node: exp.Expr, write: Write) -> Typed:
    one = _floating(node, write, "ISINF")
    return typed(held(compare(exp.EQ, doubles.size(one), double(math.inf))), Kind.BOOLEAN)


def edge(node: exp.Floor | exp.Ceil, write: Write) -> Typed:
    """Return FLOOR or CEIL; of a decimal it is one without a fraction."""
    name = "FLOOR" if isinstance(node, exp.Floor) else "CEIL"
    one = numeric(node.this, write, name)
    if one.kind in WHOLE:
        return one
    if one.kind is Kind.DECIMAL:
        digits = one.digits - one.scale + 1
        return typed(cast(call(name, one.node), Kind.DECIMAL, digits, 0), Kind.DECIMAL, digits, 0)
    built = doubles.floor(one.node) if name == "FLOOR" else doubles.ceiling(one.node)
    return Typed(held(built), Kind.DOUBLE, reach=one.reach + 1, least=1.0)


# -- rounding ---------------------------------------------------------------------------------------------------------


def rounded(node: exp.Round, write: Write) -> Typed:
    """Return ROUND(x, n): halves go away from zero."""
    one, places = numeric(node.this, write, "ROUND"), decimals_of(node.args.get("decimals"))
    if one.kind in EXACT:
        return _exactly(one, places, _round)
    if places == 0:
        return Typed(held(doubles.away(one)), Kind.DOUBLE, reach=one.reach + 1, least=1.0)
    if abs(places) > 15:
        raise refused("ROUND of a floating point number to so many places", "ROUND to at most 15, or CAST to DECIMAL.")
    if not one.reach < 1e250:
        raise refused("ROUND of a floating point number without bounds", "CAST it to DECIMAL(p, s), and ROUND that.")
    power = Typed(double(10.0 ** abs(places)), Kind.DOUBLE, reach=10.0 ** abs(places), least=10.0 ** abs(places))
    first, last = (doubles.multiply, doubles.divide) if places > 0 else (doubles.divide, doubles.multiply)
    moved = first(one, power)
    return last(Typed(held(doubles.away(moved)), Kind.DOUBLE, reach=moved.reach + 1, least=1.0), power)


def _round(one: Typed, places: int) -> exp.Expr:
    return call("ROUND", one.node, number(places))


def _cut(one: Typed, places: int) -> exp.Expr:
    unit = exp.Literal.string(f"{10**-places}" if places <= 0 else f"{10**-places:.{places}f}")
    step = cast(unit, Kind.DECIMAL, max(places, 0) + max(-places, 0) + 1, max(places, 0))
    return exp.Sub(this=one.copy(), expression=exp.paren(exp.Mod(this=one.copy(), expression=step), copy=False))


def _exactly(one: Typed, places: int, way: Callable[[Typed, int], exp.Expr]) -> Typed:
    """Return an exact number rounded or cut off at a place; the value keeps the places that it then has."""
    one = as_bigint(one)
    if one.kind is Kind.DECIMAL:
        if -places > one.digits - one.scale:  # DuckDB gives zero, also of NULL
            return typed(cast(number(0), Kind.DECIMAL, 1, 0), Kind.DECIMAL, 1, 0)
        scale = max(places, 0)
        digits = min(one.digits - one.scale + scale + 1, MAX_DIGITS)
        if places >= one.scale:
            return as_decimal(one, digits, scale) if digits - scale >= one.digits - one.scale else one
        return typed(cast(way(one, places), Kind.DECIMAL, digits, scale), Kind.DECIMAL, digits, scale)
    if places >= 0:
        return one
    if -places > MAX_DIGITS - 1:
        raise refused("ROUND to so many places before the point")
    return typed(cast(way(as_decimal(one, MAX_DIGITS, 0), places), one.kind), one.kind)


def truncated(node: exp.Expr, places: exp.Expr | None, write: Write) -> Typed:
    """Return TRUNC(x [, n]): cut off towards zero."""
    one, count = numeric(node, write, "TRUNC"), decimals_of(places)
    if one.kind in EXACT:
        return _exactly(one, count, _cut)
    if count:
        raise refused("TRUNC of a floating point number to a place", "CAST it to DECIMAL(p, s), and TRUNC that.")
    return Typed(held(doubles.cut(one.node)), Kind.DOUBLE, reach=one.reach, least=1.0)


def whole(node: exp.Expr, write: Write) -> Typed | None:
    """Return TRUNC, or ROUND of what is 0 or more, of a floating point number that is cast to a whole one, else None.

    A CAST to BIGINT cuts off: the number is written once.
    """
    inner = node.unnest()
    if isinstance(inner, exp.Anonymous) and inner.name.upper() == "TRUNC" and len(inner.expressions) == 1:
        inner = exp.Trunc(this=inner.expressions[0])
    if isinstance(inner, exp.Trunc) and inner.args.get("decimals") is None:
        one = write(inner.this)
        return one if one.kind is Kind.DOUBLE else None
    if isinstance(inner, exp.Round) and inner.args.get("decimals") is None:
        one = write(inner.this)
        if one.kind is Kind.DOUBLE and one.natural:
            moved = exp.Add(this=one.copy(), expression=double(doubles.HALF))
            return Typed(held(moved), Kind.DOUBLE, reach=one.reach + 1, least=1.0, natural=True)
    return None
