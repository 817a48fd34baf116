"""Error bars: 95 % intervals that cover the noise alone, made from released values and public scales.

Direct counts and sums have a closed form. Everything else is redrawn: fresh noise around the released values, the same
SQL, quantiles of what comes out (parametric bootstrap; Efron and Tibshirani 1993, chapters 6 and 13).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from gateway.privacy.measurement import SCORES, Noise, NoisyColumn

Z95 = 1.959963984540054
"""The 97.5 % quantile of the normal distribution."""

MAX_WORK = 8_000_000
"""Rows that all operators of a redraw may make together, over all draws."""

MAX_DRAWS = 1_000
MIN_DRAWS = 100

PRESENT = 0.95
"""A cell that is NULL or absent in more of the draws than the rest of this has no interval."""

LEVELS = (0.002, 0.025, 0.5, 0.975, 0.998)
"""The quantiles that are taken of a cell's redraws."""

SKEWED = 0.25
"""A released value this many standard deviations from the median of its redraws is taken to be biased."""

_SMALL = 8.0
_LIMIT = 2**62

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@lru_cache(maxsize=4096)
def half_width(scale: float, noise: Noise = Noise.GAUSSIAN, confidence: float = 0.95) -> float:
    """Return the half-width of an interval (95 % unless told) around a noisy integer, in its own units.

    `scale` is the standard deviation of Gaussian noise, the scale of Laplace noise. Of small noise, which is far from
    continuous, it is the smallest whole number within which so much of the discrete noise lies.
    """
    if scale <= 0:
        return 0.0
    wide = score(noise, confidence) * scale
    if scale >= _SMALL:
        return wide
    weight = [_weight(k, scale, noise) for k in range(int(20 * wide) + 40)]
    total = weight[0] + 2 * sum(weight[1:])
    within, reach = weight[0], 0
    while within < confidence * total:
        reach += 1
        within += 2 * weight[reach]
    return float(reach)


def score(noise: Noise, confidence: float) -> float:
    """Return the half-width of an interval in scales of continuous noise."""
    if noise is Noise.LAPLACE:
        return -math.log(1 - confidence)  # P(|X| > t) = exp(-t / scale)
    return Z95 if confidence == 0.95 else NormalDist().inv_cdf(0.5 + confidence / 2)


@lru_cache(maxsize=4096)
def widest_scale(width: float, noise: Noise, confidence: float) -> float:
    """Return the largest scale at which the half-width is no more than `width`, less a billionth; above zero."""
    scale = width / score(noise, confidence)
    if scale < _SMALL:
        low, high = 0.0, _SMALL
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (middle, high) if half_width(middle, noise, confidence) <= width else (low, middle)
        scale = low
    return scale * (1 - 1e-9)


def _weight(k: int, scale: float, noise: Noise) -> float:
    power = k * k / (2 * scale * scale) if noise is Noise.GAUSSIAN else k / scale
    return math.exp(-min(power, 700.0))


def draws_for(work: int) -> int:
    """Return how often noise is redrawn where one draw makes `work` rows in all operators: 0 where it is too much."""
    draws = min(MAX_DRAWS, MAX_WORK // max(work, 1))
    return draws if draws >= MIN_DRAWS else 0


class Redraws:
    """Fresh noise for the columns of one answer, seeded by its question: the same answer has the same bars.

    Draws with one digest are one draw, also in two tables, and are redrawn as one.
    """

    def __init__(self, seed: int) -> None:
        self._generator = np.random.Generator(np.random.PCG64(seed))  # noqa: TID251 - public noise for error bars
        self._known: dict[tuple[str, int], Floats] = {}

    def integers(self, column: NoisyColumn, digest: str, draws: int) -> Integers:
        """Return noisy integers of shape (draws + 1, cells): the released ones first, then each draw of new noise."""
        centre = np.array(column.values, dtype=np.int64)
        noise = self._noise(column, digest, draws, len(centre))
        drawn = np.clip(centre, -_LIMIT, _LIMIT) + np.clip(np.rint(noise), -_LIMIT // 2, _LIMIT // 2).astype(np.int64)
        return np.concatenate((centre[np.newaxis, :], np.clip(drawn, -_LIMIT, _LIMIT)))

    def _noise(self, column: NoisyColumn, digest: str, draws: int, cells: int) -> Floats:
        known = self._known.get((digest, cells))
        if known is None or known.shape[0] != draws:
            shape = (draws, cells)
            gaussian = column.noise is Noise.GAUSSIAN
            draw = self._generator.normal if gaussian else self._generator.laplace
            known = draw(0.0, column.scale, size=shape) if column.scale > 0 else np.zeros(shape)
            self._known[digest, cells] = known
        return known

    def quantiles(self, column: NoisyColumn, draws: int) -> Floats:
        """Return quantiles of shape (draws + 1, cells): at a fresh normal score of their rank each; NaN is NULL."""
        assert column.curves is not None  # INVARIANT: a quantile comes with its curves
        cells = len(column.values)
        centre = np.array([math.nan if value is None else value for value in column.values], dtype=np.float64)
        scores = self._generator.normal(0.0, 1.0, size=(draws, cells))
        drawn = np.empty((draws, cells))
        for cell, curve in enumerate(column.curves):
            if len(curve) == len(SCORES) and not math.isnan(centre[cell]):
                drawn[:, cell] = np.interp(scores[:, cell], SCORES, curve)
            else:
                drawn[:, cell] = math.nan
        return np.concatenate((centre[np.newaxis, :], drawn))


@dataclass(frozen=True, slots=True)
class Spread:
    """One cell over all draws: its released value, how many draws have it, and their quantiles at LEVELS."""

    value: float | None
    present: int
    quantiles: Sequence[float] | None


def interval(spread: Spread, draws: int, *, chosen: bool) -> tuple[float, float] | None:
    """Return the 95 % interval of a derived cell; None where the draws do not hold it.

    It is the percentile interval, which any smooth function of Gaussian noise needs no more than. A value that noise
    chose (MAX, a rank, a sum of the rows over a limit) is biased towards what it was chosen for, and redrawing adds the
    bias once more: there the interval is widened to the basic one, which takes it off, at 99.6 %, as the largest of
    several noises is larger than one (measured: 99 % for a maximum that stands alone, 92 % for one of 40 equal cells).
    A released value far from the median of its redraws is treated alike. Where bounds hold nearly all draws at one
    value (an average whose noise went beyond what its rows may be), the interval is that of 99.6 %.
    """
    if spread.quantiles is None or spread.value is None or spread.present < PRESENT * draws:
        return None
    lowest, low, middle, high, highest = spread.quantiles
    value = spread.value
    if not all(math.isfinite(x) for x in (lowest, low, middle, high, highest, value)):
        return None
    if chosen or abs(value - middle) > SKEWED * (high - low) / (2 * Z95):
        return min(low, 2 * value - highest), max(high, 2 * value - lowest)
    return (low, high) if low < high else (lowest, highest)
