"""Divides a query's rho among its primitives so that the worst error, relative to declared sizes, is smallest.

Gaussian noise for sensitivity D at rho has the standard deviation D / sqrt(2 rho), so equal relative errors ask for
rho in proportion to (D / M)^2, where M is the declared magnitude of the primitive's total. L0 is common to all.
"""

from fractions import Fraction

from gateway.privacy.bounding import Bounded
from gateway.privacy.measurement import Quantity
from gateway.privacy.partials import Partial

FLOOR = Fraction(1, 10)
"""No primitive that is asked for gets less than this share of an equal split."""

HIDDEN_SHARE = Fraction(1, 10)
"""What a count of units gets that only hides small public cells."""


def split(bounded: Bounded, rho: int, units: int) -> tuple[int, ...]:
    """Return each primitive's rho (rho units, rounded down); `units` is the declared number of units."""
    weights = [_weight(part, bounded, units) for part in bounded.partials]
    average = sum(weights, Fraction(0)) / len(weights)
    weights = [max(weight, average * FLOOR) for weight in weights]
    if bounded.hidden_units and not bounded.private_keys and len(weights) > 1:
        assert bounded.units is not None  # INVARIANT: hidden units exist
        others = sum(weights, Fraction(0)) - weights[bounded.units]
        weights[bounded.units] = others * HIDDEN_SHARE / (1 - HIDDEN_SHARE)
    total = sum(weights, Fraction(0))
    return tuple(int(rho * weight / total) for weight in weights)


def _weight(part: Partial, bounded: Bounded, units: int) -> Fraction:
    """Return (sensitivity / declared magnitude)^2 up to factors common to all."""
    bound = max(-part.lower, part.upper)
    rows = max(bounded.declared_rows, 1)
    magnitude = Fraction(rows)
    if part.quantity is Quantity.UNITS:
        magnitude = Fraction(max(units, 1))
    if part.quantity is Quantity.SUM:
        magnitude = Fraction(rows * bound, 2 * part.rows)
    return (Fraction(bound) / magnitude) ** 2
