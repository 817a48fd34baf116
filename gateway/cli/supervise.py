"""What a supervisor or provider types: freeze, unfreeze, freezes, alerts. Everything goes over HTTP."""

from typing import Annotated
from urllib.parse import quote as escaped
from urllib.parse import urlencode

import typer
from rich.text import Text

from gateway.cli.ask import DEFAULT_URL, Json, Token, Url, client, printed
from gateway.cli.failures import reporting
from gateway.cli.show import console, table_of
from gateway.client.wire import Reply
from gateway.errors import GatewayError

Buyer = Annotated[str | None, typer.Option(help="A buyer, as ORGANISATION/SUBJECT.")]
Organisation = Annotated[str | None, typer.Option(help="An organisation.")]
Dataset = Annotated[str | None, typer.Option(help="A dataset.")]
Query = Annotated[str | None, typer.Option(help="One query, by its id.")]
All = Annotated[bool, typer.Option("--all", help="Everything.")]
Reason = Annotated[str, typer.Option(help="Why; it stands in the log.")]


def freeze(
    token: Token,
    reason: Reason,
    url: Url = DEFAULT_URL,
    buyer: Buyer = None,
    organisation: Organisation = None,
    dataset: Dataset = None,
    query: Query = None,
    everything: All = False,
    as_json: Json = False,
) -> None:
    """Stop a query, buyer, organisation, dataset or everything on every gateway of the store; charges stay."""
    with reporting(as_json=as_json):
        body = target_of(buyer, organisation, dataset, query, everything=everything) | {"reason": reason}
        _told(client(url, token).post("/v1/freeze", body), as_json=as_json)


def unfreeze(
    token: Token,
    reason: Reason,
    url: Url = DEFAULT_URL,
    buyer: Buyer = None,
    organisation: Organisation = None,
    dataset: Dataset = None,
    query: Query = None,
    everything: All = False,
    as_json: Json = False,
) -> None:
    """Lift a freeze."""
    with reporting(as_json=as_json):
        body = target_of(buyer, organisation, dataset, query, everything=everything) | {"reason": reason}
        _told(client(url, token).post("/v1/unfreeze", body), as_json=as_json)


def freezes(token: Token, url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """List what is frozen, by whom and why."""
    with reporting(as_json=as_json):
        reply = client(url, token).get("/v1/freezes")
        if not printed(reply, as_json=as_json):
            rows = [
                (one["at"][:19], one["scope"], one["name"] or "-", one["by"], one["reason"])
                for one in reply.json()["freezes"]
            ]
            console().print(table_of(("since", "scope", "name", "by", "reason"), rows))


def alerts(
    token: Token,
    url: Url = DEFAULT_URL,
    dataset: Annotated[str | None, typer.Option(help="Alerts of one dataset.")] = None,
    after: Annotated[str | None, typer.Option(help="What was raised after the cursor of an earlier reply.")] = None,
    seen: Annotated[str | None, typer.Option(help="Note that the alert of this id was seen.")] = None,
    as_json: Json = False,
) -> None:
    """List what early warning has raised, for a supervisor or a provider; or note that one was seen."""
    with reporting(as_json=as_json):
        caller = client(url, token)
        if seen is not None:
            reply = caller.post(f"/v1/alerts/{escaped(seen, safe='')}/seen", {})
            if not printed(reply, as_json=as_json):
                console().print(Text(f"seen by {reply.json()['seen_by']}"))
            return
        asked = {name: value for name, value in (("dataset", dataset), ("after", after)) if value is not None}
        reply = caller.get("/v1/alerts" + (f"?{urlencode(asked)}" if asked else ""))
        if not printed(reply, as_json=as_json):
            rows = [
                (one["at"][:19], one["kind"], one["dataset"] or "-", ", ".join(one["subjects"]) or "-",
                 one["seen_by"] or "-", one["alert_id"], one["words"])
                for one in reply.json()["alerts"]
            ]  # fmt: skip
            console().print(table_of(("at", "kind", "dataset", "about", "seen by", "id", "words"), rows))


def _told(reply: Reply, *, as_json: bool) -> None:
    """Print what is frozen or lifted by now."""
    if not printed(reply, as_json=as_json):
        done = reply.json()
        shown = f"{'frozen' if done['frozen'] else 'lifted'}: {done['scope']} {done['name']}".strip()
        ended = f"; running queries ended: {done['ended']}" if "ended" in done else ""
        console().print(Text(shown + ended))


def target_of(
    buyer: str | None, organisation: str | None, dataset: str | None, query: str | None, *, everything: bool
) -> dict[str, object]:
    """Return what names the one target that is given, for POST /v1/freeze. Raises GatewayError `bad_request`."""
    given: dict[str, str] = {
        scope: name
        for scope, name in (("buyer", buyer), ("organisation", organisation), ("dataset", dataset), ("query", query))
        if name is not None
    }
    if len(given) + everything != 1:
        hint = "Give one of --buyer, --organisation, --dataset, --query and --all."
        raise GatewayError("bad_request", "It is not said what is meant.", hint)
    if everything:
        return {"scope": "all"}
    ((scope, name),) = given.items()
    if scope != "buyer":
        return {"scope": scope, {"query": "query_id"}.get(scope, scope): name}
    of, slash, subject = name.partition("/")
    if not slash:
        raise GatewayError("bad_request", f"'{name}' names no buyer.", "Write --buyer ORGANISATION/SUBJECT.")
    return {"scope": scope, "organisation": of, "subject": subject}
