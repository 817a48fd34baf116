"""What a form sent: bounded, strict, each member once."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from urllib.parse import parse_qsl

from aiohttp import web

from gateway.errors import GatewayError
from gateway.settings import Settings
from gateway.web.exchange import FORM, read_body

MAX_MEMBERS = 32


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
