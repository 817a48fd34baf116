"""Reports for providers: revenue for epsilon, demand, cost, and what another plan would have brought."""

import json
from dataclasses import replace
from decimal import Decimal as D

import pytest
from support.billing import NOVEMBER, OCTOBER, priced
from support.shop import PLAN
from support.stores import Clock, ledger_of, meter_of

from gateway.ledger.model import Spent
from gateway.metering.charges import charges, events
from gateway.metering.periods import month
from gateway.metering.reports import report, simulate


@pytest.fixture
async def lines(store):
    """Two months of trade on two datasets."""
    clock = Clock(OCTOBER)
    ledger, meter = ledger_of(store, clock), meter_of(store, clock)
    cost = {"wall_ms": 12.5, "cpu_ms": 250.25, "rows": 3, "peak_memory_bytes": 1000}
    first = await ledger.charge(priced(1, "1.50"))
    await meter.measured(first, [Spent(1, cost)])
    await meter.measured(first, [Spent(2, {**cost, "peak_memory_bytes": 500})])
    await ledger.charge(priced(2, "2.00", organisation="lab"))
    await ledger.charge(priced(3, "7", currency="JPY"))
    await ledger.charge(priced(4, "9.00", dataset="flights"))
    await ledger.replay(priced(5, "0", currency="XXX", plan=None), b"again")
    await meter.refuse("R1", json.dumps({"dataset": "shop", "reason": "raw_rows"}))
    clock.at = NOVEMBER
    later = await ledger.charge(priced(6, "4.00"))
    await meter.measured(later, [Spent(1, cost)])
    found = await meter.events(None, 100, billing=False, provided=frozenset({"shop", "flights"}))
    return [line for _, line in found]


async def test_a_months_report_of_one_dataset(lines):
    made = report(events(lines), "shop", month("2026-10", "UTC"))
    cny, jpy = made.revenue
    assert (cny.queries, cny.amount, cny.epsilon, cny.per_epsilon) == (2, D("3.50"), D("0.2"), D("17.50"))
    assert (jpy.queries, jpy.amount, jpy.per_epsilon) == (1, D(7), D(70))
    assert [(one.organisation, one.amount) for one in made.buyers] == [
        ("lab", D("2.00")),
        ("org", D("1.50")),
        ("org", D(7)),
    ]
    assert made.tables == (("purchases", 4),), "free repeats are demand too"
    assert made.columns == (("purchases.quantity", 4),)
    assert (made.repeats, made.refusals) == (1, (("raw_rows", 1),))
    assert (made.cost.statements, made.cost.cpu_ms, made.cost.rows, made.cost.peak_memory_bytes) == (
        2,
        D("500.50"),
        6,
        1000,
    )
    # 3.50 CNY in half a second and a bit
    assert made.per_cpu_second(cny) == D("6.99")
    document = json.loads(json.dumps(made.document()))
    assert document["revenue"][0]["per_epsilon"] == "17.50"
    assert document["cost"]["cpu_ms"] == "500.50"


async def test_a_report_of_everything_and_one_of_nothing(lines):
    made = report(events(lines * 2), "shop", None)
    assert (made.revenue[0].amount, made.cost.statements, made.period) == (D("7.50"), 3, None)
    empty = report(events(lines), "nowhere", None)
    assert (empty.revenue, empty.cost.statements) == ((), 0)
    free = replace(made.revenue[0], epsilon=D(0))
    assert free.per_epsilon is None
    assert empty.per_cpu_second(free) is None


async def test_what_if_prices_each_charge_by_what_it_counted(lines):
    october = [c for c in charges(lines) if c.at.month == 10]
    rows = {(row.organisation, row.dataset, row.currency): row for row in simulate(october, PLAN)}
    # 0.50 + 20 * 0.1 + 0.10 * 0.5, halves to even
    assert rows["org", "shop", "CNY"].would_be == D("2.55")
    assert rows["org", "shop", "CNY"].difference == D("1.05")
    assert rows["org", "flights", "CNY"].difference == D("-6.45")
    assert rows["org", "shop", "JPY"].difference is None, "two currencies"
    assert rows["lab", "shop", "CNY"].document()["would_be"] == "2.55"


async def test_the_same_plan_changes_nothing(store):
    clock = Clock(OCTOBER)
    await ledger_of(store, clock).charge(priced(1, "2.55"))
    (row,) = simulate(
        charges([line for _, line in await meter_of(store, clock).events(None, 9, billing=True, provided=frozenset())]),
        PLAN,
    )
    assert (row.charged, row.would_be, row.difference) == (D("2.55"), D("2.55"), 0)
