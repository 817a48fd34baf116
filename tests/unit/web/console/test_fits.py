"""A fitted model as rows of a plot: where dots, bars and zero lie, and to which digit a number is written."""

import pytest

from gateway.web.console.fits import MOST_ROWS, groups, row

COEFFICIENTS = [
    {"name": "(intercept)", "estimate": 100.0, "low": 50.0, "high": 150.0},
    {"name": "quantity", "estimate": -0.02, "low": -0.04, "high": 0.0},
    {"name": "hidden", "estimate": 3.0, "low": None, "high": None},
]


def test_coefficients_have_a_scale_each_and_zero_in_one_line():
    (found,) = groups({"coefficients": COEFFICIENTS})
    assert found.own
    assert [one.zero for one in found.rows] == [50.0, 50.0, 50.0]
    intercept, quantity, hidden = found.rows
    assert intercept.marks == pytest.approx((50 + 46 / 3, 50 + 92 / 3, 96), abs=0.01)
    assert quantity.marks == pytest.approx((4, 27, 50), abs=0.01)
    assert (hidden.marks, hidden.low, hidden.estimate) == (None, None, 3.0)  # noise hides it


def test_counts_have_one_scale_from_zero():
    cells = [{"values": ["a", None], "estimate": 50, "low": 40, "high": 60},
             {"values": ["b", 1], "estimate": 5, "low": -10, "high": 20}]  # fmt: skip
    margin = [{"value": None, **cells[0]}]
    found = groups({"cells": cells, "margins": {"x": margin, "y": margin}, "total": cells[0]})
    assert [(one.word, one.about) for one in found] == [
        ("cells", ""),
        ("margins", "x"),
        ("margins", "y"),
        ("total", ""),
    ]
    assert not any(one.own for one in found)
    assert len(groups({"cells": cells, "margins": {"x": margin}})) == 1  # the same figures again
    assert [one.name for one in found[0].rows] == ["a \N{MIDDLE DOT} NULL", "b \N{MIDDLE DOT} 1"]
    assert {one.zero for one in found[0].rows} == {round(4 + 92 * 10 / 70, 2)}
    assert found[0].rows[1].marks == pytest.approx((4, 4 + 92 * 15 / 70, 4 + 92 * 30 / 70), abs=0.01)


def test_correlations_lie_between_minus_one_and_one():
    pair = {"row": "a", "column": "b"}
    (found,) = groups({"correlation": [{**pair, "estimate": 0.5}, {**pair, "estimate": None}]})
    assert found.rows[0].name == "a \N{MULTIPLICATION SIGN} b"
    assert (found.rows[0].zero, found.rows[0].marks) == (50.0, (73.0, 73.0, 73.0))
    assert found.rows[0].shown[1] == "0.500"
    assert found.rows[1].marks is None


@pytest.mark.parametrize(("low", "high", "shown"), [
    (1.2345, 1.2365, ("1.2345", "1.2355", "1.2365")), (-1234.5, 1265.5, ("\N{MINUS SIGN}1,200", "0", "1,300")),
    (0.5, 0.5, ("0.5", "0.5", "0.5")), (-0.26, 0.26, ("\N{MINUS SIGN}0.26", "0.00", "0.26")),
    (64.0, 68.0, ("64", "66", "68")),
])  # fmt: skip
def test_a_number_is_written_to_the_second_digit_of_its_half_width(low, high, shown):
    assert row({"name": "x", "estimate": (low + high) / 2, "low": low, "high": high}).shown == shown


def test_nothing_that_cannot_be_drawn_is_drawn_and_long_tables_are_cut():
    odd = row({"name": "x", "estimate": float("nan"), "low": float("-inf"), "high": float("inf")})
    assert (odd.marks, odd.estimate, odd.low) == (None, None, None)
    every = [{"values": [at], "estimate": 1, "low": 0, "high": 2} for at in range(MOST_ROWS + 1)]
    (found,) = groups({"cells": every})
    assert (len(found.rows), found.of) == (MOST_ROWS, MOST_ROWS + 1)
    assert groups({"coefficients": []}) == []
