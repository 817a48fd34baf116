"""Who is let in, and who may apply, verify, suspend and see members."""

from collections.abc import Callable, Iterable

from gateway.app.pacing import Pace, StrangerPace
from gateway.app.rights import only
from gateway.errors import GatewayError
from gateway.identity.tokens import Identified, Tokens
from gateway.ledger.events import timestamp
from gateway.ledger.members import Application, Member, Members, Shown, unknown
from gateway.ledger.paging import FIRST, Listed, Page
from gateway.ledger.standing import Standing, not_a_member, suspended_member
from gateway.orders import buyer_id
from gateway.request import Caller

WATCHING = frozenset({"reviewer", "supervisor", "arbiter", "billing"})
"""Roles that see every member."""


class Entrance:
    """Lets members in. Where members are not required, whoever is not suspended is one."""

    def __init__(self, tokens: Tokens, members: Members, pace: StrangerPace, *, required: bool) -> None:
        self._tokens = tokens
        self._members = members
        self._pace = pace
        self._required = required

    def refusal(self, found: Identified) -> GatewayError | None:
        """Return why somebody is not let in, or None."""
        if found.standing is Standing.SUSPENDED:
            return suspended_member()
        if self._required and found.standing is not Standing.VERIFIED:
            return not_a_member()
        return None

    async def examine(self, token: str) -> Identified:
        """Return whose a token is, let in or not. Raises GatewayError `unauthenticated`."""
        return await self._tokens.examine(token)

    async def admit(self, token: str) -> Caller:
        """Return who holds a token and is let in; of others the log is told, at a pace.

        Raises GatewayError `unauthenticated`, `not_a_member` or `member_suspended`.
        """
        found = await self._tokens.examine(token)
        error = self.refusal(found)
        if error is not None:
            if self._pace.told(found.caller):
                await self._members.turn_away(found.caller.organisation, found.caller.subject, error.code)
            raise error
        return found.caller


class MembershipService:
    """Satisfies gateway.web.service.Membership."""

    def __init__(self, members: Members, entrance: Entrance, pace: Pace, new_id: Callable[[], str]) -> None:
        self._members = members
        self._entrance = entrance
        self._pace = pace
        self._new_id = new_id

    async def apply(
        self,
        found: Identified,
        *,
        person: bool,
        legal_name: str,
        contact: str,
        evidence: Iterable[tuple[str, str, str | None]],
    ) -> dict[str, object]:
        """Apply for the caller's organisation, or for the caller as a person of it under the token's issuer.

        Raises GatewayError `member_suspended`, `member_conflict`, `too_many_requests`.
        """
        caller = found.caller
        if found.standing is Standing.SUSPENDED:
            raise suspended_member()
        await self._pace.take(caller)
        subject, issuer = (caller.subject, found.issuer) if person else (None, "")
        shown = tuple(Shown(*one) for one in evidence)
        asked = Application(caller.organisation, subject, issuer, legal_name, contact, shown)
        made, _ = await self._members.apply(self._new_id(), asked, buyer_id(caller))
        return shown_member(made)

    async def listed(self, found: Identified, state: str | None, page: Page = FIRST) -> Listed[dict[str, object]]:
        """Return a page of the members that somebody sees; of one who is not let in its own applications alone.

        Raises GatewayError `bad_request` for a cursor that is none of ours.
        """
        if self._entrance.refusal(found) is None:
            return await self.seen(found.caller, state, page)
        mine = {"organisation": found.caller.organisation, "subject": found.caller.subject}
        return (await self._members.listed(page, **mine, state=state)).shown(shown_member)

    async def seen(self, caller: Caller, state: str | None, page: Page = FIRST) -> Listed[dict[str, object]]:
        """Return a page of members to a caller who is let in: its organisation's, or all to those who watch."""
        of = None if caller.roles & WATCHING else caller.organisation
        return (await self._members.listed(page, organisation=of, state=state)).shown(shown_member)

    async def member(self, found: Identified, member_id: str) -> dict[str, object]:
        """Return one member. Raises `not_found` also for one that is not this caller's to see."""
        one = await self._members.find(member_id)
        if one is None or not self._sees(found, one):
            raise unknown()
        return shown_member(one)

    async def verify(self, caller: Caller, member_id: str) -> dict[str, object]:
        """Verify a member of another organisation, as one of the two who have to."""
        only(caller, "reviewer", "Members are verified by reviewers.")
        return shown_member(await self._members.verify(member_id, caller.organisation, buyer_id(caller)))

    async def suspend(self, caller: Caller, member_id: str, reason: str) -> dict[str, object]:
        """Suspend a member at once, on every process of the store; say how many queries were ended."""
        only(caller, "supervisor", "Members are suspended by a supervisor.")
        made, ended = await self._members.suspend(member_id, caller.organisation, buyer_id(caller), reason)
        return {**shown_member(made), "ended": len(ended)}

    def _sees(self, found: Identified, one: Member) -> bool:
        caller = found.caller
        if self._entrance.refusal(found) is None:
            return bool(caller.roles & WATCHING) or one.application.organisation == caller.organisation
        return _applied_for(caller, one)


def _applied_for(caller: Caller, one: Member) -> bool:
    """Tell whether a member is the caller's organisation or the caller."""
    asked = one.application
    return asked.organisation == caller.organisation and asked.subject in (None, caller.subject)


def shown_member(one: Member) -> dict[str, object]:
    """Return a member as a document."""
    asked, suspended = one.application, one.suspension
    return {
        "member_id": one.member_id,
        "kind": "organisation" if asked.subject is None else "person",
        "organisation": asked.organisation,
        "subject": asked.subject,
        "issuer": asked.issuer or None,
        "legal_name": asked.legal_name,
        "contact": asked.contact,
        "evidence": [shown.document() for shown in asked.evidence],
        "state": one.state.value,
        "applied_by": one.applied_by,
        "applied_at": timestamp(one.applied_at),
        "verifications": [{"by": made.by, "at": timestamp(made.at)} for made in one.verifications],
        "suspended": None
        if suspended is None
        else {"by": suspended.by, "reason": suspended.reason, "at": timestamp(suspended.at)},
    }
