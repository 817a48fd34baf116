"""What a provider watches: its data's budget, failures and their reasons, what is refused, what its engine spent."""

import json
from collections import Counter
from typing import Any

from aiohttp import web

from gateway.ledger.paging import all_of
from gateway.web.console.pages import Desk, only
from gateway.web.console.sessions import Session
from gateway.web.routes import Route
from gateway.web.service import Grants

EVENTS = 500
"""The newest meter events that the page is made of."""
SHOWN = 25


class ProviderPages:
    """Handles /console/provider."""

    def __init__(self, desk: Desk, grants: Grants) -> None:
        self._desk = desk
        self._grants = grants

    def routes(self) -> list[Route]:
        """Return its address."""
        return [self._desk.get("/console/provider", self.provider, "budget, failures, refusals and engine cost")]

    async def provider(self, request: web.Request, session: Session) -> web.Response:
        """Answer GET /console/provider."""
        only(session, "provider")
        service, caller = self._desk.service, session.caller
        datasets = [one for one in await service.datasets(caller) if one["provider"] == caller.organisation]
        named = {one["name"] for one in datasets}
        events = [json.loads(line) for line in await service.latest(caller, EVENTS)] if named else []
        mine = [event for event in events if event["data"].get("dataset") in named]
        given = await all_of(lambda page: self._grants.grants(caller, page))
        values = {
            "datasets": [await service.dataset(caller, str(one["name"])) for one in datasets],
            "budgets": [one for one in await service.budget(caller) if one["dataset"] in named],
            "grants": [one for one in given if one["provider"] == caller.organisation],
            "failures": await service.failures(caller),
            "measured": of_kind(mine, "measured")[:SHOWN],
            "refused": of_kind(mine, "refused")[:SHOWN],
            "reasons": Counter(event["data"]["reason"] for event in of_kind(mine, "refused")).most_common(),
            "looked_at": len(events),
        }
        return self._desk.page(request, session, "provider.html", values)


def of_kind(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """Return the events of a kind."""
    return [event for event in events if event["type"] == f"gateway.query.{kind}"]
