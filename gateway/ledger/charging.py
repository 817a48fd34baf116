"""The ledger's rules, each a step inside one transaction: idempotency, leases, draws, pace. Nothing here commits."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sqlalchemy import BindParameter, ColumnElement, Connection, bindparam, delete, func, insert, select, update

from gateway.errors import GatewayError, Quota
from gateway.ledger import leaves
from gateway.ledger.model import (
    MAX_FAILURES,
    Charge,
    Failed,
    InFlight,
    Order,
    Stored,
    cancelled,
    stopped,
    suspended,
    withdrawn,
)
from gateway.ledger.sealing import commitment
from gateway.store.prepared import Found, Prepared
from gateway.store.tables import claims, queries, releases

RUNNING, FINISHED, FAILED = "running", "finished", "failed"
EXCUSED = "excused"
"""Failed as well, but not held against the buyer: the provider has looked, or it was none of the buyer's doing."""

CANCELLED = "cancelled"
"""Ended by its buyer while it ran: the charge stays, and it is held against nobody."""

STOPPED = "stopped"
"""Ended by a freeze while it ran: the charge stays, and it is held against nobody."""

WITHDRAWN = "withdrawn"
"""Ended while it ran because its grant ended: the charge stays, and it is held against nobody."""

EARLY = (CANCELLED, STOPPED, WITHDRAWN)
"""Ended while they ran: whoever still works on one is to stop."""

EXPIRED = "expired"
"""Finished, and its answer was kept as long as the policy says: its bytes are gone, its commitment stays."""

Outcome = Charge | InFlight | Stored | Failed

# built once: building a statement takes longer than running it
_BUYER: BindParameter[str] = bindparam("buyer")
_DRAWS: BindParameter[str] = bindparam("draws", expanding=True)
_BY_KEY = Prepared(select(queries).where(queries.c.buyer == _BUYER, queries.c.idempotency_key == bindparam("key")))
_BY_ID = select(queries.c.state).where(queries.c.query_id == bindparam("query"), queries.c.buyer == _BUYER)
_STORED = Prepared(select(releases.c.digest).where(releases.c.buyer == _BUYER, releases.c.digest.in_(_DRAWS)).limit(1))
_CLAIMED = Prepared(select(claims.c.digest).where(claims.c.buyer == _BUYER, claims.c.digest.in_(_DRAWS)).limit(1))
_CLAIM, _OPEN = Prepared(insert(claims)), Prepared(insert(queries))
_FINISH = Prepared(
    update(queries)
    .where(queries.c.query_id == bindparam("query"))
    .values(
        state=FINISHED, answer=bindparam("answer_"), answer_log_index=bindparam("index_"), fence=queries.c.fence + 1
    )
)
_STOP = (
    update(queries)
    .where(queries.c.query_id == bindparam("query"))
    .values(state=bindparam("state_"), note=bindparam("note_"), answer_log_index=bindparam("index_"))
)
_LET_GO = Prepared(delete(claims).where(claims.c.query_id == bindparam("query")))
_COUNT = select(func.count()).select_from(queries)
_HERE = (queries.c.buyer == _BUYER, queries.c.dataset == bindparam("dataset"))
_FAILURES = Prepared(_COUNT.where(*_HERE, queries.c.state == FAILED))
_RUNNING = Prepared(_COUNT.where(*_HERE, queries.c.state == RUNNING, queries.c.lease_until_us > bindparam("now")))
_LEAVING = (
    select(queries.c.charged_at_us)
    .where(queries.c.grant_key == bindparam("grant"), queries.c.charged_at_us > bindparam("since"))
    .order_by(queries.c.charged_at_us)
    .limit(1)
    .offset(bindparam("beyond"))
)
_RECENT = Prepared(
    _COUNT.where(queries.c.grant_key == bindparam("grant"), queries.c.charged_at_us > bindparam("since"))
)


def told(state: str) -> str:
    """Return a state as its buyer is told it: what the provider excused failed, what is no longer kept was finished."""
    return {EXCUSED: FAILED, EXPIRED: FINISHED, WITHDRAWN: STOPPED}.get(state, state).upper()


def microseconds(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000)


def by_key(connection: Connection, buyer: str, idempotency_key: str) -> Found | None:
    """Return the query of an idempotency key."""
    return _BY_KEY.one_or_none(connection, {"buyer": buyer, "key": idempotency_key})


def settled(row: Found, body_digest: str, now: datetime) -> InFlight | Stored | Failed | None:
    """Return what is known of an earlier request with this key; None where its lease has ended without an answer.

    Raises GatewayError `idempotency_conflict` where the body differs, `answer_expired` where it is no longer kept,
    `query_cancelled`, `query_stopped`, `grant_ended`.
    """
    if row.body_digest != body_digest:
        hint = "Use a new Idempotency-Key for another question."
        raise GatewayError("idempotency_conflict", "The idempotency key was used with another body.", hint)
    if row.state == FINISHED:
        return Stored(row.query_id, bytes(row.answer))
    if row.state == EXPIRED:
        hint = "Ask with a new Idempotency-Key: what is stored of it is free."
        raise GatewayError("answer_expired", "The answer to this key is no longer kept.", hint)
    if row.state in EARLY:
        raise ended_early(row.query_id, row.state)
    if row.state in (FAILED, EXCUSED):
        return Failed(row.query_id)
    return InFlight(row.query_id) if row.lease_until_us > microseconds(now) else None


@dataclass(frozen=True, slots=True)
class Lease:
    """For how long a worker holds a query before it renews that, and when at the latest what it rests on ends."""

    length_us: int
    until: datetime | None


def take_over(connection: Connection, row: Found, order: Order, now: datetime, held: Lease) -> Outcome:
    """Redo a charged query whose worker is gone, under the same charge; the fence shuts the earlier worker out.

    A question that is no longer the same (another policy or data version) is not redone: one charge, one draw. Nor is
    one that would cost more than was charged: what it was to be combined with is gone. Raises `store_fenced`.
    """
    leaves.refuse_fenced(connection)  # the log that is missing may say that it was answered
    dearer = int(row.rho) < order.rho or int(row.delta) < order.delta
    if row.question != order.question or dearer:
        changed = "the policy or the data changed before the query could be redone"
        give_up(connection, row.query_id, EXCUSED, changed, now)
        return Failed(row.query_id)
    busy = claim(connection, replace(order, query_id=row.query_id), now)
    if busy is not None:
        return busy
    lease = microseconds(now) + held.length_us
    connection.execute(
        update(queries).where(queries.c.query_id == row.query_id).values(fence=row.fence + 1, lease_until_us=lease)
    )
    return charge_of(row, row.fence + 1, held.until)


def moment(at_us: int) -> datetime:
    return datetime.fromtimestamp(at_us / 1_000_000, tz=UTC)


def charge_of(row: Found, fence: int, until: datetime | None) -> Charge:
    return Charge(row.query_id, fence, row.log_index, row.leaf_hash, moment(row.charged_at_us), until)


def claim(connection: Connection, order: Order, now: datetime) -> InFlight | None:
    """Claim the draws of an order, or return the query of the same buyer that makes or has just made one of them.

    One draw of a primitive for each buyer: whoever comes second waits, and then finds it stored. A claim whose
    worker is gone (its lease has ended) passes on.
    """
    wanted = {"buyer": order.buyer, "draws": order.draws}
    if _STORED.rows(connection, wanted):
        return InFlight(order.query_id)
    if _CLAIMED.rows(connection, wanted):
        busy = _pass_on(connection, order, now)
        if busy is not None:
            return busy
    assert order.draws  # INVARIANT: what draws nothing is free, and is replayed rather than charged
    rows = [{"buyer": order.buyer, "digest": digest, "query_id": order.query_id} for digest in order.draws]
    _CLAIM.write(connection, rows)
    return None


def _pass_on(connection: Connection, order: Order, now: datetime) -> InFlight | None:
    """Take over claims whose workers are gone, or return the query of one that is at work."""
    mine = (claims.c.buyer == order.buyer, claims.c.digest.in_(order.draws))
    live = (
        select(queries.c.query_id)
        .join(claims, claims.c.query_id == queries.c.query_id)
        .where(
            *mine,
            queries.c.idempotency_key != order.idempotency_key,
            queries.c.state == RUNNING,
            queries.c.lease_until_us > microseconds(now),
        )
    )
    found = connection.execute(live).first()
    if found is not None:
        return InFlight(found.query_id)
    gone = select(claims.c.query_id).where(*mine, claims.c.query_id != order.query_id)
    connection.execute(
        update(queries).where(queries.c.query_id.in_(gone)).values(fence=queries.c.fence + 1)  # its draw must not leave
    )
    connection.execute(delete(claims).where(*mine))
    return None


def give_up(connection: Connection, query_id: str, state: str, note: str, now: datetime) -> None:
    """Mark a charged query as failed for good, in its row and in the log; the charge stays."""
    why = {state: True} if state in (EXCUSED, *EARLY) else {}
    index, _hash = leaves.append(connection, "failed", now, {"query_id": query_id, **why})
    given_up = {"state": state, "note": note[:2000], "answer_log_index": index}
    connection.execute(update(queries).where(queries.c.query_id == query_id).values(**given_up))
    let_go(connection, query_id)


def stop(
    connection: Connection, which: Iterable[ColumnElement[bool]], why: str, now: datetime, state: str = STOPPED
) -> list[str]:
    """End the running queries of some rows: their draws can no longer leave, their charges stay. Return which."""
    found = select(queries.c.query_id).where(queries.c.state == RUNNING, *which).order_by(queries.c.query_id)
    running = list(connection.execute(found).scalars())
    if running:  # together: hundreds may run, and a freeze is not to wait for a statement of each
        told = leaves.append_all(connection, "failed", now, [{"query_id": one, state: True} for one in running])
        rows = [
            {"query": one, "state_": state, "note_": why[:2000], "index_": index}
            for one, (index, _) in zip(running, told, strict=True)
        ]
        connection.execute(_STOP, rows)
        connection.execute(delete(claims).where(claims.c.query_id.in_(running)))
    return running


def put_away(connection: Connection, query_id: str, now: datetime) -> None:
    """Give up a charged query whose worker is gone, and let its idempotency key go to what is free by now.

    Each answer has its own query's id and cost: this one's would not be those of its charge. No key holds a space.
    """
    give_up(connection, query_id, EXCUSED, "its worker was gone; what it asked was stored and free by then", now)
    key = queries.c.idempotency_key + f" {query_id}"
    connection.execute(update(queries).where(queries.c.query_id == query_id).values(idempotency_key=key))


def ended_early(query_id: str, state: str) -> GatewayError:
    """Return the answer to whoever asks for a query that ended while it ran."""
    return {STOPPED: stopped, WITHDRAWN: withdrawn}.get(state, cancelled)(query_id)


def cancel(connection: Connection, buyer: str, query_id: str, now: datetime) -> str | None:
    """End a buyer's query if it still runs; return its state then, None where the buyer has no such query."""
    row = connection.execute(_BY_ID, {"query": query_id, "buyer": buyer}).one_or_none()
    if row is None:
        return None
    if row.state != RUNNING:
        return str(row.state)
    give_up(connection, query_id, CANCELLED, "its buyer cancelled it", now)
    return CANCELLED


def answered(connection: Connection, query_id: str, salt: bytes, answer: bytes, now: datetime) -> None:
    """Finish a charged query: commit to its answer in the log, keep the bytes, shut other workers out."""
    content = {"query_id": query_id, "answer": commitment(salt, answer)}
    index, _hash = leaves.append(connection, "answered", now, content)
    _FINISH.change(connection, {"query": query_id, "answer_": answer, "index_": index})
    let_go(connection, query_id)


def let_go(connection: Connection, query_id: str) -> None:
    """End a query's claims."""
    _LET_GO.change(connection, {"query": query_id})


def failures(connection: Connection, buyer: str, dataset: str) -> int:
    """Return how many charged queries of a buyer failed on a dataset and are not excused."""
    return _FAILURES.number(connection, {"buyer": buyer, "dataset": dataset})


def refuse_suspended(connection: Connection, order: Order) -> int:
    """Refuse a buyer whose queries failed, in the charge's own transaction: also those that were admitted before.

    Returns how many failed so far.
    """
    failed = failures(connection, order.buyer, order.dataset)
    if failed >= MAX_FAILURES:
        raise suspended()
    return failed


def keep_pace(connection: Connection, order: Order, now: datetime, failed: int) -> None:
    """Hold a buyer to its grant's rate, and to so many queries at once.

    A buyer with a failure on a dataset runs one query there at a time, so that no further ones fail unseen beside it.
    Raises GatewayError `rate_limited` or `too_many_running`.
    """
    allowance = order.allowance
    if allowance.rate_count is not None and allowance.rate_seconds is not None:
        since = microseconds(now) - allowance.rate_seconds * 1_000_000
        recent = _RECENT.number(connection, {"grant": allowance.grant, "since": since})
        if recent >= allowance.rate_count:
            detail = f"The grant allows {allowance.rate_count:,} queries in {allowance.rate_seconds:,} seconds."
            error = GatewayError("rate_limited", detail, "Ask again a little later; repeats are free.")
            # room comes when the query that is that many before the newest leaves the window
            leaving = {"grant": allowance.grant, "since": since, "beyond": recent - allowance.rate_count}
            wait_us = connection.execute(_LEAVING, leaving).scalar_one() - since
            wait_s = -(-wait_us // 1_000_000)
            error.quota = Quota("grant", allowance.rate_count, allowance.rate_seconds, 0, wait_s)
            raise error
    limit = 1 if failed else allowance.at_once
    here = {"buyer": order.buyer, "dataset": order.dataset, "now": microseconds(now)}
    if limit is not None and _RUNNING.number(connection, here) >= limit:
        detail = f"{limit:,} of your queries run here at once, and no more may."
        raise GatewayError("too_many_running", detail, "Ask again when one of them is done.")


@dataclass(frozen=True, slots=True)
class Opening:
    """How a query's row begins: running under a lease, or finished with the answer of a free repeat."""

    state: str
    salt: bytes
    leaf: tuple[int, str]
    lease_us: int = 0
    answer: bytes | None = None


def open_query(connection: Connection, order: Order, now: datetime, opening: Opening) -> None:
    """Write the row of a query."""
    open_queries(connection, [(order, opening)], now)


def open_queries(connection: Connection, opened: Iterable[tuple[Order, Opening]], now: datetime) -> None:
    """Write the rows of queries."""
    _OPEN.write(connection, [_row(order, opening, microseconds(now)) for order, opening in opened])


def _row(order: Order, opening: Opening, at: int) -> dict[str, object]:
    return {
        "query_id": order.query_id,
        "buyer": order.buyer,
        "organisation": order.organisation,
        "dataset": order.dataset,
        "grant_key": order.allowance.grant if opening.state == RUNNING else f"replay:{order.allowance.grant}",
        "idempotency_key": order.idempotency_key,
        "body_digest": order.body_digest,
        "question": order.question,
        "fingerprint": order.fingerprint,
        "state": opening.state,
        "fence": 1,
        "lease_until_us": at + opening.lease_us,
        "charged_at_us": at,
        "rho": str(order.rho),
        "delta": str(order.delta),
        "amount": f"{order.amount:f}",
        "currency": order.currency,
        "salt": opening.salt,
        "log_index": opening.leaf[0],
        "leaf_hash": opening.leaf[1],
        "answer_log_index": opening.leaf[0] if opening.answer is not None else None,
        "answer": opening.answer,
    }
