"""Addresses of pages: nobody can make one up, and each names the buyer, the query and what its pages show.

A page's address holds no secret: the token is asked for at each. Whoever reads a page is told where the next is in the
words of the request itself, so that proxies and ports in between need no setting.
"""

import base64
import hashlib
import hmac
import re
import zlib

from aiohttp import web

from gateway.errors import GatewayError
from gateway.orders import buyer_id
from gateway.request import Caller

STATEMENT = "/v1/statement"
WAITING, READY = "queued", "executing"
MAX_SEALED = 7_500
"""How long an address may be that holds its page: proxies refuse longer lines."""

_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?")
_PORT = re.compile(r"\d{1,5}")


class Addresses:
    """Makes and checks addresses of pages with a key that all replicas of a store share."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def page(self, caller: Caller, query_id: str, number: int, *, intervals: bool, state: str = READY) -> str:
        """Return the path of a page; `state` WAITING: `number` counts how often it was asked for, and its page is 0."""
        shows = "i" if intervals else "p"
        return f"{STATEMENT}/{state}/{query_id}/{shows}{self._mark(caller, query_id, shows)}/{number}"

    def checked(self, caller: Caller, query_id: str, slug: str) -> bool:
        """Return whether the pages of an address show intervals. Raises `not_found` where it is not one of ours."""
        shows = slug[:1]
        self._same(slug[1:], self._mark(caller, query_id, shows))
        return shows == "i"

    def sealed(self, caller: Caller, query_id: str, content: bytes) -> str | None:
        """Return the path of a page that is in the address itself, None where it is too long for one."""
        packed = base64.urlsafe_b64encode(zlib.compress(content, 9)).decode().rstrip("=")
        if len(packed) > MAX_SEALED:
            return None
        mark = self._mark(
            caller, query_id, f"s{packed}"
        )  # never the mark of another page, whose first letter is i or p
        return f"{STATEMENT}/{READY}/{query_id}/s{mark}/{packed}"

    def opened(self, caller: Caller, query_id: str, slug: str, packed: str) -> bytes:
        """Return the page that an address holds. Raises `not_found`."""
        self._same(slug[1:], self._mark(caller, query_id, f"s{packed}"))
        return zlib.decompress(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)))

    def _mark(self, caller: Caller, query_id: str, what: str) -> str:
        said = "\n".join((buyer_id(caller), query_id, what)).encode()
        return hmac.new(self._key, said, hashlib.sha256).hexdigest()[:32]

    @staticmethod
    def _same(given: str, due: str) -> None:
        if not hmac.compare_digest(given.encode(), due.encode()):
            raise GatewayError("not_found", "There is no such page of yours.", "Follow `nextUri` as it was given.")


def base_of(request: web.Request) -> str:
    """Return scheme, host and port as the caller sees them: what a proxy says in X-Forwarded-*, else the request's own.

    Whoever sends these headers is answered with them and nobody else is, so that no proxy has to be trusted.
    Raises GatewayError `bad_request` where they are no address.
    """
    headers = request.headers
    scheme = headers.get("X-Forwarded-Proto", request.scheme).casefold()
    host = headers.get("X-Forwarded-Host", headers.get("Host", ""))
    port = headers.get("X-Forwarded-Port")
    fits = scheme in ("http", "https") and _HOST.fullmatch(host) and (port is None or _PORT.fullmatch(port))
    if not fits:
        hint = "Send Host, or X-Forwarded-Proto, -Host and -Port with one value each."
        raise GatewayError("bad_request", "The headers name no address to go on at.", hint)
    if port is not None and not re.search(r":\d+$", host) and port != {"http": "80", "https": "443"}[scheme]:
        host = f"{host}:{port}"
    return f"{scheme}://{host}"
