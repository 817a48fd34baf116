"""Members: organisations and the persons who act for them, what was shown of each, who verified and who suspended it.

A suspension ends what runs of a member in its own transaction, and stands against every charge and every stored
answer as a freeze does (ledger/freezing.py). Rows follow from leaves alone: each change is said first, then settled.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote as escaped

from sqlalchemy import Connection, Row, func, insert, or_, select, update

from gateway.errors import GatewayError
from gateway.ledger import charging, freezing, leaves
from gateway.ledger.charging import microseconds, moment
from gateway.ledger.events import canonical
from gateway.ledger.freezing import Freeze, Scope, Target
from gateway.ledger.model import buyer_name
from gateway.ledger.paging import FIRST, Listed, Order, Page
from gateway.ledger.standing import State
from gateway.ports import Clock
from gateway.request import DRILL, is_reserved
from gateway.store.database import Store
from gateway.store.tables import member_verifications, members

KINDS = frozenset({"member-applied", "member-founded", "member-verified", "member-suspended"})
"""The leaves that make these tables."""

_ORDER = Order((members.c.name, members.c.issuer))

REVIEWERS = 2
"""How many persons it takes to verify a member."""

OPERATOR = "operator"
"""Who founds an exchange: nobody of it, and no name of a buyer, which has a slash."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Where evidence can be seen, and the hash of what was seen there. Never the document."""

    kind: str
    reference: str
    sha256: str | None = None

    def document(self) -> dict[str, str]:
        """Return it as the log has it."""
        return {"kind": self.kind, "reference": self.reference, **({"sha256": self.sha256} if self.sha256 else {})}


@dataclass(frozen=True, slots=True)
class Application:
    """Who asks to be a member. An organisation has no subject and no issuer; a person is the subject of one issuer."""

    organisation: str
    subject: str | None
    issuer: str
    legal_name: str
    contact: str
    evidence: tuple[Shown, ...]

    @property
    def name(self) -> str:
        """The name in the ledger: a person's is that of a buyer, an organisation's the part before the slash."""
        return name_of(self.organisation, self.subject)


@dataclass(frozen=True, slots=True)
class Verification:
    """That one person has verified a member."""

    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Suspension:
    """By whom, why and when a member was suspended last."""

    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Member:
    """A member as it stands. `verifications` are those since it was suspended last."""

    member_id: str
    application: Application
    state: State
    applied_by: str
    applied_at: datetime
    verifications: tuple[Verification, ...]
    suspension: Suspension | None


def name_of(organisation: str, subject: str | None) -> str:
    """Return the name of a member in the ledger."""
    return escaped(organisation, safe="") if subject is None else buyer_name(organisation, subject)


class Members:
    """Every method is one transaction; every process of the store keeps to what stands there."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def apply(self, member_id: str, asked: Application, by: str) -> tuple[Member, bool]:
        """Write an application down; return the member and whether it is new. The same again changes nothing.

        Raises GatewayError `member_conflict` where it has applied with something else, `name_reserved`.
        """
        _refuse_reserved(asked)

        def work(connection: Connection) -> tuple[Member, bool]:
            row = _named(connection, asked)
            if row is None:
                _tell(connection, "member-applied", self._clock.now(), {**_said(member_id, asked), "by": by})
                return _member(connection, _by_id(connection, member_id)), True
            known = _member(connection, row)
            if known.application != asked:
                hint = "Send what you sent the first time, or ask a reviewer: GET /v1/members shows it."
                raise GatewayError("member_conflict", "There is another application of this member.", hint)
            return known, False

        return await self._store.run(work)

    async def verify(self, member_id: str, organisation: str, reviewer: str) -> Member:
        """Verify a member for one person, of `organisation`; the second person makes it a verified one.

        Raises GatewayError `not_found`, `forbidden` for the member's own organisation, `two_persons`,
        `member_conflict` where it or its organisation does not stand so, `member_suspended` for the reviewer.
        """

        def work(connection: Connection) -> Member:
            _refuse_suspended(connection, organisation, reviewer)
            row = _by_id(connection, member_id)
            if row.organisation == organisation:
                hint = "A reviewer of another organisation verifies it."
                raise GatewayError("forbidden", "Nobody verifies its own organisation or a person of it.", hint)
            _refuse_early(connection, row)
            earlier = [verified.by for verified in _verifications(connection, row)]
            if reviewer in earlier:
                raise GatewayError("two_persons", "You have verified this member.", "Another reviewer has to as well.")
            state = State.VERIFIED if len(earlier) + 1 >= REVIEWERS else State(row.state)
            content = {"member_id": member_id, "name": row.name, "by": reviewer, "round": row.round}
            _tell(connection, "member-verified", self._clock.now(), {**content, "state": state.value})
            return _member(connection, _by_id(connection, member_id))

        return await self._store.run(work)

    async def suspend(self, member_id: str, organisation: str, by: str, reason: str) -> tuple[Member, list[str]]:
        """Suspend a member for a person of `organisation`, an organisation with all its persons.

        Returns it and the queries that were ended.

        Raises GatewayError `not_found`, `forbidden` for one's own, `member_conflict` where it is suspended,
        `member_suspended` for who asks.
        """

        def work(connection: Connection) -> tuple[Member, list[str]]:
            _refuse_suspended(connection, organisation, by)
            row = _by_id(connection, member_id)
            if row.name == by or (row.subject is None and row.organisation == organisation):
                raise GatewayError("forbidden", "Nobody suspends itself.", "Ask another supervisor.")
            if row.state == State.SUSPENDED:
                hint = "Two reviewers can verify it anew."
                raise GatewayError("member_conflict", "The member is suspended already.", hint)
            now = self._clock.now()
            ended = charging.stop(connection, freezing.of(_target(row)), f"member suspended by {by}", now)
            content = {"member_id": member_id, "name": row.name, "by": by, "reason": reason, "ended": len(ended)}
            _tell(connection, "member-suspended", now, content)
            return _member(connection, _by_id(connection, member_id)), ended

        return await self._store.run(work)

    async def found(self, asked: Sequence[tuple[str, Application]], reason: str) -> list[Member]:
        """Make verified members without reviewers, for an operator, as long as there are not two persons to verify.

        `asked` names an organisation and then a person of it, each with the id that it gets unless it has applied.
        Raises GatewayError `forbidden` where two persons are there, `member_conflict` for one that is suspended,
        `name_reserved`.
        """
        for _, one in asked:
            _refuse_reserved(one)

        def work(connection: Connection) -> list[Member]:
            if _persons(connection, asked[-1][1].issuer) >= REVIEWERS:
                hint = "They verify everybody else: POST /v1/members/{id}/verify."
                raise GatewayError("forbidden", "Two persons are verified here, and nobody is founded any more.", hint)
            made = []
            for member_id, one in asked:
                row = _named(connection, one)
                if row is not None and row.state == State.SUSPENDED:
                    hint = "Two reviewers can verify it anew, or name somebody else."
                    raise GatewayError("member_conflict", f"{one.name} is suspended.", hint)
                if row is None or row.state == State.APPLIED:
                    content = _said(member_id if row is None else row.member_id, one)
                    content |= {"by": OPERATOR, "reason": reason}
                    _tell(connection, "member-founded", self._clock.now(), content)
                found = _named(connection, one)
                assert found is not None  # INVARIANT: it has been written above, or before
                made.append(_member(connection, found))
            return made

        return await self._store.run(work)

    async def turn_away(self, organisation: str, subject: str, reason: str) -> None:
        """Append one leaf that somebody was let in nowhere, and why."""

        def work(connection: Connection) -> None:
            content = {"organisation": organisation, "buyer": subject, "reason": reason}
            leaves.append(connection, "turned-away", self._clock.now(), content)

        await self._store.run(work)

    async def find(self, member_id: str) -> Member | None:
        """Return one member."""

        def work(connection: Connection) -> Member | None:
            row = connection.execute(select(members).where(members.c.member_id == member_id)).one_or_none()
            return None if row is None else _member(connection, row)

        return await self._store.read(work)

    async def listed(
        self,
        page: Page = FIRST,
        *,
        organisation: str | None = None,
        subject: str | None = None,
        state: str | None = None,
    ) -> Listed[Member]:
        """Return a page of the members by name: of one organisation, of it and of one subject of it, in one state."""
        wanted = select(members)
        if organisation is not None:
            wanted = wanted.where(members.c.organisation == organisation)
        if subject is not None:
            wanted = wanted.where(or_(members.c.subject.is_(None), members.c.subject == subject))
        if state is not None:
            wanted = wanted.where(members.c.state == state)

        def work(connection: Connection) -> Listed[Member]:
            rows, cursor = _ORDER.page(connection, wanted, page)
            return Listed(tuple(_member(connection, row) for row in rows), cursor)

        return await self._store.read(work)


# -- the rows ---------------------------------------------------------------------------------------------------------


def settle(connection: Connection, content: Mapping[str, Any], at: datetime) -> None:
    """Do to the tables what one leaf of KINDS says."""
    mine = members.c.member_id == content["member_id"]
    match content["kind"]:
        case "member-applied" | "member-founded":
            _settle_applied(connection, content, at)
        case "member-verified":
            made = {"member_id": content["member_id"], "round": content["round"], "reviewer": content["by"]}
            connection.execute(insert(member_verifications).values(**made, verified_at_us=microseconds(at)))
            connection.execute(update(members).where(mine).values(state=content["state"]))
            row = connection.execute(select(members).where(mine)).one()
            if not _held(connection, row.name):  # it may be suspended under another issuer
                freezing.lift(connection, _target(row))
        case _:
            told = {"suspended_by": content["by"], "reason": content["reason"], "suspended_at_us": microseconds(at)}
            again = {"state": State.SUSPENDED.value, "round": members.c.round + 1}
            connection.execute(update(members).where(mine).values(**told, **again))
            target = _target(connection.execute(select(members).where(mine)).one())
            freezing.hold(connection, Freeze(target, content["reason"], content["by"], at))


def _settle_applied(connection: Connection, content: Mapping[str, Any], at: datetime) -> None:
    """Write the row of an application; one that is founded takes the place of its own earlier one."""
    connection.execute(members.delete().where(members.c.member_id == content["member_id"]))
    connection.execute(member_verifications.delete().where(member_verifications.c.member_id == content["member_id"]))
    asked = {name: content[name] for name in ("member_id", "name", "issuer", "organisation", "subject")}
    told = {"legal_name": content["legal_name"], "contact": content["contact"]}
    state = State.VERIFIED if content["kind"] == "member-founded" else State.APPLIED
    row = {**asked, **told, "evidence": canonical({"shown": content["evidence"]}), "state": state.value, "round": 1}
    row |= {"applied_by": content["by"], "applied_at_us": microseconds(at)}
    connection.execute(insert(members).values(**row))


def _tell(connection: Connection, kind: str, now: datetime, content: Mapping[str, Any]) -> None:
    """Append a leaf and do what it says."""
    leaves.append(connection, kind, now, content)
    settle(connection, {"kind": kind, **content}, now)


def _said(member_id: str, asked: Application) -> dict[str, object]:
    return {
        "member_id": member_id,
        "name": asked.name,
        "organisation": asked.organisation,
        "subject": asked.subject,
        "issuer": asked.issuer,
        "legal_name": asked.legal_name,
        "contact": asked.contact,
        "evidence": [shown.document() for shown in asked.evidence],
    }


def _named(connection: Connection, asked: Application) -> Row[Any] | None:
    where = (members.c.name == asked.name, members.c.issuer == asked.issuer)
    return connection.execute(select(members).where(*where)).one_or_none()


def _by_id(connection: Connection, member_id: str) -> Row[Any]:
    row = connection.execute(select(members).where(members.c.member_id == member_id)).one_or_none()
    if row is None:
        raise unknown()
    return row


def unknown() -> GatewayError:
    """Return the refusal of a member that is not there, or not this caller's to see."""
    return GatewayError("not_found", "There is no such member for you.", "GET /v1/members lists them.")


def _refuse_reserved(asked: Application) -> None:
    """Refuse to have a member frozen with every drill."""
    if is_reserved(asked.organisation):
        hint = "Ask your issuer for a token of your organisation's own name."
        raise GatewayError("name_reserved", f"The organisation `{DRILL}` is reserved for the drills of a freeze.", hint)


def _held(connection: Connection, name: str) -> bool:
    """Tell whether a member is suspended under any issuer."""
    where = (members.c.name == name, members.c.state == State.SUSPENDED.value)
    return connection.execute(select(members.c.member_id).where(*where).limit(1)).first() is not None


def _target(row: Row[Any]) -> Target:
    """Return what a suspension of a member holds up."""
    return Target(Scope.MEMBER, row.organisation) if row.subject is None else Target(Scope.PERSON, row.name)


def _refuse_suspended(connection: Connection, organisation: str, person: str) -> None:
    """Refuse whoever was suspended since it was let in."""
    freezing.refuse_frozen(connection, freezing.standing(person, organisation))


def _refuse_early(connection: Connection, row: Row[Any]) -> None:
    """Refuse to verify what is verified, or a person whose organisation is not."""
    if row.state == State.VERIFIED:
        raise GatewayError("member_conflict", "The member is verified.", "There is nothing left to do.")
    if row.subject is None:
        return
    of = select(members.c.state).where(members.c.name == name_of(row.organisation, None), members.c.issuer == "")
    if connection.execute(of).scalar() != State.VERIFIED:
        hint = "Verify the organisation first."
        raise GatewayError("member_conflict", "The person's organisation is no verified member.", hint)


def _persons(connection: Connection, issuer: str) -> int:
    """Return how many persons can verify somebody: they and their organisations are verified."""
    of = members.alias()
    joined = members.join(of, (of.c.organisation == members.c.organisation) & of.c.subject.is_(None))
    whole = (members.c.state == State.VERIFIED.value, of.c.state == State.VERIFIED.value)
    where = (members.c.subject.is_not(None), members.c.issuer == issuer, *whole)
    return connection.execute(select(func.count()).select_from(joined).where(*where)).scalar_one()


def _verifications(connection: Connection, row: Row[Any]) -> tuple[Verification, ...]:
    made = member_verifications.c
    wanted = select(member_verifications).where(made.member_id == row.member_id, made.round == row.round)
    found = connection.execute(wanted.order_by(made.verified_at_us, made.reviewer))
    return tuple(Verification(one.reviewer, moment(one.verified_at_us)) for one in found)


def _member(connection: Connection, row: Row[Any]) -> Member:
    shown = tuple(Shown(**one) for one in json.loads(row.evidence)["shown"])
    asked = Application(row.organisation, row.subject, row.issuer, row.legal_name, row.contact, shown)
    suspended = None
    if row.suspended_at_us is not None:
        suspended = Suspension(row.suspended_by, row.reason, moment(row.suspended_at_us))
    applied = (row.applied_by, moment(row.applied_at_us))
    return Member(row.member_id, asked, State(row.state), *applied, _verifications(connection, row), suspended)
