"""What a program that asks a gateway may have to handle: one class for each kind of trouble, all of them GatewayError.

Codes, details and hints are the gateway's own words (docs/errors.md); nothing here is made of data.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the SQL that was asked: line and column, both from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Charged:
    """What a query was charged, by the leaf of the log that says so. It stays charged when it is cancelled."""

    rho: Decimal
    delta: Decimal
    amount: Decimal
    currency: str

    def __str__(self) -> str:
        return f"rho {self.rho}, delta {self.delta}, {money(self.amount, self.currency)}"


FREE_CURRENCY = "XXX"
"""ISO 4217's code for no currency: a query without a price plan."""


def money(amount: Decimal, currency: str) -> str:
    """Return an amount with its currency, or `free` where no price plan holds."""
    return "free" if currency == FREE_CURRENCY else f"{amount} {currency}"


class GatewayError(Exception):
    """An answer other than the one asked for.

    `detail` says what is wrong, `hint` what to do instead. `sql` is what was asked, `position` the place in it.
    `idempotency_key` is that of the question: asked again with it, the question is never charged twice.
    """

    sql: str | None = None
    idempotency_key: str | None = None

    def __init__(self, code: str, detail: str, hint: str = "", position: Position | None = None) -> None:
        super().__init__(code, detail, hint, position)
        self.code = code
        self.detail = detail
        self.hint = hint
        self.position = position

    def __str__(self) -> str:
        place = self.position
        shown = None if self.sql is None or place is None else excerpt(self.sql, place.line, place.column)
        lines = [f"{self.code}: {self.detail}", *(f"  {line}" for line in shown or ())]
        return "\n".join([*lines, f"hint: {self.hint}"] if self.hint else lines)


class Refused(GatewayError):
    """The question cannot be answered as it stands, or this caller may not ask it. Nothing was charged."""


class BudgetExhausted(GatewayError):
    """A privacy budget, a number of uses or a spending cap does not cover the question. Nothing was charged."""


class RateLimited(GatewayError):
    """More was asked than is taken at once. `retry_after_s`: when to ask again, where the gateway says so."""

    retry_after_s: float | None = None


class Unauthenticated(GatewayError):
    """The token is missing, out of date, taken back or not one of this gateway's."""


class QueryFailed(GatewayError):
    """The question was charged and could not be finished; another idempotency key is another charge."""


class QueryCancelled(GatewayError):
    """The question was cancelled while it ran. `charged` stays charged; None where it is not known."""

    charged: Charged | None = None


class Unavailable(GatewayError):
    """The gateway, its store or the provider's engine cannot answer now."""


class Unreachable(GatewayError):
    """No gateway answers at the address."""


class BadReply(GatewayError):
    """What came back is no reply of a gateway: a redirect, an unreadable body, more bytes than are read."""


class ReceiptError(GatewayError):
    """An answer came whose receipt does not hold. `answer` and `receipt` are what came, to be kept and shown."""

    answer: bytes = b""
    receipt: Mapping[str, Any] | None = None


EXHAUSTED = frozenset({"budget_exhausted", "uses_exhausted", "spending_capped"})
_BY_CODE: dict[str, type[GatewayError]] = {
    **dict.fromkeys(EXHAUSTED, BudgetExhausted),
    "query_failed": QueryFailed,
    "query_cancelled": QueryCancelled,
}
_BY_STATUS: dict[int, type[GatewayError]] = {
    401: Unauthenticated,
    429: RateLimited,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}


def class_of(code: str, status: int) -> type[GatewayError]:
    """Return the class of an error by its code; one that is not known here goes by its HTTP status."""
    by_status = _BY_STATUS.get(status, Refused if status < 500 else GatewayError)
    return _BY_CODE.get(code, by_status)


LONGEST_EXCERPT = 110
BEFORE = 70
"""Letters of a long line that are shown, and how many of them before the place at most."""


def excerpt(sql: str, line: int, column: int) -> tuple[str, str] | None:
    """Return the line of a place and a line with a caret under it; None where the SQL has no such line."""
    lines = sql.splitlines()
    if not 1 <= line <= len(lines):
        return None
    # A tab is one column to the parser, so it must be one on the screen.
    text = lines[line - 1].replace("\t", " ")
    start = max(0, column - BEFORE)
    return text[start : start + LONGEST_EXCERPT], " " * (column - 1 - start) + "^"
