"""What a buyer asked, and who asked: the values of steps 1 and 2, used by every later one."""

import unicodedata
from dataclasses import dataclass, field, replace
from decimal import Decimal

DRILL = "drill"
"""The organisation that drills of a freeze freeze. Nobody real is of it."""


def is_reserved(organisation: str) -> bool:
    """Tell whether an organisation's name is the drills', or is read as theirs."""
    seen = "".join(one for one in unicodedata.normalize("NFKC", organisation) if unicodedata.category(one) != "Cf")
    return seen.strip().casefold() == DRILL


@dataclass(frozen=True, slots=True)
class Accuracy:
    """An error to reach instead of an epsilon to spend: exactly one of `half_width` and `relative`.

    `half_width` is in each noisy column's own unit, `relative` a share of the declared size of a cell; both at
    `confidence`.
    """

    half_width: Decimal | None
    relative: Decimal | None
    confidence: Decimal = Decimal("0.95")

    @property
    def target(self) -> Decimal:
        """The half-width or the share that is asked for."""
        asked = self.half_width if self.half_width is not None else self.relative
        assert asked is not None  # INVARIANT: one of the two is given
        return asked

    @property
    def text(self) -> str:
        """The one spelling of what is asked."""
        name = "half_width" if self.half_width is not None else "relative"
        return f"{name} {self.target.normalize():f} at {self.confidence.normalize():f}"

    def at(self, target: Decimal) -> "Accuracy":
        """Return the same question with another half-width or share."""
        if self.half_width is not None:
            return replace(self, half_width=target)
        return replace(self, relative=target)


@dataclass(frozen=True, slots=True)
class Request:
    """One question, already checked for size, encoding and strict JSON.

    `epsilon` and `accuracy` exclude each other; with neither the policy's default is spent. `body_digest` is the
    SHA-256 (hex) of what the body asks; with `idempotency_key` it names the request. `mode` is what the caller uses the
    data as; `composed` marks SQL that the gateway wrote, around the buyer's.
    """

    sql: str
    dataset: str | None = None
    purpose: str | None = None
    epsilon: Decimal | None = None
    accuracy: Accuracy | None = None
    dialect: str = "duckdb"
    row_limit: int | None = None
    idempotency_key: str | None = None
    body_digest: str = ""
    mode: str = "authorised"
    composed: bool = False


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. Rights come from members and grants, never from the token alone."""

    subject: str
    organisation: str
    roles: frozenset[str] = field(default_factory=frozenset)
    purpose: str | None = None
    jurisdiction: str | None = None
    token_id: str | None = None


@dataclass(frozen=True, slots=True)
class Posed:
    """A question to plan again under another version of a policy: its name, who asks it, and how.

    `model`: the SQL is that of a model's sums, asked under a grant for models.
    """

    name: str
    caller: Caller
    sql: str
    epsilon: Decimal | None = None
    dialect: str | None = None
    model: bool = False
