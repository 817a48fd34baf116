"""How a command ends when it cannot do what was asked: one message on standard error, one exit code by kind."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.text import Text

from gateway.cli.http import Unreachable
from gateway.cli.show import console, error_text
from gateway.errors import GatewayError, Kind

EXIT_CODES: dict[Kind, int] = {
    Kind.USER: 2,
    Kind.DENIED: 3,
    Kind.EXHAUSTED: 4,
    Kind.UNAVAILABLE: 5,
    Kind.INTERNAL: 1,
}
"""Who has to act, as a shell script sees it."""


def report(failure: GatewayError | Unreachable, sql: str | None = None, *, as_json: bool = False) -> int:
    """Print a failure to standard error and return its exit code."""
    screen = console(error=True)
    if isinstance(failure, Unreachable):
        screen.print(Text(str(failure), style="bold red"))
        return EXIT_CODES[Kind.UNAVAILABLE]
    screen.print(_as_json(failure) if as_json else error_text(failure, sql), end="", soft_wrap=True)
    return EXIT_CODES[failure.kind]


@contextmanager
def reporting(sql: str | None = None, *, as_json: bool = False) -> Iterator[None]:
    """Turn a GatewayError or an unreachable gateway into a message and an exit code.

    With `as_json` the error goes to standard error as one JSON object. Raises typer.Exit.
    """
    try:
        yield
    except (GatewayError, Unreachable) as failure:
        raise typer.Exit(report(failure, sql, as_json=as_json)) from None


def _as_json(failure: GatewayError) -> Text:
    problem: dict[str, object] = {
        "code": failure.code,
        "kind": failure.kind.value,
        "title": failure.title,
        "status": failure.status,
        "detail": failure.detail,
        "hint": failure.hint,
    }
    if failure.position is not None:
        problem["position"] = {"line": failure.position.line, "column": failure.position.column}
    return Text(json.dumps(problem) + "\n")
