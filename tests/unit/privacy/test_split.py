"""The split of a query's budget over its measurements: the worst error relative to declared sizes is smallest."""

from dataclasses import replace

import pytest
from support.measures import measure_of
from support.shop import SHOP, planned

from gateway.catalog.model import Accounting
from gateway.privacy.bounding import bound
from gateway.privacy.split import FLOOR, across

PURE = replace(SHOP, privacy=replace(SHOP.privacy, accounting=Accounting.PURE))
BY_GIFT = "SELECT gift, COUNT(*) AS n FROM purchases GROUP BY 1"
BY_QUARTER = "SELECT date_trunc('quarter', purchased_on) AS q, COUNT(*) AS n FROM purchases GROUP BY 1"
BY_DAY = "SELECT purchased_on, COUNT(*) AS n FROM purchases GROUP BY 1"
BY_BASKET = "SELECT basket, COUNT(*) AS n FROM purchases GROUP BY 1"


def shares(dataset, *queries, budget=10**12):
    bounded = [bound(measure_of(sql, None, dataset), dataset) for sql in queries]
    found = across(bounded, budget)
    assert sum(found.amounts) <= budget
    assert sum(found.amounts) >= budget * (1 - 1e-6)
    return bounded, [amount / budget for amount in found.amounts], found.why


def relative_error(one, share, power):
    """Closed form, up to what both have in common: noise of a count's norm over the declared rows of a cell."""
    norm = one.clips[0].levels[one.clips[0].expected].steps
    return norm / (one.declared_rows / one.cells) / share ** (1 / power)


@pytest.mark.parametrize(("dataset", "power"), [(SHOP, 2), (PURE, 1)])
def test_equal_relative_errors_are_the_least_worst_one(dataset, power):
    (few, many), found, why = shares(dataset, BY_GIFT, BY_QUARTER)
    assert few.cells < many.cells
    assert FLOOR / 2 < found[0] < found[1]
    errors = [relative_error(one, share, power) for one, share in zip((few, many), found, strict=True)]
    assert errors[0] == pytest.approx(errors[1], rel=1e-6)
    assert all("worst error" in text for text in why)


def test_a_total_beside_many_cells_does_not_starve():
    _, found, _ = shares(SHOP, "SELECT COUNT(*) AS n FROM purchases", BY_DAY)
    # a tenth of an equal share, of what both ask for together
    assert found[0] == pytest.approx(float(FLOOR / 2) / (1 + float(FLOOR / 2)), rel=1e-3)


def test_beside_private_keys_shares_are_equal_and_it_says_so():
    _, found, why = shares(SHOP, BY_BASKET, BY_DAY, BY_GIFT)
    assert found == pytest.approx([1 / 3] * 3)
    assert all("equal share" in text and "private keys" in text for text in why)


def test_one_measurement_has_all_and_nothing_to_explain():
    _, found, why = shares(SHOP, BY_GIFT)
    assert (found, why) == ([1.0], ("",))


def test_the_same_question_has_the_same_split():
    assert shares(SHOP, BY_GIFT, BY_DAY)[1] == shares(SHOP, BY_GIFT, BY_DAY)[1]


def test_a_query_s_grouping_sets_are_split_and_the_quote_gives_the_reason():
    sets = "SELECT gift, purchased_on, COUNT(*) AS n FROM purchases GROUP BY ROLLUP (gift, purchased_on)"
    program = planned(sets).program
    by_cells = sorted(program.measurements, key=lambda one: one.cells)
    assert len({one.cells for one in by_cells}) == 3
    assert by_cells[0].rho == pytest.approx(by_cells[1].rho, rel=1e-6)  # both have the least share
    assert by_cells[2].rho > 0.8 * sum(one.rho for one in by_cells)
    assert all("of the budget" in one.reasons[0] for one in by_cells)
