"""An operator's tasks on the store itself: migrate, back up, restore, catch up, verify."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from gateway.app.clock import SystemClock
from gateway.app.offline import existing
from gateway.errors import GatewayError
from gateway.evidence.marks import MarkFile
from gateway.evidence.offline.tree import Tree, leaf_hash
from gateway.ledger.replaying import Replaying
from gateway.settings import Settings
from gateway.store import dump, epochs, log, merkle
from gateway.store.database import Store, open_store

Result = TypeVar("Result")


def _with(settings: Settings, work: Callable[[Store], Awaitable[Result]], *, fresh: bool = False) -> Result:
    async def main() -> Result:
        store = await (open_store(settings.state, settings.store_url) if fresh else existing(settings))
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(main())


def migrate_store(settings: Settings) -> None:
    """Bring the store's schema up to this gateway's. Nothing else may be using it."""

    async def main() -> None:
        await (await open_store(settings.state, settings.store_url, migrate=True)).close()

    asyncio.run(main())


def backup_store(settings: Settings, path: Path) -> dict[str, Any]:
    """Write a backup while the gateway runs; return its manifest."""
    return _with(settings, lambda store: store.read(lambda connection: dump.backup(connection, path)))


def restore_store(settings: Settings, path: Path) -> dict[str, Any]:
    """Fill a fresh store from a backup; it takes no charges until it has caught up."""
    mark = MarkFile(settings.state).read()

    def work(connection: Any) -> dict[str, Any]:
        made = dump.restore(connection, path)
        while mark is not None and epochs.epoch(connection) <= mark.epoch:  # restored before, beside this mark
            epochs.begin(connection, epochs.fenced(connection) or "")
        return made

    return _with(settings, lambda store: store.run(work), fresh=True)


def replay_log(settings: Settings, leaves: Sequence[bytes]) -> int:
    """Append the leaves that a restored store lacks; return how many.

    Raises GatewayError `log_corrupt` for a log that does not reach what this state's key had signed: an older copy
    would win back the budget that was spent after it.
    """
    mark = MarkFile(settings.state).read()
    if mark is not None and (len(leaves) < mark.size or _root(leaves[: mark.size]) != mark.root):
        detail = f"The log has {len(leaves):,} leaves, and is not the one of which {mark.size:,} were signed."
        hint = "Take the newest copy; for what is in none, two persons answer: `gateway store write-off`."
        raise GatewayError("log_corrupt", detail, hint)
    return _with(settings, lambda store: Replaying(store, SystemClock(), settings.source).replay(leaves))


def _root(leaves: Sequence[bytes]) -> str:
    return Tree(leaf_hash(leaf) for leaf in leaves).root(len(leaves)).hex()


def write_off(settings: Settings, persons: tuple[str, str], reason: str) -> None:
    """Open a restored store without its missing leaves, on two persons' word."""
    _with(settings, lambda store: Replaying(store, SystemClock(), settings.source).write_off(persons, reason))


def verify_store(settings: Settings) -> dict[str, Any]:
    """Hash every leaf of the store's log again and compare with the stored subtrees; return size and root.

    Raises GatewayError `log_corrupt` at the first difference.
    """

    def work(connection: Any) -> dict[str, Any]:
        size, grown = log.size(connection), dict[tuple[int, int], bytes]()
        node_at = log.node_reader(connection)
        for position in range(size):
            leaf = log.read_leaf(connection, position)
            for level, at, value in merkle.new_nodes(position, leaf, lambda lv, p: grown[lv, p]):
                grown[level, at] = value
                if node_at(level, at) != value:
                    detail = f"Leaf {position} is not what the log was signed over."
                    raise GatewayError("log_corrupt", detail, "Restore a backup and replay a witness's log.")
            json.loads(leaf)
        return {"size": size, "root": merkle.root(size, lambda lv, p: grown[lv, p]).hex()}

    return _with(settings, lambda store: store.read(work))
