"""Front door to cases: open, see, take the evidence, decide."""

from aiohttp import web

from gateway.request import Caller
from gateway.settings import Settings
from gateway.web.bodies import CaseBody, FindingBody, Model
from gateway.web.exchange import PAGING, body_as, caller_of, json_response, page_of
from gateway.web.routes import Route, replies
from gateway.web.service import Disputes, Service

TAG = "cases"
HERE = "/v1/cases"
PARTIES = ("buyer", "provider", "supervisor")


class CaseDoor:
    """The handlers of cases."""

    def __init__(self, service: Service, disputes: Disputes, settings: Settings) -> None:
        self._service = service
        self._disputes = disputes
        self._settings = settings

    def routes(self) -> list[Route]:
        """Return its addresses."""
        stands = replies("the case as it stands", "Case")
        return [
            Route("GET", HERE, self.cases, TAG, "cases: your own, or all to an arbiter or supervisor",
                  parameters=PAGING, replies=replies("the latest first", "Cases")),
            Route("POST", HERE, self.open, TAG, "open a case of a query of yours or of your data", PARTIES,
                  body="CaseOpening", replies=stands),
            Route("GET", f"{HERE}/{{id}}", self.case, TAG, "one case", replies=stands),
            Route("GET", f"{HERE}/{{id}}/evidence", self.evidence, TAG, "the evidence of a case, without any result",
                  replies=replies("the bundle's files by name, and what froze the query", "CaseEvidence")),
            Route("POST", f"{HERE}/{{id}}/decide", self.decide, TAG, "decide a case of others", ("arbiter",),
                  body="Finding", replies=stands),
        ]  # fmt: skip

    async def _asked(self, request: web.Request, model: type[Model]) -> tuple[Caller, Model]:
        caller = await caller_of(request, self._service)
        return caller, await body_as(request, self._settings, model)

    async def cases(self, request: web.Request) -> web.Response:
        """Answer GET /v1/cases."""
        caller = await caller_of(request, self._service)
        return json_response((await self._disputes.cases(caller, page_of(request))).document("cases"))

    async def open(self, request: web.Request) -> web.Response:
        """Answer POST /v1/cases."""
        caller, body = await self._asked(request, CaseBody)
        return json_response(await self._disputes.open(caller, body.query_id, body.reason))

    async def case(self, request: web.Request) -> web.Response:
        """Answer GET /v1/cases/{id}."""
        caller = await caller_of(request, self._service)
        return json_response(await self._disputes.case(caller, request.match_info["id"]))

    async def evidence(self, request: web.Request) -> web.Response:
        """Answer GET /v1/cases/{id}/evidence."""
        caller = await caller_of(request, self._service)
        return json_response(await self._disputes.evidence(caller, request.match_info["id"]))

    async def decide(self, request: web.Request) -> web.Response:
        """Answer POST /v1/cases/{id}/decide."""
        caller, body = await self._asked(request, FindingBody)
        made = await self._disputes.decide(caller, request.match_info["id"], body.finding, body.refund)
        return json_response(made)
