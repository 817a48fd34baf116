"""Divides a query's budget among its primitives so that the worst error, relative to declared sizes, is smallest.

Noise for a norm C has a deviation in proportion to C / sqrt(rho) (Laplace: C / epsilon), so equal relative errors ask
for rho in proportion to (C / M)^2 (epsilon: to C / M), where M is the declared magnitude of the primitive's total and C
the norm to expect after a search.
"""

from gateway.privacy.bounding import Bounded
from gateway.privacy.measurement import Noise, Quantity
from gateway.privacy.norms import Clip
from gateway.privacy.partials import Partial
from gateway.privacy.trees import TreePart

FLOOR = 0.1
"""No primitive that is asked for gets less than this share of an equal split."""

HIDDEN_SHARE = 0.1
"""What a count of units gets that only hides small public cells."""

SEARCH_SHARE, FEW_CELLS_SHARE, FEW_CELLS = 0.1, 0.2, 8
"""What of a primitive's budget finds its bound: with few cells what is clipped weighs more, and asks for a closer look.

From simulated log-normal units (1,000 to 150,000 of them, 1 to 25 cells) at rho 0.02: 0.05 loses up to three times the
error of 0.2 in one cell, and nothing above a tenth helps in 25.
"""

RANKS = 8.0
"""A tree's ranks err by so many times the noise of one count of its rows, about."""


def split(bounded: Bounded, budget: int) -> tuple[int, ...]:
    """Return each primitive's share of the budget (ledger units, rounded down), its search's included."""
    power = 1 if bounded.noise is Noise.LAPLACE else 2
    weights = [_weight(part, clip, bounded) ** power for part, clip in zip(bounded.parts, bounded.clips, strict=True)]
    average = sum(weights) / len(weights)
    weights = [max(weight, average * FLOOR) for weight in weights]
    if bounded.hidden_units and not bounded.private_keys and len(weights) > 1:
        assert bounded.units is not None  # INVARIANT: hidden units exist
        others = sum(weights) - weights[bounded.units]
        weights[bounded.units] = others * HIDDEN_SHARE / (1 - HIDDEN_SHARE)
    total = sum(weights)
    shares = tuple(int(budget * (weight / total) * (1 - 1e-15)) for weight in weights)
    assert sum(shares) <= budget  # INVARIANT: a query spends no more than it asked for
    return shares


def searching(share: int, cells: int | None) -> int:
    """Return what of a primitive's share finds its bound."""
    few = cells is not None and cells <= FEW_CELLS
    return int(share * (FEW_CELLS_SHARE if few else SEARCH_SHARE))


def _weight(part: Partial | TreePart, clip: Clip, bounded: Bounded) -> float:
    """Return norm / declared magnitude, up to factors common to all."""
    norm = clip.levels[clip.expected].steps
    rows = float(max(bounded.declared_rows, 1))
    if isinstance(part, TreePart):
        return RANKS * norm / rows
    if not part.known:  # of an unknown size: as a count's, whatever the unit
        return 2.0 / rows
    if part.quantity is Quantity.UNITS:
        return norm / max(bounded.declared_units, 1)
    # deviations cancel in the sum, but what is asked for is their mean: its size is that of the values
    return norm / (rows * max(part.typical, 1e-9))
