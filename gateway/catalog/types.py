"""The gateway's own types of SQL values, and how a cell of each is written in JSON.

A cell is None, a bool, an int, or text: decimals as digits, dates and timestamps in ISO 8601. Never a float.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

Cell = None | bool | int | str
"""One value of a key or domain in its canonical, JSON-safe form."""

Scalar = bool | int | Decimal | str | date | datetime


class TypeKind(StrEnum):
    BOOLEAN = "BOOLEAN"
    INTEGER = "BIGINT"
    DECIMAL = "DECIMAL"
    DOUBLE = "DOUBLE"
    TEXT = "VARCHAR"
    DATE = "DATE"
    TIMESTAMP = "TIMESTAMP"
    UUID = "UUID"
    OTHER = "OTHER"


@dataclass(frozen=True, slots=True)
class SqlType:
    """A type: its kind, and for DECIMAL its precision and scale."""

    kind: TypeKind
    precision: int = 0
    scale: int = 0

    @property
    def numeric(self) -> bool:
        return self.kind in (TypeKind.INTEGER, TypeKind.DECIMAL, TypeKind.DOUBLE)

    @property
    def temporal(self) -> bool:
        return self.kind in (TypeKind.DATE, TypeKind.TIMESTAMP)

    def __str__(self) -> str:
        if self.kind is TypeKind.DECIMAL:
            return f"DECIMAL({self.precision},{self.scale})"
        return self.kind.value


BOOLEAN = SqlType(TypeKind.BOOLEAN)
INTEGER = SqlType(TypeKind.INTEGER)
DOUBLE = SqlType(TypeKind.DOUBLE)
TEXT = SqlType(TypeKind.TEXT)
DATE = SqlType(TypeKind.DATE)
TIMESTAMP = SqlType(TypeKind.TIMESTAMP)
UUID = SqlType(TypeKind.UUID)
OTHER = SqlType(TypeKind.OTHER)


def decimal(precision: int, scale: int) -> SqlType:
    return SqlType(TypeKind.DECIMAL, precision, scale)


def to_cell(value: Scalar | None) -> Cell:
    """Return the canonical cell of a value; a decimal keeps its digits, a date becomes ISO text."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, Decimal):
        return f"{value:f}"
    return value.isoformat()
