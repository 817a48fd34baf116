"""A question asked over the client: its stage on the screen, sent again where it may be, its receipt checked."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import typer
from rich.text import Text

from gateway.cli.http import Client, Unreachable, check_address, ours
from gateway.cli.show import console
from gateway.client import connect
from gateway.client.errors import GatewayError as ClientError
from gateway.client.errors import Unreachable as ClientUnreachable
from gateway.client.result import Result
from gateway.errors import GatewayError

INTERRUPTED = 130
"""The exit code of a command that Ctrl-C ended, as shells have it."""


class Format(StrEnum):
    """What an answer is printed as."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    NDJSON = "ndjson"
    ARROW = "arrow"


def asked(caller: Client, sql: str, options: Mapping[str, Any]) -> Result:
    """Return the answer to a question, checked. Ctrl-C cancels it, says what stays charged, and ends the command.

    Raises GatewayError with the server's words, `log_corrupt` for a receipt that does not hold; Unreachable.
    """
    check_address(caller.url)
    try:
        return connect(caller.url, caller.token).query(sql, **options)
    except ClientUnreachable as error:
        raise Unreachable(error.detail) from None
    except ClientError as error:
        raise ours(error) from None
    except KeyboardInterrupt as stopped:
        for note in getattr(stopped, "__notes__", ()):
            console(error=True).print(Text(note))
        raise typer.Exit(INTERRUPTED) from None


def written(body: bytes, form: Format, *, intervals: bool) -> bytes:
    """Return an answer in a format other than a table, made of the bytes that its receipt was checked against."""
    if form is Format.JSON:
        return body.rstrip(b"\n") + b"\n"
    from gateway.web import delivery, formats  # noqa: PLC0415 - loads Arrow, for these alone

    return formats.written(body, delivery.Format(form), intervals=intervals)


def check_place(form: Format, out: Path | None) -> None:
    """Refuse to fill a screen with bytes. Raises GatewayError `bad_request`."""
    if form is Format.ARROW and out is None:
        raise GatewayError("bad_request", "An Arrow stream is no text.", "Name a file with --out answer.arrow.")
