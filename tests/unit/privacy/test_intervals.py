"""Error bars: closed forms of discrete noise, redrawn noise, and the interval that is made of a cell's redraws."""

import math
import random

import numpy as np
import pytest

from gateway.privacy.intervals import MAX_DRAWS, Redraws, Spread, draws_for, half_width, interval
from gateway.privacy.measurement import Noise, NoisyColumn


@pytest.mark.parametrize("scale", [0.3, 0.5, 0.8, 1.5, 3.0, 7.9, 8.1, 40.0])
@pytest.mark.parametrize("noise", Noise)
def test_a_closed_form_holds_95_percent_of_discrete_noise(scale, noise):
    reach = int(60 * scale) + 60
    points = np.arange(-reach, reach + 1)
    weight = np.exp(-(points**2) / (2 * scale**2)) if noise is Noise.GAUSSIAN else np.exp(-np.abs(points) / scale)
    width = half_width(scale, noise)
    held = weight[np.abs(points) <= math.ceil(width)].sum() / weight.sum()
    assert held >= 0.95
    short = weight[np.abs(points) <= math.ceil(width) - 1].sum() / weight.sum()
    assert short < 0.955


def test_no_noise_has_no_width():
    assert half_width(0.0) == 0.0


def test_draws_are_bounded_by_work():
    assert draws_for(1) == MAX_DRAWS
    assert draws_for(20_000) == 400
    assert draws_for(100_000) == 0


@pytest.mark.parametrize("noise", Noise)
def test_redrawn_integers_have_the_scale_of_their_noise(noise):
    column = NoisyColumn("p0", (0, 2**62, -(2**62)), 1000.0, noise)
    drawn = Redraws(3).integers(column, "d", 4000)
    assert drawn.shape == (4001, 3)
    assert list(drawn[0]) == [0, 2**62, -(2**62)]  # as released
    spread = np.std(drawn[1:, 0])
    assert spread == pytest.approx(1000.0 * (1 if noise is Noise.GAUSSIAN else math.sqrt(2)), rel=0.05)
    assert np.abs(drawn).max() <= 2**62


def test_an_interval_needs_nearly_all_draws():
    quantiles = (0.0, 1.0, 5.0, 9.0, 10.0)
    assert interval(Spread(5.0, 96, quantiles), 100, chosen=False) == (1.0, 9.0)
    assert interval(Spread(5.0, 94, quantiles), 100, chosen=False) is None
    assert interval(Spread(None, 100, quantiles), 100, chosen=False) is None
    assert interval(Spread(5.0, 96, quantiles), 100, chosen=True) == (0.0, 10.0)
    assert interval(Spread(2.0, 100, quantiles), 100, chosen=False) == (-6.0, 9.0)  # far from its redraws' median
    assert interval(Spread(math.inf, 100, quantiles), 100, chosen=False) is None


def test_bounds_that_hold_nearly_all_draws_do_not_leave_an_interval_of_no_width():
    assert interval(Spread(10.0, 100, (9.5, 10.0, 10.0, 10.0, 10.0)), 100, chosen=False) == (9.5, 10.0)
    assert interval(Spread(10.0, 100, (10.0,) * 5), 100, chosen=False) == (10.0, 10.0)


def test_random_state_of_python_is_not_used():
    random.seed(1)
    first = Redraws(9).integers(NoisyColumn("p0", (0,), 5.0, Noise.GAUSSIAN), "d", 5)
    random.seed(2)
    assert (Redraws(9).integers(NoisyColumn("p0", (0,), 5.0, Noise.GAUSSIAN), "d", 5) == first).all()
