"""Members, and the forms that verify and suspend: for reviewers and supervisors."""

from collections.abc import Mapping

from aiohttp import web

from gateway.errors import GatewayError
from gateway.ledger.paging import all_of
from gateway.web.bodies import SuspensionBody, read_as
from gateway.web.console.forms import Fault, stay
from gateway.web.console.pages import Desk, one_of, see
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
            self._desk.get(f"{HERE}/verify", self.back, "back to the page, where somebody loads a refusal again"),
            self._desk.get(f"{HERE}/suspend", self.back, "back to the page, where somebody loads a refusal again"),
        ]

    async def members(self, request: web.Request, session: Session) -> web.Response:
        """Answer GET /console/members."""
        return await self._page(request, session, {})

    async def back(self, _request: web.Request, _session: Session) -> web.Response:
        """Answer GET /console/members/verify and /console/members/suspend."""
        return see(HERE)

    async def verify(self, request: web.Request, session: Session, form: Mapping[str, str]) -> web.Response:
        """Answer POST /console/members/verify: a refusal stands at the member."""
        try:
            await self._members.verify(session.caller, form.get("member_id", ""))
        except GatewayError as error:
            stay(error)
            return await self._page(request, session, form, Fault(error, "verify"))
        return see(HERE)

    async def suspend(self, request: web.Request, session: Session, form: Mapping[str, str]) -> web.Response:
        """Answer POST /console/members/suspend: a refusal stands at the member, with the reason as it was written."""
        try:
            body = read_as(SuspensionBody, {"reason": form.get("reason", "").strip()})
            await self._members.suspend(session.caller, form.get("member_id", ""), body.reason)
        except GatewayError as error:
            stay(error)
            return await self._page(request, session, form, Fault(error, "reason"))
        return see(HERE)

    async def _page(
        self, request: web.Request, session: Session, written: Mapping[str, str], fault: Fault | None = None
    ) -> web.Response:
        one_of(session, ROLES)
        found = await all_of(lambda page: self._members.seen(session.caller, None, page))
        told = written.get("member_id") if any(one["member_id"] == written.get("member_id") for one in found) else None
        values = {"members": found, "fault": fault, "told": told, "reason": written.get("reason", "")}
        status = 200 if fault is None else fault.error.status
        return self._desk.page(request, session, "members.html", values, status)
