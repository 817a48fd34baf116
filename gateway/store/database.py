"""One SQLite file, one writer thread: each unit of work is one BEGIN IMMEDIATE transaction, durable when it returns."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, insert, select
from sqlalchemy.pool import StaticPool

from gateway.errors import GatewayError
from gateway.store.folder import STORE_NAME, own_folder
from gateway.store.tables import SCHEMA_VERSION, metadata, schema

Result = TypeVar("Result")

BUSY_MS = 10_000
"""How long a transaction waits for another process of the same store."""


def _open(path: Path) -> Engine:
    engine = create_engine(f"sqlite:///{path}", poolclass=StaticPool, connect_args={"check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions are begun below, by name
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={BUSY_MS}"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


class Store:
    """The state of a gateway. Opening a fresh folder makes the tables.

    An unknown schema version, and a folder of something else that is open to others, are refused: `settings_invalid`.
    """

    def __init__(self, folder: Path) -> None:
        own_folder(folder)
        path = folder / STORE_NAME
        path.touch(mode=0o600)  # SQLite gives its log and index files the same mode
        path.chmod(0o600)
        self._engine = _open(path)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        try:
            self._thread.submit(self._prepare).result()
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        with self._engine.begin() as connection:
            metadata.create_all(connection)
            version = connection.execute(select(schema.c.version)).scalar()
            if version is None:
                connection.execute(insert(schema).values(version=SCHEMA_VERSION))
            elif version != SCHEMA_VERSION:
                detail = f"The store has schema version {version}; this gateway knows {SCHEMA_VERSION}."
                raise GatewayError("settings_invalid", detail, "Run the gateway version that wrote the store.")

    def _work(self, work: Callable[[Connection], Result]) -> Result:
        with self._engine.begin() as connection:
            return work(connection)

    async def run(self, work: Callable[[Connection], Result]) -> Result:
        """Run one transaction on the writer thread: all of it is durable, or none."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._work, work)

    def close(self) -> None:
        """Finish what is begun and close the file."""
        self._thread.submit(self._engine.dispose).result()
        self._thread.shutdown()
