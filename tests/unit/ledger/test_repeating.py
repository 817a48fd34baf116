"""Free repeats that are entered together: each as if it had been alone, and none without its commit."""

import asyncio
import json
from datetime import timedelta

import pytest
from sqlalchemy import select
from support.stores import SEALER, meter_of, order

from gateway.errors import GatewayError, StoreUnavailable
from gateway.ledger.model import InFlight, Stored
from gateway.ledger.reconcile import reconcile
from gateway.store import log, merkle
from gateway.store.tables import leaves, texts

MANY = 40


def free(number, **known):
    return order(number, rho=0, delta=0, draws=(), **known)


@pytest.fixture
def works(store, monkeypatch):
    """How many works the store was given."""
    given, run = [], store.run
    monkeypatch.setattr(store, "run", lambda work: given.append(work) or run(work))
    return given


async def test_what_waits_together_is_one_work_and_each_has_all_of_its_own(store, ledger, clock, works):
    await ledger.replay(free(0), b"answer 0")
    works.clear()
    told = await asyncio.gather(*(ledger.replay(free(n), f"answer {n}".encode()) for n in range(1, MANY)))
    assert told == [None] * (MANY - 1)
    assert len(works) == 1
    rows = [await ledger.query(f"Q{n}") for n in range(MANY)]
    assert [(row.state, row.answer) for row in rows] == [("finished", f"answer {n}".encode()) for n in range(MANY)]
    assert [row.log_index for row in rows] == list(range(MANY)), "in the order in which they came"

    def whole(connection):
        said = [bytes(leaf) for leaf in connection.scalars(select(leaves.c.leaf).order_by(leaves.c.position))]
        grown = {}
        for position, leaf in enumerate(said):
            for level, at, value in merkle.new_nodes(position, leaf, lambda lv, p: grown[lv, p]):
                grown[level, at] = value
        stored = log.node_reader(connection)
        return said, all(stored(*place) == value for place, value in grown.items())

    said, held = await store.read(whole)
    assert held, "the log is the one that its leaves make"
    assert [json.loads(leaf)["query_id"] for leaf in said] == [f"Q{n}" for n in range(MANY)]
    assert len({json.loads(leaf)["answer"] for leaf in said}) == MANY
    events = await meter_of(store, clock).events(None, 100, billing=True, provided=frozenset())
    assert [(json.loads(line)["subject"], json.loads(line)["data"]["log_index"]) for _, line in events] == [
        (f"Q{n}", n) for n in range(MANY)
    ]


async def test_of_one_key_the_first_is_entered_and_stands(ledger):
    first, second, conflict, other = await asyncio.gather(
        ledger.replay(free(1), b"first"),
        ledger.replay(free(2, idempotency_key="key-1", body_digest="body-1"), b"second"),
        ledger.replay(free(3, idempotency_key="key-1", body_digest="another"), b"third"),
        ledger.replay(free(4, idempotency_key="key-1", buyer="org/bob"), b"another buyer's"),
    )
    assert (first, second, conflict, other) == (None, InFlight("Q1"), InFlight("Q1"), None)
    assert await ledger.replay(free(2, idempotency_key="key-1", body_digest="body-1"), b"x") == Stored("Q1", b"first")
    with pytest.raises(GatewayError, match="idempotency_conflict"):
        await ledger.replay(free(3, idempotency_key="key-1", body_digest="another"), b"third")


async def test_the_key_of_a_charged_query_whose_worker_is_gone_goes_to_the_free_answer(store, ledger, clock):
    await ledger.charge(order(1))
    clock.pass_(60)
    again = {"idempotency_key": "key-1", "body_digest": "body-1"}
    told = await asyncio.gather(*(ledger.replay(free(n, **again), f"answer {n}".encode()) for n in (2, 3)))
    assert told == [None, InFlight("Q2")]
    assert ((await ledger.query("Q1")).state, (await ledger.query("Q1")).answer) == ("excused", None)
    assert (await ledger.query("Q2")).answer == b"answer 2", "each answer has its own query's id"
    assert await ledger.replay(free(4, **again), b"x") == Stored("Q2", b"answer 2")
    assert await ledger.failures("org/ana", "shop") == 0
    assert await store.read(log.size) == 3
    assert (await store.read(reconcile)).differences == ()


async def test_a_repeat_that_is_refused_leaves_the_key_of_a_lost_query_as_it_is(store, ledger, clock):
    await ledger.charge(order(1))
    clock.pass_(60)
    again = {"idempotency_key": "key-1", "body_digest": "body-1"}
    with pytest.raises(GatewayError, match="sql_too_complex"):
        await ledger.replay(free(2, facts=json.dumps({"organisation": "o" * 70_000}), **again), b"too long for a leaf")
    assert (await ledger.query("Q1")).state == "running"
    assert await store.read(log.size) == 1
    assert await ledger.replay(free(3, **again), b"answer") is None


async def test_one_that_is_refused_is_refused_alone(store, ledger, works):
    await ledger.replay(free(1), b"known")
    works.clear()
    long = json.dumps({"organisation": "o" * 70_000})
    told = await asyncio.gather(
        ledger.replay(free(2), b"good"),
        ledger.replay(free(3, facts=long), b"too long for a leaf"),
        ledger.replay(free(4, idempotency_key="key-1", body_digest="another"), b"another body"),
        ledger.replay(free(5, idempotency_key="key-1", body_digest="body-1"), b"x"),
        ledger.replay(free(6), b"good too"),
        return_exceptions=True,
    )
    assert len(works) == 1
    assert [getattr(one, "code", one) for one in told] == [
        None, "sql_too_complex", "idempotency_conflict", Stored("Q1", b"known"), None,
    ]  # fmt: skip
    assert [(await ledger.query(f"Q{n}")) is not None for n in (2, 3, 4, 5, 6)] == [True, False, False, False, True]
    assert await store.read(log.size) == 3


async def test_a_store_that_is_away_is_told_to_each_and_the_next_is_entered(store, ledger, monkeypatch):
    run = store.run

    async def away_after(work):
        def undone(connection):
            work(connection)
            raise StoreUnavailable

        await run(undone)

    async def away_before(_work):
        raise StoreUnavailable

    for number, away in enumerate((away_before, away_after)):
        monkeypatch.setattr(store, "run", away)
        told = await asyncio.gather(
            *(ledger.replay(free(f"{number}-{n}"), b"x") for n in range(3)), return_exceptions=True
        )
        assert [type(one) for one in told] == [StoreUnavailable] * 3
        monkeypatch.setattr(store, "run", run)
        assert await ledger.replay(free(f"{number}-next"), b"good") is None


async def test_an_asker_that_leaves_takes_nobody_with_it(ledger):
    asking = [asyncio.create_task(ledger.replay(free(n), b"x")) for n in range(4)]
    await asyncio.sleep(0)
    asking[0].cancel()
    assert await asyncio.gather(*asking[1:]) == [None] * 3


async def test_texts_are_sealed_for_those_that_keep_them(store, ledger):
    await asyncio.gather(ledger.replay(free(1, keep_text=timedelta(days=3)), b"x"), ledger.replay(free(2), b"y"))
    (row,) = await store.read(lambda c: c.execute(select(texts)).all())
    assert row.query_id == "Q1"
    assert SEALER.open("Q1", bytes(row.sealed)) == free(1).sql
