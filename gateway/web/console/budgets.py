"""A buyer's budget: what is left of each dataset, and how it was spent over time by the buyer's own queries."""

import asyncio
import json
from datetime import datetime
from decimal import Decimal
from typing import Any

from aiohttp import web

from gateway.web.console.pages import Desk, only
from gateway.web.console.sessions import Session
from gateway.web.routes import Route
from gateway.web.service import Accounts

PER_CALL = 200
MOST_QUERIES = 1_000
"""How far back the curve goes; the history has all of them."""


class BudgetPages:
    """Handles /console/budget."""

    def __init__(self, desk: Desk, accounts: Accounts) -> None:
        self._desk = desk
        self._accounts = accounts

    def routes(self) -> list[Route]:
        """Return its address."""
        return [self._desk.get("/console/budget", self.budget, "what is left, and how it was spent")]

    async def budget(self, request: web.Request, session: Session) -> web.Response:
        """Answer GET /console/budget."""
        only(session, "buyer")
        past = await self._past(session)
        values = {
            "budgets": await self._desk.service.budget(session.caller),
            "spending": await self._accounts.spending(session.caller),
            "curves": curves(past),
            "most": MOST_QUERIES if len(past) == MOST_QUERIES else None,
        }
        return await asyncio.to_thread(self._desk.page, request, session, "budget.html", values)

    async def _past(self, session: Session) -> list[dict[str, Any]]:
        past: list[dict[str, Any]] = []
        while len(past) < MOST_QUERIES:
            before = past[-1]["query_id"] if past else None
            found = await self._accounts.queries(session.caller, before, PER_CALL)
            past += found
            if len(found) < PER_CALL:
                break
        return past


def curves(past: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return for each dataset the sum of rho after each charged query, oldest first: `steps`, and JSON to draw."""
    steps: dict[str, list[dict[str, Any]]] = {}
    for query in reversed(past):
        rho = Decimal(query["privacy"]["rho"])
        if rho == 0:
            continue
        mine = steps.setdefault(query["dataset"], [])
        total = rho + (mine[-1]["total"] if mine else 0)
        mine.append({"at": query["charged_at"], "query_id": query["query_id"], "rho": rho, "total": total})
    return {name: {"steps": found, "data": _drawn(name, found)} for name, found in steps.items()}


def _drawn(name: str, steps: list[dict[str, Any]]) -> str:
    return json.dumps(
        {
            "kind": "steps",
            "name": name,
            "labels": [step["at"] for step in steps],
            "x": [datetime.fromisoformat(step["at"]).timestamp() for step in steps],
            "values": [float(step["total"]) for step in steps],
            "low": [],
            "high": [],
        },
        ensure_ascii=False,
    )
