"""One unit more or less never moves a measurement by more than its claimed bounds, whatever that unit's rows hold."""

import re

import pytest
from support.constructs import CONSTRUCTS
from support.neighbours import exact, fresh_pair, pair, shuffle, violations
from support.queries import ANSWERED
from support.shop import planned


@pytest.mark.parametrize("name", ANSWERED)
def test_every_answered_construct(name):
    made = planned(ANSWERED[name])
    for seed in range(2):
        assert violations(made, *pair(seed)) == []


@pytest.mark.parametrize("name", CONSTRUCTS)
def test_every_construct_of_relations_and_measures(name):
    made = planned(CONSTRUCTS[name])
    for seed in range(1):
        assert violations(made, *pair(seed)) == []


def test_physical_order_and_threads_change_nothing():
    without, _ = fresh_pair(4)
    for name in ("private_and_public_key", "join_chain", "average_by_boolean", "sum_float"):
        measurement = planned(ANSWERED[name]).program.measurements[0]
        before = [sorted(map(repr, probe.table.to_pylist())) for probe in exact(without, measurement)]
        shuffle(without, 17)
        without.execute("SET threads = 3")
        after = [sorted(map(repr, probe.table.to_pylist())) for probe in exact(without, measurement)]
        assert before == after


def without_clamp(sql: str) -> str:
    """Plant a bug: what one person adds to a cell is not clamped."""
    sql = re.sub(r"WHEN p0 > \d+ THEN \d+", "WHEN FALSE THEN 0", sql)
    return re.sub(r"WHEN p0 < -?\d+ THEN -?\d+", "WHEN FALSE THEN 0", sql)


def test_the_harness_sees_a_missing_clamp():
    # a count whose policy is close has its clamp alone; where bounds are searched, the norm would hold it as well
    made = planned("SELECT COUNT(*) AS n FROM purchases")
    sql = made.program.measurements[0].probes[0].sql
    assert without_clamp(sql) != sql
    broken = (text for seed in range(8) for text in violations(made, *pair(seed), without_clamp))
    assert any("Linf" in text or "L2" in text for text in broken)
    assert violations(made, *pair(2)) == []


def test_the_harness_sees_a_missing_group_bound():
    made = planned(ANSWERED["private_key"])
    assert made.program.measurements[0].groups == 6
    wide = (violations(made, *pair(seed), lambda sql: sql.replace("pick <= 6", "pick <= 600")) for seed in range(8))
    assert any("L0" in text for broken in wide for text in broken)


def test_plan_and_charge_do_not_depend_on_data():
    # the planner never sees data: planning twice gives the same value, digests and all
    assert planned(ANSWERED["join_chain"]) == planned(ANSWERED["join_chain"])


def test_a_key_that_is_null_against_its_claim_is_no_cell():
    # found by generation: a boolean over a column that is NULL though declared never to be
    made = planned("SELECT p.quantity > 3 AS k, COUNT(*) FILTER (WHERE p.gift) AS n FROM purchases p GROUP BY 1")
    assert [violations(made, *pair(seed)) for seed in range(8)] == [[]] * 8
