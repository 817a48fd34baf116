"""What the ledger is asked and what it answers: accounts, orders, charges. Integers in the units of privacy.units."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from urllib.parse import quote as escaped

from gateway.errors import GatewayError

MAX_FAILURES = 2
"""A buyer's failed queries on one dataset after which the provider has to look."""


def suspended() -> GatewayError:
    """Return the refusal of a buyer with so many failures."""
    return GatewayError("buyer_suspended", "Two of your queries here failed.", "The provider has to look first.")


def cancelled(query_id: str) -> GatewayError:
    """Return the answer to whoever asks for a query that its buyer ended."""
    hint = "What was charged stays charged. Ask with a new Idempotency-Key."
    return GatewayError("query_cancelled", f"The query {query_id} was cancelled by its buyer.", hint)


def stopped(query_id: str) -> GatewayError:
    """Return the answer to whoever asks for a query that a freeze, a suspension or a withdrawal ended."""
    hint = "What was charged stays charged. Once it may be asked again, ask with a new Idempotency-Key."
    told = f"The query {query_id} was ended by a freeze, a suspension or a withdrawal."
    return GatewayError("query_stopped", told, hint)


def withdrawn(query_id: str) -> GatewayError:
    """Return the answer to whoever asks for a query that the end of its grant ended."""
    detail = f"The query {query_id} was ended: its grant holds no longer."
    return GatewayError("grant_ended", detail, "What was charged stays charged. Ask the provider for a new grant.")


def account_part(grant_id: str) -> str:
    """Return the last part of the account's name of a grant of the store: no grant that a policy names has a slash."""
    return escaped(f"store/{grant_id}", safe="")


@lru_cache(maxsize=1024)
def buyer_name(organisation: str, subject: str) -> str:
    """Return organisation and subject as one name, escaped so that none can mix."""
    return f"{escaped(organisation, safe='')}/{escaped(subject, safe='')}"


def purse(buyer: str) -> str:
    """Return the name under which a buyer's own money is counted, over all datasets."""
    return f"purse/{buyer}"


class Per(StrEnum):
    """The period that a spending cap counts in, by UTC dates."""

    DAY = "day"
    MONTH = "month"
    TOTAL = "total"

    def name_at(self, at: datetime) -> str:
        """Return the period of a moment: 2026-11-26, 2026-11 or total."""
        day = at.date().isoformat()
        return {Per.DAY: day, Per.MONTH: day[:7], Per.TOTAL: "total"}[self]


@dataclass(frozen=True, slots=True)
class Cap:
    """The most money that may be spent in a period."""

    amount: Decimal
    currency: str
    per: Per


@dataclass(frozen=True, slots=True)
class Account:
    """One account: `key` names it for good, the limits are those of today's policy (None: not limited at this level).

    Keys: `data/<account>`, `organisation/<account>/<org>`, `buyer/<account>/<org>/<sub>`,
    `grant/<account>/<org>/<grant>`; an account that is refilled has its period after an `@`.
    """

    key: str
    rho_limit: int | None
    delta_limit: int | None
    uses_limit: int | None = None
    cap: Cap | None = None

    @property
    def level(self) -> str:
        """The part before the first slash: data, organisation, buyer or grant."""
        return self.key.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Allowance:
    """How fast a grant may be used: within a sliding window, and at once. None: without limit."""

    grant: str
    rate_count: int | None
    rate_seconds: int | None
    at_once: int | None = None


@dataclass(frozen=True, slots=True)
class Crossing:
    """An answer that goes to another country: of whose people, how many of them, and how many may in a year."""

    provider: str
    account: str
    country: str
    units: int
    threshold: int


@dataclass(frozen=True, slots=True)
class Basis:
    """What an order rests on besides its accounts, which its charge reads again. None: on nothing of the kind.

    `until` is the first moment at which its grant holds no longer.
    """

    grant_id: str | None = None
    terms: str | None = None
    until: datetime | None = None
    crossing: Crossing | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """What one query wants to be charged: all of it or nothing.

    `question` is the digest of what is asked (plan, versions, cost), `draws` those of the primitives that have to be
    drawn for it: another question of the same buyer that needs one of them waits for this one. `body_digest` guards
    the idempotency key. `facts` is what the meter event and the log leaf carry besides (JSON object as text:
    canonical, no literals, no data). `sql` is committed to with a salt, and kept sealed for the provider as long as
    `keep_text` says. `policy_version` is charged only while it is served, and until the last day of the review that
    it was admitted under, `reviewed_until`. `populations` says whom the numbers that are drawn are about, for early
    warning alone.
    """

    query_id: str
    buyer: str
    organisation: str
    dataset: str
    idempotency_key: str
    body_digest: str
    question: str
    fingerprint: str
    draws: tuple[str, ...]
    accounts: tuple[Account, ...]
    allowance: Allowance
    rho: int
    delta: int
    amount: Decimal
    currency: str
    facts: str
    sql: str
    keep_text: timedelta | None = None
    policy_version: str = ""
    reviewed_until: date | None = None
    basis: Basis = Basis()
    populations: str = "[]"


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
    """A durable charge: the licence to draw once. `fence` grows when another worker takes the query over.

    `until` is that of its order's basis: the query is ended then.
    """

    query_id: str
    fence: int
    log_index: int
    leaf_hash: str
    charged_at: datetime
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Spent:
    """What one statement of a charged query truly cost, for the provider alone; numbered from 1 within an attempt."""

    statement: int
    figures: Mapping[str, object]


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


Known = InFlight | Stored | Failed
"""What an idempotency key may stand for already."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What one look at an idempotency key settles: its stored answer, or that nothing was known of it."""

    answer: bytes | None = None
    new: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """A charged query that failed, for the provider to look at; `note` says why and is never a buyer's to read."""

    query_id: str
    buyer: str
    charged_at: datetime
    note: str


@dataclass(frozen=True, slots=True)
class Running:
    """A charged query that somebody works on, at least until its lease ends."""

    query_id: str
    buyer: str
    charged_at: datetime
    lease_until: datetime


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account has spent beside its limits: the policy's and what approved top-ups add to them."""

    key: str
    rho_limit: int | None
    rho_spent: int
    delta_limit: int | None
    delta_spent: int
    uses_limit: int | None = None
    uses: int = 0


@dataclass(frozen=True, slots=True)
class QueryRow:
    """What is kept of a query: its state and, once stored, its exact answer; while it runs, the end of its lease."""

    query_id: str
    buyer: str
    organisation: str
    dataset: str
    state: str
    log_index: int
    answer: bytes | None
    lease_until: datetime | None = None
