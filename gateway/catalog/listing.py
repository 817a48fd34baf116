"""A table about tables: what a policy says, as rows. Everything in it may be shown; no data value is ever in one."""

from dataclasses import dataclass, field

VARCHAR, BIGINT, BOOLEAN = "VARCHAR", "BIGINT", "BOOLEAN"

Cell = str | int | bool | None


@dataclass(frozen=True, slots=True)
class Listing:
    """Columns as (name, type), the types those above; each row has a cell for each column."""

    columns: tuple[tuple[str, str], ...]
    rows: tuple[tuple[Cell, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class LookedUp:
    """What a question of listings gives: columns as (name, DuckDB's type), rows of values that JSON carries."""

    columns: list[tuple[str, str]]
    rows: list[list[object]] = field(default_factory=list)
