"""The terms of a grant that its provider signs: what they may say, and the grant that they make. Pure.

How they are signed is evidence/offline/grants.py's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from gateway.catalog.entries import SECONDS
from gateway.catalog.model import Accounting, Budget, Grant
from gateway.errors import GatewayError

Name = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f/]+$")]
Party = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")]
Names = Annotated[tuple[Name, ...], Field(max_length=64)]
Amount = Annotated[str, StringConstraints(max_length=32, pattern=r"^(0|[1-9][0-9]{0,8})(\.[0-9]{0,17}[1-9])?$")]
"""A decimal in its one spelling."""
Day = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
Moment = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$")]
Mode = Literal["open", "authorised", "modelling", "federated", "encrypted", "sandbox"]


class Part(BaseModel):
    """A part of the terms: unknown members are errors, and nothing is turned into another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class BudgetTerms(Part):
    epsilon: Amount
    delta: Amount | None = None

    @model_validator(mode="after")
    def _above_zero(self) -> Self:
        if Decimal(self.epsilon) <= 0 or not (self.delta is None or 0 < Decimal(self.delta) < 1):
            raise ValueError("epsilon is above 0, and delta between 0 and 1")
        return self


class SpendTerms(Part):
    amount: Amount
    per: Literal["day", "month", "total"]


class Limits(Part):
    """What a grant allows. Empty lists and null set no limit."""

    subject: Party | None = None
    mode: Mode = "authorised"
    purposes: Names = Field(default=(), strict=False)
    jurisdictions: Names = Field(default=(), strict=False)
    valid_from: Day | None = None
    valid_until: Day | None = None
    ends_at: Moment | None = None
    uses: Annotated[int, Field(ge=1, le=10**12)] | None = None
    rate: Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,8}/(s|min|h|day)$")] | None = None
    at_once: Annotated[int, Field(ge=1, le=1000)] = 16
    budget: BudgetTerms | None = None
    spend: SpendTerms | None = None
    price_plan: Name | None = None
    recipient_jurisdiction: Name | None = None

    @model_validator(mode="after")
    def _holds(self) -> Self:
        for names in (self.purposes, self.jurisdictions):
            if list(names) != sorted(set(names)):
                raise ValueError("names are sorted, and each stands once")
        first, last = (None if day is None else date.fromisoformat(day) for day in (self.valid_from, self.valid_until))
        if first is not None and last is not None and first > last:
            raise ValueError("the grant ends before it begins")
        _moment(self.ends_at)
        if self.spend is not None and self.price_plan is None:
            raise ValueError("there is no price plan to spend in")
        return self

    @property
    def ends(self) -> datetime | None:
        """The first moment at which it holds no longer."""
        days = None if self.valid_until is None else after(date.fromisoformat(self.valid_until))
        return min((end for end in (days, _moment(self.ends_at)) if end is not None), default=None)


class Terms(Limits):
    """All that is signed: every member has to be there."""

    gateway: Party
    grant: Name
    provider: Name
    dataset: Name
    organisation: Name
    key: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]


@dataclass(frozen=True, slots=True)
class Parties:
    """Between whom a grant is, and of what: what no signer may change."""

    gateway: str
    grant: str
    provider: str
    dataset: str
    organisation: str

    def of(self, terms: Terms) -> bool:
        """Tell whether terms are between these."""
        own = (self.gateway, self.grant, self.provider, self.dataset, self.organisation)
        return own == (terms.gateway, terms.grant, terms.provider, terms.dataset, terms.organisation)


def after(day: date) -> datetime:
    """Return the first moment (UTC) after a day."""
    return datetime.combine(day, time(), UTC) + timedelta(days=1 if day < date.max else 0)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def read_limits(content: Mapping[str, Any]) -> Limits:
    """Return what a buyer asks for. Raises GatewayError `bad_request` that names the member."""
    try:
        return Limits.model_validate(dict(content))
    except ValidationError as error:
        raise _unusable(error) from None


def read_terms(content: Mapping[str, Any]) -> Terms:
    """Return terms, of which every member is written down. Raises GatewayError `bad_request` that names the member."""
    missing = sorted(set(Terms.model_fields) - set(content))
    if missing:
        hint = "Write every member, null where it sets no limit."
        raise GatewayError("bad_request", f"The terms lack `{missing[0]}`.", hint)
    try:
        return Terms.model_validate(dict(content))
    except ValidationError as error:
        raise _unusable(error) from None


def _unusable(error: ValidationError) -> GatewayError:
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    place = ".".join(str(part)[:60] for part in first["loc"]) or "the terms"
    hint = f"Members: {', '.join(Limits.model_fields)}."
    return GatewayError("bad_request", f"`{place}` cannot be used: {first['msg']}.", hint)


def refuse_wider(terms: Limits, asked: Limits) -> None:
    """Refuse terms that give more than was asked, or at another price. Raises GatewayError `bad_request`."""
    wider = next((name for name, holds in _within(terms, asked).items() if not holds), None)
    if wider is not None:
        hint = "A provider may narrow what was asked; for more the buyer asks anew."
        raise GatewayError("bad_request", f"The terms are wider than what was asked: `{wider}`.", hint)


def _within(terms: Limits, asked: Limits) -> dict[str, bool]:
    """Tell of each member whether it is within what was asked. A cap on money the provider may always add."""
    return {
        "subject": asked.subject in (None, terms.subject),
        "mode": terms.mode == asked.mode,
        "purposes": _subset(terms.purposes, asked.purposes),
        "jurisdictions": _subset(terms.jurisdictions, asked.jurisdictions),
        "valid_from": asked.valid_from is None
        or (terms.valid_from is not None and terms.valid_from >= asked.valid_from),
        "valid_until": asked.ends is None or (terms.ends is not None and terms.ends <= asked.ends),
        "uses": asked.uses is None or (terms.uses is not None and terms.uses <= asked.uses),
        "rate": _slower(terms.rate, asked.rate),
        "at_once": terms.at_once <= asked.at_once,
        "budget": _smaller(terms.budget, asked.budget),
        "spend": asked.spend is None or (terms.spend is not None and _cheaper(terms.spend, asked.spend)),
        "price_plan": asked.price_plan in (None, terms.price_plan),
        "recipient_jurisdiction": asked.recipient_jurisdiction in (None, terms.recipient_jurisdiction),
    }


def _subset(terms: tuple[str, ...], asked: tuple[str, ...]) -> bool:
    return not asked or (bool(terms) and set(terms) <= set(asked))


def _slower(terms: str | None, asked: str | None) -> bool:
    """Tell whether a rate is within another: no more in its window, and its window no shorter."""
    if asked is None or terms is None:
        return asked is None
    (count, seconds), (most, within) = _rate(terms), _rate(asked)
    return count <= most and seconds >= within


def _rate(text: str) -> tuple[int, int]:
    count, _, unit = text.partition("/")
    return int(count), SECONDS[unit]


def _smaller(terms: BudgetTerms | None, asked: BudgetTerms | None) -> bool:
    if asked is None or terms is None:
        return asked is None
    delta = asked.delta is None or (terms.delta is not None and Decimal(terms.delta) <= Decimal(asked.delta))
    return Decimal(terms.epsilon) <= Decimal(asked.epsilon) and delta


def _cheaper(terms: SpendTerms, asked: SpendTerms) -> bool:
    return terms.per == asked.per and Decimal(terms.amount) <= Decimal(asked.amount)


def grant_of_terms(terms: Terms, dataset_budget: Budget, accounting: Accounting, digest: str) -> Grant:
    """Return the grant that signed terms make: what rules and accounts know, whoever wrote it."""
    count, seconds = (None, None) if terms.rate is None else _rate(terms.rate)
    spend = None if terms.spend is None else (Decimal(terms.spend.amount), terms.spend.per)
    return Grant(
        name=terms.grant,
        organisation=terms.organisation,
        subject=terms.subject,
        mode=terms.mode,
        purposes=frozenset(terms.purposes),
        jurisdictions=frozenset(terms.jurisdictions),
        valid_from=None if terms.valid_from is None else date.fromisoformat(terms.valid_from),
        valid_until=None if terms.valid_until is None else date.fromisoformat(terms.valid_until),
        uses=terms.uses,
        rate_count=count,
        rate_seconds=seconds,
        price_plan=terms.price_plan,
        budget=_budget(terms.budget, dataset_budget, accounting),
        at_once=terms.at_once,
        spend=spend,
        recipient_jurisdiction=terms.recipient_jurisdiction,
        terms=digest,
        ends_at=_moment(terms.ends_at),
    )


def _budget(terms: BudgetTerms | None, whole: Budget, accounting: Accounting) -> Budget | None:
    """Return a quota; without a delta of its own it has the dataset's, as every inner level."""
    if terms is None:
        return None
    if accounting is Accounting.PURE:
        return Budget(Decimal(terms.epsilon), Decimal(0))
    return Budget(Decimal(terms.epsilon), whole.delta if terms.delta is None else Decimal(terms.delta))


def ends_of(grant: Grant) -> datetime | None:
    """Return the first moment at which a grant holds no longer; None without an end."""
    days = None if grant.valid_until is None else after(grant.valid_until)
    return min((end for end in (days, grant.ends_at) if end is not None), default=None)
