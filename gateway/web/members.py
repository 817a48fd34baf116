"""Front door to members: apply, see, verify, suspend. Applying and seeing one's own takes a token, not a membership."""

from aiohttp import web

from gateway.errors import GatewayError
from gateway.ledger.standing import State
from gateway.settings import Settings
from gateway.web.bodies import ApplicationBody, SuspensionBody
from gateway.web.exchange import PAGING, bearer, body_as, caller_of, json_response, page_of
from gateway.web.routes import Parameter, Route, replies
from gateway.web.service import Membership, Service

TAG = "members"
HERE = "/v1/members"
STATES = tuple(state.value for state in State)


class MemberDoor:
    """The handlers of members."""

    def __init__(self, service: Service, members: Membership, settings: Settings) -> None:
        self._service = service
        self._members = members
        self._settings = settings

    def routes(self) -> list[Route]:
        """Return its addresses."""
        state = Parameter("state", "those in one state", {"type": "string", "enum": list(STATES)})
        stands = replies("the member as it stands", "Member")
        return [
            Route("GET", HERE, self.members, TAG, "members: your own organisation's, or all to those who watch",
                  parameters=(state, *PAGING), replies=replies("by name", "Members")),
            Route("POST", HERE, self.apply, TAG, "apply for your organisation, or for yourself as a person of it",
                  body="Application", replies=stands),
            Route("GET", f"{HERE}/{{id}}", self.member, TAG, "one member", replies=stands),
            Route("POST", f"{HERE}/{{id}}/verify", self.verify, TAG, "verify a member, as one of two reviewers",
                  ("reviewer",), replies=stands),
            Route("POST", f"{HERE}/{{id}}/suspend", self.suspend, TAG, "suspend a member", ("supervisor",),
                  body="Suspension", replies=stands),
        ]  # fmt: skip

    async def members(self, request: web.Request) -> web.Response:
        """Answer GET /v1/members."""
        found = await self._service.examine(bearer(request))
        state = request.query.get("state")
        if state is not None and state not in STATES:
            raise GatewayError("bad_request", "`state` is no state of a member.", f"Send one of: {', '.join(STATES)}.")
        return json_response((await self._members.listed(found, state, page_of(request))).document("members"))

    async def apply(self, request: web.Request) -> web.Response:
        """Answer POST /v1/members."""
        found = await self._service.examine(bearer(request))
        body = await body_as(request, self._settings, ApplicationBody)
        shown = [(one.kind, one.reference, one.sha256) for one in body.evidence]
        made = await self._members.apply(
            found, person=body.kind == "person", legal_name=body.legal_name, contact=body.contact, evidence=shown
        )
        return json_response(made)

    async def member(self, request: web.Request) -> web.Response:
        """Answer GET /v1/members/{id}."""
        found = await self._service.examine(bearer(request))
        return json_response(await self._members.member(found, request.match_info["id"]))

    async def verify(self, request: web.Request) -> web.Response:
        """Answer POST /v1/members/{id}/verify."""
        caller = await caller_of(request, self._service)
        return json_response(await self._members.verify(caller, request.match_info["id"]))

    async def suspend(self, request: web.Request) -> web.Response:
        """Answer POST /v1/members/{id}/suspend."""
        caller = await caller_of(request, self._service)
        body = await body_as(request, self._settings, SuspensionBody)
        return json_response(await self._members.suspend(caller, request.match_info["id"], body.reason))
