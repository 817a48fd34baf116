"""Connections that are held to time: whoever does not finish a request's head is let go, and so is one too many.

The server library bounds neither; what a request does once its head is read is the door's business.
"""

import asyncio

from aiohttp import web
from aiohttp.web_protocol import RequestHandler


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
