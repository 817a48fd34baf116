"""Each rule has a case that passes and one that fails, by name."""

from dataclasses import replace
from datetime import date
from decimal import Decimal as D
from typing import get_args

import pytest
from support.shop import CALLER, GRANT, SHOP

from gateway.catalog.document import GrantEntry
from gateway.catalog.model import Compliance, CrossBorder, DataClass, Use
from gateway.errors import CODES, Position
from gateway.policy.decide import ACCESS, ADMISSION, admit, grants_of, permit
from gateway.policy.model import Access, Ask, Permit, Refusal
from gateway.policy.rules.column_class import ColumnClass
from gateway.policy.rules.column_use import ColumnUse
from gateway.policy.rules.compliance import ComplianceReview
from gateway.policy.rules.epsilon import LargestEpsilon
from gateway.policy.rules.jurisdiction import GrantedJurisdiction
from gateway.policy.rules.mode import COVERS, RESERVED, OpenRows, ServedMode
from gateway.policy.rules.priced import NamedPrice
from gateway.policy.rules.purpose import GrantedPurpose
from gateway.policy.rules.recipient import RecipientPlace
from gateway.policy.rules.validity import GrantValidity

ASK = Ask(SHOP, CALLER, None, D("0.2"), date(2026, 11, 24), (), GRANT)


def reviewed(**known):
    return replace(ASK, dataset=replace(SHOP, compliance=Compliance(**known)))


def granted(**known):
    return replace(ASK, grant=replace(GRANT, **known))


def using(table, column, use, **known):
    return replace(ASK, accesses=(Access(table, column, use, Position(1, 8)),), **known)


WEIGHTY = replace(
    SHOP,
    tables=tuple(
        replace(t, columns=tuple(replace(c, use=frozenset(Use)) for c in t.columns)) if t.name == "purchases" else t
        for t in SHOP.tables
    ),
)

NOWHERE = replace(CALLER, jurisdiction=None)
COUNTED = reviewed(reviewed_by="r", valid_until=None, cross_border=CrossBorder("CN", 100, 50))

CASES = {
    "compliance: reviewed by another": (ComplianceReview(), ASK, None),
    "compliance: no reviewer": (ComplianceReview(), reviewed(reviewed_by=None, valid_until=None), "compliance_expired"),
    "compliance: its own reviewer": (ComplianceReview(), reviewed(reviewed_by="acme", valid_until=None), "compliance_expired"),
    "compliance: by its owner in person": (ComplianceReview(), reviewed(reviewed_by="r", valid_until=None, by_owner=True), "compliance_expired"),
    "compliance: last day": (ComplianceReview(), reviewed(reviewed_by="r", valid_until=date(2026, 11, 24)), None),
    "compliance: the day after": (ComplianceReview(), reviewed(reviewed_by="r", valid_until=date(2026, 11, 23)), "compliance_expired"),
    "compliance: without an end": (ComplianceReview(), reviewed(reviewed_by="r", valid_until=None), None),
    "price: of a plan that there is": (NamedPrice(), ASK, None),
    "price: of none": (NamedPrice(), granted(price_plan=None), None),
    "price: of a plan that is gone": (NamedPrice(), granted(price_plan="gone"), "grant_not_valid"),
    "price: nor is it asked for there": (NamedPrice(), replace(granted(price_plan="gone"), mode="sandbox"), None),
    "mode: authorised": (ServedMode(), ASK, None),
    "mode: federated": (ServedMode(), granted(mode="federated"), "mode_not_served"),
    "mode: encrypted": (ServedMode(), granted(mode="encrypted"), "mode_not_served"),
    "mode: a model under authorised": (ServedMode(), replace(ASK, mode="modelling"), "mode_not_granted"),
    "mode: a model under modelling": (ServedMode(), replace(granted(mode="modelling"), mode="modelling"), None),
    "mode: a query under modelling": (ServedMode(), granted(mode="modelling"), "mode_not_granted"),
    "mode: a query under open": (ServedMode(), granted(mode="open"), None),
    "mode: a query under sandbox": (ServedMode(), granted(mode="sandbox"), "mode_not_granted"),
    "open: public tables": (OpenRows(), granted(mode="open"), None),
    "open: a private table": (OpenRows(), replace(granted(mode="open"), private=("customers",)), "mode_not_granted"),
    "open: a private table under authorised": (OpenRows(), replace(ASK, private=("customers",)), None),
    "validity: inside": (GrantValidity(), ASK, None),
    "validity: first day": (GrantValidity(), granted(valid_from=date(2026, 11, 24)), None),
    "validity: last day": (GrantValidity(), granted(valid_until=date(2026, 11, 24)), None),
    "validity: too early": (GrantValidity(), granted(valid_from=date(2026, 11, 25)), "grant_not_valid"),
    "validity: too late": (GrantValidity(), granted(valid_until=date(2026, 11, 23)), "grant_not_valid"),
    "validity: without dates": (GrantValidity(), granted(valid_from=None, valid_until=None), None),
    "purpose: the token's": (GrantedPurpose(), ASK, None),
    "purpose: the same in both": (GrantedPurpose(), replace(ASK, purpose="market-research"), None),
    "purpose: they differ": (GrantedPurpose(), replace(ASK, purpose="advertising"), "purpose_not_granted"),
    "purpose: none": (GrantedPurpose(), replace(ASK, caller=replace(CALLER, purpose=None)), "purpose_not_granted"),
    "purpose: another": (GrantedPurpose(), replace(ASK, caller=replace(CALLER, purpose="spam")), "purpose_not_granted"),
    "purpose: any is granted": (GrantedPurpose(), replace(granted(purposes=frozenset()), caller=replace(CALLER, purpose=None)), None),
    "jurisdiction: granted": (GrantedJurisdiction(), ASK, None),
    "jurisdiction: another": (GrantedJurisdiction(), replace(ASK, caller=replace(CALLER, jurisdiction="US")), "jurisdiction_not_granted"),
    "jurisdiction: none": (GrantedJurisdiction(), replace(ASK, caller=replace(CALLER, jurisdiction=None)), "jurisdiction_not_granted"),
    "jurisdiction: anywhere": (GrantedJurisdiction(), granted(jurisdictions=frozenset()), None),
    "validity: revoked": (GrantValidity(), granted(ended="The grant was revoked."), "grant_not_valid"),
    "recipient: the token's": (RecipientPlace(), ASK, None),
    "recipient: the same in both": (RecipientPlace(), granted(recipient_jurisdiction="CN"), None),
    "recipient: they differ": (RecipientPlace(), granted(recipient_jurisdiction="SG"), "jurisdiction_not_granted"),
    "recipient: the grant's alone": (RecipientPlace(), replace(granted(recipient_jurisdiction="SG"), caller=NOWHERE), None),
    "recipient: nobody counts": (RecipientPlace(), replace(ASK, caller=NOWHERE), None),
    "recipient: not said": (RecipientPlace(), replace(COUNTED, caller=NOWHERE), "jurisdiction_not_granted"),
    "recipient: counted and said": (RecipientPlace(), COUNTED, None),
    "epsilon: the largest": (LargestEpsilon(), replace(ASK, epsilon=D("0.4")), None),
    "epsilon: larger": (LargestEpsilon(), replace(ASK, epsilon=D("0.400000000001")), "epsilon_too_large"),
    "use: listed": (ColumnUse(), using("purchases", "quantity", Use.GROUP), None),
    "use: not listed": (ColumnUse(), using("purchases", "amount", Use.FILTER), "column_use"),
    "use: hidden": (ColumnUse(), using("purchases", "secret", Use.GROUP), "column_use"),
    "use: no such column": (ColumnUse(), using("purchases", "nothing", Use.GROUP), "column_use"),
    "use: no such table": (ColumnUse(), using("nowhere", "nothing", Use.GROUP), "column_use"),
    "class: general": (ColumnClass(), using("purchases", "quantity", Use.GROUP), None),
    "class: important as a sum": (ColumnClass(), using("purchases", "amount", Use.AGGREGATE), None),
    "class: important as a key": (ColumnClass(), using("purchases", "amount", Use.GROUP, dataset=WEIGHTY), "column_use"),
    "class: core as a filter": (ColumnClass(), using("purchases", "customer_id", Use.FILTER, dataset=WEIGHTY), "column_use"),
    "class: core as a sum": (ColumnClass(), using("purchases", "customer_id", Use.AGGREGATE, dataset=WEIGHTY), "column_use"),
    "class: core in a join": (ColumnClass(), using("purchases", "customer_id", Use.JOIN, dataset=WEIGHTY), None),
    "class: no such table": (ColumnClass(), using("nowhere", "nothing", Use.GROUP), None),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_rule(name):
    rule, ask, code = CASES[name]
    refusal = rule.check(ask)
    assert (refusal.code if refusal else None) == code
    if refusal is not None:
        assert refusal.hint
        assert refusal.rule
        assert refusal.code in CODES


def test_the_place_of_a_use_is_told():
    refusal = ColumnUse().check(using("purchases", "amount", Use.FILTER))
    assert refusal is not None
    assert refusal.position == Position(1, 8)
    assert "aggregate" in refusal.hint


def test_admit_takes_the_first_grant_that_holds():
    late = replace(GRANT, name="old", valid_until=date(2026, 1, 2))
    dataset = replace(SHOP, grants=(late, GRANT))
    assert admit(dataset, CALLER, None, ASK.today) == Permit(GRANT, "market-research")


def test_an_open_grant_gives_way_to_one_that_covers_more():
    dataset = replace(SHOP, grants=(replace(GRANT, name="rows", mode="open"), GRANT))
    assert admit(dataset, CALLER, None, ASK.today) == Permit(GRANT, "market-research")


def test_every_mode_of_a_policy_is_served_or_reserved():
    modes = get_args(GrantEntry.model_fields["mode"].annotation)
    assert set(modes) == set(COVERS) | set(RESERVED)
    assert not set(COVERS) & set(RESERVED)


def test_admit_refuses_with_the_first_grants_reason():
    dataset = replace(SHOP, grants=(replace(GRANT, mode="federated"), replace(GRANT, valid_until=date(2026, 1, 2))))
    refusal = admit(dataset, CALLER, None, ASK.today)
    assert isinstance(refusal, Refusal)
    assert refusal.code == "mode_not_served"


def test_admit_asks_the_policys_grants_first_and_then_those_of_the_store():
    signed = replace(GRANT, name="G1", terms="sha256:d")
    assert admit(SHOP, CALLER, None, ASK.today, granted=(signed,)) == Permit(GRANT, "market-research")
    late = replace(SHOP, grants=(replace(GRANT, valid_until=date(2026, 1, 2)),))
    assert admit(late, CALLER, None, ASK.today, granted=(signed,)) == Permit(signed, "market-research")
    opened = replace(SHOP, grants=(replace(GRANT, mode="open"),))
    assert admit(opened, CALLER, None, ASK.today, granted=(signed,)) == Permit(signed, "market-research")
    theirs = replace(signed, organisation="others")
    assert admit(replace(SHOP, grants=()), CALLER, None, ASK.today, granted=(theirs,)).code == "unknown_dataset"


def test_without_a_grant_the_dataset_does_not_exist():
    refusal = admit(SHOP, replace(CALLER, organisation="stranger"), None, ASK.today)
    assert isinstance(refusal, Refusal)
    assert refusal.code == "unknown_dataset"


def test_a_grant_to_one_person_is_theirs_alone():
    dataset = replace(SHOP, grants=(replace(GRANT, subject="bob"),))
    assert grants_of(dataset.grants, CALLER) == ()
    assert len(grants_of(dataset.grants, replace(CALLER, subject="bob"))) == 1


def test_permit_asks_every_rule_in_order():
    assert permit(ASK) == Permit(GRANT, "market-research")
    refused = permit(replace(granted(mode="encrypted"), epsilon=D(9)))
    assert isinstance(refused, Refusal)
    assert refused.code == "mode_not_served"
    too_much = permit(replace(ASK, epsilon=D(9)))
    assert isinstance(too_much, Refusal)
    assert too_much.code == "epsilon_too_large"
    none = permit(replace(ASK, grant=None))
    assert isinstance(none, Refusal)
    assert none.code == "no_grant"
    assert len(ADMISSION) + len(ACCESS) == 11
    assert DataClass.CORE.value == "core"
