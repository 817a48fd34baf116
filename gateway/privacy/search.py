"""Chooses a primitive's bound from the noisy histogram of units: post-processing, so it costs nothing more.

The expected error of a cell at bound C is sqrt(noise(C)^2 + bias(C)^2). Clipping takes from each unit whose norm n
lies above C the share 1 - C/n of its vector; spread evenly over t of K cells that is sqrt(t) (n - C) in all (under L1
norms, n - C), so bias(C) = sum over bins above C of count * sqrt(t) (n - C) / K with n the middle of the bin.

A phantom unit in a wide bin would cost far more noise than the few units that are missed can lose. So nothing counts
beyond a last bin: the one up to which units stand out of the histogram's own noise, alone or with the bins above, and
the octaves that follow it without a gap. Up to there noisy counts are taken as they are, since sums of them are right
on average. Where nothing stands out, a fixed bound holds.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist

from gateway.privacy.measurement import Candidate, Noise, Primitive
from gateway.privacy.noise import deviation

MISTAKES = 0.006
"""The chance that, of a histogram's empty bins, one stands out alone."""

ENDS = 1.5
"""Deviations that bins have to pass which end those that stand out together, or follow them without a gap."""


def choose(primitive: Primitive, counts: list[int], cells: int) -> int:
    """Return the index of the candidate whose expected error is least; `counts` are noisy, one for each candidate."""
    search = primitive.search
    assert search is not None and len(counts) == len(primitive.candidates)  # noqa: PT018 - INVARIANT: searched
    spread = deviation(primitive.noise, search.scale)
    last = _last(counts, spread, stands_out(primitive.noise, len(counts)), _octave(primitive.candidates))
    if last is None:
        return search.fallback
    reached = 1.0 if primitive.noise is Noise.LAPLACE else math.sqrt(search.touched)
    errors = []
    for index, candidate in enumerate(primitive.candidates):
        noise = deviation(primitive.noise, candidate.scale) / candidate.denominator
        lost = sum(
            counts[above] * (_middle(primitive.candidates, above) - _steps(candidate))
            for above in range(index + 1, last + 1)
        )
        errors.append(math.hypot(noise, max(lost, 0.0) * reached / max(cells, 1)))
    return errors.index(min(errors))


def stands_out(noise: Noise, bins: int) -> float:
    """Return the deviations that a bin has to pass so that, of so many empty ones, one seldom does.

    The tails of Laplace noise are heavier: P(X > t deviations) = exp(-sqrt(2) t) / 2.
    """
    chance = MISTAKES / bins
    return -math.log(2 * chance) / math.sqrt(2) if noise is Noise.LAPLACE else -NormalDist().inv_cdf(chance)


def _last(counts: list[int], spread: float, far: float, octave: int) -> int | None:
    """Return the widest bin that counts; None where nothing stands out of noise of this deviation."""
    last = -1
    for start in range(len(counts)):
        for width in sorted({1, 2, octave}):
            window = counts[start : start + width]
            if start > last and _passes(window, spread, far):
                last = max(start + i for i in range(len(window)) if _passes(window[i:], spread, ENDS))
    if last < 0:
        return None
    while octave > 1 and last + octave < len(counts) and _passes(counts[last + 1 : last + 1 + octave], spread, ENDS):
        last += octave
    return last


def _passes(counts: Sequence[int], spread: float, deviations: float) -> bool:
    """Tell whether bins together hold more than so many deviations of their noise: one unit at least."""
    return sum(counts) > max(deviations * spread * math.sqrt(len(counts)), 0.5)


def _octave(candidates: tuple[Candidate, ...]) -> int:
    """Return how many candidates lie in a factor of two; the last, which is the policy's own bound, apart."""
    least = _steps(candidates[-2]) / 2
    return max(1, sum(1 for candidate in candidates[:-1] if _steps(candidate) > least * 1.01))


def _steps(candidate: Candidate) -> float:
    return candidate.norm / candidate.denominator


def _middle(candidates: tuple[Candidate, ...], index: int) -> float:
    """Return the norm of a unit in a bin: half-way between its candidate and the one below."""
    return (_steps(candidates[index]) + _steps(candidates[index - 1])) / 2
