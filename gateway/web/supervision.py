"""Front door to freezes: who is stopped, why, and who may lift it."""

from aiohttp import web

from gateway.settings import Settings
from gateway.web import strict_json
from gateway.web.bodies import FreezeBody, read_as
from gateway.web.exchange import bearer, json_response, read_body
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
        caller = await self._service.identify(bearer(request))
        return json_response({"freezes": await self._supervision.freezes(caller)})

    async def freeze(self, request: web.Request) -> web.Response:
        """Answer POST /v1/freeze."""
        caller = await self._service.identify(bearer(request))
        body = await self._body(request)
        return json_response(await self._supervision.freeze(caller, body.scope, body.target, body.reason))

    async def unfreeze(self, request: web.Request) -> web.Response:
        """Answer POST /v1/unfreeze."""
        caller = await self._service.identify(bearer(request))
        body = await self._body(request)
        return json_response(await self._supervision.unfreeze(caller, body.scope, body.target, body.reason))

    async def _body(self, request: web.Request) -> FreezeBody:
        return read_as(FreezeBody, strict_json.parse(await read_body(request, self._settings)))
