"""What a request says of its session: where names are looked for, properties of questions, prepared statements.

The server keeps no session: the client sends it with each statement, and is told in headers what to change.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import quote, unquote_plus

from aiohttp import web

from gateway.errors import GatewayError
from gateway.request import Request
from gateway.sql.trino.model import Namespace
from gateway.web.reading import read_request

PREFIX = "X-Trino-"


@dataclass(frozen=True, slots=True)
class Property:
    """A session property: Trino's type of it, what it says, its value where nothing is set."""

    type: str
    says: str
    default: str = ""


PROPERTIES: dict[str, Property] = {
    "epsilon": Property("double", "what a question may spend; the policy's default if neither this nor an accuracy"),
    "half_width": Property("double", "the error to reach in place of epsilon, in each noisy column's own unit"),
    "relative": Property("double", "the error to reach in place of epsilon, as a share of a cell's declared size"),
    "confidence": Property("double", "of half_width or relative, 0.5 to 0.9999", "0.95"),
    "purpose": Property("varchar", "where the grant asks for one that the token does not state"),
    "row_limit": Property("bigint", "how many rows an answer has at most"),
    "intervals": Property("boolean", "with columns n_low and n_high after each noisy column n", "false"),
    "sandbox": Property("boolean", "ask synthetic rows, for nothing", "false"),
}


@dataclass(frozen=True, slots=True)
class Session:
    """`properties` and `prepared` by their names."""

    namespace: Namespace
    properties: Mapping[str, str]
    prepared: Mapping[str, str]

    @property
    def intervals(self) -> bool:
        return self.properties.get("intervals", "false").casefold() == "true"

    def request(self, sql: str, dataset: str | None) -> Request:
        """Return the question that a query is in this session. Raises GatewayError `bad_request`."""
        return read_request({"sql": sql, "dataset": dataset, "dialect": "trino", **_members(self.properties)}, None)


def read_session(request: web.Request) -> Session:
    """Return the session of a request's headers. Raises GatewayError `bad_request` for a property that is not known."""
    namespace = Namespace(_one(request, "Catalog"), _one(request, "Schema"))
    properties = {name.casefold().removeprefix("gateway."): value for name, value in _pairs(request, "Session").items()}
    for name, value in properties.items():
        check_property(name, value)
    return Session(namespace, properties, _pairs(request, "Prepared-Statement"))


def check_property(name: str, value: str | None) -> None:
    """Refuse, by its name, a property that is not known or a value that it cannot have. Raises `bad_request`."""
    if name not in PROPERTIES:
        hint = f"There are: {', '.join(PROPERTIES)}."
        raise GatewayError("bad_request", f"The session property {name[:60]!r} is not known.", hint)
    if value is None:
        return
    if PROPERTIES[name].type == "boolean":
        if value.casefold() not in ("true", "false"):
            raise GatewayError("bad_request", f"`{name}` is not true or false.", f"SET SESSION {name} = true")
        return
    tried = {name: value} if name != "confidence" else {name: value, "half_width": "1"}
    read_request({"sql": "SELECT 1", **_members(tried)}, None)


def _members(properties: Mapping[str, str]) -> dict[str, Any]:
    """Return the members of a REST body that say the same as properties."""
    numbers = {
        n: _number(n, properties[n]) for n in ("epsilon", "half_width", "relative", "confidence") if n in properties
    }
    accuracy = {name: number for name, number in numbers.items() if name != "epsilon"}
    members: dict[str, Any] = {name: number for name, number in numbers.items() if name == "epsilon"}
    if accuracy:
        members["accuracy"] = accuracy
    if "purpose" in properties:
        members["purpose"] = properties["purpose"]
    if properties.get("sandbox", "false").casefold() == "true":
        members["sandbox"] = True
    if "row_limit" in properties:
        number = _number("row_limit", properties["row_limit"])
        members["row_limit"] = int(number) if number == number.to_integral_value() else number
    return members


def _number(name: str, text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite() or len(text) > 40:
        raise GatewayError("bad_request", f"`{name}` is no number.", f"SET SESSION {name} = 0.1") from None
    return number


def _one(request: web.Request, name: str) -> str | None:
    values = request.headers.getall(PREFIX + name, [])
    if len(values) > 1:
        raise GatewayError("bad_request", f"Two headers {PREFIX}{name}.", "Send one.")
    return values[0].strip() or None if values else None


def _pairs(request: web.Request, name: str) -> dict[str, str]:
    """Return the `name=value` parts of a header, which may come several times; values are percent-encoded."""
    found: dict[str, str] = {}
    for header in request.headers.getall(PREFIX + name, []):
        for part in header.split(","):
            key, equals, value = part.strip().partition("=")
            if not part.strip():
                continue
            if not equals or not key:
                raise GatewayError("bad_request", f"{PREFIX}{name} holds no pair.", "Send name=value, encoded.")
            found[unquote_plus(key.strip())] = unquote_plus(value.strip())
    return found


def told(name: str, value: str) -> str:
    """Return a pair as a header tells it."""
    return f"{quote(name, safe='')}={quote(value, safe='')}"
