"""The path of a query after its charge: the real ledger, planner and release over a real database that may fail."""

from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import pytest
from support.answers import ipc_of
from support.queries import ANSWERED
from support.shop import CALLER, NOW, SHOP, empty_database, fill
from support.stores import SEALER, ledger_of

from gateway import pipeline
from gateway.app.releasing import WorkerReleaser
from gateway.engines.finishing import make
from gateway.errors import GatewayError, Overloaded, StoreUnavailable
from gateway.orders import accounts, buyer_id
from gateway.parts import Parts
from gateway.planning import plan
from gateway.ports import EngineCost, ExactRows, FixedClock, PublicRows
from gateway.request import Request

BUYER = buyer_id(CALLER)
SECRET = "5e" * 32


class InThisProcess:
    """The releasing worker's own handler, without the process around it."""

    def __init__(self):
        self.handler = make({})

    async def call(self, method, argument, _deadline_s, _wait_s, _party):
        _, payload = self.handler.handle(method, argument)
        return SimpleNamespace(payload=payload)


class Releaser(WorkerReleaser):
    """The releaser, with the names of all draws that it made."""

    def __init__(self):
        super().__init__(InThisProcess(), 60)
        self.drawn = []

    async def release(self, measurement, exact, stored, party):
        noisy, drawn = await super().release(measurement, exact, stored, party)
        self.drawn += drawn
        return noisy, drawn


class Database:
    """A database as published and leased; `fails` is raised in place of its next rows."""

    def __init__(self, ledger):
        self.connection = empty_database()
        fill(self.connection, 3, 60)
        self.ledger = ledger
        self.fails = None
        self.parameters = []
        self.spent_at_the_first_row = None
        self.open, self.leased = 0, False

    async def dataset(self, _name, _caller):
        return SHOP

    async def lease(self, _dataset, _party):
        self.open += 1
        self.leased = True
        return self

    async def run(self, statement, _deadline_s):
        (data, *_) = await self.ledger.balances(accounts(SHOP, CALLER, SHOP.grants[0], NOW))
        self.spent_at_the_first_row = self.spent_at_the_first_row or data.rho_spent
        if self.fails is not None:
            raise self.fails
        self.parameters += statement.parameters
        table = self.connection.sql(statement.sql, params=list(statement.parameters) or None).to_arrow_table()
        return ExactRows(ipc_of(table), EngineCost(1.0, 1.0, table.num_rows, 1))

    async def read(self, statement, _deadline_s):
        return PublicRows(ipc_of(self.connection.sql(statement.sql).to_arrow_table()), EngineCost(1.0, 1.0, 1, 1))

    async def close(self):
        self.open -= self.leased
        self.leased = False


class Provider:
    """What the provider is told."""

    def __init__(self):
        self.failures, self.refusals, self.stages = [], [], []
        self.costs, self.settled_queries, self.charged_queries = [], [], []

    def query(self, _query_id):
        return nullcontext()

    def stage(self, stage):
        self.stages.append(stage)
        return nullcontext()

    def admit(self, _caller):
        return

    async def count(self, _caller):
        return

    def charged(self, query_id):
        self.charged_queries.append(query_id)

    def measured(self, charge, statement, cost):
        self.costs.append((charge.query_id, statement, cost.rows))

    async def settled(self, query_id):
        self.settled_queries.append(query_id)

    def failed(self, query_id, why):
        self.failures.append((query_id, why))

    async def refused(self, _dataset, _caller, _grant, error):
        self.refusals.append(error.code)


class Planner:
    async def plan(self, job):
        return plan(job)


@pytest.fixture
def ledger(store):
    return ledger_of(store, FixedClock(NOW))


@pytest.fixture
def database(ledger):
    return Database(ledger)


@pytest.fixture
def provider():
    return Provider()


@pytest.fixture
def parts(database, ledger, provider):
    async def pause(_seconds):
        raise AssertionError("nobody else is at work")

    numbers = iter(range(1, 100))
    return Parts(
        published=database, planner=Planner(), releaser=Releaser(), book=ledger,
        telemetry=provider, free=provider, clock=FixedClock(NOW), pause=pause, secret=SECRET, engine_deadline_s=60,
        new_id=lambda: f"Q{next(numbers)}",
    )  # fmt: skip


def briefly(store):
    """Return the ledger with leases that have ended by the next question."""
    return ledger_of(store, FixedClock(NOW), lease_s=-1)


async def spent(ledger):
    return [b.rho_spent for b in await ledger.balances(accounts(SHOP, CALLER, SHOP.grants[0], NOW))]


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
    before = await spent(ledger)
    await pipeline.answer(replace(parts, book=briefly(store)), asked, CALLER)
    assert await spent(ledger) == before


async def test_a_childs_word_that_it_is_overloaded_is_a_failure_like_any_other(parts, ledger, database):
    database.fails = GatewayError("overloaded", "so it says")
    with pytest.raises(GatewayError, match="query_failed"):
        await pipeline.answer(parts, Request(ANSWERED["count_by_month"]), CALLER)
    assert await ledger.failures(BUYER, "shop") == 1


async def test_the_charge_is_there_before_a_row_and_the_answer_before_a_byte(parts, ledger, database, provider):
    asked = Request(ANSWERED["count_by_month"], idempotency_key="k")
    out = await pipeline.answer(parts, asked, CALLER)
    (whole, *_) = await spent(ledger)
    assert database.spent_at_the_first_row == whole > 0
    assert (await ledger.query("Q1")).answer == out
    assert [(query, statement) for query, statement, rows in provider.costs if rows] == [("Q1", 1)]
    assert provider.charged_queries == ["Q1"]
    assert provider.settled_queries == ["Q1"], "what it cost is written by the time that it is answered"
    assert await pipeline.answer(parts, asked, CALLER) == out, "the stored bytes, and not another draw"
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
