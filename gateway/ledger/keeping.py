"""How long what is kept is kept: sealed query texts for the provider, and answers for their buyers."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from gateway.ledger.charging import EXPIRED, FINISHED, microseconds
from gateway.ledger.model import Order
from gateway.ledger.sealing import Sealer
from gateway.ports import Clock
from gateway.store.database import Store
from gateway.store.prepared import Prepared
from gateway.store.tables import leaves, queries, texts

_KEEP = Prepared(insert(texts))


def keep_texts(connection: Connection, sealer: Sealer, orders: Iterable[Order], now: datetime) -> None:
    """Keep the SQL of orders sealed for their providers, as long as each policy says. Commits nothing."""
    rows = [
        {
            "query_id": order.query_id,
            "dataset": order.dataset,
            "sealed": sealer.seal(order.query_id, order.sql),
            "until_us": microseconds(now + order.keep_text),
        }
        for order in orders
        if order.keep_text is not None
    ]
    if rows:
        _KEEP.write(connection, rows)


@dataclass(frozen=True, slots=True)
class PastText:
    """The SQL of a charged query, and what the log says of its charge."""

    query_id: str
    sql: str
    said: Mapping[str, Any]


class Kept:
    """Every method is one transaction."""

    def __init__(self, store: Store, clock: Clock, sealer: Sealer) -> None:
        self._store = store
        self._clock = clock
        self._sealer = sealer

    async def text(self, query_id: str) -> str | None:
        """Return the SQL of a query, for its dataset's provider alone; None where it was not kept or is past."""
        found = select(texts).where(texts.c.query_id == query_id)

        def work(connection: Connection) -> bytes | None:
            row = connection.execute(found).one_or_none()
            if row is None or row.until_us <= microseconds(self._clock.now()):
                return None
            return bytes(row.sealed)

        sealed = await self._store.read(work)
        return None if sealed is None else self._sealer.open(query_id, sealed)

    async def past(self, dataset: str, most: int) -> list[PastText]:
        """Return the latest charged queries on a dataset whose texts are kept, for its provider alone."""
        found = (
            select(texts.c.query_id, texts.c.sealed, leaves.c.leaf)
            .join(queries, queries.c.query_id == texts.c.query_id)
            .join(leaves, leaves.c.position == queries.c.log_index)
            .where(texts.c.dataset == dataset, texts.c.until_us > microseconds(self._clock.now()))
            .where(~queries.c.grant_key.startswith("replay:"))
            .order_by(queries.c.charged_at_us.desc(), queries.c.query_id)
            .limit(most)
        )
        rows = await self._store.read(lambda connection: connection.execute(found).all())
        return [
            PastText(row.query_id, self._sealer.open(row.query_id, bytes(row.sealed)), json.loads(row.leaf))
            for row in rows
        ]

    async def purge(self, answers: Mapping[str, timedelta]) -> tuple[int, int]:
        """Delete texts that are past, and answers older than their dataset's policy keeps; return how many of each.

        The rows, the charges, the draws and the log stay: a question asked again is answered from its draws.
        """

        def work(connection: Connection) -> tuple[int, int]:
            now = self._clock.now()
            gone = connection.execute(delete(texts).where(texts.c.until_us <= microseconds(now))).rowcount
            emptied = 0
            for dataset, kept in answers.items():
                old = (
                    queries.c.dataset == dataset,
                    queries.c.state == FINISHED,
                    queries.c.charged_at_us < microseconds(now - kept),
                )
                emptied += connection.execute(update(queries).where(*old).values(state=EXPIRED, answer=None)).rowcount
            return gone, emptied

        return await self._store.run(work)
