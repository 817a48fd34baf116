"""The watcher on both stores: one of all replicas watches, what it finds again is raised once, troubles of the store."""

import json
from types import SimpleNamespace

import pytest
from sqlalchemy import delete
from support.gateways import POLICY as TEXT
from support.stores import SEALER, Clock, ledger_of, meter_of, order

from gateway.app.watching import BACK_S, LEASE_S, Watcher
from gateway.catalog.load import parse
from gateway.ledger.alerts import Alerts
from gateway.ledger.observing import Observations
from gateway.store import epochs
from gateway.store.tables import leaves

BOX = '{"quantity":"count","shape":"s","keys":{},"rows":1000,"units":300,"series":"","draw":["m0","p0"],"box":'
POLICY = SimpleNamespace(document=parse(TEXT, "shop.yaml"))
WHOLE, LESS = f"[{BOX}{{}}}}]", f'[{BOX}{{"t.x":[1000,[[0,998]]]}}}}]'


@pytest.fixture
def clock():
    return Clock()


def watcher(store, clock, name, held=None):
    books = SimpleNamespace(
        ledger=ledger_of(store, clock), observations=Observations(store, clock, SEALER), alerts=Alerts(store, clock)
    )
    return Watcher(store, clock, books, lambda: held or {}, name)


async def kinds(store, clock):
    found, _ = await Alerts(store, clock).shown(None, None, 100)
    return [(one.kind, one.dataset) for one in reversed(found)]


async def spend(store, clock, *asked):
    ledger = ledger_of(store, clock)
    for number, populations in enumerate(asked, 1):
        await ledger.charge(order(number, populations=populations, rho=1, delta=0))


async def test_what_is_charged_is_watched_by_one_and_by_the_next_once_it_is_gone(store, clock):
    first, second = watcher(store, clock, "first"), watcher(store, clock, "second")
    assert await first.look() == []
    await spend(store, clock, WHOLE, LESS)
    assert await second.look() == []
    assert len(await first.look()) == 1
    assert await kinds(store, clock) == [("differencing", "shop")]
    assert await first.look() == []
    clock.pass_(LEASE_S + 1)
    assert await second.look() == [], "it finds the same again, and it is raised already"
    assert await first.look() == []
    await second.release()
    assert await first.look() == []
    assert await kinds(store, clock) == [("differencing", "shop")]


async def test_budgets_that_pass_their_shares_are_told_once_each(store, clock):
    watching, ledger = watcher(store, clock, "one"), ledger_of(store, clock)
    told = []
    for number in range(1, 6):  # of 60 that the buyer may spend, and 100 in all
        await ledger.charge(order(number, rho=12, delta=0))
        await watching.look()
        told.append(len(await kinds(store, clock)))
    found, _ = await Alerts(store, clock).shown(None, None, 10)
    assert [(one.figures["account"], one.figures["passed"]) for one in reversed(found)] == [
        ("buyer/a/org/ana", 0.5),
        ("buyer/a/org/ana", 0.8),
        ("data/a", 0.5),
        ("buyer/a/org/ana", 0.95),
    ]
    assert told == [0, 0, 1, 2, 4]
    assert {one.severity for one in found if one.figures["passed"] == 0.95} == {"alarm"}


async def test_a_burst_of_refusals_is_told(store, clock):
    watching, meter = watcher(store, clock, "one"), meter_of(store, clock)
    facts = {"organisation": "org", "buyer": "ana", "dataset": "shop", "reason": "unsupported_sql"}
    for number in range(29):
        await meter.refuse(f"R{number}", json.dumps(facts))
    assert await watching.look() == []
    await meter.refuse("R29", json.dumps({**facts, "buyer": "bob"}))
    assert await watching.look() == []
    await meter.refuse("R30", json.dumps(facts))
    assert len(await watching.look()) == 1
    assert await kinds(store, clock) == [("refusals", "shop")]


async def test_a_failed_query_and_a_suspended_dataset_are_told(store, clock):
    ledger = ledger_of(store, clock)
    charge = await ledger.charge(order(1, rho=1, delta=0))
    await ledger.fail(charge, "division by a secret")
    held = {"shop": SimpleNamespace(dataset=SimpleNamespace(suspended="a fact", data_version="v1"), file=POLICY)}
    watching = watcher(store, clock, "one", held)
    assert len(await watching.look()) == 2
    assert await watching.look() == []
    found, _ = await Alerts(store, clock).shown(None, None, 10)
    assert {one.kind for one in found} == {"engine"}
    assert "secret" not in "".join(one.words + json.dumps(one.figures) for one in found)


async def test_a_clock_that_went_back_a_fence_and_a_shorter_log_are_told_to_the_supervisor(store, clock):
    watching = watcher(store, clock, "one")
    await spend(store, clock, "[]", "[]")
    assert await watching.look() == []
    clock.pass_(-BACK_S - 1)
    assert len(await watching.look()) == 1
    clock.pass_(BACK_S + 2)
    await store.run(lambda connection: connection.execute(delete(leaves).where(leaves.c.position == 1)))
    await store.run(lambda connection: epochs.begin(connection, "restored"))
    assert len(await watching.look()) == 2
    assert sorted(await kinds(store, clock)) == [("clock", ""), ("log", ""), ("log", "")]
