"""`gateway demo`: the whole story on real purchases, or a demo gateway left running."""

import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from gateway.cli.demo.cast import assemble, issue
from gateway.cli.demo.checks import Checks
from gateway.cli.demo.child import running
from gateway.cli.demo.database import COMPACT_NAME, build
from gateway.cli.demo.stage import Stage, held, prepare, source_policies
from gateway.cli.demo.story import STEPS, Story
from gateway.cli.failures import reporting
from gateway.cli.operate import served
from gateway.cli.show import console
from gateway.settings import from_environment

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
            stage = Stage(state.resolve())
            with held(stage):
                raise typer.Exit(_serve(stage, port))
        else:
            stage = Stage(state.resolve())
            with held(stage):
                raise typer.Exit(_tell(out, stage))


def _tell(out: Console, stage: Stage) -> int:
    """Tell the story on a stage made anew; return 0 only where every expectation was met."""
    signal.signal(signal.SIGTERM, _leave)
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


def _serve(stage: Stage, port: int) -> int:
    """Serve an existing stage, or a new one, in this very process until SIGTERM; return its exit code."""
    if not stage.ready:
        prepare(stage)
    path = stage.root / "buyer.token"
    path.touch(mode=0o600)
    path.write_text(issue(stage.state, "guest", "widget-analytics", "buyer", SERVE_TTL_S) + "\n", encoding="ascii")
    typer.echo(f"a buyer's token, good for a day: {path}")
    typer.echo(f"ask: .venv/bin/gateway query --token @{path} --sql 'SELECT COUNT(*) AS n FROM purchases'")
    return served(from_environment({"policies": stage.policies, "state": stage.state, "port": port}))


def _leave(signum: int, _frame: FrameType | None) -> None:
    """Leave through every `finally`, so that the child is not left behind."""
    sys.exit(128 + signum)
