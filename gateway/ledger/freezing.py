"""What is frozen: a query, a buyer, an organisation, a dataset, or everything. Until it is lifted nothing of it runs.

A freeze ends the running queries that it covers in its own transaction: their draws can no longer leave, their charges
stay. Whoever works on one finds so in the store (app/tracking.py). A member that is suspended is held up as well, under
scopes of its own that ledger/members.py alone sets and lifts.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, or_, select, tuple_

from gateway.errors import GatewayError
from gateway.ledger import charging, leaves
from gateway.ledger.charging import microseconds, moment
from gateway.ledger.model import Known, Stored
from gateway.ledger.standing import suspended_member
from gateway.ports import Clock
from gateway.store.database import Store
from gateway.store.prepared import Found, Prepared
from gateway.store.tables import freezes, queries
from gateway.store.upsert import upsert

EVERYTHING = ""
"""The name under the scope ALL."""


class Scope(StrEnum):
    """What a freeze is of."""

    QUERY = "query"
    BUYER = "buyer"
    ORGANISATION = "organisation"
    DATASET = "dataset"
    ALL = "all"
    MEMBER = "member"
    """An organisation that is suspended."""
    PERSON = "person"
    """A buyer that is suspended."""


SUSPENDED = (Scope.MEMBER, Scope.PERSON)
"""What is no freeze: nobody freezes or lifts these, and no list of freezes shows them."""

_TOLD = {
    Scope.QUERY: "This query is frozen.",
    Scope.BUYER: "Your use of the gateway is frozen.",
    Scope.ORGANISATION: "Your organisation's use of the gateway is frozen.",
    Scope.DATASET: "The dataset is frozen.",
    Scope.ALL: "The gateway is frozen.",
}

_PLACES = tuple_(freezes.c.scope, freezes.c.name)
_COVERING = Prepared(select(freezes.c.scope, freezes.c.name).where(_PLACES.in_(bindparam("places", expanding=True))))


_NAMED = {
    Scope.QUERY: queries.c.query_id,
    Scope.BUYER: queries.c.buyer,
    Scope.ORGANISATION: queries.c.organisation,
    Scope.DATASET: queries.c.dataset,
    Scope.MEMBER: queries.c.organisation,
    Scope.PERSON: queries.c.buyer,
}
"""Which column of a query has its name within a scope."""


def _named(of: Mapping[Scope, ColumnElement[str]]) -> ColumnElement[bool]:
    """Return the condition that a freeze is of everything or of one of these."""
    each = (and_(freezes.c.scope == scope.value, freezes.c.name == name) for scope, name in of.items())
    return or_(freezes.c.scope == Scope.ALL.value, *each)


# built once: building a statement takes longer than running it, and so does one of as many places as are asked for
_OF_QUERY = Prepared(
    select(freezes.c.scope).join(queries, queries.c.query_id == bindparam("query")).where(_named(_NAMED)).limit(1)
)
_OF_ASKED = Prepared(
    select(freezes.c.scope).where(
        _named({scope: bindparam(column.name, type_=column.type, unique=False) for scope, column in _NAMED.items()})
    )
)
_OF_KEY = Prepared(
    select(
        queries.c.query_id,
        queries.c.body_digest,
        queries.c.state,
        queries.c.lease_until_us,
        queries.c.answer,
        select(freezes.c.scope).where(_named(_NAMED)).limit(1).correlate(queries).scalar_subquery().label("frozen"),
    ).where(queries.c.buyer == bindparam("buyer"), queries.c.idempotency_key == bindparam("key"))
)


@dataclass(frozen=True, slots=True)
class Target:
    """What is frozen: a scope and its name there, EVERYTHING for ALL. A buyer's name is that of ledger.model."""

    scope: Scope
    name: str = EVERYTHING


@dataclass(frozen=True, slots=True)
class Freeze:
    """A freeze that holds: of what, why, by whom, since when."""

    target: Target
    reason: str
    by: str
    at: datetime


def covering(buyer: str, organisation: str, dataset: str | None = None, query_id: str | None = None) -> list[Target]:
    """Return what would have to be frozen for a question to be."""
    named = {Scope.BUYER: buyer, Scope.ORGANISATION: organisation, Scope.DATASET: dataset, Scope.QUERY: query_id}
    frozen = [Target(Scope.ALL), *(Target(scope, name) for scope, name in named.items() if name is not None)]
    return [*frozen, *standing(buyer, organisation)]


def standing(buyer: str, organisation: str) -> list[Target]:
    """Return what would have to be suspended for a person to be."""
    return [Target(Scope.MEMBER, organisation), Target(Scope.PERSON, buyer)]


def frozen(connection: Connection, targets: Iterable[Target]) -> frozenset[Target]:
    """Return which of some targets are frozen, or suspended."""
    places = [(target.scope.value, target.name) for target in targets]
    return frozenset(Target(Scope(scope), name) for scope, name in _COVERING.rows(connection, {"places": places}))


def refuse(held: Collection[Target], targets: Sequence[Target]) -> None:
    """Raise GatewayError `frozen` or `member_suspended` where one of some targets is among those that are."""
    _refuse(next((target.scope for target in targets if target in held), None))


def refuse_frozen(connection: Connection, targets: Sequence[Target]) -> None:
    """Raise GatewayError `frozen` or `member_suspended` where one of some targets is."""
    refuse(frozen(connection, targets), targets)


def refuse_frozen_query(connection: Connection, query_id: str) -> None:
    """Raise GatewayError `frozen` where a query is, or its buyer, organisation or dataset, or everything.

    Raises `member_suspended` where its buyer or organisation is.
    """
    _refuse(_OF_QUERY.value(connection, {"query": query_id}))


def refuse_asked(
    connection: Connection, buyer: str, organisation: str, dataset: str | None = None, query_id: str | None = None
) -> None:
    """Raise GatewayError `frozen` or `member_suspended` where a question of these is."""
    asked = {"buyer": buyer, "organisation": organisation, "dataset": dataset, "query_id": query_id}
    found = {row.scope for row in _OF_ASKED.rows(connection, asked)}
    if found:
        _refuse(
            next(target.scope for target in covering(buyer, organisation, dataset, query_id) if target.scope in found)
        )


def known(connection: Connection, buyer: str, key: str, body_digest: str, now: datetime) -> Known | None:
    """Return what `settled` returns of an idempotency key, None where it is not known. Raises as it does."""
    row = _OF_KEY.one_or_none(connection, {"buyer": buyer, "key": key})
    found = None if row is None else charging.settled(row, body_digest, now)
    if row is not None and isinstance(found, Stored):
        _refuse(row.frozen)
    return found


def _refuse(found: str | None) -> None:
    if found in SUSPENDED:
        raise suspended_member()
    if found is not None:
        hint = "Ask the exchange's supervisor or the dataset's provider; the log says since when."
        raise GatewayError("frozen", _TOLD[Scope(found)], hint)


def settled(connection: Connection, row: Found, body_digest: str, now: datetime) -> Known | None:
    """Return what `charging.settled` returns; but no answer that is frozen. Raises as it does, and `frozen`."""
    known = charging.settled(row, body_digest, now)
    if isinstance(known, Stored):
        refuse_frozen_query(connection, known.query_id)
    return known


def settle(connection: Connection, content: dict[str, object], at: datetime) -> None:
    """Give a restored store the freeze, or its end, that a leaf tells of."""
    target = Target(Scope(str(content["scope"])), str(content["name"]))
    if content["kind"] == "frozen":
        hold(connection, Freeze(target, str(content["reason"]), str(content["by"]), at))
    else:
        lift(connection, target)


def hold(connection: Connection, freeze: Freeze) -> None:
    """Write the row of a freeze."""
    row = {
        "scope": freeze.target.scope.value,
        "name": freeze.target.name,
        "reason": freeze.reason,
        "frozen_by": freeze.by,
        "frozen_at_us": microseconds(freeze.at),
    }
    upsert(connection, freezes, [row])


def _refuse_others(connection: Connection, target: Target, over: str | None) -> None:
    by = connection.execute(select(freezes.c.frozen_by).where(*_here(target))).scalar()
    if by is not None and over is not None and by.partition("/")[0] != over:
        hint = "Ask a supervisor: GET /v1/freezes says who froze it."
        raise GatewayError("forbidden", "Another organisation has frozen this.", hint)


def lift(connection: Connection, target: Target) -> bool:
    """Delete the row of a freeze; False where there is none."""
    return connection.execute(delete(freezes).where(*_here(target))).rowcount > 0


def _here(target: Target) -> tuple[ColumnElement[bool], ...]:
    return freezes.c.scope == target.scope.value, freezes.c.name == target.name


def _said(target: Target, reason: str, by: str) -> dict[str, object]:
    """Return what a leaf says of a freeze or its end."""
    return {"scope": target.scope.value, "name": target.name, "reason": reason, "by": by}


class Freezes:
    """Every method is one transaction; every process of the store keeps to what stands there."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def freeze(self, target: Target, reason: str, by: str, *, over: str | None = None) -> list[str]:
        """Freeze, and end what runs of it; return the queries that were ended. A second freeze takes its place.

        `over`: the organisation (as names of buyers begin) whose freeze alone may be replaced; None: anybody's. Raises
        GatewayError `forbidden`.
        """

        def work(connection: Connection) -> list[str]:
            _refuse_others(connection, target, over)
            now = self._clock.now()
            hold(connection, Freeze(target, reason, by, now))
            running = charging.stop(connection, of(target), f"frozen by {by}", now)
            leaves.append(connection, "frozen", now, {**_said(target, reason, by), "ended": len(running)})
            return running

        return await self._store.run(work)

    async def unfreeze(self, target: Target, reason: str, by: str, *, over: str | None = None) -> bool:
        """Lift a freeze; False where there is none. `over` and what is raised are as for `freeze`."""

        def work(connection: Connection) -> bool:
            _refuse_others(connection, target, over)
            held = lift(connection, target)
            if held:
                leaves.append(connection, "unfrozen", self._clock.now(), _said(target, reason, by))
            return held

        return await self._store.run(work)

    async def held(self) -> tuple[Freeze, ...]:
        """Return what is frozen, the latest first."""

        def work(connection: Connection) -> tuple[Freeze, ...]:
            rows = connection.execute(
                select(freezes)
                .where(freezes.c.scope.not_in([scope.value for scope in SUSPENDED]))
                .order_by(freezes.c.frozen_at_us.desc(), freezes.c.scope, freezes.c.name)
            ).all()
            return tuple(
                Freeze(Target(Scope(row.scope), row.name), row.reason, row.frozen_by, moment(row.frozen_at_us))
                for row in rows
            )

        return await self._store.read(work)


def of(target: Target) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that a query is one of a target."""
    return () if target.scope is Scope.ALL else (_NAMED[target.scope] == target.name,)
