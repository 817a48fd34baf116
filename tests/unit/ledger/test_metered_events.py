"""What the meter writes of charges on both stores: events with ids and cursors, each for those who may read it."""

import json
from fractions import Fraction

import pytest
from support.stores import order, refused

from gateway.errors import GatewayError
from gateway.ledger.events import DELTA_DECIMALS, RHO_DECIMALS, decimal_text
from gateway.ledger.model import Spent
from gateway.privacy.units import DELTA_UNIT, RHO_UNIT

SHOP = frozenset({"shop"})


async def test_events_have_stable_ids_cursors_and_readers(ledger, meter):
    charge = await ledger.charge(order(1))
    await meter.measured(charge, [Spent(1, {"rows": 3})])
    await meter.refuse("R1", '{"reason": "raw_rows", "dataset": "shop"}')
    seen = await meter.events(None, 10, billing=True, provided=frozenset())
    assert [json.loads(line)["type"].rpartition(".")[2] for _, line in seen] == ["charged", "refused"]
    assert len(await meter.events(None, 10, billing=True, provided=SHOP)) == 3
    assert len(await meter.events(None, 10, billing=False, provided=SHOP)) == 3
    assert await meter.events(None, 10, billing=False, provided=frozenset({"other"})) == []
    assert await meter.events(seen[0][0], 10, billing=True, provided=frozenset()) == seen[1:]
    assert await meter.events(None, 1, billing=True, provided=frozenset()) == seen[:1]
    newest = [line for _, line in seen[::-1]]
    assert await meter.latest(10, billing=True, provided=frozenset()) == newest
    assert await meter.latest(1, billing=True, provided=frozenset()) == newest[:1]
    assert len(await meter.latest(10, billing=False, provided=SHOP)) == 3
    assert await meter.latest(10, billing=False, provided=frozenset({"other"})) == []
    event = json.loads(seen[0][1])
    assert event["specversion"] == "1.0"
    assert event["time"] == "2026-11-24T12:00:00.000000Z"
    assert event["data"]["amount"] == "1.50"
    assert (event["data"]["rho"], event["data"]["delta"]) == ("0.00000000002", "0.000000000000000005")
    assert event["data"]["log_index"] == 0
    await refused(meter.events("x", 1, billing=True, provided=frozenset()), "bad_request")


@pytest.mark.parametrize(
    ("units", "decimals", "text"),
    [(0, 12, "0"), (10**12, 12, "1"), (20_000_000_000, 12, "0.02"), (5 * 10**29 + 1, 12, "500000000000000000.000000000001"),
      (10**12, 18, "0.000001"), (100 * 10**12, 12, "100")],
)  # fmt: skip
def test_amounts_are_written_as_exact_decimals(units, decimals, text):
    assert decimal_text(units, decimals) == text
    assert Fraction(text) == Fraction(units, 10**decimals)


def test_the_decimals_are_those_of_the_units_of_privacy():
    assert Fraction(1, 10**RHO_DECIMALS) == RHO_UNIT
    assert Fraction(1, 10**DELTA_DECIMALS) == DELTA_UNIT


async def test_every_statement_of_every_attempt_is_measured_apart(ledger, meter, clock):
    charge = await ledger.charge(order())
    await meter.measured(charge, [Spent(1, {"rows": 3})])
    await meter.measured(charge, [Spent(2, {"rows": 4})])
    clock.pass_(6)
    again = await ledger.charge(order())
    await meter.measured(again, [Spent(1, {"rows": 3})])
    found = [json.loads(line) for _, line in await meter.events(None, 10, billing=False, provided=SHOP)][1:]
    assert [(e["data"]["attempt"], e["data"]["statement"]) for e in found] == [(1, 1), (1, 2), (2, 1)]
    assert len({e["id"] for e in found}) == 3


async def test_what_an_answer_cost_is_written_with_it_for_the_provider_alone_or_not_at_all(ledger, meter, clock):
    earlier = await ledger.charge(order())
    clock.pass_(6)
    charge = await ledger.charge(order())
    with pytest.raises(GatewayError, match="internal"):
        await ledger.record(earlier, b"too late", {}, [Spent(1, {"rows": 1})])
    await ledger.record(charge, b"answer", {}, [Spent(1, {"rows": 3}), Spent(2, {"rows": 4})])
    found = [json.loads(line) for _, line in await meter.events(None, 10, billing=False, provided=SHOP)][1:]
    assert [e["type"].rpartition(".")[2] for e in found] == ["measured"] * 2
    assert [(e["data"]["attempt"], e["data"]["statement"], e["data"]["rows"]) for e in found] == [(2, 1, 3), (2, 2, 4)]
    assert all(e["subject"] == charge.query_id and e["data"]["dataset"] == "shop" for e in found)
    assert len(await meter.events(None, 10, billing=True, provided=frozenset())) == 1, "the charge"
