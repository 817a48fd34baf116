"""Cases: opened by who complains of a query, looked into, and decided by an arbiter of neither party."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from gateway.errors import GatewayError
from gateway.evidence.archives import archive
from gateway.ledger.paging import Page
from gateway.web.bodies import CaseBody, FindingBody, read_as
from gateway.web.console.forms import Fault, fault_of, line_of, stay
from gateway.web.console.pages import Desk, attachment, one_of, see
from gateway.web.console.receipts import examined
from gateway.web.console.sessions import Session
from gateway.web.routes import Parameter, Route
from gateway.web.service import Disputes

HERE = "/console/cases"
CASE = f"{HERE}/{{id}}"
PARTIES = frozenset({"buyer", "provider", "supervisor"})
ROLES = PARTIES | {"arbiter"}
OPENING = ("query_id", "reason")
FINDING = ("finding", "refund")
_GIVEN = Parameter("query_id", "what the form begins with", {"type": "string"})
_AFTER = Parameter("after", "the place behind which the list goes on", {"type": "string"})


class CasePages:
    """Handles /console/cases and what is below it."""

    def __init__(self, desk: Desk, disputes: Disputes) -> None:
        self._desk = desk
        self._disputes = disputes

    def routes(self) -> list[Route]:
        """Return its addresses."""
        return [
            self._desk.get(HERE, self.cases, "the cases that you see, a page of them", (_GIVEN, _AFTER)),
            self._desk.post(HERE, self.open, "open a case"),
            self._desk.get(CASE, self.case, "a case as it stands"),
            self._desk.post(CASE, self.decide, "decide a case"),
            self._desk.get(f"{CASE}/evidence", self.evidence, "the evidence of a case, without any result"),
            self._desk.get(f"{CASE}/evidence.zip", self.evidence_file, "the evidence as a file"),
        ]

    # -- the list, and opening one -----------------------------------------------------------------------------------

    async def cases(self, request: web.Request, session: Session) -> web.Response:
        """Answer GET /console/cases; the address may name the query that the form begins with."""
        return await self._list(request, session, {"query_id": request.query.get("query_id", "")})

    async def open(self, request: web.Request, session: Session, form: Mapping[str, str]) -> web.Response:
        """Answer POST /console/cases: go to the case; stay, with what was written, where it is refused."""
        one_of(session, PARTIES)
        written = {name: line_of(form, name) for name in OPENING}
        try:
            body = read_as(CaseBody, dict(written))
            made = await self._disputes.open(session.caller, body.query_id, body.reason)
        except GatewayError as error:
            stay(error)
            about = "query_id" if error.code in ("not_found", "case_conflict") else None
            return await self._list(request, session, written, fault_of(error, OPENING, about))
        return see(f"{HERE}/{made['case_id']}")

    async def _list(
        self, request: web.Request, session: Session, written: Mapping[str, str], fault: Fault | None = None
    ) -> web.Response:
        one_of(session, ROLES)
        after = request.query.get("after")
        found = await self._disputes.cases(session.caller, Page(after=after))
        values = {
            "cases": found,
            "after": after,
            "next": found.cursor,
            "opens": bool(session.caller.roles & PARTIES),
            "written": {name: written.get(name, "") for name in OPENING},
            "fault": fault,
        }
        return self._desk.page(request, session, "cases.html", values, _status(fault))

    # -- one of them, and deciding it ----------------------------------------------------------------------------------

    async def case(self, request: web.Request, session: Session) -> web.Response:
        """Answer GET /console/cases/{id}."""
        return await self._case(request, session, {})

    async def decide(self, request: web.Request, session: Session, form: Mapping[str, str]) -> web.Response:
        """Answer POST /console/cases/{id}: show what was decided; stay, with what was written, where it is refused."""
        one_of(session, frozenset({"arbiter"}))
        written = {name: line_of(form, name) for name in FINDING}
        try:
            body = read_as(FindingBody, {"finding": written["finding"], "refund": written["refund"] or None})
            await self._disputes.decide(session.caller, request.match_info["id"], body.finding, body.refund)
        except GatewayError as error:
            stay(error, "not_found")
            about = "refund" if error.code in ("bad_request", "case_conflict") and written["refund"] else None
            return await self._case(request, session, written, fault_of(error, FINDING, about))
        return see(f"{HERE}/{request.match_info['id']}")

    async def _case(
        self, request: web.Request, session: Session, written: Mapping[str, str], fault: Fault | None = None
    ) -> web.Response:
        one_of(session, ROLES)
        one = await self._disputes.case(session.caller, request.match_info["id"])
        values = {
            "one": one,
            "decides": "arbiter" in session.caller.roles and one["state"] == "opened",
            "written": {name: written.get(name, "") for name in FINDING},
            "fault": fault,
        }
        return self._desk.page(request, session, "case.html", values, _status(fault))

    # -- the evidence --------------------------------------------------------------------------------------------------

    async def evidence(self, request: web.Request, session: Session) -> web.Response:
        """Answer GET /console/cases/{id}/evidence: what the bundle holds, and what was checked of its receipt."""
        found = await self._bundle(request, session)
        files: Mapping[str, str] = found["bundle"]
        values = {
            "one": found["case"],
            "stops": found["stops"],
            "proof": await asyncio.to_thread(examined, json.loads(files["receipt.json"]), None),
            "event": json.loads(files["event.json"]) if "event.json" in files else None,
            "policy": files.get("policy.json"),
        }
        return self._desk.page(request, session, "evidence.html", values)

    async def evidence_file(self, request: web.Request, session: Session) -> web.Response:
        """Answer GET /console/cases/{id}/evidence.zip: the same bytes each time."""
        found = await self._bundle(request, session)
        body = await asyncio.to_thread(archive, {name: text.encode() for name, text in found["bundle"].items()})
        return attachment(body, "application/zip", f"{request.match_info['id']}.zip")

    async def _bundle(self, request: web.Request, session: Session) -> dict[str, Any]:
        one_of(session, ROLES)
        return await self._disputes.evidence(session.caller, request.match_info["id"])


def _status(fault: Fault | None) -> int:
    return 200 if fault is None else fault.error.status
