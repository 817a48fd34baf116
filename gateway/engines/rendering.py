"""Values of an answer as JSON may carry them: no NaN, no integer that a reader would round, no type of our own."""

import math
from datetime import date
from decimal import Decimal

MAX_SAFE = 2**53
"""Integers beyond this are written as text: many readers keep numbers as floats."""

_ROUNDABLE = 1e300


def safe(value: object) -> object:
    """Return a value as JSON may carry it: decimals, dates and big integers as text, a list as a list of those.

    Whatever else an engine may give (a date beyond the year 9999, a UUID) is its text: no released value fails here.
    """
    match value:
        case None | bool() | str():
            return value
        case int():
            return value if abs(value) <= MAX_SAFE else str(value)
        case float():
            return value if math.isfinite(value) else None
        case Decimal():
            return f"{value:f}"
        case date():
            return value.isoformat()
        case list() | tuple():
            return [safe(item) for item in value]
        case _:
            return str(value)


def around(value: object, width: float, *, whole: bool) -> list[object] | None:
    """Return the interval of `width` to either side of a number; of an integer the whole numbers that hold it."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or not math.isfinite(value):
        return None
    if whole:
        reach = math.ceil(width)
        return [safe(int(value) - reach), safe(int(value) + reach)]
    return pair(float(value) - width, float(value) + width)


def pair(low: float, high: float) -> list[object] | None:
    """Return an interval, written to a thousandth of its length: more digits would say what is not known."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return None
    if not low < high or max(abs(low), abs(high)) > _ROUNDABLE:
        return [low, high]
    places = 3 - math.floor(math.log10(high - low))
    return [round(low, places), round(high, places)]
