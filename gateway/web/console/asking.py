"""The editor: a question, what it would cost while it is written, and asking it."""

from collections.abc import Mapping

from aiohttp import web

from gateway.errors import GatewayError
from gateway.web.console.editing import begun, editor
from gateway.web.console.forms import stay
from gateway.web.console.pages import Desk, is_part, only, see
from gateway.web.console.sessions import Session
from gateway.web.console.sketches import Place, Sketch, place_of, read_sketch, unfinished
from gateway.web.queries import query_id_of
from gateway.web.routes import Parameter, Route
from gateway.web.service import Questions

TEXT = {"type": "string"}


class AskPages:
    """Handles /console/ask and /console/quote."""

    def __init__(self, desk: Desk, questions: Questions) -> None:
        self._desk = desk
        self._questions = questions

    def routes(self) -> list[Route]:
        """Return its addresses."""
        given = (Parameter("dataset", "the dataset to ask", TEXT), Parameter("sql", "a question to begin with", TEXT))
        return [
            self._desk.get("/console/ask", self.editor, "the editor", given),
            self._desk.post("/console/ask", self.ask, "ask"),
            self._desk.post("/console/quote", self.quote, "what asking would cost"),
            self._desk.get("/console/quote", self.back, "back to the editor, where somebody loads a quote again"),
        ]

    async def editor(self, request: web.Request, session: Session) -> web.Response:
        """Answer GET /console/ask."""
        only(session, "buyer")
        return await self._page(request, session, begun(request))

    async def back(self, _request: web.Request, _session: Session) -> web.Response:
        """Answer GET /console/quote."""
        return see("/console/ask")

    async def quote(self, request: web.Request, session: Session, form: Mapping[str, str]) -> web.Response:
        """Answer POST /console/quote: a part of the page, or all of it where the browser runs no script.

        While somebody types (no `now`), half a question is not asked about.
        """
        only(session, "buyer")
        sketch = read_sketch(form)
        if not sketch.sql.strip() or ("now" not in form and unfinished(sketch.sql)):
            return await self._quoted(request, session, sketch, {})
        try:
            with self._questions.room(session.caller):
                found = await self._desk.service.quote(sketch.request(), session.caller)
        except GatewayError as error:
            stay(error)
            left = self._desk.service.quota(session.caller)
            return await self._quoted(request, session, sketch, {"error": error, "quota": left})
        return await self._quoted(request, session, sketch, {"quote": found})

    async def _quoted(
        self, request: web.Request, session: Session, sketch: Sketch, found: Mapping[str, object]
    ) -> web.Response:
        if not is_part(request):
            return await self._page(request, session, sketch, found)
        return self._desk.page(request, session, "part_quote.html", _values(sketch, found))

    async def ask(self, request: web.Request, session: Session, form: Mapping[str, str]) -> web.Response:
        """Answer POST /console/ask: go to the query once it is charged or answered; stay where it is refused."""
        only(session, "buyer")
        sketch = read_sketch(form)
        try:
            question = self._questions.submit(sketch.request(form.get("nonce", "")), session.caller)
            await question.known()
            query_id = query_id_of(await question.answer()) if question.over else question.query_id
        except GatewayError as error:
            stay(error)
            return await self._page(request, session, sketch, {"error": error}, error.status)
        return see(f"/console/queries/{query_id}")

    async def _page(
        self,
        request: web.Request,
        session: Session,
        sketch: Sketch,
        found: Mapping[str, object] | None = None,
        status: int = 200,
    ) -> web.Response:
        values = await editor(self._desk, session, sketch) | _values(sketch, found or {})
        return self._desk.page(request, session, "ask.html", values, status)


def _values(sketch: Sketch, found: Mapping[str, object]) -> dict[str, object]:
    error = found.get("error")
    place: Place | None = place_of(sketch.sql, error.position) if isinstance(error, GatewayError) else None
    return {"sketch": sketch, "quote": found.get("quote"), "error": error, "place": place, "quota": found.get("quota")}
