"""The door of Trino's client protocol: statements in, pages out. Questions go the way of every other door.

What is refused or needs no data is answered at once; a charged question is told where it goes on. Pages are cut from
the stored answer, so that any replica gives each of them, as often as it is asked.
"""

import asyncio
import json
import re
from typing import Any

from aiohttp import web

from gateway.errors import GatewayError, Kind
from gateway.ledger.model import cancelled, stopped, withdrawn
from gateway.orders import buyer_id
from gateway.request import Caller
from gateway.settings import Settings
from gateway.sql.trino.lookups import SERVER_VERSION
from gateway.web.delivery import MAX_WAIT_S
from gateway.web.exchange import bearer, json_response, read_text
from gateway.web.routes import ANYONE, Parameter, Reply, Route, replies
from gateway.web.service import Accounts, Question, Questions, Service
from gateway.web.trino.addresses import READY, STATEMENT, WAITING, Addresses
from gateway.web.trino.asking import Asking
from gateway.web.trino.holding import Holding
from gateway.web.trino.pages import Results, of_answer
from gateway.web.trino.replies import Done, Replies
from gateway.web.trino.session import read_session

TAG = "trino"
PAGE = f"{STATEMENT}/{{state}}/{{id}}/{{slug}}/{{token}}"
WAIT = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)(ms|s|m)")
WAIT_S = 1.0
FIRST_S = 20.0
"""How long the first reply waits for a question to be charged: less than clients wait for a reply."""

LOOK_EVERY_S = 0.25
"""How often the store is asked about a question that another replica works on."""

AGAIN = frozenset({"shutting_down", "too_many_requests"})
"""Errors that leave as HTTP statuses: Trino's clients then send the same again by themselves, a little later."""


class TrinoDoor:
    """Handles /v1/statement and its pages, /v1/info and /v1/query/{id}."""

    def __init__(self, service: Service, questions: Questions, accounts: Accounts, settings: Settings) -> None:
        self._service = service
        self._questions = questions
        self._settings = settings
        self._asking = Asking(service, questions, accounts)
        self._holding = Holding()

    def routes(self) -> list[Route]:
        """Return its addresses."""
        text = {"type": "string"}
        headers = tuple(
            Parameter(f"X-Trino-{name}", says, text, header=True)
            for name, says in (
                ("Catalog", "where names without qualifiers are looked for; `gateway` if absent"),
                ("Schema", "the dataset that is meant where a table's name has none"),
                ("Session", "session properties: name=value, with commas between them"),
                ("Prepared-Statement", "prepared statements: name=SQL, percent-encoded"),
            )
        )
        wait = Parameter(
            "maxWait", "how long to wait for rows: 500ms, 1s", {"type": "string", "pattern": f"^{WAIT.pattern}$"}
        )
        page, gone = replies("a page", "Page"), {204: Reply("it runs no longer")}
        return [
            Route("POST", STATEMENT, self.statement, TAG, "send a statement", parameters=headers, body="Statement",
                  media="text/plain", replies=page),
            Route("GET", PAGE, self.page, TAG, "a page of its results", parameters=(wait,), replies=page),
            Route("DELETE", PAGE, self.cancel, TAG, "end it; what was charged stays charged", replies=gone),
            Route("GET", "/v1/query/{id}", self.look, TAG, "how it stands", replies=replies("its state", "TrinoQuery")),
            Route("DELETE", "/v1/query/{id}", self.end, TAG, "end it by its id alone", replies=gone),
            Route("GET", "/v1/info", self.info, TAG, "what server this is", ANYONE,
                  replies=replies("this one", "Server")),
        ]  # fmt: skip

    async def _caller(self, request: web.Request) -> Caller:
        return await self._service.identify(bearer(request))

    @property
    def _addresses(self) -> Addresses:
        return Addresses(self._service.statements.key)

    async def statement(self, request: web.Request) -> web.Response:
        """Answer POST /v1/statement: the last page at once, or where a charged question goes on."""
        self._questions.refuse_draining()
        caller = await self._caller(request)
        text = await read_text(request, self._settings)
        if not text.strip():
            raise GatewayError("bad_request", "The statement is empty.", "Send SQL as the body.")
        self._service.statements.admit(caller)
        answers = Replies.to(request, caller, self._addresses)
        try:
            session = read_session(request)
            found = await self._asking.said(text, session, caller)
            if isinstance(found, Done):
                return answers.done(self._service.statements.new_id(), found)
            if isinstance(found, Results):
                return answers.whole(self._service.statements.new_id(), found.only())
        except GatewayError as error:
            if error.code in AGAIN:
                raise
            return answers.failed(self._service.statements.new_id(), error)
        return await self._first(answers, found, intervals=session.intervals)

    async def _first(self, answers: Replies, question: Question, *, intervals: bool) -> web.Response:
        """Return the first reply. Raises `overloaded`, as a status that clients send the same again after.

        The question goes on meanwhile; until it is charged no other replica knows of it, so that no page can be told.
        """
        try:
            async with asyncio.timeout(FIRST_S):
                await question.known()
        except TimeoutError:
            hint = "Send the same again: it is the same question, and charged once."
            raise GatewayError("overloaded", "The question still waits for its turn.", hint) from None
        if not question.over:
            return answers.waiting(question.query_id, question.stage, 0, intervals=intervals)
        return await self._answer(answers, question, 0, intervals=intervals)

    async def _answer(self, answers: Replies, question: Question, number: int, *, intervals: bool) -> web.Response:
        """Return a page of a question that is over, or why it has none."""
        try:
            document = json.loads(await question.answer())
        except GatewayError as error:
            if error.code in AGAIN:
                raise
            return answers.failed(question.query_id, error)
        found = await asyncio.to_thread(of_answer, document, intervals=intervals)
        return self._page(answers, document["query_id"], found, number, intervals=intervals)

    def _page(self, answers: Replies, query_id: str, found: Results, number: int, *, intervals: bool) -> web.Response:
        """Return a page, and hold its answer until the last one is read."""
        key = (buyer_id(answers.caller), query_id, intervals)
        if number + 1 < found.count:
            self._holding.put(key, found, asyncio.get_running_loop().time())
        else:
            self._holding.drop(key)
        return answers.page(query_id, found, number, intervals=intervals)

    async def page(self, request: web.Request) -> web.Response:
        """Answer GET of a page: its rows, or after `maxWait` where the question still goes on."""
        caller, wait_s = await self._caller(request), _seconds(request)
        query_id, slug, token = (request.match_info[name] for name in ("id", "slug", "token"))
        answers = Replies.to(request, caller, self._addresses)
        if slug.startswith("s"):
            return answers.opened(query_id, slug, token)
        intervals, number = answers.addresses.checked(caller, query_id, slug), _number(token)
        state = request.match_info["state"]
        if state not in (WAITING, READY):
            raise _no_page()
        asked, wanted = (number, 0) if state == WAITING else (0, number)
        question = self._questions.tracked(query_id, caller)
        if question is not None:
            with self._questions.listening(caller):
                over = await question.wait(wait_s)
            if not over:
                return answers.waiting(query_id, question.stage, asked, intervals=intervals)
            return await self._answer(answers, question, wanted, intervals=intervals)
        try:
            with self._questions.listening(caller):
                found = await self._stored(caller, query_id, wait_s, intervals=intervals)
        except GatewayError as error:
            if error.code in AGAIN or error.kind is Kind.UNAVAILABLE:
                raise
            return answers.failed(query_id, error)
        if found is None:
            return answers.waiting(query_id, None, asked, intervals=intervals)
        return self._page(answers, query_id, found, wanted, intervals=intervals)

    async def _stored(self, caller: Caller, query_id: str, wait_s: float, *, intervals: bool) -> Results | None:
        """Return the results of a question that no longer runs here, None where another replica works on it.

        Raises what became of it instead.
        """
        loop = asyncio.get_running_loop()
        held = self._holding.get((buyer_id(caller), query_id, intervals), loop.time())
        if held is not None:
            await self._service.refuse_frozen(query_id)
            return held
        until = loop.time() + wait_s
        document = await self._service.query(caller, query_id)
        while document["state"] == "RUNNING" and "abandoned" not in document:
            if loop.time() >= until or self._questions.draining:
                return None
            await asyncio.sleep(LOOK_EVERY_S)
            document = await self._service.query(caller, query_id)
        if "answer" not in document:
            raise _ended(query_id, str(document["state"]), document.get("code"))
        answer: Any = document["answer"]
        return await asyncio.to_thread(of_answer, answer, intervals=intervals)

    async def cancel(self, request: web.Request) -> web.Response:
        """Answer DELETE of a page: the question runs no longer."""
        caller, query_id, slug = await self._caller(request), request.match_info["id"], request.match_info["slug"]
        if slug.startswith("s"):
            return web.Response(status=204)
        self._addresses.checked(caller, query_id, slug)
        await self._questions.cancel(query_id, caller)
        return web.Response(status=204)

    async def look(self, request: web.Request) -> web.Response:
        """Answer GET /v1/query/{id}."""
        query_id = request.match_info["id"]
        document = await self._service.query(await self._caller(request), query_id)
        return json_response({"queryId": query_id, "state": document["state"]})

    async def end(self, request: web.Request) -> web.Response:
        """Answer DELETE /v1/query/{id}."""
        caller, query_id = await self._caller(request), request.match_info["id"]
        await self._asking.kill(query_id, caller)
        return web.Response(status=204)

    async def info(self, _request: web.Request) -> web.Response:
        """Answer GET /v1/info, as clients ask for the server's version."""
        version = {"version": SERVER_VERSION}
        return json_response({"nodeVersion": version, "environment": "gateway", "coordinator": True, "starting": False})


def _seconds(request: web.Request) -> float:
    text = request.query.get("maxWait")
    if text is None:
        return WAIT_S
    parts = WAIT.fullmatch(text)
    if parts is None:
        raise GatewayError("bad_request", "`maxWait` is no duration.", "Send for example 500ms or 1s.")
    return min(float(parts[1]) * {"ms": 0.001, "s": 1.0, "m": 60.0}[parts[2]], MAX_WAIT_S)


def _number(token: str) -> int:
    if not (token.isascii() and token.isdigit() and len(token) <= 9):
        raise _no_page()
    return int(token)


def _no_page() -> GatewayError:
    return GatewayError("not_found", "There is no such page.", "Follow `nextUri` as it was given.")


def _ended(query_id: str, state: str, code: object) -> GatewayError:
    """Return what became of a question that has no answer."""
    if state == "CANCELLED":
        return cancelled(query_id)
    if state == "STOPPED":
        return withdrawn(query_id) if code == "grant_ended" else stopped(query_id)
    if state == "RUNNING":
        detail = "The gateway that worked on this question is gone; it was charged, and has no answer."
        return GatewayError("query_failed", detail, "Ask again: it is another charge.")
    if state == "FINISHED":
        return GatewayError("answer_expired", "The answer is no longer kept.", "Ask again: what is stored is free.")
    return GatewayError("query_failed", "The query was charged and could not be finished.", "Its provider was told.")
