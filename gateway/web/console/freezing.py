"""What is frozen, and the forms that freeze and lift: for supervisors, and for providers of their own datasets."""

from collections.abc import Mapping

from aiohttp import web

from gateway.errors import GatewayError
from gateway.web.bodies import NAMED_BY, FreezeBody, read_as
from gateway.web.console.pages import Desk, see
from gateway.web.console.sessions import Session
from gateway.web.routes import Parameter, Route
from gateway.web.service import Supervision

HERE = "/console/freezes"
MEMBERS = ("scope", "organisation", "subject", "dataset", "query_id", "reason")
GIVEN = tuple(Parameter(name, "what the form begins with", {"type": "string"}) for name in MEMBERS[:-1])


class FreezePages:
    """Handles /console/freezes, and what its forms do."""

    def __init__(self, desk: Desk, supervision: Supervision) -> None:
        self._desk = desk
        self._supervision = supervision

    def routes(self) -> list[Route]:
        """Return its addresses."""
        return [
            self._desk.get(HERE, self.freezes, "what is frozen", GIVEN),
            self._desk.post("/console/freeze", self.freeze, "freeze"),
            self._desk.post("/console/unfreeze", self.unfreeze, "lift a freeze"),
        ]

    async def freezes(self, request: web.Request, session: Session) -> web.Response:
        """Answer GET /console/freezes; the address may name what the form begins with."""
        values = {
            "held": await self._supervision.freezes(session.caller),
            "scopes": list(NAMED_BY) if "supervisor" in session.caller.roles else ["dataset", "query"],
            "begun": {name: request.query.get(name, "") for name in MEMBERS},
        }
        return self._desk.page(request, session, "freezes.html", values)

    async def freeze(self, _request: web.Request, session: Session, form: Mapping[str, str]) -> web.Response:
        """Answer POST /console/freeze: only what names a target of this scope is read."""
        scope = form.get("scope", "")
        wanted = ("scope", "reason", *NAMED_BY.get(scope, ()))
        body = read_as(FreezeBody, {name: form[name].strip() for name in wanted if form.get(name, "").strip()})
        await self._supervision.freeze(session.caller, body.scope, body.target, body.reason)
        return see(HERE)

    async def unfreeze(self, _request: web.Request, session: Session, form: Mapping[str, str]) -> web.Response:
        """Answer POST /console/unfreeze: of one that is listed."""
        scope, name, reason = (form.get(member, "").strip() for member in ("scope", "name", "reason"))
        if scope not in NAMED_BY or not reason:
            raise GatewayError("bad_request", "A freeze is lifted with a reason.", "Say why.")
        await self._supervision.unfreeze(session.caller, scope, name, reason[:500])
        return see(HERE)
