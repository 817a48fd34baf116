"""Front door to what was metered and billed: events as JSON lines, documents as JSON, CSV or a page that prints."""

from aiohttp import web

from gateway.errors import GatewayError
from gateway.metering.papers import Papers, as_csv, as_html, as_json, content_security_policy
from gateway.web.exchange import caller_of, limit_of
from gateway.web.routes import Parameter, Reply, Route
from gateway.web.service import Service

TAG = "billing"
FORMATS = ("json", "csv", "html")
MAX_EVENTS = 1000
CURSOR = "Gateway-Cursor"
MONTH = {"type": "string", "pattern": r"^\d{4}-\d{2}$"}


class BillingDoor:
    """The handlers of meter events and invoices."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def routes(self) -> list[Route]:
        """Return its addresses."""
        events = {200: Reply("CloudEvents 1.0, one a line", {"application/jsonl": {"type": "string"}})}
        text = {"type": "string"}
        papers = {200: Reply("the documents", {"application/json": "Papers", "text/csv": text, "text/html": text})}
        return [
            Route("GET", "/v1/meter/events", self.events, TAG, "meter events after a cursor",
                  roles=("billing", "provider"), parameters=(
                      Parameter("after", f"what {CURSOR} said last", text),
                      Parameter("limit", "how many at most", {"type": "integer", "minimum": 1, "maximum": MAX_EVENTS}),
                  ), replies=events),
            Route("GET", "/v1/invoices", self.invoices, TAG, "documents of a period: those that concern you",
                  roles=("billing", "buyer", "provider"),
                  parameters=(
                      Parameter("period", "a month: 2026-10", MONTH, required=True),
                      Parameter("format", "how they are written", {"type": "string", "enum": list(FORMATS)}),
                  ), replies=papers),
        ]  # fmt: skip

    async def events(self, request: web.Request) -> web.Response:
        """Answer GET /v1/meter/events as JSON lines; the header Gateway-Cursor continues after them."""
        caller = await caller_of(request, self._service)
        after, limit = request.query.get("after"), limit_of(request, 100, MAX_EVENTS)
        found = await self._service.events(caller, after, limit)
        body = "".join(f"{line}\n" for _, line in found)
        cursor = found[-1][0] if found else after
        headers = {} if cursor is None else {CURSOR: cursor}
        return web.Response(body=body.encode(), content_type="application/jsonl", headers=headers)

    async def invoices(self, request: web.Request) -> web.Response:
        """Answer GET /v1/invoices."""
        caller = await caller_of(request, self._service)
        form = request.query.get("format", "json")
        if form not in FORMATS:
            raise GatewayError("bad_request", "There is no such format.", f"Write one of: {', '.join(FORMATS)}.")
        return in_format(await self._service.invoices(caller, request.query.get("period", "")), form)


def in_format(papers: Papers, form: str) -> web.Response:
    """Return documents in a format; a page comes with the policy that lets its own style sheet in and nothing else."""
    if form == "csv":
        name = f"{'invoices' if papers.bills is not None else 'statements'}-{papers.period.name}.csv"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return web.Response(text=as_csv(papers), content_type="text/csv", charset="utf-8", headers=headers)
    if form == "html":
        policy = {"Content-Security-Policy": content_security_policy()}
        return web.Response(text=as_html(papers), content_type="text/html", charset="utf-8", headers=policy)
    return web.Response(text=as_json(papers), content_type="application/json", charset="utf-8")
