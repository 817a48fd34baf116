"""`gateway case`: open, list, show, take the evidence, decide. Everything goes over HTTP."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote as escaped

import typer
from rich.text import Text

from gateway.cli.ask import DEFAULT_URL, Json, Token, Url, client, printed
from gateway.cli.failures import reporting
from gateway.cli.listings import USUAL, After, Limit, page, told_more
from gateway.cli.show import console, table_of
from gateway.evidence.archives import archive
from gateway.evidence.files import write_new

app = typer.Typer(no_args_is_help=True, help="Cases: a query in dispute, its evidence, an arbiter's finding.")

Case = Annotated[str, typer.Argument(help="The case's id: gateway case list shows it.")]


@app.command("open")
def open_(
    query_id: Annotated[str, typer.Argument(help="The query_id of an answer.")],
    reason: Annotated[str, typer.Option(help="What is wrong with it; it stands in the log.")],
    token: Token,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Open a case of a query of yours, or of one on your data."""
    with reporting(as_json=as_json):
        reply = client(url, token).post("/v1/cases", {"query_id": query_id, "reason": reason})
        if not printed(reply, as_json=as_json):
            console().print(Text(f"case {reply.json()['case_id']} is opened"))


@app.command("list")
def cases(
    token: Token, limit: Limit = USUAL, after: After = None, url: Url = DEFAULT_URL, as_json: Json = False
) -> None:
    """List cases: your own, or all of them to an arbiter or a supervisor."""
    with reporting(as_json=as_json):
        reply = client(url, token).get(page("/v1/cases", limit, after))
        if not printed(reply, as_json=as_json):
            console().print(_table(reply.json()["cases"]))
            told_more(reply)


@app.command("show")
def show(case_id: Case, token: Token, url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """Show one case, and its finding where there is one."""
    with reporting(as_json=as_json):
        reply = client(url, token).get(f"/v1/cases/{escaped(case_id, safe='')}")
        if not printed(reply, as_json=as_json):
            made = reply.json()
            console().print(_table([made]))
            console().print(Text(f"opened by {made['opened_by']}: {made['reason']}"))
            if made["decision"] is not None:
                console().print(Text(f"decided by {made['decision']['by']}: {made['decision']['finding']}"))


@app.command("evidence")
def evidence(
    case_id: Case,
    token: Token,
    out: Annotated[Path | None, typer.Option(help="The zip to write.  [default: CASE_ID.zip]")] = None,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Write the bundle of a case for `gateway evidence verify`, and say what froze the query. No result is in it."""
    with reporting(as_json=as_json):
        reply = client(url, token).get(f"/v1/cases/{escaped(case_id, safe='')}/evidence")
        if printed(reply, as_json=as_json):
            return
        found = reply.json()
        path = out or Path(f"{Path(case_id).name}.zip")
        write_new(path, archive({name: text.encode() for name, text in found["bundle"].items()}))
        typer.echo(str(path))
        for stop in found["stops"]:
            typer.echo(f"leaf {stop['log_index']}: {stop['kind']} at {stop['time'][:19]}")


@app.command("decide")
def decide(
    case_id: Case,
    finding: Annotated[str, typer.Option(help="What you find; it stands in the log.")],
    token: Token,
    refund: Annotated[str | None, typer.Option(help="Money to give back, in the currency of the charge.")] = None,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Decide a case, as an arbiter of neither party. Money can be given back; privacy never is."""
    with reporting(as_json=as_json):
        body = {"finding": finding, **({} if refund is None else {"refund": refund})}
        reply = client(url, token).post(f"/v1/cases/{escaped(case_id, safe='')}/decide", body)
        if not printed(reply, as_json=as_json):
            console().print(_table([reply.json()]))


def _table(found: Iterable[Mapping[str, Any]]) -> Any:
    rows = [(one["case_id"], one["query_id"], one["dataset"], one["buyer"], one["state"], _money(one)) for one in found]
    return table_of(("case", "query", "dataset", "buyer", "state", "given back"), rows)


def _money(one: Mapping[str, Any]) -> str:
    refund = (one["decision"] or {}).get("refund")
    return "-" if refund is None else f"{refund} {one['charged']['currency']}"
