"""The ledger's rules, each a step inside one transaction: accounts, uses, rates, leases. Nothing here commits."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from gateway.errors import GatewayError
from gateway.ledger.events import BUYER_VISIBLE, canonical, event_line, timestamp
from gateway.ledger.model import (
    MAX_FAILURES,
    Account,
    Allowance,
    Balance,
    Charge,
    Failed,
    InFlight,
    Order,
    Release,
    Stored,
    suspended,
)
from gateway.store import log
from gateway.store.tables import accounts, claims, events, queries, releases, uses
from gateway.store.tables import series as lines

RUNNING, FINISHED, FAILED = "running", "finished", "failed"
EXCUSED = "excused"
"""Failed as well, but not held against the buyer: the provider has looked, or it was none of the buyer's doing."""

Outcome = Charge | InFlight | Stored | Failed


def microseconds(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000)


def by_key(connection: Connection, buyer: str, idempotency_key: str) -> Row[Any] | None:
    """Return the query of an idempotency key."""
    return connection.execute(
        select(queries).where(queries.c.buyer == buyer, queries.c.idempotency_key == idempotency_key)
    ).one_or_none()


def settled(row: Row[Any], body_digest: str, now: datetime) -> InFlight | Stored | Failed | None:
    """Return what is known of an earlier request with this key; None where its lease has ended without an answer.

    Raises GatewayError `idempotency_conflict` where the body differs.
    """
    if row.body_digest != body_digest:
        hint = "Use a new Idempotency-Key for another question."
        raise GatewayError("idempotency_conflict", "The idempotency key was used with another body.", hint)
    if row.state == FINISHED:
        return Stored(row.query_id, bytes(row.answer))
    if row.state in (FAILED, EXCUSED):
        return Failed(row.query_id)
    return InFlight(row.query_id) if row.lease_until_us > microseconds(now) else None


def take_over(connection: Connection, row: Row[Any], order: Order, now: datetime, lease_us: int) -> Outcome:
    """Redo a charged query whose worker is gone, under the same charge; the fence shuts the earlier worker out.

    A question that is no longer the same (another policy or data version) is not redone: one charge, one draw. Nor is
    one that would cost more than was charged: what it was to be combined with is gone.
    """
    dearer = int(row.rho) < order.rho or int(row.delta) < order.delta
    if row.question != order.question or dearer:
        changed = "the policy or the data changed before the query could be redone"
        connection.execute(
            update(queries).where(queries.c.query_id == row.query_id).values(state=EXCUSED, note=changed)
        )
        let_go(connection, row.query_id)
        return Failed(row.query_id)
    busy = claim(connection, replace(order, query_id=row.query_id), now)
    if busy is not None:
        return busy
    lease = microseconds(now) + lease_us
    connection.execute(
        update(queries).where(queries.c.query_id == row.query_id).values(fence=row.fence + 1, lease_until_us=lease)
    )
    return charge_of(row, row.fence + 1)


def moment(at_us: int) -> datetime:
    return datetime.fromtimestamp(at_us / 1_000_000, tz=UTC)


def charge_of(row: Row[Any], fence: int) -> Charge:
    return Charge(row.query_id, fence, row.log_index, row.leaf_hash, moment(row.charged_at_us))


def claim(connection: Connection, order: Order, now: datetime) -> InFlight | None:
    """Claim the draws of an order, or return the query of the same buyer that makes or has just made one of them.

    One draw of a primitive for each buyer: whoever comes second waits, and then finds it stored. A claim whose
    worker is gone (its lease has ended) passes on.
    """
    stored = connection.execute(
        select(releases.c.digest).where(releases.c.buyer == order.buyer, releases.c.digest.in_(order.draws))
    ).first()
    if stored is not None:
        return InFlight(order.query_id)
    live = (
        select(queries.c.query_id)
        .join(claims, claims.c.query_id == queries.c.query_id)
        .where(
            claims.c.buyer == order.buyer,
            claims.c.digest.in_(order.draws),
            queries.c.idempotency_key != order.idempotency_key,
            queries.c.state == RUNNING,
            queries.c.lease_until_us > microseconds(now),
        )
    )
    found = connection.execute(live).first()
    if found is not None:
        return InFlight(found.query_id)
    mine = (claims.c.buyer == order.buyer, claims.c.digest.in_(order.draws))
    gone = select(claims.c.query_id).where(*mine, claims.c.query_id != order.query_id)
    connection.execute(
        update(queries).where(queries.c.query_id.in_(gone)).values(fence=queries.c.fence + 1)  # its draw must not leave
    )
    connection.execute(delete(claims).where(*mine))
    for digest in order.draws:
        connection.execute(insert(claims).values(buyer=order.buyer, digest=digest, query_id=order.query_id))
    return None


def keep(connection: Connection, buyer: str, digest: str, content: bytes) -> bytes | None:
    """Keep a release under a name; return what is kept there already: the first stays."""
    mine = select(releases.c.content).where(releases.c.buyer == buyer, releases.c.digest == digest)
    earlier = connection.execute(mine).scalar()
    if earlier is not None:
        return bytes(earlier)
    connection.execute(insert(releases).values(buyer=buyer, digest=digest, content=content))
    return None


def advance(connection: Connection, buyer: str, digest: str, release: Release) -> None:
    """Make a release the most exact of its series, unless another is."""
    mine = (lines.c.buyer == buyer, lines.c.series == release.series)
    earlier = connection.execute(select(lines.c.worth).where(*mine)).scalar()
    values = {"digest": digest, "worth": str(release.worth)}
    if earlier is None:
        connection.execute(insert(lines).values(buyer=buyer, series=release.series, **values))
    elif int(earlier) < release.worth:
        connection.execute(update(lines).where(*mine).values(**values))


def let_go(connection: Connection, query_id: str) -> None:
    """End a query's claims."""
    connection.execute(delete(claims).where(claims.c.query_id == query_id))


def balance(connection: Connection, account: Account) -> Balance:
    """Return what an account has spent beside today's limits."""
    row = connection.execute(select(accounts).where(accounts.c.key == account.key)).one_or_none()
    rho, delta = (int(row.rho_spent), int(row.delta_spent)) if row is not None else (0, 0)
    return Balance(account.key, account.rho_limit, rho, account.delta_limit, delta)


def debit(connection: Connection, order: Order) -> None:
    """Debit every account of an order. Raises GatewayError `budget_exhausted` at the first that cannot pay."""
    for account in order.accounts:
        held = balance(connection, account)
        rho, delta = held.rho_spent + order.rho, held.delta_spent + order.delta
        if rho > account.rho_limit or delta > account.delta_limit:
            raise _exhausted(held, order)
        values = {"rho_spent": str(rho), "delta_spent": str(delta)}
        changed = connection.execute(update(accounts).where(accounts.c.key == account.key).values(**values))
        if changed.rowcount == 0:
            connection.execute(insert(accounts).values(key=account.key, **values))


def _exhausted(held: Balance, order: Order) -> GatewayError:
    level = held.key.partition("/")[0]
    kind = "rho" if held.rho_spent + order.rho > held.rho_limit else "delta for private keys"
    detail = f"The budget of level '{level}' does not cover this query: its {kind} is spent."
    left = max(held.rho_limit - held.rho_spent, 0) / 1e12
    hint = f"Left at this level: rho {left:.6g}; the query needs {order.rho / 1e12:.6g}. Ask with a smaller epsilon."
    return GatewayError("budget_exhausted", detail, hint)


def failures(connection: Connection, buyer: str, dataset: str) -> int:
    """Return how many charged queries of a buyer failed on a dataset and are not excused."""
    where = (queries.c.buyer == buyer, queries.c.dataset == dataset, queries.c.state == FAILED)
    return connection.execute(select(func.count()).select_from(queries).where(*where)).scalar_one()


def refuse_suspended(connection: Connection, order: Order) -> None:
    """Refuse a buyer whose queries failed, in the charge's own transaction: also those that were admitted before."""
    if failures(connection, order.buyer, order.dataset) >= MAX_FAILURES:
        raise suspended()


def use(connection: Connection, allowance: Allowance, now: datetime) -> None:
    """Count one use of a grant. Raises `uses_exhausted`, or `rate_limited` within the grant's window."""
    key = allowance.grant
    count = connection.execute(select(uses.c.count).where(uses.c.grant_key == key)).scalar()
    if allowance.uses is not None and (count or 0) >= allowance.uses:
        hint = "Ask the provider for another grant."
        raise GatewayError("uses_exhausted", f"The grant's {allowance.uses:,} uses are spent.", hint)
    if allowance.rate_count is not None and allowance.rate_seconds is not None:
        since = microseconds(now) - allowance.rate_seconds * 1_000_000
        recent = (
            select(func.count()).select_from(queries).where(queries.c.grant_key == key, queries.c.charged_at_us > since)
        )
        if connection.execute(recent).scalar_one() >= allowance.rate_count:
            detail = f"The grant allows {allowance.rate_count:,} queries in {allowance.rate_seconds:,} seconds."
            raise GatewayError("rate_limited", detail, "Ask again a little later; repeats are free.")
    if count is None:
        connection.execute(insert(uses).values(grant_key=key, count=1))
    else:
        connection.execute(update(uses).where(uses.c.grant_key == key).values(count=count + 1))


def note(connection: Connection, source: str, type_: str, order: Order, now: datetime) -> tuple[int, str]:
    """Append an order to the log and the meter events; return the leaf's index and hash."""
    facts = json.loads(order.facts)
    spent = {
        "rho": str(order.rho),
        "delta": str(order.delta),
        "amount": f"{order.amount:f}",
        "currency": order.currency,
    }
    leaf = {"kind": type_, "query_id": order.query_id, "time": timestamp(now), **facts, **spent}
    index, leaf_hash = log.append(connection, canonical(leaf).encode())
    line = event_line(source, type_, order.query_id, now, {**facts, **spent, "log_index": index})
    connection.execute(insert(events).values(visibility=BUYER_VISIBLE, dataset=order.dataset, line=line))
    return index, leaf_hash


def open_query(
    connection: Connection, order: Order, now: datetime, state: str, lease_us: int, leaf: tuple[int, str],
    answer: bytes | None = None,
) -> None:  # fmt: skip
    """Write the row of a query."""
    at = microseconds(now)
    connection.execute(
        insert(queries).values(
            query_id=order.query_id,
            buyer=order.buyer,
            organisation=order.organisation,
            dataset=order.dataset,
            grant_key=order.allowance.grant if state == RUNNING else f"replay:{order.allowance.grant}",
            idempotency_key=order.idempotency_key,
            body_digest=order.body_digest,
            question=order.question,
            state=state,
            fence=1,
            lease_until_us=at + lease_us,
            charged_at_us=at,
            rho=str(order.rho),
            delta=str(order.delta),
            amount=f"{order.amount:f}",
            currency=order.currency,
            log_index=leaf[0],
            leaf_hash=leaf[1],
            answer=answer,
        )
    )
