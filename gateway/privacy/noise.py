"""Noise, by OpenDP alone: scales and thresholds from budgets, and the draws themselves.

The sensitivity is computed by the caller from the clamp's literals; only core mechanisms are used, with i64 named
explicitly. Known upstream: opendp 2922 (a count equal to the threshold is released but left out of delta), so the
map is charged at T and the mechanism runs at T + 1; opendp 2945 (Margin), so nothing here uses margins.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from opendp import domains, measurements, metrics
from opendp.mod import enable_features

from gateway.errors import GatewayError
from gateway.privacy.measurement import Noise
from gateway.privacy.norms import l2
from gateway.privacy.units import DELTA_UNIT, RHO_UNIT

enable_features("contrib", "honest-but-curious")

Totals = npt.NDArray[np.int64]
_Entry = TypeVar("_Entry")

TOTAL_LIMIT = 2**62
"""Exact totals lie within this before they meet 64-bit noise."""

MAX_SCALE = 2.0**60

LONG = 4096
"""Entries from which on two threads draw: by then a draw takes a hundred times what a thread does."""


def stacked(norm: float, times: int) -> float:
    """Return the L1 norm of so many vectors side by side, each within `norm`: rounded up."""
    if times == 1:
        return norm
    exact = Fraction(norm) * times
    root = float(exact)
    return root if Fraction(root) >= exact else math.nextafter(root, math.inf)


@lru_cache(maxsize=1024)
def _mechanism(noise: Noise, scale: float) -> Any:
    domain = domains.vector_domain(domains.atom_domain(T="i64"))
    if noise is Noise.LAPLACE:
        return measurements.make_laplace(domain, metrics.l1_distance(T="f64"), scale=scale)
    return measurements.make_gaussian(domain, metrics.l2_distance(T="f64"), scale=scale)


@lru_cache(maxsize=4096)
def loss(noise: Noise, norm: float, scale: float) -> int:
    """Return the charge of one noisy vector whose L2 (Laplace: L1) sensitivity is `norm`: ceil(map / unit).

    In rho units; of Laplace noise in epsilon units.
    """
    return _ceil(float(_mechanism(noise, scale).map(norm)), RHO_UNIT)


def _ceil(loss_: float, unit: Fraction) -> int:
    charge = math.ceil(Fraction(loss_) / unit)
    # INVARIANT: map <= charge < map + one unit
    assert Fraction(loss_) <= charge * unit < Fraction(loss_) + unit
    return charge


@lru_cache(maxsize=4096)
def least_scale(noise: Noise, norm: float, budget: int) -> tuple[float, int]:
    """Return (scale, charge) of the least noise that `budget` (rho units; of Laplace: epsilon units) pays for.

    Gaussian: scale = L2 / sqrt(2 rho); Laplace: scale = L1 / epsilon; both rounded up. Raises GatewayError
    `bad_request` where the budget is too small for 64-bit noise.
    """
    share = max(budget, 1) * 1e-12
    scale = norm / share if noise is Noise.LAPLACE else norm / math.sqrt(2 * share)
    while scale <= MAX_SCALE:
        charge = loss(noise, norm, scale)
        if charge <= budget:
            return scale, charge
        scale = scale * (1 + 1e-12) + 1e-300
    hint = "Ask with a larger epsilon, or clamp the values tighter."
    raise GatewayError("bad_request", "The epsilon is too small for values of this size.", hint)


@lru_cache(maxsize=4096)
def same_loss(norm: float, scale: float, other: float) -> float:
    """Return the scale at which a vector within `other` loses no more than one within `norm` at `scale`."""
    ratio = Fraction(scale) / Fraction(norm) * (1 + Fraction(1, 10**14))
    found = float(ratio * Fraction(other))
    assert Fraction(found) * Fraction(norm) >= Fraction(scale) * Fraction(other)  # INVARIANT: no more is lost
    return found


def is_charged(noise: Noise, norm: float, scale: float, charge: int) -> bool:
    """Tell whether a vector's loss is what was charged: never more, and less by no more than rounding."""
    lost = loss(noise, norm, scale)
    return lost <= charge <= lost + 1 + charge // 10**12


def deviation(noise: Noise, scale: float) -> float:
    """Return the standard deviation of noise of this scale."""
    return scale * math.sqrt(2) if noise is Noise.LAPLACE else scale


def _selection(scale: float, threshold: int) -> Any:
    space = domains.map_domain(domains.atom_domain(T="i64"), domains.atom_domain(T="i64"))
    return measurements.make_gaussian_threshold(
        space, metrics.l02inf_distance(metrics.absolute_distance(T="f64")), scale=scale, threshold=threshold
    )


def threshold_loss(l0: int, scale: float, threshold: int) -> tuple[int, int]:
    """Return the charge (rho units, delta units) of releasing keys whose noisy count of units reaches a threshold."""
    rho, delta = _selection(scale, threshold).map((l0, l2(l0, 1), 1.0))
    return _ceil(float(rho), RHO_UNIT), _ceil(float(delta), DELTA_UNIT)


@lru_cache(maxsize=4096)
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


def add_noise(values: Sequence[int] | Totals, noise: Noise, scale: float) -> list[int]:
    """Return the values plus discrete noise of this scale, each entry's drawn apart from all others'."""
    if not len(values):
        return []
    totals = np.asarray(values)
    assert totals.dtype == np.int64  # INVARIANT: whole numbers of 64 bits meet noise, and are not rounded for it
    assert totals.min() >= -TOTAL_LIMIT and totals.max() <= TOTAL_LIMIT  # noqa: PT018 - INVARIANT: clamped before
    return _drawn(_mechanism(noise, scale), totals if len(totals) >= LONG else totals.tolist())


def select(counts: dict[int, int], scale: float, threshold_: int) -> dict[int, int]:
    """Return the keys whose noisy count passes the threshold, with that count. Runs at T + 1 (opendp 2922)."""
    if not counts:
        return {}
    mechanism = _selection(scale, threshold_ + 1)
    return dict(_drawn(lambda part: dict(mechanism(dict(part))).items(), list(counts.items())))


def _drawn(mechanism: Callable[[Any], Iterable[_Entry]], whole: Any) -> list[_Entry]:
    """Return what a mechanism makes of some entries, where they are many of two halves side by side.

    The library draws outside of the interpreter's lock. INVARIANT: what becomes of an entry does not depend on which
    others are drawn with it.
    """
    if len(whole) < LONG:
        return list(mechanism(whole))
    middle = len(whole) // 2
    with ThreadPoolExecutor(2) as threads:
        return [entry for half in threads.map(mechanism, (whole[:middle], whole[middle:])) for entry in half]
