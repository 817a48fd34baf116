"""Free repeats are entered together: those that wait for the writer share its statements, as they share its commit.

Each has its leaf, its meter event and its row, as if it had been entered alone, in the order in which they came.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, or_, select

from gateway.errors import GatewayError
from gateway.ledger import charging, freezing, granting, leaves, registered
from gateway.ledger.charging import FINISHED, Opening
from gateway.ledger.freezing import Target
from gateway.ledger.keeping import keep_texts
from gateway.ledger.model import InFlight, Known, Order
from gateway.ledger.sealing import Sealer, commitment
from gateway.ports import Clock
from gateway.store.database import Store
from gateway.store.prepared import Found, Prepared
from gateway.store.tables import queries

_Key = tuple[str, str]
"""A buyer and its idempotency key."""

MOST_KEYS = 64
"""How many keys are looked for at once."""


def of_keys(count: int) -> Select[Any]:
    """Return the statement that finds the queries of so many keys: `buyer_0`, `key_0` and so on.

    Each key is a condition of its own. A list of pairs is read by SQLite with a scan of every query there ever was.
    """
    pairs = (
        and_(queries.c.buyer == bindparam(f"buyer_{n}"), queries.c.idempotency_key == bindparam(f"key_{n}"))
        for n in range(count)
    )
    return select(queries).where(or_(*pairs))


@lru_cache(maxsize=MOST_KEYS)
def _of_keys(count: int) -> Prepared:
    return Prepared(of_keys(count))


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """A repeat that waits to be entered, and who waits for what becomes of it."""

    order: Order
    answer: bytes
    told: asyncio.Future[Known | None]
    covering: Sequence[Target]
    """What would have to be frozen for it to be."""

    @property
    def key(self) -> _Key:
        return self.order.buyer, self.order.idempotency_key


@dataclass(frozen=True, slots=True)
class _Fresh:
    """A repeat that is entered now."""

    asked: _Asked
    salt: bytes
    decision: leaves.Decision


class FreeRepeats:
    """Enters the answers of free repeats."""

    def __init__(self, store: Store, clock: Clock, source: str, sealer: Sealer, *, required: bool = False) -> None:
        self._store = store
        self._clock = clock
        self._source = source
        self._sealer = sealer
        self._required = required
        self._waiting: deque[_Asked] = deque()
        self._queued = False
        self._entering: set[asyncio.Task[None]] = set()

    async def enter(self, order: Order, answer: bytes) -> Known | None:
        """Keep the answer of one repeat, durably; or return what is known of its key meanwhile, and keep nothing.

        Raises GatewayError `idempotency_conflict`, `answer_expired`, `query_cancelled`, `frozen`, `grant_not_valid`,
        `sql_too_complex`, `store_fenced` or what the store raises.
        """
        told: asyncio.Future[Known | None] = asyncio.get_running_loop().create_future()
        covering = freezing.covering(order.buyer, order.organisation, order.dataset)
        self._waiting.append(_Asked(order, answer, told, covering))
        if not self._queued:  # else a work that has not begun takes this one along
            self._queued = True
            task = asyncio.create_task(self._enter_all())
            self._entering.add(task)
            task.add_done_callback(self._entering.discard)
        return await told

    async def _enter_all(self) -> None:
        """Enter whatever waits by the time that the writer comes to it, and tell each asker once it is durable."""
        taken: list[_Asked] = []

        def work(connection: Connection) -> list[Known | Exception | None]:
            # INVARIANT: in this order, so that whoever still finds this work queued is taken along by it
            self._queued = False
            while self._waiting:
                asked = self._waiting.popleft()
                if not asked.told.cancelled():
                    taken.append(asked)
            return self._entered(connection, taken)

        outcomes: Sequence[Known | Exception | None]
        try:
            outcomes = await self._store.run(work)
        except Exception as error:  # noqa: BLE001 - none of them stands, and each asker hears of it
            if not taken:  # the writer may never have come to it
                self._queued = False
                taken += self._waiting
                self._waiting.clear()
            outcomes = [error] * len(taken)
        for asked, outcome in zip(taken, outcomes, strict=True):
            if asked.told.done():
                continue
            if isinstance(outcome, Exception):
                asked.told.set_exception(outcome)
            else:
                asked.told.set_result(outcome)

    def _entered(self, connection: Connection, taken: Sequence[_Asked]) -> list[Known | Exception | None]:
        """Decide each repeat, then write down together those that are entered."""
        if not taken:
            return []
        now = self._clock.now()
        rows, frozen = _rows(connection, taken), freezing.frozen(connection, {t for one in taken for t in one.covering})
        served = {name: registered.decisive(connection, name) for name in {one.order.dataset for one in taken}}
        granted = granting.standing(connection, [one.order.basis for one in taken])
        fresh: dict[_Key, _Fresh] = {}
        outcomes: list[Known | Exception | None] = []
        for asked in taken:
            try:
                freezing.refuse(frozen, asked.covering)  # since it was admitted
                if (first := fresh.get(asked.key)) is not None:
                    outcomes.append(InFlight(first.asked.order.query_id))  # of one key the first; who asks again has it
                    continue
                row = rows.get(asked.key)
                body = asked.order.body_digest
                known = None if row is None else freezing.settled(connection, row, body, now)
                if known is None:
                    registered.refuse(served[asked.order.dataset], asked.order, now.date(), required=self._required)
                    granting.refuse_ended(granted, asked.order.basis, now)
                    fresh[asked.key] = self._decide(asked, now)  # what is refused here leaves the key as it is
                    if row is not None:
                        charging.put_away(connection, row.query_id, now)
                outcomes.append(known)
            except GatewayError as error:
                outcomes.append(error)
        if fresh:
            self._write(connection, tuple(fresh.values()), now)
        return outcomes

    def _decide(self, asked: _Asked, now: datetime) -> _Fresh:
        salt, order = self._sealer.salt(), asked.order
        commitments = {"sql": commitment(salt, order.sql.encode()), "answer": commitment(salt, asked.answer)}
        return _Fresh(asked, salt, leaves.decision("replayed", order, now, commitments))

    def _write(self, connection: Connection, fresh: Sequence[_Fresh], now: datetime) -> None:
        entered = leaves.decided_all(connection, self._source, [one.decision for one in fresh])
        opened = [
            (one.asked.order, Opening(FINISHED, one.salt, leaf, answer=one.asked.answer))
            for one, leaf in zip(fresh, entered, strict=True)
        ]
        charging.open_queries(connection, opened, now)
        keep_texts(connection, self._sealer, [one.asked.order for one in fresh], now)


def _rows(connection: Connection, taken: Iterable[_Asked]) -> Mapping[_Key, Found]:
    """Return the queries that the keys of repeats stand for already."""
    keys, found = list(dict.fromkeys(asked.key for asked in taken)), dict[_Key, Found]()
    for first in range(0, len(keys), MOST_KEYS):
        some = keys[first : first + MOST_KEYS]
        values = {f"buyer_{n}": buyer for n, (buyer, _) in enumerate(some)}
        values |= {f"key_{n}": key for n, (_, key) in enumerate(some)}
        found |= {(row.buyer, row.idempotency_key): row for row in _of_keys(len(some)).rows(connection, values)}
    return found
