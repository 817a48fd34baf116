"""`gateway members`: apply, list, verify and suspend over HTTP; found on the store itself, for its operator."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote as escaped

import typer
from rich.text import Text

from gateway.cli.ask import DEFAULT_URL, Json, Token, Url, client, printed
from gateway.cli.failures import reporting
from gateway.cli.listings import USUAL, After, Limit, page, told_more
from gateway.cli.operate import State
from gateway.cli.show import console, table_of
from gateway.client.wire import Reply
from gateway.errors import GatewayError
from gateway.settings import from_environment

app = typer.Typer(no_args_is_help=True, help="Members of the exchange: organisations, and persons who act for them.")

Member = Annotated[str, typer.Argument(help="The member's id: gateway members list shows it.")]
Evidence = Annotated[
    list[str],
    typer.Option(help="KIND=REFERENCE of a document, with #SHA256 of it if you like; may be repeated."),
]
Reason = Annotated[str, typer.Option(help="Why; it stands in the log.")]


@app.command("apply")
def apply(
    legal_name: Annotated[str, typer.Option(help="The name in the register, or in the person's papers.")],
    contact: Annotated[str, typer.Option(help="Where it can be reached; it stands in the log.")],
    evidence: Evidence,
    token: Token,
    person: Annotated[bool, typer.Option("--person", help="Yourself, in place of your organisation.")] = False,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Apply for your organisation, or for yourself as a person who acts for it."""
    with reporting(as_json=as_json):
        body: dict[str, object] = {
            "kind": "person" if person else "organisation",
            "legal_name": legal_name,
            "contact": contact,
            "evidence": [_shown(text) for text in evidence],
        }
        _told(client(url, token).post("/v1/members", body), as_json=as_json)


@app.command("list")
def members(
    token: Token,
    state: Annotated[str | None, typer.Option(help="Those in one state: applied, verified or suspended.")] = None,
    limit: Limit = USUAL,
    after: After = None,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """List members: your own organisation's, or all of them to reviewers, supervisors, arbiters and billing."""
    with reporting(as_json=as_json):
        reply = client(url, token).get(page("/v1/members", limit, after, state=state))
        if not printed(reply, as_json=as_json):
            console().print(_table(reply.json()["members"]))
            told_more(reply)


@app.command("verify")
def verify(member_id: Member, token: Token, url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """Verify a member of another organisation; it takes two reviewers."""
    with reporting(as_json=as_json):
        reply = client(url, token).post(f"/v1/members/{escaped(member_id, safe='')}/verify", {})
        _told(reply, as_json=as_json)


@app.command("suspend")
def suspend(member_id: Member, reason: Reason, token: Token, url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """Suspend a member, as a supervisor: it is refused everywhere, and what runs of it is ended."""
    with reporting(as_json=as_json):
        reply = client(url, token).post(f"/v1/members/{escaped(member_id, safe='')}/suspend", {"reason": reason})
        _told(reply, as_json=as_json)


@app.command("found")
def found(
    organisation: Annotated[str, typer.Option(help="The organisation, as tokens name it.")],
    subject: Annotated[str, typer.Option(help="A reviewer of it, as tokens name it.")],
    legal_name: Annotated[str, typer.Option(help="The organisation's legal name.")],
    person_name: Annotated[str, typer.Option(help="The person's.")],
    contact: Annotated[str, typer.Option(help="Where they can be reached; it stands in the log.")],
    reason: Reason,
    state: State = Path("state"),
) -> None:
    """Make the first members on the gateway's own store, until there are two persons to verify the others."""
    from gateway.app.offline import found as made  # noqa: PLC0415 - loads the whole server

    with reporting():
        settings = from_environment({"state": state})
        both = made(settings, organisation, subject, (legal_name, person_name), contact, reason)
        for one in both:
            typer.echo(f"{one.application.name} is {one.state.value}")


def _shown(text: str) -> dict[str, str]:
    """Return a reference to evidence as the API takes it. Raises GatewayError `bad_request`."""
    kind, equals, rest = text.partition("=")
    reference, _, digest = rest.partition("#")
    if not (kind and equals and reference):
        hint = "Write --evidence KIND=REFERENCE, for instance register=HRB-1234."
        raise GatewayError("bad_request", f"'{text}' names no evidence.", hint)
    return {"kind": kind, "reference": reference} | ({"sha256": digest} if digest else {})


def _told(reply: Reply, *, as_json: bool) -> None:
    """Print how a member stands by now."""
    if not printed(reply, as_json=as_json):
        made = reply.json()
        ended = f"; running queries ended: {made['ended']}" if "ended" in made else ""
        console().print(Text(f"{made['member_id']}  {_who(made)}: {made['state']}{ended}"))


def _who(made: Mapping[str, Any]) -> str:
    return str(made["organisation"] if made["subject"] is None else f"{made['organisation']}/{made['subject']}")


def _table(found: Iterable[Mapping[str, Any]]) -> Any:
    rows = [
        (one["member_id"], _who(one), one["legal_name"], one["state"], _verifiers(one), one["applied_at"][:19])
        for one in found
    ]
    return table_of(("member", "who", "legal name", "state", "verified by", "applied at"), rows)


def _verifiers(one: Mapping[str, Any]) -> str:
    return ", ".join(made["by"] for made in one["verifications"]) or "-"
