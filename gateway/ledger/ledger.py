"""The ledger: what may be charged is charged once, durably, before the database is asked; what was answered is kept."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, func, insert, or_, select, update

from gateway.errors import GatewayError
from gateway.ledger import charging
from gateway.ledger.charging import EXCUSED, FAILED, FINISHED, RUNNING, Outcome, microseconds
from gateway.ledger.events import BUYER_VISIBLE, PROVIDER_ONLY, canonical, event_line, timestamp
from gateway.ledger.model import Account, Balance, Charge, Failed, Failure, Held, InFlight, Order, Release, Stored
from gateway.ports import Clock
from gateway.store import log
from gateway.store.database import Store
from gateway.store.tables import events, queries, releases, versions
from gateway.store.tables import series as lines

LEASE_S = 5.0


@dataclass(frozen=True, slots=True)
class QueryRow:
    """What is kept of a query: its state and, once stored, its exact answer."""

    query_id: str
    buyer: str
    organisation: str
    state: str
    log_index: int
    answer: bytes | None


@dataclass(frozen=True, slots=True)
class DataVersion:
    """What a provider declared: `number` counts its declarations, `stamp` marks the file of `version`."""

    number: int
    version: str
    stamp: str


class Ledger:
    """Every method is one transaction. Safe beside other processes on the same store."""

    def __init__(self, store: Store, clock: Clock, source: str, lease_s: float = LEASE_S) -> None:
        self._store = store
        self._clock = clock
        self._source = source
        self._lease_s = lease_s
        self._lease_us = int(lease_s * 1_000_000)

    # -- before and at the charge -------------------------------------------------------------------------------

    async def lookup(self, buyer: str, idempotency_key: str, body_digest: str) -> Stored | Failed | InFlight | None:
        """Return what is known of an idempotency key. Raises `idempotency_conflict`."""

        def work(connection: Connection) -> Stored | Failed | InFlight | None:
            row = charging.by_key(connection, buyer, idempotency_key)
            return None if row is None else charging.settled(row, body_digest, self._clock.now())

        return await self._store.run(work)

    async def charge(self, order: Order) -> Outcome:
        """Charge an order: all accounts, the use, the log leaf, the meter event and the query's row, or nothing.

        Returns a Charge (also for a query taken over from a worker that is gone), or what is known already.
        Raises GatewayError `budget_exhausted`, `uses_exhausted`, `rate_limited`, `buyer_suspended` or
        `idempotency_conflict`.
        """

        def work(connection: Connection) -> Outcome:
            now = self._clock.now()
            row = charging.by_key(connection, order.buyer, order.idempotency_key)
            if row is not None:
                known = charging.settled(row, order.body_digest, now)
                return known or charging.take_over(connection, row, order, now, self._lease_us)
            busy = charging.claim(connection, order, now)
            if busy is not None:
                return busy
            charging.refuse_suspended(connection, order)
            charging.use(connection, order.allowance, now)
            charging.debit(connection, order)
            leaf = charging.note(connection, self._source, "charged", order, now)
            charging.open_query(connection, order, now, RUNNING, self._lease_us, leaf)
            at = microseconds(now)
            written = connection.execute(select(queries).where(queries.c.query_id == order.query_id)).one()
            assert written.charged_at_us == at  # INVARIANT: what is returned is what was written
            return charging.charge_of(written, 1)

        return await self._store.run(work)

    async def replay(self, order: Order, answer: bytes) -> Stored | None:
        """Keep the answer of a free repeat; return the earlier one where the idempotency key has one."""

        def work(connection: Connection) -> Stored | None:
            now = self._clock.now()
            row = charging.by_key(connection, order.buyer, order.idempotency_key)
            if row is not None:
                known = charging.settled(row, order.body_digest, now)
                if isinstance(known, Stored):
                    return known
                finished = {"state": FINISHED, "answer": answer, "fence": row.fence + 1}
                connection.execute(update(queries).where(queries.c.query_id == row.query_id).values(**finished))
                return None
            leaf = charging.note(connection, self._source, "replayed", order, now)
            charging.open_query(connection, order, now, FINISHED, 0, leaf, answer)
            return None

        return await self._store.run(work)

    # -- while a charged query runs -----------------------------------------------------------------------------

    async def renew(self, charge: Charge) -> bool:
        """Prolong a lease; False where another worker has taken the query over."""

        def work(connection: Connection) -> bool:
            lease = microseconds(self._clock.now()) + self._lease_us
            changed = connection.execute(update(queries).where(*_held(charge)).values(lease_until_us=lease))
            return changed.rowcount == 1

        return await self._store.run(work)

    @contextlib.asynccontextmanager
    async def holding(self, charge: Charge) -> AsyncIterator[None]:
        """Keep a charge's lease alive while the block runs."""

        async def keep() -> None:
            while await self.renew(charge):  # noqa: ASYNC110 - a lease is renewed by the clock
                await asyncio.sleep(self._lease_s / 3)

        keeper = asyncio.create_task(keep())
        try:
            yield
        finally:
            keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeper

    async def record(self, charge: Charge, answer: bytes, drawn: Mapping[str, Release]) -> bytes:
        """Keep an answer and its releases, durably, before the first byte leaves; return the answer.

        Raises GatewayError `internal` where the fence shut this worker out: its draw must not leave.
        """

        def work(connection: Connection) -> bytes:
            changed = connection.execute(update(queries).where(*_held(charge)).values(state=FINISHED, answer=answer))
            if changed.rowcount != 1:
                raise GatewayError("internal", "Another worker has taken this query over.", "Ask again.")
            buyer = connection.execute(
                select(queries.c.buyer).where(queries.c.query_id == charge.query_id)
            ).scalar_one()
            for digest, release in drawn.items():
                kept = charging.keep(connection, buyer, digest, release.content)
                assert kept is None  # INVARIANT: a claimed draw is made once
                if release.series:
                    charging.advance(connection, buyer, digest, release)
            charging.let_go(connection, charge.query_id)
            return answer

        return await self._store.run(work)

    async def fail(self, charge: Charge, provider_note: str) -> None:
        """Mark a charged query as failed for good; the charge stays."""

        def work(connection: Connection) -> None:
            values = {"state": FAILED, "note": provider_note[:2000]}
            if connection.execute(update(queries).where(*_held(charge)).values(**values)).rowcount == 1:
                charging.let_go(connection, charge.query_id)

        await self._store.run(work)

    # -- what is known ------------------------------------------------------------------------------------------

    async def releases(self, buyer: str, digests: Iterable[str]) -> dict[str, bytes]:
        """Return the stored draws of a buyer by digest."""
        wanted = list(digests)

        def work(connection: Connection) -> dict[str, bytes]:
            found = select(releases).where(releases.c.buyer == buyer, releases.c.digest.in_(wanted))
            return {row.digest: bytes(row.content) for row in connection.execute(found)}

        return await self._store.run(work)

    async def held(self, buyer: str, series: Iterable[str]) -> dict[str, Held]:
        """Return the most exact release that a buyer has of each series."""
        wanted = list(series)

        def work(connection: Connection) -> dict[str, Held]:
            found = (
                select(lines, releases.c.content)
                .join(releases, (releases.c.buyer == lines.c.buyer) & (releases.c.digest == lines.c.digest))
                .where(lines.c.buyer == buyer, lines.c.series.in_(wanted))
            )
            return {r.series: Held(r.digest, int(r.worth), bytes(r.content)) for r in connection.execute(found)}

        return await self._store.run(work)

    async def pin(self, buyer: str, served: Mapping[str, bytes]) -> bool:
        """Keep releases under the names of draws that they answer; False where one has another answer meanwhile."""

        def work(connection: Connection) -> bool:
            kept = [charging.keep(connection, buyer, digest, content) for digest, content in served.items()]
            return all(one in (None, content) for one, content in zip(kept, served.values(), strict=True))

        return await self._store.run(work)

    async def failures(self, buyer: str, dataset: str) -> int:
        """Return how many charged queries of a buyer failed on a dataset."""
        return await self._store.run(lambda connection: charging.failures(connection, buyer, dataset))

    async def failed(self, dataset: str) -> tuple[Failure, ...]:
        """Return the failed queries of a dataset that nobody has looked at, oldest first."""
        found = (
            select(queries)
            .where(queries.c.dataset == dataset, queries.c.state == FAILED)
            .order_by(queries.c.charged_at_us)
        )

        def work(connection: Connection) -> tuple[Failure, ...]:
            return tuple(
                Failure(row.query_id, row.buyer, charging.moment(row.charged_at_us), row.note or "")
                for row in connection.execute(found)
            )

        return await self._store.run(work)

    async def excuse(self, buyer: str, dataset: str) -> int:
        """Hold a buyer's failures on a dataset against them no longer; return how many. The charges stay."""
        where = (queries.c.buyer == buyer, queries.c.dataset == dataset, queries.c.state == FAILED)

        def work(connection: Connection) -> int:
            return connection.execute(update(queries).where(*where).values(state=EXCUSED)).rowcount

        return await self._store.run(work)

    async def balances(self, wanted: Iterable[Account]) -> tuple[Balance, ...]:
        """Return what each account has spent beside its limits."""
        asked = tuple(wanted)
        return await self._store.run(lambda connection: tuple(charging.balance(connection, a) for a in asked))

    async def last_cost(self, buyer: str, dataset: str) -> tuple[int, int] | None:
        """Return (rho, delta) of a buyer's last charged query on a dataset."""
        found = (
            select(queries.c.rho, queries.c.delta)
            .where(queries.c.buyer == buyer, queries.c.dataset == dataset, queries.c.rho != "0")
            .order_by(queries.c.charged_at_us.desc())
            .limit(1)
        )

        def work(connection: Connection) -> tuple[int, int] | None:
            row = connection.execute(found).first()
            return None if row is None else (int(row.rho), int(row.delta))

        return await self._store.run(work)

    async def query(self, query_id: str) -> QueryRow | None:
        """Return a query by its id."""

        def work(connection: Connection) -> QueryRow | None:
            row = connection.execute(select(queries).where(queries.c.query_id == query_id)).one_or_none()
            if row is None:
                return None
            answer = bytes(row.answer) if row.answer is not None else None
            return QueryRow(row.query_id, row.buyer, row.organisation, row.state, row.log_index, answer)

        return await self._store.run(work)

    # -- events -------------------------------------------------------------------------------------------------

    async def refuse(self, query_id: str, facts: str) -> None:
        """Write a refusal: a free meter event and a leaf of the log. `facts` is a JSON object."""

        def work(connection: Connection) -> None:
            now, data = self._clock.now(), json.loads(facts)
            leaf = {"kind": "refused", "query_id": query_id, "time": timestamp(now), **data}
            index, _hash = log.append(connection, canonical(leaf).encode())
            line = event_line(self._source, "refused", query_id, now, {**data, "log_index": index})
            connection.execute(insert(events).values(visibility=BUYER_VISIBLE, dataset=data["dataset"], line=line))

        await self._store.run(work)

    async def measured(self, query_id: str, figures: str) -> None:
        """Write the true engine cost of a query, for the provider alone. `figures` is a JSON object."""

        def work(connection: Connection) -> None:
            line = event_line(self._source, "measured", query_id, self._clock.now(), json.loads(figures))
            row = connection.execute(select(queries.c.dataset).where(queries.c.query_id == query_id)).one()
            connection.execute(insert(events).values(visibility=PROVIDER_ONLY, dataset=row.dataset, line=line))

        await self._store.run(work)

    async def events(
        self, after: str | None, limit: int, *, billing: bool, provided: frozenset[str]
    ) -> list[tuple[str, str]]:
        """Return (cursor, JSON line) of meter events after a cursor, oldest first.

        Billing sees what buyers see, of every dataset; a provider everything, true engine cost too, of the datasets
        `provided` alone.
        Raises GatewayError `bad_request` for a cursor that is none.
        """
        if after is not None and not (after.isascii() and after.isdigit() and len(after) <= 18):
            raise GatewayError("bad_request", "The cursor is not one of ours.", "Use the last Gateway-Cursor.")
        seen: ColumnElement[bool] = events.c.dataset.in_(provided)
        if billing:
            seen = or_(seen, events.c.visibility == BUYER_VISIBLE)
        found = select(events).where(events.c.sequence > int(after or 0), seen).order_by(events.c.sequence).limit(limit)
        return await self._store.run(lambda c: [(str(row.sequence), row.line) for row in c.execute(found)])

    # -- data versions ------------------------------------------------------------------------------------------

    async def current_version(self, dataset: str) -> DataVersion | None:
        """Return what the provider declared last."""
        found = select(versions).where(versions.c.dataset == dataset).order_by(versions.c.number.desc()).limit(1)

        def work(connection: Connection) -> DataVersion | None:
            row = connection.execute(found).first()
            return None if row is None else DataVersion(row.number, row.version, row.stamp)

        return await self._store.run(work)

    async def declare_version(self, dataset: str, stamp: str, note: str, version: str | None = None) -> DataVersion:
        """Declare anew: `version` where the data are the same, else a new one named by the day and the number."""

        def work(connection: Connection) -> DataVersion:
            last = select(func.max(versions.c.number)).where(versions.c.dataset == dataset)
            number = (connection.execute(last).scalar() or 0) + 1
            name = version or f"{self._clock.now().date().isoformat()}.{number}"
            row = {"dataset": dataset, "number": number, "version": name, "stamp": stamp, "note": note}
            connection.execute(insert(versions).values(**row))
            return DataVersion(number, name, stamp)

        return await self._store.run(work)


def _held(charge: Charge) -> tuple[ColumnElement[bool], ...]:
    """Return the condition that a charge is still this worker's."""
    return (queries.c.query_id == charge.query_id, queries.c.fence == charge.fence, queries.c.state == RUNNING)
