"""The path of a query after its charge: the real ledger, planner and release over a real database that may fail."""

import json
from dataclasses import replace

import pytest
from support.pipelines import BUYER, SECRET, Database, Releaser, briefly, spent
from support.queries import ANSWERED
from support.shop import CALLER, NOW, SHOP
from support.stores import SEALER, meter_of

from gateway import pipeline
from gateway.errors import GatewayError, Overloaded, StoreUnavailable
from gateway.ledger import charging
from gateway.ledger.model import InFlight, Stored
from gateway.planning import plan
from gateway.ports import FixedClock
from gateway.request import Request
from gateway.store.tables import queries


async def test_who_finds_no_finisher_free_has_not_failed_and_is_redone_under_the_charge(
    store, parts, ledger, database, provider
):
    class Crowded(Releaser):
        async def finish(self, *_):
            raise Overloaded("No finisher worker got free in time.")

    asked = Request(ANSWERED["count_by_month"], idempotency_key="k")
    for _ in range(3):
        with pytest.raises(Overloaded, match="charged") as caught:
            await pipeline.answer(replace(parts, releaser=Crowded(), book=briefly(store)), asked, CALLER)
        assert "same idempotency key" in caught.value.hint
    assert (await ledger.failures(BUYER, "shop"), provider.failures) == (0, [])
    (data, *_) = await spent(ledger)
    assert data > 0
    await pipeline.answer(replace(parts, book=briefly(store)), asked, CALLER)
    assert (await spent(ledger))[0] == data, "one charge"


async def test_who_waits_for_another_with_its_key_looks_less_and_less_often(parts):
    pauses = []

    class Worked:
        async def lookup(self, *_):
            return InFlight("Q0") if sum(pauses) < 60 else Stored("Q0", b"answer")

    async def pause(seconds):
        pauses.append(seconds)

    asked = Request(ANSWERED["count_by_month"], idempotency_key="k")
    assert await pipeline.answer(replace(parts, book=Worked(), pause=pause), asked, CALLER) == b"answer"
    assert pauses[0] <= 0.05
    assert len(pauses) < 150, "a minute"
    assert max(pauses) <= 0.5


async def test_an_answer_that_the_store_could_not_take_is_redone_under_its_charge(store, parts, ledger, provider):
    class Away(type(ledger)):
        async def record(self, *_):
            raise StoreUnavailable

    away = Away(store, FixedClock(NOW), "gw", SEALER, lease_s=-1)
    asked = Request(ANSWERED["count_by_month"], idempotency_key="k")
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            await pipeline.answer(replace(parts, book=away), asked, CALLER)
    assert (await ledger.failures(BUYER, "shop"), provider.failures) == (0, [])
    assert (provider.held, provider.apart) == ({}, []), (
        "what it cost may stand with the answer: no cost is written twice"
    )
    before = await spent(ledger)
    await pipeline.answer(replace(parts, book=briefly(store)), asked, CALLER)
    assert await spent(ledger) == before


async def test_what_a_worker_that_was_shut_out_spent_is_written_apart(store, parts, ledger, provider):
    class Fenced(type(ledger)):
        async def record(self, *_):
            raise GatewayError("internal", "Another worker has taken this query over.", "Ask again.")

    fenced = Fenced(store, FixedClock(NOW), "gw", SEALER)
    with pytest.raises(GatewayError, match="query_failed"):
        await pipeline.answer(replace(parts, book=fenced), Request(ANSWERED["count_by_month"]), CALLER)
    assert [spent.statement for spent in provider.apart] == [statement for _, statement, _ in provider.costs] != []
    assert provider.held == {}


async def test_a_childs_word_that_it_is_overloaded_is_a_failure_like_any_other(parts, ledger, database):
    database.fails = GatewayError("overloaded", "so it says")
    with pytest.raises(GatewayError, match="query_failed"):
        await pipeline.answer(parts, Request(ANSWERED["count_by_month"]), CALLER)
    assert await ledger.failures(BUYER, "shop") == 1


async def test_the_charge_is_there_before_a_row_and_the_answer_before_a_byte(store, parts, ledger, database, provider):
    meter = meter_of(store, FixedClock(NOW))
    asked = Request(ANSWERED["count_by_month"], idempotency_key="k")
    out = await pipeline.answer(parts, asked, CALLER)
    (whole, *_) = await spent(ledger)
    assert database.spent_at_the_first_row == whole > 0
    assert (await ledger.query("Q1")).answer == out
    assert [(query, statement) for query, statement, rows in provider.costs if rows] == [("Q1", 1)]
    assert provider.charged_queries == ["Q1"]
    assert provider.settled_queries == ["Q1"], "what it cost is written by the time that it is answered"
    assert (provider.held, provider.apart) == ({}, []), "with the answer"
    costs = [json.loads(line)["data"] for _, line in await meter.events(None, 10, billing=False, provided={"shop"})][1:]
    assert [(cost["attempt"], cost["statement"], cost["rows"]) for cost in costs] == [
        (1, statement, rows) for _, statement, rows in provider.costs
    ]
    assert await pipeline.answer(parts, asked, CALLER) == out, "the stored bytes, and not another draw"
    assert (await pipeline.given(parts, asked, CALLER)).answer == out
    again = await pipeline.answer(parts, Request(ANSWERED["count_by_month"]), CALLER)
    assert b'"stored": true' in again
    assert await spent(ledger) == [whole] * 4
    assert database.open == 0


async def test_the_secret_of_the_pick_is_bound_in_every_place_that_asks_for_it(parts, database):
    await pipeline.answer(parts, Request(ANSWERED["private_key"]), CALLER)
    assert database.parameters
    assert set(database.parameters) == {SECRET}


async def test_a_failure_after_the_charge_is_one_error_that_is_kept_and_counted(parts, ledger, database, provider):
    database.fails = ValueError("the row of customer 17 is odd")
    codes = []
    for key in ("a", "a", "b", "c"):
        with pytest.raises(GatewayError) as caught:
            await pipeline.answer(parts, Request(ANSWERED["count"], idempotency_key=key), CALLER)
        codes.append(caught.value.code)
        assert "17" not in caught.value.detail + caught.value.hint
        assert caught.value.__cause__ is None
    assert codes == ["query_failed", "query_failed", "query_failed", "buyer_suspended"]
    assert [text for _, text in provider.failures] == ["ValueError: the row of customer 17 is odd"] * 2
    assert [failure.note for failure in await ledger.failed("shop")] == [
        "ValueError: the row of customer 17 is odd"
    ] * 2
    planned = plan(pipeline.PlanJob(SHOP, CALLER, Request(ANSWERED["count"]), NOW, SHOP.grants[0]))
    assert await spent(ledger) == [2 * planned.rho] * 4, "the charges stay"
    assert database.open == 0, "an engine is given back whatever happens"


def ends(store, how):
    """Return what ends the query Q1 in the store, as a buyer, a supervisor or a grant's end would."""

    def work(connection):
        if how == "cancelled":
            charging.cancel(connection, BUYER, "Q1", NOW)
        else:
            charging.stop(connection, (queries.c.query_id == "Q1",), "an alert", NOW, how)

    return lambda: store.run(work)


@pytest.mark.parametrize("engine", ["answers", "fails"])
@pytest.mark.parametrize(
    ("how", "code"),
    [("cancelled", "query_cancelled"), ("stopped", "query_stopped"), ("withdrawn", "grant_ended")],
)
async def test_what_was_ended_just_before_its_work_was_done_says_by_what_and_has_not_failed(
    parts, store, ledger, database, provider, how, code, engine
):
    run, end = database.run, ends(store, how)

    async def ended_meanwhile(statement, deadline_s):
        rows = await run(statement, deadline_s)
        await end()
        if engine == "fails":
            raise ValueError("the connection was closed under the query of customer 17")
        return rows

    database.run = ended_meanwhile
    for _ in range(2):  # and again by its key
        with pytest.raises(GatewayError) as caught:
            await pipeline.answer(parts, Request(ANSWERED["count"], idempotency_key="k"), CALLER)
        assert caught.value.code == code
    assert provider.failures == []
    assert await ledger.failures(BUYER, "shop") == 0
    assert (await ledger.query("Q1")).state == how
    assert (await spent(ledger))[0] > 0, "the charge stays"


async def test_who_was_too_slow_for_its_lease_leaves_the_query_to_whoever_has_it_now(parts, store, database, provider):
    other = replace(parts, book=briefly(store))
    run, asked = database.run, Request(ANSWERED["count"], idempotency_key="k")
    answers = []

    async def overtaken(statement, deadline_s):
        database.run = run
        answers.append(await pipeline.answer(replace(parts, published=Database(parts.book)), asked, CALLER))
        return await run(statement, deadline_s)

    database.run = overtaken
    with pytest.raises(Overloaded, match="worker"):
        await pipeline.answer(other, asked, CALLER)
    assert provider.failures == []
    assert await pipeline.answer(parts, asked, CALLER) == answers[0], "one charge, one answer"


async def test_a_draw_that_a_query_needs_twice_is_made_once(parts, ledger):
    """Both count the same rows and hide small cells by the same count of people: each is one draw at the larger share."""
    twice = """SELECT x.gift, x.n, y.s FROM (SELECT gift, COUNT(*) AS n FROM purchases GROUP BY gift) x
        JOIN (SELECT gift, COUNT(*) AS m, SUM(amount) AS s FROM purchases GROUP BY gift) y ON x.gift = y.gift"""
    planned = plan(pipeline.PlanJob(SHOP, CALLER, Request(twice), NOW, SHOP.grants[0]))
    digests = [p.digest for m in planned.program.measurements for p in m.primitives]
    assert len(set(digests)) == len(digests) - 2
    assert await pipeline.answer(parts, Request(twice), CALLER)
    assert sorted(parts.releaser.drawn) == sorted(set(digests))
    assert (await ledger.releases(BUYER, digests)).keys() == set(digests)


async def test_public_rows_are_paid_once(parts, ledger):
    asked = Request("SELECT quarter, COUNT(*) AS n FROM calendar GROUP BY quarter")
    first, second = [await pipeline.answer(parts, asked, CALLER) for _ in range(2)]
    assert (b'"amount": "0.50"' in first, b'"amount": "0.50"' in second) == (True, False)
    assert await spent(ledger) == [0, 0, 0, 0]
