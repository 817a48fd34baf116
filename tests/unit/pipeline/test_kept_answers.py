"""Free repeats: the answer that is kept, each asking of it entered anew, and all that has it planned again."""

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from support.pipelines import BUYER, Planner
from support.queries import ANSWERED
from support.shop import CALLER, NOW, SHOP
from support.stores import meter_of

from gateway import pipeline
from gateway.errors import GatewayError
from gateway.orders import buyer_id
from gateway.ports import FixedClock
from gateway.request import Accuracy, Request
from gateway.store import log

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
