"""Values of an answer as JSON may carry them: no NaN, no integer that a reader would round, no type of our own."""

import json
import math
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any, cast

MAX_SAFE = 2**53
"""Integers beyond this are written as text: many readers keep numbers as floats."""

_ROUNDABLE = 1e300
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(", ", ": "))


def as_json(document: object) -> bytes:
    """Return the bytes of what an answer says; of the same values they are the same wherever they are written."""
    return _ENCODER.encode(document).encode()


def safe_rows(columns: Sequence[Sequence[object]], rows: int) -> list[list[object]]:
    """Return so many rows of columns with each value as JSON may carry it: `safe` of each, column by column."""
    safe_ = [_safe_column(column) for column in columns]
    return list(map(list, zip(*safe_, strict=True))) if safe_ else [[] for _ in range(rows)]


_AS_THEY_ARE, _DATED = {str, bool, type(None)}, {date, type(None)}


def _safe_column(column: Sequence[object]) -> Sequence[object]:
    kinds = set(map(type, column))
    if kinds <= _AS_THEY_ARE or (kinds == {int} and _small(column, MAX_SAFE)):
        return column
    if kinds == {date}:
        return list(map(date.isoformat, cast("Sequence[date]", column)))
    if kinds <= _DATED:
        return [value if value is None else cast("date", value).isoformat() for value in column]
    return [safe(value) for value in column]


def _small(column: Sequence[Any], most: int) -> bool:
    return bool(-most <= min(column) and max(column) <= most)


def bars_around(column: Sequence[object], width: float, *, whole: bool) -> list[list[object] | None]:
    """Return `around` of each number of a column."""
    reach = math.ceil(width)
    if whole and set(map(type, column)) == {int} and _small(column, MAX_SAFE - reach):
        return [[value - reach, value + reach] for value in cast("Sequence[int]", column)]
    return [around(value, width, whole=whole) for value in column]


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
