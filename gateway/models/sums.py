"""The noisy sums of an answer, as a fit reads them: values with the deviation of their noise."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

NORMAL_95 = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True, slots=True)
class Sums:
    """The one row of an answer, by column.

    `deviations` are read off the 95 % intervals as if noise were normal: of Laplace noise, which has wider ones for its
    deviation, they are a little too large.
    """

    values: Mapping[str, float]
    deviations: Mapping[str, float]


def sums_of(answer: Mapping[str, Any]) -> Sums | None:
    """Return the sums of an answer of one row; None where one of them has no value."""
    names = [column["name"] for column in answer["columns"]]
    if len(answer["rows"]) != 1 or any(cell is None for cell in answer["rows"][0]):
        return None
    values = {name: float(cell) for name, cell in zip(names, answer["rows"][0], strict=True)}
    bars = answer["intervals"]["columns"]
    if any(bars[name][0] is None for name in bars):
        return None
    deviations = {name: (float(bars[name][0][1]) - float(bars[name][0][0])) / 2 / NORMAL_95 for name in bars}
    return Sums(values, deviations)


def score(confidence: float) -> float:
    """Return the normal score of a two-sided interval."""
    return NormalDist().inv_cdf((1 + confidence) / 2)
