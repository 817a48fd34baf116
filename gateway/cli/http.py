"""A blocking HTTP client for the command line: one call, one reply. Never follows a redirect or uses a proxy.

Holds no state but the address and the token; knows the API's errors, not its answers.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import IO, Any
from urllib import error, request
from urllib.parse import urlsplit

from gateway.errors import CODES, GatewayError, Position

TIMEOUT_S = 120.0
MAX_REPLY_BYTES = 256 * 1024 * 1024


class Unreachable(Exception):
    """No gateway answered at the address."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A successful reply, its body exactly as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def lines(self) -> list[Any]:
        """Return the values of a body of JSON lines."""
        return [json.loads(line) for line in self.body.splitlines() if line.strip()]


class _NoRedirect(request.HTTPRedirectHandler):
    """A redirect would carry the token to an address nobody chose."""

    def redirect_request(
        self,
        req: request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Any,
        newurl: str,
    ) -> None:
        return None


@dataclass(frozen=True, slots=True)
class Client:
    """One caller at one gateway."""

    url: str
    token: str

    def get(self, path: str) -> Reply:
        return self._call("GET", path, None, {})

    def post(self, path: str, body: Mapping[str, object], idempotency_key: str | None = None) -> Reply:
        """Send one JSON body. Raises as `get` does."""
        headers = {"Content-Type": "application/json"}
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        return self._call("POST", path, json.dumps(body, allow_nan=False).encode(), headers)

    def put(self, path: str, body: Mapping[str, object]) -> Reply:
        """Send one JSON body in place of what is there. Raises as `get` does."""
        headers = {"Content-Type": "application/json"}
        return self._call("PUT", path, json.dumps(body, allow_nan=False).encode(), headers)

    def _call(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Reply:
        """Return the reply.

        Raises GatewayError with the server's own code, detail, hint and position, `settings_invalid` for an address
        that is none; Unreachable otherwise.
        """
        check_address(self.url)
        for name, value in (("token", self.token), ("idempotency key", headers.get("Idempotency-Key", "-"))):
            if not value or not all("!" <= letter <= "~" for letter in value):  # never shown: it may be a secret
                detail = f"the {name} is empty or holds a space, a line break or another character that none may hold"
                raise GatewayError("bad_request", detail, f"give the {name} as one word of visible ASCII characters")
        headers = {**headers, "Accept": "application/json", "Authorization": f"Bearer {self.token}"}
        call = request.Request(  # noqa: S310 - the scheme was checked above
            self.url.rstrip("/") + path, data=body, headers=headers, method=method
        )
        opener = request.build_opener(request.ProxyHandler({}), _NoRedirect())
        try:
            with opener.open(call, timeout=TIMEOUT_S) as reply:
                return Reply(reply.status, dict(reply.headers), reply.read(MAX_REPLY_BYTES))
        except error.HTTPError as problem:
            with problem:
                raise _as_gateway_error(problem.code, problem.read(MAX_REPLY_BYTES)) from None
        except (OSError, error.URLError, HTTPException) as failure:
            reason = getattr(failure, "reason", failure)
            raise Unreachable(f"no gateway answers at {self.url}: {reason}") from None


def check_address(url: str) -> None:
    """Check that a text is a gateway's address. Raises GatewayError `settings_invalid`, never showing a password."""
    try:
        parts = urlsplit(url)
        plain = all("!" <= letter <= "~" for letter in url) and "@" not in parts.netloc and parts.port != 0
        whole = parts.scheme in {"http", "https"} and bool(parts.hostname) and not (parts.query or parts.fragment)
    except ValueError:  # brackets that do not close, a port that is none
        plain = whole = False
    if not (plain and whole):
        shown = "What is given as --url" if "@" in url else f"'{url}'"
        hint = "Write it as http://HOST:PORT, for instance --url http://127.0.0.1:8080."
        raise GatewayError("settings_invalid", f"{shown} is no address of a gateway.", hint)


def _as_gateway_error(status: int, body: bytes) -> GatewayError:
    """Rebuild the server's error from its problem+json."""
    try:
        problem = json.loads(body)
        code = str(problem["code"])
        place = problem.get("position")
        position = Position(place["line"], place["column"]) if place else None
        detail, hint = str(problem.get("detail") or problem["title"]), str(problem.get("hint") or "")
    except (ValueError, KeyError, TypeError):
        return GatewayError("internal", f"HTTP status {status} without a readable problem")
    if code not in CODES:  # a newer server may have newer codes
        kind = "bad_request" if 400 <= status < 500 else "internal"
        return GatewayError(kind, f"{code}: {detail}", hint, position)
    return GatewayError(code, detail, hint, position)
