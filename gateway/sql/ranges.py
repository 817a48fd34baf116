"""Interval arithmetic over what is known of a numeric expression. Exact fractions; None is an open end."""

import sys
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import product

from gateway.catalog.types import SqlType, TypeKind

BIGINT_MIN, BIGINT_MAX = -(2**63), 2**63 - 1


@dataclass(frozen=True, slots=True)
class Range:
    """A closed interval; an end of None is not known."""

    lo: Fraction | None = None
    hi: Fraction | None = None

    @property
    def finite(self) -> bool:
        return self.lo is not None and self.hi is not None

    @property
    def excludes_zero(self) -> bool:
        return (self.lo is not None and self.lo > 0) or (self.hi is not None and self.hi < 0)

    def magnitude(self) -> Fraction | None:
        """Return the largest absolute value, or None where an end is open."""
        if self.lo is None or self.hi is None:
            return None
        return max(abs(self.lo), abs(self.hi))

    def meet(self, other: "Range") -> "Range":
        """Return the intersection; an empty one collapses to the end of `other` that is nearer."""
        lo = _extreme((self.lo, other.lo), largest=True)
        hi = _extreme((self.hi, other.hi), largest=False)
        if lo is not None and hi is not None and lo > hi:
            edge = other.hi if other.hi is not None and self.lo is not None and self.lo > other.hi else other.lo
            return Range(edge, edge)
        return Range(lo, hi)

    def join(self, other: "Range") -> "Range":
        """Return the smallest interval that holds both."""
        lo = None if self.lo is None or other.lo is None else min(self.lo, other.lo)
        hi = None if self.hi is None or other.hi is None else max(self.hi, other.hi)
        return Range(lo, hi)


def _extreme(ends: tuple[Fraction | None, Fraction | None], *, largest: bool) -> Fraction | None:
    known = [end for end in ends if end is not None]
    if not known:
        return None
    return max(known) if largest else min(known)


UNKNOWN = Range()


def point(value: Fraction | int) -> Range:
    return Range(Fraction(value), Fraction(value))


def between(lo: Fraction | int, hi: Fraction | int) -> Range:
    return Range(Fraction(lo), Fraction(hi))


@lru_cache(maxsize=256)
def type_limits(type_: SqlType) -> Range:
    """Return the interval that the type itself enforces (open for floating point)."""
    match type_.kind:
        case TypeKind.INTEGER:
            return between(BIGINT_MIN, BIGINT_MAX)
        case TypeKind.DECIMAL:
            limit = Fraction(10**type_.precision - 1, 10**type_.scale)
            return Range(-limit, limit)
        case _:
            return UNKNOWN


def add(a: Range, b: Range) -> Range:
    return Range(
        None if a.lo is None or b.lo is None else a.lo + b.lo,
        None if a.hi is None or b.hi is None else a.hi + b.hi,
    )


def negate(a: Range) -> Range:
    return Range(None if a.hi is None else -a.hi, None if a.lo is None else -a.lo)


def subtract(a: Range, b: Range) -> Range:
    return add(a, negate(b))


def _corners(a: Range, b: Range) -> list[tuple[Fraction, Fraction]] | None:
    if a.lo is None or a.hi is None or b.lo is None or b.hi is None:
        return None
    return list(product((a.lo, a.hi), (b.lo, b.hi)))


def multiply(a: Range, b: Range) -> Range:
    corners = _corners(a, b)
    if corners is None:
        return UNKNOWN
    values = [x * y for x, y in corners]
    return Range(min(values), max(values))


def divide(a: Range, b: Range) -> Range:
    """Return the range of a / b where b cannot be zero; else unknown."""
    corners = _corners(a, b)
    if corners is None or not b.excludes_zero:
        return UNKNOWN
    values = [x / y for x, y in corners]
    return Range(min(values), max(values))


def truncated_quotient(a: Range, b: Range) -> Range:
    """Return the range of a / b for integers, truncated towards zero, b = 0 giving NULL: |a / b| <= |a|."""
    quotient = divide(a, b)
    if quotient.lo is not None and quotient.hi is not None:
        return between(int(quotient.lo), int(quotient.hi))
    bound = a.magnitude()
    return UNKNOWN if bound is None else Range(-bound, bound)


def remainder(a: Range, b: Range, step: Fraction = Fraction(1)) -> Range:
    """Return the range of a % b for multiples of `step` with the sign of a: |a % b| < |b| and <= |a|."""
    limits = [m for m in (a.magnitude(), (b.magnitude() or step) - step if b.finite else None) if m is not None]
    if not limits:
        return UNKNOWN
    bound = max(min(limits), Fraction(0))
    lo = Fraction(0) if a.lo is not None and a.lo >= 0 else -bound
    hi = Fraction(0) if a.hi is not None and a.hi <= 0 else bound
    return Range(lo, hi)


_LARGEST = Fraction(sys.float_info.max)


def in_doubles(a: Range) -> Range:
    """Return the range with an end open where floating point numbers become infinite."""
    return Range(
        None if a.lo is None or a.lo < -_LARGEST else min(a.lo, _LARGEST),
        None if a.hi is None or a.hi > _LARGEST else max(a.hi, -_LARGEST),
    )


def outward(a: Range, step: Fraction) -> Range:
    """Return the range with its ends moved outward to multiples of `step`: what rounding either way stays in."""
    lo = None if a.lo is None else (a.lo // step) * step
    hi = None if a.hi is None else -((-a.hi) // step) * step
    return Range(lo, hi)


def absolute(a: Range) -> Range:
    bound = a.magnitude()
    if a.lo is not None and a.lo >= 0:
        return a
    if a.hi is not None and a.hi <= 0:
        return negate(a)
    return Range(Fraction(0), bound)


def least(ranges: list[Range]) -> Range:
    """Return the range of LEAST (NULLs are skipped, so one argument alone may be the result)."""
    highs = [r.hi for r in ranges]
    lows = [r.lo for r in ranges]
    lo = None if any(x is None for x in lows) else min(x for x in lows if x is not None)
    hi = None if any(x is None for x in highs) else max(x for x in highs if x is not None)
    return Range(lo, hi)
