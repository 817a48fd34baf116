"""Types and values as Trino's protocol writes them."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

UNBOUNDED = 2_147_483_647

_PLAIN = {
    "BOOLEAN": "boolean",
    "TINYINT": "tinyint",
    "SMALLINT": "smallint",
    "INTEGER": "integer",
    "BIGINT": "bigint",
    "HUGEINT": "decimal(38,0)",
    "DOUBLE": "double",
    "DATE": "date",
    "TIMESTAMP": "timestamp(6)",
    "UUID": "uuid",
}
_DECIMAL = re.compile(r"DECIMAL\((\d+),\s?(\d+)\)")
_PARTS = re.compile(r"(\w+)(?:\(([\d,]+)\))?")


def named(type_: str) -> str:
    """Return Trino's name of an answer's type; what is none of Trino's is told as its text."""
    exact = _DECIMAL.fullmatch(type_)
    return f"decimal({exact[1]},{exact[2]})" if exact else _PLAIN.get(type_, "varchar")


def column(name: str, type_: str) -> dict[str, object]:
    """Return a column as pages of results hold it: its type in words, and as a signature."""
    told = named(type_)
    parts = _PARTS.fullmatch(told)
    assert parts is not None  # INVARIANT: named writes nothing else
    numbers = [int(number) for number in parts[2].split(",")] if parts[2] else []
    if told == "varchar":
        numbers = [UNBOUNDED]
    arguments = [{"kind": "LONG", "value": number} for number in numbers]
    return {"name": name, "type": told, "typeSignature": {"rawType": parts[1], "arguments": arguments}}


def writer(type_: str) -> Callable[[Any], object]:
    """Return what writes a cell of an answer's type as the protocol does: decimals, dates and times as text."""
    told = named(type_).partition("(")[0]
    kinds: dict[str, Callable[[Any], object]] = {
        "boolean": bool,
        "tinyint": int,
        "smallint": int,
        "integer": int,
        "bigint": int,  # beyond what a float holds the answer has them as text
        "double": float,
        "timestamp": _timestamp,
    }
    write = kinds.get(told, str)
    return lambda value: None if value is None else write(value)


def _timestamp(value: Any) -> str:
    """Return a moment with a space and six digits; one that Python does not know stays as it is."""
    try:
        return datetime.fromisoformat(str(value)).isoformat(" ", "microseconds")
    except ValueError:
        return str(value)
