"""A policy proposed for a source that its provider names: opened here, looked at, and closed again."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from gateway.catalog import entries
from gateway.catalog.document import DuckDBEntry, EngineEntry, PostgresEntry, SparkEntry
from gateway.catalog.inspection import EngineTable
from gateway.classification.model import Facts, Link, Looks, Shape
from gateway.classification.proposing import Known, proposals
from gateway.classification.shapes import shape
from gateway.classification.writing import Heading, write
from gateway.engines.profiles import (
    DuckDBReader,
    People,
    PostgresReader,
    Reader,
    Skipped,
    crowd,
    looked,
    shared,
    stray,
)
from gateway.errors import GatewayError
from gateway.settings import Settings, variable


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be proposed: for which engine, whom it protects, and whether values are read for it."""

    engine: EngineEntry
    base: Path
    dataset: str
    organisation: str
    unit: str | None = None
    values: bool = False
    facts: Facts = field(default_factory=Facts)


def proposed(order: Order) -> str:
    """Return the text of a proposal.

    Raises GatewayError `engine_unavailable`, and `settings_invalid` where nothing tells whom to protect.
    """
    return asyncio.run(_proposed(order))


async def _proposed(order: Order) -> str:
    reader = await _opened(order)
    try:
        tables, skipped = await reader.tables()
        if not tables:
            raise GatewayError("settings_invalid", "There is no table there.", "Name a source that holds tables.")
        facts = _spelled(order.facts, tables)
        made, looks = await _looked(reader, order, tables, facts)
    finally:
        await reader.close()
    known = Known(tables, made, facts, looks, enforcing=isinstance(order.engine, PostgresEntry))
    heading = Heading(
        order.dataset,
        order.organisation,
        _entry(order.engine),
        made.unit,
        made.why,
        order.values,
        (*_passed(skipped), *facts.notes),
    )
    return write(heading, proposals(known))


def _passed(skipped: Sequence[Skipped]) -> tuple[str, ...]:
    return tuple(f"{name} is left out: {why}" for name, why in skipped)


async def _opened(order: Order) -> Reader:
    match order.engine:
        case DuckDBEntry(path=path):
            settings = Settings()
            return DuckDBReader.open(str(order.base / path), settings.engine_memory_mb, settings.engine_threads)
        case PostgresEntry():
            return await PostgresReader.open(entries.source(order.engine, order.base), variable)
        case SparkEntry():
            hint = "Name the same Parquet files with --duckdb FOLDER, and write the engine's entry into what comes out."
            raise GatewayError("settings_invalid", "Spark's tables are not looked at.", hint)


async def _looked(reader: Reader, order: Order, tables: Sequence[EngineTable], facts: Facts) -> tuple[Shape, Looks]:
    """Return how tables hang together, and what their values look like where those are to be read."""
    if not order.values:
        return shape(tables, facts, Looks(), order.unit), Looks()
    looks = {table.name: await looked(reader, table) for table in tables if table.kind == "table"}
    made = shape(tables, facts, Looks(looks), order.unit)
    crowds = {}
    for name, look in looks.items():
        if made.leads(name):
            people = People(name, _path(made, name), made.unit[1])
            looks[name] = await shared(reader, look, people)
            crowds[name] = await crowd(reader, people)
    strays = [step for step in made.steps.values() if await stray(reader, step)]
    astray = frozenset(((step.table, step.column), (step.target, step.key)) for step in strays)
    return made, Looks(looks, astray, crowds)


def _path(made: Shape, table: str) -> tuple[Link, ...]:
    path: list[Link] = []
    while table in made.steps:
        path.append(made.steps[table])
        table = path[-1].target
    return tuple(path)


def _entry(engine: EngineEntry) -> tuple[tuple[str, str], ...]:
    return tuple((key, str(value)) for key, value in engine.model_dump(by_alias=True).items())


def _spelled(facts: Facts, tables: Sequence[EngineTable]) -> Facts:
    """Return facts with tables and columns spelled as the engine does; those of what is not there are left out."""
    names = {table.name.casefold(): table for table in tables}
    spelled = {
        (folded, column.name.casefold()): (table.name, column.name)
        for folded, table in names.items()
        for column in table.columns
    }

    def place(table: str, column: str) -> tuple[str, str] | None:
        return spelled.get((table.casefold(), column.casefold()))

    unique = [[place(table, column) for column in key] for table, key in facts.unique]
    whole = [[one for one in key if one is not None] for key in unique if None not in key]
    return replace(
        facts,
        unique=frozenset((key[0][0], tuple(column for _, column in key)) for key in whole if key),
        not_null=frozenset(there for one in facts.not_null if (there := place(*one))),
        values={there: cells for one, cells in facts.values.items() if (there := place(*one))},
        references={
            here: there for one, other in facts.references.items() if (here := place(*one)) and (there := place(*other))
        },
        described={there: text for one, text in facts.described.items() if (there := place(*one))},
        personal=frozenset(there for one in facts.personal if (there := place(*one))),
    )
