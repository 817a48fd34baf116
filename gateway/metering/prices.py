"""Prices: data-independent, exact, rounded once per query, half-even, to the currency's smallest unit. No taxes."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from gateway.catalog.model import DataClass, PricePlan

_CODES = {0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
          3: "BHD IQD JOD KWD LYD OMR TND", 4: "CLF UYW"}  # fmt: skip
_PLACES = {code: places for places, codes in _CODES.items() for code in codes.split()}
"""Decimal places of currencies that do not have two (ISO 4217)."""


@dataclass(frozen=True, slots=True)
class Price:
    """What a query costs: `units` shows what was counted, as decimal texts."""

    amount: Decimal
    currency: str
    plan: str | None
    version: str | None
    units: dict[str, str]


FREE_CURRENCY = "XXX"
"""ISO 4217's code for no currency."""

FREE = Price(Decimal(0), FREE_CURRENCY, None, None, {})
"""The price of an answer that is stored already: nothing is counted."""


def smallest_unit(currency: str) -> Decimal:
    """Return the smallest amount of a currency."""
    return money(1, currency)


def money(count: int, currency: str) -> Decimal:
    """Return so many smallest units of a currency as an amount, with the currency's decimal places."""
    return Decimal(f"{count}e-{_PLACES.get(currency, 2)}")


def count_units(amount: Decimal, currency: str) -> int:
    """Return how many smallest units an amount is. Raises ValueError where it is not a whole number of them."""
    count = Fraction(amount) / Fraction(smallest_unit(currency))
    if count.denominator != 1:
        raise ValueError(f"{amount} {currency} is no whole number of smallest units")
    return count.numerator


def price(plan: PricePlan | None, *, epsilon: Decimal, data_class: DataClass, declared_rows: int) -> Price:
    """Return per_query + per_epsilon * epsilon * class factor + per_million_rows * rows / 10^6, rounded once.

    Never less than the plan's minimum. Money of the plan's currency; `units` says what was counted, also where no
    plan charges for it.
    """
    whole, rest = divmod(declared_rows, 1_000_000)
    units = {
        "queries": "1",
        "epsilon": f"{epsilon:f}",
        "class": data_class.value,
        "million_rows": f"{whole}.{rest:06}".rstrip("0").rstrip("."),
    }
    if plan is None:
        return Price(Decimal(0), FREE_CURRENCY, None, None, units)
    factor = _factor(plan, data_class)
    return Price(reprice(plan, units), plan.currency, plan.name, plan.version, units | {"class_factor": f"{factor:f}"})


def reprice(plan: PricePlan, units: Mapping[str, str]) -> Decimal:
    """Return what counted units cost under a plan: the one place where a price is made and rounded."""
    factor = _factor(plan, DataClass(units["class"]))
    exact = (
        Fraction(plan.per_query)
        + Fraction(plan.per_epsilon) * Fraction(units["epsilon"]) * Fraction(factor)
        + Fraction(plan.per_million_rows) * Fraction(units["million_rows"])
    )
    due = max(exact, Fraction(plan.minimum)) / Fraction(smallest_unit(plan.currency))
    return money(round(due), plan.currency)  # of a Fraction: half to even


def _factor(plan: PricePlan, data_class: DataClass) -> Decimal:
    return dict(plan.class_factor).get(data_class, Decimal(1))


def split(amount: Decimal, shares: Mapping[str, Decimal], currency: str) -> dict[str, Decimal]:
    """Return each payee's part of an amount by largest remainder: whole smallest units that sum to it exactly."""
    weights = {payee: Fraction(share) for payee, share in shares.items()}
    parts = apportion(count_units(amount, currency), weights)
    return {payee: money(count, currency) for payee, count in parts.items()}


def apportion(total: int, weights: Mapping[str, Fraction]) -> dict[str, int]:
    """Divide whole units in proportion to weights (Hamilton's method: floors, then the largest remainders).

    Ties go by name. The parts sum to `total`; without a weight above zero there is nobody to give to.
    """
    whole = sum(weights.values())
    if not whole:
        return {}
    quotas = {name: total * weight / whole for name, weight in weights.items()}
    parts = {name: quota.numerator // quota.denominator for name, quota in quotas.items()}
    rest = total - sum(parts.values())
    for name in sorted(quotas, key=lambda name: (parts[name] - quotas[name], name))[:rest]:
        parts[name] += 1
    return parts
