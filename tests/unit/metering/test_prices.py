"""Prices are exact, rounded once, and split without a remainder."""

from dataclasses import replace
from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.shop import PLAN

from gateway.catalog.model import DataClass
from gateway.metering.prices import price, smallest_unit, split


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
     ("0.0015", "BHD", "0.002"), ("0.0015", "TND", "0.002"), ("1.5", "KRW", "2"), ("1.5", "XOF", "2")],
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
