"""Rows of PostgreSQL as Arrow, in slices so that the loop is never held, and Arrow columns as arrays for it.

Dates and timestamps travel as whole numbers: the driver's own values know no infinity and no year beyond 9999.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import Any

import asyncpg
import pyarrow as pa

from gateway.ports import InputTable

SLICE = 2_000
"""Rows that are turned into Arrow at once: a few milliseconds."""

EPOCH_DAYS = 10_957
"""Days from 1970, where Arrow counts from, to 2000, where PostgreSQL does."""

_EPOCH_US = EPOCH_DAYS * 86_400_000_000
_DAY_END, _MOMENT_END = 2**31 - 1, 2**63 - 1

_TYPES = {
    "BOOLEAN": pa.bool_(),
    "BIGINT": pa.int64(),
    "DOUBLE": pa.float64(),
    "VARCHAR": pa.string(),
    "UUID": pa.string(),
    "DATE": pa.int32(),
    "TIMESTAMP": pa.int64(),
}
_MOMENTS = {"DATE": pa.date32(), "TIMESTAMP": pa.timestamp("us")}
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")


def day_of(value: tuple[int]) -> int:
    """Return Arrow's day of PostgreSQL's; the ends of time are DuckDB's."""
    (days,) = value
    if abs(days) >= _DAY_END:
        return _DAY_END if days > 0 else -_DAY_END
    return days + EPOCH_DAYS


def moment_of(value: tuple[int]) -> int:
    """Return Arrow's microsecond of PostgreSQL's; the ends of time are DuckDB's."""
    (micros,) = value
    if abs(micros) >= _MOMENT_END:
        return _MOMENT_END if micros > 0 else -_MOMENT_END
    return micros + _EPOCH_US


def day_to(days: int) -> tuple[int]:
    return (days - EPOCH_DAYS if abs(days) < _DAY_END else _DAY_END if days > 0 else -_DAY_END - 1,)


def moment_to(micros: int) -> tuple[int]:
    return (micros - _EPOCH_US if abs(micros) < _MOMENT_END else _MOMENT_END if micros > 0 else -_MOMENT_END - 1,)


def _typed(type_: str) -> pa.DataType:
    if (decimal := _DECIMAL.fullmatch(type_)) is not None:
        return pa.decimal128(int(decimal[1]), int(decimal[2]))
    return _TYPES.get(type_, pa.null())


async def to_ipc(rows: Sequence[asyncpg.Record], columns: Sequence[tuple[str, str]]) -> bytes:
    """Return rows as an Arrow IPC stream of exactly these columns."""
    schema = pa.schema([(name, _MOMENTS.get(type_, _typed(type_))) for name, type_ in columns])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        for start in range(0, len(rows), SLICE):
            writer.write_batch(_batch(rows[start : start + SLICE], columns, schema))
            await asyncio.sleep(0)
    return bytes(sink.getvalue().to_pybytes())


def _batch(rows: Sequence[asyncpg.Record], columns: Sequence[tuple[str, str]], schema: pa.Schema) -> pa.RecordBatch:
    arrays = []
    for index, (_, type_) in enumerate(columns):
        values: list[Any] = [row[index] for row in rows]
        if type_ == "UUID":
            values = [None if value is None else str(value) for value in values]
        array = pa.array(values, _typed(type_))
        arrays.append(array.view(_MOMENTS[type_]) if type_ in _MOMENTS else array)
    return pa.record_batch(arrays, schema=schema)


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


CODECS: dict[str, tuple[Callable[[int], tuple[int]], Callable[[tuple[int]], int]]] = {
    "date": (day_to, day_of),
    "timestamp": (moment_to, moment_of),
}
"""How the driver writes and reads each type that it would not hold whole."""
