"""What evidence looks for in a long log is found by an index of the database, on both stores, and is all that there is."""

import asyncio
import json

import pytest
from sqlalchemy import insert, select, text
from support.stores import Clock, ledger_of, meter_of, order

from gateway.evidence import receipts
from gateway.ledger.freezing import Freezes, Scope, Target
from gateway.ledger.repeating import of_keys
from gateway.store import log
from gateway.store.database import open_store
from gateway.store.tables import SELDOM, events, leaves, seldom


def leaf(kind, **more):
    return json.dumps({"kind": kind, **more}, sort_keys=True, separators=(",", ":")).encode()


async def test_leaves_that_persons_make_are_found_among_others(store):
    said = [
        leaf("charged", query_id="Q1"),
        leaf("frozen", scope="all", name="", reason='it says "kind":"frozen"'),
        leaf("member-applied", evidence=[{"kind": "frozen", "reference": "x"}]),
        leaf("unfrozen", scope="all", name=""),
        *(leaf(kind, dataset="shop") for kind in SELDOM),
        leaf("answered", query_id="Q1", reason="Überprüfung"),
    ]
    await store.run(lambda c: log.append_all(c, said))
    every = [(at, json.loads(one)) for at, one in enumerate(said)]
    for kinds in (set(SELDOM), {"frozen"}, {"unfrozen", "withdrawn"}):
        for since in (0, 2, len(said)):
            found = await store.read(lambda c, kinds=kinds, since=since: log.read_seldom(c, kinds, since))
            assert found == [(at, one) for at, one in every if one["kind"] in kinds and at >= since]


def plan(connection, wanted):
    """Return how the database goes about a statement, in its own words."""
    explain = "EXPLAIN QUERY PLAN " if connection.dialect.name == "sqlite" else "EXPLAIN "
    sql = str(wanted.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True}))
    return " ".join(str(row) for row in connection.exec_driver_sql(explain + sql))


async def test_neither_a_long_log_nor_a_long_outbox_is_read_through(store):
    many = [{"visibility": "billing", "dataset": "shop", "query_id": f"Q{n}", "line": "{}"} for n in range(5000)]

    def filled(connection):
        connection.execute(insert(events), many)
        log.append_all(connection, [leaf("charged", query_id=f"Q{n}") for n in range(3000)] + [leaf("frozen")])

    def plans(connection):
        some = select(leaves).where(leaves.c.position >= 7, seldom(connection.dialect.name)).order_by(leaves.c.position)
        one = select(events.c.line).where(events.c.query_id == "Q7").order_by(events.c.sequence)
        return plan(connection, some), plan(connection, one)

    await store.run(filled)
    of_leaves, of_events = await store.read(plans)
    assert "log_leaves_seldom" in of_leaves
    assert "events_by_query" in of_events


@pytest.mark.parametrize("kind", ["refused", "charged"])
async def test_a_store_of_the_revision_before_has_its_events_named_when_it_is_migrated(store, store_place, kind):
    clock = Clock()
    if kind == "charged":
        await ledger_of(store, clock).charge(order())
    else:
        await meter_of(store, clock).refuse("Q1", json.dumps({"dataset": "shop", "reason": "no_grant"}))
    await Freezes(store, clock).freeze(Target(Scope.ALL, ""), "an alert", "reg/sun")

    def back(connection):
        for statement in (
            *(
                f"DROP INDEX {name}"
                for name in ("log_leaves_seldom", "events_by_query", "cases_by_time", "grants_by_time")
            ),
            "ALTER TABLE events DROP COLUMN query_id",
            "UPDATE alembic_version SET version_num = '0007'",
        ):
            connection.execute(text(statement))

    await store.run(back)
    migrated = await open_store(*store_place, migrate=True)
    try:
        event = await migrated.read(lambda c: receipts.event_of(c, "Q1"))
        assert (event["type"], event["data"]["log_index"]) == (f"gateway.query.{kind}", 0)
        found = await migrated.read(lambda c: log.read_seldom(c, {"frozen"}))
        assert [one["reason"] for _, one in found] == ["an alert"]
    finally:
        await migrated.close()


async def test_no_query_is_read_through_for_the_keys_of_free_repeats(store):
    rows = [(order(n), f"{n}".encode()) for n in range(200)]
    ledger = ledger_of(store, Clock())
    await asyncio.gather(*(ledger.replay(one, answer) for one, answer in rows))
    asked = {"buyer_0": "b", "key_0": "k0", "buyer_1": "b", "key_1": "k1"}
    found = await store.read(lambda c: plan(c, of_keys(2).params(asked)) if c.dialect.name == "sqlite" else "")
    assert "SCAN" not in found
    for one, answer in rows:  # more at once than are looked for at once
        assert (await ledger.lookup(one.buyer, one.idempotency_key, one.body_digest)).answer == answer
    again = await asyncio.gather(*(ledger.replay(one, b"again") for one, _ in rows))
    assert [one.answer for one in again] == [answer for _, answer in rows]
