"""Prices: data-independent, exact decimals, rounded once per query, half-even, to the currency's smallest unit."""

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from gateway.catalog.model import DataClass, PricePlan

_PLACES = {"BIF": 0, "CLP": 0, "ISK": 0, "JPY": 0, "KRW": 0, "PYG": 0, "UGX": 0, "VND": 0, "XAF": 0, "XOF": 0,
           "BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3}  # fmt: skip
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


def smallest_unit(currency: str) -> Decimal:
    """Return the smallest amount of a currency."""
    return Decimal(1).scaleb(-_PLACES.get(currency, 2))


def price(plan: PricePlan | None, *, epsilon: Decimal, data_class: DataClass, declared_rows: int) -> Price:
    """Return per_query + per_epsilon * epsilon * class factor + per_million_rows * rows / 10^6, rounded once.

    Never less than the plan's minimum. Money of the plan's currency; `units` says what was counted.
    """
    if plan is None:
        return Price(Decimal(0), FREE_CURRENCY, None, None, {})
    factor = dict(plan.class_factor).get(data_class, Decimal(1))
    millions = Decimal(declared_rows) / 1_000_000
    exact = plan.per_query + plan.per_epsilon * epsilon * factor + plan.per_million_rows * millions
    amount = max(exact, plan.minimum).quantize(smallest_unit(plan.currency), rounding=ROUND_HALF_EVEN)
    units = {
        "queries": "1",
        "epsilon": f"{epsilon:f}",
        "class": data_class.value,
        "class_factor": f"{factor:f}",
        "million_rows": f"{millions:f}",
    }
    return Price(amount, plan.currency, plan.name, plan.version, units)


def split(amount: Decimal, shares: dict[str, Decimal], currency: str) -> dict[str, Decimal]:
    """Return each payee's part of an amount by largest remainder: whole smallest units that sum to it exactly."""
    unit = smallest_unit(currency)
    total = int(amount / unit)
    exact = {payee: total * share for payee, share in shares.items()}
    parts = {payee: int(value) for payee, value in exact.items()}
    rest = total - sum(parts.values()) if shares else 0
    by_remainder = sorted(shares, key=lambda payee: (parts[payee] - exact[payee], payee))
    for payee in by_remainder[:rest]:
        parts[payee] += 1
    return {payee: count * unit for payee, count in parts.items()}
