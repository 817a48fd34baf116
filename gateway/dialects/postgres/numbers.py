"""Functions of numbers in PostgreSQL's words. What a mathematical library computes is refused: its last bit differs."""

import math
from collections.abc import Callable
from dataclasses import replace

from sqlglot import exp

from gateway.dialects.arguments import decimals_of, numeric
from gateway.dialects.operators import Write
from gateway.dialects.postgres import doubles
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
    return replace(one, node=call("ABS", one.node), natural=True)


def sign(node: exp.Sign, write: Write) -> Typed:
    one = numeric(node.this, write, "SIGN")
    return Typed(call("SIGN", one.node), one.kind if one.kind is Kind.DOUBLE else Kind.HUGE, reach=1.0, least=1.0)


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


def power(arguments: list[exp.Expr], write: Write) -> Typed:
    """Return POWER of a whole number to 0, 1, 2 or 3 where that is exact; anything else hangs on a library."""
    base, exponent = write(arguments[0]), arguments[1]
    while isinstance(exponent, exp.Paren | exp.Cast):
        exponent = exponent.this
    inner = base.node.unnest()
    whole = isinstance(inner, exp.Cast) and base.least >= 1 and _is_whole(arguments[0], write)
    times = int(float(exponent.name)) if isinstance(exponent, exp.Literal) else -1
    if not (whole and times in (0, 1, 2, 3) and float(exponent.name) == times and base.reach**times < 2.0**53):
        hint = "Multiply: x * x; or take SQRT."
        raise refused("POWER of what is no bounded whole number to a literal up to 3", hint)
    if times == 0:
        return replace(
            base, node=case((exp.Not(this=held(exp.Is(this=base.copy(), expression=exp.Null()))), double(1.0)))
        )
    made = base
    for _ in range(times - 1):
        made = doubles.multiply(made, base)
    return made


def _is_whole(node: exp.Expr, write: Write) -> bool:
    while isinstance(node, exp.Paren):
        node = node.this
    return isinstance(node, exp.Cast) and write(node.this).kind in WHOLE


def finite(node: exp.Expr, write: Write) -> Typed:
    """Return isfinite(x): of a number that is neither infinite nor no number, of a date that is not infinite."""
    one = write(node)
    if one.kind in (Kind.DATE, Kind.TIMESTAMP):
        return typed(call("ISFINITE", one.node), Kind.BOOLEAN)
    if one.kind in EXACT:
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
    return Typed(call(name, one.node), Kind.DOUBLE, reach=one.reach + 1, least=1.0)


# -- rounding ---------------------------------------------------------------------------------------------------------


def rounded(node: exp.Round, write: Write) -> Typed:
    """Return ROUND(x, n): halves go away from zero."""
    one, places = numeric(node.this, write, "ROUND"), decimals_of(node.args.get("decimals"))
    if one.kind in EXACT:
        return _exactly("ROUND", one, places)
    if places == 0:
        return _away(one)
    if abs(places) > 15:
        raise refused("ROUND of a floating point number to so many places", "ROUND to at most 15, or CAST to DECIMAL.")
    power = Typed(double(10.0 ** abs(places)), Kind.DOUBLE, reach=10.0 ** abs(places), least=10.0 ** abs(places))
    raise_refused(one)
    if places > 0:
        return doubles.divide(_away(doubles.multiply(one, power)), power)
    return doubles.multiply(_away(doubles.divide(one, power)), power)


def raise_refused(one: Typed) -> None:
    """Refuse to round what nothing bounds: near the ends DuckDB gives the number itself, which cannot be told here."""
    if not one.reach < 1e250:
        raise refused("ROUND of a floating point number without bounds", "CAST it to DECIMAL(p, s), and ROUND that.")


HALF = 0.5 - 2.0**-54
"""The largest number below one half: added to what is exactly between two whole numbers, it is rounded up to one."""


def _away(one: Typed) -> Typed:
    """Return a floating point number rounded to a whole one, halves away from zero (PostgreSQL: to the even side)."""
    away = exp.paren(exp.Sub(this=double(0.0), expression=doubles.sign(one.node.copy())), copy=False)
    moved = exp.Sub(this=one.copy(), expression=exp.Mul(this=away, expression=double(HALF)))
    return Typed(call("TRUNC", moved), Kind.DOUBLE, reach=one.reach + 1, least=1.0)


def rounded_to_whole(node: exp.Expr, write: Write) -> Typed | None:
    """Return ROUND of a floating point number of 0 or more that is cast to a whole one; None for anything else.

    There the number is written once; that minus zero becomes zero does not show.
    """
    inner = node.unnest()
    if not isinstance(inner, exp.Round) or inner.args.get("decimals") is not None:
        return None
    one = write(inner.this)
    if one.kind is not Kind.DOUBLE or not one.natural:
        return None
    moved = exp.Add(this=one.copy(), expression=double(HALF))
    return Typed(call("TRUNC", moved), Kind.DOUBLE, reach=one.reach + 1, least=1.0, natural=True)


def _exactly(name: str, one: Typed, places: int) -> Typed:
    """Return an exact number rounded or cut off at a place; the value keeps the places that it then has."""
    one = as_bigint(one)
    if one.kind is Kind.DECIMAL and -places > one.digits - one.scale:  # DuckDB gives zero, also of NULL
        return typed(cast(number(0), Kind.DECIMAL, 1, 0), Kind.DECIMAL, 1, 0)
    built = call(name, cast(one.node, Kind.HUGE) if one.kind is not Kind.DECIMAL else one.node, number(places))
    if one.kind is Kind.DECIMAL:
        scale = max(places, 0)
        digits = min(one.digits - one.scale + scale + 1, 38)
        return typed(cast(built, Kind.DECIMAL, digits, scale), Kind.DECIMAL, digits, scale)
    return typed(cast(built, one.kind), one.kind)


def truncated(arguments: list[exp.Expr], write: Write) -> Typed:
    """Return TRUNC(x [, n]): cut off towards zero."""
    one, places = numeric(arguments[0], write, "TRUNC"), decimals_of(arguments[1] if len(arguments) > 1 else None)
    if one.kind in EXACT:
        return _exactly("TRUNC", one, places)
    if places:
        raise refused("TRUNC of a floating point number to a place", "CAST it to DECIMAL(p, s), and TRUNC that.")
    return Typed(call("TRUNC", one.node), Kind.DOUBLE, reach=one.reach, least=1.0)
