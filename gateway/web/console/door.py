"""Front door for people: pages over the same service as every other door, for whoever signs in with a token."""

from aiohttp import web

from gateway.errors import GatewayError
from gateway.settings import Settings
from gateway.web.console.alerts import AlertPages
from gateway.web.console.answers import AnswerPages
from gateway.web.console.asking import AskPages
from gateway.web.console.billing import BillingPages
from gateway.web.console.budgets import BudgetPages
from gateway.web.console.catalogue import CataloguePages
from gateway.web.console.disputing import CasePages
from gateway.web.console.feed import FeedPages
from gateway.web.console.freezing import FreezePages
from gateway.web.console.joining import MemberPages
from gateway.web.console.modelling import ModelPages
from gateway.web.console.pages import Desk, for_anyone
from gateway.web.console.providing import ProviderPages
from gateway.web.console.sessions import Session, Sessions
from gateway.web.console.signing_in import SignInPages
from gateway.web.console.trying import SandboxPages
from gateway.web.console.versions import VersionPages
from gateway.web.routes import Route
from gateway.web.service import Behind


class ConsoleDoor:
    """The handlers of all pages."""

    def __init__(self, behind: Behind, sessions: Sessions, settings: Settings) -> None:
        self._desk = Desk.make(behind.service, sessions, settings)
        questions, accounts = behind.questions, behind.accounts
        self._parts = (
            SignInPages(self._desk),
            CataloguePages(self._desk, behind.grants),
            AskPages(self._desk, questions),
            SandboxPages(self._desk, questions),
            ModelPages(self._desk, questions),
            AnswerPages(self._desk, questions, accounts),
            BudgetPages(self._desk, accounts),
            ProviderPages(self._desk, behind.grants),
            VersionPages(self._desk, behind.registration),
            FeedPages(self._desk),
            AlertPages(self._desk, behind.warnings),
            FreezePages(self._desk, behind.supervision),
            MemberPages(self._desk, behind.members),
            CasePages(self._desk, behind.disputes),
            BillingPages(self._desk),
        )

    def routes(self) -> list[Route]:
        """Return its addresses; none of them is in the description of the API."""
        return [
            for_anyone("GET", "/console/static/{name}", self._desk.assets.serve, "style and script"),
            self._desk.get("/console/nothing", self.nothing, "for whoever has no role that a page is for"),
            *(route for part in self._parts for route in part.routes()),
            self._desk.get("/console/{rest:.+}", self.missing, "what is not there, as a page"),
        ]

    async def missing(self, _request: web.Request, _session: Session) -> web.Response:
        """Answer GET below /console where there is nothing."""
        raise GatewayError("not_found", "There is nothing at this address.", "Choose a page at the top.")

    async def nothing(self, request: web.Request, session: Session) -> web.Response:
        """Answer GET /console/nothing."""
        return self._desk.page(request, session, "nothing.html", {})
