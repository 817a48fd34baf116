"""Trees: levels, least squares, the noise of prefixes, and what is read of them."""

import numpy as np
import pytest

from gateway.privacy import trees
from gateway.privacy.measurement import SCORES, Tree
from gateway.privacy.trees import TreePart, levels_of, planned_leaves, resolution

MIDDLE = SCORES.index(0.0)


def tree(leaves=300, *, fine=None, width=1, queries=("cont:1/2",), step="1", lower=0):
    fine = fine or leaves
    return Tree(lower, lower + fine * width - 1, step, fine, width, leaves, 16, queries)


def test_levels_end_at_no_more_than_the_fanout():
    assert levels_of(10) == (10,)
    assert levels_of(16) == (16,)
    assert levels_of(17) == (2, 17)
    assert levels_of(65_536) == (16, 256, 4096, 65_536)


def test_leaves_are_joined_before_levels_are_made():
    counts = np.arange(600).reshape(2, 300)
    found = trees.levels(counts, tree(19, fine=300))
    assert [level.shape for level in found] == [(2, 2), (2, 19)]
    assert found[1][0, 0] == sum(range(16))
    assert found[1][0, 18] == sum(range(288, 300))
    assert [level.sum() for level in found] == [counts.sum()] * 2


def test_without_noise_least_squares_changes_nothing():
    counts = np.random.default_rng(1).integers(0, 50, (3, 300)).astype(float)
    settled, variances = trees.consistent(trees.levels(counts, tree()), 16)
    assert np.allclose(settled, counts)
    assert len(variances) == 3
    assert variances[-1] == 1.0
    assert all(0.9 < v < 1 for v in variances[:-1])  # a node is weighed with its children: a little better than alone


def test_least_squares_are_least_squares():
    """The consistent leaves of a small tree are those that numpy's own solver finds."""
    draw = np.random.default_rng(2)
    noisy = [draw.normal(10, 3, (1, 2)), draw.normal(1, 3, (1, 32))]
    settled, _ = trees.consistent(noisy, 16)
    sums = np.kron(np.eye(2), np.ones(16))
    wanted, *_ = np.linalg.lstsq(np.vstack([sums, np.eye(32)]), np.concatenate([noisy[0][0], noisy[1][0]]), rcond=None)
    assert np.allclose(settled[0], wanted)


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.5, 1.0])
def test_the_noise_of_prefixes_is_what_is_said(fraction):
    draw, one = np.random.default_rng(3), tree(256)
    noisy = [draw.normal(0, 1, (20_000, size)) for size in levels_of(256)]
    settled, variances = trees.consistent(noisy, 16)
    prefixes = np.cumsum(settled, axis=1)
    errors = prefixes - fraction * prefixes[:, -1:]
    said = trees.prefix_deviations(one, variances, fraction)
    for leaf in (0, 7, 15, 100, 127, 200, 254):
        assert errors[:, leaf].std() == pytest.approx(said[leaf], rel=0.03)


def read(one, counts, deviation=1e-9):
    counts = np.array(counts, dtype=float)
    settled, variances = trees.consistent(trees.levels(counts, one), one.fanout)
    return trees.read(one, settled, variances, deviation)


def spread(values, leaves, width=1):
    counts = np.zeros((1, leaves))
    for value in values:
        counts[0, value // width] += 1
    return counts


@pytest.mark.parametrize("size", [1, 2, 5, 101])
def test_exact_leaves_give_exact_quantiles(size):
    values = np.sort(np.random.default_rng(size).integers(0, 300, size))
    queries = ("cont:1/2", "cont:9/10", "disc:1/2", "disc:1/4", "cont:0", "cont:1", "min", "max")
    found = [curves[0][MIDDLE] for curves in read(tree(queries=queries), spread(values, 300))]
    kinds = [
        (0.5, "linear"),
        (0.9, "linear"),
        (0.5, "inverted_cdf"),
        (0.25, "inverted_cdf"),
        (0, "linear"),
        (1, "linear"),
    ]
    wanted = [np.quantile(values, q, method=m) for q, m in kinds] + [values[0], values[-1]]
    assert found == pytest.approx(wanted)


def test_wide_leaves_are_read_between_their_ends():
    values = np.arange(0, 4800)
    one = tree(300, width=16, queries=("cont:1/2", "disc:1/10", "min", "max"))
    median, tenth, least, most = (curves[0] for curves in read(one, spread(values, 300, 16)))
    assert median[MIDDLE] == pytest.approx(2400, abs=2)
    assert tenth[MIDDLE] == pytest.approx(480, abs=2)
    assert (least[MIDDLE], most[MIDDLE]) == (0, 4799)
    assert median[SCORES.index(2.0)] - median[SCORES.index(-2.0)] < 1  # there is no noise, and so no interval
    assert resolution(one) == 16
    assert resolution(tree(300, width=1, queries=("min",))) is None


def test_what_lies_between_full_leaves_is_empty():
    """Values stand in leaves 100 and 200 alone: no quantile lies between or before them."""
    values = [1600 + i % 16 for i in range(500)] + [3200 + i % 16 for i in range(500)]
    one = tree(300, width=16, queries=("cont:1/100", "cont:49/100", "cont:51/100"))
    found = [curves[0][MIDDLE] for curves in read(one, spread(values, 300, 16))]
    assert 1600 <= found[0] < found[1] <= 1616
    assert 3200 <= found[2] <= 3216


def test_a_little_noise_moves_no_rank():
    values = list(range(0, 300, 3))
    counts = spread(values, 300) + np.random.default_rng(4).normal(0, 1e-4, (1, 300))
    one = tree(queries=("disc:1/4", "cont:1/2", "disc:1"))
    found = [curves[0][MIDDLE] for curves in read(one, counts, 1e-4)]
    assert found == pytest.approx([72, 148.5, 297], abs=0.01)


def test_an_empty_cell_has_no_quantile():
    assert read(tree(queries=("cont:1/2", "min", "max")), np.zeros((2, 300))) == [[None, None]] * 3


def test_steps_and_bounds():
    one = tree(300, lower=-100, step="0.01", queries=("max", "cont:1/2"))
    most, median = (curves[0][MIDDLE] for curves in read(one, spread([0, 7, 299], 300)))
    assert most == pytest.approx(1.99)
    assert median == pytest.approx(-0.93)


def test_noise_does_not_make_a_least_value_of_nothing():
    """Far below the data there is noise alone: the least value stays near where the data begin."""
    draw, one = np.random.default_rng(5), tree(4096, queries=("min", "max"))
    counts = np.zeros((40, 4096))
    counts[:, 2000:2100] = 100
    noisy = [level + draw.normal(0, 5, level.shape) for level in trees.levels(counts, one)]
    settled, variances = trees.consistent(noisy, 16)
    least, most = ([curve[MIDDLE] for curve in curves] for curves in trees.read(one, settled, variances, 5.0))
    assert sum(1990 <= value <= 2010 for value in least) >= 36
    assert sum(2090 <= value <= 2110 for value in most) >= 36


def test_leaves_follow_what_can_be_told_apart():
    part = TreePart(None, 0, 65_535, 1, 1, 65_536)
    assert planned_leaves(part, 1, 1_000_000, 1.0) == 65_536
    assert planned_leaves(part, 1, 1_000_000, 500.0) == 4_096
    assert planned_leaves(part, 1, 1_000, 1_000.0) == 16
    assert planned_leaves(part, 900, 1_000_000, 1.0) == 256  # not more nodes than can be noised
    assert planned_leaves(TreePart(None, 0, 9, 1, 1, 10), 1, 1e6, 1.0) == 10
