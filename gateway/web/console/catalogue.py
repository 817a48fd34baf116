"""What may be asked: datasets, their tables and columns as the policy describes them, and the words of the editor."""

import functools
import re

from aiohttp import web

from gateway.ledger.paging import all_of
from gateway.sql.aggregates import ANSWERED
from gateway.sql.expressions import TABLES
from gateway.web.console.pages import Desk
from gateway.web.console.sessions import Session
from gateway.web.exchange import json_response
from gateway.web.routes import Route
from gateway.web.service import Grants

KEYWORDS = (
    "SELECT", "FROM", "WHERE", "GROUP BY", "HAVING", "ORDER BY", "LIMIT", "JOIN", "LEFT JOIN", "USING", "ON", "AS",
    "AND", "OR", "NOT", "IN", "BETWEEN", "LIKE", "IS NULL", "CASE", "WHEN", "THEN", "ELSE", "END", "DISTINCT",
    "WITH", "UNION ALL", "DATE", "INTERVAL", "FILTER", "OVER", "PARTITION BY",
)  # fmt: skip


class CataloguePages:
    """Handles /console/datasets, one of them, and the words that the editor completes."""

    def __init__(self, desk: Desk, grants: Grants) -> None:
        self._desk = desk
        self._grants = grants

    def routes(self) -> list[Route]:
        """Return its addresses."""
        return [
            self._desk.get("/console/datasets", self.datasets, "the datasets that you may ask or provide"),
            self._desk.get("/console/datasets/{name}", self.dataset, "what may be asked of a dataset"),
            self._desk.get("/console/datasets/{name}/words", self.words, "names and functions for the editor"),
        ]

    async def datasets(self, request: web.Request, session: Session) -> web.Response:
        """Answer GET /console/datasets."""
        found = await self._desk.service.datasets(session.caller)
        return self._desk.page(request, session, "datasets.html", {"datasets": found})

    async def dataset(self, request: web.Request, session: Session) -> web.Response:
        """Answer GET /console/datasets/{name}."""
        found = await self._desk.service.dataset(session.caller, request.match_info["name"])
        values: dict[str, object] = {"dataset": found, "grants": ()}
        if "buyer" in session.caller.roles:
            mine = await all_of(lambda page: self._grants.grants(session.caller, page))
            own = [one for one in mine if one["organisation"] == session.caller.organisation]
            values["grants"] = [one for one in own if one["dataset"] == found["name"]]
        return self._desk.page(request, session, "dataset.html", values)

    async def words(self, request: web.Request, session: Session) -> web.Response:
        """Answer GET /console/datasets/{name}/words: [word, kind, what it is] of all that may stand in a question."""
        found = await self._desk.service.dataset(session.caller, request.match_info["name"])
        return json_response({"words": [*_named(found), *_functions()]})


def _named(dataset: dict[str, object]) -> list[tuple[str, str, str]]:
    tables = dataset.get("tables", ())
    assert isinstance(tables, list | tuple)  # INVARIANT: a description has a list of them, one of a shut dataset none
    words = []
    for table in tables:
        words.append((table["name"], "table", "public" if table["public"] else "private"))
        words += [(column["name"], table["name"], ", ".join(column["use"])) for column in table["columns"]]
    return words


@functools.cache
def _functions() -> list[tuple[str, str, str]]:
    """Return keywords, aggregates and functions, the last as the table of functions writes them."""
    aggregates = dict.fromkeys(re.findall(r"\b[A-Z_]{3,}\b", ANSWERED.partition(" each")[0]))
    found = {name: ("aggregate", "") for name in aggregates if name != "FILTER"}
    for noun, rows in TABLES:
        for row in dict.fromkeys(rows.values()):
            for name in re.findall(r"\b([A-Za-z_]\w*)\(", row.written):
                found.setdefault(name.upper(), (noun.casefold(), row.result))
    keywords = [(word, "keyword", "") for word in KEYWORDS]
    return [*keywords, *((name, kind, told) for name, (kind, told) in sorted(found.items()))]
