"""How an answer is to be handed over: its format, and how long its asker waits. No part of the question."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from gateway.errors import GatewayError

MEMBERS = ("format", "intervals", "wait_timeout", "on_wait_timeout")
"""The members of a body that say this."""

WAITING = ("wait_timeout", "on_wait_timeout")
"""Those of them that say how long to wait."""

MAX_WAIT_S = 60
ON_TIMEOUT = ("continue", "cancel")


class Format(StrEnum):
    """What an answer is written as."""

    JSON = "json"
    NDJSON = "ndjson"
    CSV = "csv"
    ARROW = "arrow"


MEDIA = {
    Format.JSON: "application/json",
    Format.NDJSON: "application/x-ndjson",
    Format.CSV: "text/csv",
    Format.ARROW: "application/vnd.apache.arrow.stream",
}
_BY_MEDIA = {media: format_ for format_, media in MEDIA.items()} | {
    "application/jsonl": Format.NDJSON,
    "application/problem+json": Format.JSON,
}


@dataclass(frozen=True, slots=True)
class Delivery:
    """`wait_s` is how long the asker waits, None as long as it takes; `cancel`: what is not ready then is ended.

    `intervals`: formats of rows alone have two more columns after each noisy one.
    """

    format: Format = Format.JSON
    intervals: bool = False
    wait_s: float | None = None
    cancel: bool = False


def read_delivery(members: Mapping[str, Any], accept: str | None) -> Delivery:
    """Return how a body (or an address's parameters) wants its answer; `format` overrules the header Accept.

    Raises GatewayError `bad_request`.
    """
    intervals, then = members.get("intervals"), members.get("on_wait_timeout")
    if intervals is not None and not isinstance(intervals, bool):
        raise _bad("`intervals` is not true or false.", "Send true for columns `n_low` and `n_high`.")
    if then is not None and then not in ON_TIMEOUT:
        raise _bad("`on_wait_timeout` is not known.", f"Send one of: {', '.join(ON_TIMEOUT)}.")
    wait_s = _seconds(members.get("wait_timeout"))
    if then is not None and wait_s is None:
        raise _bad("`on_wait_timeout` needs `wait_timeout`.", "Send `wait_timeout` in seconds as well.")
    return Delivery(_format(members.get("format"), accept), bool(intervals), wait_s, then == "cancel")


def _format(named: Any, accept: str | None) -> Format:
    if named is None:
        return _accepted(accept)
    if named not in list(Format):
        raise _bad("`format` is not known.", f"Send one of: {', '.join(Format)}.")
    return Format(named)


def _accepted(accept: str | None) -> Format:
    """Return the format that a header Accept prefers; JSON where it names none of them."""
    best, liked = Format.JSON, 0.0
    if accept is None:
        return best
    for part in accept.split(","):
        media, *parameters = (piece.strip().casefold() for piece in part.split(";"))
        weight = _weight(parameters)
        if media in _BY_MEDIA and weight > liked:
            best, liked = _BY_MEDIA[media], weight
    return best


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0


def _seconds(value: Any) -> float | None:
    if value is None:
        return None
    number = isinstance(value, int | Decimal) and not isinstance(value, bool) and Decimal(value).is_finite()
    if not number or not 0 <= value <= MAX_WAIT_S:
        raise _bad("`wait_timeout` is out of range.", f"Send seconds, from 0 to {MAX_WAIT_S}.")
    return float(value)


def _bad(detail: str, hint: str) -> GatewayError:
    return GatewayError("bad_request", detail, hint)
