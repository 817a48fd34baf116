"""GET /v1/invoices: documents of a period as JSON, CSV or a page that prints."""

from aiohttp import web

from gateway.errors import GatewayError
from gateway.metering.papers import Papers, as_csv, as_html, as_json, content_security_policy

FORMATS = ("json", "csv", "html")


def asked(request: web.Request) -> tuple[str, str]:
    """Return (period, format) of a request. Raises GatewayError `bad_request`."""
    form = request.query.get("format", "json")
    if form not in FORMATS:
        raise GatewayError("bad_request", "There is no such format.", f"Write one of: {', '.join(FORMATS)}.")
    return request.query.get("period", ""), form


def response(papers: Papers, form: str) -> web.Response:
    """Return documents in a format; a page comes with the policy that lets its own style sheet in and nothing else."""
    if form == "csv":
        name = f"{'invoices' if papers.bills is not None else 'statements'}-{papers.period.name}.csv"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return web.Response(text=as_csv(papers), content_type="text/csv", charset="utf-8", headers=headers)
    if form == "html":
        policy = {"Content-Security-Policy": content_security_policy()}
        return web.Response(text=as_html(papers), content_type="text/html", charset="utf-8", headers=policy)
    return web.Response(text=as_json(papers), content_type="application/json", charset="utf-8")
