"""Grants of the store: what buyers asked for, what providers signed, and whether one holds at a charge.

A revocation ends what runs of its grant in its own transaction, as a freeze does: charges stay. Expiry has no leaf of
its own: the end stands in the signed terms, and every charge, repeat and renewal looks at it.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, func, insert, or_, select, update

from gateway.errors import GatewayError
from gateway.ledger import charging, leaves, paging, signing_keys
from gateway.ledger.charging import WITHDRAWN, microseconds, moment
from gateway.ledger.model import Basis, Order, account_part
from gateway.ledger.paging import FIRST, Listed, Page
from gateway.ports import Clock
from gateway.store import log
from gateway.store.database import Store
from gateway.store.prepared import Found, Prepared
from gateway.store.tables import grants, queries
from gateway.store.tables import signing_keys as keys

REQUESTED, GRANTED, REFUSED, REVOKED = "requested", "granted", "refused", "revoked"

MOST_WAITING = 100
"""How many requests of one organisation may wait at once: each is a leaf of the log, and a line before providers."""

KINDS = frozenset({"grant-requested", "grant-granted", "grant-refused", "grant-revoked"})
"""The leaves that make the table of grants."""

_ORDER = paging.Order((grants.c.requested_at_us, grants.c.grant_id), latest_first=True)
_KEY = and_(keys.c.organisation == grants.c.provider, keys.c.key_id == grants.c.key_id)
_WITH_KEY = select(grants, keys.c.public_key).join(keys, _KEY, isouter=True)
# "granted" stands before "revoked" in the alphabet too: what holds comes first
_EVER_GRANTED = Prepared(
    _WITH_KEY.where(grants.c.organisation == bindparam("of"), grants.c.state.in_((GRANTED, REVOKED))).order_by(
        grants.c.state, grants.c.decided_at_us.desc()
    )
)
_WAITING = (
    select(func.count())
    .select_from(grants)
    .where(grants.c.organisation == bindparam("of"), grants.c.state == REQUESTED)
)
_STANDING = Prepared(
    select(grants.c.grant_id, grants.c.state, grants.c.digest, grants.c.ends_at_us).where(
        grants.c.grant_id.in_(bindparam("ids", expanding=True))
    )
)


@dataclass(frozen=True, slots=True)
class StoredGrant:
    """A grant as it stands: `asked` is what its buyer wants, `terms` what its provider signed, both as JSON."""

    grant_id: str
    dataset: str
    provider: str
    organisation: str
    state: str
    asked: str
    why: str
    requested_by: str
    requested_at: datetime
    terms: str | None
    signature: str | None
    key_id: str | None
    public_key: str | None
    digest: str | None
    ends_at: datetime | None
    decided_by: str | None
    decided_at: datetime | None
    revoked_by: str | None
    revoked_at: datetime | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Signed:
    """What a provider signed, as it was verified: canonical terms, by whose key, their digest and their end."""

    terms: str
    signature: str
    key_id: str
    digest: str
    ends_at: datetime | None


def settle(connection: Connection, content: Mapping[str, Any], at: datetime) -> None:
    """Do to the table what a leaf of KINDS says."""
    now, by = microseconds(at), content["by"]
    match content["kind"]:
        case "grant-requested":
            named = ("grant_id", "dataset", "provider", "organisation", "asked", "why")
            row = {name: content[name] for name in named}
            made = row | {"state": REQUESTED, "requested_by": by, "requested_at_us": now}
            connection.execute(insert(grants).values(**made))
            return
        case "grant-granted":
            ends = content["ends_at"]
            changed = {name: content[name] for name in ("terms", "signature", "key_id", "digest")} | {
                "state": GRANTED,
                "ends_at_us": None if ends is None else microseconds(datetime.fromisoformat(ends)),
                "decided_by": by,
                "decided_at_us": now,
            }
        case "grant-refused":
            changed = {"state": REFUSED, "decided_by": by, "decided_at_us": now, "reason": content["reason"]}
        case _:
            changed = {"state": REVOKED, "revoked_by": by, "revoked_at_us": now, "reason": content["reason"]}
    connection.execute(update(grants).where(grants.c.grant_id == content["grant_id"]).values(**changed))


# -- at a charge ------------------------------------------------------------------------------------------------------

Standing = Mapping[str, Found]
"""How grants stand, by id."""


def standing(connection: Connection, bases: Iterable[Basis]) -> Standing:
    """Return how the grants of some orders stand; those that a policy names are none of the store's."""
    ids = sorted({basis.grant_id for basis in bases if basis.grant_id is not None})
    return {row.grant_id: row for row in _STANDING.rows(connection, {"ids": ids})} if ids else {}


def refuse_ended(held: Standing, basis: Basis, now: datetime) -> None:
    """Refuse an order whose grant has ended since it was admitted. Raises GatewayError `grant_not_valid`."""
    hint = "Ask the provider for a new one."
    if basis.until is not None and now >= basis.until:
        raise GatewayError("grant_not_valid", "The grant has just ended.", hint)
    if basis.grant_id is None:
        return
    found = held.get(basis.grant_id)
    if found is None or found.state != GRANTED or found.digest != basis.terms:
        raise GatewayError("grant_not_valid", "The grant has just been revoked.", hint)
    if found.ends_at_us is not None and microseconds(now) >= found.ends_at_us:
        raise GatewayError("grant_not_valid", "The grant has just ended.", hint)


def end_of_charged(connection: Connection, row: Found, order: Order, now: datetime) -> datetime | None:
    """Return when the grant ends that a query was charged under, which is to be redone for an order.

    Its charge is of that grant for good, whichever admits the question by now: that grant's end or revocation ends it,
    and the other's takes nothing from it. Raises GatewayError `grant_not_valid` where it has ended; and, where another
    grant admits the question, also where the price is another, or the first one is the policy's, which admits it no
    longer.
    """
    if row.grant_key == order.allowance.grant:
        refuse_ended(standing(connection, [order.basis]), order.basis, now)
        return order.basis.until
    charged, asked = json.loads(log.read_leaf(connection, row.log_index)), json.loads(order.facts)
    priced = ("price_plan", "price_plan_version")
    if charged.get("grant_terms") is None or any(charged.get(name) != asked.get(name) for name in priced):
        hint = "Ask with a new Idempotency-Key: it is charged under the grant that you have now."
        raise GatewayError("grant_not_valid", "The query was charged under another grant, and was not done.", hint)
    basis = Basis(charged["grant"], charged["grant_terms"])
    held = standing(connection, [basis])
    refuse_ended(held, basis, now)
    ends = held[charged["grant"]].ends_at_us
    return None if ends is None else moment(ends)


def _running(grant_id: str) -> tuple[ColumnElement[bool], ...]:
    """Return what tells the queries of a grant: its id stands at the end of their account's name, and nowhere else."""
    return (queries.c.grant_key.endswith(f"/{account_part(grant_id)}", autoescape=True),)


# -- the grants themselves --------------------------------------------------------------------------------------------


class Grants:
    """Every method is one transaction; every process of the store keeps to what stands there."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def request(
        self, grant_id: str, provider: str, dataset: str, organisation: str, asked: str, why: str, person: str
    ) -> StoredGrant:
        """Write down what a buyer asks for; it gives nothing yet.

        Raises GatewayError `too_many_requests` where so many of its organisation's requests wait for a decision.
        """
        content = {
            "grant_id": grant_id,
            "dataset": dataset,
            "provider": provider,
            "organisation": organisation,
            "asked": asked,
            "why": why,
            "by": person,
        }

        def work(connection: Connection) -> StoredGrant:
            if connection.execute(_WAITING, {"of": organisation}).scalar_one() >= MOST_WAITING:
                detail = f"{MOST_WAITING:,} requests of your organisation wait for a decision."
                raise GatewayError("too_many_requests", detail, "Ask again when providers have decided on some.")
            return self._told(connection, "grant-requested", content)

        return await self._store.run(work)

    async def grant(self, grant_id: str, signed: Signed, person: str) -> StoredGrant:
        """Grant what was requested, by terms whose signature was verified.

        Raises GatewayError `grant_not_open`, or `grant_not_signed` where the key may not sign any more.
        """

        def work(connection: Connection) -> StoredGrant:
            found = _open(connection, grant_id, REQUESTED)
            signing_keys.refuse_unconfirmed(connection, found.provider, signed.key_id)
            content = {
                "grant_id": grant_id,
                "terms": signed.terms,
                "signature": signed.signature,
                "key_id": signed.key_id,
                "digest": signed.digest,
                "ends_at": None if signed.ends_at is None else signed.ends_at.isoformat(),
                "by": person,
            }
            return self._told(connection, "grant-granted", content)

        return await self._store.run(work)

    async def refuse(self, grant_id: str, reason: str, person: str) -> StoredGrant:
        """Refuse what was requested. Raises GatewayError `grant_not_open`."""

        def work(connection: Connection) -> StoredGrant:
            _open(connection, grant_id, REQUESTED)
            return self._told(connection, "grant-refused", {"grant_id": grant_id, "reason": reason, "by": person})

        return await self._store.run(work)

    async def revoke(self, grant_id: str, reason: str, person: str) -> tuple[StoredGrant, list[str]]:
        """Take a grant back, and end what runs of it; return it and the queries that were ended.

        Raises GatewayError `grant_not_open`.
        """

        def work(connection: Connection) -> tuple[StoredGrant, list[str]]:
            _open(connection, grant_id, GRANTED)
            now = self._clock.now()
            ended = charging.stop(connection, _running(grant_id), "its grant was revoked", now, WITHDRAWN)
            content = {"grant_id": grant_id, "reason": reason, "by": person, "ended": len(ended)}
            return self._told(connection, "grant-revoked", content), ended

        return await self._store.run(work)

    async def find(self, grant_id: str) -> StoredGrant | None:
        """Return a grant by its id."""
        return await self._store.read(lambda connection: _find(connection, grant_id))

    async def listed(self, organisation: str | None, provider: str | None, page: Page = FIRST) -> Listed[StoredGrant]:
        """Return a page of the grants to an organisation and of a provider, the latest first; with neither, of all."""
        sides = [
            column == name
            for column, name in ((grants.c.organisation, organisation), (grants.c.provider, provider))
            if name is not None
        ]
        wanted = _WITH_KEY.where(or_(*sides)) if sides else _WITH_KEY

        def work(connection: Connection) -> Listed[StoredGrant]:
            rows, cursor = _ORDER.page(connection, wanted, page)
            return Listed(tuple(map(_grant, rows)), cursor)

        return await self._store.read(work)

    async def ever_granted(self, organisation: str) -> tuple[StoredGrant, ...]:
        """Return what was granted to an organisation, also what was revoked since: the latest first."""
        return await self._store.glance(
            lambda connection: tuple(map(_grant, _EVER_GRANTED.rows(connection, {"of": organisation})))
        )

    def _told(self, connection: Connection, kind: str, content: dict[str, Any]) -> StoredGrant:
        now = self._clock.now()
        leaves.append(connection, kind, now, content)
        settle(connection, {"kind": kind, **content}, now)
        found = _find(connection, content["grant_id"])
        assert found is not None  # INVARIANT: it was written just now
        return found


def _find(connection: Connection, grant_id: str) -> StoredGrant | None:
    row = connection.execute(_WITH_KEY.where(grants.c.grant_id == grant_id)).one_or_none()
    return None if row is None else _grant(row)


def _open(connection: Connection, grant_id: str, state: str) -> StoredGrant:
    found = _find(connection, grant_id)
    if found is None:
        raise GatewayError("not_found", "There is no such grant for you.", "GET /v1/grants lists them.")
    if found.state != state:
        hint = "GET /v1/grants/{id} says how it stands."
        raise GatewayError("grant_not_open", f"The grant is {found.state}, not {state}.", hint)
    return found


def _grant(row: Found) -> StoredGrant:
    def at(us: int | None) -> datetime | None:
        return None if us is None else moment(us)

    return StoredGrant(
        grant_id=row.grant_id,
        dataset=row.dataset,
        provider=row.provider,
        organisation=row.organisation,
        state=row.state,
        asked=row.asked,
        why=row.why,
        requested_by=row.requested_by,
        requested_at=moment(row.requested_at_us),
        terms=row.terms,
        signature=row.signature,
        key_id=row.key_id,
        public_key=row.public_key,
        digest=row.digest,
        ends_at=at(row.ends_at_us),
        decided_by=row.decided_by,
        decided_at=at(row.decided_at_us),
        revoked_by=row.revoked_by,
        revoked_at=at(row.revoked_at_us),
        reason=row.reason,
    )
