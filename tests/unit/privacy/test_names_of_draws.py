"""A draw's name holds all that decides it: one name is one noisy value, so nothing that changes the value may miss."""

from dataclasses import replace
from decimal import Decimal as D

import pytest
from support.queries import ANSWERED
from support.shop import SHOP, planned


def digests(sql, dataset=SHOP, epsilon=None):
    made = planned(sql, dataset=dataset, epsilon=epsilon)
    return {p.digest for m in made.program.measurements for p in m.primitives}


def shop(table, **known):
    return replace(SHOP, tables=tuple(replace(t, **known) if t.name == table else t for t in SHOP.tables))


def column(table, name, **known):
    columns = next(t.columns for t in SHOP.tables if t.name == table)
    return shop(table, columns=tuple(replace(c, **known) if c.name == name else c for c in columns))


def privacy(**known):
    return replace(SHOP, privacy=replace(SHOP.privacy, **known))


PUBLIC, PRIVATE = ANSWERED["count_by_month"], ANSWERED["private_key"]
COHORTS = "SELECT cohort, COUNT(*) AS n FROM customers GROUP BY cohort"

CHANGES = {
    "the data's version": (PUBLIC, replace(SHOP, data_version="2026-11-25.1")),
    "the policy's version": (PUBLIC, replace(SHOP, policy_version="sha256:other")),
    "the dataset": (PUBLIC, replace(SHOP, name="another")),
    "the values of a key": (COHORTS, column("customers", "cohort", values=("1997-01", "1997-02", "1997-04"))),
    "the order of a key's values": (COHORTS, column("customers", "cohort", values=("1997-02", "1997-01", "1997-03"))),
    "the cells of one person": (PRIVATE, shop("purchases", per_unit_groups=5)),
    "the rows of one person": (ANSWERED["count"], shop("purchases", per_unit_rows=7)),
    "the least of people in a cell": (PRIVATE, privacy(min_units=11)),
    "the bounds of a sum": (ANSWERED["sum_float"], column("purchases", "score", bounds=(D(0), D(2)))),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_decides_a_draw_is_in_its_name(name):
    sql, dataset = CHANGES[name]
    assert digests(sql).isdisjoint(digests(sql, dataset))


@pytest.mark.parametrize("sql", [PUBLIC, PRIVATE])
def test_so_is_the_noise_that_it_is_drawn_with(sql):
    assert digests(sql, epsilon=D("0.2")).isdisjoint(digests(sql, epsilon=D("0.3")))


def test_the_keys_that_a_threshold_releases_name_what_is_drawn_over_them():
    """The other measures of private keys are drawn over the keys that one noisy count has chosen."""
    alone = "SELECT basket, COUNT(*) AS n, SUM(quantity) AS s FROM purchases GROUP BY basket"
    (one,) = planned(alone).program.measurements
    (other,) = planned(alone, dataset=privacy(min_units=11)).program.measurements
    assert [p.candidates for p in one.primitives] == [p.candidates for p in other.primitives]
    assert not {p.digest for p in one.primitives} & {p.digest for p in other.primitives}


def test_what_decides_nothing_is_not_in_it():
    aliased = "SELECT date_trunc('month', q.purchased_on) AS other, COUNT(*) AS many FROM purchases q GROUP BY 1"
    assert digests(PUBLIC) == digests(aliased)
