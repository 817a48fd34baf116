"""The bodies of requests that change accounts, as strict models: unknown members are refused by name."""

import re
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from gateway.catalog.terms import Limits, Terms
from gateway.errors import GatewayError
from gateway.ledger.model import buyer_name
from gateway.models import asked
from gateway.models.asked import MOST_FEATURES, MOST_ROUNDS, Kind
from gateway.request import Caller, Posed

Name = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")]
Key = Annotated[str, StringConstraints(min_length=1, max_length=1024, pattern=r"^[^\x00-\x1f\x7f]+$")]
Money = Annotated[Decimal, Field(ge=0, max_digits=18, decimal_places=6, allow_inf_nan=False)]


class Body(BaseModel):
    """A strict JSON object."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CapBody(Body):
    """PUT /v1/spending: `amount` null lifts the cap."""

    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
    per: Literal["day", "month", "total"]
    amount: Money | None


class RevocationBody(Body):
    """POST /v1/tokens/revoke: one token by `jti`, or all of a subject that were issued until now."""

    jti: Name | None = None
    organisation: Name | None = None
    subject: Name | None = None


class TopUpBody(Body):
    """POST /v1/topups."""

    dataset: Name
    epsilon: Annotated[Decimal, Field(gt=0, le=10**9, max_digits=24, decimal_places=12, allow_inf_nan=False)]
    delta: Annotated[Decimal, Field(ge=0, lt=1, allow_inf_nan=False)] | None = None
    account: Key | None = None
    reason: Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]+$")]


class FreezeBody(Body):
    """POST /v1/freeze and /v1/unfreeze: a scope, and what names its target there."""

    scope: Literal["query", "buyer", "organisation", "dataset", "all"]
    query_id: Name | None = None
    organisation: Name | None = None
    subject: Name | None = None
    dataset: Name | None = None
    reason: Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$")]

    @model_validator(mode="after")
    def _named(self) -> Self:
        given = {name for name in ("query_id", "organisation", "subject", "dataset") if getattr(self, name) is not None}
        if given != set(NAMED_BY[self.scope]):
            wanted = " and ".join(f"`{name}`" for name in NAMED_BY[self.scope]) or "nothing else"
            raise ValueError(f"the scope {self.scope} is named by {wanted}")
        return self

    @property
    def target(self) -> str:
        """The name of the target within its scope."""
        if self.scope == "buyer":
            return buyer_name(self.organisation or "", self.subject or "")
        return self.query_id or self.organisation or self.dataset or ""


Words = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$")]


class LiftBody(Body):
    """Lifts a freeze that is listed: `name` is its target's within its scope, empty for everything."""

    scope: Literal["query", "buyer", "organisation", "dataset", "all"]
    name: str
    reason: Words


class EvidenceBody(Body):
    """Where a document can be seen, and its hash. Never the document."""

    kind: Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")]
    reference: Words
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None


class ApplicationBody(Body):
    """POST /v1/members: the caller's organisation, or the caller as a person of it."""

    kind: Literal["organisation", "person"]
    legal_name: Words
    contact: Words
    evidence: Annotated[tuple[EvidenceBody, ...], Field(min_length=1, max_length=16)]


class CaseBody(Body):
    """POST /v1/cases."""

    query_id: Name
    reason: Words


class FindingBody(Body):
    """POST /v1/cases/{id}/decide: `refund` in the currency of the charge."""

    finding: Annotated[str, StringConstraints(min_length=1, max_length=4000, pattern=r"^[^\x00-\x1f\x7f]+$")]
    refund: Annotated[Decimal, Field(gt=0, max_digits=18, decimal_places=6, allow_inf_nan=False)] | None = None


class SuspensionBody(Body):
    """POST /v1/members/{id}/suspend."""

    reason: Words


Findings = Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]+$")]


def _day(value: object) -> date:
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise ValueError("write a day as 2027-12-31")
    return date.fromisoformat(value)


Day = Annotated[date, BeforeValidator(_day)]
PolicyVersion = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]


class ProposalBody(Body):
    """POST /v1/datasets/{name}/versions: the policy as YAML text."""

    policy: Annotated[str, StringConstraints(min_length=1, pattern=r"^[^\x00]*$")]


class PastQuestion(Body):
    """A question to plan again: who asks it, and how."""

    sql: Annotated[str, StringConstraints(min_length=1, max_length=65_536)]
    organisation: Name
    subject: Name = "anyone"
    purpose: Name | None = None
    jurisdiction: Name | None = None
    epsilon: Annotated[Decimal, Field(gt=0, le=10**9, allow_inf_nan=False)] | None = None
    dialect: Literal["duckdb", "postgres", "trino", "spark"] = "duckdb"


class ReplayBody(Body):
    """POST /v1/datasets/{name}/versions/{version}/replay: without `queries`, the latest whose texts are kept."""

    queries: Annotated[tuple[PastQuestion, ...], Field(min_length=1, max_length=200)] | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50

    def posed(self) -> tuple[Posed, ...] | None:
        """Return what is sent, each by its place from 1."""
        if self.queries is None:
            return None
        return tuple(
            Posed(
                str(place),
                Caller(one.subject, one.organisation, frozenset({"buyer"}), one.purpose, one.jurisdiction),
                one.sql,
                one.epsilon,
                one.dialect,
            )
            for place, one in enumerate(self.queries, 1)
        )


class VersionBody(Body):
    """POST /v1/datasets/{name}/submit, /publish and /rollback."""

    version: PolicyVersion


class ReviewBody(Body):
    """POST /v1/datasets/{name}/review: an approval holds until a day."""

    version: PolicyVersion
    decision: Literal["approve", "reject"]
    findings: Findings
    valid_until: Day | None = None

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if (self.decision == "approve") is not (self.valid_until is not None):
            raise ValueError("an approval has a `valid_until`, a rejection has none")
        return self


class WithdrawalBody(Body):
    """POST /v1/datasets/{name}/withdraw."""

    reason: Words


class ModelBody(Body):
    """POST /v1/models and /v1/models/quote: what to fit, over which rows, and what to spend."""

    dataset: Name | None = None
    kind: Literal["linear_regression", "logistic_regression", "covariance", "contingency"]
    source: Annotated[str, Field(alias="from"), StringConstraints(min_length=1, max_length=32_768)]
    features: Annotated[list[Name], Field(min_length=1, max_length=10)]
    target: Name | None = None
    intercept: bool = True
    ridge: Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)] = 0.0
    rounds: Annotated[int, Field(ge=1, le=MOST_ROUNDS)] = 3
    confidence: Annotated[float, Field(ge=0.5, le=0.9999)] = 0.95
    epsilon: Annotated[Decimal, Field(gt=0, le=10**9, decimal_places=12, allow_inf_nan=False)] | None = None
    purpose: Name | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        kind = Kind(self.kind)
        if kind.targeted != (self.target is not None):
            raise ValueError(f"a {kind.value} {'needs' if kind.targeted else 'has no'} `target`")
        if len(self.features) > MOST_FEATURES[kind]:
            raise ValueError(f"a {kind.value} takes at most {MOST_FEATURES[kind]} features")
        named = [name.casefold() for name in (*self.features, *([self.target] if self.target else []))]
        if len(set(named)) < len(named):
            raise ValueError("each feature is named once, and is not the target")
        return self

    @property
    def model(self) -> asked.Model:
        """The model as it is fitted."""
        return asked.Model(Kind(self.kind), self.source, tuple(self.features), self.target, self.intercept, self.ridge,
                     self.rounds, self.confidence)  # fmt: skip


NAMED_BY = {
    "query": ("query_id",),
    "buyer": ("organisation", "subject"),
    "organisation": ("organisation",),
    "dataset": ("dataset",),
    "all": (),
}
"""Which members name the target of a freeze, by its scope."""

Reason = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$")]


class GrantRequestBody(Body):
    """POST /v1/grants: for the caller's own organisation. `terms` are the limits of catalog.terms."""

    dataset: Name
    why: Reason
    terms: Limits


class SignedTermsBody(Body):
    """POST /v1/grants/{id}/grant: every member of the terms, and the signature over them."""

    terms: Terms
    signature: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{86}==$")]


class ReasonBody(Body):
    """POST /v1/grants/{id}/refuse and /revoke."""

    reason: Reason


class KeyBody(Body):
    """POST /v1/keys: an Ed25519 public key in hex."""

    public_key: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class KeyRevocationBody(Body):
    """POST /v1/keys/{id}/revoke: a supervisor names whose key it is."""

    organisation: Name | None = None


Model = TypeVar("Model", bound=Body)


def read_as(model: type[Model], body: dict[str, Any]) -> Model:
    """Return a parsed body as its model. Raises GatewayError `bad_request` that names the member."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        place = ".".join(str(part)[:60] for part in first["loc"]) or "the body"
        hint = f"Members: {', '.join(field.alias or name for name, field in model.model_fields.items())}."
        why = first["msg"].removeprefix("Value error, ")  # one of our own, said without pydantic's word for it
        raise GatewayError("bad_request", f"`{place}` cannot be used: {why}.", hint) from None
