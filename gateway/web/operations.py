"""What operators ask: alive, ready, figures. On the main address figures take a token; on their own one they do not."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.typedefs import Middleware

from gateway.errors import GatewayError
from gateway.observability.metrics import CONTENT_TYPE
from gateway.settings import Settings
from gateway.web.exchange import caller_of, json_response
from gateway.web.problem import Handler, errors
from gateway.web.routes import ANYONE, Route, replies
from gateway.web.service import Operations, Service

TAG = "operations"
FIGURES = CONTENT_TYPE


def watched(operations: Operations) -> Middleware:
    """Return the middleware that times every request under its route's pattern: a path may hold an id."""

    @web.middleware
    async def watching(request: web.Request, handler: Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        with operations.request(request.method, resource.canonical if resource is not None else "unknown") as seen:
            response = await handler(request)
            seen.status = response.status
        return response

    return watching


class OperationsDoor:
    """Handles /healthz, /readyz and /metrics."""

    def __init__(self, operations: Operations, service: Service, draining: Callable[[], bool]) -> None:
        self._operations = operations
        self._service = service
        self._draining = draining

    def routes(self) -> list[Route]:
        """Return its addresses."""
        document = {"type": "object"}
        return [
            Route("GET", "/healthz", self.healthz, TAG, "the process is alive", ANYONE,
                  replies=replies("alive", document)),
            Route("GET", "/readyz", self.readyz, TAG, "queries would be taken", ANYONE,
                  replies=replies("ready", document)),
            Route("GET", "/metrics", self.metrics, TAG, "figures in Prometheus' text format",
                  ("provider", "supervisor"), replies=replies("figures", {"type": "string"}, "text/plain")),
        ]  # fmt: skip

    async def healthz(self, _request: web.Request) -> web.Response:
        """Answer GET /healthz: the process is alive."""
        return json_response({"status": "ok"})

    async def readyz(self, _request: web.Request) -> web.Response:
        """Answer GET /readyz: queries would be taken."""
        if self._draining():
            raise GatewayError("shutting_down", "The gateway takes no queries now.", "Ask again in a moment.")
        return json_response({"status": "ready", **await self._operations.ready()})

    async def metrics(self, request: web.Request) -> web.Response:
        """Answer GET /metrics in Prometheus' text format, to whom the figures are about."""
        caller = await caller_of(request, self._service)
        self._operations.refuse_figures(caller)
        return _figures(self._operations.figures())


@asynccontextmanager
async def beside(settings: Settings, operations: Operations, service: Service) -> AsyncIterator[None]:
    """Serve figures, alive and ready on an address of their own where the settings name one, without tokens.

    That address is for the operator's own network. Raises GatewayError `settings_invalid` where it cannot be had.
    """
    if settings.metrics_port is None:
        yield
        return

    async def shown(_request: web.Request) -> web.Response:
        return _figures(operations.figures())

    app = web.Application(middlewares=[errors])
    door = OperationsDoor(operations, service, lambda: False)
    app.router.add_get("/healthz", door.healthz)
    app.router.add_get("/readyz", door.readyz)
    app.router.add_get("/metrics", shown)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, settings.metrics_host, settings.metrics_port).start()
        except (OSError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) else "there is no such port"
            detail = f"Figures cannot be served on {settings.metrics_host}:{settings.metrics_port}: {reason}."
            raise GatewayError("settings_invalid", detail, "Free the port, or name another one.") from None
        yield
    finally:
        await runner.cleanup()


def _figures(text: bytes) -> web.Response:
    return web.Response(body=text, headers={"Content-Type": FIGURES})
