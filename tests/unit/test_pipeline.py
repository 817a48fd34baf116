"""The path of a query after its charge: the real ledger, planner and release over a real database that may fail."""

import json
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest
from support.answers import ipc_of
from support.queries import ANSWERED
from support.shop import CALLER, NOW, SHOP, empty_database, fill
from support.stores import SEALER, ledger_of, meter_of

from gateway import pipeline
from gateway.app.releasing import WorkerReleaser
from gateway.engines.finishing import make
from gateway.errors import GatewayError, Overloaded, StoreUnavailable
from gateway.ledger import charging
from gateway.ledger.freezing import Freezes, Scope, Target
from gateway.ledger.model import InFlight, Spent, Stored
from gateway.orders import accounts, buyer_id
from gateway.parts import Parts
from gateway.planning import plan
from gateway.ports import EngineCost, ExactRows, FixedClock, PublicRows
from gateway.repeats import Repeats
from gateway.request import Accuracy, Request
from gateway.store import log
from gateway.store.tables import queries

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

    async def granted(self, _dataset, _caller):
        return ()

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
        self.held, self.apart = {}, []

    def query(self, _query_id):
        return nullcontext()

    def stage(self, stage):
        self.stages.append(stage)
        return nullcontext()

    def admit(self, _caller):
        return

    async def count(self, _caller):
        return

    def engine(self, _dataset, _lease):
        return nullcontext()

    def charged(self, query_id):
        self.charged_queries.append(query_id)

    def measured(self, charge, statement, cost):
        self.costs.append((charge.query_id, statement, cost.rows))
        self.held.setdefault(charge.query_id, []).append(Spent(statement, {"rows": cost.rows}))

    def spent(self, query_id):
        return tuple(self.held.get(query_id, ()))

    def written(self, query_id):
        self.held.pop(query_id, None)

    async def settled(self, charge):
        self.settled_queries.append(charge.query_id)
        self.apart += self.held.pop(charge.query_id, ())

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
        published=database, synthetic=database, planner=Planner(), releaser=Releaser(), book=ledger,
        telemetry=provider, free=provider, repeats=Repeats(), clock=FixedClock(NOW), pause=pause, secret=SECRET, engine_deadline_s=60,
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
    assert await pipeline.given(parts, asked, CALLER) == out
    again = await pipeline.answer(parts, Request(ANSWERED["count_by_month"]), CALLER)
    assert b'"stored": true' in again
    assert await spent(ledger) == [whole] * 4
    assert database.open == 0


async def test_only_an_answer_that_is_there_is_given_at_once(store, parts, ledger, database, provider):
    asked = Request(ANSWERED["count"], idempotency_key="k", body_digest="1")
    assert await pipeline.given(parts, asked, CALLER) is None, "nothing is known of the key"
    assert await pipeline.given(parts, replace(asked, idempotency_key=None), CALLER) is None
    with pytest.raises(GatewayError, match="forbidden"):
        await pipeline.given(parts, asked, replace(CALLER, roles=frozenset()))
    out = await pipeline.answer(parts, asked, CALLER)
    assert await pipeline.given(parts, asked, CALLER) == out
    assert await pipeline.given(parts, replace(asked, body_digest="2"), CALLER) is None, "another body of this key"
    assert await pipeline.given(parts, asked, replace(CALLER, subject="eve")) is None
    await Freezes(store, FixedClock(NOW)).freeze(Target(Scope.ALL), "an alert", "reg/sun")
    assert await pipeline.given(parts, asked, CALLER) is None, "what is frozen is refused by name where it is asked"
    with pytest.raises(GatewayError, match="frozen"):
        await pipeline.answer(parts, asked, CALLER)


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


# -- free repeats -----------------------------------------------------------------------------------------------------

REPEATED = Request(ANSWERED["count_by_month"])


class Counting(Planner):
    """The planner, with how often it was asked."""

    def __init__(self):
        self.asked = 0

    async def plan(self, job):
        self.asked += 1
        return await super().plan(job)


@pytest.fixture
async def repeating(parts):
    """Parts that hold the answer to REPEATED: it was paid for, and given for nothing twice."""
    parts = replace(parts, planner=Counting())
    for asked in (1, 2, 2):
        assert await pipeline.answer(parts, REPEATED, CALLER)
        assert parts.planner.asked == asked
    return parts


async def kept(parts, request=REPEATED, caller=CALLER):
    """Return whether a question is answered without being planned."""
    before = parts.planner.asked
    await pipeline.answer(parts, request, caller)
    return parts.planner.asked == before


async def test_a_kept_answer_is_the_same_and_each_asking_of_it_has_an_id_a_time_a_row_and_a_leaf_of_its_own(
    store, repeating, ledger
):
    later = replace(repeating, clock=FixedClock(NOW + timedelta(hours=1)), releaser=None)
    planned, *others = [(await ledger.query(f"Q{number}")).answer for number in (2, 3)]
    others += [await pipeline.answer(later, replace(REPEATED, idempotency_key=key), CALLER) for key in ("k", None)]
    first, documents = json.loads(planned), [json.loads(out) for out in others]
    assert len(planned) == len(others[0])
    assert [document.pop("query_id") for document in documents] == ["Q3", "Q4", "Q5"]
    times = [document["versions"].pop("as_of") for document in documents]
    assert times == [f"{at:%Y-%m-%dT%H:%M:%SZ}" for at in (NOW, later.clock.at, later.clock.at)]
    assert first.pop("query_id") == "Q2"
    assert first["versions"].pop("as_of") == times[0]
    assert documents == [first] * 3
    rows = [await ledger.query(f"Q{number}") for number in (3, 4, 5)]
    assert [row.answer for row in rows] == others
    leaves = [json.loads(await store.read(lambda c, at=row.log_index: log.read_leaf(c, at))) for row in rows]
    assert [(leaf["kind"], leaf["query_id"]) for leaf in leaves] == [("replayed", f"Q{n}") for n in (3, 4, 5)]
    events = await meter_of(store, FixedClock(NOW)).events(None, 10, billing=True, provided=frozenset())
    assert [json.loads(line)["type"].rpartition(".")[2] for _, line in events] == ["charged"] + 4 * ["replayed"]
    assert json.loads(events[-1][1]) | {"id": "", "subject": "", "time": "", "data": ""} == json.loads(
        events[-2][1]
    ) | {"id": "", "subject": "", "time": "", "data": ""}
    told = [json.loads(line)["data"] for _, line in events[1:]]
    assert all({**one, "log_index": 0} == {**told[0], "log_index": 0} for one in told)


async def test_the_key_of_a_repeat_stands_for_its_answer_and_for_no_other_body(repeating):
    keyed = replace(REPEATED, idempotency_key="k", body_digest="one")
    first = await pipeline.answer(repeating, keyed, CALLER)
    assert await pipeline.answer(repeating, keyed, CALLER) == first
    with pytest.raises(GatewayError, match="idempotency_conflict"):
        await pipeline.answer(repeating, replace(keyed, body_digest="another"), CALLER)


ANOTHER = {
    "text": replace(REPEATED, sql=f"{REPEATED.sql} "),
    "dialect": replace(REPEATED, dialect="postgres"),
    "epsilon": replace(REPEATED, epsilon=Decimal("0.1")),
    "accuracy": replace(REPEATED, accuracy=Accuracy(Decimal(400), None)),
    "rows": replace(REPEATED, row_limit=1),
    "purpose": replace(REPEATED, purpose="market-research"),
}


@pytest.mark.parametrize("name", ANOTHER)
async def test_another_request_is_planned(repeating, name):
    assert not await kept(repeating, ANOTHER[name])
    assert await kept(repeating)


async def test_another_buyer_is_planned_and_pays(repeating, ledger):
    other = replace(CALLER, subject="bob")
    assert not await kept(repeating, caller=other)
    assert await ledger.last_cost(buyer_id(other), "shop") is not None


DECLARED_ANEW = {
    "policy": {"policy_version": "sha256:other"},
    "data": {"data_version": "2026-11-26.2"},
    "stamp": {"stamp": "other"},
    "grant": {"grants": (replace(SHOP.grants[0], uses=7), *SHOP.grants[1:])},
}


@pytest.mark.parametrize("name", DECLARED_ANEW)
async def test_what_is_declared_anew_is_planned(repeating, database, name):
    async def declared(_name, _caller):
        return replace(SHOP, **DECLARED_ANEW[name])

    database.dataset = declared
    assert not await kept(repeating)


SHUT = {
    "dataset_suspended": {"suspended": "a declared fact does not hold"},
    "grant_not_valid": {"grants": (replace(SHOP.grants[0], valid_until=NOW.date() - timedelta(days=1)),)},
    "unknown_dataset": {"grants": ()},
}


@pytest.mark.parametrize("code", SHUT)
async def test_what_shuts_a_dataset_shuts_its_kept_answers(repeating, database, provider, code):
    async def shut(_name, _caller):
        return replace(SHOP, **SHUT[code])

    database.dataset = shut
    with pytest.raises(GatewayError) as caught:
        await pipeline.answer(repeating, REPEATED, CALLER)
    assert caught.value.code == code
    assert provider.refusals == [code], "and the refusal is told"


async def test_a_suspended_buyer_a_withdrawn_dataset_and_a_spent_minute_get_no_kept_answer(
    repeating, ledger, database, provider
):
    database.fails = ValueError("odd")
    for name in ("count", "sum_decimal"):
        with pytest.raises(GatewayError, match="query_failed"):
            await pipeline.answer(repeating, Request(ANSWERED[name]), CALLER)
    with pytest.raises(GatewayError, match="buyer_suspended"):
        await pipeline.answer(repeating, REPEATED, CALLER)
    await ledger.excuse(BUYER, "shop")
    assert await kept(repeating)

    async def withdrawn(_name, _caller):
        raise GatewayError("unknown_dataset", "There is no dataset 'shop' for you.", "")

    database.dataset = withdrawn
    with pytest.raises(GatewayError, match="unknown_dataset"):
        await pipeline.answer(repeating, REPEATED, CALLER)

    def spent_minute(_caller):
        raise GatewayError("too_many_requests", "No more are read.", "")

    provider.admit = spent_minute
    with pytest.raises(GatewayError, match="too_many_requests"):
        await pipeline.answer(repeating, REPEATED, CALLER)


async def test_public_rows_and_the_moment_are_looked_at_each_time(parts, database):
    parts = replace(parts, planner=Counting())
    public = Request("SELECT quarter, COUNT(*) AS n FROM calendar GROUP BY quarter")
    moment = Request("SELECT CURRENT_TIMESTAMP AS at, COUNT(*) AS n FROM purchases")
    for asked in (public, moment):
        assert [await kept(parts, asked) for _ in range(4)] == [False] * 4


async def test_an_answer_that_an_earlier_release_serves_is_kept_once_it_stands_under_its_own_name(parts, ledger):
    parts = replace(parts, planner=Counting())
    wide, narrow = (Request(ANSWERED["count"], epsilon=Decimal(e)) for e in ("0.2", "0.1"))
    await pipeline.answer(parts, wide, CALLER)
    first, second, third = [json.loads(await pipeline.answer(parts, narrow, CALLER)) for _ in range(3)]
    assert parts.planner.asked == 3, "the first is served by another release, and says so; the second is kept"
    assert len(first["notices"]) == len(second["notices"]) + 1
    assert (first["rows"], second["notices"]) == (third["rows"], third["notices"])


async def test_no_more_is_kept_than_a_bound(monkeypatch, repeating):
    monkeypatch.setattr("gateway.repeats.KEPT", 1)
    other = Request(ANSWERED["count"])
    assert [await kept(repeating, other) for _ in range(3)] == [False, False, True]
    assert not await kept(repeating), "the other took its place"
    monkeypatch.setattr("gateway.repeats.LARGEST_BYTES", 100)
    large = Request(ANSWERED["sum_decimal"])
    assert [await kept(repeating, large) for _ in range(3)] == [False] * 3
