"""Alerts and observations on both stores: raised once, read by whom they are for, sealed, and gone when they are old."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import select
from support.stores import SEALER, ledger_of, migrated, order

from gateway.app.clock import SystemRandomness
from gateway.errors import GatewayError
from gateway.ledger.alerts import EXCHANGE, Alerts, Finding, Kind, Severity, beyond
from gateway.ledger.observing import Observations
from gateway.ledger.sealing import Sealer
from gateway.store import dump, epochs, log
from gateway.store.database import open_store
from gateway.store.tables import observations

POPULATIONS = '[{"draw":["m0","p0"],"box":{"purchases.city":[3,[[0,0]]]}}]'


@pytest.fixture
def alerts(store, clock):
    return Alerts(store, clock)


def finding(name, dataset="shop", **more):
    return Finding(Kind.DIFFERENCING, dataset, name, Severity.ALARM, "words", ("org/ana",), {"units": 1}, **more)


async def test_a_finding_is_raised_once_by_whoever_finds_it(store, clock, alerts):
    other = Alerts(store, clock)
    first = await alerts.raise_all([finding("a"), finding("a"), finding("b")])
    assert len(first) == 2
    assert await other.raise_all([finding("a"), finding("b"), finding("a", "barn")]) != []
    assert await other.raise_all([finding("a")]) == []
    found, _ = await alerts.shown(None, None, 10)
    assert [(one.dataset, one.subjects, one.figures) for one in found] == [
        ("barn", ("org/ana",), {"units": 1}),
        ("shop", ("org/ana",), {"units": 1}),
        ("shop", ("org/ana",), {"units": 1}),
    ]


async def test_a_reader_sees_its_datasets_and_reads_on_from_a_cursor(alerts):
    for name in ("a", "b", "c"):
        await alerts.raise_all([finding(name), finding(name, "barn"), finding(name, EXCHANGE)])
    newest, cursor = await alerts.shown({"shop"}, None, 2)
    assert [one.dataset for one in newest] == ["shop", "shop"]
    assert newest[0].sequence > newest[1].sequence
    oldest, later = await alerts.shown({"shop"}, "1-0", 2)
    assert [one.sequence for one in oldest] == sorted(one.sequence for one in oldest)
    rest, end = await alerts.shown({"shop"}, later, 2)
    assert {one.alert_id for one in (*oldest, *rest)} == {finding(name).alert_id for name in ("a", "b", "c")}
    assert end == cursor
    assert await alerts.shown({"shop"}, end, 2) == ([], end)
    assert len((await alerts.shown(None, None, 100))[0]) == 9
    assert await alerts.shown(set(), None, 100) == ([], None)


@pytest.mark.parametrize("cursor", ["", "1", "x-1", "1-x", "1-", "-1", "1-1-1", "1-" + "9" * 19])
async def test_a_cursor_that_is_none_is_refused(alerts, cursor):
    with pytest.raises(GatewayError) as refused:
        await alerts.shown(None, cursor, 10)
    assert refused.value.code == "bad_request"


async def test_a_restored_store_is_read_from_the_beginning(store, alerts):
    await alerts.raise_all([finding("a")])
    _, cursor = await alerts.shown(None, None, 10)
    await store.run(lambda connection: epochs.begin(connection, "restored"))
    found, later = await alerts.shown(None, cursor, 10)
    assert [one.alert_id for one in found] == [finding("a").alert_id]
    assert later != cursor


async def test_who_sees_it_first_stays_and_others_datasets_are_not_seen(alerts, clock):
    await alerts.raise_all([finding("a")])
    alert_id = finding("a").alert_id
    assert await alerts.seen(alert_id, "acme/eve", {"barn"}) is None
    assert (await alerts.seen(alert_id, "acme/eve", {"shop"})).seen_by == "acme/eve"
    first = clock.now()
    clock.pass_(60)
    again = await alerts.seen(alert_id, "regulator/sun", None)
    assert (again.seen_by, again.seen_at) == ("acme/eve", first)
    assert await alerts.seen("0" * 32, "regulator/sun", None) is None


async def test_no_leaf_and_no_event_tells_of_an_alert(store, alerts):
    size = await store.read(log.size)
    await alerts.raise_all([finding("a")])
    await alerts.seen(finding("a").alert_id, "acme/eve", None)
    assert await store.read(log.size) == size


async def test_what_a_webhook_gets_is_the_alert_under_its_own_id(store, alerts):
    await alerts.raise_all([finding("a"), finding("b")])
    (one, two) = await store.read(lambda connection: beyond(connection, 0, 10))
    event = json.loads(one.event("gw"))
    assert (event["id"], event["type"], event["source"]) == (one.alert_id, "gateway.alert.raised", "urn:gateway:gw")
    assert event["data"]["figures"] == {"units": 1}
    assert await store.read(lambda connection: beyond(connection, one.sequence, 10)) == [two]


# -- observations -----------------------------------------------------------------------------------------------------


async def test_a_charge_is_observed_sealed_and_a_refused_one_is_not(store, clock):
    ledger = ledger_of(store, clock)
    facts = json.dumps({"organisation": "org", "buyer": "ana", "dataset": "shop", "columns": ["purchases.city"]})
    await ledger.charge(order(1, populations=POPULATIONS, facts=facts))
    with pytest.raises(GatewayError):
        await ledger.charge(order(2, rho=10**6, populations=POPULATIONS))
    await ledger.replay(order(3, draws=(), rho=0, delta=0, populations=POPULATIONS), b"free")
    rows = await store.read(lambda connection: connection.execute(select(observations)).all())
    assert [(row.query_id, row.dataset, row.buyer) for row in rows] == [("Q1", "shop", "org/ana")]
    assert b"city" not in bytes(rows[0].sealed)
    (seen,), last = await Observations(store, clock, SEALER).after(0, 10)
    assert (seen.populations, seen.columns, last) == (POPULATIONS, ("purchases.city",), rows[0].sequence)
    assert [(account.key, account.rho_limit) for account in seen.accounts] == [("data/a", 100), ("buyer/a/org/ana", 60)]
    assert await Observations(store, clock, SEALER).after(last, 10) == ([], None)


async def test_what_another_key_sealed_is_passed_over(store, clock):
    await ledger_of(store, clock).charge(order(1))
    stranger = Observations(store, clock, Sealer(b"k" * 32, SystemRandomness()))
    found, last = await stranger.after(0, 10)
    assert found == []
    assert last is not None


async def test_observations_are_deleted_when_their_policy_keeps_them_no_longer(store, clock):
    ledger, kept = ledger_of(store, clock), Observations(store, clock, SEALER)
    await ledger.charge(order(1))
    clock.pass_(3600)
    await ledger.charge(order(2))
    clock.pass_(60)
    assert await kept.purge("barn", timedelta(minutes=30)) == 0
    assert await kept.purge("shop", timedelta(minutes=30)) == 1
    assert [seen.query_id for seen in (await kept.after(0, 10))[0]] == ["Q2"]


@pytest.fixture(params=["sqlite", "postgres"])
async def fresh(request, tmp_path):
    made = await open_store(*migrated(tmp_path / "fresh", request.param))
    yield made
    await made.close()


async def test_a_restored_store_goes_on_behind_what_it_had(store, fresh, clock, alerts, tmp_path):
    await ledger_of(store, clock).charge(order(1))
    await alerts.raise_all([finding("a")])
    await store.read(lambda connection: dump.backup(connection, tmp_path / "backup.zip"))
    await fresh.run(lambda connection: dump.restore(connection, tmp_path / "backup.zip"))
    await fresh.run(epochs.lift)
    await ledger_of(fresh, clock).charge(order(2, rho=1))
    later = Alerts(fresh, clock)
    assert await later.raise_all([finding("a"), finding("b")]) == [finding("b").alert_id]
    assert [seen.query_id for seen in (await Observations(fresh, clock, SEALER).after(0, 10))[0]] == ["Q1", "Q2"]
    assert [one.sequence for one in await fresh.read(lambda connection: beyond(connection, 0, 10))] == [1, 2]
