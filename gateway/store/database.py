"""The store as the ledger sees it: units of work that are durable, whole and one after another."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from gateway.store.postgres import PostgresStore
from gateway.store.sqlite import SQLiteStore

Result = TypeVar("Result")


class Store(Protocol):
    """Two implementations, one behaviour: SQLite for one gateway, PostgreSQL for replicas."""

    async def run(self, work: Callable[[Connection], Result]) -> Result:
        """Run one unit of work: when this returns, all of it is durable; when it raises, none of it stands.

        Works run one after another, over all processes of the store. Raises `store_unavailable` where the database
        cannot be reached: whether a commit under way has become durable is then not known, and the asker treats it
        as if it had.
        """
        ...

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        """Run a work that only reads, beside the writer: it sees what was durable when it began."""
        ...

    async def glance(self, work: Callable[[Connection], Result]) -> Result:
        """Run a work of one statement that reads a few rows by their keys: where that is quickest, at once.

        It sees what was durable when it began, and may be run a second time.
        """
        ...

    async def close(self) -> None:
        """Finish what is begun and let the database go."""
        ...


async def open_store(folder: Path, url: str | None = None, *, migrate: bool = False) -> Store:
    """Open the store of a gateway: the SQLite file of its state folder, or the PostgreSQL database at `url`.

    A fresh one gets its tables; an older one with `migrate` alone. Raises GatewayError `store_outdated` or
    `store_unavailable`.
    """
    store: SQLiteStore | PostgresStore = SQLiteStore(folder) if url is None else PostgresStore(url)
    try:
        await store.prepare(migrate=migrate)
    except BaseException:
        await store.close()
        raise
    return store
