"""What was metered and billed: the newest events, the documents of a period, and both in their own formats."""

import json
import re
from typing import Any

from aiohttp import web

from gateway.errors import GatewayError
from gateway.metering.papers import Papers
from gateway.web.billing import FORMATS, MAX_EVENTS, in_format
from gateway.web.console.pages import Desk
from gateway.web.console.sessions import Session
from gateway.web.routes import Parameter, Route

SHOWN = 100
_PERIOD = Parameter("period", "a month", {"type": "string", "pattern": r"^\d{4}-\d{2}$"})
_FORMAT = Parameter("format", "how they are written", {"type": "string", "enum": list(FORMATS)})
_AFTER = Parameter("after", "a cursor", {"type": "string"})


class BillingPages:
    """Handles /console/billing, and invoices and events as files."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[Route]:
        """Return its addresses."""
        return [
            self._desk.get("/console/billing", self.billing, "events, and documents of a period", (_PERIOD,)),
            self._desk.get("/console/billing/invoices", self.invoices, "documents of a period", (_PERIOD, _FORMAT)),
            self._desk.get("/console/billing/events", self.events, "meter events as JSON lines", (_AFTER,)),
        ]

    async def billing(self, request: web.Request, session: Session) -> web.Response:
        """Answer GET /console/billing."""
        caller, service = session.caller, self._desk.service
        found = await self._latest(session)
        meters, events = found is not None, found or []
        period = request.query.get("period") or (events[0]["time"][:7] if events else "")
        papers: Papers | None = None
        if period:
            papers = await service.invoices(caller, period)
        values = {
            "meters": meters, "events": events, "period": period, "papers": papers, "formats": FORMATS,
            "files": bool(papers is not None and (papers.bills or papers.statements)),
        }  # fmt: skip
        return self._desk.page(request, session, "billing.html", values)

    async def _latest(self, session: Session) -> list[dict[str, Any]] | None:
        """Return the newest meter events; None where they are not the caller's to see, as those of no dataset here."""
        if not session.caller.roles & {"billing", "provider"}:
            return None
        try:
            return [json.loads(line) for line in await self._desk.service.latest(session.caller, SHOWN)]
        except GatewayError as error:
            if error.code != "forbidden":
                raise
            return None

    async def invoices(self, request: web.Request, session: Session) -> web.Response:
        """Answer GET /console/billing/invoices: as GET /v1/invoices does."""
        papers = await self._desk.service.invoices(session.caller, request.query.get("period", ""))
        return in_format(papers, request.query.get("format", "html"))

    async def events(self, request: web.Request, session: Session) -> web.Response:
        """Answer GET /console/billing/events: the oldest first, as GET /v1/meter/events does."""
        after = request.query.get("after") or None
        found = await self._desk.service.events(session.caller, after, MAX_EVENTS)
        body = "".join(f"{line}\n" for _, line in found).encode()
        named = re.sub(r"[^0-9-]", "", found[-1][0]) if found else "none"
        headers = {"Content-Disposition": f'attachment; filename="events-{named}.jsonl"'}
        return web.Response(body=body, content_type="application/jsonl", headers=headers)
