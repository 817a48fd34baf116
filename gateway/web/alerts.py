"""Front door to early warning: what providers and supervisors are told, and nobody else."""

from aiohttp import web

from gateway.web.exchange import caller_of, json_response, limit_of
from gateway.web.routes import Parameter, Route, replies
from gateway.web.schemas import TEXT, WHOLE
from gateway.web.service import Service, Warnings

TAG = "alerts"
ROLES = ("supervisor", "provider")
MOST = 1000


class AlertDoor:
    """The handlers of alerts."""

    def __init__(self, service: Service, warnings: Warnings) -> None:
        self._service = service
        self._warnings = warnings

    def routes(self) -> list[Route]:
        """Return its addresses."""
        parameters = (
            Parameter("after", "the `cursor` of an earlier reply: what was raised since, the oldest first", TEXT),
            Parameter("dataset", "alerts of one dataset", TEXT),
            Parameter("limit", "how many, at most", {**WHOLE, "minimum": 1, "maximum": MOST, "default": 100}),
        )
        return [
            Route("GET", "/v1/alerts", self.alerts, TAG, "what deserves a look", ROLES, parameters,
                  replies=replies("the latest first, or what was raised after a cursor", "Alerts")),
            Route("POST", "/v1/alerts/{alert_id}/seen", self.seen, TAG, "note that it was seen", ROLES,
                  replies=replies("who saw it first", "Alert")),
        ]  # fmt: skip

    async def alerts(self, request: web.Request) -> web.Response:
        """Answer GET /v1/alerts."""
        caller = await caller_of(request, self._service)
        dataset, after = request.query.get("dataset"), request.query.get("after")
        limit = limit_of(request, 100, MOST)
        return json_response(await self._warnings.alerts(caller, dataset, after, limit))

    async def seen(self, request: web.Request) -> web.Response:
        """Answer POST /v1/alerts/{alert_id}/seen."""
        caller = await caller_of(request, self._service)
        return json_response(await self._warnings.seen(caller, request.match_info["alert_id"]))
