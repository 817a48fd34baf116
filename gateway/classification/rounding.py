"""Figures that look public: rounded outward to 1, 2 or 5 times a power of ten, dates to whole years. Pure.

A figure that is taken from data tells of the data. Rounding leaves of it an order of magnitude, and no more.
"""

from datetime import date, datetime
from decimal import Decimal

from gateway.catalog.types import Scalar

_STEPS = (1, 2, 5, 10)
_FIRST_YEAR, _LAST_YEAR = 1900, 2100


def above(value: Decimal) -> Decimal:
    """Return the least of 0 and 1, 2, 5 times a power of ten, of either sign, that is not below a value."""
    if value < 0:
        return -_beneath(-value)
    return _beyond(value)


def below(value: Decimal) -> Decimal:
    """Return the greatest of those that is not above a value; from zero on upward it is zero."""
    return -_beyond(-value) if value < 0 else Decimal(0)


def _beyond(value: Decimal) -> Decimal:
    if value == 0:
        return Decimal(0)
    power = Decimal(10) ** value.adjusted()
    return next(step * power for step in map(Decimal, _STEPS) if step * power >= value)


def _beneath(value: Decimal) -> Decimal:
    power = Decimal(10) ** value.adjusted()
    return next(step * power for step in map(Decimal, reversed(_STEPS)) if step * power <= value)


def outward(low: Scalar, high: Scalar) -> tuple[Scalar, Scalar] | None:
    """Return public-looking bounds around two values of one type; None where they are no numbers or dates."""
    if isinstance(low, date) and isinstance(high, date):
        return _year(low, 1, 1), _year(high, 12, 31)
    if isinstance(low, bool) or not isinstance(low, int | Decimal) or not isinstance(high, int | Decimal):
        return None
    if isinstance(low, int) and isinstance(high, int) and _FIRST_YEAR <= low <= high <= _LAST_YEAR:
        return low // 10 * 10, high // 10 * 10 + 9  # whole numbers that look like years: whole decades
    return below(Decimal(low)), above(Decimal(high))


def _year(value: date | datetime, month: int, day: int) -> date:
    return date(value.year, month, day)


def magnitude(count: int) -> int:
    """Return a count to one digit, and never zero."""
    if count < 1:
        return 1
    power: int = 10 ** (len(str(count)) - 1)
    return (count + power // 2) // power * power
