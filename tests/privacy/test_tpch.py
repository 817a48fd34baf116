"""TPC-H as published: each query is answered, read from public tables, staged, or refused for the right reason."""

import math
import re
from collections import Counter
from decimal import Decimal

import duckdb
import pytest
from support import tpch
from support.answers import answered
from support.thinning import one_in

from gateway.engines.post import PostProcessor
from gateway.errors import GatewayError
from gateway.privacy.measurement import Derived, Measurement, PublicRead

PRIVATE = ("01", "04", "05", "06", "07", "08", "09", "12", "13", "14", "15", "19", "21", "22")
PUBLIC = ("02", "11", "16")
STAGED = ("17", "20", "22")
REFUSED = {"03": "per_owner_aggregate", "10": "unit_key_released", "18": "unit_key_released"}
HUGE = "1000000000"

KEYS = {"01": 2, "04": 1, "05": 1, "06": 0, "07": 3, "08": 1, "09": 2, "12": 1, "13": 1, "14": 0, "15": 4, "17": 0,
        "19": 0, "20": 2, "21": 1, "22": 1}  # fmt: skip
"""How many leading columns of a private answer are keys (Q5, Q13, Q15 and Q20 name theirs first as well)."""


def test_the_page_says_what_is_planned():
    page = (tpch.ROOT / "docs" / "tpch.md").read_text()
    said = {
        int(number): (outcome, why)
        for number, outcome, why in re.findall(r"^\| (\d+) \| (\w+) \| (.*) \|$", page, re.MULTILINE)
    }
    found = {int(name): _outcome(name) for name in tpch.QUERIES}
    assert {number: outcome for number, (outcome, _) in said.items()} == {
        n: outcome for n, (outcome, _) in found.items()
    }
    for number, (_, code) in found.items():
        assert code is None or f"`{code}`" in said[number][1]


def _outcome(name: str) -> tuple[str, str | None]:
    try:
        steps = tpch.planned(tpch.QUERIES[name], tpch.dataset("0.01")).program.steps
    except GatewayError as refusal:
        return "refused", refusal.code
    if any(isinstance(step, Derived) for step in steps):
        return "staged", None
    return ("private" if any(isinstance(step, Measurement) for step in steps) else "public"), None


@pytest.mark.parametrize("name", REFUSED)
def test_rows_of_one_customer_each_are_refused(name):
    with pytest.raises(GatewayError) as refusal:
        tpch.planned(tpch.QUERIES[name], tpch.dataset("0.01"))
    assert refusal.value.code == REFUSED[name]
    assert refusal.value.hint


@pytest.mark.parametrize("name", PUBLIC)
def test_public_tables_alone_are_read_by_the_engine_and_cost_no_privacy(name):
    made = tpch.planned(tpch.QUERIES[name], tpch.dataset("0.01"))
    assert [type(step) for step in made.program.steps] == [PublicRead]
    assert (made.rho, made.delta) == (0, 0)
    ours = [tuple(row) for row in _answer(made, "0.01").rows]
    plain = _plain(tpch.QUERIES[name], "0.01")
    assert Counter(map(_texts, ours)) == Counter(map(_texts, plain))


@pytest.mark.parametrize("name", PRIVATE)
def test_private_queries_are_measured(name):
    made = tpch.planned(tpch.QUERIES[name], tpch.dataset("0.01"))
    assert any(isinstance(step, Measurement) for step in made.program.steps)
    assert made.rho > 0
    assert (name in STAGED) == (sum(isinstance(s, Measurement) for s in made.program.steps) > 1)


def test_a_stage_is_charged_with_the_rest_before_it_runs():
    made = tpch.planned(tpch.QUERIES["17"], tpch.dataset("0.01"))
    first, between, last = made.program.steps
    assert isinstance(first, Measurement)
    assert isinstance(between, Derived)
    assert isinstance(last, Measurement)
    assert made.rho == first.rho + last.rho
    assert made.rho <= 500_000_000_000  # epsilon 1 buys rho 1/2


def test_more_cells_than_the_policy_allows_are_refused_before_the_charge():
    with pytest.raises(GatewayError) as refusal:
        tpch.planned(tpch.QUERIES["20"], tpch.dataset("0.01", max_cells=1_000))
    assert refusal.value.code == "too_many_cells"


@pytest.mark.parametrize("name", one_in(2, sorted({*PRIVATE, *STAGED})))
def test_at_a_huge_budget_answers_equal_plain_sql(name):
    _compare(name, "0.01")


@pytest.mark.long
@pytest.mark.parametrize("name", sorted({*PRIVATE, *STAGED}))
def test_at_a_huge_budget_answers_equal_plain_sql_at_scale_factor_a_tenth(name):
    _compare(name, "0.1")


def _compare(name: str, scale: str) -> None:
    made = tpch.planned(tpch.QUERIES[name], tpch.dataset(scale), HUGE)
    ours, plain = _answer(made, scale).rows, _plain(tpch.QUERIES[name], scale)
    keys = KEYS[name]
    expected = {_texts(row[:keys]): row[keys:] for row in plain}
    found = {_texts(row[:keys]): row[keys:] for row in ours}
    assert len(expected) == len(plain)
    below = max((m.selection.threshold + 1 for m in made.program.measurements if m.selection is not None), default=0)
    for key in expected.keys() - found.keys():  # private keys of too few people
        assert expected[key][0] <= below
    for key, values in found.items():
        if key in expected:
            for mine, theirs in zip(values, expected[key], strict=True):
                assert _close(mine, theirs), (key, mine, theirs)
        else:  # a public cell that plain SQL does not have: nothing is in it
            assert all(value is None or abs(float(value)) < 1 for value in values), (key, values)


def _answer(made, scale):
    with duckdb.connect(str(tpch.database(scale)), read_only=True) as connection:
        return answered(connection, made, post=PostProcessor())


def _plain(sql, scale):
    with duckdb.connect(str(tpch.database(scale)), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def _close(mine, theirs) -> bool:
    if theirs is None or mine is None:
        return mine is None or (theirs is None and abs(float(mine)) < 0.1)
    if isinstance(theirs, str):
        return mine == theirs
    return math.isclose(float(mine), float(theirs), rel_tol=1e-6, abs_tol=1e-3)


def _texts(row) -> tuple[str, ...]:
    return tuple(f"{Decimal(str(cell)):.6f}" if _numeric(cell) else str(cell) for cell in row)


def _numeric(cell) -> bool:
    if isinstance(cell, bool) or cell is None:
        return False
    if isinstance(cell, int | float | Decimal):
        return True
    try:
        Decimal(cell)
    except (ArithmeticError, ValueError, TypeError):
        return False
    return True
