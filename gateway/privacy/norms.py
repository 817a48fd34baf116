"""How far one unit's whole vector may reach: the norms that bound it, and the candidates among which one is found.

Everything here is made of policy, SQL and declared figures, in exact whole numbers; nothing looks at data.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from gateway.privacy.measurement import Noise

WEIGHT = 2**24
"""What a vector that is scaled down is counted in: its norm is WEIGHT, whatever the bound is."""

FINENESS = 2**10
"""A bound is a whole multiple of WEIGHT, at least so many of them: rounding it up costs less than 0.1 %."""

MAX_CANDIDATES = 40
ROOTS = (4, 3, 2, 1)
"""Candidates are powers of 2^(1/4), or of the next root of two where those are too many.

A bound that lies between two candidates costs noise: with powers of two and their halves at most half of it again,
with 2^(1/4) a fifth.
"""

SEARCHED_FROM = 3.0
"""A search pays where the widest bound is so many times what a unit is expected to reach."""

UNBOUNDED_BASE = 4
"""Where no bound is known, candidates are powers of four of a step: from 16 steps to the largest partial, 2^50."""

FALLBACK = 1024
"""Where no bound is known and nothing stands out of the noise, one unit's vector keeps within 1,024 (in ones)."""


def l2(l0: int, linf: int) -> float:
    """Return sqrt(l0) * linf, rounded up."""
    squared = l0 * linf * linf
    root = math.sqrt(squared)
    while Fraction(root) ** 2 < squared:
        root = math.nextafter(root, math.inf)
    return root


def norm(noise: Noise, l0: int, linf: int) -> float:
    """Return the norm of a vector of `l0` entries of at most `linf`: L2 for Gaussian noise, L1 for Laplace."""
    if noise is Noise.GAUSSIAN:
        return l2(l0, linf)
    return _float_up(l0 * linf)


def _float_up(value: int) -> float:
    root = float(value)
    return root if Fraction(root) >= value else math.nextafter(root, math.inf)


@dataclass(frozen=True, slots=True)
class Level:
    """One candidate bound as the engine counts it: totals in 1/denominator, a unit's vector within `norm` of those.

    A unit stays as it is where its squared L2 norm (its L1 norm) in steps is at most `reach`; else its vector, scaled
    down to WEIGHT, counts `weight` times. INVARIANT: WEIGHT * weight <= norm, and reach is the norm's own.
    """

    norm: float
    denominator: int = 1
    weight: int = 0
    reach: int = 0

    @property
    def steps(self) -> float:
        """The bound in steps."""
        return self.norm / self.denominator


@dataclass(frozen=True, slots=True)
class Clip:
    """The candidate bounds of a primitive, ascending; `scaled` says whether a unit can lie above one of them.

    `searched`: one is found by a noisy histogram, else there is one. `expected` is the index of the one to expect,
    `fallback` of the one that holds where nothing stands out, `touched` how many cells a unit is expected to reach.
    """

    levels: tuple[Level, ...]
    scaled: bool
    touched: float
    expected: int = 0
    fallback: int = 0

    @property
    def searched(self) -> bool:
        return len(self.levels) > 1


@lru_cache(maxsize=4096)
def level(noise: Noise, steps: float) -> Level:
    """Return the least bound of at least so many steps that the engine can count exactly."""
    denominator = 1
    while steps * denominator < WEIGHT * FINENESS:
        denominator *= 2
    weight = math.ceil(Fraction(steps) * denominator / WEIGHT)
    whole = weight * WEIGHT
    reach = whole // denominator if noise is Noise.LAPLACE else whole**2 // denominator**2
    return Level(_float_up(whole), denominator, weight, reach)


@dataclass(frozen=True, slots=True)
class Reach:
    """What is known of one unit's vector: at most `l0` entries of at most `linf` steps, `typical` its likely norm.

    `enforced`: no unit has more than `l0` entries, whatever its rows hold. `touched`: the entries to expect.
    `known` is False where `linf` is no declared bound; `one` is then how many steps make one.
    """

    l0: int
    linf: int
    enforced: bool
    typical: float
    touched: float
    known: bool = True
    one: int = 1


@lru_cache(maxsize=4096)
def clip(noise: Noise, reach: Reach) -> Clip:
    """Return the candidate bounds of a primitive: one, or several where declared figures say that a search pays."""
    if not reach.known:
        return _unbounded(noise, reach)
    widest = norm(noise, reach.l0, reach.linf)
    if widest < SEARCHED_FROM * reach.typical or widest < 2:
        single = level(noise, widest) if not reach.enforced else Level(widest)
        return Clip((single,), not reach.enforced, reach.touched)
    levels = _apart([level(noise, size) for size in (*_grid(reach.typical / 4, widest * 0.85), widest)])
    expected = next((i for i, one in enumerate(levels) if one.steps >= 2 * reach.typical), len(levels) - 1)
    return Clip(levels, scaled=True, touched=reach.touched, expected=expected, fallback=len(levels) - 1)


def _apart(levels: list[Level]) -> tuple[Level, ...]:
    """Leave out candidates that hold no unit which the one below does not: norms of small counts lie apart."""
    kept = [
        one for below, one in zip([None, *levels], levels[:-1], strict=False) if not below or one.reach > below.reach
    ]
    return (*kept, levels[-1])


def _grid(least: float, most: float) -> list[float]:
    """Return powers of 2^(1/4) from `least` up to `most`, farther apart where those are too many."""
    ends = max(1.0, least), most
    grids = (_powers(root, *ends) for root in ROOTS)
    return next((grid for grid in grids if len(grid) < MAX_CANDIDATES), _powers(1, *ends)[1 - MAX_CANDIDATES :])


def _powers(root: int, least: float, most: float) -> list[float]:
    """Return the powers of 2^(1/root) in [`least`, `most`)."""
    exponents = range(math.floor(root * math.log2(least)), math.ceil(root * math.log2(max(most, least))) + 1)
    return [size for size in (2.0 ** (exponent / root) for exponent in exponents) if least <= size < most]


def _unbounded(noise: Noise, reach: Reach) -> Clip:
    """Return the candidates where nothing is known: fixed, wide apart, and never an error."""
    sizes = [float(UNBOUNDED_BASE**power) for power in range(2, 26)]
    levels = tuple(level(noise, size) for size in sizes)
    at = next((i for i, size in enumerate(sizes) if size >= FALLBACK * reach.one), len(sizes) - 1)
    return Clip(levels, scaled=True, touched=reach.touched, expected=at, fallback=at)


def distinct(noise: Noise, reach: Reach) -> Clip:
    """Return the candidates of a count of distinct values: how many of them one unit brings to a cell.

    Here a level's `reach` is that number itself; each is counted whole, so there is nothing to scale.
    """
    caps = [reach.linf]
    if reach.linf >= SEARCHED_FROM * max(reach.typical, 1):
        caps = sorted({*(int(size) for size in _grid(reach.typical / 4, reach.linf)), reach.linf})
    levels = tuple(Level(norm(noise, reach.l0, cap), reach=cap) for cap in caps)
    expected = next((i for i, cap in enumerate(caps) if cap >= 2 * reach.typical), len(caps) - 1)
    return Clip(levels, scaled=False, touched=reach.touched, expected=expected, fallback=len(levels) - 1)
