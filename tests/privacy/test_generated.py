"""Generated queries of every construct, nested: those that are accepted keep their claims, near-misses are refused.

`make test` goes through 25 accepted queries, in which every fourth construct has one of its own; the long programme
through 275 more of the same seeds, in which each has, and 10,000 others.
"""

from dataclasses import replace
from functools import cache

import pytest
from support.exactness import whole_database
from support.generated import CONSTRUCTS, FLAWS, query
from support.neighbours import pair, violations
from support.proof import Seen, broken
from support.shop import SHOP, planned

from gateway.catalog.model import Accounting
from gateway.engines.post import PostProcessor
from gateway.errors import CODES, GatewayError

ROUND, ROUNDS, PART = 4, 3, 25
"""Parts that together go round all constructs, how often, and the accepted queries of a part."""

SHORT = 1
"""How many parts `make test` goes through."""

PARTS = [pytest.param(part, marks=[pytest.mark.long] if part >= SHORT else []) for part in range(ROUND * ROUNDS)]


@cache
def whole():
    return whole_database()


@cache
def post():
    return PostProcessor()


def run(start: int, accepted: int) -> Seen:
    """Go through queries from a seed on until so many are accepted; every one of them keeps what is claimed."""
    seen, seed = Seen(), start
    while seen.accepted < accepted:
        assert broken(query(seed), pair(seed % 4), whole(), post(), seen) == []
        seed += 1
    return seen


def test_the_parts_of_a_round_hold_every_construct():
    assert len(CONSTRUCTS) < ROUND * PART


@pytest.mark.parametrize("part", PARTS)
def test_accepted_queries_keep_what_is_claimed(part):
    # parts lie side by side, so that together they go round all constructs
    seen = run(part * PART + part // ROUND, PART)
    assert seen.accepted / seen.tried > 0.8
    assert seen.compared > seen.accepted / 3


def _bounded(rows: int, base=SHOP):
    tables = tuple(t if t.public else replace(t, per_unit_rows=rows, per_unit_groups=rows) for t in base.tables)
    return replace(base, tables=tables)


PURE = replace(SHOP, privacy=replace(SHOP.privacy, accounting=Accounting.PURE))
OTHERS = (PURE, _bounded(1), _bounded(40, PURE), _bounded(40))
"""The same tables under pure accounting, and under bounds that are close and wide: other norms, searched and not."""


def under_others(seeds: range) -> int:
    """Plan each query under one of the other policies; return how many were accepted, all within their claims."""
    accepted = 0
    for seed in seeds:
        sql = query(seed).sql
        try:
            made = planned(sql, dataset=OTHERS[seed % 4])
        except GatewayError:
            continue
        accepted += 1
        assert violations(made, *pair((0, 2, 1)[seed % 3])) == [], sql
    return accepted


def test_other_policies_bound_as_well():
    assert under_others(range(500, 520)) >= 14


@pytest.mark.long
def test_other_policies_bound_a_thousand_as_well():
    assert under_others(range(50_000, 51_200)) >= 900


def test_every_construct_is_among_the_accepted():
    found: set[str] = set()
    for seed in range(2 * len(CONSTRUCTS)):
        if found >= set(CONSTRUCTS):
            break
        made = query(seed)
        if not made.used <= found:
            try:
                planned(made.sql)
            except GatewayError:
                continue
            found |= made.used
    assert found >= set(CONSTRUCTS)
    assert found <= set(CONSTRUCTS)


def refusals(flaw: str, seeds: range, most: int) -> int:
    """Put one flaw into queries that are accepted; each must be refused by its name. Return how many there were."""
    found = 0
    for seed in seeds:
        if found == most:
            break
        flawed = query(seed, flaw)
        if not flawed.flawed:
            continue
        try:
            planned(query(seed).sql)
        except GatewayError:
            continue
        with pytest.raises(GatewayError) as caught:
            planned(flawed.sql)
        assert caught.value.code == FLAWS[flaw], (flawed.sql, caught.value.detail)
        assert CODES[caught.value.code].status < 500
        assert caught.value.hint
        assert caught.value.position is not None
        found += 1
    return found


@pytest.mark.parametrize("flaw", FLAWS)
def test_one_thing_wrong_is_refused_by_name(flaw):
    assert refusals(flaw, range(60), 4) >= 3


@pytest.mark.long
@pytest.mark.parametrize("part", range(20))
def test_ten_thousand_accepted_queries(part):
    seen = run(1_000_000 * (part + 1), 500)
    assert seen.constructs >= set(CONSTRUCTS)
    assert len(seen.functions) > 90  # each part draws about a hundred of them
    assert seen.accepted / seen.tried > 0.8


@pytest.mark.long
@pytest.mark.parametrize("flaw", FLAWS)
def test_hundreds_of_near_misses(flaw):
    assert refusals(flaw, range(2_000, 3_000), 100) >= 80
