"""Strict JSON: no duplicate members, no NaN, no lone surrogates, bounded depth and numbers. Raises `bad_json`."""

import json
import re
from decimal import Decimal
from typing import Any, NoReturn

from gateway.errors import GatewayError

MAX_DEPTH = 32
MAX_DIGITS = 40

_NUMBER = re.compile(r"\A-?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?\Z")


def _bad(detail: str) -> GatewayError:
    return GatewayError("bad_json", detail, "Send one JSON object, as RFC 8259 has it, in UTF-8.")


def _constant(name: str) -> NoReturn:
    raise _bad(f"{name} is not JSON.")


def _number(text: str) -> Decimal:
    parts = _NUMBER.match(text)
    exponent = parts[3] if parts else None
    if len(text) > MAX_DIGITS or (exponent and len(exponent) > 3):
        raise _bad("A number is longer than the gateway reads.")
    return Decimal(text)


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise _bad("A number is longer than the gateway reads.")
    return int(text)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _bad("A member stands twice in one object.")
    return found


# built once: to build it takes longer than to read a question
_DECODER = json.JSONDecoder(
    parse_float=_number, parse_int=_integer, parse_constant=_constant, object_pairs_hook=_members
)


def parse(body: bytes) -> dict[str, Any]:
    """Return the object of a request body. Raises GatewayError `bad_json` or `bad_encoding`."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise GatewayError("bad_encoding", "The body is not UTF-8.", "Send JSON in UTF-8.") from None
    _check_depth(text)
    try:
        content = _DECODER.decode(text)
        if "\\u" in text:  # the only way to write half of a pair
            json.dumps(content, ensure_ascii=False, default=str).encode("utf-8")
    except UnicodeEncodeError:
        raise _bad("The text holds half of a surrogate pair.") from None
    except (json.JSONDecodeError, RecursionError):
        raise _bad("The body is not JSON.") from None
    if not isinstance(content, dict):
        raise _bad("The body is not an object.")
    return content


def _check_depth(text: str) -> None:
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    depth, inside, escaped = 0, False, False
    for letter in text:
        if inside:
            inside = escaped or letter != '"'
            escaped = letter == "\\" and not escaped
        elif letter == '"':
            inside = True
        elif letter in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise _bad(f"The body is nested more than {MAX_DEPTH} deep.")
        elif letter in "]}":
            depth -= 1
