"""The history of a provider's policies, and what would change if a version took the place of what is served."""

from typing import Any
from urllib.parse import quote as escaped

from aiohttp import web

from gateway.ledger.paging import all_of
from gateway.request import Caller
from gateway.web.console.pages import Desk, only
from gateway.web.console.sessions import Session
from gateway.web.routes import Parameter, Route
from gateway.web.service import Registration

HERE = "/console/versions"
REPLAYED = 25
"""How many of the latest kept questions a page plans again."""

_REPLAY = Parameter("replay", "plan past questions under it", {"const": "yes"})


class VersionPages:
    """Handles /console/versions."""

    def __init__(self, desk: Desk, registration: Registration) -> None:
        self._desk = desk
        self._registration = registration

    def routes(self) -> list[Route]:
        """Return its addresses."""
        return [
            self._desk.get(HERE, self.versions, "the versions of a provider's policies"),
            self._desk.get(f"{HERE}/{{name}}/{{version}}", self.version, "what would change by a version", (_REPLAY,)),
        ]

    async def versions(self, request: web.Request, session: Session) -> web.Response:
        """Answer GET /console/versions."""
        only(session, "provider")
        caller = session.caller
        provided = [one for one in await self._desk.service.datasets(caller) if one["provider"] == caller.organisation]
        listed = [{"name": one["name"], "versions": await self._versions(caller, str(one["name"]))} for one in provided]
        return self._desk.page(request, session, "versions.html", {"datasets": listed, "address": _address})

    async def _versions(self, caller: Caller, name: str) -> list[dict[str, object]]:
        return await all_of(lambda page: self._registration.versions(caller, name, page))

    async def version(self, request: web.Request, session: Session) -> web.Response:
        """Answer GET /console/versions/{name}/{version}: against what is served, where anything is."""
        only(session, "provider")
        caller, name, version = session.caller, request.match_info["name"], request.match_info["version"]
        one = await self._registration.version(caller, name, version)
        listed = await self._versions(caller, name)
        served = next((str(other["version"]) for other in listed if other["served"]), None)
        said: dict[str, Any] = {"differences": []}
        if served is not None:
            said = await self._registration.difference(caller, name, served, version)
        replayed = None
        if request.query.get("replay") == "yes":
            replayed = await self._registration.rehearse(caller, name, version, REPLAYED, None)
        values = {
            "one": one,
            "served": served,
            "differences": said["differences"],
            "replayed": replayed,
            "again": f"{_address(name, version)}?replay=yes",
        }
        return self._desk.page(request, session, "version.html", values)


def _address(name: str, version: str) -> str:
    return f"{HERE}/{escaped(name, safe='')}/{escaped(version, safe=':')}"
