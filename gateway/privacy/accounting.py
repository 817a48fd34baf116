"""Budgets: from a policy's (epsilon, delta) to the integers of the ledger, and back for display.

delta-approximate rho-zCDP: rho and delta are two accounts. Half of a policy's delta converts epsilon to rho by
OpenDP's tight conversion, rounded down; the other half is the limit for thresholds. Pure accounting adds epsilon
itself and has no delta to give.
"""

import math
from collections.abc import Iterable
from decimal import ROUND_DOWN, Context, Decimal
from fractions import Fraction
from functools import lru_cache

from opendp import combinators, domains, measurements, metrics
from opendp.mod import enable_features

from gateway.catalog.model import Accounting, Budget
from gateway.errors import GatewayError
from gateway.privacy.units import DELTA_UNIT, RHO_UNIT, epsilon_of_budget

enable_features("contrib", "honest-but-curious")

_TIGHT_UP_TO = 10_000.0

SECANTS, CLOSE = 9, 1e-10
"""How many secants are tried at most, and how near two of them are, relative to their size, when they have met."""


def limits(epsilon: Decimal, delta: Decimal, accounting: Accounting = Accounting.ZCDP) -> tuple[int, int]:
    """Return (rho limit, threshold-delta limit) in ledger units, both rounded down; pure: (epsilon, 0).

    Raises GatewayError `policy_invalid` without an epsilon above 0 or, but for pure accounting, a delta in (0, 1).
    """
    if accounting is Accounting.PURE and epsilon > 0:
        return math.floor(Fraction(epsilon) / RHO_UNIT), 0
    if not 0 < delta < 1 or epsilon <= 0:
        hint = "Write for example {epsilon: 10, delta: 1.0e-6}."
        raise GatewayError("policy_invalid", "A budget needs an epsilon above 0 and a delta between 0 and 1.", hint)
    return _limits(epsilon, delta)


@lru_cache(maxsize=4096)
def _limits(epsilon: Decimal, delta: Decimal) -> tuple[int, int]:
    half = Fraction(delta) / 2
    at = _down(float(half), half)
    target = _down(float(epsilon), Fraction(epsilon))
    # rho <= epsilon always, since the conversion is at least rho
    low, high = 0, math.floor(Fraction(epsilon) * 10**12)
    within, beyond = _around(target, at, high)
    while low < high:
        middle = (low + high + 1) // 2
        if middle <= within or (middle < beyond and _epsilon(middle, at) <= target):
            low = middle
        else:
            high = middle - 1
    return low, math.floor(half / DELTA_UNIT)


def _around(target: float, delta: float, most: int) -> tuple[int, int]:
    """Return a rho whose epsilon is within `target` and one whose is not, close together: few conversions are slow.

    The logarithms are nearly on a line, so secants find the place; an end that is not what it should be is left open.
    """
    slack = -math.log(delta)
    rhos = [(math.sqrt(slack + target) - math.sqrt(slack)) ** 2 * 1e12]  # of the closed form, which is too small
    rhos.append(rhos[0] * 1.1)
    epsilons = [_epsilon(max(int(rho), 1), delta) for rho in rhos]
    while len(rhos) < SECANTS and epsilons[-1] != epsilons[-2] and abs(rhos[-1] / rhos[-2] - 1) > CLOSE:
        slope = math.log(epsilons[-1] / epsilons[-2]) / math.log(rhos[-1] / rhos[-2])
        rhos.append(rhos[-1] * (target / epsilons[-1]) ** (1 / slope))
        epsilons.append(_epsilon(max(int(rhos[-1]), 1), delta))
    within, beyond = math.floor(rhos[-1] * (1 - CLOSE)) - 1, math.ceil(rhos[-1] * (1 + CLOSE)) + 1
    return (
        within if 0 < within <= most and _epsilon(within, delta) <= target else 0,
        beyond if 0 < beyond <= most and _epsilon(beyond, delta) > target else most + 1,
    )


def _down(value: float, exact: Fraction) -> float:
    return math.nextafter(value, -math.inf) if Fraction(value) > exact else value


def _epsilon(rho: int, delta: float) -> float:
    """Return epsilon at `delta` for rho in ledger units, rounded up.

    Source: OpenDP's tight conversion; above rho = 10,000, where that overflows, the looser closed form
    rho + 2 sqrt(rho ln(1/delta)) of Bun and Steinke 2016, proposition 1.3.
    """
    if rho == 0:
        return 0.0
    value = math.nextafter(rho / 10**12, math.inf)
    if value > _TIGHT_UP_TO:
        return math.nextafter(value + 2 * math.sqrt(value * -math.log(delta)), math.inf)
    space = domains.vector_domain(domains.atom_domain(T="i64")), metrics.l2_distance(T="f64")
    gaussian = measurements.make_gaussian(*space, scale=math.sqrt(1 / (2 * value)))
    return float(combinators.make_zCDP_to_approxDP(gaussian).map(1.0).epsilon(delta))


@lru_cache(maxsize=4096)
def display(
    rho: int, delta_threshold: int, delta: Decimal, accounting: Accounting = Accounting.ZCDP
) -> tuple[float, float]:
    """Return (epsilon, delta) to show for a loss of `rho` and `delta_threshold`: epsilon at half the policy's delta.

    Under pure accounting `rho` counts epsilon, and delta is 0.
    """
    if accounting is Accounting.PURE:
        return round(rho * 1e-12, 12), 0.0
    half = float(delta / 2)
    return round(_epsilon(rho, half), 6), half + float(delta_threshold * DELTA_UNIT)


def largest_payable(budgets: Iterable[Budget], accounting: Accounting) -> Decimal:
    """Return the largest epsilon, rounded down to three digits, that the smallest of the budgets pays once."""
    smallest = min(limits(budget.epsilon, budget.delta, accounting)[0] for budget in budgets)
    digits = Context(prec=3, rounding=ROUND_DOWN)
    return digits.create_decimal(Decimal(repr(epsilon_of_budget(smallest, accounting))))


def queries_allowed(limit_rho: int, rho_per_query: int) -> int:
    """Return how many queries of one cost a limit pays for."""
    return limit_rho // max(rho_per_query, 1)
