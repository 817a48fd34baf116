"""Spark's own ways in what engines write alike: texts are bytes there, and exact numbers have at most 38 digits.

Where decimals of several types meet, Spark takes a type that may hold none of them whole and makes NULL of what does
not fit, or drops places: they are brought to one type that holds every value, or refused.
"""

import math

from sqlglot import exp

from gateway.dialects.operators import Words
from gateway.dialects.spark import doubles
from gateway.dialects.typed import EXACT, Kind, Typed, cast, number, refused

MAX_DIGITS = 38
NEGATED_DIGITS = 34
_WHOLE_DIGITS = {Kind.INT: 10, Kind.BIGINT: 19, Kind.HUGE: MAX_DIGITS}


def digits_above(one: Typed) -> int:
    """Return how many digits before the point an exact number has at most."""
    of_type = one.digits - one.scale if one.kind is Kind.DECIMAL else _WHOLE_DIGITS[one.kind]
    if not math.isfinite(one.reach):
        return of_type
    return min(of_type, math.ceil(math.log10(one.reach + 1)) if one.reach > 0 else 0)


def as_decimal(one: Typed, digits: int, scale: int) -> Typed:
    """Return an exact number in a decimal type that holds it."""
    if one.kind is Kind.DECIMAL and (one.digits, one.scale) == (digits, scale):
        return one
    kind = Kind.HUGE if (digits, scale) == (MAX_DIGITS, 0) else Kind.DECIMAL
    return Typed(cast(one.node, kind, digits, scale), kind, digits, scale, one.reach, one.least, one.natural)


def negative(one: Typed) -> exp.Expr:
    """Return minus a number. Spark's own rounds a decimal to 34 digits, which may then not fit its type."""
    if one.kind in EXACT and digits_above(one) + one.scale > NEGATED_DIGITS:
        zero = cast(number(0), one.kind, one.digits, one.scale)
        return exp.paren(exp.Sub(this=zero, expression=one.copy()), copy=False)
    return exp.Neg(this=one.copy() if one.literal is None else one.node)


class _Spark:
    """Texts are compared byte by byte, which for UTF-8 is by code point."""

    def of_exact(self, one: Typed) -> Typed:
        return doubles.of_exact(one)

    def by_code(self, one: Typed) -> exp.Expr:
        return one.copy()

    def alike(self, values: list[Typed]) -> list[Typed]:
        numbers = [one for one in values if one.kind in EXACT]
        known = {(one.kind, one.digits, one.scale) if one.kind is Kind.DECIMAL else one.kind for one in numbers}
        if len(known) < 2 or known <= {Kind.INT, Kind.BIGINT}:
            return values
        scale = max(one.scale for one in numbers)
        digits = max(map(digits_above, numbers)) + scale
        if digits > MAX_DIGITS:
            hint = "CAST them to one DECIMAL(p, s)."
            raise refused("Numbers side by side that have more than 38 digits together", hint)
        if Kind.HUGE in known and scale == 0:
            digits = MAX_DIGITS
        return [as_decimal(one, max(digits, 1), scale) if one.kind in EXACT else one for one in values]


WORDS: Words = _Spark()
