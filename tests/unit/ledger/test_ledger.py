"""The ledger: one charge or none, nested limits, leases and fences, free repeats, events that stay."""

import asyncio
import json
import multiprocessing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D

import pytest

from gateway.errors import GatewayError
from gateway.evidence.keys import open_key
from gateway.evidence.receipts import Evidence
from gateway.evidence.verifier import verify
from gateway.ledger.ledger import Ledger
from gateway.ledger.model import Account, Allowance, Charge, Failed, Held, InFlight, Order, Release, Stored
from gateway.store.database import Store

SHOP = frozenset({"shop"})
START = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


class Clock:
    def __init__(self):
        self.at = START

    def now(self):
        return self.at

    def pass_(self, seconds):
        self.at += timedelta(seconds=seconds)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "state")
    yield store
    store.close()


@pytest.fixture
def ledger(store, clock):
    return Ledger(store, clock, "gw")


def order(number=1, **known):
    made = Order(
        query_id=f"Q{number}",
        buyer="org/ana",
        organisation="org",
        dataset="shop",
        idempotency_key=f"key-{number}",
        body_digest=f"body-{number}",
        question=f"question-{number}",
        draws=(f"draw-{number}",),
        accounts=(Account("data/a", 100, 50), Account("buyer/a/org/ana", 60, 50)),
        allowance=Allowance("shop/grant-1", None, None, None),
        rho=20,
        delta=5,
        amount=D("1.50"),
        currency="CNY",
        facts=json.dumps({"organisation": "org", "dataset": "shop"}),
    )
    return replace(made, **known)


async def refused(awaitable, code):
    with pytest.raises(GatewayError) as caught:
        await awaitable
    assert caught.value.code == code
    return caught.value


async def spent(ledger):
    return [(b.rho_spent, b.delta_spent) for b in await ledger.balances(order().accounts)]


async def test_a_charge_debits_every_account_and_is_kept(ledger):
    charge = await ledger.charge(order())
    assert isinstance(charge, Charge)
    assert (charge.query_id, charge.fence, charge.log_index, charge.charged_at) == ("Q1", 1, 0, START)
    assert await spent(ledger) == [(20, 5), (20, 5)]
    assert (await ledger.query("Q1")).state == "running"
    assert await ledger.query("Q9") is None
    assert await ledger.last_cost("org/ana", "shop") == (20, 5)
    assert await ledger.last_cost("org/bob", "shop") is None


async def test_the_innermost_limit_refuses_and_nothing_is_left_behind(ledger):
    for number in range(3):
        assert isinstance(await ledger.charge(order(number)), Charge)
    error = await refused(ledger.charge(order(4)), "budget_exhausted")
    assert "'buyer'" in error.detail
    assert await spent(ledger) == [(60, 15), (60, 15)]
    assert await ledger.query("Q4") is None
    assert len(await ledger.events(None, 100, billing=True, provided=SHOP)) == 3


async def test_delta_is_an_account_of_its_own(ledger):
    await ledger.charge(order(1, delta=45))
    error = await refused(ledger.charge(order(2, delta=6)), "budget_exhausted")
    assert "delta" in error.detail
    assert isinstance(await ledger.charge(order(3, delta=0)), Charge)


async def test_integers_beyond_64_bits(ledger):
    wide = (Account("data/wide", 10**30, 10**30),)
    await ledger.charge(order(1, accounts=wide, rho=10**29, delta=1))
    await ledger.charge(order(2, accounts=wide, rho=10**29 + 1, delta=1))
    assert [b.rho_spent for b in await ledger.balances(wide)] == [2 * 10**29 + 1]


async def test_uses_and_rates(ledger, clock):
    twice = Allowance("g", 3, 2, 60)
    many = (Account("data/b", 10**6, 10**6),)
    await ledger.charge(order(1, allowance=twice, accounts=many))
    await ledger.charge(order(2, allowance=twice, accounts=many))
    await refused(ledger.charge(order(3, allowance=twice, accounts=many)), "rate_limited")
    clock.pass_(61)
    await ledger.charge(order(4, allowance=twice, accounts=many))
    clock.pass_(61)
    await refused(ledger.charge(order(5, allowance=twice, accounts=many)), "uses_exhausted")


async def test_an_answer_is_stored_once_and_comes_back(ledger):
    charge = await ledger.charge(order())
    assert await ledger.record(charge, b"answer", {"d1": Release(b"one")}) == b"answer"
    assert await ledger.lookup("org/ana", "key-1", "body-1") == Stored("Q1", b"answer")
    assert await ledger.charge(order()) == Stored("Q1", b"answer")
    assert await ledger.releases("org/ana", ["d1", "d2"]) == {"d1": b"one"}
    assert await ledger.releases("org/bob", ["d1"]) == {}
    row = await ledger.query("Q1")
    assert (row.state, row.answer) == ("finished", b"answer")
    await refused(ledger.record(charge, b"another", {}), "internal")


async def test_two_questions_that_share_a_draw_make_it_once(ledger):
    first = await ledger.charge(order(1, draws=("shared", "one")))
    assert await ledger.charge(order(2, draws=("shared", "two"))) == InFlight("Q1")
    assert await spent(ledger) == [(20, 5), (20, 5)], "who waits is not charged"
    assert isinstance(await ledger.charge(order(3, draws=("shared",), buyer="org/bob")), Charge), "to each buyer"
    await ledger.record(first, b"a", {"shared": Release(b"first"), "one": Release(b"1")})
    assert isinstance(await ledger.charge(order(2, draws=("shared", "two"))), InFlight), "stored by now: price it anew"
    assert isinstance(await ledger.charge(order(2, draws=("two",))), Charge)
    assert await ledger.releases("org/ana", ["shared", "one"]) == {"shared": b"first", "one": b"1"}


async def recorded(ledger, number, digest, release, buyer="org/ana"):
    charge = await ledger.charge(order(number, draws=(digest,), buyer=buyer, rho=1))
    await ledger.record(charge, b"answer", {digest: release})


async def test_of_a_series_the_most_exact_release_is_held(ledger):
    assert await ledger.held("org/ana", ["s"]) == {}
    await recorded(ledger, 1, "d1", Release(b"one", "s", 10**13))
    await recorded(ledger, 2, "d2", Release(b"two", "s", 2 * 10**13))
    await recorded(ledger, 3, "d3", Release(b"three", "s", 9 * 10**12))  # less, though its text is greater
    await recorded(ledger, 4, "d4", Release(b"apart"))
    assert await ledger.held("org/ana", ["s", ""]) == {"s": Held("d2", 2 * 10**13, b"two")}
    assert await ledger.held("org/bob", ["s"]) == {}


async def test_what_answers_a_question_first_answers_it_from_then_on(ledger):
    assert await ledger.pin("org/ana", {"d1": b"one", "d2": b"two"})
    assert await ledger.pin("org/ana", {"d1": b"one"})
    assert not await ledger.pin("org/ana", {"d1": b"other"})
    assert await ledger.releases("org/ana", ["d1", "d2"]) == {"d1": b"one", "d2": b"two"}
    assert await ledger.pin("org/bob", {"d1": b"other"})


async def test_a_draw_that_would_cost_more_than_was_charged_is_not_redone(ledger, clock):
    for number, dearer in enumerate(({"rho": 21}, {"delta": 6}), 1):
        await ledger.charge(order(number))
        clock.pass_(6)
        assert await ledger.charge(order(number, **dearer)) == Failed(f"Q{number}")
    await ledger.charge(order(3))
    clock.pass_(6)
    assert isinstance(await ledger.charge(order(3, rho=1, delta=0)), Charge), "less may be drawn than was paid for"


async def test_a_failed_query_lets_its_draws_go(ledger):
    await ledger.fail(await ledger.charge(order(1, draws=("shared",))), "cause")
    assert isinstance(await ledger.charge(order(2, draws=("shared",))), Charge)


async def test_a_draw_whose_worker_is_gone_passes_on_and_the_worker_is_shut_out(ledger, clock):
    first = await ledger.charge(order(1, draws=("shared",)))
    clock.pass_(6)
    second = await ledger.charge(order(2, draws=("shared",)))
    assert isinstance(second, Charge)
    assert not await ledger.renew(first)
    await refused(ledger.record(first, b"late", {"shared": Release(b"late")}), "internal")
    await ledger.fail(first, "shut out")
    assert await ledger.failures("org/ana", "shop") == 0, "who was shut out does not fail the query"
    assert await ledger.charge(order(1, draws=("shared",))) == InFlight("Q2"), "the first key waits for the second"
    await ledger.record(second, b"answer", {"shared": Release(b"second")})
    assert await ledger.replay(order(1, draws=(), rho=0, delta=0), b"replayed") is None
    assert await ledger.charge(order(1)) == Stored("Q1", b"replayed"), "paid once, answered once"


async def test_a_key_with_another_body_is_a_conflict(ledger):
    assert await ledger.lookup("org/ana", "key-1", "body-1") is None
    await ledger.charge(order())
    await refused(ledger.lookup("org/ana", "key-1", "other"), "idempotency_conflict")
    await refused(ledger.charge(order(body_digest="other")), "idempotency_conflict")


async def test_a_live_lease_is_waited_for_and_a_dead_one_taken_over(ledger, clock):
    first = await ledger.charge(order())
    assert await ledger.charge(order()) == InFlight("Q1")
    assert await ledger.lookup("org/ana", "key-1", "body-1") == InFlight("Q1")
    clock.pass_(4)
    assert await ledger.renew(first)
    clock.pass_(4)
    assert await ledger.charge(order()) == InFlight("Q1")
    clock.pass_(2)
    assert await ledger.lookup("org/ana", "key-1", "body-1") is None
    second = await ledger.charge(order(query_id="Q1-retry"))
    assert isinstance(second, Charge)
    assert (second.query_id, second.fence, second.log_index) == ("Q1", 2, first.log_index)
    assert await spent(ledger) == [(20, 5), (20, 5)], "the work is redone under the same charge"
    assert not await ledger.renew(first)
    await refused(ledger.record(first, b"late", {"d": Release(b"late")}), "internal")
    assert await ledger.releases("org/ana", ["d"]) == {}
    assert await ledger.record(second, b"answer", {}) == b"answer"


async def test_a_question_that_changed_is_not_redone(ledger, clock):
    await ledger.charge(order())
    clock.pass_(6)
    assert await ledger.charge(order(question="another policy version")) == Failed("Q1")
    assert await ledger.lookup("org/ana", "key-1", "body-1") == Failed("Q1")
    assert await ledger.failures("org/ana", "shop") == 0, "none of the buyer's doing"


async def test_failure_keeps_the_charge_and_counts(ledger):
    charge = await ledger.charge(order())
    await ledger.fail(charge, "the engine said no")
    assert await spent(ledger) == [(20, 5), (20, 5)]
    assert await ledger.failures("org/ana", "shop") == 1
    assert await ledger.failures("org/bob", "shop") == 0
    assert await ledger.charge(order()) == Failed("Q1")


async def test_a_buyer_admitted_before_a_second_failure_is_refused_at_the_charge(ledger):
    for number in (1, 2):
        await ledger.fail(await ledger.charge(order(number)), f"cause {number}")
    await refused(ledger.charge(order(3)), "buyer_suspended")
    assert await spent(ledger) == [(40, 10), (40, 10)]
    assert await ledger.query("Q3") is None
    assert isinstance(await ledger.charge(order(4, buyer="org/bob", draws=("other",))), Charge), "nobody else's doing"


async def test_failures_are_shown_to_the_provider_and_excused(ledger):
    for number in (1, 2):
        await ledger.fail(await ledger.charge(order(number)), f"cause {number}")
    found = await ledger.failed("shop")
    assert [(f.query_id, f.buyer, f.charged_at, f.note) for f in found] == [
        ("Q1", "org/ana", START, "cause 1"),
        ("Q2", "org/ana", START, "cause 2"),
    ]
    assert await ledger.failed("other") == ()
    assert await ledger.excuse("org/bob", "shop") == 0
    assert await ledger.excuse("org/ana", "other") == 0
    assert await ledger.excuse("org/ana", "shop") == 2
    assert await ledger.failures("org/ana", "shop") == 0
    assert await ledger.failed("shop") == ()
    assert await ledger.charge(order(1)) == Failed("Q1"), "one charge, one draw: it is not done again"
    assert await spent(ledger) == [(40, 10), (40, 10)], "the charges stay"


async def test_a_free_repeat_is_metered_and_kept(ledger):
    assert await ledger.replay(order(rho=0, delta=0), b"again") is None
    assert await ledger.replay(order(rho=0, delta=0), b"later") == Stored("Q1", b"again")
    assert await spent(ledger) == [(0, 0), (0, 0)]
    ((_, line),) = await ledger.events(None, 10, billing=True, provided=frozenset())
    assert json.loads(line)["type"] == "gateway.query.replayed"


async def test_a_repeat_settles_a_charge_whose_worker_is_gone(ledger, clock):
    lost = await ledger.charge(order())
    clock.pass_(6)
    assert await ledger.replay(order(), b"from stored draws") is None
    assert await ledger.lookup("org/ana", "key-1", "body-1") == Stored("Q1", b"from stored draws")
    assert not await ledger.renew(lost)


async def test_events_have_stable_ids_cursors_and_readers(ledger):
    await ledger.charge(order(1))
    await ledger.measured("Q1", '{"rows": 3}')
    await ledger.refuse("R1", '{"reason": "raw_rows", "dataset": "shop"}')
    seen = await ledger.events(None, 10, billing=True, provided=frozenset())
    assert [json.loads(line)["type"].rpartition(".")[2] for _, line in seen] == ["charged", "refused"]
    assert len(await ledger.events(None, 10, billing=True, provided=SHOP)) == 3
    assert len(await ledger.events(None, 10, billing=False, provided=SHOP)) == 3
    assert await ledger.events(None, 10, billing=False, provided=frozenset({"other"})) == []
    assert await ledger.events(seen[0][0], 10, billing=True, provided=frozenset()) == seen[1:]
    assert await ledger.events(None, 1, billing=True, provided=frozenset()) == seen[:1]
    event = json.loads(seen[0][1])
    assert event["specversion"] == "1.0"
    assert event["time"] == "2026-11-24T12:00:00.000000Z"
    assert event["data"]["amount"] == "1.50"
    assert event["data"]["log_index"] == 0
    await refused(ledger.events("x", 1, billing=True, provided=frozenset()), "bad_request")


async def test_data_versions_are_declared_in_order(ledger, clock):
    assert await ledger.current_version("shop") is None
    assert (await ledger.declare_version("shop", "1:1:1", "first")).version == "2026-11-24.1"
    clock.pass_(86_400)
    assert (await ledger.declare_version("shop", "2:2:2", "second")).version == "2026-11-25.2"
    same = await ledger.declare_version("shop", "2:2:2", "a new policy", "2026-11-25.2")
    assert (same.number, same.version) == (3, "2026-11-25.2"), "the same data keep their version"
    assert await ledger.current_version("shop") == same


async def test_holding_renews_until_the_block_ends(store, clock):
    ledger = Ledger(store, clock, "gw", lease_s=0.06)
    charge = await ledger.charge(order())
    async with ledger.holding(charge):
        clock.pass_(10)
        await asyncio.sleep(0.1)
        assert await ledger.charge(order()) == InFlight("Q1")
    clock.pass_(10)
    assert isinstance(await ledger.charge(order()), Charge)
    async with ledger.holding(charge):  # fenced out: the keeper stops by itself
        await asyncio.sleep(0.05)


async def test_every_leaf_has_a_receipt_that_verifies_and_no_edit_passes(ledger, store, tmp_path):
    many = (Account("data/c", 10**6, 10**6),)
    for number in range(7):
        await ledger.charge(order(number, accounts=many))
    evidence = Evidence(store, open_key(tmp_path), "gw")
    for number in range(7):
        receipt = await evidence.receipt(f"Q{number}")
        assert verify(receipt).leaf["rho"] == "20"
        for part in ("leaf", "checkpoint", "query_id"):
            text = receipt[part]
            for at in range(0, len(text), 7):
                edited = text[:at] + ("x" if text[at] != "x" else "y") + text[at + 1 :]
                with pytest.raises(Exception, match="."):
                    verify({**receipt, part: edited})
        for edit in (
            {"log_index": number + 1},
            {"tree_size": 8},
            {"inclusion_proof": []},
            {"inclusion_proof": ["00" * 32]},
        ):
            with pytest.raises(Exception, match="."):
                verify({**receipt, **edit})
    await refused(evidence.receipt("nothing"), "not_found")


def _charge_many(folder, worker, done):
    async def work():
        store = Store(folder)
        ledger = Ledger(store, Clock(), "gw")
        account = (Account("data/shared", 10 * 20, 10**6),)
        paid = 0
        for number in range(12):
            try:
                await ledger.charge(order(f"{worker}-{number}", accounts=account, buyer=f"org/{worker}"))
                paid += 1
            except GatewayError as error:
                assert error.code == "budget_exhausted"
        store.close()
        return paid

    done.put(asyncio.run(work()))


def test_processes_together_never_overspend(tmp_path):
    Store(tmp_path).close()
    context = multiprocessing.get_context("spawn")
    done = context.Queue()
    workers = [context.Process(target=_charge_many, args=(tmp_path, n, done)) for n in range(4)]
    for worker in workers:
        worker.start()
    paid = sum(done.get(timeout=60) for _ in workers)
    for worker in workers:
        worker.join(timeout=30)
    assert paid == 10


def test_a_store_of_another_version_is_refused(tmp_path):
    store = Store(tmp_path)
    store.close()
    import sqlite3

    connection = sqlite3.connect(tmp_path / "gateway.sqlite3")
    connection.execute("UPDATE schema SET version = 99")
    connection.commit()
    connection.close()
    with pytest.raises(GatewayError) as caught:
        Store(tmp_path)
    assert caught.value.code == "settings_invalid"
