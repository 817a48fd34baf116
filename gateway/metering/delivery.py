"""Delivers meter events from the outbox to sinks: in order, at least once, one deliverer at a time over all replicas.

Only what billing may read is delivered; true engine cost stays with the provider. Ids make billing count each event
once, however often it comes.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection, Select, func, select

from gateway.errors import GatewayError
from gateway.ledger import leases
from gateway.ledger.events import BUYER_VISIBLE, canonical, timestamp
from gateway.ports import Clock
from gateway.store import epochs
from gateway.store.database import Store
from gateway.store.tables import alerts, deliveries, events, facts
from gateway.store.upsert import upsert

log = logging.getLogger("gateway.metering")

ALERTS = "alerts"
"""The sink that alerts are delivered to; every other takes the meter's events."""

BATCH = 100
IDLE_S, LONGEST_WAIT_S = 1.0, 60.0
LEASE_S = 60.0
"""How long after its last sign of life another replica takes a deliverer's place."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One event of the outbox: its place in the order, and its line."""

    sequence: int
    line: str


@dataclass(frozen=True, slots=True)
class Delivered:
    """What came of a batch: everything up to `sequence` is confirmed; `dead` were refused for good, with the reason."""

    sequence: int
    dead: tuple[tuple[Entry, str], ...] = ()


class Sink(Protocol):
    """Where events go. `name` is the cursor's."""

    name: str

    async def start(self, confirmed: int, epoch: int) -> int:
        """Make ready; return the sequence number to go on after, which may differ from what the store knows.

        In another epoch the store was restored, and sequence numbers of an earlier one mean other events.
        """
        ...

    async def deliver(self, batch: Sequence[Entry]) -> Delivered:
        """Deliver events durably, or raise Undelivered."""
        ...


Outbox = Callable[[Connection, int], list[Entry]]
"""Reads what comes after a sequence number, in order, no more than BATCH."""


class Undelivered(Exception):
    """A batch that did not arrive now and is tried again."""


class Deliverer:
    """Carries events to one sink until it is cancelled."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        sink: Sink,
        holder: str,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        outbox: "Outbox | None" = None,
    ) -> None:
        """`outbox` reads what is delivered: the meter's events, unless another is named."""
        self._store = store
        self._clock = clock
        self._sink = sink
        self._holder = holder
        self._pause = pause
        self._outbox = outbox or _beyond
        self._what = "alerts" if sink.name == ALERTS else "meter events"

    async def run(self) -> None:
        """Deliver for ever. A store or a sink that cannot be reached is tried again, and told to the operator."""
        failures = 0
        while True:
            try:
                await self._held()
                failures = 0
            except Undelivered as error:  # the sink has waited already
                log.error("%s wait for %s: %s", self._what, self._sink.name, error)  # noqa: TRY400 - words, no stack
            except (GatewayError, OSError) as error:
                log.error("%s wait for %s: %s", self._what, self._sink.name, error)  # noqa: TRY400 - words, no stack
                failures += 1
            except Exception:
                log.exception("%s wait for %s", self._what, self._sink.name)
                failures += 1
            await self._pause(min(IDLE_S * 2 ** min(failures, 10), LONGEST_WAIT_S))

    async def _held(self) -> None:
        """Deliver as long as this deliverer holds the sink, and prolong its hold beside it."""
        if not await self._lease():
            return
        carrying = asyncio.create_task(self._carry())
        try:
            while not carrying.done():
                await asyncio.wait({carrying}, timeout=LEASE_S / 3)
                if not carrying.done() and not await self._lease():
                    return
            await carrying
        finally:
            carrying.cancel()
            with contextlib.suppress(asyncio.CancelledError, Undelivered, GatewayError, OSError):
                await carrying

    async def _carry(self) -> None:
        confirmed = await self._start()
        while True:
            later = await self.step(confirmed)
            if later is None:
                await self._pause(IDLE_S)
            else:
                confirmed = later

    async def _start(self) -> int:
        epoch = await self._store.read(epochs.epoch)
        return await self._sink.start(await self.confirmed(), epoch)

    async def drain(self) -> int:
        """Deliver all there is and return the last sequence number. Raises Undelivered."""
        confirmed = await self._start()
        while (later := await self.step(confirmed)) is not None:
            confirmed = later
        return confirmed

    async def step(self, after: int) -> int | None:
        """Deliver one batch and keep how far it came; None where there is nothing new."""
        batch = await self._store.read(lambda connection: self._outbox(connection, after))
        if not batch:
            return None
        done = await self._sink.deliver(batch)
        for entry, reason in done.dead:
            log.error("%s refuses event %s for good: %s", self._sink.name, entry.sequence, reason)

        def work(connection: Connection) -> None:
            upsert(connection, deliveries, [{"sink": self._sink.name, "sequence": done.sequence}])
            at = timestamp(self._clock.now())
            rows = [
                {
                    "name": f"{_dead_prefix(self._sink.name)}{entry.sequence:020}",
                    "value": canonical({"event": json.loads(entry.line)["id"], "reason": reason, "at": at}),
                }
                for entry, reason in done.dead
            ]
            upsert(connection, facts, rows)

        await self._store.run(work)
        return done.sequence

    async def confirmed(self) -> int:
        """Return how far the sink has confirmed."""
        wanted = select(deliveries.c.sequence).where(deliveries.c.sink == self._sink.name)
        return await self._store.read(lambda connection: connection.execute(wanted).scalar() or 0)

    async def _lease(self) -> bool:
        """Take or prolong the sink's lease; False where another replica holds it."""
        name, now = f"delivery:{self._sink.name}", self._clock.now()
        return await self._store.run(lambda connection: leases.take(connection, name, self._holder, now, LEASE_S))

    async def release(self) -> None:
        """Give the sink up at once, so that another replica need not wait."""
        name = f"delivery:{self._sink.name}"
        await self._store.run(lambda connection: leases.give_up(connection, name, self._holder))


def _beyond(connection: Connection, after: int) -> list[Entry]:
    wanted = (
        select(events.c.sequence, events.c.line)
        .where(events.c.sequence > after, events.c.visibility == BUYER_VISIBLE)
        .order_by(events.c.sequence)
        .limit(BATCH)
    )
    return [Entry(row.sequence, row.line) for row in connection.execute(wanted)]


# -- what the operator sees -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that a sink refused for good; it stays in the outbox."""

    sink: str
    sequence: int
    event: str
    reason: str
    at: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one sink is: the last confirmed event, how many wait, and what it refused."""

    sink: str
    confirmed: int
    waiting: int
    dead: tuple[DeadLetter, ...]


def _dead_prefix(sink: str) -> str:
    return f"dead-letter:{sink}:"


def _waiting(sink: str, after: int) -> Select[int]:
    if sink == ALERTS:
        return select(func.count()).select_from(alerts).where(alerts.c.sequence > after)
    later = events.c.sequence > after, events.c.visibility == BUYER_VISIBLE
    return select(func.count()).select_from(events).where(*later)


def progress(connection: Connection) -> tuple[Progress, ...]:
    """Return how far each sink is that ever confirmed an event."""
    found = []
    for row in connection.execute(select(deliveries).order_by(deliveries.c.sink)).all():
        waiting = connection.execute(_waiting(row.sink, row.sequence)).scalar_one()
        prefix = _dead_prefix(row.sink)
        letters = select(facts).where(facts.c.name.startswith(prefix, autoescape=True)).order_by(facts.c.name)
        dead = tuple(
            DeadLetter(row.sink, int(letter.name.removeprefix(prefix)), **json.loads(letter.value))
            for letter in connection.execute(letters)
        )
        found.append(Progress(row.sink, row.sequence, waiting, dead))
    return tuple(found)
