"""The door of questions: ask, quote, look, follow, cancel. Steps 1 and 13 of the path."""

import asyncio
import contextlib
import json
from functools import lru_cache
from typing import Any

from aiohttp import web

from gateway.errors import GatewayError
from gateway.ledger.model import Looked
from gateway.request import Caller, Request
from gateway.settings import Settings
from gateway.web import strict_json
from gateway.web.delivery import MAX_WAIT_S, MEDIA, Delivery, Format, read_delivery
from gateway.web.exchange import bearer, json_response, read_body
from gateway.web.formats import of_rows, written
from gateway.web.problem import HEADERS, paced
from gateway.web.reading import read_request
from gateway.web.routes import JSON, Parameter, Reply, Route, replies
from gateway.web.service import Question, Questions, Service
from gateway.web.waiting import GOES_ON, QUERY_ID, RUNNING, goes_on, running, waited

LOOK_EVERY_S = 0.5
"""How often the store is asked about a query that another process works on, for those who follow it here."""

BEAT_EVERY_S = 15.0
"""A stream of events says something at least so often: proxies close what is silent."""

MOST_FOLLOWED_S = 300.0
"""How long a stream waits for another process; then its listener comes again, with a token that still holds."""

SHORT_BYTES = 4096
"""What is sent again is read once, unless it is long."""

TAG = "queries"
QUERY = "/v1/queries/{id}"
MAX_DIGITS = 18
WAIT = Parameter(
    "wait_timeout", "seconds to wait for it to end", {"type": "integer", "minimum": 0, "maximum": MAX_WAIT_S}
)
FORMAT = Parameter("format", "what the answer is written as", {"type": "string", "enum": list(Format)})
INTERVALS = Parameter("intervals", "with columns `n_low` and `n_high`", {"type": "boolean"})
SINCE = Parameter("since", "the size of a checkpoint that the log is to extend", {"type": "integer", "minimum": 0})


KEY = Parameter(
    "Idempotency-Key",
    "names the request: sent again, it is answered again and charged once",
    {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$"},
    header=True,
)


class QueryDoor:
    """Handles /v1/query, /v1/quote and /v1/queries/{id}."""

    def __init__(self, service: Service, questions: Questions, settings: Settings) -> None:
        self._service = service
        self._questions = questions
        self._settings = settings

    def routes(self) -> list[Route]:
        """Return its addresses."""
        text = {"type": "string"}
        written = {MEDIA[form]: text for form in Format if form is not Format.JSON}
        answered = {200: Reply("the answer", {JSON: "Answer", **written}), 202: GOES_ON}
        looked = {200: Reply("how it stands, or its answer", {JSON: "Query", **written})}
        events = replies("`stage` and `state` events", text, "text/event-stream")
        return [
            Route("POST", "/v1/query", self.query, TAG, "ask", ("buyer",), (KEY,), "Question", answered),
            Route("POST", "/v1/quote", self.quote, TAG, "what asking would cost, and how exact it would be", ("buyer",),
                  body="Question", replies=replies("the quote", "Quote")),
            Route("GET", QUERY, self.look, TAG, "how a query of yours stands, with its answer",
                  parameters=(WAIT, FORMAT, INTERVALS), replies=looked),
            Route("DELETE", QUERY, self.cancel, TAG, "end a query of yours; what was charged stays charged",
                  replies=replies("how it stands", "State")),
            Route("GET", f"{QUERY}/events", self.follow, TAG, "follow a query of yours", replies=events),
            Route("GET", f"{QUERY}/receipt", self.receipt, TAG, "the signed receipt, with inclusion proofs",
                  parameters=(SINCE,), replies=replies("the receipt", "Receipt")),
        ]  # fmt: skip

    async def query(self, request: web.Request) -> web.Response:
        """Answer POST /v1/query: the stored bytes in the format asked for, or 202 where they take longer than asked."""
        asked, caller, delivery = await self._asked(request)
        looked = await self._service.given(asked, caller) if asked.idempotency_key is not None else Looked()
        if looked.answer is not None:
            return await self._answer(looked.answer, delivery, caller)
        question = self._questions.submit(asked, caller, new=looked.new)
        if not await waited(question, delivery):
            return goes_on(question)
        return await self._answer(await question.answer(), delivery, caller)

    async def _answer(self, answer: bytes, delivery: Delivery, caller: Caller) -> web.Response:
        body = answer
        if delivery.format is not Format.JSON:
            body = await asyncio.to_thread(written, answer, delivery.format, intervals=delivery.intervals)
        return self._handed(query_id_of(answer), body, delivery, caller)

    def _handed(self, query_id: str, body: bytes, delivery: Delivery, caller: Caller) -> web.Response:
        headers = {QUERY_ID: query_id, **paced(self._service.quota(caller))}
        return web.Response(body=body, content_type=MEDIA[delivery.format], headers=headers)

    async def quote(self, request: web.Request) -> web.Response:
        """Answer POST /v1/quote."""
        asked, caller, _ = await self._asked(request)
        with self._questions.room(caller):
            quote = await self._service.quote(asked, caller)
        return json_response(quote, headers=paced(self._service.quota(caller)))

    async def _asked(self, request: web.Request) -> tuple[Request, Caller, Delivery]:
        self._questions.refuse_draining()
        token = bearer(request)
        key = idempotency_key(request)
        caller = await self._service.identify(token)  # before the body is read: strangers cost no more than this
        body = await read_body(request, self._settings)
        read = _read_again if len(body) <= SHORT_BYTES else _read
        asked, delivery = read(caller, body, key, request.headers.get("Accept"))
        return asked, caller, delivery

    async def look(self, request: web.Request) -> web.Response:
        """Answer GET /v1/queries/{id}: how it stands, with its answer; in another format the answer alone."""
        caller, query_id = await self._caller(request), request.match_info["id"]
        delivery = read_delivery(_parameters(request), request.headers.get("Accept"))
        question = self._questions.tracked(query_id, caller)
        if question is not None and not await self._waited(question, delivery, caller):
            return json_response(running(question))
        found = await self._service.query(caller, query_id)
        if "answer" in found and delivery.format is not Format.JSON:
            answer: Any = found["answer"]
            body = await asyncio.to_thread(of_rows, answer, delivery.format, intervals=delivery.intervals)
            return self._handed(query_id, body, delivery, caller)
        return json_response(found)

    async def _waited(self, question: Question, delivery: Delivery, caller: Caller) -> bool:
        """Wait as long as asked; tell whether the question is over."""
        if not delivery.wait_s:
            return False
        with self._questions.listening(caller):
            return await question.wait(delivery.wait_s)

    async def cancel(self, request: web.Request) -> web.Response:
        """Answer DELETE /v1/queries/{id}: it runs no longer; what was charged stays charged."""
        caller, query_id = await self._caller(request), request.match_info["id"]
        await self._questions.cancel(query_id, caller)
        return json_response({"query_id": query_id, "state": await self._state(caller, query_id)})

    async def _state(self, caller: Caller, query_id: str) -> str:
        return str((await self._service.query(caller, query_id))["state"])

    async def receipt(self, request: web.Request) -> web.Response:
        """Answer GET /v1/queries/{id}/receipt; `since` is the size of a checkpoint that it is to extend."""
        caller, since = await self._caller(request), request.query.get("since")
        if since is not None and not (since.isascii() and since.isdigit() and len(since) <= MAX_DIGITS):
            raise GatewayError(
                "bad_request", "`since` is no size of a log.", "Send the second line of a checkpoint that you kept."
            )
        size = None if since is None else int(since)
        return json_response(await self._service.receipt(caller, request.match_info["id"], size))

    async def follow(self, request: web.Request) -> web.StreamResponse:
        """Answer GET /v1/queries/{id}/events: each stage as it begins, then the state that ends it."""
        caller, query_id = await self._caller(request), request.match_info["id"]
        question = self._questions.tracked(query_id, caller)
        state = RUNNING if question is not None else await self._state(caller, query_id)
        response = web.StreamResponse(headers={**HEADERS, "Content-Type": "text/event-stream"})
        with self._questions.listening(caller):
            await response.prepare(request)
            # who follows may leave; an error has no place in a stream that has begun: it ends, and is asked for again
            with contextlib.suppress(ConnectionError, GatewayError):
                await self._tell(_Stream(response), caller, query_id, question, state)
        return response

    async def _tell(
        self, stream: "_Stream", caller: Caller, query_id: str, question: Question | None, state: str
    ) -> None:
        if question is not None:
            await stream.stages(question)
            state = await self._ended(caller, query_id, question)
        until = asyncio.get_running_loop().time() + MOST_FOLLOWED_S
        while state == RUNNING and not self._questions.draining and asyncio.get_running_loop().time() < until:
            await stream.pause(LOOK_EVERY_S)
            state = await self._state(caller, query_id)
        await stream.send("state", {"query_id": query_id, "state": state})

    async def _ended(self, caller: Caller, query_id: str, question: Question) -> str:
        """Return the state of a question that this process is done with; one that was not charged has no row."""
        try:
            return await self._state(caller, query_id)
        except GatewayError:
            if question.charged:
                raise
            return "REFUSED"

    async def _caller(self, request: web.Request) -> Caller:
        return await self._service.identify(bearer(request))


class _Stream:
    """Server-sent events on their way to one listener."""

    def __init__(self, response: web.StreamResponse) -> None:
        self._response = response

    async def send(self, event: str, data: dict[str, object]) -> None:
        await self._response.write(f"event: {event}\ndata: {json.dumps(data)}\n\n".encode())

    async def beat(self) -> None:
        """Say nothing, so that the connection is seen to live."""
        await self._response.write(b": \n\n")

    async def pause(self, seconds: float) -> None:
        await self.beat()
        await asyncio.sleep(seconds)

    async def stages(self, question: Question) -> None:
        """Send each stage of a question as it begins, until it is over."""
        following = aiter(question.stages())
        while True:
            coming = asyncio.ensure_future(anext(following, _OVER))
            try:
                while not (await asyncio.wait([coming], timeout=BEAT_EVERY_S))[0]:
                    await self.beat()
            finally:
                coming.cancel()  # whoever has left waits for nothing
            if coming.result() is _OVER:
                return
            await self.send("stage", running(question))


_OVER: Any = object()


def idempotency_key(request: web.Request) -> str | None:
    """Return the one Idempotency-Key of a request. Raises GatewayError `bad_request` where there are two."""
    keys = request.headers.getall("Idempotency-Key", [])
    if len(keys) > 1:
        raise GatewayError("bad_request", "Two Idempotency-Key headers.", "Send one.")
    return keys[0] if keys else None


def _read(_caller: Caller, body: bytes, key: str | None, accept: str | None) -> tuple[Request, Delivery]:
    """Return what a body asks, and how its answer is to be handed over. It hangs on these bytes alone."""
    members = strict_json.parse(body)
    return read_request(members, key), read_delivery(members, accept)


# by caller as well: nobody is to see by the time that it takes what another has asked
_read_again = lru_cache(maxsize=256)(_read)


def query_id_of(answer: bytes) -> str:
    """Return the id that an answer begins with."""
    head = answer[:80].decode(errors="replace")
    return head.partition('"query_id": "')[2].partition('"')[0]


def _parameters(request: web.Request) -> dict[str, Any]:
    """Return an address's parameters as a body would hold them."""
    found: dict[str, Any] = dict(request.query)
    if "intervals" in found:
        found["intervals"] = {"true": True, "false": False}.get(found["intervals"], found["intervals"])
    if "wait_timeout" in found:
        text = found["wait_timeout"]
        found["wait_timeout"] = int(text) if text.isascii() and text.isdigit() and len(text) < 4 else text
    return found
