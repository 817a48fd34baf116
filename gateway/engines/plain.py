"""Step 11 where nothing is computed: visible cells as rows, the very ones that the post-processor would give."""

import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from gateway.catalog.types import Cell, SqlType, TypeKind
from gateway.engines.rendering import safe_rows
from gateway.engines.shown import FinishedRows, Shown, direct, limit_of, shown_of
from gateway.privacy.measurement import Copied, Finish, Measurement, NoisyTable, Sorted

FEW_CELLS = 512
"""So many are read in less time than a worker process takes to be asked."""

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def plain_rows(
    tables: Sequence[NoisyTable],
    measurements: Sequence[Measurement],
    finish: Finish,
    row_limit: int | None,
    cells: int = FEW_CELLS,
) -> FinishedRows | None:
    """Return the rows of an answer that shows cells as they were released; None: the post-processor makes them.

    So it does where there are more than `cells` of them. Pure, of released values alone.
    """
    if finish.plain is None or any(column.noisy and column.direct is None for column in finish.columns):
        return None
    if sum(len(table.keys) for table in tables) > cells:
        return None
    shown = shown_of(tables, measurements)
    one = next(each for each in shown if each.table.name == finish.plain.measurement)
    columns = [_column(one, copied) for copied in finish.plain.columns]
    keys = [_column(one, key.by) for key in finish.plain.order]
    made, by = ([column for column in read if column is not None] for read in (columns, keys))
    if len(made) < len(columns) or len(by) < len(keys):
        return None
    limit = limit_of(row_limit)
    places: Sequence[int] = range(len(one.table.keys))
    for key, values in reversed(list(zip(finish.plain.order, by, strict=True))):
        places = _in_order(places, key, values)
    whole = list(places)
    at = whole[:limit]
    taken = [[column[place] for place in at] for column in made]
    found = direct(taken, finish, shown)
    ordered = {c.name: found[c.name] for c in finish.columns if c.name in found}
    return FinishedRows(safe_rows(taken[: len(finish.columns)], len(at)), ordered, len(whole) > limit)


def _in_order(places: Sequence[int], key: Sorted, values: Sequence[Any]) -> Sequence[int]:
    """Return places sorted by their values, texts by code point as DuckDB does; equals keep their order."""
    present = sorted(
        (place for place in places if values[place] is not None), key=values.__getitem__, reverse=key.descending
    )
    missing = [place for place in places if values[place] is None]
    return [*missing, *present] if key.nulls_first else [*present, *missing]


def _column(shown: Shown, copied: Copied) -> Sequence[object] | None:
    """Return a column's values; None where it is of a kind that is not read here."""
    for place, key in enumerate(shown.measurement.keys):
        if key.name == copied.column:
            return _keys([cells[place] for cells in shown.table.keys], key.type)
    noisy = next(column for column in shown.table.columns if column.name == copied.column)
    if noisy.curves is not None:
        return None
    if copied.scale is None:
        return noisy.values
    return [None if value is None else _decimal(int(value) * copied.times, copied.scale) for value in noisy.values]


def _decimal(unscaled: int, scale: int) -> Decimal:
    """Return unscaled * 10**-scale, with all its digits."""
    digits = tuple(int(digit) for digit in str(abs(unscaled)))
    return Decimal((int(unscaled < 0), digits, -scale))


def _keys(cells: Sequence[Cell], type_: SqlType) -> Sequence[object] | None:
    kinds = set(map(type, cells))
    match type_.kind:
        case TypeKind.TEXT:
            return cells if kinds <= {str, type(None)} else None
        case TypeKind.BOOLEAN:
            return cells if kinds <= {bool, type(None)} else None
        case TypeKind.INTEGER:
            return cells if kinds <= {int, type(None)} else None
        case TypeKind.DATE:
            return _dates(cells)
        case _:
            return None


def _dates(cells: Sequence[Cell]) -> Sequence[object] | None:
    """Return days of their texts; None where one is no day of the calendar as it is written."""
    days: dict[Cell, date | None] = {None: None}
    for cell in set(cells):
        if isinstance(cell, str) and _DAY.fullmatch(cell):
            try:
                days[cell] = date.fromisoformat(cell)
            except ValueError:
                return None
        elif cell is not None:
            return None
    return [days[cell] for cell in cells]
