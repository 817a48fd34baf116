"""Cells of an answer as Python values: the types of docs/API.md, exactly, out of what JSON carries."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

Value = Any
"""None, bool, int, float, Decimal, str, date, datetime, UUID, or a list of them."""
Interval = tuple[Value, Value]

_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name, its SQL type as the gateway writes it, and whether noise was added to its values."""

    name: str
    type: str
    noisy: bool = False

    @property
    def kind(self) -> str:
        """The type without precision and scale."""
        return self.type.partition("(")[0]

    @property
    def digits(self) -> tuple[int, int] | None:
        """Precision and scale of a DECIMAL."""
        found = _DECIMAL.fullmatch(self.type)
        return None if found is None else (int(found[1]), int(found[2]))


def columns_of(document: Sequence[Mapping[str, Any]]) -> tuple[Column, ...]:
    """Return the columns of an answer or quote."""
    return tuple(Column(str(one["name"]), str(one["type"]), bool(one.get("noisy"))) for one in document)


def _date(text: str) -> date | str:
    try:
        return date.fromisoformat(text)
    except ValueError:  # beyond the years that Python has
        return text


def _timestamp(text: str) -> datetime | str:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return text


def _same(value: Value) -> Value:
    return value


_READERS: dict[str, Callable[[Any], Value]] = {
    "BIGINT": int,
    "DECIMAL": Decimal,
    "DOUBLE": float,
    "DATE": _date,
    "TIMESTAMP": _timestamp,
    "UUID": UUID,
}
"""How a cell that is not NULL is read, by the kind of its column; others are as they came."""


def rows_of(columns: Sequence[Column], rows: Sequence[Sequence[Any]]) -> list[tuple[Value, ...]]:
    """Return the rows of an answer as values."""
    readers = [_READERS.get(column.kind, _same) for column in columns]
    return [
        tuple(None if cell is None else read(cell) for read, cell in zip(readers, row, strict=True)) for row in rows
    ]


def intervals_of(
    columns: Sequence[Column], found: Mapping[str, Sequence[Sequence[Any] | None]], rows: int
) -> dict[str, list[Interval | None]]:
    """Return the intervals of each noisy column, one for each row; those of a DECIMAL are floats, as they came.

    Raises ValueError where a column has another number of them, KeyError where it has none.
    """
    read: dict[str, list[Interval | None]] = {}
    for column in columns:
        if column.noisy:
            reader = float if column.kind == "DECIMAL" else _READERS.get(column.kind, _same)
            bars = found[column.name]
            if len(bars) != rows:
                raise ValueError(f"{column.name} has {len(bars)} intervals for {rows} rows")
            read[column.name] = [None if bar is None else (reader(bar[0]), reader(bar[1])) for bar in bars]
    return read
