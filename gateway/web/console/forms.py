"""What a form sent: bounded, strict, each member once; and at which of its fields a refusal stands."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from gateway.errors import GatewayError
from gateway.settings import Settings
from gateway.web.exchange import FORM, read_body

MAX_MEMBERS = 256
"""A table's columns are a member each."""

_NONCE = re.compile(r"[0-9a-f]{32}")


async def read_form(request: web.Request, settings: Settings) -> Mapping[str, str]:
    """Return the members of a form. Raises GatewayError `bad_request`, and as a body is read."""
    body = await read_body(request, settings, FORM)
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, strict_parsing=bool(body), errors="strict",
            max_num_fields=MAX_MEMBERS,
        )  # fmt: skip
    except ValueError:  # UnicodeDecodeError is one
        raise GatewayError("bad_request", "The form cannot be read.", "Load the page again.") from None
    found = dict(pairs)
    if len(found) != len(pairs):
        raise GatewayError("bad_request", "A member of the form stands twice.", "Load the page again.")
    if any("\0" in part for pair in pairs for part in pair):  # a store may fail on it
        raise GatewayError("bad_request", "A member of the form holds a NUL.", "Leave it out.")
    return found


def text_of(form: Mapping[str, str], name: str) -> str:
    """Return a member, with the line breaks that a browser makes of ours turned back; empty where it is not there."""
    return form.get(name, "").replace("\r\n", "\n")


def number_of(text: str) -> Decimal:
    """Return a number as somebody wrote it. Raises GatewayError `bad_request`."""
    try:
        return Decimal(text.strip())
    except InvalidOperation:
        raise GatewayError("bad_request", "This is no number.", "Write for example 0.1.") from None


def line_of(form: Mapping[str, str], name: str) -> str:
    """Return a member as one line: what is written into the log has no line breaks."""
    return " ".join(form.get(name, "").split())


def key_of(nonce: str, body: Mapping[str, Any]) -> str | None:
    """Return the idempotency key of a form's nonce and what it asks; None for what is no nonce.

    A form that is sent twice is asked once; something else in the same form is another question.
    """
    if not _NONCE.fullmatch(nonce):
        return None
    digest = sha256(json.dumps(body, sort_keys=True, default=str).encode()).hexdigest()[:32]
    return f"console-{nonce}-{digest}"


@dataclass(frozen=True, slots=True)
class Fault:
    """A refusal of a form, and the field that it stands at; None: at the top."""

    error: GatewayError
    field: str | None


def stay(error: GatewayError, *beyond: str) -> None:
    """Raise a refusal that does not stand at its form: of a session that is over, or of a code `beyond` it."""
    if error.code in ("unauthenticated", *beyond):
        raise error


def fault_of(error: GatewayError, fields: Sequence[str], otherwise: str | None = None) -> Fault:
    """Return a refusal at the first of a form's fields that its words name, else at another."""
    named = (name for name in re.findall(r"`(\w+)", error.detail) if name in fields)
    return Fault(error, next(named, otherwise))
