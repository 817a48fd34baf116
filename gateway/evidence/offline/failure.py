"""The one failure of the verifier, and the strict readers of text that every part of it shares."""

import base64
import binascii
import json
from typing import Any


class NotVerified(Exception):
    """What was checked does not hold; the text names the part."""


def unhex(text: Any, length: int, what: str) -> bytes:
    """Return the bytes of a hex text in lower case. Raises NotVerified for anything else, or another length."""
    try:
        found = bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError:
        found = b""
    if found.hex() != text or len(found) != length:
        raise NotVerified(f"{what} is not {length} bytes in hex")
    return found


def unbase64(text: str, what: str) -> bytes:
    """Return the bytes of a base64 text in its one canonical form. Raises NotVerified."""
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if not found or base64.b64encode(found).decode() != text:
        raise NotVerified(f"{what} is not base64")
    return found


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def parse_object(content: str | bytes, what: str) -> dict[str, Any]:
    """Return a JSON object in which no name stands twice. Raises NotVerified."""
    try:
        found = json.loads(content, object_pairs_hook=_members)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise NotVerified(f"{what} is not one JSON object")
    return found


def canonical(content: dict[str, Any]) -> bytes:
    """Return the one JSON text of an object: sorted names, no spaces."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
