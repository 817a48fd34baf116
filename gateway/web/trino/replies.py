"""Replies of the protocol: a page with where it came from and where the next one is."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import web

from gateway.errors import GatewayError
from gateway.request import Caller
from gateway.stages import Stage
from gateway.web.exchange import json_response
from gateway.web.trino.addresses import WAITING, Addresses, base_of
from gateway.web.trino.pages import QUEUED, Results, failed, results, state_of, stats

JAVASCRIPT = ("trino-js-client", "axios/")
"""The source, and how the user agent begins, of Trino's client for JavaScript, which drops what a first reply holds."""

_TOO_LARGE = GatewayError(
    "too_large",
    "Trino's client for JavaScript drops what a first reply holds, and these rows are too many for an address.",
    "Select fewer columns or rows of the catalogue.",
)


@dataclass(frozen=True, slots=True)
class Done:
    """What a statement without rows did: its name, and what the client is to change in its session."""

    update_type: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Replies:
    """Makes the replies to one request of one caller."""

    caller: Caller
    base: str
    addresses: Addresses
    drops_first: bool

    @classmethod
    def to(cls, request: web.Request, caller: Caller, addresses: Addresses) -> "Replies":
        """Return what replies to a request. Raises `bad_request` where its headers name no address."""
        source = request.headers.get("X-Trino-Source", "")
        drops = source == JAVASCRIPT[0] or request.headers.get("User-Agent", "").startswith(JAVASCRIPT[1])
        return cls(caller, base_of(request), addresses, drops and request.method == "POST")

    def waiting(self, query_id: str, stage: Stage | None, asked: int, *, intervals: bool) -> web.Response:
        """Return where a question that runs goes on; `asked` is how often that was told before."""
        following = self.addresses.page(self.caller, query_id, asked + 1, intervals=intervals, state=WAITING)
        content: dict[str, object] = {"stats": stats(state_of(stage), stage), "warnings": []}
        return self._reply(query_id, content, following)

    def page(self, query_id: str, found: Results, number: int, *, intervals: bool) -> web.Response:
        """Return a page of an answer that the store holds. Raises `not_found` beyond the last."""
        if self.drops_first:
            here = self.addresses.page(self.caller, query_id, number, intervals=intervals)
            return self._reply(query_id, {"stats": stats(QUEUED), "warnings": []}, here)
        following = None
        if number + 1 < found.count:
            following = self.addresses.page(self.caller, query_id, number + 1, intervals=intervals)
        return self._reply(query_id, found.page(number), following)

    def whole(self, query_id: str, content: dict[str, object]) -> web.Response:
        """Return the one page of what no store holds. What a client would drop and no address holds is refused."""
        if not self.drops_first:
            return self._reply(query_id, content, None)
        sealed = self._sealed(query_id, content) or self._sealed(query_id, failed(_TOO_LARGE))
        return self._reply(query_id, {"stats": stats(QUEUED), "warnings": []}, sealed)

    def _sealed(self, query_id: str, content: dict[str, object]) -> str | None:
        return self.addresses.sealed(self.caller, query_id, json.dumps(content).encode())

    def opened(self, query_id: str, slug: str, packed: str) -> web.Response:
        """Return the page that an address holds. Raises `not_found`."""
        return self._reply(query_id, json.loads(self.addresses.opened(self.caller, query_id, slug, packed)), None)

    def failed(self, query_id: str, error: GatewayError) -> web.Response:
        """Return why there is no answer."""
        return self.whole(query_id, failed(error))

    def done(self, query_id: str, done: Done) -> web.Response:
        """Return that a statement without rows is done: as Trino says it, by one row `true`."""
        content = {**results([("result", "BOOLEAN")], [[True]]).page(0), "updateType": done.update_type}
        return self._reply(query_id, content, None, done.headers)

    def _reply(
        self,
        query_id: str,
        content: dict[str, object],
        following: str | None,
        headers: Mapping[str, str] | None = None,
    ) -> web.Response:
        more = {"nextUri": self.base + following} if following is not None else {}
        document = {"id": query_id, "infoUri": f"{self.base}/v1/queries/{query_id}", **more, **content}
        return json_response(document, headers=dict(headers or {}))
