"""Arithmetic in Spark's words, outside of its ANSI mode: there nothing raises, and whole numbers of 64 bits wrap.

The canonical text has exact operands in types that hold the result. Decimals keep every place (the session says so);
a result whose digits might not fit is refused, as Spark would make it NULL.
"""

from dataclasses import replace

from sqlglot import exp

from gateway.dialects.arguments import bare
from gateway.dialects.operators import Write
from gateway.dialects.spark import doubles
from gateway.dialects.spark.words import MAX_DIGITS, as_decimal, digits_above, negative
from gateway.dialects.typed import (
    EXACT,
    NUMBERS,
    WHOLE,
    Kind,
    Typed,
    as_bigint,
    cast,
    held,
    refused,
    typed,
)


def arithmetic(node: exp.Binary, write: Write) -> Typed:
    """Return a + b, a - b, a * b."""
    left, right = write(node.this), write(node.expression)
    if Kind.DATE in (left.kind, right.kind) or Kind.TIMESTAMP in (left.kind, right.kind):
        return _dated(node, left, right)
    if Kind.DOUBLE in (left.kind, right.kind):
        left, right = _doubles(left, right)
        return doubles.multiply(left, right) if isinstance(node, exp.Mul) else doubles.add(left, right, type(node))
    if left.kind not in EXACT or right.kind not in EXACT:
        raise refused(f"{node.key.upper()} of {left.kind} and {right.kind}")
    return _exact(node, as_bigint(left), as_bigint(right))


def _exact(node: exp.Binary, left: Typed, right: Typed) -> Typed:
    product = isinstance(node, exp.Mul)
    reach = left.reach * right.reach if product else left.reach + right.reach
    natural = (product and bare(node.this) == bare(node.expression)) or (
        not isinstance(node, exp.Sub) and left.natural and right.natural
    )
    if left.kind is Kind.BIGINT and right.kind is Kind.BIGINT:
        built = held(type(node)(this=left.copy(), expression=right.copy()))
        made = typed(built, Kind.BIGINT)
        return replace(made, reach=min(reach, made.reach), natural=natural)
    scale = left.scale + right.scale if product else max(left.scale, right.scale)
    above = digits_above(left) + digits_above(right) if product else max(digits_above(left), digits_above(right)) + 1
    kind = Kind.DECIMAL if Kind.DECIMAL in (left.kind, right.kind) else Kind.HUGE
    limit = 10.0 ** (MAX_DIGITS - scale)
    if scale > MAX_DIGITS or (above + scale > MAX_DIGITS and reach >= limit):
        raise refused("Arithmetic of numbers that have more than 38 digits together", "CAST them to shorter decimals.")
    if not product:
        left, right = (as_decimal(one, MAX_DIGITS, scale) if _narrowed(one, scale) else one for one in (left, right))
    built = held(type(node)(this=left.copy(), expression=right.copy()))
    digits = min(MAX_DIGITS, _digits(left) + _digits(right) + 1)
    if not product:
        digits = min(MAX_DIGITS, max(_digits(one) - one.scale for one in (left, right)) + scale + 1)
    return Typed(built, kind, digits, scale, min(reach, limit), 10.0**-scale, natural=natural)


def _digits(one: Typed) -> int:
    """Return how many digits Spark gives a number's type."""
    return {Kind.BIGINT: 20, Kind.HUGE: MAX_DIGITS}.get(one.kind, one.digits)


def _narrowed(one: Typed, scale: int) -> bool:
    """Tell whether Spark's own type for a sum would not hold a number's digits beside so many places."""
    return one.kind is Kind.HUGE and scale > 0


def _doubles(left: Typed, right: Typed) -> tuple[Typed, Typed]:
    if left.kind not in NUMBERS or right.kind not in NUMBERS:
        raise refused(f"Arithmetic of {left.kind} and {right.kind}")
    first, second = (one if one.kind is Kind.DOUBLE else doubles.of_exact(one) for one in (left, right))
    return first, second


def _dated(node: exp.Binary, left: Typed, right: Typed) -> Typed:
    """Return date + days, date + interval or date - date; what is guarded in the canonical text stays in range."""
    if left.kind is Kind.DATE and right.kind is Kind.DATE and isinstance(node, exp.Sub):
        return Typed(
            exp.Anonymous(this="DATEDIFF", expressions=[left.node, right.node]), Kind.INT, reach=1e7, least=1.0
        )
    if isinstance(node, exp.Add) and right.kind is Kind.INTERVAL:
        moment = cast(left.node, Kind.TIMESTAMP) if left.kind is Kind.DATE else left.copy()
        return typed(held(exp.Add(this=moment, expression=right.copy())), Kind.TIMESTAMP)
    if isinstance(node, exp.Add) and left.kind is Kind.DATE and right.kind is Kind.INT:
        return typed(exp.Anonymous(this="DATE_ADD", expressions=[left.node, right.node]), Kind.DATE)
    raise refused(f"{node.key.upper()} of {left.kind} and {right.kind}")


def opposite(node: exp.Neg, write: Write) -> Typed:
    inner = write(node.this)
    if inner.kind not in NUMBERS:
        raise refused(f"Minus {inner.kind}")
    return replace(inner, node=negative(inner), natural=False)


def division(node: exp.Div, write: Write) -> Typed:
    left, right = _doubles(write(node.this), write(node.expression))
    return doubles.divide(left, right)


def whole_division(node: exp.IntDiv, write: Write) -> Typed:
    """Return a quotient cut off towards zero; NULL where the divisor is zero."""
    left, right = as_bigint(write(node.this)), as_bigint(write(node.expression))
    if left.kind not in WHOLE or right.kind not in WHOLE:
        raise refused("Whole division of what is no whole number")
    if Kind.HUGE in (left.kind, right.kind):
        if not max(left.reach, right.reach) < 2.0**63:
            raise refused("Whole division of numbers beyond 64 bits", "CAST them to BIGINT.")
        left, right = (replace(one, node=cast(one.node, Kind.BIGINT), kind=Kind.BIGINT) for one in (left, right))
    return replace(left, natural=False, node=held(exp.IntDiv(this=left.copy(), expression=right.copy())))


def remainder(node: exp.Mod, write: Write) -> Typed:
    left, right = as_bigint(write(node.this)), as_bigint(write(node.expression))
    if left.kind not in EXACT or right.kind not in EXACT:
        raise refused("The remainder of a floating point number")
    left, right = write.words.alike([left, right])
    built = held(exp.Mod(this=left.copy(), expression=right.copy()))
    return replace(typed(built, left.kind, left.digits, left.scale), reach=min(left.reach, right.reach))
