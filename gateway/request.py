"""What a buyer asked, and who asked: the values of steps 1 and 2, used by every later one."""

from dataclasses import dataclass, field
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Request:
    """One question, already checked for size, encoding and strict JSON.

    `body_digest` is the SHA-256 (hex) of the canonical body; with `idempotency_key` it names the request.
    """

    sql: str
    dataset: str | None = None
    purpose: str | None = None
    epsilon: Decimal | None = None
    dialect: str = "duckdb"
    row_limit: int | None = None
    idempotency_key: str | None = None
    body_digest: str = ""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. Rights come from members and grants, never from the token alone."""

    subject: str
    organisation: str
    roles: frozenset[str] = field(default_factory=frozenset)
    purpose: str | None = None
    jurisdiction: str | None = None
    token_id: str | None = None
