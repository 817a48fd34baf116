"""What a rule sees and what it says: plain values, so that a decision can be logged and tested."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Protocol

from gateway.catalog.model import Dataset, Grant, Use
from gateway.errors import Position
from gateway.request import Caller


@dataclass(frozen=True, slots=True)
class Access:
    """One use of one private column at one place of the SQL."""

    table: str
    column: str
    use: Use
    position: Position | None


@dataclass(frozen=True, slots=True)
class Ask:
    """All that a decision may depend on. `accesses` and `private` are empty before the SQL is understood.

    `mode` is what the request uses the data as, `private` the private tables that it reads.
    """

    dataset: Dataset
    caller: Caller
    purpose: str | None
    epsilon: Decimal
    today: date
    accesses: tuple[Access, ...]
    grant: Grant | None
    mode: str = "authorised"
    private: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Permit:
    grant: Grant
    purpose: str | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A denial as a value: the error's code and words, and the rule that spoke."""

    code: str
    detail: str
    hint: str
    position: Position | None
    rule: str


class Rule(Protocol):
    """One rule. It knows nothing of the others, of the clock or of the data."""

    def check(self, ask: Ask) -> Refusal | None:
        """Return why not, or None."""
        ...


def stated_purpose(ask: Ask) -> str | None:
    """Return the purpose of a request: the one it names, else the token's."""
    return ask.purpose if ask.purpose is not None else ask.caller.purpose
