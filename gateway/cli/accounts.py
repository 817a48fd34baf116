"""Accounts from the command line: past queries, spending, taken-back tokens, top-ups. Everything goes over HTTP."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import quote as escaped

import typer

from gateway.cli.ask import DEFAULT_URL, Json, Token, Url, client, printed
from gateway.cli.failures import reporting
from gateway.cli.show import console, table_of
from gateway.errors import GatewayError

topup_app = typer.Typer(no_args_is_help=True, help="Raise a budget: one person proposes, another approves.")


def history(
    token: Token,
    url: Url = DEFAULT_URL,
    limit: Annotated[int, typer.Option(help="How many, at most 200.")] = 20,
    before: Annotated[str | None, typer.Option(help="Continue after this query_id.")] = None,
    as_json: Json = False,
) -> None:
    """List your own past queries, newest first: state, cost and price."""
    with reporting(as_json=as_json):
        after = "" if before is None else f"&before={escaped(before, safe='')}"
        reply = client(url, token).get(f"/v1/queries?limit={limit}{after}")
        if not printed(reply, as_json=as_json):
            rows = [
                (q["charged_at"][:19], q["query_id"], q["dataset"], q["state"], q["privacy"]["rho"], _money(q["price"]))
                for q in reply.json()["queries"]
            ]
            console().print(table_of(("charged at", "query", "dataset", "state", "rho", "price"), rows))


def spending(
    token: Token,
    url: Url = DEFAULT_URL,
    cap: Annotated[str | None, typer.Option(help="The most you allow yourself, or 'none' to lift the cap.")] = None,
    currency: Annotated[str, typer.Option(help="The cap's currency.")] = "CNY",
    per: Annotated[str, typer.Option(help="The cap's period: day, month or total.")] = "month",
    as_json: Json = False,
) -> None:
    """Show what you spent by currency, or set a cap of your own on it."""
    with reporting(as_json=as_json):
        caller = client(url, token)
        if cap is None:
            reply = caller.get("/v1/spending")
        else:
            body = {"currency": currency, "per": per, "amount": None if cap == "none" else cap}
            reply = caller.put("/v1/spending", body)
        if not printed(reply, as_json=as_json):
            rows = [
                (one["currency"], period, one["spent"][period], one["caps"].get(period, "-"))
                for one in reply.json()["spending"]
                for period in ("day", "month", "total")
            ]
            console().print(table_of(("currency", "period", "spent", "your cap"), rows))


def revoke(
    token: Token,
    url: Url = DEFAULT_URL,
    jti: Annotated[str | None, typer.Option(help="One token by its id; without it all of the subject's.")] = None,
    organisation: Annotated[str | None, typer.Option(help="Whose, for supervisors.")] = None,
    subject: Annotated[str | None, typer.Option(help="Whose, for supervisors; default your own.")] = None,
) -> None:
    """Take tokens back: none that was issued until now is accepted again."""
    with reporting():
        given = {"jti": jti, "organisation": organisation, "subject": subject}
        body = {name: value for name, value in given.items() if value is not None}
        client(url, token).post("/v1/tokens/revoke", body)
        typer.echo("taken back")


@topup_app.command("list")
def topups(token: Token, url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """List proposals and decisions."""
    with reporting(as_json=as_json):
        reply = client(url, token).get("/v1/topups")
        if not printed(reply, as_json=as_json):
            console().print(_topups(reply.json()["topups"]))


@topup_app.command("propose")
def propose(
    dataset: Annotated[str, typer.Option(help="The dataset, of which you are the provider.")],
    epsilon: Annotated[str, typer.Option(help="What to add to the limit.")],
    reason: Annotated[str, typer.Option(help="Why; it stands in the log.")],
    token: Token,
    delta: Annotated[str | None, typer.Option(help="What to add for private keys.")] = None,
    account: Annotated[str | None, typer.Option(help="One account inside; default all of the data.")] = None,
    url: Url = DEFAULT_URL,
) -> None:
    """Propose to raise a limit; nothing changes until another person approves."""
    with reporting():
        body: dict[str, object] = {"dataset": dataset, "epsilon": epsilon, "reason": reason}
        body |= {name: value for name, value in (("delta", delta), ("account", account)) if value is not None}
        reply = client(url, token).post("/v1/topups", body)
        console().print(_topups([reply.json()]))


@topup_app.command("approve")
def approve(
    topup_id: Annotated[str, typer.Argument(help="The proposal.")], token: Token, url: Url = DEFAULT_URL
) -> None:
    """Approve another person's proposal."""
    _decide(topup_id, token, url, "approve")


@topup_app.command("reject")
def reject(
    topup_id: Annotated[str, typer.Argument(help="The proposal.")], token: Token, url: Url = DEFAULT_URL
) -> None:
    """Reject a proposal."""
    _decide(topup_id, token, url, "reject")


def _decide(topup_id: str, token: str, url: str, decision: str) -> None:
    with reporting():
        if not topup_id.isalnum():
            raise GatewayError("bad_request", "That is no top-up's id.", "gateway topup list shows them.")
        reply = client(url, token).post(f"/v1/topups/{topup_id}/{decision}", {})
        console().print(_topups([reply.json()]))


def _topups(found: Sequence[Mapping[str, Any]]) -> Any:
    rows = [
        (t["topup_id"], t["account"], t["rho"], t["delta"], t["state"], t["proposed_by"], t["decided_by"] or "-")
        for t in found
    ]
    return table_of(("top-up", "account", "rho", "delta", "state", "proposed by", "decided by"), rows)


def _money(price: Mapping[str, str]) -> str:
    return "free" if price["amount"] == "0" else f"{price['amount']} {price['currency']}"
