"""Orders: what is due of a planned query in rho, delta and money, which accounts pay it, and whose it is."""

import json
from dataclasses import replace
from decimal import Decimal as D

import pytest
from support.queries import ANSWERED
from support.shop import CALLER, GRANT, NOW, SHOP, planned

from gateway.catalog.model import Budget, CrossBorder
from gateway.ledger.model import Cap, Per
from gateway.ledger.topups import within
from gateway.orders import accounts, buyer_id, cost, crossing, data_account, draws, grant_key, order, question
from gateway.privacy.accounting import limits
from gateway.request import Request

PRIVATE = planned(ANSWERED["private_key"])
"""A count by a key whose values the data alone know."""


def test_a_threshold_is_due_in_delta_until_its_count_of_units_is_stored():
    (measurement,) = PRIVATE.program.measurements
    assert measurement.selection is not None
    due = cost(PRIVATE, SHOP, GRANT, frozenset())
    assert due.delta == measurement.selection.delta > 0
    units = next(p for p in measurement.primitives if p.name == measurement.selection.primitive)
    paid = cost(PRIVATE, SHOP, GRANT, frozenset({units.digest}))
    assert (paid.rho, paid.delta) == (due.rho - units.charge, 0)


def test_public_keys_cost_no_delta():
    assert cost(planned(ANSWERED["units_by_boolean"]), SHOP, GRANT, frozenset()).delta == 0


def test_a_search_is_due_beside_its_draw_and_each_goes_when_stored():
    made = planned(ANSWERED["count_by_month"])
    charges = {p.digest: p.charge for m in made.program.measurements for p in m.primitives}
    assert any(p.search is not None for m in made.program.measurements for p in m.primitives)
    for digest, charge in charges.items():
        rest = cost(made, SHOP, GRANT, frozenset({digest}))
        assert rest.rho == sum(charges.values()) - charge
        assert set(rest.draws) == set(draws(made)) - {digest}


def test_a_query_that_is_stored_whole_is_free_in_every_currency():
    stored = frozenset(draws(PRIVATE))
    paid = cost(PRIVATE, SHOP, GRANT, stored)
    assert (paid.rho, paid.delta, paid.free, paid.price.amount) == (0, 0, True, 0)


def test_a_part_that_is_stored_is_not_paid_for_again():
    made = planned(ANSWERED["average_and_sum_share"])
    whole = cost(made, SHOP, GRANT, frozenset())
    part = cost(made, SHOP, GRANT, frozenset(draws(made)[:1]))
    assert whole.price.units["epsilon"] == f"{made.epsilon:f}"
    assert D(part.price.units["epsilon"]) < made.epsilon
    assert part.price.amount < whole.price.amount


def test_every_level_of_the_budget_pays():
    grant = replace(GRANT, budget=Budget(D(2), D("1e-7")))
    found = accounts(SHOP, CALLER, grant, NOW)
    people = "acme/customers.customer_id"
    assert [a.key for a in found] == [
        f"data/{people}",
        f"organisation/{people}/widget-analytics",
        f"buyer/{people}/widget-analytics/ana",
        f"grant/{people}/widget-analytics/grant-1",
    ]
    budgets = (SHOP.privacy.budget, SHOP.privacy.per_organisation, SHOP.privacy.per_buyer, grant.budget)
    for account, budget in zip(found, budgets, strict=True):
        assert budget is not None
        assert (account.rho_limit, account.delta_limit) == limits(budget.epsilon, budget.delta)


def test_a_level_without_a_budget_is_counted_without_a_limit():
    bare = replace(SHOP, privacy=replace(SHOP.privacy, per_organisation=None, per_buyer=None))
    data, *quotas = accounts(bare, CALLER, GRANT, NOW)
    assert data == data_account(bare, NOW)
    assert [(a.level, a.rho_limit, a.delta_limit) for a in quotas] == [
        ("organisation", None, None),
        ("buyer", None, None),
        ("grant", None, None),
    ]


def test_refilled_budgets_begin_anew_and_uses_and_money_do_not():
    refilled = replace(SHOP, privacy=replace(SHOP.privacy, refill="month"))
    grant = replace(GRANT, uses=7, spend=(D(30), "month"), budget=Budget(D(2), D("1e-7")))
    found = accounts(refilled, CALLER, grant, NOW)
    period = NOW.date().isoformat()[:7]
    assert [a.key.endswith(f"@{period}") for a in found] == [True] * 4 + [False]
    assert found[0] == data_account(refilled, NOW)
    assert [(a.uses_limit, a.cap) for a in found] == [(None, None)] * 4 + [(7, Cap(D(30), "CNY", Per.MONTH))]
    yearly = replace(SHOP, privacy=replace(SHOP.privacy, refill="year"))
    assert accounts(yearly, CALLER, grant, NOW)[0].key.endswith(f"@{NOW.year}")


def test_two_files_over_the_same_people_pay_from_one_account():
    renamed = replace(SHOP, name="shop-again", policy_version="sha256:other")
    assert accounts(renamed, CALLER, GRANT, NOW) == accounts(SHOP, CALLER, GRANT, NOW)


def test_names_with_slashes_are_told_apart():
    one, other = replace(CALLER, organisation="a/b", subject="c"), replace(CALLER, organisation="a", subject="b/c")
    assert buyer_id(one) != buyer_id(other)
    assert {a.key for a in accounts(SHOP, one, GRANT, NOW)[1:]}.isdisjoint(
        a.key for a in accounts(SHOP, other, GRANT, NOW)[1:]
    )


def test_an_order_is_one_buyers_under_one_grant():
    grant = replace(GRANT, uses=7, rate_count=3, rate_seconds=60)
    due = cost(PRIVATE, SHOP, grant, frozenset())
    made = order("Q1", PRIVATE, SHOP, CALLER, Request("SELECT 1"), grant, due, NOW)
    assert (made.buyer, made.organisation, made.dataset) == (buyer_id(CALLER), "widget-analytics", "shop")
    assert (made.rho, made.delta, made.amount, made.draws) == (due.rho, due.delta, due.price.amount, due.draws)
    allowance = made.allowance
    key = "grant/acme/customers.customer_id/widget-analytics/grant-1"
    assert (allowance.grant, allowance.rate_count, allowance.rate_seconds) == (key, 3, 60)
    assert (made.accounts[-1].key, made.accounts[-1].uses_limit) == (key, 7)
    assert made.accounts == accounts(SHOP, CALLER, grant, NOW)
    assert question(PRIVATE, CALLER) != question(PRIVATE, replace(CALLER, subject="bob"))
    facts = json.loads(made.facts)
    assert sum(map(D, facts["income_split"].values())) == made.amount
    assert (facts["buyer"], facts["grant"], facts["policy_version"]) == ("ana", "grant-1", "sha256:policy")


def test_neither_the_sql_nor_its_literals_are_in_what_billing_reads():
    sql = "SELECT COUNT(*) AS n FROM purchases WHERE basket = 'Oslo' AND quantity > 7654"
    made = planned(sql)
    asked = order("Q1", made, SHOP, CALLER, Request(sql), GRANT, cost(made, SHOP, GRANT, frozenset()), NOW)
    for secret in ("Oslo", "7654", "SELECT"):
        assert secret not in asked.facts


def test_a_grant_of_the_store_has_an_account_that_no_name_in_a_policy_makes():
    signed = replace(GRANT, name="G1", terms="sha256:d")
    named = replace(GRANT, name="G1")
    keys = {grant_key(SHOP, CALLER, grant) for grant in (signed, named, replace(signed, name="G2"))}
    assert len(keys) == 3
    assert all(within(key, SHOP.privacy.account) for key in keys)
    tricky = replace(GRANT, name="store%2FG1")  # no name in a policy holds a slash
    assert grant_key(SHOP, CALLER, tricky) not in keys


@pytest.mark.parametrize(("place", "recipient", "country"), [
    ("CN", None, None), ("cn ", None, None), ("SG", None, "SG"), ("sg", "sg", "SG"), (None, "US", "US"),
])  # fmt: skip
def test_what_crosses_a_border_is_the_recipients_country_unless_it_is_home(place, recipient, country):
    counted = replace(SHOP, compliance=replace(SHOP.compliance, cross_border=CrossBorder("CN", 100, 50)))
    caller, grant = replace(CALLER, jurisdiction=place), replace(GRANT, recipient_jurisdiction=recipient)
    asked, public = planned("SELECT COUNT(*) FROM purchases"), planned("SELECT COUNT(*) FROM calendar")
    found = crossing(asked, counted, caller, grant)
    assert (found and found.country) == country
    assert crossing(asked, SHOP, caller, grant) is None
    assert crossing(public, counted, caller, grant) is None
