"""Error bars: 95 % intervals that cover the noise alone, made from released values and public scales."""

import math

import numpy as np
import pyarrow as pa

from gateway.privacy.measurement import Measurement, NoisyTable

Z95 = 1.959963984540054
"""The 97.5 % quantile of the normal distribution."""

MAX_REDRAWN = 2_000_000
MAX_DRAWS = 400
MIN_DRAWS = 50


def half_width(scale: float) -> float:
    """Return the half-width of a 95 % interval around a noisy integer of this scale (standard deviation)."""
    return Z95 * scale


def draws_for(cells: int) -> int:
    """Return how often the noise of so many cells is redrawn: 0 where it would be too much."""
    if cells == 0:
        return 0
    draws = min(MAX_DRAWS, MAX_REDRAWN // cells)
    return draws if draws >= MIN_DRAWS else 0


def redraw(noisy: NoisyTable, measurement: Measurement, draws: int, seed: int) -> dict[str, pa.Array]:
    """Return `draws` copies of the primitives with fresh noise around the released values (parametric bootstrap).

    Columns: `__draw`, `__cell`, then each primitive's name, all int64, of length draws * cells. The generator is
    seeded by the question, so that the same answer has the same bars. Source: Efron and Tibshirani 1993, chapter 6.
    """
    cells = len(noisy.keys)
    generator = np.random.Generator(np.random.PCG64(seed))  # noqa: TID251 - public noise for error bars, seeded
    columns = {
        "__draw": pa.array(np.repeat(np.arange(draws, dtype=np.int64), cells)),
        "__cell": pa.array(np.tile(np.arange(cells, dtype=np.int64), draws)),
    }
    for index, primitive in enumerate(measurement.primitives):
        centre = np.array([row[index] for row in noisy.values], dtype=np.float64)
        drawn = generator.normal(0.0, primitive.scale, size=(draws, cells)) + centre
        bounded = np.clip(np.rint(drawn), -math.ldexp(1, 62), math.ldexp(1, 62))
        columns[primitive.name] = pa.array(bounded.astype(np.int64).reshape(-1))
    return columns
