"""What is frozen, and the forms that freeze and lift: for supervisors, and for providers of their own datasets."""

from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from gateway.errors import GatewayError
from gateway.web.bodies import NAMED_BY, FreezeBody, LiftBody, read_as
from gateway.web.console.forms import Fault, fault_of, stay
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
            self._desk.get("/console/freeze", self.back, "back to the page, where somebody loads a refusal again"),
            self._desk.get("/console/unfreeze", self.back, "back to the page, where somebody loads a refusal again"),
        ]

    async def freezes(self, request: web.Request, session: Session) -> web.Response:
        """Answer GET /console/freezes; the address may name what the form begins with."""
        return await self._page(request, session, {"begun": request.query})

    async def back(self, _request: web.Request, _session: Session) -> web.Response:
        """Answer GET /console/freeze and /console/unfreeze."""
        return see(HERE)

    async def freeze(self, request: web.Request, session: Session, form: Mapping[str, str]) -> web.Response:
        """Answer POST /console/freeze: only what names a target of this scope is read."""
        scope = form.get("scope", "")
        named = NAMED_BY.get(scope, ())
        given = {name: form[name].strip() for name in ("scope", "reason", *named) if form.get(name, "").strip()}
        try:
            body = read_as(FreezeBody, given)
            await self._supervision.freeze(session.caller, body.scope, body.target, body.reason)
        except GatewayError as error:
            stay(error)
            fault = _fault(error, given, named)
            return await self._page(request, session, {"begun": form, "fault": fault}, error.status)
        return see(HERE)

    async def unfreeze(self, request: web.Request, session: Session, form: Mapping[str, str]) -> web.Response:
        """Answer POST /console/unfreeze: of one that is listed; a refusal stands at it."""
        scope, name, reason = (form.get(member, "").strip() for member in ("scope", "name", "reason"))
        try:
            body = read_as(LiftBody, {"scope": scope, "name": name, "reason": reason})
            await self._supervision.unfreeze(session.caller, body.scope, body.name, body.reason)
        except GatewayError as error:
            stay(error)
            lifted = {"scope": scope, "name": name, "reason": reason}
            return await self._page(request, session, {"lifted": lifted, "fault": Fault(error, "lift")}, error.status)
        return see(HERE)

    async def _page(
        self, request: web.Request, session: Session, values: Mapping[str, Any], status: int = 200
    ) -> web.Response:
        begun = values.get("begun", {})
        every = {
            "held": await self._supervision.freezes(session.caller),
            "scopes": list(NAMED_BY) if "supervisor" in session.caller.roles else ["dataset", "query"],
            "begun": {name: begun.get(name, "") for name in MEMBERS},
            "fault": values.get("fault"),
            "lifted": values.get("lifted"),
        }
        return self._desk.page(request, session, "freezes.html", every, status)


def _fault(error: GatewayError, given: Mapping[str, str], named: Sequence[str]) -> Fault:
    """Return a refusal at what is missing, else at what its words name, else at what names the target."""
    missing = fault_of(error, [name for name in MEMBERS if name not in given])
    return missing if missing.field is not None else fault_of(error, MEMBERS, next(iter(named), None))
