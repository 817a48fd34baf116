"""Prices are exact, rounded once, and split without a remainder."""

from dataclasses import replace
from decimal import Decimal as D
from fractions import Fraction as F

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.shop import PLAN

from gateway.catalog.model import DataClass
from gateway.metering.prices import apportion, count_units, price, reprice, smallest_unit, split


def test_each_part_of_a_price():
    # 0.50 + 20 * 0.1 * 2 (important) + 0.10 * 2.5 million rows
    found = price(PLAN, epsilon=D("0.1"), data_class=DataClass.IMPORTANT, declared_rows=2_500_000)
    assert found.amount == D("4.75")
    assert (found.currency, found.plan, found.version) == ("CNY", "standard", "sha256:plan")
    assert found.units["epsilon"] == "0.1"
    assert D(found.units["million_rows"]) == D("2.5")
    assert found.units["class_factor"] == "2"


@pytest.mark.parametrize(
    ("exact", "currency", "amount"),
    [("0.125", "CNY", "0.12"), ("0.135", "CNY", "0.14"), ("0.5", "JPY", "0"), ("1.5", "JPY", "2"), ("0.0005", "KWD", "0.000"), ("0.0015", "KWD", "0.002"),
     ("0.0015", "BHD", "0.002"), ("0.0015", "TND", "0.002"), ("1.5", "KRW", "2"), ("1.5", "XOF", "2"), ("2.5", "RWF", "2"),
     ("0.00015", "CLF", "0.0002")],
)  # fmt: skip
def test_halves_go_to_the_even_smallest_unit(exact, currency, amount):
    plan = replace(PLAN, per_query=D(exact), per_epsilon=D(0), per_million_rows=D(0), currency=currency)
    found = price(plan, epsilon=D(1), data_class=DataClass.GENERAL, declared_rows=0)
    assert f"{found.amount:f}" == amount


def test_without_a_plan_nothing_is_charged():
    found = price(None, epsilon=D(1), data_class=DataClass.CORE, declared_rows=10**9)
    assert (found.amount, found.plan) == (0, None)


SHARES = st.lists(st.integers(1, 100), min_size=1, max_size=5).map(
    lambda weights: {f"payee{i}": D(w) / sum(weights) for i, w in enumerate(weights)}
)


@given(st.integers(0, 10**9), SHARES, st.sampled_from(("CNY", "JPY", "KWD")))
def test_the_parts_sum_to_the_amount_and_none_is_off_by_a_unit(count, shares, currency):
    unit = smallest_unit(currency)
    amount = count * unit
    parts = split(amount, shares, currency)
    assert sum(parts.values()) == amount
    for payee, part in parts.items():
        assert part % unit == 0
        assert abs(part - amount * shares[payee]) < unit + D("1e-12")


def test_what_is_left_over_goes_to_the_largest_remainder():
    # seven cents: 0.7, 3.15 and 3.15 of them
    shares = {"a": D("0.45"), "b": D("0.45"), "c": D("0.10")}
    assert split(D("0.07"), shares, "CNY") == {"a": D("0.03"), "b": D("0.03"), "c": D("0.01")}


PLANS = st.builds(
    replace,
    st.just(PLAN),
    currency=st.sampled_from(("CNY", "JPY", "KWD")),
    per_query=st.decimals(0, 10**6, places=6),
    per_epsilon=st.decimals(0, 10**6, places=12),
    per_million_rows=st.decimals(0, 10**6, places=6),
    minimum=st.sampled_from((D(0), D("0.01"), D("7.125"))),
    class_factor=st.sampled_from(((), ((DataClass.GENERAL, D("0.1")), (DataClass.IMPORTANT, D("3.7"))))),
)


@given(PLANS, st.decimals("1e-12", 10**6, places=12), st.sampled_from(DataClass), st.integers(0, 10**13))
def test_a_price_is_the_exact_sum_rounded_once(plan, epsilon, data_class, rows):
    found = price(plan, epsilon=epsilon, data_class=data_class, declared_rows=rows)
    factor = F(dict(plan.class_factor).get(data_class, D(1)))
    exact = F(plan.per_query) + F(plan.per_epsilon) * F(epsilon) * factor + F(plan.per_million_rows) * F(rows, 10**6)
    exact = max(exact, F(plan.minimum))
    unit = F(smallest_unit(plan.currency))
    off = abs(F(found.amount) - exact)
    assert F(found.amount) % unit == 0
    assert off < unit / 2 or (off == unit / 2 and (F(found.amount) / unit) % 2 == 0)
    assert reprice(plan, found.units) == found.amount, "what was counted is all that the price needs"


def test_a_minimum_is_the_least_that_is_charged():
    plan = replace(PLAN, per_query=D("0.10"), per_epsilon=D(0), minimum=D("0.75"))
    asked = {"epsilon": D("0.1"), "data_class": DataClass.GENERAL, "declared_rows": 0}
    assert price(plan, **asked).amount == D("0.75")
    assert price(replace(plan, per_query=D("0.80")), **asked).amount == D("0.80")


def test_what_no_plan_charges_for_is_counted_all_the_same():
    found = price(None, epsilon=D("0.3"), data_class=DataClass.IMPORTANT, declared_rows=1_500_000)
    # what-if: 0.50 + 20 * 0.3 * 2 + 0.10 * 1.5
    assert reprice(PLAN, found.units) == D("12.65")


@given(st.integers(0, 10**6), st.lists(st.integers(0, 50), min_size=1, max_size=6).filter(any))
def test_largest_remainders_are_within_their_quotas(total, weights):
    named = {f"p{number}": F(weight) for number, weight in enumerate(weights)}
    parts = apportion(total, named)
    assert sum(parts.values()) == total
    for name, weight in named.items():
        quota = total * weight / sum(named.values())
        assert quota - 1 < parts[name] < quota + 1
    assert apportion(total, {"nobody": F(0)}) == {}


def test_no_part_of_a_smallest_unit_is_counted():
    assert count_units(D("1.5"), "CNY") == 150
    with pytest.raises(ValueError, match="smallest"):
        count_units(D("1.505"), "CNY")
