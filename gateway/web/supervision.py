"""Front door to freezes: who is stopped, why, and who may lift it."""

from aiohttp import web

from gateway.settings import Settings
from gateway.web.bodies import FreezeBody
from gateway.web.exchange import body_as, caller_of, json_response
from gateway.web.routes import Route, replies
from gateway.web.service import Service, Supervision

TAG = "supervision"
ROLES = ("supervisor", "provider")


class SupervisionDoor:
    """The handlers of freezes."""

    def __init__(self, service: Service, supervision: Supervision, settings: Settings) -> None:
        self._service = service
        self._supervision = supervision
        self._settings = settings

    def routes(self) -> list[Route]:
        """Return its addresses."""
        return [
            Route("GET", "/v1/freezes", self.freezes, TAG, "what is frozen", ROLES,
                  replies=replies("the latest first", "Freezes")),
            Route("POST", "/v1/freeze", self.freeze, TAG, "freeze a query, buyer, organisation, dataset, or everything",
                  ROLES, body="Freeze", replies=replies("frozen, on every replica", "Frozen")),
            Route("POST", "/v1/unfreeze", self.unfreeze, TAG, "lift a freeze", ROLES, body="Freeze",
                  replies=replies("lifted", "Frozen")),
        ]  # fmt: skip

    async def freezes(self, request: web.Request) -> web.Response:
        """Answer GET /v1/freezes."""
        caller = await caller_of(request, self._service)
        return json_response({"freezes": await self._supervision.freezes(caller)})

    async def freeze(self, request: web.Request) -> web.Response:
        """Answer POST /v1/freeze."""
        caller = await caller_of(request, self._service)
        body = await body_as(request, self._settings, FreezeBody)
        return json_response(await self._supervision.freeze(caller, body.scope, body.target, body.reason))

    async def unfreeze(self, request: web.Request) -> web.Response:
        """Answer POST /v1/unfreeze."""
        caller = await caller_of(request, self._service)
        body = await body_as(request, self._settings, FreezeBody)
        return json_response(await self._supervision.unfreeze(caller, body.scope, body.target, body.reason))
