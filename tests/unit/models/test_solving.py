"""A noisy system's deviations are those of its solution: many draws of known noise, without an engine."""

import numpy as np
import pytest

from gateway.models.elimination import entry
from gateway.models.solving import CLEAR, Solution, solve
from gateway.models.sums import Sums, score

DRAWS = 1_500


def system(features, seed):
    """Return the Gram matrix and the right side of rows within [-1, 1], and their solution."""
    draw = np.random.Generator(np.random.PCG64(seed))
    z = np.column_stack([np.ones(2_000), draw.uniform(-1, 1, (2_000, features))])
    z[:, -1] = 0.6 * z[:, -1] + 0.3 * z[:, 1] + 0.1
    y = z @ draw.normal(size=features + 1) + draw.normal(size=2_000)
    return z.T @ z, z.T @ y, np.linalg.solve(z.T @ z, z.T @ y)


def drawn(a, r, spread, draw) -> Solution:
    """Return the solution of one noisy system, whose entries have all the same noise."""
    size = len(r)
    values, deviations = {}, {}
    for i in range(size):
        for j in range(i, size):
            values[entry("m", i, j)] = float(a[i, j] + spread * draw.normal())
        values[f"t{i}"] = float(r[i] + spread * draw.normal())
    deviations = dict.fromkeys(values, spread)
    return solve(Sums(values, deviations), "m", range(size), [f"t{i}" for i in range(size)], np.zeros(size))


@pytest.mark.parametrize(("features", "times"), [(2, 1.3), (4, 5)])
def test_intervals_hold_the_solution_as_often_as_they_say(features, times):
    a, r, truth = system(features, features)
    spread = np.linalg.eigvalsh(a)[0] / (CLEAR * times) / (2 * np.sqrt(features + 1))
    draw = np.random.Generator(np.random.PCG64(7))
    found = [one for one in (drawn(a, r, spread, draw) for _ in range(DRAWS)) if one.clear]
    assert len(found) > DRAWS * 0.95
    held = np.mean([np.abs(one.unknowns - truth) <= score(0.95) * one.deviations for one in found], axis=0)
    # 1,500 draws of 95 % have a deviation of 0.56 %
    assert held.min() > 0.93
    assert held.max() < 0.97


def test_a_matrix_within_its_noise_is_not_clear():
    a, r, _ = system(2, 1)
    draw = np.random.Generator(np.random.PCG64(8))
    spread = np.linalg.eigvalsh(a)[0] / (CLEAR / 2) / (2 * np.sqrt(3))
    assert not any(drawn(a, r, spread, draw).clear for _ in range(100))


def test_a_singular_system_has_finite_unknowns():
    a = np.array([[4.0, 2.0, 2.0], [2.0, 3.0, 3.0], [2.0, 3.0, 3.0]])
    for spread in (0.0, 1e-12, 1e-3):
        found = drawn(a, np.array([1.0, 2.0, 2.0]), spread, np.random.Generator(np.random.PCG64(9)))
        assert not found.clear
        assert np.isfinite(found.unknowns).all()
        assert np.isfinite(found.moves).all()
