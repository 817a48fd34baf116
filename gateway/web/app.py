"""The native REST front door: what is published, metered and logged; and how the whole door is served."""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from gateway.errors import GatewayError
from gateway.request import Caller
from gateway.settings import Settings
from gateway.web import billing
from gateway.web.accounts import QUERIES, AccountDoor
from gateway.web.connections import TimedConnection
from gateway.web.exchange import bearer, json_response
from gateway.web.log import LogDoor
from gateway.web.operations import OperationsDoor, watched
from gateway.web.problem import errors
from gateway.web.queries import QueryDoor
from gateway.web.service import Accounts, Operations, Questions, Service

MAX_EVENTS = 1000
MAX_DIGITS = 18

LAST_WORDS_S = 5.0
"""How long, after the drain, connections have to end."""


class Door:
    """The handlers of what is published, metered and logged."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def _caller(self, request: web.Request) -> Caller:
        return await self._service.identify(bearer(request))

    async def datasets(self, request: web.Request) -> web.Response:
        """Answer GET /v1/datasets."""
        return json_response({"datasets": await self._service.datasets(await self._caller(request))})

    async def dataset(self, request: web.Request) -> web.Response:
        """Answer GET /v1/datasets/{name}."""
        return json_response(await self._service.dataset(await self._caller(request), request.match_info["name"]))

    async def refresh(self, request: web.Request) -> web.Response:
        """Answer POST /v1/datasets/{name}/refresh."""
        return json_response(await self._service.refresh(await self._caller(request), request.match_info["name"]))

    async def budget(self, request: web.Request) -> web.Response:
        """Answer GET /v1/budget."""
        return json_response({"datasets": await self._service.budget(await self._caller(request))})

    async def events(self, request: web.Request) -> web.Response:
        """Answer GET /v1/meter/events as JSON lines; the header Gateway-Cursor continues after them."""
        caller = await self._caller(request)
        after, limit = request.query.get("after"), request.query.get("limit", "100")
        if not (limit.isascii() and limit.isdigit() and len(limit) < 9 and 0 < int(limit) <= MAX_EVENTS):
            raise GatewayError("bad_request", "`limit` is out of range.", f"Send 1 to {MAX_EVENTS}.")
        found = await self._service.events(caller, after, int(limit))
        body = "".join(f"{line}\n" for _, line in found)
        cursor = found[-1][0] if found else after
        headers = {} if cursor is None else {"Gateway-Cursor": cursor}
        return web.Response(body=body.encode(), content_type="application/jsonl", headers=headers)

    async def invoices(self, request: web.Request) -> web.Response:
        """Answer GET /v1/invoices."""
        caller = await self._caller(request)
        period, form = billing.asked(request)
        return billing.response(await self._service.invoices(caller, period), form)

    async def receipt(self, request: web.Request) -> web.Response:
        """Answer GET /v1/queries/{id}/receipt; `since` is the size of a checkpoint that it is to extend."""
        caller, since = await self._caller(request), request.query.get("since")
        if since is not None and not (since.isascii() and since.isdigit() and len(since) <= MAX_DIGITS):
            raise GatewayError(
                "bad_request", "`since` is no size of a log.", "Send the second line of a checkpoint that you kept."
            )
        size = None if since is None else int(since)
        return json_response(await self._service.receipt(caller, request.match_info["id"], size))


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

EVENTS = "/v1/meter/events"
INVOICES = "/v1/invoices"
QUERY = "/v1/queries/{id}"
RECEIPT = "/v1/queries/{id}/receipt"
PARAMETERS: dict[str, frozenset[str]] = {
    EVENTS: frozenset({"after", "limit"}),
    QUERIES: frozenset({"before", "limit"}),
    INVOICES: frozenset({"period", "format"}),
    RECEIPT: frozenset({"since"}),
    QUERY: frozenset({"format", "intervals", "wait_timeout"}),
}
"""The query parameters of each route; the others take none."""


@web.middleware
async def known_parameters(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a query parameter that the address does not have, or that stands twice: nothing is silently ignored."""
    route = request.match_info.route.resource
    known = PARAMETERS.get(route.canonical, frozenset()) if route is not None else frozenset(request.query)
    unknown = sorted(set(request.query) - known)
    if unknown:
        shown = repr(unknown[0][:64])
        hint = f"Known: {', '.join(sorted(known))}." if known else "This address takes no parameters."
        raise GatewayError("bad_request", f"The parameter {shown} is not known.", hint)
    if len(request.query) > len(set(request.query)):
        raise GatewayError("bad_request", "A parameter stands twice.", "Send each once.")
    return await handler(request)


def build(
    service: Service, questions: Questions, accounts: Accounts, operations: Operations, settings: Settings
) -> web.Application:
    """Return the application."""
    door = Door(service)
    middlewares = [watched(operations), errors, known_parameters]
    app = web.Application(middlewares=middlewares, client_max_size=settings.max_body_bytes + 1)
    gets: list[tuple[str, Callable[[web.Request], Awaitable[web.Response]]]] = [
        ("/v1/datasets", door.datasets),
        ("/v1/datasets/{name}", door.dataset),
        ("/v1/budget", door.budget),
        (EVENTS, door.events),
        (INVOICES, door.invoices),
        (RECEIPT, door.receipt),
    ]
    for path, handler in gets:
        app.router.add_get(path, handler)
    app.router.add_post("/v1/datasets/{name}/refresh", door.refresh)
    QueryDoor(service, questions, settings).add_to(app)
    AccountDoor(service, accounts, settings).add_to(app)
    LogDoor(service, settings).add_to(app)
    OperationsDoor(operations, service, lambda: questions.draining).add_to(app)
    return app


async def serve(
    app: web.Application, questions: Questions, settings: Settings, ready: Callable[[str], None], stop: asyncio.Event
) -> None:
    """Listen until `stop`, then take nothing new and wait for what runs, at most `drain_s`."""
    runner = web.AppRunner(app, handler_cancellation=False, shutdown_timeout=LAST_WORDS_S)
    await runner.setup()
    served, loop = runner.server, asyncio.get_running_loop()
    assert served is not None  # INVARIANT: a runner that is set up has a server

    def connection() -> TimedConnection:
        return TimedConnection(served, loop, settings.head_timeout_s, settings.max_connections)

    try:
        server = await loop.create_server(connection, settings.host, settings.port)
    except (OSError, OverflowError) as error:
        await runner.cleanup()
        reason = error.strerror if isinstance(error, OSError) else "there is no such port"
        detail = f"The gateway cannot listen on {settings.host}:{settings.port}: {reason}."
        raise GatewayError("settings_invalid", detail, "Free the port, or name another one (0 takes any).") from None
    port = server.sockets[0].getsockname()[1]
    ready(f"http://{settings.host}:{port}")
    await stop.wait()
    await questions.drain(settings.drain_s)
    server.close()
    await runner.cleanup()
