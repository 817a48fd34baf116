"""Models: a form of a dataset's columns, what a model would cost, and its numbers with their intervals."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from gateway.errors import GatewayError
from gateway.models.asked import Kind
from gateway.web import modelling
from gateway.web.console.drafts import FEATURE, FIELDS, Draft, field_of, read_draft, usable
from gateway.web.console.fits import groups, row
from gateway.web.console.forms import Fault, fault_of, stay
from gateway.web.console.pages import Desk, only, see
from gateway.web.console.sessions import Session
from gateway.web.console.sketches import place_of
from gateway.web.routes import Parameter, Route
from gateway.web.service import Questions

HERE = "/console/models"
KINDS = tuple(kind.value for kind in Kind)
TEXT = {"type": "string"}


class ModelPages:
    """Handles /console/models, and what its form asks on the way."""

    def __init__(self, desk: Desk, questions: Questions) -> None:
        self._desk = desk
        self._questions = questions

    def routes(self) -> list[Route]:
        """Return its addresses."""
        given = (Parameter("dataset", "the dataset to model", TEXT), Parameter("table", "the rows", TEXT))
        return [
            self._desk.get(HERE, self.empty, "the form of a model", given),
            self._desk.post(HERE, self.fit, "fit a model"),
            self._desk.post(f"{HERE}/form", self.form, "the form again, of what is chosen"),
            self._desk.post(f"{HERE}/quote", self.quote, "what a model would cost"),
            self._desk.get(f"{HERE}/form", self.back, "back to the form, where somebody loads it again"),
            self._desk.get(f"{HERE}/quote", self.back, "back to the form, where somebody loads a quote again"),
        ]

    async def back(self, _request: web.Request, _session: Session) -> web.Response:
        """Answer GET /console/models/form and /console/models/quote."""
        return see(HERE)

    async def empty(self, request: web.Request, session: Session) -> web.Response:
        """Answer GET /console/models."""
        only(session, "buyer")
        draft = Draft(dataset=request.query.get("dataset", ""), table=request.query.get("table"))
        return await self._page(request, session, draft, {})

    async def form(self, request: web.Request, session: Session, form: Mapping[str, str]) -> web.Response:
        """Answer POST /console/models/form: the page with what was written, and the columns of what is chosen."""
        only(session, "buyer")
        return await self._page(request, session, read_draft(form), {})

    async def quote(self, request: web.Request, session: Session, form: Mapping[str, str]) -> web.Response:
        """Answer POST /console/models/quote: the page with the quote, or with the refusal at its field."""
        only(session, "buyer")
        draft = read_draft(form)
        try:
            model, asked = draft.asked()
            service, caller = self._desk.service, session.caller
            found = await modelling.quote(service, self._questions, model, asked, caller)
        except GatewayError as error:
            stay(error)
            return await self._page(request, session, draft, _refused(draft, error))
        return await self._page(request, session, draft, {"quote": found})

    async def fit(self, request: web.Request, session: Session, form: Mapping[str, str]) -> web.Response:
        """Answer POST /console/models: the model over its form; loaded again, it is the same one and charged once."""
        only(session, "buyer")
        draft = read_draft(form)
        try:
            model, asked = draft.asked(form.get("nonce", ""))
            service, caller = self._desk.service, session.caller
            found = await modelling.fit(service, self._questions, model, asked, caller)
        except GatewayError as error:
            stay(error)
            return await self._page(request, session, draft, _refused(draft, error), error.status)
        return await self._page(request, session, draft, _fitted(found))

    async def _page(
        self, request: web.Request, session: Session, draft: Draft, found: Mapping[str, Any], status: int = 200
    ) -> web.Response:
        datasets = await self._desk.service.datasets(session.caller)
        chosen = draft.dataset or (str(datasets[0]["name"]) if datasets else "")
        tables = {
            str(table["name"]): [column for column in table["columns"] if usable(column, draft.kind)]
            for table in await self._tables(session, chosen)
        }
        table = draft.table
        if table not in tables and table != "":
            table = next((name for name, columns in tables.items() if columns), next(iter(tables), ""))
        values = {
            "draft": draft,
            "datasets": datasets,
            "chosen": chosen,
            "tables": list(tables),
            "table": table,
            "columns": tables.get(table, []),
            "kinds": KINDS,
            "feature": FEATURE,
            "nonce": self._desk.sessions.nonce(),
        }
        nothing = {"quote": None, "fault": None, "place": None, "fitted": None}
        return self._desk.page(request, session, "models.html", values | nothing | dict(found), status)

    async def _tables(self, session: Session, name: str) -> list[Mapping[str, Any]]:
        """Return the private tables of a dataset; none where it is not there or not open: its model will be told so."""
        try:
            described: dict[str, Any] = await self._desk.service.dataset(session.caller, name)
        except GatewayError:
            return []
        return [table for table in described.get("tables", ()) if not table["public"]]


def _fitted(found: dict[str, Any]) -> dict[str, Any]:
    counted = found.get("rows")
    return {"fitted": found, "groups": groups(found), "rows": row(counted) if counted else None}


def _refused(draft: Draft, error: GatewayError) -> dict[str, Any]:
    """Return where a refusal stands: at a field, and where it has a place in a SELECT, at the line."""
    place = place_of(draft.source, error.position) if not draft.table else None
    fault = fault_of(error, FIELDS, field_of(error.code, placed=place is not None))
    field = "source" if fault.field in ("from", "sql") else fault.field
    return {"fault": Fault(error, field), "place": place}
