"""What goes over the wire: a call, its reply, and how a reply that is an error is read. No I/O."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from gateway.client.errors import BadReply, GatewayError, Position, RateLimited, Refused, class_of

TIMEOUT_S = 120.0
MAX_REPLY_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request below the gateway's address; the transport adds the token. It may be sent again."""

    method: str
    path: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = TIMEOUT_S


def json_call(
    method: str,
    path: str,
    body: Mapping[str, object],
    headers: Mapping[str, str] | None = None,
    timeout_s: float = TIMEOUT_S,
) -> Call:
    """Return a call with a JSON body."""
    content = json.dumps(body, allow_nan=False).encode()
    return Call(method, path, content, {"Content-Type": "application/json", **(headers or {})}, timeout_s)


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply of any status, its body exactly as it came; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def lines(self) -> list[Any]:
        """Return the values of a body of JSON lines."""
        return [json.loads(line) for line in self.body.splitlines() if line.strip()]

    def document(self) -> dict[str, Any]:
        """Return the body as one JSON object. Raises BadReply."""
        try:
            found = self.json()
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise BadReply("bad_reply", f"HTTP status {self.status} without a readable answer", _ADDRESS)
        return found


class Lost(Exception):
    """A call got no whole reply: whether the gateway has seen it is not known."""


_ADDRESS = "Check that the address is a gateway's, and no other server's."


def is_address(url: str) -> bool:
    """Tell whether a text is a gateway's address: http or https, a host, no password, nothing after the path."""
    try:
        parts = urlsplit(url)
        plain = all("!" <= letter <= "~" for letter in url) and "@" not in parts.netloc and parts.port != 0
        whole = parts.scheme in {"http", "https"} and bool(parts.hostname) and not (parts.query or parts.fragment)
    except ValueError:  # brackets that do not close, a port that is none
        return False
    return plain and whole


def check_address(url: str) -> str:
    """Return an address without a slash at its end. Raises GatewayError, never showing a password."""
    if not is_address(url):
        shown = "What is given" if "@" in url else f"'{url}'"
        hint = "Write it as https://HOST:PORT, for instance http://127.0.0.1:8080."
        raise GatewayError("settings_invalid", f"{shown} is no address of a gateway.", hint)
    return url.rstrip("/")


def check_word(name: str, value: str) -> str:
    """Return a token or key of visible ASCII. Raises GatewayError, which never shows it: it may be a secret."""
    if not value or not all("!" <= letter <= "~" for letter in value):
        detail = f"the {name} is empty or holds a space, a line break or another character that none may hold"
        raise GatewayError("bad_request", detail, f"give the {name} as one word of visible ASCII characters")
    return value


@dataclass(frozen=True, slots=True)
class Problem:
    """The members of a problem document."""

    code: str
    detail: str
    hint: str
    position: Position | None


def problem_of(reply: Reply) -> Problem | None:
    """Return the problem that a reply holds; None where it holds none that can be read."""
    try:
        found = json.loads(reply.body)
        code, place = str(found["code"]), found.get("position")
        position = Position(place["line"], place["column"]) if place else None
        return Problem(code, str(found.get("detail") or found["title"]), str(found.get("hint") or ""), position)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def error_of(reply: Reply) -> GatewayError:
    """Return the error that a reply is, as the class that programs handle."""
    problem = problem_of(reply)
    if problem is None or reply.status < 400:
        kind = class_of("", reply.status)
        kind = BadReply if kind is Refused or reply.status < 400 else kind
        error = kind("bad_reply", f"HTTP status {reply.status} without a readable problem", _ADDRESS)
    else:
        kind = class_of(problem.code, reply.status)
        error = kind(problem.code, problem.detail, problem.hint, problem.position)
    if isinstance(error, RateLimited):
        error.retry_after_s = retry_after_s(reply)
    return error


def retry_after_s(reply: Reply) -> float | None:
    """Return the seconds of a Retry-After header; None without one, or where it is a date."""
    text = reply.headers.get("retry-after", "").strip()
    return float(text) if text.isascii() and text.isdigit() and len(text) < 7 else None


def compressed() -> BadReply:
    """Return the error of a reply that would have to be inflated first, to a size that nobody knows."""
    return BadReply("bad_reply", "The reply is compressed, which was not asked for.", _ADDRESS)


def too_large(most_bytes: int) -> BadReply:
    """Return the error of a reply that is larger than is read."""
    detail = f"The reply has more than {most_bytes:,} bytes."
    return BadReply("bad_reply", detail, "Ask for fewer rows, or raise max_reply_bytes.")
