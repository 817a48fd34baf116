"""Rows that nobody has: made of a policy's bounds, values, types, keys and declared sizes, and of nothing else.

The same policy always gives the same rows. No value comes from a private table; of a public one, only the distinct
values that its catalogue publishes.
"""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from gateway.catalog.model import Column, Dataset, Table, Use
from gateway.catalog.types import TypeKind, to_cell

UNITS = 1_000
"""How many units there are at most."""

MOST_ROWS = 20_000
"""How many rows a table has at most."""

NULL_ONE_IN = 20
"""One value in so many is missing, where the policy lets it be."""

_WHEELS = (2_654_435_761, 40_503, 2_246_822_519, 3_266_489_917)
_FIRST_DAY = date(2000, 1, 1)


@dataclass(frozen=True, slots=True)
class Rows:
    """A table's rows: each column's cells as text, None where there is none."""

    table: Table
    columns: tuple[tuple[str, ...], ...]
    cells: tuple[tuple[str | None, ...], ...]


def _spread(row: int, column: int) -> int:
    """Return a number below 2^32 that looks like no other row's or column's: a fixed mixture of both."""
    mixed = (row * _WHEELS[0] + column * _WHEELS[1] + 0x9E37) & 0xFFFFFFFF
    mixed ^= mixed >> 15
    mixed = (mixed * _WHEELS[2]) & 0xFFFFFFFF
    mixed ^= mixed >> 13
    mixed = (mixed * _WHEELS[3]) & 0xFFFFFFFF
    return mixed ^ (mixed >> 16)


VERSION = 1
"""Grows whenever the same policy would give other rows."""


def name_of(dataset: Dataset) -> str:
    """Return the name of the file that holds a dataset's rows: of it, and of all that they are made of."""
    stem = hashlib.sha256(dataset.name.encode()).hexdigest()[:16]
    return f"{stem}-{digest_of(dataset)[:32]}.duckdb"


def digest_of(dataset: Dataset) -> str:
    """Return a name for all that synthetic rows are made of."""
    made_of = (VERSION, dataset.name, dataset.tables, dataset.privacy.unit_table)
    return hashlib.sha256(repr(_sorted(made_of)).encode()).hexdigest()


def _sorted(part: object) -> object:
    """Return a value whose text is the same in every process: sets have no order."""
    if isinstance(part, frozenset):
        return sorted(map(str, part))
    if isinstance(part, tuple):
        return tuple(_sorted(one) for one in part)
    if hasattr(part, "__dataclass_fields__"):
        return tuple((name, _sorted(getattr(part, name))) for name in part.__dataclass_fields__)
    return part


def counts(dataset: Dataset) -> dict[str, int]:
    """Return how many rows each table gets: the declared sizes, scaled down to at most UNITS units and MOST_ROWS."""
    unit = dataset.table(dataset.privacy.unit_table)
    declared = max(unit.rows if unit is not None else UNITS, 1)
    units = min(declared, UNITS)
    found = {}
    for table in dataset.tables:
        scaled = table.rows if table.public else -(-table.rows * units // declared)
        found[table.name] = max(1, min(scaled, MOST_ROWS))
    if unit is not None:
        found[unit.name] = units
    return found


def synthetic(dataset: Dataset, most: int = MOST_ROWS) -> Iterator[Rows]:
    """Yield the rows of every table, or the first `most` of each."""
    sizes = counts(dataset)
    units = sizes.get(dataset.privacy.unit_table, UNITS)
    for table in dataset.tables:
        made = tuple(
            tuple(
                _cell(dataset, table, column, index, row, sizes, units) for row in range(min(sizes[table.name], most))
            )
            for index, column in enumerate(table.columns)
        )
        yield Rows(table, tuple((column.name, _engine_type(column)) for column in table.columns), made)


def _engine_type(column: Column) -> str:
    return "VARCHAR" if column.type.kind is TypeKind.OTHER else str(column.type)


def _cell(
    dataset: Dataset, table: Table, column: Column, index: int, row: int, sizes: dict[str, int], units: int
) -> str | None:
    if column.name == table.owner:
        return _key(column, row % units)
    if table.hop is not None and column.name == table.hop.column:
        return _key(column, row % sizes[table.hop.target_table])
    if _is_key(dataset, table, column):
        return _key(column, row) if not table.public else _public_key(dataset, column, row)
    part = _part(table, column, row, sizes, units)
    if part is not None:
        known = column.public_values
        return _text(known[part % len(known)]) if known else _key(column, part + 1)
    chance = _spread(row, index)
    if column.nullable and not table.public and chance % NULL_ONE_IN == 0:
        return None
    return _text(_value(column, chance // NULL_ONE_IN))


def _is_key(dataset: Dataset, table: Table, column: Column) -> bool:
    """Tell whether a column alone names its rows: it is declared unique, or other tables refer to it."""
    referred = any(
        other.hop is not None and (other.hop.target_table, other.hop.target_column) == (table.name, column.name)
        for other in dataset.tables
    )
    return referred or (column.name,) in table.unique


def _part(table: Table, column: Column, row: int, sizes: dict[str, int], units: int) -> int | None:
    """Return which value of its own a part of a key of several columns has, so that all parts together name the row.

    Beside the key of a parent, it tells the parent's rows apart.
    """
    key = next((key for key in table.unique if len(key) > 1 and column.name in key), None)
    if key is None:
        return None
    within, parent = row, table.hop.column if table.hop is not None else table.owner
    if parent in key:
        within //= sizes[table.hop.target_table] if table.hop is not None else units
    own = [name for name in key if name != parent]
    for name in own[:-1]:
        width = _width(table, name, sizes[table.name])
        if name == column.name:
            return within % width
        within //= width
    return within


def _width(table: Table, name: str, rows: int) -> int:
    """Return how many values a part of a key has before the next part has another."""
    column = table.column(name)
    known = column.public_values if column is not None else None
    return len(known) if known else math.isqrt(rows) + 1


def _public_key(dataset: Dataset, column: Column, row: int) -> str | None:
    """Return a key of a public table: one of its published values, else one that private rows may refer to."""
    if column.public_values:
        return _text(column.public_values[row % len(column.public_values)])
    if column.type.temporal:
        return str(_first_day(dataset, column) + timedelta(days=row))
    return _key(column, row)


def _first_day(dataset: Dataset, column: Column) -> date:
    """Return the first of the days that some private column is declared to join on."""
    joined = (
        other.bounds[0]
        for table in dataset.tables
        for other in table.columns
        if not table.public and Use.JOIN in other.use and other.type == column.type and other.bounds is not None
    )
    first = next(joined, _FIRST_DAY)
    if not isinstance(first, date):
        return _FIRST_DAY
    return min(first, type(first).max - timedelta(days=MOST_ROWS))  # a day for every row, before the calendar ends


def _key(column: Column, number: int) -> str:
    match column.type.kind:
        case TypeKind.TEXT | TypeKind.OTHER:
            return f"key {number}"
        case TypeKind.UUID:
            return f"00000000-0000-4000-8000-{number:012x}"
        case TypeKind.DATE | TypeKind.TIMESTAMP:
            return str(_FIRST_DAY + timedelta(days=number))
        case TypeKind.BOOLEAN:
            return "true" if number % 2 else "false"
        case _:
            return str(number)


def _value(column: Column, chance: int) -> Any:
    known = column.values if column.values is not None else column.public_values
    if known:
        return known[chance % len(known)]
    if column.bounds is not None:
        return _between(column, *column.bounds, chance)
    match column.type.kind:
        case TypeKind.BOOLEAN:
            return chance % 2 == 0
        case TypeKind.INTEGER | TypeKind.DECIMAL | TypeKind.DOUBLE:
            return chance % 100
        case TypeKind.DATE | TypeKind.TIMESTAMP:
            return _FIRST_DAY + timedelta(days=chance % 365)
        case _:
            return _key(column, chance % 20)


def _between(column: Column, lowest: Any, highest: Any, chance: int) -> Any:
    """Return a value within bounds, both included."""
    if isinstance(lowest, date):
        span = (highest - lowest).days if isinstance(highest, date) else 0
        return lowest + timedelta(days=chance % (span + 1))
    if isinstance(lowest, bool | str) or isinstance(highest, bool | str):
        return lowest
    low, high = Decimal(lowest), Decimal(highest)
    if column.type.kind is TypeKind.INTEGER:
        return int(low) + chance % (int(high - low) + 1)
    step = column.granularity or Decimal("0.01")
    return low + step * (chance % (int((high - low) / step) + 1))


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    cell = to_cell(value)
    return None if cell is None else str(cell)
