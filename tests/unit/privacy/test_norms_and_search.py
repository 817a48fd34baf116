"""Candidate bounds from declared figures, the choice among them, and the split of a budget."""

import math
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest
from support.measures import A, measure_of
from support.shop import SHOP

from gateway.privacy import norms
from gateway.privacy.bounding import bound
from gateway.privacy.measurement import Candidate, Noise, Primitive, Quantity, Search
from gateway.privacy.noise import stacked
from gateway.privacy.norms import WEIGHT, Reach, clip, level
from gateway.privacy.search import MISTAKES, choose, stands_out
from gateway.privacy.split import split


@pytest.mark.parametrize("noise", Noise)
@pytest.mark.parametrize("steps", [1.0, 1.5, 7.3, 500.0, 2.0**30, 3e14])
def test_a_level_claims_no_less_than_it_does(noise, steps):
    one = level(noise, steps)
    assert one.steps >= steps
    assert one.steps <= steps * 1.001
    assert WEIGHT * one.weight <= one.norm
    if noise is Noise.GAUSSIAN:  # what stays as it is lies within the norm, exactly
        assert one.reach * one.denominator**2 <= Fraction(one.norm) ** 2 < (one.reach + 1) * one.denominator**2
    else:
        assert one.reach * one.denominator <= one.norm < (one.reach + 1) * one.denominator


def test_norms_are_rounded_up():
    for l0, linf in ((2, 1), (3, 7), (10**6 + 1, 2**50)):
        assert Fraction(norms.norm(Noise.GAUSSIAN, l0, linf)) ** 2 >= l0 * linf * linf
        assert Fraction(norms.norm(Noise.LAPLACE, l0, linf)) >= l0 * linf
    assert norms.norm(Noise.LAPLACE, 3, 2**53 + 1) >= 3 * (2**53 + 1)


def test_vectors_side_by_side_have_no_less_a_norm():
    norms_ = [math.sqrt(k) for k in range(2, 200)]
    for times in (1, 3, 4):
        for one in norms_:
            exact = Fraction(one) * times
            assert exact <= Fraction(stacked(one, times)) <= exact * (1 + Fraction(1, 2**52))
    assert any(float(Fraction(one) * 3) < Fraction(one) * 3 for one in norms_)  # some of them are rounded up


def test_no_search_where_the_policy_is_close():
    close = clip(Noise.GAUSSIAN, Reach(4, 5, enforced=True, typical=4.0, touched=4))
    assert (len(close.levels), close.scaled, close.searched) == (1, False, False)
    assert close.levels[0].norm == 10
    # nothing but the norm holds a unit that may reach other cells as well
    opened = clip(Noise.GAUSSIAN, Reach(4, 5, enforced=False, typical=4.0, touched=4))
    assert (len(opened.levels), opened.scaled) == (1, True)
    assert opened.levels[0].steps == pytest.approx(10, rel=1e-3)


@pytest.mark.parametrize("widest", [20, 500, 10**6, 10**12])
def test_candidates_ascend_to_the_widest(widest):
    found = clip(Noise.GAUSSIAN, Reach(1, widest, enforced=True, typical=4.0, touched=1))
    steps = [one.steps for one in found.levels]
    assert steps == sorted(set(steps))
    assert len(steps) <= norms.MAX_CANDIDATES
    assert steps[-1] == pytest.approx(widest, rel=1e-3)
    assert found.fallback == len(steps) - 1
    assert steps[found.expected] >= 8 or found.expected == found.fallback


def test_candidates_lie_as_close_as_their_number_allows():
    for widest, apart in ((500, 2**0.25), (4_000, 2 ** (1 / 3)), (100_000, 2**0.5), (10**12, 2)):
        found = clip(Noise.GAUSSIAN, Reach(1, widest, enforced=True, typical=4.0, touched=1))
        steps = [one.steps for one in found.levels[:-1] if one.steps >= 2]
        # a bound is rounded up to what the engine counts exactly: by a thousandth at most
        assert [b / a for a, b in pairwise(steps)] == pytest.approx([apart] * (len(steps) - 1), rel=2e-3)


def test_no_candidate_holds_the_same_small_counts_as_the_one_below():
    found = clip(Noise.GAUSSIAN, Reach(1, 500, enforced=True, typical=4.0, touched=1))
    reached = [one.reach for one in found.levels]
    assert reached == sorted(set(reached))
    assert reached[:4] == [1, 2, 4, 5]  # squares of what lies between 1 and 2^(5/4), each once


def test_without_any_bound_the_fallback_is_fixed():
    found = clip(Noise.GAUSSIAN, Reach(1, 2**50, enforced=True, typical=1.0, touched=1, known=False, one=100))
    assert found.levels[found.fallback].steps == pytest.approx(4**9, rel=1e-3)  # the first above 1,024 in hundredths
    assert found.levels[-1].steps == pytest.approx(2**50, rel=1e-3)


def test_distinct_values_are_counted_whole():
    found = norms.distinct(Noise.GAUSSIAN, Reach(4, 1000, enforced=True, typical=4.0, touched=1))
    assert [one.reach for one in found.levels][-1] == 1000
    assert all(one.norm == 2 * one.reach and one.denominator == 1 for one in found.levels)
    assert norms.distinct(Noise.LAPLACE, Reach(4, 5, enforced=True, typical=4.0, touched=1)).levels[0].norm == 20


# -- the choice -----------------------------------------------------------------------------------------------------


def primitive(sizes=(1, 2, 4, 8, 16), deviation=5.0, spread=20.0, touched=1.0):
    """A count whose noise at a bound is `deviation` times that bound, and a histogram with this noise."""
    candidates = tuple(Candidate(float(size), size * deviation) for size in sizes)
    search = Search(1, spread, touched, fallback=3)
    return Primitive("p0", Quantity.ROWS, 0, 16, candidates, Noise.GAUSSIAN, search, 1, "", 1.0)


def test_the_choice_is_where_noise_and_clipping_balance():
    # 10,000 units need 2; the next bound would only add noise
    assert choose(primitive(), [30, 10_000, -15, 8, -30], 1) == 1
    # a thousand need 16: clipping them to 8 takes about 4,000 away, against noise of 80
    assert choose(primitive(), [30, 10_000, 0, 0, 1_000], 1) == 4
    # in ten thousand cells the same loss is shared out, and noise is what counts
    assert choose(primitive(), [30, 10_000, 0, 0, 1_000], 10_000) == 0


def test_one_bin_above_the_noise_by_chance_is_not_followed():
    assert choose(primitive(), [30, 10_000, 0, 0, 60], 1) == 1  # three deviations
    assert choose(primitive(), [30, 10_000, 0, 0, 100], 1) > 1  # five


def test_neighbours_stand_out_together():
    assert choose(primitive(), [0, 0, 10_000, 60, 60], 1) > 2


CLOSE = tuple(2 ** (k / 4) for k in range(21))


def test_where_candidates_lie_close_an_octave_stands_out_together():
    counts = [0] * 8 + [10_000] + [0] * 12
    tail = [*counts[:13], 45, 45, 45, 45, *counts[17:]]  # each of them two deviations, together four and a half
    assert choose(primitive(CLOSE), counts, 1) == 8
    assert choose(primitive(CLOSE), tail, 1) > 13
    assert choose(primitive(CLOSE), [*counts[:13], 45, *counts[14:]], 1) == 8  # one of them alone is chance


def test_an_octave_that_follows_without_a_gap_needs_less():
    counts = [0] * 8 + [10_000] + [0] * 12
    assert choose(primitive(CLOSE), [*counts[:9], 20, 20, 20, 20, *counts[13:]], 1) > 8
    assert choose(primitive(CLOSE), [*counts[:13], 20, 20, 20, 20, *counts[17:]], 1) == 8


@pytest.mark.parametrize(("noise", "chance"), [(Noise.GAUSSIAN, lambda t: math.erfc(t / math.sqrt(2)) / 2),
                                               (Noise.LAPLACE, lambda t: math.exp(-math.sqrt(2) * t) / 2)])  # fmt: skip
def test_an_empty_bin_seldom_stands_out_whatever_the_noise(noise, chance):
    for bins in (5, 40):
        assert bins * chance(stands_out(noise, bins)) == pytest.approx(MISTAKES)


def test_where_nothing_stands_out_the_fallback_holds():
    assert choose(primitive(), [30, -40, 20, 0, 10], 1) == 3
    assert choose(primitive(spread=1e-6), [0, 0, 0, 0, 0], 1) == 3


def test_one_unit_counts_where_there_is_no_noise():
    assert choose(primitive(deviation=1e-6, spread=1e-6), [9, 0, 0, 0, 1], 1) == 4


def test_denominators_do_not_matter():
    one = primitive()
    fine = replace(
        one, candidates=tuple(Candidate(c.norm * 2**k, c.scale * 2**k, 2**k) for k, c in enumerate(one.candidates))
    )
    for counts in ([30, 10_000, -15, 8, -30], [30, 10_000, 0, 0, 1_000]):
        assert choose(fine, counts, 1) == choose(one, counts, 1)


# -- the split ------------------------------------------------------------------------------------------------------


def shares(sql, calls=None, dataset=SHOP, budget=10**10):
    bounded = bound(measure_of(sql, calls, dataset), dataset)
    found = split(bounded, budget)
    assert sum(found) <= budget
    assert sum(found) > budget * (1 - 1e-6)
    return bounded, [share / budget for share in found]


def test_what_is_relatively_noisier_gets_more():
    _, found = shares("SELECT COUNT(DISTINCT customer_id) AS u, SUM(amount) AS s FROM purchases")
    assert found[1] > found[0]


def test_a_count_that_only_hides_cells_gets_a_tenth():
    bounded, found = shares("SELECT gift, SUM(amount) AS s FROM purchases GROUP BY 1")
    assert bounded.hidden_units
    assert found[bounded.units] == pytest.approx(0.1)


def test_no_primitive_starves():
    calls = [(A.VAR_POP, [0]), (A.COUNT_ROWS,), (A.QUANTILE_CONT, [0], "1/2")]
    _, found = shares("SELECT COUNT(amount) FROM purchases", calls)
    assert min(found) > 0.1 / len(found) / 2
    assert math.isclose(sum(found), 1, rel_tol=1e-6)
