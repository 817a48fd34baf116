"""Early warning as a page: for supervisors, and for providers of their own datasets, live."""

from collections.abc import Mapping

from aiohttp import web

from gateway.errors import GatewayError
from gateway.web.console.pages import Desk, see
from gateway.web.console.sessions import Session
from gateway.web.routes import Route
from gateway.web.service import Warnings

HERE = "/console/alerts"
SHOWN = 100


class AlertPages:
    """Handles /console/alerts, the part of it that is asked for again and again, and what its forms do."""

    def __init__(self, desk: Desk, warnings: Warnings) -> None:
        self._desk = desk
        self._warnings = warnings

    def routes(self) -> list[Route]:
        """Return its addresses."""
        return [
            self._desk.get(HERE, self.alerts, "what deserves a look"),
            self._desk.get(f"{HERE}/now", self.now, "the newest alerts"),
            self._desk.post(f"{HERE}/seen", self.seen, "note that an alert was seen"),
        ]

    async def alerts(self, request: web.Request, session: Session) -> web.Response:
        """Answer GET /console/alerts."""
        return await self._shown(request, session, "alerts.html")

    async def now(self, request: web.Request, session: Session) -> web.Response:
        """Answer GET /console/alerts/now."""
        return await self._shown(request, session, "part_alerts.html")

    async def seen(self, _request: web.Request, session: Session, form: Mapping[str, str]) -> web.Response:
        """Answer POST /console/alerts/seen: of one that is listed."""
        alert_id = form.get("alert_id", "")
        if not (alert_id.isascii() and alert_id.isalnum()):
            raise GatewayError("not_found", "There is no such alert for you.", "Choose one of the list.")
        await self._warnings.seen(session.caller, alert_id)
        return see(HERE)

    async def _shown(self, request: web.Request, session: Session, template: str) -> web.Response:
        found = await self._warnings.alerts(session.caller, None, None, SHOWN)
        return self._desk.page(request, session, template, {"alerts": found["alerts"]})
