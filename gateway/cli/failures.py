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


@contextmanager
def reporting(sql: str | None = None, *, as_json: bool = False) -> Iterator[None]:
    """Turn a GatewayError or an unreachable gateway into a message and an exit code.

    With `as_json` the error goes to standard error as one JSON object. Raises typer.Exit.
    """
    try:
        yield
    except GatewayError as failure:
        console(error=True).print(_as_json(failure) if as_json else error_text(failure, sql), end="")
        raise typer.Exit(EXIT_CODES[failure.kind]) from None
    except Unreachable as failure:
        console(error=True).print(Text(str(failure), style="bold red"))
        raise typer.Exit(EXIT_CODES[Kind.UNAVAILABLE]) from None


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
    return Text(json.dumps(problem) + "\n", no_wrap=True, overflow="ignore")
