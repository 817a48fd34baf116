"""The ledger: what may be charged is charged once, durably, before the database is asked; what was answered is kept."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

from sqlalchemy import Connection, bindparam, select, update

from gateway.errors import GatewayError, StoreUnavailable
from gateway.ledger import accounts, charging, crossings, draws, freezing, granting, leaves, registered
from gateway.ledger.charging import EARLY, EXCUSED, FAILED, RUNNING, WITHDRAWN, Opening, Outcome, microseconds
from gateway.ledger.keeping import keep_texts
from gateway.ledger.meter import write_spent
from gateway.ledger.model import (
    Account,
    Balance,
    Charge,
    Failure,
    Held,
    Known,
    Order,
    QueryRow,
    Release,
    Running,
    Spent,
)
from gateway.ledger.observing import observe
from gateway.ledger.repeating import FreeRepeats
from gateway.ledger.sealing import Sealer, commitment
from gateway.ports import Clock
from gateway.store.database import Store
from gateway.store.prepared import Prepared
from gateway.store.tables import queries, releases

LEASE_S = 5.0

# built once: building a statement takes longer than running it
_OF = queries.c.query_id == bindparam("query")
_HELD = (_OF, queries.c.fence == bindparam("fence_"), queries.c.state == RUNNING)
_SALT = Prepared(select(queries.c.buyer, queries.c.dataset, queries.c.salt).where(*_HELD))
_RENEW = Prepared(update(queries).where(*_HELD).values(lease_until_us=bindparam("lease")))
_ENDED = Prepared(
    select(queries.c.query_id, queries.c.state).where(
        queries.c.query_id.in_(bindparam("running", expanding=True)), queries.c.state.in_(EARLY)
    )
)
_RELEASES = Prepared(
    select(releases).where(
        releases.c.buyer == bindparam("buyer"), releases.c.digest.in_(bindparam("digests", expanding=True))
    )
)


class Ledger:
    """Every method is one transaction. Safe beside other processes on the same store."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        source: str,
        sealer: Sealer,
        lease_s: float = LEASE_S,
        *,
        required: bool = False,
    ) -> None:
        self._store = store
        self._clock = clock
        self._source = source
        self._sealer = sealer
        self._required = required
        self._repeats = FreeRepeats(store, clock, source, sealer, required=required)
        self._lease_s = lease_s
        self._lease_us = int(lease_s * 1_000_000)

    # -- before and at the charge -------------------------------------------------------------------------------

    async def lookup(self, buyer: str, idempotency_key: str, body_digest: str) -> Known | None:
        """Return what is known of an idempotency key.

        Raises GatewayError `idempotency_conflict`, `answer_expired`, `query_cancelled`, `query_stopped`, `grant_ended`,
        `frozen` or `member_suspended`.
        """
        return await self._store.glance(
            lambda connection: freezing.known(connection, buyer, idempotency_key, body_digest, self._clock.now())
        )

    async def charge(self, order: Order) -> Outcome:
        """Charge an order: all accounts, the use, the log leaf, the meter event and the query's row, or nothing.

        Returns a Charge (also for a query taken over from a worker that is gone), or what is known already.
        Raises GatewayError `frozen`, `unknown_dataset`, `policy_replaced`, `compliance_expired`, `grant_not_valid`,
        `budget_exhausted`, `uses_exhausted`, `spending_capped`, `rate_limited`, `too_many_running`,
        `cross_border_limit`, `buyer_suspended`, `idempotency_conflict` or `store_fenced`.
        """

        def work(connection: Connection) -> Outcome:
            now = self._clock.now()
            row = charging.by_key(connection, order.buyer, order.idempotency_key)
            if row is not None:
                known = freezing.settled(connection, row, order.body_digest, now)
                if known is not None:
                    return known
                freezing.refuse_asked(connection, order.buyer, order.organisation, order.dataset, row.query_id)
                registered.refuse_unserved(connection, order, now.date(), required=self._required)
                until = granting.end_of_charged(connection, row, order, now)
                return charging.take_over(connection, row, order, now, charging.Lease(self._lease_us, until))
            busy = charging.claim(connection, order, now)
            if busy is not None:
                return busy
            freezing.refuse_asked(connection, order.buyer, order.organisation, order.dataset)
            registered.refuse_unserved(connection, order, now.date(), required=self._required)
            granting.refuse_ended(granting.standing(connection, [order.basis]), order.basis, now)
            failed = charging.refuse_suspended(connection, order)
            accounts.debit(connection, order, now)
            charging.keep_pace(connection, order, now, failed)
            crossings.count(connection, order, now)
            salt = self._sealer.salt()
            commitments = {"sql": commitment(salt, order.sql.encode())}
            leaf = leaves.decided(connection, self._source, "charged", order, now, commitments)
            charging.open_query(connection, order, now, Opening(RUNNING, salt, leaf, self._lease_us))
            keep_texts(connection, self._sealer, [order], now)
            observe(connection, self._sealer, order, now)
            return Charge(order.query_id, 1, *leaf, charging.moment(microseconds(now)), order.basis.until)

        return await self._store.run(work)

    async def replay(self, order: Order, answer: bytes) -> Known | None:
        """Keep the answer of a free repeat; return what is known of the idempotency key meanwhile, and keep nothing.

        One whose worker is gone is finished with this answer: its draws are all stored.
        """
        return await self._repeats.enter(order, answer)

    # -- while a charged query runs -----------------------------------------------------------------------------

    async def renew(self, charge: Charge) -> bool:
        """Prolong a lease; False where another worker has taken the query over, or it was ended.

        A query whose grant ends while it runs is ended here, on whichever replica works on it.
        """

        def work(connection: Connection) -> bool:
            now = self._clock.now()
            if charge.until is not None and now >= charge.until:
                if _SALT.one_or_none(connection, _held(charge)) is not None:
                    why = "its grant ended"
                    charging.give_up(connection, charge.query_id, WITHDRAWN, why, now)
                return False
            lease = microseconds(now) + self._lease_us
            return _RENEW.change(connection, {**_held(charge), "lease": lease}) == 1

        return await self._store.run(work)

    @contextlib.asynccontextmanager
    async def holding(self, charge: Charge) -> AsyncIterator[None]:
        """Keep a charge's lease alive while the block runs."""

        async def keep() -> None:
            held = True  # the charge has just begun the lease
            while held:
                await asyncio.sleep(self._lease_s / 3)
                with contextlib.suppress(StoreUnavailable):  # the lease ends by itself if the store stays away
                    held = await self.renew(charge)

        keeper = asyncio.create_task(keep())
        try:
            yield
        finally:
            keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeper

    async def record(
        self, charge: Charge, answer: bytes, drawn: Mapping[str, Release], spent: Sequence[Spent] = ()
    ) -> bytes:
        """Keep an answer and its releases, durably, before the first byte leaves; return the answer.

        What its statements truly cost is written with it, for the provider. Raises GatewayError `query_cancelled`,
        `query_stopped` or `grant_ended` where it was ended meanwhile, `internal` where another worker has it by now:
        its draw must not leave.
        """

        def work(connection: Connection) -> bytes:
            row = _SALT.one_or_none(connection, _held(charge))
            if row is None:
                _refuse_ended(connection, charge)
                raise GatewayError("internal", "Another worker has taken this query over.", "Ask again.")
            for digest, release in drawn.items():
                kept = draws.keep(connection, row.buyer, digest, release.content)
                assert kept is None  # INVARIANT: a claimed draw is made once
                if release.series:
                    draws.advance(connection, row.buyer, digest, release)
            now = self._clock.now()
            charging.answered(connection, charge.query_id, bytes(row.salt), answer, now)
            write_spent(connection, self._source, charge, row.dataset, spent, now)
            return answer

        return await self._store.run(work)

    async def fail(self, charge: Charge, provider_note: str) -> bool:
        """Mark a charged query as failed for good; the charge stays. False where another worker has it by now.

        Raises GatewayError `query_cancelled`, `query_stopped` or `grant_ended` where it was ended meanwhile.
        """

        def work(connection: Connection) -> bool:
            if _SALT.one_or_none(connection, _held(charge)) is None:
                _refuse_ended(connection, charge)
                return False
            charging.give_up(connection, charge.query_id, FAILED, provider_note, self._clock.now())
            return True

        return await self._store.run(work)

    async def cancel(self, buyer: str, query_id: str) -> str | None:
        """End a buyer's query if it still runs: its draw can no longer leave, its charge stays.

        Returns its state then; None where the buyer has no such query.
        """
        return await self._store.run(lambda connection: charging.cancel(connection, buyer, query_id, self._clock.now()))

    async def ended(self, running: Iterable[str]) -> dict[str, str]:
        """Return which of some queries were ended while they ran, and their states."""
        wanted = {"running": list(running)}
        return await self._store.read(
            lambda connection: {row.query_id: row.state for row in _ENDED.rows(connection, wanted)}
        )

    # -- what is known ------------------------------------------------------------------------------------------

    async def releases(self, buyer: str, digests: Iterable[str]) -> dict[str, bytes]:
        """Return the stored draws of a buyer by digest."""
        wanted = {"buyer": buyer, "digests": list(digests)}

        def work(connection: Connection) -> dict[str, bytes]:
            return {row.digest: bytes(row.content) for row in _RELEASES.rows(connection, wanted)}

        return await self._store.glance(work)

    async def held(self, buyer: str, series: Iterable[str]) -> dict[str, Held]:
        """Return the most exact release that a buyer has of each series."""
        wanted = list(series)
        return await self._store.glance(lambda connection: draws.most_exact(connection, buyer, wanted))

    async def pin(self, buyer: str, served: Mapping[str, bytes]) -> bool:
        """Keep releases under the names of draws that they answer; False where one has another answer meanwhile."""

        def work(connection: Connection) -> bool:
            kept = [draws.keep(connection, buyer, digest, content) for digest, content in served.items()]
            return all(one in (None, content) for one, content in zip(kept, served.values(), strict=True))

        return await self._store.run(work)

    async def refuse_frozen(
        self, buyer: str, organisation: str, dataset: str | None = None, query_id: str | None = None
    ) -> None:
        """Raise GatewayError `frozen` where any of these is, or everything."""
        await self._store.glance(
            lambda connection: freezing.refuse_asked(connection, buyer, organisation, dataset, query_id)
        )

    async def refuse_frozen_query(self, query_id: str) -> None:
        """Raise GatewayError `frozen` where a query is, or its buyer, organisation or dataset, or everything."""
        await self._store.glance(lambda connection: freezing.refuse_frozen_query(connection, query_id))

    async def failures(self, buyer: str, dataset: str) -> int:
        """Return how many charged queries of a buyer failed on a dataset."""
        return await self._store.glance(lambda connection: charging.failures(connection, buyer, dataset))

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

        return await self._store.read(work)

    async def running(self, dataset: str) -> tuple[Running, ...]:
        """Return the charged queries of a dataset that are neither answered nor ended, oldest first."""
        found = (
            select(queries.c.query_id, queries.c.buyer, queries.c.charged_at_us, queries.c.lease_until_us)
            .where(queries.c.dataset == dataset, queries.c.state == charging.RUNNING)
            .order_by(queries.c.charged_at_us, queries.c.query_id)
        )

        def work(connection: Connection) -> tuple[Running, ...]:
            return tuple(
                Running(row.query_id, row.buyer, *map(charging.moment, (row.charged_at_us, row.lease_until_us)))
                for row in connection.execute(found)
            )

        return await self._store.read(work)

    async def excuse(self, buyer: str, dataset: str) -> int:
        """Hold a buyer's failures on a dataset against them no longer; return how many. The charges stay.

        The log says which.
        """
        where = (queries.c.buyer == buyer, queries.c.dataset == dataset, queries.c.state == FAILED)
        found = select(queries.c.query_id).where(*where).order_by(queries.c.query_id)

        def work(connection: Connection) -> int:
            named = list(connection.execute(found).scalars())
            if named:
                connection.execute(update(queries).where(*where).values(state=EXCUSED))
                content = {"buyer": buyer, "dataset": dataset, "queries": named}
                leaves.append(connection, "excused", self._clock.now(), content)
            return len(named)

        return await self._store.run(work)

    async def balances(self, wanted: Iterable[Account]) -> tuple[Balance, ...]:
        """Return what each account has spent beside its limits."""
        asked = tuple(wanted)
        return await self._store.read(lambda connection: accounts.balances(connection, asked))

    async def last_cost(self, buyer: str, dataset: str) -> tuple[int, int] | None:
        """Return (rho, delta) of a buyer's last charged query on a dataset; what is free has no rho."""
        found = (
            select(queries.c.rho, queries.c.delta)
            .where(queries.c.buyer == buyer, queries.c.dataset == dataset, queries.c.rho != "0")
            .order_by(queries.c.charged_at_us.desc(), queries.c.log_index.desc())
            .limit(1)
        )

        def work(connection: Connection) -> tuple[int, int] | None:
            row = connection.execute(found).first()
            return None if row is None else (int(row.rho), int(row.delta))

        return await self._store.read(work)

    async def query(self, query_id: str) -> QueryRow | None:
        """Return a query by its id."""

        def work(connection: Connection) -> QueryRow | None:
            row = connection.execute(select(queries).where(queries.c.query_id == query_id)).one_or_none()
            if row is None:
                return None
            answer = bytes(row.answer) if row.answer is not None else None
            lease = charging.moment(row.lease_until_us) if row.state == charging.RUNNING else None
            who = (row.query_id, row.buyer, row.organisation, row.dataset)
            return QueryRow(*who, row.state, row.log_index, answer, lease)

        return await self._store.read(work)


def _refuse_ended(connection: Connection, charge: Charge) -> None:
    """Say what ended a query while its worker was still at it, if anything did."""
    ended = _ENDED.one_or_none(connection, {"running": [charge.query_id]})
    if ended is not None:
        raise charging.ended_early(ended.query_id, ended.state)


def _held(charge: Charge) -> dict[str, object]:
    """Return what tells that a charge is still this worker's."""
    return {"query": charge.query_id, "fence_": charge.fence}
