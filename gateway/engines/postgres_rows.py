"""Rows of PostgreSQL as Arrow, and Arrow columns as arrays for it.

A statement's rows come as one row of packed columns, each column's values end to end in the server's own binary form:
a million rows as objects of the driver would hold the event loop, and its collector of garbage, for a second. Dates and
timestamps stay whole numbers, as the driver's own values know no infinity and no year beyond 9999.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gateway.ports import InputTable

EPOCH_DAYS = 10_957
"""Days from 1970, where Arrow counts from, to 2000, where PostgreSQL does."""

_EPOCH_US = EPOCH_DAYS * 86_400_000_000
_DAY_END, _MOMENT_END = 2**31 - 1, 2**63 - 1

Columns = Sequence[tuple[str, str]]
"""Names, with their types as the gateway writes them."""

_PACKED = {
    "BOOLEAN": ("boolsend(COALESCE({c}, FALSE))", "?"),
    "BIGINT": ("int8send(COALESCE(CAST({c} AS BIGINT), 0))", ">i8"),
    "DOUBLE": ("float8send(COALESCE({c}, 0))", ">f8"),
    "DATE": ("date_send(COALESCE({c}, DATE '2000-01-01'))", ">i4"),
    "TIMESTAMP": ("timestamp_send(COALESCE({c}, TIMESTAMP '2000-01-01'))", ">i8"),
}
"""How a column of fixed width is packed, and how its values are read."""

_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")


# -- what comes back --------------------------------------------------------------------------------------------------


def packed(sql: str, columns: Columns) -> str:
    """Return a statement whose one row holds the rows of another: their number, then each column's parts.

    The parts are the values and which of them are NULL, of texts their bytes and their lengths as well. All are
    gathered in one pass, and so in one order, which is that of the statement where it has one.
    """
    parts = ["COUNT(*)"]
    for name, type_ in columns:
        column = f'q."{name}"'
        parts.append(_gathered(f"boolsend({column} IS NULL)"))
        if type_ in _PACKED:
            parts.append(_gathered(_PACKED[type_][0].format(c=column)))
        else:
            text = f"COALESCE(CAST({column} AS TEXT), '')"
            parts += [_gathered(f"int4send(octet_length({text}))"), _gathered(f"textsend({text})")]
    return f"SELECT {', '.join(parts)} FROM ({sql}) AS q"


def _gathered(value: str) -> str:
    return f"string_agg({value}, ''::bytea)"


def unpacked(row: Sequence[Any], columns: Columns) -> pa.Table:
    """Return the rows that a packed row holds, in exactly these columns."""
    count, place = int(row[0]), 1
    arrays = []
    for _, type_ in columns:
        missing = np.frombuffer(row[place] or b"", "?")
        if type_ in _PACKED:
            arrays.append(_fixed(row[place + 1] or b"", missing, type_))
            place += 2
        else:
            sizes = np.frombuffer(row[place + 1] or b"", ">i4").astype(np.int64)
            arrays.append(_texts(row[place + 2] or b"", sizes, missing, type_))
            place += 3
    table = pa.table(arrays, names=[name for name, _ in columns])
    assert table.num_rows == count  # INVARIANT: every column holds every row
    return table


def _fixed(values: bytes, missing: npt.NDArray[np.bool_], type_: str) -> pa.Array:
    read = np.frombuffer(values, _PACKED[type_][1])
    mask = missing if missing.any() else None
    match type_:
        case "DATE":
            return pa.array(days_of(read), pa.int32(), mask=mask).view(pa.date32())
        case "TIMESTAMP":
            return pa.array(moments_of(read), pa.int64(), mask=mask).view(pa.timestamp("us"))
        case _:
            return pa.array(read.astype(read.dtype.newbyteorder("=")), mask=mask)


def _texts(values: bytes, sizes: npt.NDArray[np.int64], missing: npt.NDArray[np.bool_], type_: str) -> pa.Array:
    """Return texts, or decimals that are written as such; anything else has no values."""
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(values)]
    if missing.any():
        buffers[0] = pa.array(~missing).buffers()[1]
    whole = pa.Array.from_buffers(pa.large_string(), len(sizes), buffers)
    if (decimal := _DECIMAL.fullmatch(type_)) is not None:
        return whole.cast(pa.decimal128(int(decimal[1]), int(decimal[2])))
    return whole.cast(pa.string()) if type_ in ("VARCHAR", "UUID") else pa.nulls(len(sizes))


def days_of(days: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    """Return Arrow's days of PostgreSQL's; the ends of time are DuckDB's."""
    wide = days.astype(np.int64)
    return np.where(np.abs(wide) >= _DAY_END, np.sign(wide) * _DAY_END, wide + EPOCH_DAYS).astype(np.int32)


def moments_of(micros: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return Arrow's microseconds of PostgreSQL's; the ends of time are DuckDB's."""
    whole = micros.astype(np.int64)
    last, first = whole == _MOMENT_END, whole <= -_MOMENT_END
    moved = np.where(last | first, 0, whole) + _EPOCH_US
    return np.where(last, _MOMENT_END, np.where(first, -_MOMENT_END, moved))


# -- what is given ----------------------------------------------------------------------------------------------------


def day_to(days: int) -> tuple[int]:
    return (days - EPOCH_DAYS if abs(days) < _DAY_END else _DAY_END if days > 0 else -_DAY_END - 1,)


def moment_to(micros: int) -> tuple[int]:
    return (micros - _EPOCH_US if abs(micros) < _MOMENT_END else _MOMENT_END if micros > 0 else -_MOMENT_END - 1,)


def _read(value: tuple[int]) -> int:
    return value[0]


CODECS: dict[str, tuple[Callable[[int], tuple[int]], Callable[[tuple[int]], int]]] = {
    "date": (day_to, _read),
    "timestamp": (moment_to, _read),
}
"""How the driver writes each type that it would not hold whole; what it reads are PostgreSQL's own numbers."""


def arguments(inputs: Sequence[InputTable]) -> list[list[object]]:
    """Return the columns of released tables in order, each as one array parameter."""
    found: list[list[object]] = []
    for given in inputs:
        table = pa.ipc.open_stream(given.ipc).read_all()
        found += [_values(column) for column in table.columns]
    return found


def _values(column: pa.ChunkedArray) -> list[object]:
    if pa.types.is_date(column.type):
        return list(column.cast(pa.date32()).cast(pa.int32()).to_pylist())
    if pa.types.is_timestamp(column.type):
        return list(column.cast(pa.timestamp("us")).cast(pa.int64()).to_pylist())
    return list(column.to_pylist())
