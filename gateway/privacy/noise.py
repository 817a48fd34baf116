"""Noise, by OpenDP alone: scales and thresholds from budgets, and the draws themselves.

The sensitivity is computed by the caller from the clamp's literals; only core mechanisms are used, with i64 named
explicitly. Known upstream: opendp 2922 (a count equal to the threshold is released but left out of delta), so the
map is charged at T and the mechanism runs at T + 1; opendp 2945 (Margin), so nothing here uses margins.
"""

import math
from fractions import Fraction
from typing import Any

import opendp.prelude as dp

from gateway.errors import GatewayError
from gateway.privacy.units import DELTA_UNIT, RHO_UNIT

dp.enable_features("contrib", "honest-but-curious")

TOTAL_LIMIT = 2**62
"""Exact totals lie within this before they meet 64-bit noise."""

MAX_SCALE = 2.0**60


def l2_sensitivity(l0: int, linf: int) -> float:
    """Return sqrt(l0) * linf, rounded up."""
    squared = l0 * linf * linf
    root = math.sqrt(squared)
    while Fraction(root) ** 2 < squared:
        root = math.nextafter(root, math.inf)
    return root


def _gaussian(scale: float) -> Any:
    space = dp.vector_domain(dp.atom_domain(T="i64")), dp.l2_distance(T="f64")
    return dp.m.make_gaussian(*space, scale=scale)


def gaussian_loss(l0: int, linf: int, scale: float) -> int:
    """Return the charge of one Gaussian vector: ceil(map / unit), in rho units."""
    return _ceil(float(_gaussian(scale).map(l2_sensitivity(l0, linf))), RHO_UNIT)


def _ceil(loss: float, unit: Fraction) -> int:
    charge = math.ceil(Fraction(loss) / unit)
    # INVARIANT: map <= charge < map + one unit
    assert Fraction(loss) <= charge * unit < Fraction(loss) + unit
    return charge


def gaussian(l0: int, linf: int, rho: int) -> tuple[float, int]:
    """Return (scale, charge) of the least noise that `rho` (rho units) pays for: scale = L2 / sqrt(2 rho), rounded up.

    Raises GatewayError `bad_request` where the budget is too small for 64-bit noise.
    """
    scale = l2_sensitivity(l0, linf) / math.sqrt(2 * rho * 1e-12)
    while scale <= MAX_SCALE:
        charge = gaussian_loss(l0, linf, scale)
        if charge <= rho:
            return scale, charge
        scale = scale * (1 + 1e-12) + 1e-300
    hint = "Ask with a larger epsilon, or clamp the values tighter."
    raise GatewayError("bad_request", "The epsilon is too small for values of this size.", hint)


def _selection(scale: float, threshold: int) -> Any:
    space = dp.map_domain(dp.atom_domain(T="i64"), dp.atom_domain(T="i64"))
    return dp.m.make_gaussian_threshold(
        space, dp.l02inf_distance(dp.absolute_distance(T="f64")), scale=scale, threshold=threshold
    )


def threshold_loss(l0: int, scale: float, threshold: int) -> tuple[int, int]:
    """Return the charge (rho units, delta units) of releasing keys whose noisy count of units reaches a threshold."""
    rho, delta = _selection(scale, threshold).map((l0, l2_sensitivity(l0, 1), 1.0))
    return _ceil(float(rho), RHO_UNIT), _ceil(float(delta), DELTA_UNIT)


def threshold(l0: int, scale: float, delta: int) -> tuple[int, int]:
    """Return (T, charged delta): the smallest threshold whose map is at most `delta` (delta units).

    Raises GatewayError `bad_request` where no threshold is.
    """
    low, high = 1, 2
    while threshold_loss(l0, scale, high)[1] > delta:
        low, high = high, high * 2
        if high > TOTAL_LIMIT:
            hint = "Group by columns with declared values, or ask with a larger epsilon."
            raise GatewayError("bad_request", "The delta left for private keys is too small.", hint)
    while low < high:
        middle = (low + high) // 2
        if threshold_loss(l0, scale, middle)[1] <= delta:
            high = middle
        else:
            low = middle + 1
    return high, threshold_loss(l0, scale, high)[1]


def add_noise(values: list[int], scale: float) -> list[int]:
    """Return the values plus discrete Gaussian noise of this scale, drawn as one vector."""
    assert all(abs(value) <= TOTAL_LIMIT for value in values)  # INVARIANT: totals are clamped in the engine
    return [int(value) for value in _gaussian(scale)(values)] if values else []


def select(counts: dict[int, int], scale: float, threshold_: int) -> dict[int, int]:
    """Return the keys whose noisy count passes the threshold, with that count. Runs at T + 1 (opendp 2922)."""
    return {int(k): int(v) for k, v in _selection(scale, threshold_ + 1)(counts).items()} if counts else {}
