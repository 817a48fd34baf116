"""Connections that are held to time: whoever does not finish a request's head is let go, and so is one too many.

The server library bounds neither, and answers what it cannot read by quoting it; here that is a problem document of
our own words. What a request does once its head is read is the door's business.
"""

import asyncio
import logging

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.http_parser import RawRequestMessage
from aiohttp.web_protocol import RequestHandler

from gateway.errors import GatewayError
from gateway.web.problem import HEADERS, of_status, problem

log = logging.getLogger("gateway.web")


class TimedConnection(RequestHandler):
    """One connection: closed when it has waited `head_s` for the head of a request, or beyond `most` connections."""

    def __init__(self, server: web.Server, loop: asyncio.AbstractEventLoop, head_s: float, most: int) -> None:
        super().__init__(server, loop=loop, access_log=None, auto_decompress=False)  # type: ignore[arg-type]
        self._server = server
        self._head_s = head_s
        self._most = most
        self._idle_since = loop.time()
        self._check: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a connection, or close it at once where there are too many."""
        super().connection_made(transport)
        if len(self._server.connections) > self._most:
            self.force_close()
            return
        self._idle_since = self._loop.time()
        self._look_again()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget a connection."""
        if self._check is not None:
            self._check.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; a body that stops being HTTP on its way ends its request now, not when its time is over."""
        super().data_received(data)
        if not self._messages or isinstance(self._messages[-1][0], RawRequestMessage):
            return
        bodies = [body for _, body in self._messages]
        if self._current_request is not None:
            bodies.append(self._current_request.content)
        for body in bodies:
            if not body.is_eof():
                body.set_exception(web.RequestPayloadError())
                body.feed_eof()
                self.close()  # once that request is answered

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is not HTTP, and what fails outside the application; nothing of it is quoted or logged."""
        del message  # the library's: it holds the bytes that came
        log.warning("a request could not be read: %s", type(exc).__name__)
        if request.writer.output_size > 0:
            raise ConnectionError
        if status >= 500:
            return _closing(GatewayError("internal", "The gateway failed; nothing was released.", "Ask again."))
        if isinstance(exc, LineTooLong):
            return _closing(GatewayError("too_large", "A line of the request's head is too long.", "Shorten it."))
        return _closing(GatewayError("bad_request", "This is not HTTP as the gateway reads it.", "Send HTTP/1.1."))

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer; what the library raised before the application saw the request is one of ours as well."""
        if isinstance(resp, web.HTTPException):
            resp = _closing(of_status(resp.status))
        return await super().finish_response(request, resp, start_time)

    def _look_again(self) -> None:
        self._check = self._loop.call_later(self._head_s / 4, self._look)

    def _look(self) -> None:
        now = self._loop.time()
        if self._current_request is not None or self._messages:
            self._idle_since = now
        elif now - self._idle_since > self._head_s:
            self.force_close()
            return
        self._look_again()


def _closing(error: GatewayError) -> web.Response:
    """Return a problem document that ends its connection: where the next request begins is not known."""
    response = problem(error)
    response.headers.update(HEADERS)
    response.force_close()
    return response
