"""What an address is: who may call it, what it takes and gives. The application and its documents are made of that."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from gateway.errors import GatewayError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Schema = Mapping[str, Any]

JSON = "application/json"

ANYONE: tuple[str, ...] | None = None
"""No token is asked for."""

ANY_ROLE: tuple[str, ...] = ()
"""Whoever has a token; what is shown hangs on whose it is."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter or header: its name, what it says, the JSON Schema of its values."""

    name: str
    summary: str
    schema: Schema
    header: bool = False
    required: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """What comes with a status: media types, each with the name of a schema or a JSON Schema of its own."""

    summary: str
    content: Mapping[str, str | Schema] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Route:
    """One address under one method. `{name}` parts of `path` take no slash, `{name:.+}` any.

    `roles` may call it: ANYONE, ANY_ROLE, or one of those named. `body` names the schema of what is sent as `media`.
    Besides `replies`, every address answers errors as problem documents. Pages for people are not `documented`: the
    description of the API leaves them out.
    """

    method: str
    path: str
    handler: Handler
    tag: str
    summary: str
    roles: tuple[str, ...] | None = ANY_ROLE
    parameters: tuple[Parameter, ...] = ()
    body: str | None = None
    replies: Mapping[int, Reply] = field(default_factory=dict)
    documented: bool = True
    media: str = JSON


def replies(summary: str, content: str | Schema, media: str = JSON) -> Mapping[int, Reply]:
    """Return the replies of an address that gives one document."""
    return {200: Reply(summary, {media: content})}


ROUTES = web.AppKey("routes", dict[tuple[str, str], Route])


def add(app: web.Application, routes: Iterable[Route]) -> None:
    """Give an application its addresses."""
    table: dict[tuple[str, str], Route] = {}
    for route in routes:
        made = app.router.add_route(route.method, route.path, route.handler)
        assert made.resource is not None  # INVARIANT: aiohttp makes one for every path
        table[route.method, made.resource.canonical] = route
    app[ROUTES] = table


@web.middleware
async def known_parameters(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a query parameter that the address does not have, or that stands twice: nothing is silently ignored.

    So is a part of a path that is no name, and a parameter with a NUL: a store may fail on it.
    """
    if not "".join(request.match_info.values()).isprintable():
        raise GatewayError("not_found", "There is nothing at this address.", "See docs/API.md for the addresses.")
    resource = request.match_info.route.resource
    if resource is None or not request.query_string:
        return await handler(request)
    route = request.app[ROUTES].get((request.method, resource.canonical))
    known = {p.name for p in route.parameters if not p.header} if route is not None else set()
    unknown = sorted(set(request.query) - known)
    if unknown:
        shown = repr(unknown[0][:64])
        hint = f"Known: {', '.join(sorted(known))}." if known else "This address takes no parameters."
        raise GatewayError("bad_request", f"The parameter {shown} is not known.", hint)
    if len(request.query) > len(set(request.query)):
        raise GatewayError("bad_request", "A parameter stands twice.", "Send each once.")
    if any("\0" in value for value in request.query.values()):
        raise GatewayError("bad_request", "A parameter holds a NUL.", "Leave it out.")
    return await handler(request)
