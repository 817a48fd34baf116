"""Members, and the forms that verify and suspend: for reviewers and supervisors."""

from collections.abc import Mapping

from aiohttp import web

from gateway.errors import GatewayError
from gateway.ledger.paging import all_of
from gateway.web.bodies import SuspensionBody, read_as
from gateway.web.console.pages import Desk, see
from gateway.web.console.sessions import Session
from gateway.web.routes import Route
from gateway.web.service import Membership

HERE = "/console/members"
ROLES = frozenset({"reviewer", "supervisor"})


class MemberPages:
    """Handles /console/members, and what its forms do."""

    def __init__(self, desk: Desk, members: Membership) -> None:
        self._desk = desk
        self._members = members

    def routes(self) -> list[Route]:
        """Return its addresses."""
        return [
            self._desk.get(HERE, self.members, "every member"),
            self._desk.post(f"{HERE}/verify", self.verify, "verify a member"),
            self._desk.post(f"{HERE}/suspend", self.suspend, "suspend a member"),
        ]

    async def members(self, request: web.Request, session: Session) -> web.Response:
        """Answer GET /console/members."""
        if not session.caller.roles & ROLES:
            hint = "Sign in with a token of such a role."
            raise GatewayError("forbidden", "This page is for reviewers and supervisors.", hint)
        found = await all_of(lambda page: self._members.seen(session.caller, None, page))
        return self._desk.page(request, session, "members.html", {"members": found})

    async def verify(self, _request: web.Request, session: Session, form: Mapping[str, str]) -> web.Response:
        """Answer POST /console/members/verify."""
        await self._members.verify(session.caller, form.get("member_id", ""))
        return see(HERE)

    async def suspend(self, _request: web.Request, session: Session, form: Mapping[str, str]) -> web.Response:
        """Answer POST /console/members/suspend."""
        body = read_as(SuspensionBody, {"reason": form.get("reason", "").strip()})
        await self._members.suspend(session.caller, form.get("member_id", ""), body.reason)
        return see(HERE)
