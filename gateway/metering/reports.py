"""What charges were worth, and what they would be under another plan: for providers. Pure, over meter events."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from gateway.catalog.model import PricePlan
from gateway.ledger.events import TYPE
from gateway.metering.charges import Charged, charged
from gateway.metering.periods import Period
from gateway.metering.prices import money, reprice


@dataclass(frozen=True, slots=True)
class Revenue:
    """What one currency brought in: of everybody (`organisation` None) or of one buyer organisation.

    `epsilon` is the sum of what the prices counted, which composes to less under zCDP.
    """

    currency: str
    organisation: str | None
    queries: int
    epsilon: Decimal
    amount: Decimal

    @property
    def per_epsilon(self) -> Decimal | None:
        """Money for each unit of epsilon, to the currency's smallest unit; None where none was spent."""
        if not self.epsilon:
            return None
        unit = Fraction(money(1, self.currency))
        return money(round(Fraction(self.amount) / Fraction(self.epsilon) / unit), self.currency)


@dataclass(frozen=True, slots=True)
class Cost:
    """True engine cost of the charges: statements, time, rows that the engine returned."""

    statements: int
    cpu_ms: Decimal
    wall_ms: Decimal
    rows: int
    peak_memory_bytes: int


@dataclass(frozen=True, slots=True)
class Report:
    """A dataset's trade. `tables` and `columns` count charges and free repeats that read them."""

    dataset: str
    period: str | None
    revenue: tuple[Revenue, ...]
    buyers: tuple[Revenue, ...]
    tables: tuple[tuple[str, int], ...]
    columns: tuple[tuple[str, int], ...]
    repeats: int
    refusals: tuple[tuple[str, int], ...]
    cost: Cost

    def per_cpu_second(self, revenue: Revenue) -> Decimal | None:
        """Return what a second of the engine's processors brought in; None where none was measured."""
        if not self.cost.cpu_ms:
            return None
        unit = Fraction(money(1, revenue.currency))
        each = Fraction(revenue.amount) * 1000 / Fraction(self.cost.cpu_ms)
        return money(round(each / unit), revenue.currency)

    def document(self) -> dict[str, Any]:
        """Return the report as JSON."""
        return {
            "dataset": self.dataset,
            "period": self.period,
            "revenue": [_revenue(one) | {"per_cpu_second": _text(self.per_cpu_second(one))} for one in self.revenue],
            "buyers": [{"organisation": one.organisation} | _revenue(one) for one in self.buyers],
            "demand": {"tables": dict(self.tables), "columns": dict(self.columns)},
            "repeats": self.repeats,
            "refusals": dict(self.refusals),
            "cost": {
                "statements": self.cost.statements,
                "cpu_ms": f"{self.cost.cpu_ms:f}",
                "wall_ms": f"{self.cost.wall_ms:f}",
                "rows": self.cost.rows,
                "peak_memory_bytes": self.cost.peak_memory_bytes,
            },
        }


def _revenue(one: Revenue) -> dict[str, Any]:
    return {
        "currency": one.currency,
        "queries": one.queries,
        "epsilon": f"{one.epsilon:f}",
        "amount": f"{one.amount:f}",
        "per_epsilon": _text(one.per_epsilon),
    }


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:f}"


@dataclass(slots=True)
class _Sums:
    tables: Counter[str] = field(default_factory=Counter)
    columns: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    charges: list[Charged] = field(default_factory=list)
    measured: list[Mapping[str, Any]] = field(default_factory=list)
    repeats: int = 0


def report(events: Iterable[Mapping[str, Any]], dataset: str, period: Period | None) -> Report:
    """Return a dataset's report over events of any kind, each of which is there once; of a period where one is given.

    Engine cost belongs to the period in which its query was charged.
    """
    sums = _Sums()
    for event in events:
        if event["data"].get("dataset") == dataset:
            _add(sums, event, period)
    charges = {charge.query_id for charge in sums.charges}
    costs = [event["data"] for event in sums.measured if event["subject"] in charges]
    return Report(
        dataset=dataset,
        period=period.name if period is not None else None,
        revenue=_revenues(sums.charges, by_buyer=False),
        buyers=_revenues(sums.charges, by_buyer=True),
        tables=tuple(sums.tables.most_common()),
        columns=tuple(sums.columns.most_common()),
        repeats=sums.repeats,
        refusals=tuple(sums.refusals.most_common()),
        cost=Cost(
            statements=len(costs),
            cpu_ms=sum((Decimal(str(cost["cpu_ms"])) for cost in costs), Decimal(0)),
            wall_ms=sum((Decimal(str(cost["wall_ms"])) for cost in costs), Decimal(0)),
            rows=sum(cost["rows"] for cost in costs),
            peak_memory_bytes=max((cost["peak_memory_bytes"] for cost in costs), default=0),
        ),
    )


def _add(sums: _Sums, event: Mapping[str, Any], period: Period | None) -> None:
    kind, data = event["type"].removeprefix(TYPE), event["data"]
    if kind == "measured":
        sums.measured.append(event)
    elif period is not None and not period.holds(datetime.fromisoformat(event["time"])):
        return
    elif kind == "refused":
        sums.refusals[data["reason"]] += 1
    else:
        sums.tables.update(data["tables"])
        sums.columns.update(data["columns"])
        if kind == "charged":
            sums.charges.append(charged(event))
        else:
            sums.repeats += 1


def _revenues(charges: Iterable[Charged], *, by_buyer: bool) -> tuple[Revenue, ...]:
    groups: dict[tuple[str, str | None], list[Charged]] = {}
    for charge in charges:
        key = (charge.currency, charge.organisation if by_buyer else None)
        groups.setdefault(key, []).append(charge)
    found = [
        Revenue(
            currency,
            organisation,
            len(group),
            sum((Decimal(charge.units["epsilon"]) for charge in group), Decimal(0)),
            sum((charge.amount for charge in group), Decimal(0)),
        )
        for (currency, organisation), group in groups.items()
    ]
    return tuple(sorted(found, key=lambda one: (one.currency, -one.amount, one.organisation or "")))


# -- what if ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What one organisation was charged on one dataset, and what the same charges would be under another plan."""

    organisation: str
    dataset: str
    queries: int
    charged: Decimal
    currency: str
    would_be: Decimal
    would_be_currency: str

    @property
    def difference(self) -> Decimal | None:
        """How much more it would be; None between two currencies, unless nothing was charged."""
        if self.currency != self.would_be_currency and self.charged:
            return None
        return self.would_be - self.charged

    def document(self) -> dict[str, Any]:
        """Return one row as JSON."""
        return {
            "organisation": self.organisation,
            "dataset": self.dataset,
            "queries": self.queries,
            "charged": f"{self.charged:f}",
            "currency": self.currency,
            "would_be": f"{self.would_be:f}",
            "would_be_currency": self.would_be_currency,
            "difference": _text(self.difference),
        }


def simulate(charges: Sequence[Charged], plan: PricePlan) -> tuple[WhatIf, ...]:
    """Return what charges would have cost under a plan, one row for each organisation, dataset and currency.

    Each charge is priced from the units that its own price counted, and rounded as it would have been.
    """
    groups: dict[tuple[str, str, str], list[Charged]] = {}
    for charge in charges:
        groups.setdefault((charge.organisation, charge.dataset, charge.currency), []).append(charge)
    return tuple(
        WhatIf(
            organisation,
            dataset,
            len(group),
            sum((charge.amount for charge in group), Decimal(0)),
            currency,
            sum((reprice(plan, charge.units) for charge in group), money(0, plan.currency)),
            plan.currency,
        )
        for (organisation, dataset, currency), group in sorted(groups.items())
    )
