"""Bytes in and out of every front door: the bearer token, a bounded body, a JSON answer."""

import asyncio
import json

from aiohttp import ClientError, web

from gateway.errors import GatewayError
from gateway.settings import Settings


def bearer(request: web.Request) -> str:
    """Return the one bearer token of a request. Raises `unauthenticated`."""
    headers = request.headers.getall("Authorization", [])
    scheme, _, token = headers[0].partition(" ") if len(headers) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not token:
        hint = "Send one header `Authorization: Bearer <token>`."
        raise GatewayError("unauthenticated", "The token is missing or not valid.", hint)
    return token


async def read_body(request: web.Request, settings: Settings) -> bytes:
    """Return the bytes of a JSON body: plain, whole, in time and within the limit.

    Raises GatewayError `bad_encoding`, `too_large` or `bad_request`.
    """
    if "Content-Encoding" in request.headers:
        raise GatewayError("bad_encoding", "Compressed bodies are not read.", "Send plain JSON.")
    if request.content_type != "application/json":
        raise GatewayError("bad_encoding", "The body is not JSON.", "Send Content-Type: application/json.")
    limit = settings.max_body_bytes
    too_large = GatewayError("too_large", f"More than {limit:,} bytes.", "Shorten the request.")
    if request.content_length is not None and request.content_length > limit:
        raise too_large
    parts, size = [], 0
    try:
        async with asyncio.timeout(settings.body_timeout_s):
            async for part in request.content.iter_chunked(65536):
                size += len(part)
                if size > limit:
                    raise too_large
                parts.append(part)
    except TimeoutError:
        raise GatewayError("bad_request", "The body did not arrive in time.", "Send it at once.") from None
    except (ConnectionError, ClientError, web.RequestPayloadError):
        raise GatewayError("bad_request", "The body did not arrive whole.", "Send it again.") from None
    return b"".join(parts)


def json_response(content: object, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Return a document as JSON; NaN never leaves."""
    body = json.dumps(content, ensure_ascii=False, allow_nan=False).encode()
    return web.Response(body=body, status=status, content_type="application/json", headers=headers)
