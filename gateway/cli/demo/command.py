"""`gateway demo`: the whole story on real purchases, or a demo gateway left running."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from gateway.cli.demo.cast import assemble, issue
from gateway.cli.demo.checks import Checks
from gateway.cli.demo.child import command, running
from gateway.cli.demo.database import COMPACT_NAME, build
from gateway.cli.demo.stage import Stage, prepare, source_policies
from gateway.cli.demo.story import STEPS, Story
from gateway.cli.failures import reporting
from gateway.cli.show import console

SERVE_PORT = 8080
SERVE_TTL_S = 86_400


def demo(
    serve: Annotated[bool, typer.Option("--serve", help="Leave the demo gateway running.")] = False,
    state: Annotated[Path, typer.Option(help="Folder for the demo's own files.")] = Path("demo-state"),
    port: Annotated[int, typer.Option(help="Port for --serve; 0 takes a free one.")] = SERVE_PORT,
    database: Annotated[
        Path | None, typer.Option(help="Only build the example database there, for policies/cdnow.yaml.")
    ] = None,
) -> None:
    """Show everything on 69,659 real purchases: answers, intervals, costs, a refusal, the meter, a receipt."""
    out = console()
    with reporting():
        if database is not None:
            build(source_policies() / "data" / COMPACT_NAME, database)
            out.print(Text(f"built {database}"))
        elif serve:
            raise typer.Exit(_serve(out, Stage(state.resolve()), port))
        else:
            raise typer.Exit(_tell(out, Stage(state.resolve())))


def _tell(out: Console, stage: Stage) -> int:
    """Tell the story on a stage made anew; return 0 only where every expectation was met."""
    prepare(stage)
    out.print(Text(f"built {stage.database} from 69,659 real purchases by 23,570 customers, under a policy"))
    with running(stage) as url:
        out.print(Text(f"the gateway listens on {url}"))
        story = Story(out, assemble(url, stage.state), Checks(out))
        for number, (title, step) in enumerate(STEPS, start=1):
            story.heading(number, title)
            step(story)
    missed = story.checks.missed
    out.print()
    out.rule(style="green" if not missed else "red")
    out.print(Text(f"{story.checks.met} expectations met, {len(missed)} missed"))
    return 1 if missed else 0


def _serve(out: Console, stage: Stage, port: int) -> int:
    """Serve an existing stage, or a new one, in the foreground until interrupted; return the gateway's exit code."""
    if not stage.ready:
        prepare(stage)
    token = issue(stage.state, "ana", "widget-analytics", "buyer", SERVE_TTL_S)
    path = stage.root / "buyer.token"
    path.touch(mode=0o600)
    path.write_text(token + "\n", encoding="ascii")
    out.print(Text(f"a buyer's token, good for a day, is in {path}"))
    out.print(Text(f"ask: gateway query --token @{path} --sql 'SELECT COUNT(*) AS n FROM purchases'"))
    sys.stdout.flush()
    process = subprocess.Popen(command(stage, port))  # noqa: S603 - our own interpreter and arguments
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.terminate()
        return process.wait()
