"""A blocking HTTP client for the command line: one call, one reply, over the client's transport.

Holds no state but the address and the token; knows the API's errors, not its answers.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.client.blocking import Blocking
from gateway.client.errors import GatewayError as ClientError
from gateway.client.wire import Call, Lost, Reply, check_word, is_address, json_call, problem_of
from gateway.errors import CODES, GatewayError, Position


class Unreachable(Exception):
    """No gateway answered at the address."""


@dataclass(frozen=True, slots=True)
class Client:
    """One caller at one gateway."""

    url: str
    token: str

    def get(self, path: str) -> Reply:
        return self._call(Call("GET", path))

    def post(self, path: str, body: Mapping[str, object], idempotency_key: str | None = None) -> Reply:
        """Send one JSON body. Raises as `get` does."""
        headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        return self._call(json_call("POST", path, body, headers))

    def put(self, path: str, body: Mapping[str, object]) -> Reply:
        """Send one JSON body in place of what is there. Raises as `get` does."""
        return self._call(json_call("PUT", path, body))

    def delete(self, path: str) -> Reply:
        """Send one DELETE. Raises as `get` does."""
        return self._call(Call("DELETE", path))

    def _call(self, call: Call) -> Reply:
        """Return the reply.

        Raises GatewayError with the server's own code, detail, hint and position, `settings_invalid` for an address
        that is none; Unreachable otherwise.
        """
        check_address(self.url)
        try:
            token = check_word("token", self.token)
            check_word("idempotency key", call.headers.get("Idempotency-Key", "-"))
            reply = Blocking(self.url.rstrip("/")).send(call, token)
        except Lost as lost:
            raise Unreachable(str(lost)) from None
        except ClientError as error:
            raise ours(error) from None
        if not 200 <= reply.status < 300:
            raise _as_gateway_error(reply)
        return reply


def ours(error: ClientError) -> GatewayError:
    """Return an error of the client as one of the command line's: a newer server may have newer codes."""
    place = error.position
    position = None if place is None else Position(place.line, place.column)
    if error.code in CODES:
        return GatewayError(error.code, error.detail, error.hint, position)
    return GatewayError("internal", f"{error.code}: {error.detail}", error.hint, position)


def check_address(url: str) -> None:
    """Check that a text is a gateway's address. Raises GatewayError `settings_invalid`, never showing a password."""
    if not is_address(url):
        shown = "What is given as --url" if "@" in url else f"'{url}'"
        hint = "Write it as http://HOST:PORT, for instance --url http://127.0.0.1:8080."
        raise GatewayError("settings_invalid", f"{shown} is no address of a gateway.", hint)


def _as_gateway_error(reply: Reply) -> GatewayError:
    """Rebuild the server's error from its problem+json."""
    problem = problem_of(reply)
    if problem is None:
        return GatewayError("internal", f"HTTP status {reply.status} without a readable problem")
    place = problem.position
    position = None if place is None else Position(place.line, place.column)
    if problem.code not in CODES:  # a newer server may have newer codes
        kind = "bad_request" if 400 <= reply.status < 500 else "internal"
        return GatewayError(kind, f"{problem.code}: {problem.detail}", problem.hint, position)
    return GatewayError(problem.code, problem.detail, problem.hint, position)
