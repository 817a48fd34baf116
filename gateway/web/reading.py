"""Step 1, receive: a parsed body to a Request. Unknown members are refused, reserved ones are named."""

import json
import re
import unicodedata
from decimal import Decimal
from hashlib import sha256
from typing import Any

from gateway.errors import GatewayError, Position
from gateway.models.asked import Model
from gateway.request import Accuracy, Request
from gateway.sql.limits import DIALECTS
from gateway.web import delivery
from gateway.web.bodies import ModelBody, read_as

MEMBERS = ("sql", "dataset", "purpose", "epsilon", "dialect", "row_limit", "accuracy", "sandbox", *delivery.MEMBERS)
_KNOWN = frozenset(MEMBERS)
MAX_EPSILON = Decimal(10**9)
MAX_HALF_WIDTH = Decimal(10**15)
CONFIDENCES = (Decimal("0.5"), Decimal("0.9999"))


_CANONICAL = json.JSONEncoder(sort_keys=True, default=str)
_PLAIN = re.compile(r"[\t\n\r -~]*")


def _bad(detail: str, hint: str, position: Position | None = None) -> GatewayError:
    return GatewayError("bad_request", detail, hint, position)


def read_request(body: dict[str, Any], idempotency_key: str | None) -> Request:
    """Return the request of a strict JSON object.

    Raises GatewayError `bad_request` or `unsupported_option`, naming the member.
    """
    for name in body:
        if name not in _KNOWN:
            raise _bad(f"The member '{name[:60]}' is not known.", f"Known are: {', '.join(MEMBERS)}.")
    if body.get("sandbox") not in (None, True, False):
        raise _bad("`sandbox` is not true or false.", "Send true to ask synthetic rows, for nothing.")
    dialect = body.get("dialect", "duckdb")
    if dialect not in DIALECTS:
        raise _bad("The dialect is not known.", f"Use one of: {', '.join(DIALECTS)}.")
    epsilon, accuracy = _epsilon(body.get("epsilon")), _accuracy(body.get("accuracy"))
    if epsilon is not None and accuracy is not None:
        raise _bad("Both `epsilon` and `accuracy` are given.", "Say what to spend, or what error to reach; not both.")
    return Request(
        sql=_sql(body.get("sql")),
        dataset=_name(body, "dataset"),
        purpose=_name(body, "purpose"),
        epsilon=epsilon,
        accuracy=accuracy,
        dialect=dialect,
        row_limit=_row_limit(body.get("row_limit")),
        idempotency_key=_key(idempotency_key),
        body_digest=_digest(body),
        mode="sandbox" if body.get("sandbox") else "authorised",
    )


def read_model(body: dict[str, Any], idempotency_key: str | None) -> tuple[Model, Request]:
    """Return the model that a body asks for, and its request without SQL. Raises GatewayError `bad_request`."""
    asked = read_as(ModelBody, body)
    model = asked.model
    request = Request(
        sql=_sql(asked.source),
        dataset=asked.dataset,
        purpose=asked.purpose,
        epsilon=asked.epsilon,
        idempotency_key=_key(idempotency_key),
        body_digest=_digest({"model": body}),
        mode="modelling",
    )
    return model, request


def _digest(body: dict[str, Any]) -> str:
    """Return the SHA-256 (hex) of what is asked, not of how its answer is to be handed over."""
    asked = {name: value for name, value in body.items() if name not in delivery.MEMBERS}
    return sha256(_CANONICAL.encode(asked).encode()).hexdigest()


def read_cosignature(body: dict[str, Any]) -> tuple[int, str]:
    """Return the size and the signature line of a witness's body. Raises GatewayError `bad_request`."""
    size, line = body.get("tree_size"), body.get("line")
    if set(body) != {"tree_size", "line"} or type(size) is not int or not 0 < size < 2**62:
        raise _bad("The body is no cosignature.", 'Send {"tree_size": 118, "line": "..."}.')
    if not isinstance(line, str) or len(line) > 1024:
        raise _bad("`line` is no signature line.", "Send the line as it stands under the checkpoint.")
    return size, line


def _sql(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _bad("`sql` is missing.", 'Send {"sql": "SELECT ..."}.')
    if _PLAIN.fullmatch(value):
        return value
    for index, letter in enumerate(value):
        if letter in "\t\n\r " or (letter.isascii() and letter.isprintable()):
            continue
        if unicodedata.category(letter)[0] in "CZ":
            line = value.count("\n", 0, index) + 1
            column = index - value.rfind("\n", 0, index)
            detail = f"The SQL holds the character U+{ord(letter):04X}."
            raise _bad(detail, "Write plain spaces and no control characters.", Position(line, column))
    return value


def _name(body: dict[str, Any], member: str) -> str | None:
    value = body.get(member)
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= 128 or not value.isprintable():
        raise _bad(f"`{member}` is no name.", "Send a text of 1 to 128 printable characters.")
    return value


def _epsilon(value: Any) -> Decimal | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise _bad("`epsilon` is no number.", "Send for example 0.1.")
    exact = Decimal(value)
    if not exact.is_finite() or not 0 < exact <= MAX_EPSILON or exact != round(exact, 12):
        raise _bad("`epsilon` is out of range.", "Send a number above 0 with at most 12 decimals.")
    return exact


def _accuracy(value: Any) -> Accuracy | None:
    if value is None:
        return None
    hint = 'Send {"half_width": 100} or {"relative": 0.05}, and if you wish "confidence": 0.95.'
    if not isinstance(value, dict):
        raise _bad("`accuracy` is no object.", hint)
    for name in value:
        if name not in ("half_width", "relative", "confidence"):
            raise _bad(f"The member 'accuracy.{name[:60]}' is not known.", hint)
    half_width, relative = value.get("half_width"), value.get("relative")
    if (half_width is None) == (relative is None):
        raise _bad("`accuracy` needs one of `half_width` and `relative`.", hint)
    lowest, highest = CONFIDENCES
    confidence = value.get("confidence")
    return Accuracy(
        half_width=_within("half_width", half_width, Decimal(0), MAX_HALF_WIDTH),
        relative=_within("relative", relative, Decimal(0), Decimal(10)),
        confidence=_within("confidence", confidence, lowest - Decimal("1e-12"), highest) or Decimal("0.95"),
    )


def _within(name: str, value: Any, above: Decimal, most: Decimal) -> Decimal | None:
    """Return a number of an accuracy, above `above` and at most `most`. Raises `bad_request`."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise _bad(f"`accuracy.{name}` is no number.", "Send a plain number.")
    exact = Decimal(value)
    if not exact.is_finite() or not above < exact <= most or exact != round(exact, 12):
        detail = f"`accuracy.{name}` is out of range."
        raise _bad(detail, f"Send a number of at most {most:f}, with at most 12 decimals; confidence is 0.5 or more.")
    return exact.normalize()


def _row_limit(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 1_000_000:
        raise _bad("`row_limit` is out of range.", "Send a whole number from 1 to 1,000,000.")
    return value


def _key(value: str | None) -> str | None:
    if value is None:
        return None
    if not 0 < len(value) <= 128 or not all("!" <= letter <= "~" for letter in value):
        raise _bad("The Idempotency-Key is not usable.", "Send 1 to 128 visible ASCII characters.")
    return value
