"""What a supervisor types to see how fast a freeze holds: a drill on a target of its own. Everything goes over HTTP."""

import base64
import binascii
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from gateway.app.clock import SystemClock, new_query_id
from gateway.cli.ask import DEFAULT_URL, Json, client
from gateway.cli.drilling import Drill, Report, drilled
from gateway.cli.failures import reporting
from gateway.cli.show import console, table_of
from gateway.cli.supervise import All, Buyer, Dataset, Organisation, Query, target_of
from gateway.errors import GatewayError
from gateway.evidence.files import writing
from gateway.ledger.events import timestamp
from gateway.request import DRILL

Gateways = Annotated[list[str], typer.Option("--gateway", help="Address of a replica; once for each.")]
Token = Annotated[
    str, typer.Option(envvar="QUERY_GATEWAY_TOKEN", help="The supervisor's token; @FILE reads it from a file.")
]
Askers = Annotated[
    list[str], typer.Option("--buyer-token", help="Token of a buyer whom the freeze covers; may be repeated.")
]
Sql = Annotated[str, typer.Option(help="What is asked; {n} in it is a number that differs each time.")]
Running = Annotated[int, typer.Option(min=0, max=1000, help="How many queries run when the freeze is asked for.")]
Settle = Annotated[float, typer.Option(min=0, max=60, help="Seconds that they are given to begin.")]
Really = Annotated[bool, typer.Option("--really", help="Freeze a target that is not the drills' own.")]
Out = Annotated[Path | None, typer.Option(help="The file that the report is written to, as JSON.")]
Limit = Annotated[int, typer.Option(min=1, help="Milliseconds that a freeze may take; above it the command fails.")]


def drill(
    token: Token,
    buyer_token: Askers,
    sql: Sql,
    gateway: Gateways = [DEFAULT_URL],  # noqa: B006 - typer reads it and changes nothing
    running: Running = 0,
    settle: Settle = 2.0,
    within_ms: Limit = 1000,
    really: Really = False,
    buyer: Buyer = None,
    organisation: Organisation = None,
    dataset: Dataset = None,
    query: Query = None,
    everything: All = False,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Freeze, measure until every replica refuses and what ran has ended, lift it again, and report.

    The organisation `drill` is frozen, for which the policies have a grant of their own; another target is named with
    --really. Exit code 1 where it took longer than --within-ms.
    """
    with reporting(as_json=as_json):
        named = (buyer, organisation, dataset, query)
        askers = tuple(client(DEFAULT_URL, one).token for one in buyer_token)
        if really:
            target = target_of(*named, everything=everything)
        elif any(name is not None for name in named) or everything:
            raise GatewayError("bad_request", "A named target is frozen for real.", "Say --really, or name none.")
        else:
            target = {"scope": "organisation", "organisation": DRILL}
            _refuse_others(askers)
        if out is not None:  # before anything is frozen
            with writing(out):
                out.touch()
        supervisor = client(DEFAULT_URL, token).token
        name = new_query_id()  # no key of an earlier drill's
        report = drilled(Drill(name, tuple(gateway), supervisor, askers, target, sql, running, settle))
        document = {"at": timestamp(SystemClock().now()), "within_ms": within_ms, **report.document()}
        text = json.dumps(document, indent=2)
        if out is not None:
            with writing(out):
                out.write_text(text + "\n", encoding="utf-8")
        if as_json:
            typer.echo(text)
        else:
            _print(report, within_ms)
        if not report.holds(within_ms):
            raise typer.Exit(1)


def _refuse_others(askers: tuple[str, ...]) -> None:
    """Refuse a buyer who is not the drills' own. The gateway checks tokens; this only keeps slips from counting."""
    for token in askers:
        try:
            body = token.split(".")[1]
            claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        except (IndexError, ValueError, binascii.Error):
            claims = {}
        if not isinstance(claims, dict) or claims.get("org") != DRILL:
            hint = f"Give buyers of the organisation '{DRILL}' a grant, or name a target with --really."
            raise GatewayError("bad_request", f"The buyer of a drill is not of the organisation '{DRILL}'.", hint)


def _print(report: Report, within_ms: int) -> None:
    screen = console()
    rows = [(url, "never" if ms is None else f"{ms:.0f} ms") for url, ms in report.refused]
    screen.print(table_of(("replica", "refuses after"), rows))
    if report.ended:
        found = f"{len(report.ended)} queries that ran had ended after {report.slowest_end_ms:.0f} ms at most"
        screen.print(Text(f"{found}, 99 of 100 after {report.share_ms(0.99):.0f} ms."))
    if report.others:
        screen.print(Text(f"{report.others} queries were answered or refused before the freeze could end them."))
    holds = report.holds(within_ms)
    words = f"The freeze {'held' if holds else 'did not hold'} everywhere within {within_ms:,} ms. It is lifted again."
    screen.print(Text(words, style="" if holds else "bold red"))
