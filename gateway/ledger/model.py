"""What the ledger is asked and what it answers: accounts, orders, charges. Integers in the units of privacy.units."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from gateway.errors import GatewayError

MAX_FAILURES = 2
"""A buyer's failed queries on one dataset after which the provider has to look."""


def suspended() -> GatewayError:
    """Return the refusal of a buyer with so many failures."""
    return GatewayError("buyer_suspended", "Two of your queries here failed.", "The provider has to look first.")


@dataclass(frozen=True, slots=True)
class Account:
    """One budget: `key` names it for good, the limits are those of today's policy.

    Keys: `data/<account>`, `organisation/<account>/<org>`, `buyer/<account>/<org>/<sub>`, `grant/<account>/<grant>`.
    """

    key: str
    rho_limit: int
    delta_limit: int


@dataclass(frozen=True, slots=True)
class Allowance:
    """How often a grant may be used: in all, and within a sliding window. None: without limit."""

    grant: str
    uses: int | None
    rate_count: int | None
    rate_seconds: int | None


@dataclass(frozen=True, slots=True)
class Order:
    """What one query wants to be charged: all of it or nothing.

    `question` is the digest of what is asked (plan, versions, cost), `draws` those of the primitives that have to be
    drawn for it: another question of the same buyer that needs one of them waits for this one. `body_digest` guards
    the idempotency key. `facts` is what the meter event and the log leaf carry besides (JSON object as text:
    canonical, no literals, no data).
    """

    query_id: str
    buyer: str
    organisation: str
    dataset: str
    idempotency_key: str
    body_digest: str
    question: str
    draws: tuple[str, ...]
    accounts: tuple[Account, ...]
    allowance: Allowance
    rho: int
    delta: int
    amount: Decimal
    currency: str
    facts: str


@dataclass(frozen=True, slots=True)
class Release:
    """A draw to keep: its content, the series that it belongs to (empty: none), what it is worth there in rho units."""

    content: bytes
    series: str = ""
    worth: int = 0


@dataclass(frozen=True, slots=True)
class Held:
    """The most exact release of a series that a buyer has: its name, what it is worth in rho units, and its content."""

    digest: str
    worth: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Charge:
    """A durable charge: the licence to draw once. `fence` grows when another worker takes the query over."""

    query_id: str
    fence: int
    log_index: int
    leaf_hash: str
    charged_at: datetime


@dataclass(frozen=True, slots=True)
class InFlight:
    """Another worker holds the lease of this query: ask again until it is done or the lease ends."""

    query_id: str


@dataclass(frozen=True, slots=True)
class Stored:
    """The exact bytes of an answer that was stored before it left."""

    query_id: str
    answer: bytes


@dataclass(frozen=True, slots=True)
class Failed:
    """A charged query that failed for good; its uniform error is answered again."""

    query_id: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A charged query that failed, for the provider to look at; `note` says why and is never a buyer's to read."""

    query_id: str
    buyer: str
    charged_at: datetime
    note: str


@dataclass(frozen=True, slots=True)
class Balance:
    key: str
    rho_limit: int
    rho_spent: int
    delta_limit: int
    delta_spent: int
