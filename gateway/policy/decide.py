"""The ordered rules, and the two moments when they are asked: before the SQL is read, and once it is understood."""

from collections.abc import Iterable
from datetime import date

from gateway.catalog.model import Dataset, Grant
from gateway.policy.model import Ask, Permit, Refusal, Rule, stated_purpose
from gateway.policy.rules.column_class import ColumnClass
from gateway.policy.rules.column_use import ColumnUse
from gateway.policy.rules.compliance import ComplianceReview
from gateway.policy.rules.epsilon import LargestEpsilon
from gateway.policy.rules.jurisdiction import GrantedJurisdiction
from gateway.policy.rules.mode import OpenRows, ServedMode, preferred
from gateway.policy.rules.priced import NamedPrice
from gateway.policy.rules.purpose import GrantedPurpose
from gateway.policy.rules.recipient import RecipientPlace
from gateway.policy.rules.validity import GrantValidity
from gateway.request import Caller

ADMISSION: tuple[Rule, ...] = (
    ComplianceReview(),
    ServedMode(),
    GrantValidity(),
    NamedPrice(),
    GrantedPurpose(),
    GrantedJurisdiction(),
    RecipientPlace(),
)
ACCESS: tuple[Rule, ...] = (OpenRows(), LargestEpsilon(), ColumnClass(), ColumnUse())


def _first(rules: tuple[Rule, ...], ask: Ask) -> Refusal | None:
    return next((refusal for rule in rules if (refusal := rule.check(ask)) is not None), None)


def grants_of(grants: Iterable[Grant], caller: Caller) -> tuple[Grant, ...]:
    """Return those of some grants that are made to the caller's organisation, for everyone in it or this subject."""
    return tuple(g for g in grants if g.organisation == caller.organisation and g.subject in (None, caller.subject))


def provides(provider: str, caller: Caller) -> bool:
    """Tell whether the caller acts for the organisation that provides a dataset."""
    return "provider" in caller.roles and caller.organisation == provider


def admit(
    dataset: Dataset,
    caller: Caller,
    purpose: str | None,
    today: date,
    mode: str = "authorised",
    granted: Iterable[Grant] = (),
) -> Permit | Refusal:
    """Return the first grant under which the caller may ask, or the first grant's refusal.

    The policy's come first, then those that are `granted` besides. Without any grant the refusal is that of a dataset
    that does not exist.
    """
    refusals: list[Refusal] = []
    for grant in sorted(grants_of((*dataset.grants, *granted), caller), key=preferred):
        ask = Ask(dataset, caller, purpose, dataset.privacy.default_epsilon, today, (), grant, mode)
        refusal = _first(ADMISSION, ask)
        if refusal is None:
            return Permit(grant, stated_purpose(ask))
        refusals.append(refusal)
    if refusals:
        return refusals[0]
    hint = "GET /v1/datasets lists those that you have a grant on."
    return Refusal("unknown_dataset", f"There is no dataset '{dataset.name}' for you.", hint, None, "grant")


def permit(ask: Ask) -> Permit | Refusal:
    """Return the permit of an understood query, or the first refusal: admission again, then use, class and epsilon."""
    if ask.grant is None:
        return Refusal("no_grant", "No grant covers this request.", "Ask the provider for one.", None, "grant")
    refusal = _first(ADMISSION + ACCESS, ask)
    return refusal if refusal is not None else Permit(ask.grant, stated_purpose(ask))
