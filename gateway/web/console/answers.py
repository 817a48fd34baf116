"""One query and those before it: how it stands, its answer, its receipt, its end; the answer and receipt as files."""

import asyncio
import json
from collections.abc import Mapping

from aiohttp import web

from gateway.errors import GatewayError
from gateway.stages import Stage
from gateway.web.console import charts
from gateway.web.console.pages import Desk, attachment, only, see
from gateway.web.console.receipts import checked, stored_bytes
from gateway.web.console.sessions import Session
from gateway.web.delivery import MEDIA, Format
from gateway.web.formats import written
from gateway.web.routes import Parameter, Route
from gateway.web.service import Accounts, Questions
from gateway.web.waiting import RUNNING

QUERY = "/console/queries/{id}"
STAGES = tuple(stage.value for stage in Stage if stage is not Stage.IDENTIFY)
PER_PAGE = 50
_SUFFIX = {Format.JSON: "json", Format.NDJSON: "ndjson", Format.CSV: "csv", Format.ARROW: "arrow"}
_FORMAT = Parameter("format", "what the answer is written as", {"type": "string", "enum": list(Format)})
_BEFORE = Parameter("before", "the last query_id of the page before", {"type": "string"})


class AnswerPages:
    """Handles /console/queries and what is below it."""

    def __init__(self, desk: Desk, questions: Questions, accounts: Accounts) -> None:
        self._desk = desk
        self._questions = questions
        self._accounts = accounts

    def routes(self) -> list[Route]:
        """Return its addresses."""
        return [
            self._desk.get("/console/queries", self.history, "your past queries, newest first", (_BEFORE,)),
            self._desk.get(QUERY, self.query, "a query of yours, with its answer"),
            self._desk.get(f"{QUERY}/progress", self.progress, "the stage that a query is in"),
            self._desk.post(f"{QUERY}/cancel", self.cancel, "end a query of yours"),
            self._desk.get(f"{QUERY}/answer", self.answer, "the answer as a file", (_FORMAT,)),
            self._desk.get(f"{QUERY}/receipt", self.receipt, "the receipt, and what was checked of it"),
            self._desk.get(f"{QUERY}/receipt.json", self.receipt_file, "the receipt as a file"),
        ]

    async def history(self, request: web.Request, session: Session) -> web.Response:
        """Answer GET /console/queries."""
        only(session, "buyer")
        before = request.query.get("before")
        if before is not None and not (before.isascii() and before.isalnum() and len(before) <= 26):
            raise GatewayError("bad_request", "`before` is no query_id.", "Go back to the first page.")
        found = await self._accounts.queries(session.caller, before, PER_PAGE + 1)
        values = {"queries": found[:PER_PAGE], "more": len(found) > PER_PAGE, "before": before}
        return self._desk.page(request, session, "history.html", values)

    async def query(self, request: web.Request, session: Session) -> web.Response:
        """Answer GET /console/queries/{id}: how it stands; answered, with its table, charts and checked receipt."""
        query_id = request.match_info["id"]
        state, stage = await self._stands(session, query_id)
        if state == RUNNING:
            return self._desk.page(request, session, "running.html", _running(query_id, stage))
        found = await self._desk.service.query(session.caller, query_id)
        answer = found.get("answer")
        if not isinstance(answer, dict):
            return self._desk.page(request, session, "ended.html", {"query_id": query_id, "state": found["state"]})
        proof = await checked(self._desk.service, session.caller, query_id, answer)

        def page() -> web.Response:
            values = {
                "query_id": query_id,
                "answer": answer,
                "rows": charts.table(answer),
                "charts": charts.charts(answer),
                "proof": proof,
                "formats": [form.value for form in Format],
            }
            return self._desk.page(request, session, "answer.html", values)

        return await asyncio.to_thread(page)  # thousands of values: the event loop is not held up

    async def _stands(self, session: Session, query_id: str) -> tuple[str, str | None]:
        question = self._questions.tracked(query_id, session.caller)
        if question is not None and not question.over:
            return RUNNING, question.stage
        return str((await self._desk.service.query(session.caller, query_id))["state"]), None

    async def progress(self, request: web.Request, session: Session) -> web.Response:
        """Answer GET /console/queries/{id}/progress: the stages; once it is over, the page is to be loaded again."""
        query_id = request.match_info["id"]
        state, stage = await self._stands(session, query_id)
        response = self._desk.page(request, session, "part_progress.html", _running(query_id, stage))
        if state != RUNNING:
            response.headers["HX-Refresh"] = "true"
        return response

    async def cancel(self, request: web.Request, session: Session, _form: Mapping[str, str]) -> web.Response:
        """Answer POST /console/queries/{id}/cancel."""
        query_id = request.match_info["id"]
        await self._questions.cancel(query_id, session.caller)
        return see(f"/console/queries/{query_id}")

    async def answer(self, request: web.Request, session: Session) -> web.Response:
        """Answer GET /console/queries/{id}/answer: as a file, with intervals as columns."""
        query_id, named = request.match_info["id"], request.query.get("format", "csv")
        if named not in list(Format):
            raise GatewayError("bad_request", "`format` is not known.", f"One of: {', '.join(Format)}.")
        found = (await self._desk.service.query(session.caller, query_id)).get("answer")
        if not isinstance(found, dict):
            raise GatewayError("not_found", "There is no answer of this query.", "Look at how it stands.")
        form = Format(named)
        body = await asyncio.to_thread(written, stored_bytes(found), form, intervals=True)
        return attachment(body, MEDIA[form], f"{query_id}.{_SUFFIX[form]}")

    async def receipt(self, request: web.Request, session: Session) -> web.Response:
        """Answer GET /console/queries/{id}/receipt: what the log says of a query, to its buyer and to who watches."""
        query_id = request.match_info["id"]
        answer = None
        try:
            answer = (await self._desk.service.query(session.caller, query_id)).get("answer")
        except GatewayError as error:
            if error.code != "not_found":  # a refusal has a receipt, and is no query
                raise
        given = answer if isinstance(answer, dict) else None
        proof = await checked(self._desk.service, session.caller, query_id, given)
        if proof is None:
            raise GatewayError("not_found", "There is no such receipt for you.", "Use the query_id of an answer.")
        return self._desk.page(request, session, "receipt.html", {"query_id": query_id, "proof": proof})

    async def receipt_file(self, request: web.Request, session: Session) -> web.Response:
        """Answer GET /console/queries/{id}/receipt.json."""
        query_id = request.match_info["id"]
        found = await self._desk.service.receipt(session.caller, query_id, None)
        return attachment(
            json.dumps(found, ensure_ascii=False).encode(), "application/json", f"{query_id}.receipt.json"
        )


def _running(query_id: str, stage: str | None) -> dict[str, object]:
    reached = STAGES.index(stage) if stage in STAGES else -1
    return {"query_id": query_id, "stages": STAGES, "reached": reached}
