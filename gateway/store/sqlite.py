"""One SQLite file, one writer thread: each transaction is BEGIN IMMEDIATE and durable when it returns."""

import asyncio
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from gateway.errors import GatewayError, StoreUnavailable
from gateway.store.batches import MAX_BATCH, Work, run_all
from gateway.store.folder import STORE_NAME, own_folder
from gateway.store.migrate import prepare
from gateway.store.prepared import run_text

Result = TypeVar("Result")

BUSY_MS = 10_000
"""How long a transaction waits for another process of the same store."""


def _engine(path: Path, *pragmas: str) -> Engine:
    engine = create_engine(f"sqlite:///{path}", poolclass=StaticPool, connect_args={"check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions are begun by name
        for pragma in (f"busy_timeout={BUSY_MS}", *pragmas):
            connection.execute(f"PRAGMA {pragma}")

    return engine


class _Held:
    """One connection to the file, of one thread: to take one out and give it back takes longer than to begin."""

    def __init__(self, path: Path, *pragmas: str) -> None:
        self._engine = _engine(path, *pragmas)
        self._connection: Connection | None = None

    def opened(self) -> Connection:
        """Return the connection, made when it is first asked for."""
        if self._connection is None:
            self._connection = self._engine.connect()
        return self._connection

    @contextmanager
    def begun(self, begin: str) -> Iterator[Connection]:
        """Hold a transaction. After an error the next one has the connection anew."""
        connection = self.opened()
        try:
            with connection.begin():
                run_text(connection, begin)
                yield connection
        except BaseException:
            self._let_go()
            raise

    def _let_go(self) -> None:
        """Let the connection go, with whatever it has begun."""
        held, self._connection = self._connection, None
        if held is not None:
            held.close()

    def close(self) -> None:
        self._let_go()
        self._engine.dispose()


def unavailable(error: Exception) -> GatewayError:
    """Return the error of a store that cannot be used now; the cause is for the operator's log."""
    made = StoreUnavailable()
    made.__cause__ = error
    return made


class SQLiteStore:
    """The state of one gateway; safe beside other processes that use the same file."""

    def __init__(self, folder: Path) -> None:
        own_folder(folder)
        path = folder / STORE_NAME
        path.touch(mode=0o600)  # SQLite gives its log and index files the same mode
        path.chmod(0o600)
        self._writing = _Held(path, "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON")
        self._reading = _Held(path, "query_only=ON")
        # each statement is a transaction; where another process has the file to itself, it fails and waits elsewhere
        self._glancing = _Held(path, "query_only=ON", "busy_timeout=0")
        self._waiting: queue.SimpleQueue[tuple[Work, Future[Any]] | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write, name="store", daemon=True)
        self._writer.start()
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store-reader")

    async def prepare(self, *, migrate: bool) -> None:
        """Make or check the tables. Raises GatewayError `store_outdated`."""
        await self.run(lambda connection: prepare(connection, migrate=migrate))

    async def run(self, work: Callable[[Connection], Result]) -> Result:
        """Run one durable unit of work on the writer thread."""
        future: Future[Result] = Future()
        self._waiting.put((work, future))
        return await asyncio.wrap_future(future)

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        """Run a work that only reads."""
        return await asyncio.get_running_loop().run_in_executor(self._reader, self._read, work)

    async def glance(self, work: Callable[[Connection], Result]) -> Result:
        """Run one statement on the caller's thread; where the file cannot be read at once, as any other read."""
        try:
            return work(self._glancing.opened())
        except DBAPIError:
            return await self.read(work)

    def _read(self, work: Callable[[Connection], Result]) -> Result:
        try:
            with self._reading.begun("BEGIN DEFERRED") as connection:
                return work(connection)
        except DBAPIError as error:
            raise unavailable(error) from error

    def _write(self) -> None:
        """Take works until None comes; what waits together is committed together."""
        while True:
            batch = [self._waiting.get()]
            while len(batch) < MAX_BATCH and batch[-1] is not None and not self._waiting.empty():
                batch.append(self._waiting.get())
            asked = [entry for entry in batch if entry is not None and entry[1].set_running_or_notify_cancel()]
            if asked:
                self._commit(asked)
            if batch[-1] is None:
                return

    def _commit(self, asked: list[tuple[Work, Future[Any]]]) -> None:
        try:
            with self._writing.begun("BEGIN IMMEDIATE") as connection:
                done = run_all(connection, [work for work, _ in asked])
        except Exception as error:  # noqa: BLE001 - none of the batch stands, and each asker hears of it
            failed = unavailable(error) if isinstance(error, DBAPIError) else error
            for _, future in asked:
                future.set_exception(failed)
            return
        for (_, future), outcome in zip(asked, done, strict=True):
            if outcome.error is None:
                future.set_result(outcome.result)
            else:
                future.set_exception(outcome.error)

    async def close(self) -> None:
        """Finish what is begun and close the file."""
        self._waiting.put(None)
        await asyncio.to_thread(self._writer.join)
        await asyncio.to_thread(self._reader.shutdown)
        for held in (self._glancing, self._reading, self._writing):
            held.close()
