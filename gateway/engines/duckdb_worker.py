"""The DuckDB process: one source, opened and locked down, one statement at a time.

The process is the isolation (killable, limited); the settings are the third line of defence, after the grammar.
"""

import logging
import resource
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import duckdb
import pyarrow as pa

from gateway.catalog.inspection import EngineColumn, EngineTable, Inspection, InspectionOrder
from gateway.catalog.types import Cell, to_cell
from gateway.engines.duckdb_rows import Rows, any_rows, few_rows
from gateway.engines.duckdb_source import (
    Changed,
    check_unchanged,
    connect,
    is_folder,
    quoted,
    refuse_open_writer,
    stamp_of,
)
from gateway.engines.faults import FAULTS
from gateway.engines.streams import stream
from gateway.errors import GatewayError

log = logging.getLogger("gateway.engine")


class DuckDBHandler:
    """Handles `open(path, stamp)`, `run(sql, parameters, inputs, query_id)`; for a provider `inspect(path, order)`.

    `few` is `run` of a statement with few rows.
    """

    def __init__(self, memory_mb: int, threads: int) -> None:
        self._memory_mb = memory_mb
        self._threads = threads
        self._opened: tuple[str, str] | None = None
        self._connection: duckdb.DuckDBPyConnection | None = None

    def rest(self) -> None:
        """Nothing is left over from a call."""

    def handle(self, method: str, argument: Any) -> tuple[dict[str, Any], bytes]:
        """Return an engine's answer; its errors become ours, with fixed words."""
        match method:
            case "open":
                return self._open(*argument)
            case "run":
                return self._run(any_rows, *argument)
            case "few":
                return self._run(few_rows, *argument)
            case "inspect":
                return self._inspect(*argument)
            case "close":
                self._close()
                return {}, b""
            case _:
                raise ValueError(method)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection, self._opened = None, None

    def _open(self, path: str, stamp: str) -> tuple[dict[str, Any], bytes]:
        if self._opened != (path, stamp) or stamp_of(path) != stamp:
            self._close()
            before = stamp_of(path)
            if before != stamp:
                hint = "The provider has to declare the new data: gateway dataset refresh."
                raise GatewayError("refresh_needed", "The data changed and were not declared.", hint)
            refuse_open_writer(path)
            self._connection = connect(path, self._memory_mb, self._threads)
            if stamp_of(path) != before:
                self._close()
                raise GatewayError("refresh_needed", "The data changed while they were opened.", "Ask again.")
            self._opened = (path, stamp)
        return {}, b""

    def _run(
        self,
        rows_of: Callable[[duckdb.DuckDBPyConnection, str, tuple[str, ...]], Rows],
        sql: str,
        parameters: tuple[str, ...],
        inputs: tuple[tuple[str, bytes], ...],
        query_id: str,
    ) -> tuple[dict[str, Any], bytes]:
        assert self._connection is not None  # INVARIANT: a lease opens before it runs
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            with _holding(self._connection, inputs):
                table, read = rows_of(self._connection, sql, parameters)
            assert self._opened is not None  # INVARIANT: with the connection
            check_unchanged(*self._opened)
        except (duckdb.Error, pa.ArrowInvalid, AssertionError, Changed) as error:
            log.error("query %s: the statement failed: %s", query_id, error)  # noqa: TRY400 - the text alone, to the provider
            if isinstance(error, FAULTS):
                self._close()  # it would fail every statement that follows, whoever asks
            raise GatewayError("query_failed", "The engine could not finish the query.", "") from None
        rows = stream(table)
        cost = {
            "wall_ms": (time.perf_counter() - wall) * 1000,
            "cpu_ms": (time.process_time() - cpu) * 1000,
            "rows": table.num_rows,
            **read,
            "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        }
        return cost, rows

    def _inspect(self, path: str, order: InspectionOrder) -> tuple[dict[str, Any], bytes]:
        self._close()  # one process has a file open once, and what is locked down cannot be opened anew
        before = stamp_of(path)
        refuse_open_writer(path)
        connection = connect(path, self._memory_mb, self._threads)
        try:
            found = inspect(connection, order, before, views=is_folder(path))
        finally:
            connection.close()
        if stamp_of(path) != before:
            raise GatewayError("engine_unavailable", "The data changed while they were read.", "Try again.")
        return {"inspection": _json(found)}, b""


@contextmanager
def _holding(connection: duckdb.DuckDBPyConnection, inputs: tuple[tuple[str, bytes], ...]) -> Iterator[None]:
    """Keep released tables beside the file, in the connection's own memory, for one statement."""
    held: list[str] = []
    try:
        for name, ipc in inputs:
            connection.register("arriving", pa.ipc.open_stream(ipc).read_all())
            try:
                connection.execute(f"CREATE TEMP TABLE {quoted(name)} AS SELECT * FROM arriving")
                held.append(name)
            finally:
                connection.unregister("arriving")
        yield
    finally:
        for name in held:
            connection.execute(f"DROP TABLE temp.{quoted(name)}")


def _json(found: Inspection) -> dict[str, Any]:
    return {
        "stamp": found.stamp,
        "tables": [
            [
                t.name,
                t.kind,
                [[c.name, c.type_text, c.nullable] for c in t.columns],
                [list(key) for key in t.unique],
                [[list(columns), target] for columns, target in t.references],
            ]
            for t in found.tables
        ],
        "distinct": [[t, c, None if cells is None else list(cells)] for t, c, cells in found.distinct],
        "broken_facts": list(found.broken_facts),
    }


def inspect(
    connection: duckdb.DuckDBPyConnection, order: InspectionOrder, stamp: str, *, views: bool = False
) -> Inspection:
    """Return types, keys, public values and broken facts of the tables that a policy names.

    `views`: the views are ours, each a folder's files as they are, and stand for tables.
    """
    tables = tuple(t for name in order.tables if (t := _table(connection, name, views=views)) is not None)
    if views:
        _read_whole(connection, tables)
    present = {table.name.casefold(): table for table in tables}
    distinct = tuple(
        (name, column.name, _distinct(connection, name, column, order.distinct_limit))
        for name in order.public_tables
        if name.casefold() in present
        for column in present[name.casefold()].columns
    )
    return Inspection(stamp, tables, distinct, _broken(connection, order, present))


def _read_whole(connection: duckdb.DuckDBPyConnection, tables: tuple[EngineTable, ...]) -> None:
    """Raise `policy_invalid` for files that hold a value that cannot be read.

    A text that is not UTF-8 fails the statements that come across it, and no others: that would tell of its row.
    """
    for table in tables:
        values = ", ".join(f"MAX(hash({quoted(column.name)}))" for column in table.columns)
        try:
            connection.execute(f"SELECT {values} FROM {quoted(table.name)}").fetchall()
        except duckdb.Error as error:
            log.warning("%s cannot be read whole: %s", table.name, error)
            hint = "Write its files anew, texts in UTF-8; the gateway's log says which value of which file."
            raise GatewayError("policy_invalid", f"The files of '{table.name}' cannot be read whole.", hint) from None


def _table(connection: duckdb.DuckDBPyConnection, name: str, *, views: bool) -> EngineTable | None:
    where = "schema_name = 'main' AND database_name = current_database() AND lower(table_name) = lower(?)"
    columns = connection.execute(
        # what is generated is computed anew each time that it is read, by whatever its provider wrote
        "SELECT table_name, column_name, CASE WHEN is_generated THEN data_type || ' GENERATED' ELSE data_type END, "
        f"is_nullable FROM duckdb_columns() WHERE {where} ORDER BY column_index",
        [name],
    ).fetchall()
    if not columns:
        return None
    ddl = connection.execute(f"SELECT sql FROM duckdb_tables() WHERE {where}", [name]).fetchone()
    if ddl is not None and "COLLATE" in ddl[0].upper():
        hint = "Load the text columns without COLLATE: keys are compared byte by byte."
        raise GatewayError("policy_invalid", f"The table '{name}' has a collation.", hint)
    keys = connection.execute(
        "SELECT constraint_column_names FROM duckdb_constraints() WHERE constraint_type IN ('PRIMARY KEY', 'UNIQUE') "
        f"AND {where}",
        [name],
    ).fetchall()
    references = connection.execute(
        "SELECT constraint_column_names, referenced_table FROM duckdb_constraints() "
        f"WHERE constraint_type = 'FOREIGN KEY' AND {where}",
        [name],
    ).fetchall()
    return EngineTable(
        name=columns[0][0],
        kind="table" if ddl is not None or views else "view",
        columns=tuple(EngineColumn(c, t, bool(n)) for _, c, t, n in columns),
        unique=tuple(tuple(key[0]) for key in keys),
        references=tuple((tuple(columns), target) for columns, target in references),
    )


def _distinct(
    connection: duckdb.DuckDBPyConnection, table: str, column: EngineColumn, limit: int
) -> tuple[Cell, ...] | None:
    """Return the sorted distinct values of a public column, NULL last; None where there are too many, or floats."""
    plain = column.type_text in ("BOOLEAN", "VARCHAR", "DATE", "TIMESTAMP") or "INT" in column.type_text
    if not (plain or column.type_text.startswith("DECIMAL")) or column.type_text.endswith("GENERATED"):
        return None
    name = quoted(column.name)
    rows = connection.execute(
        f"SELECT DISTINCT {name} FROM {quoted(table)} ORDER BY {name} NULLS LAST LIMIT {limit + 1}"
    ).fetchall()
    return tuple(to_cell(row[0]) for row in rows) if len(rows) <= limit else None


def _broken(
    connection: duckdb.DuckDBPyConnection, order: InspectionOrder, present: Mapping[str, EngineTable]
) -> tuple[str, ...]:
    broken: list[str] = []
    for table, key in order.unique:
        if table.casefold() not in present or not _has(present[table.casefold()], key):
            continue
        names = ", ".join(quoted(column) for column in key)
        found = connection.execute(
            f"SELECT 1 FROM {quoted(table)} GROUP BY {names} HAVING COUNT(*) > 1 LIMIT 1"
        ).fetchone()
        if found is not None:
            broken.append(f"{table}.unique[{', '.join(key)}]")
    for table, column in order.not_null:
        if table.casefold() in present and _has(present[table.casefold()], (column,)):
            found = connection.execute(
                f"SELECT 1 FROM {quoted(table)} WHERE {quoted(column)} IS NULL LIMIT 1"
            ).fetchone()
            if found is not None:
                broken.append(f"{table}.not_null[{column}]")
    return tuple(broken)


def _has(table: EngineTable, columns: tuple[str, ...]) -> bool:
    names = {column.name.casefold() for column in table.columns}
    return all(column.casefold() in names for column in columns)


def make(config: Mapping[str, Any]) -> DuckDBHandler:
    """Return the handler; DuckDB is warmed so that the first query does not pay for loading it."""
    duckdb.connect(":memory:").sql("SELECT 1").to_arrow_table()
    return DuckDBHandler(int(config["memory_mb"]), int(config["threads"]))
