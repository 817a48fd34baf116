"""Errors as RFC 9457 problem documents. Nothing but our own words leaves here."""

import json
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from gateway.errors import GatewayError, Quota

log = logging.getLogger("gateway.web")

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

RETRY_AFTER_S = "2"


def paced(quota: Quota) -> dict[str, str]:
    """Return the headers that tell a pace (IETF draft ratelimit-headers): what may be had, and what is left of it."""
    return {
        "RateLimit-Policy": f'"{quota.name}";q={quota.most};w={quota.window_s}',
        "RateLimit": f'"{quota.name}";r={quota.left};t={quota.wait_s}',
    }


def problem(error: GatewayError, headers: dict[str, str] | None = None) -> web.Response:
    """Return an error as application/problem+json."""
    document: dict[str, object] = {
        "type": f"urn:gateway:error:{error.code}",
        "title": error.title,
        "status": error.status,
        "code": error.code,
        "kind": error.kind.value,
        "detail": error.detail,
        "hint": error.hint,
    }
    if error.position is not None:
        document["position"] = {"line": error.position.line, "column": error.position.column}
    extra = dict(headers or {})
    if error.status == 401:
        extra["WWW-Authenticate"] = "Bearer"
    if error.status in (429, 503):
        extra["Retry-After"] = RETRY_AFTER_S
    if error.quota is not None:
        extra |= paced(error.quota)
        extra["Retry-After"] = str(error.quota.wait_s)
    body = json.dumps(document, ensure_ascii=False).encode()
    return web.Response(body=body, status=error.status, content_type="application/problem+json", headers=extra)


_NAMES = {
    404: ("not_found", "There is nothing at this address.", "See docs/API.md for the addresses."),
    405: ("method_not_allowed", "This address does not take this method.", "See the Allow header."),
    417: ("bad_request", "Expect asks for what the gateway does not do.", "Send 100-continue or no Expect header."),
    413: ("too_large", "The request is larger than the gateway reads.", "Shorten it."),
}


def of_status(status: int) -> GatewayError:
    """Return our own words for an HTTP status of the server library."""
    return GatewayError(*_NAMES.get(status, ("bad_request", "The request is not well formed.", "")))


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every error into a problem document, and give every answer its security headers."""
    try:
        response = await handler(request)
    except GatewayError as error:
        response = problem(error)
    except web.HTTPException as error:
        allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
        response = problem(of_status(error.status), allow)
    except Exception:
        log.exception("unexpected failure at %s", request.path)
        response = problem(GatewayError("internal", "The gateway failed; nothing was released.", "Ask again."))
    headers = response.headers
    for name, value in HEADERS.items():
        headers.setdefault(name, value)  # a page says itself which style sheet is its own
    return response
