"""Privacy loss as integers: rho in units of 1e-12, delta in units of 1e-18, always rounded up when charged.

Under pure accounting the same integers count epsilon, in units of 1e-12.
"""

import math
from decimal import Decimal
from fractions import Fraction

from gateway.catalog.model import Accounting

RHO_UNIT = Fraction(1, 10**12)
DELTA_UNIT = Fraction(1, 10**18)


def rho_of_epsilon(epsilon: Decimal) -> int:
    """Return what a request's epsilon buys: rho = epsilon^2 / 2, in rho units, rounded down.

    Source: Bun and Steinke 2016, proposition 1.4 (epsilon-DP implies epsilon^2/2-zCDP).
    """
    return math.floor(Fraction(epsilon) ** 2 / 2 / RHO_UNIT)


def budget_of_epsilon(epsilon: Decimal, accounting: Accounting) -> int:
    """Return what a request's epsilon buys in ledger units: rho, or under pure accounting epsilon itself."""
    if accounting is Accounting.PURE:
        return math.floor(Fraction(epsilon) / RHO_UNIT)
    return rho_of_epsilon(epsilon)


def epsilon_of_budget(units: int, accounting: Accounting) -> float:
    """Return the epsilon whose request buys so many ledger units. For display and prices."""
    return units * 1e-12 if accounting is Accounting.PURE else epsilon_of_rho(units)


def epsilon_of_rho(rho: int) -> float:
    """Return the epsilon whose request buys `rho` units: sqrt(2 rho). For display and prices."""
    return math.sqrt(2 * rho * 1e-12)
