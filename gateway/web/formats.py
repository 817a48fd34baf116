"""An answer's stored bytes as NDJSON, CSV or an Arrow stream: the same values in each, none rounded or left out."""

import io
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from gateway.web.delivery import Format

METADATA = b"gateway.answer"
"""Where an Arrow schema holds what is no row: the answer without `rows` and `intervals`."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column by its name, its SQL type as the answer has it, and its values as JSON has them."""

    name: str
    type: str
    values: list[Any]


def written(answer: bytes, form: Format, *, intervals: bool) -> bytes:
    """Return an answer in a format. `intervals`: with columns `<name>_low` and `<name>_high` after each noisy one."""
    return answer if form is Format.JSON else of_rows(json.loads(answer), form, intervals=intervals)


def of_rows(document: dict[str, Any], form: Format, *, intervals: bool) -> bytes:
    """Return an answer that is read already in a format of rows alone: any but JSON."""
    columns = columns_of(document, intervals=intervals)
    return {Format.NDJSON: _ndjson, Format.CSV: _csv, Format.ARROW: _arrow}[form](document, columns)


def columns_of(document: dict[str, Any], *, intervals: bool) -> list[Column]:
    """Return an answer's columns; `intervals`: with `<name>_low` and `<name>_high` after each noisy one."""
    rows, found = document["rows"], []
    taken = {column["name"] for column in document["columns"]}
    for index, column in enumerate(document["columns"]):
        found.append(Column(column["name"], column["type"], [row[index] for row in rows]))
        bars = document["intervals"]["columns"].get(column["name"]) if intervals else None
        if bars is not None:
            type_ = _type_of_ends(column["type"], bars)
            for end, suffix in enumerate(("low", "high")):
                name = _free(f"{column['name']}_{suffix}", taken)
                found.append(Column(name, type_, [None if bar is None else bar[end] for bar in bars]))
    return found


def _type_of_ends(type_: str, bars: list[Any]) -> str:
    """Return the type of a column of interval ends: whole for whole numbers, unless one lies beyond what such hold."""
    whole = type_ == "BIGINT" and all(abs(int(end)) < 2**63 for bar in bars if bar is not None for end in bar)
    return type_ if whole or type_ in ("DATE", "TIMESTAMP") else "DOUBLE"


def _free(name: str, taken: set[str]) -> str:
    """Return a name that no column has."""
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def _rows(columns: list[Column]) -> Iterable[tuple[Any, ...]]:
    return zip(*(column.values for column in columns), strict=True)


def _ndjson(_document: dict[str, Any], columns: list[Column]) -> bytes:
    names = [column.name for column in columns]
    lines = (json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False) for row in _rows(columns))
    return "".join(f"{line}\n" for line in lines).encode()


def _csv(_document: dict[str, Any], columns: list[Column]) -> bytes:
    """Return RFC 4180 text: NULL is an empty field, an empty text is quoted."""
    lines = [[column.name for column in columns], *_rows(columns)]
    return "".join(",".join(map(_field, line)) + "\r\n" for line in lines).encode()


def _field(value: Any) -> str:
    if value is None:
        return ""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if text and not any(letter in text for letter in ',"\r\n'):
        return text
    return '"' + text.replace('"', '""') + '"'


_READ: dict[str, tuple[pa.DataType, Callable[[Any], Any]]] = {
    "BOOLEAN": (pa.bool_(), bool),
    "BIGINT": (pa.int64(), int),
    "DOUBLE": (pa.float64(), float),
    "DATE": (pa.date32(), date.fromisoformat),
    "TIMESTAMP": (pa.timestamp("us"), datetime.fromisoformat),
}


def _arrow(document: dict[str, Any], columns: list[Column]) -> bytes:
    arrays = [_array(column) for column in columns]
    fields = [pa.field(column.name, array.type) for column, array in zip(columns, arrays, strict=True)]
    told = {name: value for name, value in document.items() if name not in ("rows", "intervals")}
    schema = pa.schema(fields, metadata={METADATA: json.dumps(told, ensure_ascii=False).encode()})
    out = io.BytesIO()
    with pa.ipc.new_stream(out, schema) as stream:
        stream.write_batch(pa.record_batch(arrays, schema=schema))
    return out.getvalue()


def _array(column: Column) -> pa.Array:
    """Return a column in its type; where that does not hold one of its values, all of them as their texts."""
    type_, read = _READ.get(column.type, (pa.string(), str))
    if column.type.startswith("DECIMAL"):
        precision, scale = (int(part) for part in column.type[len("DECIMAL(") : -1].split(","))
        type_, read = pa.decimal128(precision, scale), Decimal
    try:
        return pa.array([None if value is None else read(value) for value in column.values], type_)
    except (ValueError, OverflowError, ArithmeticError):  # a year beyond 9999, more digits than a type has
        return pa.array([None if value is None else str(value) for value in column.values], pa.string())
