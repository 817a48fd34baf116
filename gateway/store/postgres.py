"""A PostgreSQL database for several replicas: one advisory lock makes every transaction wait for the one before it."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from gateway.errors import GatewayError
from gateway.store.batches import MAX_BATCH, Work, run_all
from gateway.store.migrate import prepare
from gateway.store.sqlite import unavailable

Result = TypeVar("Result")

LOCK = 0x6761_7465_7761_79
"""Names the gateway's one advisory lock in its database."""

_LOCKED = text("SELECT pg_advisory_xact_lock(:lock)").bindparams(lock=LOCK)
_DURABLE = text("SET LOCAL synchronous_commit = on")


def _engine(url: str, connections: int, **settings: str) -> AsyncEngine:
    try:
        parsed = make_url(url)
    except ArgumentError:
        hint = "Write postgresql://user:password@host/database in GATEWAY_STORE_URL."
        raise GatewayError("settings_invalid", "The store's address is none.", hint) from None
    if parsed.get_backend_name() != "postgresql":
        hint = "Leave GATEWAY_STORE_URL out for the embedded store, or name a PostgreSQL database."
        raise GatewayError("settings_invalid", "The store's address is not one of PostgreSQL.", hint)
    return create_async_engine(
        parsed.set(drivername="postgresql+asyncpg"),
        pool_size=connections,
        pool_pre_ping=True,
        connect_args={"server_settings": settings},
    )


class PostgresStore:
    """The state of several gateways. The database holds nothing else of theirs."""

    def __init__(self, url: str) -> None:
        self._writing = _engine(url, 1)
        self._reading = _engine(url, 3, default_transaction_read_only="on")
        self._glancing = self._reading.execution_options(isolation_level="AUTOCOMMIT")
        self._waiting: asyncio.Queue[tuple[Work, asyncio.Future[Any]] | None] = asyncio.Queue()
        self._writer = asyncio.create_task(self._write())

    async def prepare(self, *, migrate: bool) -> None:
        """Make or check the tables. Raises GatewayError `store_outdated` or `store_unavailable`."""
        await self.run(lambda connection: prepare(connection, migrate=migrate))

    async def run(self, work: Callable[[Connection], Result]) -> Result:
        """Run one durable unit of work; the works of all replicas run one after another."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        await self._waiting.put((work, future))
        return await future

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        """Run a work that only reads, in one snapshot and without the lock."""
        try:
            async with self._reading.connect() as connection:
                await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                async with connection.begin():
                    return await connection.run_sync(work)
        except (DBAPIError, OSError) as error:
            raise unavailable(error) from error

    async def glance(self, work: Callable[[Connection], Result]) -> Result:
        """Run one statement, a transaction by itself: it sees one state of the database, and is asked in one go."""
        try:
            async with self._glancing.connect() as connection:
                return await connection.run_sync(work)
        except (DBAPIError, OSError) as error:
            raise unavailable(error) from error

    async def _write(self) -> None:
        """Take works until None comes; what waits together is committed together."""
        while True:
            batch = [await self._waiting.get()]
            while len(batch) < MAX_BATCH and batch[-1] is not None and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            asked = [entry for entry in batch if entry is not None and not entry[1].cancelled()]
            if asked:
                await self._commit(asked)
            if batch[-1] is None:
                return

    async def _commit(self, asked: list[tuple[Work, asyncio.Future[Any]]]) -> None:
        try:
            async with self._writing.begin() as connection:
                await connection.execute(_DURABLE)
                await connection.execute(_LOCKED)
                done = await connection.run_sync(run_all, [work for work, _ in asked])
        except Exception as error:  # noqa: BLE001 - none of the batch is known to stand, and each asker hears of it
            failed = unavailable(error) if isinstance(error, DBAPIError | OSError) else error
            for _, future in asked:
                if not future.cancelled():
                    future.set_exception(failed)
            return
        for (_, future), outcome in zip(asked, done, strict=True):
            if future.cancelled():
                continue
            if outcome.error is None:
                future.set_result(outcome.result)
            else:
                future.set_exception(outcome.error)

    async def close(self) -> None:
        """Finish what is begun and let the connections go."""
        await self._waiting.put(None)
        await self._writer
        await self._reading.dispose()
        await self._writing.dispose()
