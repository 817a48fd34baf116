"""Signing in with a token, signing out, and the switch of languages."""

import re

from aiohttp import web

from gateway.errors import GatewayError
from gateway.web.console import sessions
from gateway.web.console.forms import read_form
from gateway.web.console.language import COOKIE, LANGUAGES, language_of
from gateway.web.console.pages import SIGN_IN, Desk, for_anyone, places, see
from gateway.web.console.sessions import Session
from gateway.web.routes import Route

HOME = "/console"
A_YEAR_S = 365 * 86_400
_OURS = re.compile(r"/console(/[A-Za-z0-9_-]+)*", re.ASCII)


class SignInPages:
    """Handles /console, /console/sign-in, /console/sign-out and /console/language."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[Route]:
        """Return its addresses."""
        return [
            self._desk.get(HOME, self.home, "the first page of whoever is signed in"),
            for_anyone("GET", SIGN_IN, self.form, "where one signs in"),
            for_anyone("POST", SIGN_IN, self.sign_in, "sign in with a token"),
            for_anyone("POST", "/console/sign-out", self.sign_out, "sign out"),
            for_anyone("POST", "/console/language", self.language, "choose a language"),
        ]

    async def home(self, _request: web.Request, session: Session) -> web.Response:
        """Answer GET /console."""
        own = places(session.caller)
        return see(own[0][0] if own else "/console/nothing")

    async def form(self, request: web.Request) -> web.Response:
        """Answer GET /console/sign-in."""
        return self._desk.page(request, None, "sign_in.html", {"error": None})

    async def sign_in(self, request: web.Request) -> web.Response:
        """Answer POST /console/sign-in: the token is checked as the API checks it."""
        try:
            sessions.refuse_other_sites(request)
            form = await read_form(request, self._desk.settings)
            token = "".join(form.get("token", "").split())  # a pasted one may be broken over lines
            _session, response = await self._desk.sessions.begin(token, self._desk.service, request)
        except GatewayError as error:
            return self._desk.page(request, None, "sign_in.html", {"error": error}, error.status)
        response.headers["Location"] = HOME
        return response

    async def sign_out(self, request: web.Request) -> web.Response:
        """Answer POST /console/sign-out: also where the session has ended by itself."""
        try:
            sessions.refuse_other_sites(request)
        except GatewayError as error:
            return self._desk.refused(request, None, error)
        response = see(SIGN_IN)
        sessions.end(response, request)
        return response

    async def language(self, request: web.Request) -> web.Response:
        """Answer POST /console/language: keep the choice in a cookie, and go back to a page of ours."""
        try:
            sessions.refuse_other_sites(request)
            form = await read_form(request, self._desk.settings)
        except GatewayError as error:
            return self._desk.refused(request, None, error)
        chosen = form.get("to")
        back = form.get("back", HOME)
        response = see(back if _OURS.fullmatch(back) else HOME)
        if chosen not in LANGUAGES:
            chosen = language_of(request)
        response.set_cookie(
            COOKIE, chosen, path=sessions.PATH, max_age=A_YEAR_S, httponly=True, samesite="Strict",
            secure=sessions.is_secure(request),
        )  # fmt: skip
        return response
