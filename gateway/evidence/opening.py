"""What has to hold of a store before it is used: that it is not older than what the log's key signed."""

import asyncio

from sqlalchemy import Connection

from gateway.evidence import marks
from gateway.evidence.marks import MarkFile
from gateway.store import epochs, log, merkle
from gateway.store.database import Store


async def check_mark(store: Store, mark: MarkFile) -> None:
    """Refuse a store whose log is shorter than, or another than, what was signed. Raises `store_rolled_back`."""
    kept = await asyncio.to_thread(mark.read)

    def work(connection: Connection) -> None:
        node_at = log.node_reader(connection)
        size, epoch = log.size(connection), epochs.epoch(connection)
        marks.check(kept, size, lambda at: merkle.root(at, node_at), epoch)

    await store.read(work)
