"""Chooses a primitive's bound from the noisy histogram of units: post-processing, so it costs nothing more.

The expected error of a cell at bound C is sqrt(noise(C)^2 + bias(C)^2). Clipping takes from each unit whose norm n
lies above C the share 1 - C/n of its vector; spread evenly over t of K cells that is sqrt(t) (n - C) in all (under L1
norms, n - C), so bias(C) = sum over bins above C of count * sqrt(t) (n - C) / K with n the middle of the bin.

A phantom unit in a wide bin would cost far more noise than the few units that are missed can lose. So the widest bin
that counts is the last one that stands out of the histogram's own noise, alone or with its neighbour; below it, less
is asked. Where nothing stands out, a fixed bound holds.
"""

import math

from gateway.privacy.measurement import Candidate, Noise, Primitive
from gateway.privacy.noise import deviation

STANDS_OUT = 3.5
"""Deviations of the histogram's noise that the widest bin has to pass: of 25 empty ones one does so in 170 searches."""

COUNTS = 1.5
"""Deviations that a bin below it has to pass."""


def choose(primitive: Primitive, counts: list[int], cells: int) -> int:
    """Return the index of the candidate whose expected error is least; `counts` are noisy, one for each candidate."""
    search = primitive.search
    assert search is not None and len(counts) == len(primitive.candidates)  # noqa: PT018 - INVARIANT: searched
    seen = _seen(counts, deviation(primitive.noise, search.scale))
    if seen is None:
        return search.fallback
    spread = 1.0 if primitive.noise is Noise.LAPLACE else math.sqrt(search.touched)
    errors = []
    for index, candidate in enumerate(primitive.candidates):
        noise = deviation(primitive.noise, candidate.scale) / candidate.denominator
        lost = sum(
            count * (_middle(primitive.candidates, above) - _steps(candidate))
            for above, count in enumerate(seen)
            if above > index
        )
        errors.append(math.hypot(noise, lost * spread / max(cells, 1)))
    return errors.index(min(errors))


def _seen(counts: list[int], spread: float) -> list[int] | None:
    """Return the units in each bin that are taken to be there; None where nothing stands out of the noise."""
    pairs = [a + b for a, b in zip(counts, [*counts[1:], 0], strict=True)]
    alone, together = max(STANDS_OUT * spread, 0.5), max(STANDS_OUT * spread * math.sqrt(2), 0.5)
    widest = [i for i, (one, two) in enumerate(zip(counts, pairs, strict=True)) if one > alone or two > together]
    if not widest:
        return None
    least = max(COUNTS * spread, 0.5)
    return [count if i <= widest[-1] and count > least else 0 for i, count in enumerate(counts)]


def _steps(candidate: Candidate) -> float:
    return candidate.norm / candidate.denominator


def _middle(candidates: tuple[Candidate, ...], index: int) -> float:
    """Return the norm of a unit in a bin: half-way between its candidate and the one below."""
    return (_steps(candidates[index]) + _steps(candidates[index - 1])) / 2
