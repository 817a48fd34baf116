"""The meter's log: refusals and true engine cost, and the events that billing and providers read."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, bindparam, or_, select

from gateway.errors import GatewayError
from gateway.ledger import leaves
from gateway.ledger.events import BUYER_VISIBLE, PROVIDER_ONLY, event_line
from gateway.ledger.model import Charge, Spent
from gateway.ports import Clock
from gateway.store import epochs
from gateway.store.database import Store
from gateway.store.tables import events, queries

_DATASET = select(queries.c.dataset).where(queries.c.query_id == bindparam("query"))


def write_spent(
    connection: Connection, source: str, charge: Charge, dataset: str, spent: Iterable[Spent], now: datetime
) -> None:
    """Write the true engine cost of statements of a charged query into the outbox, for the provider alone.

    Each attempt counts its own: a query is taken over from a worker that is gone.
    """
    for one in spent:
        data = {**one.figures, "dataset": dataset, "attempt": charge.fence, "statement": one.statement}
        line = event_line(source, "measured", charge.query_id, now, data, f"{charge.fence}.{one.statement}")
        leaves.meter(connection, PROVIDER_ONLY, dataset, charge.query_id, line)


class MeterLog:
    """Every method is one transaction of the store that the ledger writes charges to."""

    def __init__(self, store: Store, clock: Clock, source: str) -> None:
        self._store = store
        self._clock = clock
        self._source = source

    async def refuse(self, query_id: str, facts: str) -> None:
        """Write a refusal: a free meter event and a leaf of the log. `facts` is a JSON object."""

        def work(connection: Connection) -> None:
            now, data = self._clock.now(), json.loads(facts)
            index, _hash = leaves.append(connection, "refused", now, {"query_id": query_id, **data})
            line = event_line(self._source, "refused", query_id, now, {**data, "log_index": index})
            leaves.meter(connection, BUYER_VISIBLE, data["dataset"], query_id, line)

        await self._store.run(work)

    async def flooded(self, organisation: str, subject: str, decisions: int) -> None:
        """Write one leaf that a buyer had so many decisions for nothing in a minute: what follows in it has none."""

        def work(connection: Connection) -> None:
            content = {"organisation": organisation, "buyer": subject, "decisions": decisions, "within_s": 60}
            leaves.append(connection, "flooded", self._clock.now(), content)

        await self._store.run(work)

    async def measured(self, charge: Charge, spent: Sequence[Spent]) -> None:
        """Write the true engine cost of a charged query's statements where no answer is recorded with it."""

        def work(connection: Connection) -> None:
            row = connection.execute(_DATASET, {"query": charge.query_id}).one()
            write_spent(connection, self._source, charge, row.dataset, spent, self._clock.now())

        await self._store.run(work)

    async def events(
        self, after: str | None, limit: int, *, billing: bool, provided: frozenset[str]
    ) -> list[tuple[str, str]]:
        """Return (cursor, JSON line) of meter events after a cursor, oldest first.

        Billing sees what buyers see, of every dataset; a provider everything, true engine cost too, of the datasets
        `provided` alone.
        Raises GatewayError `bad_request` for a cursor that is none.
        """

        def work(connection: Connection) -> list[tuple[str, str]]:
            now = epochs.epoch(connection)
            found = select(events).where(
                events.c.sequence > _sequence(after, now), _seen(billing=billing, provided=provided)
            )
            rows = connection.execute(found.order_by(events.c.sequence).limit(limit))
            return [(f"{now}-{row.sequence}", row.line) for row in rows]

        return await self._store.read(work)

    async def latest(self, limit: int, *, billing: bool, provided: frozenset[str]) -> list[str]:
        """Return the newest events that somebody sees, as lines of JSON, newest first."""
        found = (
            select(events.c.line)
            .where(_seen(billing=billing, provided=provided))
            .order_by(events.c.sequence.desc())
            .limit(limit)
        )
        return await self._store.read(lambda connection: list(connection.execute(found).scalars()))


def _seen(*, billing: bool, provided: frozenset[str]) -> ColumnElement[bool]:
    mine: ColumnElement[bool] = events.c.dataset.in_(provided)
    return or_(mine, events.c.visibility == BUYER_VISIBLE) if billing else mine


def _sequence(cursor: str | None, epoch: int) -> int:
    """Return how far a cursor is. One of an earlier epoch holds no longer: the store was restored in between."""
    if cursor is None:
        return 0
    of, dash, at = cursor.partition("-")
    if not (dash and all(part.isascii() and part.isdigit() and len(part) <= 18 for part in (of, at))):
        raise GatewayError("bad_request", "The cursor is not one of ours.", "Use the last Gateway-Cursor.")
    if int(of) != epoch:
        hint = "Read from the beginning, without `after`: an event's id says whether it is known."
        raise GatewayError("bad_request", "The cursor is from before the store was restored.", hint)
    return int(at)
