"""What an engine calls its types, and what a policy's YAML writes of their values, as the catalog's own."""

import re
from datetime import date, datetime
from decimal import Decimal

from gateway.catalog.types import (
    BOOLEAN,
    DATE,
    DOUBLE,
    INTEGER,
    OTHER,
    TEXT,
    TIMESTAMP,
    UUID,
    Scalar,
    SqlType,
    TypeKind,
    decimal,
)

_TYPES = {
    "BOOLEAN": BOOLEAN, "TINYINT": INTEGER, "SMALLINT": INTEGER, "INTEGER": INTEGER, "BIGINT": INTEGER,
    "UTINYINT": INTEGER, "USMALLINT": INTEGER, "UINTEGER": INTEGER, "FLOAT": DOUBLE, "DOUBLE": DOUBLE,
    "VARCHAR": TEXT, "DATE": DATE, "TIMESTAMP": TIMESTAMP, "UUID": UUID,
}  # fmt: skip


def sql_type(text: str) -> SqlType:
    """Return the type that an engine's type text means; OTHER for what is not computed with."""
    found = re.fullmatch(r"DECIMAL\((\d+),\s*(\d+)\)", text)
    return decimal(int(found[1]), int(found[2])) if found else _TYPES.get(text, OTHER)


def coerced(value: object, type_: SqlType) -> Scalar | None:
    """Return a value of the column's own type, or None."""
    kind = type_.kind
    if kind is TypeKind.BOOLEAN:
        return value if isinstance(value, bool) else None
    if isinstance(value, bool):
        return None
    if kind is TypeKind.INTEGER:
        whole = isinstance(value, Decimal) and value == value.to_integral_value()
        return int(value) if isinstance(value, int) or whole else None  # type: ignore[call-overload]
    if kind in (TypeKind.DECIMAL, TypeKind.DOUBLE):
        return Decimal(str(value)) if isinstance(value, int | Decimal) else None
    if kind is TypeKind.DATE:
        return value if isinstance(value, date) and not isinstance(value, datetime) else None
    if kind is TypeKind.TIMESTAMP:
        return datetime(value.year, value.month, value.day) if isinstance(value, date) else None  # noqa: DTZ001
    return value if isinstance(value, str) else None
