"""What a supervisor watches: decisions as the log has them, what deserves a look, the log's head and its witnesses."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from gateway.errors import GatewayError
from gateway.evidence.offline.layout import WIDTH, Tile, unpack
from gateway.evidence.offline.notes import Checkpoint, parse
from gateway.request import Caller
from gateway.web.console.pages import Desk, only
from gateway.web.console.sessions import Session
from gateway.web.routes import Route
from gateway.web.service import Service

SHOWN = 50
LOOKED_AT = 2 * WIDTH
"""Leaves in which alerts are looked for, the newest."""

DECISIONS = frozenset({"charged", "replayed", "refused"})


@dataclass(frozen=True, slots=True)
class Leaf:
    """One leaf of the log, and where it stands."""

    index: int
    content: dict[str, Any]

    @property
    def kind(self) -> str:
        return str(self.content["kind"])

    @property
    def deserves_a_look(self) -> bool:
        """A buyer was turned away for a minute, or a charged query failed and was neither excused nor ended."""
        failed = self.kind == "failed" and not any(map(self.content.get, ("excused", "cancelled", "stopped")))
        return failed or self.kind == "flooded"


@dataclass(frozen=True, slots=True)
class Head:
    """The log's signed head beside the largest that a witness signed; None where none has."""

    now: Checkpoint
    witnessed: Checkpoint | None

    @property
    def unwitnessed(self) -> int:
        """Leaves that no witness has seen."""
        return self.now.size - (self.witnessed.size if self.witnessed is not None else 0)

    @property
    def names(self) -> list[str]:
        """Who signed the witnessed head beside the log itself."""
        if self.witnessed is None:
            return []
        return sorted({line.name for line in self.witnessed.lines} - {self.witnessed.origin})


class FeedPages:
    """Handles /console/feed and the part of it that is asked for again and again."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[Route]:
        """Return its addresses."""
        return [
            self._desk.get("/console/feed", self.feed, "decisions as they are made"),
            self._desk.get("/console/feed/now", self.now, "the newest decisions and the log's head"),
        ]

    async def feed(self, request: web.Request, session: Session) -> web.Response:
        """Answer GET /console/feed."""
        return await self._shown(request, session, "feed.html")

    async def now(self, request: web.Request, session: Session) -> web.Response:
        """Answer GET /console/feed/now."""
        return await self._shown(request, session, "part_feed.html")

    async def _shown(self, request: web.Request, session: Session, template: str) -> web.Response:
        only(session, "supervisor")
        head = await heads(self._desk.service)
        leaves = await newest(self._desk.service, session.caller, head.now.size)
        values = {
            "head": head,
            "decisions": [leaf for leaf in leaves if leaf.kind in DECISIONS][:SHOWN],
            "alerts": [leaf for leaf in leaves if leaf.deserves_a_look][:SHOWN],
            "others": [leaf for leaf in leaves if leaf.kind not in DECISIONS and leaf.kind != "answered"][:SHOWN],
            "looked_at": len(leaves),
        }
        return self._desk.page(request, session, template, values)


async def heads(service: Service) -> Head:
    """Return the log's head and the witnessed one."""
    now = parse(await service.checkpoint())
    try:
        return Head(now, parse(await service.checkpoint(witnessed=True)))
    except GatewayError as error:
        if error.code != "not_found":
            raise
        return Head(now, None)


async def newest(service: Service, caller: Caller, size: int) -> Sequence[Leaf]:
    """Return the newest leaves of a log of this size, newest first: from the same bundles that any auditor reads."""
    found: list[Leaf] = []
    first = max(0, size - LOOKED_AT) // WIDTH
    for index in range(-(-size // WIDTH) - 1, first - 1, -1):
        tile = Tile(None, index, min(WIDTH, size - index * WIDTH))
        entries = unpack(await service.tile(caller, tile.path()), tile.width)
        leaves = [Leaf(tile.start + at, json.loads(entry)) for at, entry in enumerate(entries)]
        found += reversed(leaves)
    return found[:LOOKED_AT]
