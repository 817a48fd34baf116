"""Calls over http.client: one connection each, never a redirect, never a proxy, bounded in time and size."""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from time import monotonic
from urllib.parse import urlsplit

from gateway.client.wire import MAX_REPLY_BYTES, Call, Lost, Reply, compressed, too_large

_PART_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Blocking:
    """The transport of `sync` and of the command line, to one address that was checked."""

    url: str
    max_reply_bytes: int = MAX_REPLY_BYTES

    def send(self, call: Call, token: str) -> Reply:
        """Return the reply, whatever its status. Raises Lost without a whole one in time, BadReply beyond the limit."""
        headers = {"Accept": "application/json", **call.headers, "Authorization": f"Bearer {token}"}
        connection = self._connection(call.timeout_s)
        ends = monotonic() + call.timeout_s
        try:
            connection.request(call.method, urlsplit(self.url).path + call.path, call.body, headers)
            reply = connection.getresponse()
            names = {name.lower(): value for name, value in reply.getheaders()}
            return Reply(reply.status, names, self._body(reply, ends))
        except (OSError, HTTPException) as failure:
            reason = str(failure) or type(failure).__name__
            raise Lost(f"no gateway answers at {self.url}: {reason}") from None
        finally:
            connection.close()

    def _connection(self, timeout_s: float) -> HTTPConnection:
        parts = urlsplit(self.url)
        assert parts.hostname is not None  # INVARIANT: the address was checked
        if parts.scheme == "https":
            return HTTPSConnection(parts.hostname, parts.port, timeout=timeout_s, context=_context())
        return HTTPConnection(parts.hostname, parts.port, timeout=timeout_s)

    def _body(self, reply: HTTPResponse, ends: float) -> bytes:
        if reply.getheader("Content-Encoding", "identity") != "identity":
            raise compressed()
        found = bytearray()
        for part in _parts(reply):
            found += part
            if len(found) > self.max_reply_bytes:
                raise too_large(self.max_reply_bytes)
            if monotonic() > ends:
                raise TimeoutError("the reply did not end in time")
        if reply.length:  # http.client says nothing of a body that ends early
            raise TimeoutError("the reply was cut short")
        return bytes(found)


def _parts(reply: HTTPResponse) -> Iterator[bytes]:
    while part := reply.read1(_PART_BYTES):
        yield part


@cache
def _context() -> ssl.SSLContext:
    return ssl.create_default_context()
