"""`gateway doctor`: what is wrong with a deployment, and how to mend it."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from gateway.cli.failures import reporting
from gateway.cli.operate import Policies, State
from gateway.cli.show import console
from gateway.settings import from_environment

_STYLES = {"good": "green", "warning": "yellow", "bad": "bold red"}


def doctor(
    policies: Policies = Path("policies"),
    state: State = Path("state"),
    json_: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Look at a live deployment: keys, clock, store, data, policies. Exits with 1 where something has to be mended."""
    from gateway.app.doctor.examining import examine  # noqa: PLC0415 - loads the whole server

    with reporting():
        found = examine(from_environment({"policies": policies, "state": state}))
    if json_:
        typer.echo(json.dumps([asdict(finding) for finding in found], indent=1))
    else:
        for one in found:
            line = Text(f"{one.verdict:8}", style=_STYLES[one.verdict])
            line.append(f"{one.check}: {one.told}", style="default")
            console().print(line, soft_wrap=True)
            if one.fix:
                console().print(Text(f"        {one.fix}", style="dim"), soft_wrap=True)
    raise typer.Exit(1 if any(finding.verdict == "bad" for finding in found) else 0)
