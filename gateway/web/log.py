"""Front door to the transparency log: checkpoints, tiles (C2SP tlog-tiles) and the signatures of witnesses."""

from aiohttp import web

from gateway.settings import Settings
from gateway.web import strict_json
from gateway.web.exchange import caller_of, json_response, read_body
from gateway.web.reading import read_cosignature
from gateway.web.routes import ANYONE, Route, replies
from gateway.web.service import Service

TAG = "log"
WATCHERS = ("billing", "supervisor", "arbiter", "provider")
IMMUTABLE = {"Cache-Control": "private, max-age=31536000, immutable"}


class LogDoor:
    """The handlers of the log. Checkpoints are open to everyone; hashes and leaves to those who watch."""

    def __init__(self, service: Service, settings: Settings) -> None:
        self._service = service
        self._settings = settings

    def routes(self) -> list[Route]:
        """Return its addresses."""
        head = replies("a signed note", {"type": "string"}, "text/plain")
        tile = replies("C2SP tlog-tiles", {"type": "string", "format": "binary"}, "application/octet-stream")
        return [
            Route("GET", "/v1/log/checkpoint", self.checkpoint, TAG, "the signed head", ANYONE, replies=head),
            Route("GET", "/v1/log/checkpoint/witnessed", self.witnessed, TAG,
                  "the largest head that a witness signed", ANYONE, replies=head),
            Route("GET", "/v1/log/tile/{path:.+}", self.tile, TAG, "hashes and leaves", WATCHERS, replies=tile),
            Route("POST", "/v1/log/cosignatures", self.cosignature, TAG, "hand in a witness's signature", WATCHERS,
                  body="Cosignature", replies=replies("kept", {"type": "object"})),
        ]  # fmt: skip

    async def checkpoint(self, _request: web.Request) -> web.Response:
        """Answer GET /v1/log/checkpoint: the signed head of the log."""
        return web.Response(text=await self._service.checkpoint())

    async def witnessed(self, _request: web.Request) -> web.Response:
        """Answer GET /v1/log/checkpoint/witnessed: the largest head that a witness has signed."""
        return web.Response(text=await self._service.checkpoint(witnessed=True))

    async def tile(self, request: web.Request) -> web.Response:
        """Answer GET /v1/log/tile/...: hashes and leaves, which never change once they are there."""
        caller = await caller_of(request, self._service)
        content = await self._service.tile(caller, request.match_info["path"])
        return web.Response(body=content, content_type="application/octet-stream", headers=IMMUTABLE)

    async def cosignature(self, request: web.Request) -> web.Response:
        """Answer POST /v1/log/cosignatures: a witness hands in what it signed."""
        caller = await caller_of(request, self._service)
        size, line = read_cosignature(strict_json.parse(await read_body(request, self._settings)))
        await self._service.cosign(caller, size, line)
        return json_response({"tree_size": size})
