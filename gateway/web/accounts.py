"""Front door to accounts: past queries, spending caps, revocation, top-ups, sealed texts."""

from aiohttp import web

from gateway.errors import GatewayError
from gateway.request import Caller
from gateway.settings import Settings
from gateway.web.bodies import CapBody, Model, RevocationBody, TopUpBody
from gateway.web.exchange import body_as, caller_of, json_response, limit_of
from gateway.web.routes import Parameter, Route, replies
from gateway.web.service import Accounts, Service

TAG = "accounts"
QUERIES = "/v1/queries"
MAX_QUERIES = 200
MAX_ID = 26


class AccountDoor:
    """The handlers that show and change accounts."""

    def __init__(self, service: Service, accounts: Accounts, settings: Settings) -> None:
        self._service = service
        self._accounts = accounts
        self._settings = settings

    def routes(self) -> list[Route]:
        """Return its addresses."""
        page = (
            Parameter(
                "before", "the last query_id of the page before", {"type": "string", "pattern": "^[0-9A-Za-z]{1,26}$"}
            ),
            Parameter("limit", "how many at most", {"type": "integer", "minimum": 1, "maximum": MAX_QUERIES}),
        )
        spent = replies("by currency", "Spending")
        decided = replies("the proposal as it stands", "TopUp")
        return [
            Route("GET", QUERIES, self.queries, "queries", "your own past queries, newest first", parameters=page,
                  replies=replies("a page", "PastQueries")),
            Route("GET", f"{QUERIES}/{{id}}/text", self.text, "queries", "the SQL, while the policy keeps it",
                  roles=("provider",), replies=replies("its text", "Text")),
            Route("GET", "/v1/spending", self.spending, TAG, "what you spent, and your caps", replies=spent),
            Route("PUT", "/v1/spending", self.cap, TAG, "cap what you spend, or lift the cap", roles=("buyer",),
                  body="Cap", replies=spent),
            Route("POST", "/v1/tokens/revoke", self.revoke, TAG, "take tokens back", body="Revocation",
                  replies=replies("done", {"type": "object"})),
            Route("GET", "/v1/topups", self.topups, TAG, "proposals to raise a limit",
                  roles=("provider", "supervisor"), replies=replies("every one", "TopUps")),
            Route("POST", "/v1/topups", self.propose, TAG, "propose to raise a limit", roles=("provider",),
                  body="TopUpProposal", replies=decided),
            Route("POST", "/v1/topups/{id}/approve", self.approve, TAG, "approve another person's proposal",
                  roles=("provider",), replies=decided),
            Route("POST", "/v1/topups/{id}/reject", self.reject, TAG, "reject a proposal", roles=("provider",),
                  replies=decided),
        ]  # fmt: skip

    async def _asked(self, request: web.Request, model: type[Model]) -> tuple[Caller, Model]:
        caller = await caller_of(request, self._service)
        return caller, await body_as(request, self._settings, model)

    async def queries(self, request: web.Request) -> web.Response:
        """Answer GET /v1/queries: the caller's own, newest first; `before` continues after the last of a page."""
        caller = await caller_of(request, self._service)
        limit, before = limit_of(request, 50, MAX_QUERIES), request.query.get("before")
        if before is not None and not (before.isascii() and before.isalnum() and len(before) <= MAX_ID):
            raise GatewayError("bad_request", "`before` is no query_id.", "Send the last query_id of a page.")
        return json_response({"queries": await self._accounts.queries(caller, before, limit)})

    async def text(self, request: web.Request) -> web.Response:
        """Answer GET /v1/queries/{id}/text: the SQL, to the dataset's provider while the policy keeps it."""
        query_id = request.match_info["id"]
        text = await self._accounts.text(await caller_of(request, self._service), query_id)
        return json_response({"query_id": query_id, "sql": text})

    async def spending(self, request: web.Request) -> web.Response:
        """Answer GET /v1/spending."""
        return json_response({"spending": await self._accounts.spending(await caller_of(request, self._service))})

    async def cap(self, request: web.Request) -> web.Response:
        """Answer PUT /v1/spending: set the caller's own cap, or lift it."""
        caller, body = await self._asked(request, CapBody)
        await self._accounts.cap(caller, body.currency, body.per, body.amount)
        return json_response({"spending": await self._accounts.spending(caller)})

    async def revoke(self, request: web.Request) -> web.Response:
        """Answer POST /v1/tokens/revoke."""
        caller, body = await self._asked(request, RevocationBody)
        await self._accounts.revoke(caller, organisation=body.organisation, subject=body.subject, jti=body.jti)
        return json_response({"revoked": True})

    async def topups(self, request: web.Request) -> web.Response:
        """Answer GET /v1/topups."""
        return json_response({"topups": await self._accounts.topups(await caller_of(request, self._service))})

    async def propose(self, request: web.Request) -> web.Response:
        """Answer POST /v1/topups: a proposal, for another person to approve."""
        caller, body = await self._asked(request, TopUpBody)
        budget = (body.epsilon, body.delta)
        return json_response(await self._accounts.propose(caller, body.dataset, budget, body.account, body.reason))

    async def approve(self, request: web.Request) -> web.Response:
        """Answer POST /v1/topups/{id}/approve."""
        return await self._decide(request, approve=True)

    async def reject(self, request: web.Request) -> web.Response:
        """Answer POST /v1/topups/{id}/reject."""
        return await self._decide(request, approve=False)

    async def _decide(self, request: web.Request, *, approve: bool) -> web.Response:
        caller = await caller_of(request, self._service)
        return json_response(await self._accounts.decide(caller, request.match_info["id"], approve=approve))
