"""How wide the error of each noisy column will be: from noise scales and declared sizes, before anything is drawn.

A count or a sum is a multiple of one noisy integer: its interval is what the answer will show (of a bound that is found
privately: at the bound to expect). An average of n values is (sum) / n, and to first order its error is that of
(sum - mean * n) / n; n is the declared size of a cell and the mean's distance from the middle the expected one.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.privacy.intervals import half_width, score
from gateway.privacy.measurement import Measurement, Noise, Primitive


@dataclass(frozen=True, slots=True)
class Multiple:
    """A column that is one noisy integer times `factor`; `whole`: shown in whole numbers.

    `size` is the declared magnitude of a cell in the column's units; None, and then `unsized` says why.
    """

    measurement: str
    primitive: str
    factor: float
    whole: bool
    size: float | None
    unsized: str = ""


@dataclass(frozen=True, slots=True)
class Mean:
    """A column that is an average: the primitives `total` (in steps of `step`) and `count`, over `rows` values.

    `typical` is how far a value is expected to lie from what the sum is centred on, in steps.
    """

    measurement: str
    total: str
    count: str
    step: float
    typical: float
    rows: float
    size: float


@dataclass(frozen=True, slots=True)
class Unpredicted:
    """A column whose error is not known before the answer, with the reason, and what to ask instead."""

    reason: str
    hint: str


@dataclass(frozen=True, slots=True)
class Expected:
    """A noisy column of the answer and what its error is made of."""

    column: str
    of: Multiple | Mean | Unpredicted


Primitives = Mapping[tuple[str, str], Primitive]
"""Primitives by measurement and name."""


def primitives_of(measurements: tuple[Measurement, ...]) -> dict[tuple[str, str], Primitive]:
    """Return the primitives of a program by measurement and name."""
    return {(m.name, p.name): p for m in measurements for p in m.primitives}


def width(column: Expected, primitives: Primitives, confidence: float) -> float | None:
    """Return the half-width to expect of a column's cells, in its units; None where that is not known."""
    of = column.of
    if isinstance(of, Unpredicted):
        return None
    if isinstance(of, Mean):
        total, count = (primitives[of.measurement, name] for name in (of.total, of.count))
        deviation = math.hypot(total.expected_scale, of.typical * count.expected_scale)
        return score(Noise.GAUSSIAN, confidence) * deviation * of.step / of.rows
    primitive = primitives[of.measurement, of.primitive]
    wide = half_width(scale_of(primitive), primitive.noise, confidence) * of.factor
    return float(math.ceil(wide)) if of.whole else wide


def scale_of(primitive: Primitive) -> float:
    """Return the noise scale to expect in steps: `expected_scale` is its standard deviation."""
    return primitive.expected_scale / (math.sqrt(2) if primitive.noise is Noise.LAPLACE else 1.0)
