"""Front door to grants: asked for, signed, refused and taken back; the keys that sign; what crosses a border."""

from typing import Any

from aiohttp import web

from gateway.request import Caller
from gateway.settings import Settings
from gateway.web import strict_json
from gateway.web.bodies import (
    GrantRequestBody,
    KeyBody,
    KeyRevocationBody,
    Model,
    ReasonBody,
    SignedTermsBody,
    read_as,
)
from gateway.web.exchange import PAGING, caller_of, json_response, page_of, read_body
from gateway.web.routes import Route, replies
from gateway.web.service import Grants, Service

TAG = "grants"
ONE = "/v1/grants/{id}"
KEY = "/v1/keys/{id}"


class GrantDoor:
    """The handlers of grants and of the keys that sign them."""

    def __init__(self, service: Service, grants: Grants, settings: Settings) -> None:
        self._service = service
        self._grants = grants
        self._settings = settings

    def routes(self) -> list[Route]:
        """Return its addresses."""
        parties = ("buyer", "provider", "supervisor")
        one, key = replies("the grant as it stands", "Grant"), replies("the key as it stands", "SigningKey")
        return [
            Route("POST", "/v1/grants", self.request, TAG, "ask a provider for a grant to your organisation",
                  ("buyer",), body="GrantRequest", replies=one),
            Route("GET", "/v1/grants", self.grants, TAG, "grants that you asked for, that you give, or all", parties,
                  PAGING, replies=replies("the latest first", "Grants")),
            Route("GET", ONE, self.one, TAG, "one grant, with the terms to sign or as signed", parties, replies=one),
            Route("POST", f"{ONE}/grant", self.grant, TAG, "grant it by signed terms", ("provider",),
                  body="SignedTerms", replies=one),
            Route("POST", f"{ONE}/refuse", self.refuse, TAG, "refuse it", ("provider",), body="Reason", replies=one),
            Route("POST", f"{ONE}/revoke", self.revoke, TAG, "take it back, and end what runs of it",
                  ("provider", "supervisor"), body="Reason", replies=one),
            Route("GET", "/v1/crossings", self.crossings, TAG, "people whose data went abroad, by country and year",
                  ("provider", "supervisor"), replies=replies("the latest years first", "Crossings")),
            Route("GET", "/v1/keys", self.keys, TAG, "keys that sign grants", ("provider", "supervisor"),
                  replies=replies("in the order of registration", "SigningKeys")),
            Route("POST", "/v1/keys", self.register, TAG, "register a key of your organisation", ("provider",),
                  body="PublicKey", replies=key),
            Route("POST", f"{KEY}/confirm", self.confirm, TAG, "confirm another person's key", ("provider",),
                  replies=key),
            Route("POST", f"{KEY}/revoke", self.revoke_key, TAG, "have a key sign no new grants",
                  ("provider", "supervisor"), body="KeyRevocation", replies=key),
        ]  # fmt: skip

    async def _asked(self, request: web.Request, model: type[Model]) -> tuple[Caller, Model, dict[str, Any]]:
        """Return who asks, the body as its model, and as it was sent: what is signed is signed as it was sent."""
        caller = await caller_of(request, self._service)
        sent = strict_json.parse(await read_body(request, self._settings))
        return caller, read_as(model, sent), sent

    async def request(self, request: web.Request) -> web.Response:
        """Answer POST /v1/grants."""
        caller, body, _ = await self._asked(request, GrantRequestBody)
        asked = body.terms.model_dump(mode="json")
        return json_response(await self._grants.request(caller, body.dataset, body.why, asked))

    async def grants(self, request: web.Request) -> web.Response:
        """Answer GET /v1/grants."""
        caller = await caller_of(request, self._service)
        return json_response((await self._grants.grants(caller, page_of(request))).document("grants"))

    async def one(self, request: web.Request) -> web.Response:
        """Answer GET /v1/grants/{id}."""
        return json_response(await self._grants.one(await caller_of(request, self._service), request.match_info["id"]))

    async def grant(self, request: web.Request) -> web.Response:
        """Answer POST /v1/grants/{id}/grant."""
        caller, body, sent = await self._asked(request, SignedTermsBody)
        return json_response(await self._grants.grant(caller, request.match_info["id"], sent["terms"], body.signature))

    async def refuse(self, request: web.Request) -> web.Response:
        """Answer POST /v1/grants/{id}/refuse."""
        caller, body, _ = await self._asked(request, ReasonBody)
        return json_response(await self._grants.refuse(caller, request.match_info["id"], body.reason))

    async def revoke(self, request: web.Request) -> web.Response:
        """Answer POST /v1/grants/{id}/revoke."""
        caller, body, _ = await self._asked(request, ReasonBody)
        return json_response(await self._grants.revoke(caller, request.match_info["id"], body.reason))

    async def crossings(self, request: web.Request) -> web.Response:
        """Answer GET /v1/crossings."""
        return json_response({"crossings": await self._grants.crossings(await caller_of(request, self._service))})

    async def keys(self, request: web.Request) -> web.Response:
        """Answer GET /v1/keys."""
        return json_response({"keys": await self._grants.keys.keys(await caller_of(request, self._service))})

    async def register(self, request: web.Request) -> web.Response:
        """Answer POST /v1/keys."""
        caller, body, _ = await self._asked(request, KeyBody)
        return json_response(await self._grants.keys.register(caller, body.public_key))

    async def confirm(self, request: web.Request) -> web.Response:
        """Answer POST /v1/keys/{id}/confirm."""
        return json_response(
            await self._grants.keys.confirm(await caller_of(request, self._service), request.match_info["id"])
        )

    async def revoke_key(self, request: web.Request) -> web.Response:
        """Answer POST /v1/keys/{id}/revoke."""
        caller, body, _ = await self._asked(request, KeyRevocationBody)
        return json_response(await self._grants.keys.revoke(caller, request.match_info["id"], body.organisation))
