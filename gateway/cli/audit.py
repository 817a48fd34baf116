"""`gateway audit`: whether log, ledger, meter and invoices agree."""

import json
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.failures import reporting
from gateway.cli.show import console, table_of
from gateway.settings import from_environment

app = typer.Typer(no_args_is_help=True, help="Compare what the gateway keeps with its log.")

DIFFERENT = 1


@app.callback()
def root() -> None:
    """Hold the sub-commands together, of which there may be one."""


@app.command()
def reconcile(
    state: Annotated[Path, typer.Option(help="Folder of the gateway's store.")] = Path("state"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare the whole history; name every difference and exit with 1 where there is one. Changes nothing."""
    from gateway.app import billing  # noqa: PLC0415 - loads the whole server

    with reporting():
        found = billing.reconcile(from_environment({"state": state}))
        counts = {
            "leaves": found.leaves,
            "charges": found.charges,
            "events": found.events,
            "invoices": found.invoices,
        }
        if as_json:
            named = [{"kind": d.kind, "subject": d.subject, "detail": d.detail} for d in found.differences]
            print(json.dumps({**counts, "differences": named}, ensure_ascii=False))
        elif found.differences:
            rows = [(d.kind, d.subject, d.detail) for d in found.differences]
            console().print(table_of(("difference", "of", "what is and what should be"), rows))
        else:
            compared = ", ".join(f"{count:,} {name}" for name, count in counts.items())
            console().print(f"all agree: {compared}", markup=False)
        if found.differences:
            raise typer.Exit(DIFFERENT)
