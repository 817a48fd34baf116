"""Intervals of derived cells: the SQL that gathers each cell over all draws, and what is made of its quantiles."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from gateway.catalog.types import SqlType, TypeKind
from gateway.engines.rendering import pair, safe
from gateway.privacy.intervals import LEVELS, Spread, interval
from gateway.privacy.measurement import OutputColumn

Bars = dict[str, list[list[object] | None]]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def spread_sql(redraw: str, identity: int, columns: Sequence[OutputColumn]) -> str:
    """Return the SELECT of each row's identity, then for every column its value, its count and its quantiles."""
    tellers = [f"i{index}" for index in range(identity)]
    names = [f"d{index}" for index in range(len(columns))]
    numbers = [f"{_number(name, c.type)} AS {name}" for name, c in zip(names, columns, strict=True)]
    gathered = ", ".join(
        f"max({n}) FILTER (WHERE __draw = 0), count({n}) FILTER (WHERE __draw > 0), "
        f"quantile_cont({n}, {list(LEVELS)}) FILTER (WHERE __draw > 0)"
        for n in names
    )
    inner = f"SELECT {', '.join(['__draw', *tellers, *numbers])} FROM ({redraw}) AS b({_listed(tellers, names)})"
    grouped = f" GROUP BY {', '.join(tellers)}" if tellers else ""
    return f"SELECT {', '.join([*tellers, gathered])} FROM ({inner}) AS c{grouped}"


def _listed(tellers: Sequence[str], names: Sequence[str]) -> str:
    return ", ".join(["__draw", *tellers, *names])


def _number(name: str, type_: SqlType) -> str:
    """Return a value as a finite DOUBLE to take quantiles of; what has no distance has none."""
    if type_.temporal:
        return f"CASE WHEN isfinite({name}) THEN CAST(epoch_us({name}) AS DOUBLE) END"
    if not type_.numeric:
        return "CAST(NULL AS DOUBLE)"
    return f"CASE WHEN isfinite(CAST({name} AS DOUBLE)) THEN CAST({name} AS DOUBLE) END"


def bars(
    found: Sequence[tuple[object, ...]],
    identity: int,
    columns: Sequence[OutputColumn],
    rows: Sequence[tuple[object, ...]],
    draws: int,
) -> Bars:
    """Return the intervals of `columns` for the answer's rows, whose identities are `rows`."""
    by_row = {row[:identity]: row[identity:] for row in found}
    return {
        column.name: [
            _bar(column, by_row[row][3 * index : 3 * index + 3], draws) if row in by_row else None for row in rows
        ]
        for index, column in enumerate(columns)
    }


def _bar(column: OutputColumn, gathered: tuple[object, ...], draws: int) -> list[object] | None:
    value, present, quantiles = gathered
    assert value is None or isinstance(value, float)
    assert isinstance(present, int)
    spread = Spread(value, present, quantiles if isinstance(quantiles, list | tuple) else None)
    held = interval(spread, draws, chosen=column.chosen)
    if held is None:
        return None
    (low, high), type_ = held, column.type
    if type_.temporal:
        return _moments(low, high, type_)
    if type_.kind is TypeKind.INTEGER:
        return [safe(math.floor(low)), safe(math.ceil(high))]
    return pair(low, high)


def _moments(low: float, high: float, type_: SqlType) -> list[object] | None:
    """Return an interval of dates, whole days outward, or of timestamps; None beyond the years that are written."""
    try:
        first, last = (_EPOCH + timedelta(microseconds=round(end)) for end in (low, high))
        if type_.kind is TypeKind.DATE:
            midnight = last.replace(hour=0, minute=0, second=0, microsecond=0)
            return [
                first.date().isoformat(),
                (last if last == midnight else last + timedelta(days=1)).date().isoformat(),
            ]
    except OverflowError:
        return None
    return [end.replace(tzinfo=None).isoformat() for end in (first, last)]
