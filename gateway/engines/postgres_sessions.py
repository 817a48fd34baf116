"""Connections to a provider's PostgreSQL: pinned settings, a few for each source, and pauses while it is down."""

import asyncio
import logging
from dataclasses import dataclass

import asyncpg

from gateway.engines.postgres_rows import CODECS
from gateway.engines.sources import Addresses, Pauses, unavailable
from gateway.errors import GatewayError
from gateway.ports import Source

log = logging.getLogger("gateway.provider")

CONNECT_S = 5.0
LEAST_VERSION = 160_000
LOCK_S = 5

AWAY = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError)
"""What a server that is down, restarting or full makes of a connection."""

_SILENT = ("zero_damaged_pages", "ignore_checksum_failure")
"""Settings that only a superuser changes, under which rows are missing, or wrong, without an error."""

_WORKING = """
SELECT wait_event_type || ': ' || wait_event AS waits_for,
       1 + (SELECT COUNT(*) FROM pg_stat_activity AS w WHERE w.leader_pid = a.pid) AS processes
  FROM pg_stat_activity AS a
 WHERE a.pid = $1 AND a.state = 'active'
"""


@dataclass(frozen=True, slots=True)
class Working:
    """The server's processes that work on a statement, and what the first of them waits for, if it does."""

    processes: int
    waits_for: str | None


def pinned(deadline_s: float) -> dict[str, str]:
    """Return the settings that every session begins with, and that nothing here changes.

    The server's own timeouts are the second line, behind the gateway's deadline and its cancel.
    """
    return {
        "application_name": "gateway",
        "search_path": "pg_catalog, pg_temp",  # every table is named with its schema, where no function is looked for
        "default_transaction_read_only": "on",
        "default_transaction_isolation": "repeatable read",
        "row_security": "off",
        "TimeZone": "UTC",
        "DateStyle": "ISO, YMD",
        "IntervalStyle": "postgres",
        "extra_float_digits": "1",  # a double's text has all its digits
        "bytea_output": "hex",
        "gin_fuzzy_search_limit": "0",  # an index gives all rows, not some
        "standard_conforming_strings": "on",
        "transform_null_equals": "off",
        "statement_timeout": f"{int((deadline_s + 5) * 1000)}",
        "lock_timeout": f"{LOCK_S * 1000}",
        "idle_in_transaction_session_timeout": f"{int((deadline_s * 3 + 60) * 1000)}",
        "work_mem": "64MB",
        "jit": "off",
    }


class Sessions:
    """The connections to one source. Raises GatewayError `engine_unavailable` or `overloaded`."""

    def __init__(self, source: Source, address: str, size: int, deadline_s: float) -> None:
        self._source = source
        self._address = address
        self._deadline_s = deadline_s
        self._free: list[asyncpg.Connection] = []
        self._room = asyncio.Semaphore(size)
        self._asking = asyncio.Lock()
        self._pauses = Pauses()

    async def acquire(self, wait_s: float) -> asyncpg.Connection:
        """Return a connection that nobody else has, until `release`."""
        try:
            async with asyncio.timeout(wait_s):
                await self._room.acquire()
        except TimeoutError:
            raise GatewayError("overloaded", "The gateway has no free connection now.", "Ask again soon.") from None
        try:
            while self._free:
                connection = self._free.pop()
                if not connection.is_closed():
                    return connection
            return await self._connected()
        except BaseException:
            self._room.release()
            raise

    def release(self, connection: asyncpg.Connection, *, whole: bool) -> None:
        """Give a connection back; one that is not `whole` is ended at once."""
        if whole and not connection.is_closed():
            self._free.append(connection)
        else:
            connection.terminate()
        self._room.release()

    async def working(self, pid: int) -> Working | None:
        """Return how a process of the server works, asked over a connection of its own: the others may all be taken.

        One at a time: however often a provider looks, the server has one connection more. None where it runs nothing.
        A server tells a role of its own processes. Raises what `AWAY` lists.
        """
        async with self._asking:
            connection = await self._connect()
            try:
                row = await connection.fetchrow(_WORKING, pid)
            finally:
                connection.terminate()
        return None if row is None else Working(int(row["processes"]), row["waits_for"])

    def forget(self) -> None:
        """End the connections that are free: the server that they led to has gone."""
        for connection in self._free:
            connection.terminate()
        self._free.clear()

    async def _connected(self) -> asyncpg.Connection:
        self._pauses.check()
        try:
            connection = await self._connect()
        except (*AWAY, ValueError) as error:
            self._pauses.away()
            log.error("%s cannot be reached: %s", self._source.path, _words(error))  # noqa: TRY400 - words, no stack
            raise unavailable() from None
        self._pauses.there()
        return connection

    async def _connect(self) -> asyncpg.Connection:
        connection = await asyncpg.connect(self._address, timeout=CONNECT_S, server_settings=pinned(self._deadline_s))
        try:
            for name, (encoder, decoder) in CODECS.items():
                await connection.set_type_codec(
                    name, schema="pg_catalog", encoder=encoder, decoder=decoder, format="tuple"
                )
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def begin(self, connection: asyncpg.Connection) -> None:
        """Begin a snapshot that statements are run in. Raises `engine_unavailable`, or what `AWAY` lists.

        A server is refused that lacks what they need, version and Unicode, or that passes over broken pages. Each time:
        settings of a server change while connections to it last.
        """
        await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        silent = ", ".join(f"current_setting('{name}')::boolean" for name in _SILENT)
        version, encoding, *passing = await connection.fetchrow(
            f"SELECT current_setting('server_version_num')::int, current_setting('server_encoding'), {silent}"
        )
        if version < LEAST_VERSION or encoding != "UTF8":
            log.error("%s has version %s and encoding %s", self._source.path, version, encoding)
            raise unavailable("The provider's database has to be PostgreSQL 16 or later, with encoding UTF8.")
        for name, on in zip(_SILENT, passing, strict=True):
            if on:
                log.error(
                    "%s has %s on: rows that cannot be read would be missing without a word", self._source.path, name
                )
                raise unavailable(f"The provider's database has to have {name} off.")


def _words(error: BaseException) -> str:
    """Return what failed, without the address: it holds a password."""
    state = getattr(error, "sqlstate", None)
    return f"{type(error).__name__}{f' {state}' if state else ''}"


class Sources:
    """The sessions of every source, opened when it is first asked for."""

    def __init__(self, addresses: Addresses, size: int, deadline_s: float) -> None:
        self._addresses = addresses
        self._size = size
        self._deadline_s = deadline_s
        self._known: dict[str, Sessions] = {}

    def of(self, source: Source) -> Sessions:
        """Return the sessions of a source. Raises `engine_unavailable` where nothing says where it is."""
        if source.path not in self._known:
            address = self._addresses(source.variable)
            if not address:
                log.error("the environment variable %s of a policy is not set", source.variable)
                raise unavailable("Its provider has to set the environment variable that the policy names.")
            self._known[source.path] = Sessions(source, address, self._size, self._deadline_s)
        return self._known[source.path]

    def close(self) -> None:
        """End every connection that is free."""
        for sessions in self._known.values():
            sessions.forget()
