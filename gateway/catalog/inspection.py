"""What an engine tells about a source when a policy is checked, and what it is asked. Plain values."""

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.catalog.document import PolicyDocument
from gateway.catalog.types import Cell


@dataclass(frozen=True, slots=True)
class EngineColumn:
    """`type_text` is the engine's own, for example DECIMAL(18,2)."""

    name: str
    type_text: str
    nullable: bool


@dataclass(frozen=True, slots=True)
class EngineTable:
    """`kind` is table or view; `unique` are the keys that the engine enforces.

    `references` are its foreign keys: the columns, and the table that they refer to.
    """

    name: str
    kind: str
    columns: tuple[EngineColumn, ...]
    unique: tuple[tuple[str, ...], ...]
    references: tuple[tuple[tuple[str, ...], str], ...] = ()


@dataclass(frozen=True, slots=True)
class Inspection:
    """`distinct` holds (table, column, sorted cells or None where there are too many) of public tables.

    `broken_facts` names declared facts that do not hold. `stamp` marks the data as it was looked at. `warnings` say in
    words what the engine allows the gateway beyond what it needs. `live`: rows may change while the stamp stays.
    `place` is where the data are, whatever a policy calls it; empty where the policy's own source is the place.
    """

    stamp: str
    tables: tuple[EngineTable, ...]
    distinct: tuple[tuple[str, str, tuple[Cell, ...] | None], ...]
    broken_facts: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    live: bool = False
    place: str = ""


@dataclass(frozen=True, slots=True)
class InspectionOrder:
    """What to look at: tables, the public ones' distinct values, and declared facts to check.

    `columns` are all that the policy names of private tables: what the gateway has to be able to read. `links` are the
    steps towards the unit: table and column, and the table and key to which it leads.
    """

    tables: tuple[str, ...]
    public_tables: tuple[str, ...]
    unique: tuple[tuple[str, tuple[str, ...]], ...]
    not_null: tuple[tuple[str, str], ...]
    distinct_limit: int = 10_000
    columns: tuple[tuple[str, str], ...] = ()
    links: tuple[tuple[str, str, str, str], ...] = ()


def order(document: PolicyDocument) -> InspectionOrder:
    """Return what an engine is asked about a policy's tables."""
    tables = document.tables
    return InspectionOrder(
        tables=tuple(tables),
        public_tables=tuple(name for name, table in tables.items() if table.public),
        unique=tuple((name, tuple(key)) for name, table in tables.items() for key in table.unique),
        not_null=tuple(
            (name, column)
            for name, table in tables.items()
            for column, entry in table.columns.items()
            if entry.nullable is False
        ),
        columns=tuple(_named(document)),
        links=tuple(_links(document)),
    )


def _links(document: PolicyDocument) -> Iterator[tuple[str, str, str, str]]:
    for name, table in document.tables.items():
        yield from ((name, *step) for step in table.steps)


def _named(document: PolicyDocument) -> Iterator[tuple[str, str]]:
    """Yield every column of a private table that the policy names, by its keys and paths too."""
    yield document.privacy.unit.table, document.privacy.unit.key
    for name, table in document.tables.items():
        yield from ((name, column) for column in table.columns)
        yield from ((name, column) for key in table.unique for column in key)
        for column, other, key_column in table.steps:
            yield name, column
            yield other, key_column
