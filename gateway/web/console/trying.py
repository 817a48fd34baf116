"""The sandbox: a question over synthetic rows, for nothing, and the way from there to the true one."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from gateway.errors import GatewayError
from gateway.web.console import charts
from gateway.web.console.editing import begun, editor
from gateway.web.console.forms import stay
from gateway.web.console.pages import Desk, only
from gateway.web.console.sessions import Session
from gateway.web.console.sketches import Sketch, place_of, read_sketch
from gateway.web.routes import Parameter, Route
from gateway.web.service import Questions

HERE = "/console/sandbox"
TEXT = {"type": "string"}


class SandboxPages:
    """Handles /console/sandbox, and the rows of the dataset that is chosen there."""

    def __init__(self, desk: Desk, questions: Questions) -> None:
        self._desk = desk
        self._questions = questions

    def routes(self) -> list[Route]:
        """Return its addresses."""
        given = (Parameter("dataset", "the dataset to try", TEXT), Parameter("sql", "a question to begin with", TEXT))
        return [
            self._desk.get(HERE, self.editor, "the sandbox", given),
            self._desk.post(HERE, self.ask, "ask synthetic rows"),
            self._desk.get(f"{HERE}/rows", self.rows, "synthetic rows of a dataset", given[:1]),
        ]

    async def editor(self, request: web.Request, session: Session) -> web.Response:
        """Answer GET /console/sandbox."""
        only(session, "buyer")
        return await self._page(request, session, begun(request))

    async def ask(self, request: web.Request, session: Session, form: Mapping[str, str]) -> web.Response:
        """Answer POST /console/sandbox: the text stays, with the answer or the refusal beside it."""
        only(session, "buyer")
        sketch = read_sketch(form)
        try:
            question = self._questions.submit(sketch.request(form.get("nonce", ""), sandbox=True), session.caller)
            answer = json.loads(await question.answer())
        except GatewayError as error:
            stay(error)
            return await self._page(request, session, sketch, error=error)
        return await self._page(request, session, sketch, answer=answer)

    async def rows(self, request: web.Request, session: Session) -> web.Response:
        """Answer GET /console/sandbox/rows: a part of the page."""
        only(session, "buyer")
        found = await self._desk.service.synthetic(session.caller, request.query.get("dataset", ""))
        return self._desk.page(request, session, "part_synthetic.html", {"tables": found})

    async def _page(
        self,
        request: web.Request,
        session: Session,
        sketch: Sketch,
        *,
        answer: dict[str, Any] | None = None,
        error: GatewayError | None = None,
    ) -> web.Response:
        values = await editor(self._desk, session, sketch)
        values |= {
            "tables": await self._shown(session, str(values["chosen"])),
            "answer": answer,
            "error": error,
            "place": place_of(sketch.sql, error.position) if error is not None else None,
        }

        def page() -> web.Response:
            drawn: dict[str, object] = {"rows": [], "charts": []}
            if answer is not None:
                drawn = {"rows": charts.table(answer), "charts": charts.charts(answer)}
            return self._desk.page(request, session, "sandbox.html", values | drawn, error.status if error else 200)

        return await asyncio.to_thread(page)  # thousands of values: the event loop is not held up

    async def _shown(self, session: Session, name: str) -> list[dict[str, object]]:
        """Return the rows of a dataset; none where it is not there or not open: its question will be told so."""
        try:
            return await self._desk.service.synthetic(session.caller, name)
        except GatewayError:
            return []
