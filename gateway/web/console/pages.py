"""The console's frame: pages of templates under a strict policy, and handlers that know who is signed in."""

import functools
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from gateway.errors import GatewayError
from gateway.request import Caller
from gateway.settings import Settings
from gateway.web.console import figures, sessions
from gateway.web.console.assets import Assets
from gateway.web.console.forms import read_form
from gateway.web.console.language import LANGUAGES, TAGS, language_of, sayer
from gateway.web.console.sessions import CSRF, Session, Sessions
from gateway.web.routes import ANY_ROLE, ANYONE, Handler, Parameter, Route
from gateway.web.service import Service

log = logging.getLogger("gateway.web")

TAG = "console"
SIGN_IN = "/console/sign-in"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",  # with none, browsers send forms without their origin
    "Cross-Origin-Opener-Policy": "same-origin",
    "Vary": "Cookie, Accept-Language, HX-Request",
}

Look = Callable[[web.Request, Session], Awaitable[web.StreamResponse]]
Act = Callable[[web.Request, Session, Mapping[str, str]], Awaitable[web.StreamResponse]]

PLACES = (
    ("/console/datasets", "nav.datasets", frozenset({"buyer", "provider"})),
    ("/console/ask", "nav.ask", frozenset({"buyer"})),
    ("/console/sandbox", "nav.sandbox", frozenset({"buyer"})),
    ("/console/models", "nav.models", frozenset({"buyer"})),
    ("/console/queries", "nav.history", frozenset({"buyer"})),
    ("/console/budget", "nav.budget", frozenset({"buyer"})),
    ("/console/provider", "nav.provider", frozenset({"provider"})),
    ("/console/versions", "nav.versions", frozenset({"provider"})),
    ("/console/feed", "nav.feed", frozenset({"supervisor"})),
    ("/console/alerts", "nav.alerts", frozenset({"supervisor", "provider"})),
    ("/console/freezes", "nav.freezes", frozenset({"supervisor", "provider"})),
    ("/console/members", "nav.members", frozenset({"reviewer", "supervisor"})),
    ("/console/cases", "nav.cases", frozenset({"buyer", "provider", "supervisor", "arbiter"})),
    ("/console/billing", "nav.billing", frozenset({"billing", "buyer", "provider"})),
)
"""The pages of the bar at the top, and the roles that are shown each."""


def places(caller: Caller) -> list[tuple[str, str]]:
    """Return address and word of the pages that a caller is shown."""
    return [(address, word) for address, word, roles in PLACES if caller.roles & roles]


@dataclass(frozen=True, slots=True)
class Desk:
    """What every part of the console works with."""

    service: Service
    sessions: Sessions
    settings: Settings
    assets: Assets
    templates: Environment

    @classmethod
    def make(cls, service: Service, kept: Sessions, settings: Settings) -> "Desk":
        """Return a desk with its templates and assets read."""
        return cls(service, kept, settings, Assets(), _templates())

    # -- answers ----------------------------------------------------------------------------------------------------

    def page(
        self,
        request: web.Request,
        session: Session | None,
        template: str,
        values: Mapping[str, object],
        status: int = 200,
    ) -> web.Response:
        """Return a template as a page or a part of one."""
        language = language_of(request)
        text = self.templates.get_template(template).render(
            **values,
            say=sayer(language),
            lang=TAGS[language],
            languages=LANGUAGES,
            asset=self.assets.address,
            caller=session.caller if session is not None else None,
            csrf=session.csrf if session is not None else "",
            places=places(session.caller) if session is not None else [],
            here=request.path,
        )
        return web.Response(text=text, content_type="text/html", charset="utf-8", status=status, headers=HEADERS)

    def refused(self, request: web.Request, session: Session | None, error: GatewayError) -> web.Response:
        """Return a refusal as a page, or as a part of one where a part was asked for."""
        template = "part_refusal.html" if is_part(request) else "refusal.html"
        return self.page(request, session, template, {"error": error, "place": None}, error.status)

    def signed_out(self, request: web.Request) -> web.Response:
        """Send whoever is not signed in to where that is done, and forget what was no session."""
        if is_part(request):
            response = web.Response(status=401, headers={**HEADERS, "HX-Redirect": SIGN_IN})
        else:
            response = see(SIGN_IN)
        if sessions.COOKIE in request.cookies:
            sessions.end(response, request)
        return response

    # -- handlers ---------------------------------------------------------------------------------------------------

    def looking(self, look: Look) -> Handler:
        """Return the handler of an address that shows something to whoever is signed in."""

        async def handler(request: web.Request) -> web.StreamResponse:
            session = None
            try:
                session = await self.sessions.of(request, self.service)
                return await look(request, session)
            except Exception as error:  # noqa: BLE001 - told as a page, and written down where it is none of ours
                return self._instead(request, session, error)

        return handler

    def acting(self, act: Act) -> Handler:
        """Return the handler of an address that does something: its form comes from our own page and session."""

        async def handler(request: web.Request) -> web.StreamResponse:
            session = None
            try:
                sessions.refuse_other_sites(request)
                session = await self.sessions.of(request, self.service)
                form = await read_form(request, self.settings)
                sessions.refuse_forged(session, form.get(CSRF, ""))
                return await act(request, session, form)
            except Exception as error:  # noqa: BLE001 - as above
                return self._instead(request, session, error)

        return handler

    def _instead(self, request: web.Request, session: Session | None, error: Exception) -> web.Response:
        if not isinstance(error, GatewayError):
            log.error("unexpected failure at %s", request.path, exc_info=error)
            error = GatewayError("internal", "The gateway failed; nothing was released.", "Ask again.")
        if error.code == "unauthenticated":
            return self.signed_out(request)
        return self.refused(request, session, error)

    def get(self, path: str, look: Look, summary: str, parameters: tuple[Parameter, ...] = ()) -> Route:
        """Return an address that shows something."""
        return Route("GET", path, self.looking(look), TAG, summary, ANY_ROLE, parameters, documented=False)

    def post(self, path: str, act: Act, summary: str) -> Route:
        """Return an address that does something."""
        return Route("POST", path, self.acting(act), TAG, summary, ANY_ROLE, documented=False)


def for_anyone(method: str, path: str, handler: Handler, summary: str) -> Route:
    """Return an address that is there before anybody signs in."""
    return Route(method, path, handler, TAG, summary, ANYONE, documented=False)


def see(address: str) -> web.Response:
    """Return an answer that says: look there."""
    return web.Response(status=303, headers={**HEADERS, "Location": address})


def attachment(body: bytes, media: str, name: str) -> web.Response:
    """Return a file to keep; of its name, which is made of an id, letters, digits, points and dashes."""
    safe = "".join(letter for letter in name if letter.isascii() and (letter.isalnum() or letter in ".-"))
    return web.Response(
        body=body, content_type=media, headers={"Content-Disposition": f'attachment; filename="{safe}"'}
    )


def is_part(request: web.Request) -> bool:
    """Tell whether a part of a page is asked for."""
    return request.headers.get("HX-Request") == "true"


def only(session: Session, role: str) -> None:
    """Raise GatewayError `forbidden` where a page is another role's."""
    if role not in session.caller.roles:
        raise GatewayError("forbidden", f"This page is for the role {role}.", "Sign in with a token of that role.")


def one_of(session: Session, roles: frozenset[str]) -> None:
    """Raise GatewayError `forbidden` where a page is for other roles."""
    if not session.caller.roles & roles:
        named = ", ".join(sorted(roles))
        raise GatewayError("forbidden", f"This page is for the roles {named}.", "Sign in with a token of such a role.")


@functools.cache
def _templates() -> Environment:
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.filters.update(figures.FILTERS)
    return made
