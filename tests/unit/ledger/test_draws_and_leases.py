"""One draw of a question, one answer of a key, one worker of a query: on both stores, whoever comes twice or late."""

import asyncio
import json

from support.stores import SEALER, ledger_of, order, refused, spent

from gateway.errors import StoreUnavailable
from gateway.ledger.ledger import Ledger
from gateway.ledger.model import Charge, Failed, Held, InFlight, Release, Stored


async def test_keys_and_draws_of_one_buyer_are_nothing_to_another(ledger):
    mine = await ledger.charge(order(1, draws=("shared",)))
    await ledger.record(mine, b"for ana alone", {"shared": Release(b"ana's")})
    theirs = order(1, query_id="Q2", buyer="org/bob", body_digest="another body", draws=("shared",))
    assert await ledger.lookup("org/bob", "key-1", "another body") is None
    charge = await ledger.charge(theirs)
    assert isinstance(charge, Charge), "ana's stored draw is not waited for: bob's is made, and paid"
    assert await ledger.record(charge, b"for bob alone", {"shared": Release(b"bob's")}) == b"for bob alone"
    assert await ledger.lookup("org/ana", "key-1", "body-1") == Stored("Q1", b"for ana alone")
    assert await ledger.releases("org/bob", ["shared"]) == {"shared": b"bob's"}


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
    again = order(1, query_id="Q3", draws=(), rho=0, delta=0)
    assert await ledger.replay(again, b"replayed") is None
    assert await ledger.charge(order(1)) == Stored("Q3", b"replayed"), "paid once, answered once"
    assert (await ledger.query("Q1")).state == "excused"


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


async def test_a_free_repeat_is_metered_and_kept(ledger, meter):
    assert await ledger.replay(order(rho=0, delta=0), b"again") is None
    assert await ledger.replay(order(rho=0, delta=0), b"later") == Stored("Q1", b"again")
    assert await spent(ledger) == [(0, 0), (0, 0)]
    ((_, line),) = await meter.events(None, 10, billing=True, provided=frozenset())
    assert json.loads(line)["type"] == "gateway.query.replayed"


async def test_a_repeat_settles_a_charge_whose_worker_is_gone(ledger, clock):
    lost = await ledger.charge(order())
    clock.pass_(6)
    assert await ledger.replay(order(query_id="Q2"), b"from stored draws") is None
    assert await ledger.lookup("org/ana", "key-1", "body-1") == Stored("Q2", b"from stored draws")
    assert not await ledger.renew(lost)
    assert ((await ledger.query("Q1")).state, await ledger.failures("org/ana", "shop")) == ("excused", 0)


async def test_a_repeat_leaves_a_charge_that_runs_or_has_failed_as_it_is(ledger):
    running = await ledger.charge(order(1))
    assert await ledger.replay(order(1), b"from stored draws") == InFlight("Q1")
    assert await ledger.renew(running), "its worker is not shut out"
    await ledger.fail(running, "cause")
    assert await ledger.replay(order(1), b"from stored draws") == Failed("Q1")
    assert await ledger.lookup("org/ana", "key-1", "body-1") == Failed("Q1")


async def test_a_lease_is_kept_over_a_moment_without_the_store(store, clock):
    class Shaky(Ledger):
        asked = 0

        async def renew(self, charge):
            self.asked += 1
            if self.asked % 2:
                raise StoreUnavailable
            return await super().renew(charge)

    ledger = Shaky(store, clock, "gw", SEALER, lease_s=0.06)
    charge = await ledger.charge(order())
    async with ledger.holding(charge):
        clock.pass_(10)
        while ledger.asked < 4:
            await asyncio.sleep(0.01)
        assert await ledger.charge(order()) == InFlight("Q1")


async def test_holding_renews_until_the_block_ends(store, clock):
    ledger = ledger_of(store, clock, lease_s=0.06)
    charge = await ledger.charge(order())
    async with ledger.holding(charge):
        clock.pass_(10)
        await asyncio.sleep(0.1)
        assert await ledger.charge(order()) == InFlight("Q1")
    await store.run(lambda connection: None)  # a renewal that was under way is done
    clock.pass_(10)
    assert isinstance(await ledger.charge(order()), Charge)
    async with ledger.holding(charge):  # fenced out: the keeper stops by itself
        await asyncio.sleep(0.05)
