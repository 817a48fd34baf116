"""`gateway grant`: ask for a grant, sign one, refuse it, take it back. Everything but signing goes over HTTP."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from gateway.cli import grant_keys
from gateway.cli.ask import DEFAULT_URL, Json, Token, Url, client, printed
from gateway.cli.failures import reporting
from gateway.cli.listings import USUAL, After, Limit, page, told_more
from gateway.cli.show import console, table_of
from gateway.errors import GatewayError
from gateway.evidence.offline.grants import MEMBERS

app = typer.Typer(no_args_is_help=True, help="Grants that a provider signs: ask for one, sign, refuse, take back.")
app.add_typer(grant_keys.app, name="key")

Id = Annotated[str, typer.Argument(help="The grant's id.")]
Reason = Annotated[str, typer.Option(help="Why; it stands in the log.")]
Changes = Annotated[
    list[str] | None, typer.Option("--set", help="A term as NAME=VALUE, the value as JSON or plain text; repeatable.")
]


@app.command()
def request(
    token: Token,
    dataset: Annotated[str, typer.Option(help="The dataset.")],
    why: Annotated[str, typer.Option(help="What it is for, in words.")],
    purpose: Annotated[list[str] | None, typer.Option(help="A purpose of use; repeatable.")] = None,
    until: Annotated[str | None, typer.Option(help="The last day, as 2027-12-31.")] = None,
    uses: Annotated[int | None, typer.Option(help="How many charged queries.")] = None,
    plan: Annotated[str | None, typer.Option(help="The price plan.")] = None,
    changes: Changes = None,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Ask a provider for a grant to your organisation; it gives nothing before the provider signs."""
    with reporting(as_json=as_json):
        given = {"valid_until": until, "uses": uses, "price_plan": plan}
        terms: dict[str, object] = {name: value for name, value in given.items() if value is not None}
        terms |= {"purposes": sorted(set(purpose))} if purpose else {}
        body = {"dataset": dataset, "why": why, "terms": terms | changed(changes)}
        reply = client(url, token).post("/v1/grants", body)
        if not printed(reply, as_json=as_json):
            _told(reply.json())


@app.command("list")
def listed(
    token: Token, limit: Limit = USUAL, after: After = None, url: Url = DEFAULT_URL, as_json: Json = False
) -> None:
    """List the grants that you asked for, that are asked of you, or to a supervisor all."""
    with reporting(as_json=as_json):
        reply = client(url, token).get(page("/v1/grants", limit, after))
        if not printed(reply, as_json=as_json):
            rows = [
                (g["requested_at"][:19], g["grant_id"], g["dataset"], g["organisation"], g["state"], g["why"])
                for g in reply.json()["grants"]
            ]
            console().print(table_of(("requested at", "grant", "dataset", "to", "state", "why"), rows))
            told_more(reply)


@app.command()
def show(grant_id: Id, token: Token, url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """Show a grant: what was asked, and what was signed. With --json it is what `evidence verify` reads."""
    with reporting(as_json=as_json):
        reply = client(url, token).get(_path(grant_id))
        if not printed(reply, as_json=as_json):
            found = reply.json()
            _told(found)
            console().print(_terms(found["terms"] or found.get("proposed") or found["asked"], {}))


@app.command()
def sign(
    grant_id: Id,
    key: Annotated[Path, typer.Option(help="Your organisation's private key file.")],
    token: Token,
    changes: Changes = None,
    yes: Annotated[bool, typer.Option("--yes", help="Sign without asking.")] = False,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Grant what was asked, or less: the terms are shown, signed here with your key, and sent. The key stays here."""
    with reporting(as_json=as_json):
        caller, signer = client(url, token), grant_keys.read(key)
        found = caller.get(_path(grant_id)).json()
        proposed = found.get("proposed")
        if proposed is None:
            detail = f"The grant is {found['state']}, and there is nothing to sign."
            raise GatewayError("grant_not_open", detail, "gateway grant list shows what is requested.")
        terms = {**proposed, **changed(changes), "key": signer.key_id}
        console(error=True).print(_terms(terms, {**proposed, "key": signer.key_id}))
        if not yes and not typer.confirm("Sign these terms?", err=True):
            raise typer.Exit(1)
        body = {"terms": terms, "signature": signer.sign(terms)}
        reply = caller.post(f"{_path(grant_id)}/grant", body)
        if not printed(reply, as_json=as_json):
            _told(reply.json())


@app.command()
def refuse(grant_id: Id, reason: Reason, token: Token, url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """Refuse what was asked."""
    with reporting(as_json=as_json):
        reply = client(url, token).post(f"{_path(grant_id)}/refuse", {"reason": reason})
        if not printed(reply, as_json=as_json):
            _told(reply.json())


@app.command()
def revoke(grant_id: Id, reason: Reason, token: Token, url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """Take a grant back: nothing more is asked under it, and what runs of it is ended; charges stay."""
    with reporting(as_json=as_json):
        reply = client(url, token).post(f"{_path(grant_id)}/revoke", {"reason": reason})
        if not printed(reply, as_json=as_json):
            _told(reply.json())
            console().print(Text(f"running queries ended: {reply.json()['ended']}"))


@app.command()
def crossings(token: Token, url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """Show how many people's data, by declared sizes, went to other countries in each year."""
    with reporting(as_json=as_json):
        reply = client(url, token).get("/v1/crossings")
        if not printed(reply, as_json=as_json):
            rows = [
                (str(one["year"]), one["provider"], one["country"], one["units"]) for one in reply.json()["crossings"]
            ]
            console().print(table_of(("year", "provider", "country", "people"), rows))


def changed(changes: Sequence[str] | None) -> dict[str, object]:
    """Return terms that were given as NAME=VALUE. Raises GatewayError `bad_request`."""
    found: dict[str, object] = {}
    for text in changes or ():
        name, equals, value = text.partition("=")
        if not equals or name not in MEMBERS:
            hint = f"Write --set NAME=VALUE; names: {', '.join(MEMBERS)}."
            raise GatewayError("bad_request", f"'{text[:60]}' names no term.", hint)
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
        if isinstance(found[name], float):  # amounts are texts, so that they have one spelling
            found[name] = value
    return found


def _path(grant_id: str) -> str:
    if not (grant_id.isascii() and grant_id.isalnum()):
        raise GatewayError("bad_request", "That is no grant's id.", "gateway grant list shows them.")
    return f"/v1/grants/{grant_id}"


def _told(grant: Mapping[str, Any]) -> None:
    line = (
        f"{grant['state']}: {grant['grant_id']}, {grant['dataset']} of {grant['provider']} to {grant['organisation']}"
    )
    console().print(Text(line))


def _terms(terms: Mapping[str, Any], proposed: Mapping[str, Any]) -> Any:
    rows = [
        (name, _written(terms[name]), "" if not proposed or proposed[name] == terms[name] else "changed by you")
        for name in MEMBERS
        if name in terms
    ]
    return table_of(("term", "value", ""), rows)


def _written(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
