"""Divides a budget so that the worst error relative to declared sizes is smallest: over measurements and primitives.

Noise for a norm C has a deviation in proportion to C / sqrt(rho) (Laplace: C / epsilon), so equal relative errors ask
for rho in proportion to (C / M)^2 (epsilon: to C / M), where M is the declared magnitude of a cell and C the norm to
expect after a search. A measurement then needs what its primitives need together. Weights are exact rationals of
declared figures: the same question has the same split.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from gateway.privacy.bounding import Bounded
from gateway.privacy.measurement import Noise, Quantity
from gateway.privacy.trees import TreePart

FLOOR = Fraction(1, 10)
"""No measurement, and no primitive of one, gets less than this share of an equal split."""

HIDDEN_SHARE = Fraction(1, 10)
"""What a count of units gets that only hides small public cells."""

SEARCH_SHARE, FEW_CELLS_SHARE, FEW_CELLS = 0.1, 0.2, 8
"""What of a primitive's budget finds its bound: with few cells what is clipped weighs more, and asks for a closer look.

From simulated log-normal units (1,000 to 150,000 of them, 1 to 25 cells) at rho 0.02: 0.05 loses up to three times the
error of 0.2 in one cell, and nothing above a tenth helps in 25.
"""

RANKS = 3.0
"""A tree's ranks err by so many times the noise of one of its nodes: of three or four levels (prefix_deviations)."""

LEVELS = 3
"""The levels that a tree is expected to have, where its norm is the L1 norm of one."""


@dataclass(frozen=True, slots=True)
class Shares:
    """What each measurement of a query is given, in ledger units, and why in words (none where it is alone)."""

    amounts: tuple[int, ...]
    why: tuple[str, ...]


def across(measured: Sequence[Bounded], budget: int) -> Shares:
    """Return each measurement's share of a query's budget, rounded down.

    How large a cell of private keys is nobody declares: beside one of those, shares are equal.
    """
    if len(measured) < 2:
        return Shares((budget,) * len(measured), ("",) * len(measured))
    if any(bounded.cells is None for bounded in measured):
        said = f"an equal share of the budget, 1 of {len(measured)}: cells of private keys have no declared size"
        return Shares((budget // len(measured),) * len(measured), (said,) * len(measured))
    weights = _floored([sum(_weights(bounded), Fraction(0)) for bounded in measured])
    total = sum(weights, Fraction(0))
    amounts = tuple(int(budget * weight / total) for weight in weights)
    assert sum(amounts) <= budget  # INVARIANT: a query spends no more than it asked for
    said = "of the budget, so that the worst error relative to declared sizes is smallest"
    return Shares(amounts, tuple(f"{float(weight / total):.0%} {said}" for weight in weights))


def split(bounded: Bounded, budget: int) -> tuple[int, ...]:
    """Return each primitive's share of a measurement's budget (ledger units, rounded down), its search's included."""
    weights = _weights(bounded)
    total = sum(weights, Fraction(0))
    shares = tuple(int(budget * weight / total) for weight in weights)
    assert sum(shares) <= budget  # INVARIANT: a query spends no more than it asked for
    return shares


def _weights(bounded: Bounded) -> list[Fraction]:
    """Return what each primitive asks for."""
    power = 1 if bounded.noise is Noise.LAPLACE else 2
    sizes = (Fraction(_weight(bounded, index)) * (bounded.cells or 1) for index in range(len(bounded.parts)))
    weights = _floored([size**power for size in sizes])
    if bounded.hidden_units and not bounded.private_keys and len(weights) > 1:
        assert bounded.units is not None  # INVARIANT: hidden units exist
        others = sum(weights, Fraction(0)) - weights[bounded.units]
        weights[bounded.units] = others * HIDDEN_SHARE / (1 - HIDDEN_SHARE)
    return weights


def _floored(weights: list[Fraction]) -> list[Fraction]:
    """Return weights of which none is below a share of the average."""
    least = sum(weights, Fraction(0)) / len(weights) * FLOOR
    return [max(weight, least) for weight in weights]


def searching(share: int, cells: int | None) -> int:
    """Return what of a primitive's share finds its bound."""
    few = cells is not None and cells <= FEW_CELLS
    return int(share * (FEW_CELLS_SHARE if few else SEARCH_SHARE))


def _weight(bounded: Bounded, index: int) -> float:
    """Return norm / declared magnitude of all cells together, up to factors common to all."""
    part, clip = bounded.parts[index], bounded.clips[index]
    norm = clip.levels[clip.expected].steps
    rows = float(max(bounded.declared_rows, 1))
    if isinstance(part, TreePart):
        return RANKS * norm / rows * (1 if bounded.whole(index) else LEVELS)
    if not part.known:  # of an unknown size: as a count's, whatever the unit
        return 2.0 / rows
    if part.quantity is Quantity.UNITS:
        return norm / max(bounded.declared_units, 1)
    # deviations cancel in the sum, but what is asked for is their mean: its size is that of the values
    return norm / (rows * max(part.typical, 1e-9))
