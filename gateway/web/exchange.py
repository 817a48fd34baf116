"""Bytes in and out of every front door: who asks, a bounded body, a JSON answer."""

import asyncio
import json

from aiohttp import ClientError, web

from gateway.errors import GatewayError
from gateway.ledger.paging import MOST, USUAL, Page
from gateway.request import Caller
from gateway.settings import Settings
from gateway.web import strict_json
from gateway.web.bodies import Model, read_as
from gateway.web.routes import Parameter
from gateway.web.service import Service


def bearer(request: web.Request) -> str:
    """Return the one bearer token of a request. Raises `unauthenticated`."""
    headers = request.headers.getall("Authorization", [])
    scheme, _, token = headers[0].partition(" ") if len(headers) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not token:
        hint = "Send one header `Authorization: Bearer <token>`."
        raise GatewayError("unauthenticated", "The token is missing or not valid.", hint)
    return token


async def caller_of(request: web.Request, service: Service) -> Caller:
    """Return who sends a request and is let in. Raises as `bearer` and `Service.identify`."""
    return await service.identify(bearer(request))


def limit_of(request: web.Request, default: int, most: int) -> int:
    """Return the parameter `limit` of a request. Raises GatewayError `bad_request`."""
    limit = request.query.get("limit", str(default))
    if not (limit.isascii() and limit.isdigit() and len(limit) < 9 and 0 < int(limit) <= most):
        raise GatewayError("bad_request", "`limit` is out of range.", f"Send 1 to {most}.")
    return int(limit)


PAGING = (
    Parameter("after", "the `cursor` of the page before", {"type": "string"}),
    Parameter("limit", "how many, at most", {"type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL}),
)
"""The parameters of an address that `page_of` reads."""


def page_of(request: web.Request) -> Page:
    """Return which page of a listing a request asks for. Raises GatewayError `bad_request`."""
    return Page(limit_of(request, USUAL, MOST), request.query.get("after"))


FORM = "application/x-www-form-urlencoded"
_MEDIA = {"application/json": "JSON", FORM: "a form"}


async def read_body(request: web.Request, settings: Settings, media: str | None = "application/json") -> bytes:
    """Return the bytes of a body of this media type (None: of any): plain, whole, in time and within the limit.

    Raises GatewayError `bad_encoding`, `too_large` or `bad_request`.
    """
    if "Content-Encoding" in request.headers:
        plain = "text" if media is None else _MEDIA[media].removeprefix("a ")
        raise GatewayError("bad_encoding", "Compressed bodies are not read.", f"Send plain {plain}.")
    if media is not None and request.content_type != media:
        raise GatewayError("bad_encoding", f"The body is not {_MEDIA[media]}.", f"Send Content-Type: {media}.")
    limit = settings.max_body_bytes
    if request.content_length is not None and request.content_length > limit:
        raise _too_large(limit)
    parts, size = [], 0
    try:
        if request.content.is_eof():  # it came with its head: there is nothing to wait for
            return _within(limit, request.content.read_nowait())
        async with asyncio.timeout(settings.body_timeout_s):
            async for part in request.content.iter_chunked(65536):
                size += len(part)
                if size > limit:
                    raise _too_large(limit)
                parts.append(part)
    except TimeoutError:
        raise GatewayError("bad_request", "The body did not arrive in time.", "Send it at once.") from None
    except (ConnectionError, ClientError, web.RequestPayloadError):
        raise GatewayError("bad_request", "The body did not arrive whole.", "Send it again.") from None
    return b"".join(parts)


def _within(limit: int, body: bytes) -> bytes:
    if len(body) > limit:
        raise _too_large(limit)
    return body


def _too_large(limit: int) -> GatewayError:
    return GatewayError("too_large", f"More than {limit:,} bytes.", "Shorten the request.")


async def body_as(request: web.Request, settings: Settings, model: type[Model]) -> Model:
    """Return a body of JSON as its model. Raises as `read_body`, `strict_json.parse` and `read_as`."""
    return read_as(model, strict_json.parse(await read_body(request, settings)))


async def read_text(request: web.Request, settings: Settings) -> str:
    """Return a body that is text in UTF-8, whatever it is called. Raises as `read_body`."""
    try:
        return (await read_body(request, settings, None)).decode()
    except UnicodeDecodeError:
        raise GatewayError("bad_encoding", "The body is not UTF-8.", "Send text in UTF-8.") from None


def json_response(content: object, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Return a document as JSON; NaN never leaves."""
    body = json.dumps(content, ensure_ascii=False, allow_nan=False).encode()
    return web.Response(body=body, status=status, content_type="application/json", headers=headers)
