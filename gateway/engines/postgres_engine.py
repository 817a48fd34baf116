"""PostgreSQL from the gateway's side: leases of connections in its own loop, each in one read-only snapshot."""

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import asyncpg

from gateway.catalog.inspection import Inspection, InspectionOrder
from gateway.engines.postgres_catalog import inspect, stamp_of
from gateway.engines.postgres_rows import Columns, arguments, packed, unpacked
from gateway.engines.postgres_sessions import AWAY, Sessions, Sources
from gateway.engines.sources import Addresses, unavailable
from gateway.engines.streams import stream
from gateway.errors import GatewayError
from gateway.ports import EngineCost, EngineProgress, ExactRows, PublicRows, Source, Statement

log = logging.getLogger("gateway.engine")

STAMP_S = 10.0
INSPECT_S = 300.0
WORTH_MS = 20.0
"""From which time on a statement's cost is worth asking for: that takes a planning of it more."""

EXPECT_S = 1.0
"""How long a server may take to say what it expects to read."""

CANCEL_S = 2.0
"""How long a cancelled statement may take to end before its connection is."""

_RIGHTS = (asyncpg.InsufficientPrivilegeError, asyncpg.UndefinedTableError)
"""A right was taken from the role, on a table or its schema: no query is answered until that is looked at again."""


class PostgresLease:
    """A connection inside one read-only snapshot of the declared data, until `close`."""

    def __init__(self, sessions: Sessions, connection: asyncpg.Connection, unreadable: Callable[[], object]) -> None:
        self._sessions = sessions
        self._unreadable = unreadable
        self._connection: asyncpg.Connection | None = connection
        self._since: float | None = None

    async def run(self, statement: Statement, deadline_s: float) -> ExactRows:
        """Run one statement. Raises GatewayError `query_failed` for whatever goes wrong in the engine."""
        return ExactRows(*await self._rows(statement, deadline_s))

    async def read(self, statement: Statement, deadline_s: float) -> PublicRows:
        """Run one statement over public tables alone. Raises GatewayError `query_failed` as well."""
        return PublicRows(*await self._rows(statement, deadline_s))

    async def _rows(self, statement: Statement, deadline_s: float) -> tuple[bytes, EngineCost]:
        assert self._connection is not None  # INVARIANT: nothing is run on what was given back
        given = [*statement.parameters, *arguments(statement.inputs)]
        start = self._since = time.perf_counter()
        try:
            async with asyncio.timeout(deadline_s):
                # one statement: the protocol takes no more
                prepared = await self._connection.prepare(packed(statement.sql, statement.columns))
                (row,) = await prepared.fetch(*given)  # a limit on rows would keep the server from working in parallel
                ipc, rows = await asyncio.to_thread(_stream, row, statement.columns)
                wall_ms = (time.perf_counter() - start) * 1000
        except (*AWAY, ValueError, TypeError, OverflowError) as error:
            # the words of an engine may hold values: they are the provider's log's alone, and in no cause that is kept
            log.error("query %s: the statement failed: %s: %s", statement.query_id, type(error).__name__, error)  # noqa: TRY400
            if isinstance(error, _RIGHTS):
                self._unreadable()
            cause = error if isinstance(error, TimeoutError) else None
            raise GatewayError("query_failed", "The engine could not finish the query.", "") from cause
        finally:
            self._since = None
        worth = WORTH_MS <= wall_ms <= deadline_s * 500  # what nearly missed its deadline is not to miss it now
        scanned = await self._expected(statement, given) if worth else ()
        return ipc, EngineCost(wall_ms, 0.0, rows, 0, scanned, estimated=bool(scanned))

    async def _expected(self, statement: Statement, given: Sequence[object]) -> tuple[tuple[str, int], ...]:
        """Return the rows that the server expects to read of each table: what it did read it tells superusers alone.

        Nothing where it does not say so, or not soon: the statement's rows are there, and a failed question would end
        the snapshot without its savepoint.
        """
        assert self._connection is not None  # INVARIANT: asked while the lease is held
        try:
            async with asyncio.timeout(EXPECT_S):
                await self._connection.execute("SAVEPOINT expected")
                plan = await self._connection.fetchval(f"EXPLAIN (FORMAT JSON) {statement.sql}", *given)
            scanned = tuple(sorted(_scans(json.loads(plan)[0]["Plan"])))
        except Exception as error:  # noqa: BLE001 - whatever it is, the rows are the answer
            log.warning("query %s: what it was to read is not known: %s", statement.query_id, type(error).__name__)
            scanned = ()
        with contextlib.suppress(*AWAY):  # a connection that is broken tells so to the next statement
            async with asyncio.timeout(CANCEL_S):
                await self._connection.execute("ROLLBACK TO expected; RELEASE expected")
        return scanned

    async def progress(self) -> EngineProgress | None:
        """Return how many of the server's processes work on the statement, and what the first waits for."""
        if self._connection is None or self._since is None:
            return None
        since, pid = self._since, self._connection.get_server_pid()
        try:
            async with asyncio.timeout(CANCEL_S):
                found = await self._sessions.working(pid)
        except (*AWAY, GatewayError):
            found = None
        if self._since != since:
            return None  # it ended meanwhile: what was found may be of whoever has the connection now
        elapsed_ms = (time.perf_counter() - since) * 1000
        return (
            EngineProgress(elapsed_ms)
            if found is None
            else EngineProgress(elapsed_ms, processes=found.processes, waits_for=found.waits_for)
        )

    async def close(self) -> None:
        """End the snapshot and give the connection back, once; one that does not answer is ended."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await _end(self._sessions, connection)


def _scans(node: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Yield each table that a plan reads, with the rows that are expected of it."""
    if "Relation Name" in node:
        yield str(node["Relation Name"]), int(node["Plan Rows"])
    for below in node.get("Plans", ()):
        yield from _scans(below)


def _stream(row: Sequence[Any], columns: Columns) -> tuple[bytes, int]:
    """Return a packed row as an Arrow IPC stream, and how many rows it holds."""
    table = unpacked(row, columns)
    return stream(table), table.num_rows


async def _end(sessions: Sessions, connection: asyncpg.Connection) -> None:
    whole = False
    try:
        with contextlib.suppress(*AWAY):
            async with asyncio.timeout(CANCEL_S):
                await connection.execute("ROLLBACK")
                whole = True
    finally:
        sessions.release(connection, whole=whole)


class PostgresEngine:
    """The engine port over connections to PostgreSQL, a few for each source."""

    def __init__(self, addresses: Addresses, size: int, wait_s: float, deadline_s: float) -> None:
        self._sources = Sources(addresses, size, deadline_s)
        self._wait_s = wait_s
        self._tables: dict[tuple[str, str], tuple[str, ...]] = {}
        """The tables of each stamp that was seen here, so that it can be taken again."""

    async def lease(self, source: Source, stamp: str, party: str | None = None) -> PostgresLease:
        """Return a connection in a snapshot in which the tables are as they were at `stamp`.

        Raises GatewayError `refresh_needed`, `engine_unavailable` or `overloaded`.
        """
        del party  # connections are handed out in order of arrival
        sessions = self._sources.of(source)
        tables = self._tables.get((source.path, stamp))
        for fresh in (False, True):
            connection = await sessions.acquire(self._wait_s)
            try:
                async with asyncio.timeout(STAMP_S):
                    await sessions.begin(connection)
                    found = None if tables is None else await stamp_of(connection, source.place, tables)
            except AWAY as error:
                sessions.release(connection, whole=False)
                # a connection that was left from before a restart is none; a new one that fails says more
                if not fresh and not isinstance(error, TimeoutError):
                    sessions.forget()
                    continue
                log.error("%s does not answer: %s", source.path, type(error).__name__)  # noqa: TRY400 - words, no stack
                raise unavailable() from None
            except BaseException:
                sessions.release(connection, whole=False)
                raise
            if found != stamp:
                await _end(sessions, connection)
                hint = "The provider has to declare the new data: gateway dataset refresh."
                raise GatewayError("refresh_needed", "The tables changed and were not declared.", hint)
            return PostgresLease(sessions, connection, partial(self._tables.pop, (source.path, stamp), None))
        raise AssertionError  # INVARIANT: the second attempt returns or raises

    async def inspect(self, source: Source, order: InspectionOrder) -> Inspection:
        """Return what the database says of a policy's tables, for its provider.

        Raises GatewayError `policy_invalid` for a table or declared fact that cannot be relied on.
        """
        sessions = self._sources.of(source)
        connection = await sessions.acquire(self._wait_s)
        try:
            async with asyncio.timeout(INSPECT_S):
                await sessions.begin(connection)
                found = await inspect(connection, source.place, order)
        except AWAY as error:
            log.error("%s cannot be inspected: %s: %s", source.path, type(error).__name__, error)  # noqa: TRY400 - words, no stack
            raise unavailable() from None
        finally:
            await _end(sessions, connection)
        self._tables[source.path, found.stamp] = order.tables
        return found

    async def close(self) -> None:
        """End every connection that is free."""
        self._sources.close()
