"""Reading a source for its provider alone: its tables, and what their values look like. DuckDB and PostgreSQL.

What is read stays in the process that asked: nothing of it goes over HTTP, into a store or a log.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Protocol

import asyncpg
import duckdb

from gateway.catalog.inspection import EngineColumn, EngineTable, InspectionOrder
from gateway.catalog.scalars import sql_type
from gateway.catalog.types import Scalar, SqlType, TypeKind
from gateway.classification.model import ColumnLook, Link, TableLook
from gateway.engines import duckdb_source, duckdb_worker, postgres_catalog
from gateway.engines.postgres_sessions import AWAY, Sessions
from gateway.engines.sources import Addresses, unavailable
from gateway.errors import GatewayError
from gateway.ports import Source

FEW = 50
EXAMPLES = 500
DEADLINE_S = 600.0

_ORDERED = (TypeKind.INTEGER, TypeKind.DECIMAL, TypeKind.DOUBLE, TypeKind.DATE, TypeKind.TIMESTAMP)

Skipped = tuple[str, str]
"""A table that is not read, and why."""


class Reader(Protocol):
    """One source, opened for reading."""

    async def tables(self) -> tuple[tuple[EngineTable, ...], tuple[Skipped, ...]]:
        """Return all tables, and those that cannot be read as they stand."""
        ...

    async def rows(self, sql: str) -> Sequence[Sequence[Any]]:
        """Return the rows of one statement of ours."""
        ...

    def name(self, table: str) -> str:
        """Return a table's name as SQL."""
        ...

    async def close(self) -> None: ...


@dataclass(slots=True)
class DuckDBReader:
    """A database file or a folder of Parquet files, in this process."""

    path: str
    connection: duckdb.DuckDBPyConnection

    @classmethod
    def open(cls, path: str, memory_mb: int, threads: int) -> "DuckDBReader":
        """Open a source. Raises GatewayError `engine_unavailable`."""
        if not Path(path).exists():
            hint = "Name a DuckDB file, or a folder with a folder of Parquet files for each table."
            raise GatewayError("engine_unavailable", f"There is nothing at {path}.", hint)
        duckdb_source.refuse_open_writer(path)
        return cls(path, duckdb_source.connect(path, memory_mb, threads))

    async def tables(self) -> tuple[tuple[EngineTable, ...], tuple[Skipped, ...]]:
        """Return all tables of the schema main, and those that cannot be read as they stand."""
        found = self.connection.execute(
            "SELECT DISTINCT table_name FROM duckdb_columns() WHERE schema_name = 'main' AND NOT internal "
            "AND database_name = current_database() ORDER BY table_name"
        ).fetchall()
        views = duckdb_source.is_folder(self.path)
        made: list[EngineTable] = []
        skipped: list[Skipped] = []
        for (name,) in found:
            order = InspectionOrder((name,), (), (), ())
            try:
                made += duckdb_worker.inspect(self.connection, order, "", views=views).tables
            except GatewayError as error:
                skipped.append((name, f"{error.detail} {error.hint}"))
        return tuple(made), tuple(skipped)

    async def rows(self, sql: str) -> Sequence[Sequence[Any]]:
        """Return the rows of one statement. Raises GatewayError `engine_unavailable`."""
        try:
            return self.connection.execute(sql).fetchall()
        except duckdb.Error:  # its words may hold values
            raise GatewayError("engine_unavailable", "The data cannot be read.", "Look at the source.") from None

    def name(self, table: str) -> str:
        """Return a table's name as SQL."""
        return _quoted(table)

    async def close(self) -> None:
        """Close the file."""
        self.connection.close()


@dataclass(slots=True)
class PostgresReader:
    """A schema of a provider's PostgreSQL, in one read-only snapshot."""

    schema: str
    sessions: Sessions
    connection: asyncpg.Connection

    @classmethod
    async def open(cls, source: Source, addresses: Addresses) -> "PostgresReader":
        """Open a source. Raises GatewayError `engine_unavailable`."""
        address = addresses(source.variable)
        if address is None:
            hint = f"Set {source.variable} to postgresql://role:password@host/database."
            raise GatewayError("engine_unavailable", f"The environment has no {source.variable}.", hint)
        sessions = Sessions(source, address, 1, DEADLINE_S)
        connection = await sessions.acquire(DEADLINE_S)
        await sessions.begin(connection)
        return cls(source.place, sessions, connection)

    async def tables(self) -> tuple[tuple[EngineTable, ...], tuple[Skipped, ...]]:
        """Return all tables of the schema, and those that cannot be read as they stand."""
        listed = (
            "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 "
            "AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition ORDER BY c.relname"
        )
        made: list[EngineTable] = []
        skipped: list[Skipped] = []
        with _reading():
            for row in await self.connection.fetch(listed, self.schema):
                order = InspectionOrder((row["relname"],), (), (), ())
                try:
                    made += (await postgres_catalog.inspect(self.connection, self.schema, order)).tables
                except GatewayError as error:
                    skipped.append((row["relname"], f"{error.detail} {error.hint}"))
        return tuple(made), tuple(skipped)

    async def rows(self, sql: str) -> Sequence[Sequence[Any]]:
        """Return the rows of one statement. Raises GatewayError `engine_unavailable`."""
        with _reading():
            return [tuple(row) for row in await self.connection.fetch(sql)]

    def name(self, table: str) -> str:
        """Return a table's name as SQL."""
        return f"{_quoted(self.schema)}.{_quoted(table)}"

    async def close(self) -> None:
        """End the snapshot, and its connection."""
        self.sessions.release(self.connection, whole=False)


@contextlib.contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except AWAY:  # its words may hold values
        raise unavailable("Look at the server, and at what its role may read.") from None


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


async def looked(reader: Reader, table: EngineTable) -> TableLook:
    """Return what a table's values look like."""
    columns = [(c, sql_type(c.type_text)) for c in table.columns if sql_type(c.type_text).kind is not TypeKind.OTHER]
    parts = ["COUNT(*)"]
    for column, type_ in columns:
        name = _quoted(column.name)
        parts += [f"COUNT({name})", f"COUNT(DISTINCT {name})"]
        # as text: each engine's client has types of its own for days and decimals
        parts += (
            [f"CAST({end}({name}) AS VARCHAR)" for end in ("MIN", "MAX")]
            if type_.kind in _ORDERED
            else ["NULL", "NULL"]
        )
    ((rows, *found),) = await reader.rows(f"SELECT {', '.join(parts)} FROM {reader.name(table.name)}")
    looks = {}
    for index, (column, type_) in enumerate(columns):
        present, distinct, low, high = found[4 * index : 4 * index + 4]
        texts = type_.kind in (TypeKind.TEXT, TypeKind.INTEGER)
        looks[column.name] = ColumnLook(
            nulls=rows - present,
            distinct=distinct,
            low=_scalar(low, type_),
            high=_scalar(high, type_),
            examples=await _examples(reader, table, column) if texts else (),
        )
    return TableLook(rows, looks)


def _scalar(text: str | None, type_: SqlType) -> Scalar | None:
    """Return an end of a range from its text, of a moment its day; None where it is neither number nor day."""
    if text is None:
        return None
    try:
        if type_.temporal:
            return date.fromisoformat(text[:10])
        number = Decimal(text)
    except (ValueError, InvalidOperation):
        return None
    if not number.is_finite():
        return None
    return int(number) if type_.kind is TypeKind.INTEGER else number


@dataclass(frozen=True, slots=True)
class People:
    """Whose the rows of a table are: the steps from it to the unit, none for the unit's own table, and its key."""

    table: str
    steps: tuple[Link, ...]
    key: str

    def rows(self, reader: Reader) -> str:
        """Return the table as t0 beside what it takes to tell whose a row is, as SQL."""
        joins = [
            f"JOIN {reader.name(after.table)} AS t{index + 1} "
            f"ON t{index}.{_quoted(before.column)} = t{index + 1}.{_quoted(before.key)}"
            for index, (before, after) in enumerate(zip(self.steps, self.steps[1:], strict=False))
        ]
        return f"{reader.name(self.table)} AS t0 {' '.join(joins)}"

    @property
    def person(self) -> str:
        """The column that tells whose a row is, as SQL."""
        return f"t{len(self.steps) - 1}.{_quoted(self.steps[-1].column)}" if self.steps else f"t0.{_quoted(self.key)}"


async def shared(reader: Reader, look: TableLook, people: People) -> TableLook:
    """Return what a table's values look like, with the values of columns that have few, and how many have each."""
    columns = {}
    for column, one in look.columns.items():
        if 0 < one.distinct <= FEW:
            name = f"t0.{_quoted(column)}"
            sql = (
                f"SELECT {name}, COUNT(DISTINCT {people.person}) FROM {people.rows(reader)} "
                f"WHERE {name} IS NOT NULL GROUP BY 1"
            )
            one = replace(one, common=tuple((value, count) for value, count in await reader.rows(sql)))  # noqa: PLW2901
        columns[column] = one
    return replace(look, columns=columns)


async def _examples(reader: Reader, table: EngineTable, column: EngineColumn) -> tuple[str, ...]:
    name = _quoted(column.name)
    sql = (
        f"SELECT DISTINCT CAST({name} AS VARCHAR) FROM {reader.name(table.name)} WHERE {name} IS NOT NULL "
        f"LIMIT {EXAMPLES}"
    )
    return tuple(str(text) for (text,) in await reader.rows(sql))


async def stray(reader: Reader, link: Link) -> bool:
    """Tell whether some rows of a link lead to no row."""
    column, key = _quoted(link.column), _quoted(link.key)
    sql = (
        f"SELECT 1 FROM {reader.name(link.table)} AS a WHERE a.{column} IS NULL OR NOT EXISTS "
        f"(SELECT 1 FROM {reader.name(link.target)} AS b WHERE b.{key} = a.{column}) LIMIT 1"
    )
    return bool(await reader.rows(sql))


async def crowd(reader: Reader, people: People) -> int:
    """Return how many rows of a table nineteen of twenty people have at most."""
    ((most,),) = await reader.rows(
        "SELECT percentile_disc(0.95) WITHIN GROUP (ORDER BY n) FROM (SELECT COUNT(*) AS n FROM "
        f"{people.rows(reader)} WHERE {people.person} IS NOT NULL GROUP BY {people.person}) AS people"
    )
    return int(most or 1)
