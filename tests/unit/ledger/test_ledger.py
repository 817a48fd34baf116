"""The ledger on both stores: one charge or none, nested limits, leases and fences, free repeats, events that stay."""

import asyncio
import json
import multiprocessing
from decimal import Decimal as D
from fractions import Fraction
from pathlib import Path

import pytest
from sqlalchemy import select
from support.evidence import evidence_of
from support.stores import SEALER, START, Clock, ledger_of, meter_of, order, refused, versions_of

from gateway.errors import GatewayError, Quota, StoreUnavailable
from gateway.evidence.offline.receipts import verify
from gateway.ledger.events import DELTA_DECIMALS, RHO_DECIMALS, decimal_text
from gateway.ledger.ledger import Ledger
from gateway.ledger.model import Account, Allowance, Cap, Charge, Failed, Held, InFlight, Per, Release, Spent, Stored
from gateway.ledger.registering import Registry
from gateway.privacy.units import DELTA_UNIT, RHO_UNIT
from gateway.store import log
from gateway.store.database import open_store
from gateway.store.tables import texts

SHOP = frozenset({"shop"})


@pytest.fixture
def meter(store, clock):
    return meter_of(store, clock)


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


async def test_the_last_cost_is_that_of_the_last_question_that_was_charged(ledger, clock):
    await ledger.charge(order(1, rho=7, delta=2))
    await ledger.charge(order(2, rho=9, delta=1))  # within the same moment
    clock.pass_(1)
    await ledger.replay(order(3, rho=0, delta=0, draws=()), b"a free repeat")
    sandbox = json.dumps({**json.loads(order().facts), "sandbox": True})
    await ledger.replay(order(4, rho=0, delta=0, draws=(), accounts=(), facts=sandbox), b"of a sandbox")
    await ledger.charge(order(5, rho=11, delta=0, dataset="barn", facts=sandbox.replace("shop", "barn")))
    assert await ledger.last_cost("org/ana", "shop") == (9, 1)


async def test_the_innermost_limit_refuses_and_nothing_is_left_behind(ledger, meter):
    for number in range(3):
        assert isinstance(await ledger.charge(order(number)), Charge)
    error = await refused(ledger.charge(order(4)), "budget_exhausted")
    assert "'buyer'" in error.detail
    assert await spent(ledger) == [(60, 15), (60, 15)]
    assert await ledger.query("Q4") is None
    assert len(await meter.events(None, 100, billing=True, provided=SHOP)) == 3


async def test_delta_is_an_account_of_its_own(ledger):
    await ledger.charge(order(1, delta=45))
    error = await refused(ledger.charge(order(2, delta=6)), "budget_exhausted")
    assert "delta" in error.detail
    assert isinstance(await ledger.charge(order(3, delta=0)), Charge)


async def test_a_limit_is_spent_to_its_last_unit_and_no_further(ledger):
    exact = (Account("data/exact", 40, 10),)
    assert isinstance(await ledger.charge(order(1, accounts=exact, rho=40, delta=10)), Charge)
    await refused(ledger.charge(order(2, accounts=exact, rho=1, delta=0)), "budget_exhausted")
    await refused(ledger.charge(order(3, accounts=exact, rho=0, delta=1)), "budget_exhausted")
    ((rho, delta),) = [(b.rho_spent, b.delta_spent) for b in await ledger.balances(exact)]
    assert (rho, delta) == (40, 10)


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


async def test_free_repeats_use_up_no_rate(ledger):
    once = Allowance("g", 2, 60)
    await ledger.charge(order(1, allowance=once))
    for number in (2, 3):
        await ledger.replay(order(number, allowance=once, draws=(), rho=0, delta=0), b"again")
    assert isinstance(await ledger.charge(order(4, allowance=once)), Charge)
    await refused(ledger.charge(order(5, allowance=once)), "rate_limited")


async def test_whoever_passes_a_rate_is_told_when_there_is_room(ledger, clock):
    pace = Allowance("g", 2, 60)
    for number, seconds in ((1, 20), (2, 15)):
        await ledger.charge(order(number, allowance=pace))
        clock.pass_(seconds)
    error = await refused(ledger.charge(order(3, allowance=pace)), "rate_limited")
    assert error.quota == Quota("grant", 2, 60, 0, 25), "the first leaves the window 60 s after it was charged"
    narrower = Allowance("g", 1, 60)  # the policy has changed: both have to leave
    error = await refused(ledger.charge(order(3, allowance=narrower)), "rate_limited")
    assert error.quota.wait_s == 45
    clock.pass_(24)
    await refused(ledger.charge(order(3, allowance=pace)), "rate_limited")
    clock.pass_(1)
    assert isinstance(await ledger.charge(order(3, allowance=pace)), Charge)


async def test_failures_on_one_dataset_are_nothing_to_another(ledger):
    await ledger.fail(await ledger.charge(order(1)), "cause")
    await ledger.fail(await ledger.charge(order(2, dataset="other")), "cause")
    assert await ledger.failures("org/ana", "shop") == 1
    assert isinstance(await ledger.charge(order(3)), Charge), "two failures, but one on each dataset"


async def test_integers_beyond_64_bits(ledger):
    wide = (Account("data/wide", 10**30, 10**30),)
    await ledger.charge(order(1, accounts=wide, rho=10**29, delta=1))
    await ledger.charge(order(2, accounts=wide, rho=10**29 + 1, delta=1))
    assert [b.rho_spent for b in await ledger.balances(wide)] == [2 * 10**29 + 1]


async def test_uses_and_rates(ledger, clock):
    twice = Allowance("g", 2, 60)
    many = (Account("data/b", 10**6, 10**6), Account("grant/b/org/g", None, None, uses_limit=3))
    await ledger.charge(order(1, allowance=twice, accounts=many))
    await ledger.charge(order(2, allowance=twice, accounts=many))
    await refused(ledger.charge(order(3, allowance=twice, accounts=many)), "rate_limited")
    clock.pass_(61)
    await ledger.charge(order(4, allowance=twice, accounts=many))
    clock.pass_(61)
    await refused(ledger.charge(order(5, allowance=twice, accounts=many)), "uses_exhausted")
    assert [b.uses for b in await ledger.balances(many)] == [3, 3]


async def test_no_more_run_at_once_than_the_grant_allows(ledger, clock):
    two = Allowance("g", None, None, at_once=2)
    many = (Account("data/b", 10**6, 10**6),)
    first = await ledger.charge(order(1, allowance=two, accounts=many))
    await ledger.charge(order(2, allowance=two, accounts=many))
    await refused(ledger.charge(order(3, allowance=two, accounts=many)), "too_many_running")
    assert [b.rho_spent for b in await ledger.balances(many)] == [40], "who waits is not charged"
    assert isinstance(await ledger.charge(order(4, allowance=two, accounts=many, buyer="org/bob")), Charge)
    await ledger.record(first, b"answer", {})
    assert isinstance(await ledger.charge(order(3, allowance=two, accounts=many)), Charge)
    clock.pass_(6)
    assert isinstance(await ledger.charge(order(5, allowance=two, accounts=many)), Charge), (
        "leases that ended count not"
    )


async def test_after_a_failure_a_buyer_runs_one_query_at_a_time(ledger):
    allowance = Allowance("g", None, None, at_once=8)
    await ledger.fail(await ledger.charge(order(1, allowance=allowance, accounts=())), "cause")
    assert isinstance(await ledger.charge(order(2, allowance=allowance, accounts=())), Charge)
    await refused(ledger.charge(order(3, allowance=allowance, accounts=())), "too_many_running")
    assert isinstance(await ledger.charge(order(4, allowance=allowance, accounts=(), dataset="other")), Charge)


async def test_money_is_capped_by_grant_and_period(ledger, clock):
    capped = (Account("data/b", 10**6, 10**6), Account("grant/a/org/g", None, None, cap=Cap(D("3.20"), "CNY", Per.DAY)))
    await ledger.charge(order(1, accounts=capped))
    await ledger.charge(order(2, accounts=capped))
    error = await refused(ledger.charge(order(3, accounts=capped)), "spending_capped")
    assert "3.20 CNY a day" in error.detail
    assert isinstance(await ledger.charge(order(4, accounts=capped, amount=D("0.20"))), Charge), "to the last digit"
    assert isinstance(await ledger.charge(order(5, accounts=capped, currency="EUR")), Charge), "another currency"
    assert isinstance(await ledger.charge(order(6, accounts=capped, amount=D(0))), Charge), "what is free"
    clock.pass_(86_400)
    assert isinstance(await ledger.charge(order(3, accounts=capped)), Charge), "another day"


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


async def test_events_have_stable_ids_cursors_and_readers(ledger, meter):
    charge = await ledger.charge(order(1))
    await meter.measured(charge, [Spent(1, {"rows": 3})])
    await meter.refuse("R1", '{"reason": "raw_rows", "dataset": "shop"}')
    seen = await meter.events(None, 10, billing=True, provided=frozenset())
    assert [json.loads(line)["type"].rpartition(".")[2] for _, line in seen] == ["charged", "refused"]
    assert len(await meter.events(None, 10, billing=True, provided=SHOP)) == 3
    assert len(await meter.events(None, 10, billing=False, provided=SHOP)) == 3
    assert await meter.events(None, 10, billing=False, provided=frozenset({"other"})) == []
    assert await meter.events(seen[0][0], 10, billing=True, provided=frozenset()) == seen[1:]
    assert await meter.events(None, 1, billing=True, provided=frozenset()) == seen[:1]
    newest = [line for _, line in seen[::-1]]
    assert await meter.latest(10, billing=True, provided=frozenset()) == newest
    assert await meter.latest(1, billing=True, provided=frozenset()) == newest[:1]
    assert len(await meter.latest(10, billing=False, provided=SHOP)) == 3
    assert await meter.latest(10, billing=False, provided=frozenset({"other"})) == []
    event = json.loads(seen[0][1])
    assert event["specversion"] == "1.0"
    assert event["time"] == "2026-11-24T12:00:00.000000Z"
    assert event["data"]["amount"] == "1.50"
    assert (event["data"]["rho"], event["data"]["delta"]) == ("0.00000000002", "0.000000000000000005")
    assert event["data"]["log_index"] == 0
    assert (event["data"]["rho"], event["data"]["delta"]) == ("0.00000000002", "0.000000000000000005")
    await refused(meter.events("x", 1, billing=True, provided=frozenset()), "bad_request")


@pytest.mark.parametrize(
    ("units", "decimals", "text"),
    [(0, 12, "0"), (10**12, 12, "1"), (20_000_000_000, 12, "0.02"), (5 * 10**29 + 1, 12, "500000000000000000.000000000001"),
      (10**12, 18, "0.000001"), (100 * 10**12, 12, "100")],
)  # fmt: skip
def test_amounts_are_written_as_exact_decimals(units, decimals, text):
    assert decimal_text(units, decimals) == text
    assert Fraction(text) == Fraction(units, 10**decimals)


def test_the_decimals_are_those_of_the_units_of_privacy():
    assert Fraction(1, 10**RHO_DECIMALS) == RHO_UNIT
    assert Fraction(1, 10**DELTA_DECIMALS) == DELTA_UNIT


async def test_every_statement_of_every_attempt_is_measured_apart(ledger, meter, clock):
    charge = await ledger.charge(order())
    await meter.measured(charge, [Spent(1, {"rows": 3})])
    await meter.measured(charge, [Spent(2, {"rows": 4})])
    clock.pass_(6)
    again = await ledger.charge(order())
    await meter.measured(again, [Spent(1, {"rows": 3})])
    found = [json.loads(line) for _, line in await meter.events(None, 10, billing=False, provided=SHOP)][1:]
    assert [(e["data"]["attempt"], e["data"]["statement"]) for e in found] == [(1, 1), (1, 2), (2, 1)]
    assert len({e["id"] for e in found}) == 3


async def test_what_an_answer_cost_is_written_with_it_for_the_provider_alone_or_not_at_all(ledger, meter, clock):
    earlier = await ledger.charge(order())
    clock.pass_(6)
    charge = await ledger.charge(order())
    with pytest.raises(GatewayError, match="internal"):
        await ledger.record(earlier, b"too late", {}, [Spent(1, {"rows": 1})])
    await ledger.record(charge, b"answer", {}, [Spent(1, {"rows": 3}), Spent(2, {"rows": 4})])
    found = [json.loads(line) for _, line in await meter.events(None, 10, billing=False, provided=SHOP)][1:]
    assert [e["type"].rpartition(".")[2] for e in found] == ["measured"] * 2
    assert [(e["data"]["attempt"], e["data"]["statement"], e["data"]["rows"]) for e in found] == [(2, 1, 3), (2, 2, 4)]
    assert all(e["subject"] == charge.query_id and e["data"]["dataset"] == "shop" for e in found)
    assert len(await meter.events(None, 10, billing=True, provided=frozenset())) == 1, "the charge"


async def test_data_versions_are_declared_in_order(store, clock):
    versions = versions_of(store, clock)
    assert await versions.current("shop") is None
    assert (await versions.declare("shop", "1:1:1", "first")).version == "2026-11-24.1"
    clock.pass_(86_400)
    assert (await versions.declare("shop", "2:2:2", "second")).version == "2026-11-25.2"
    same = await versions.declare("shop", "2:2:2", "a new policy", "2026-11-25.2")
    assert (same.number, same.version) == (3, "2026-11-25.2"), "the same data keep their version"
    assert await versions.current("shop") == same
    await versions.declare("garden", "1:1:1", "first")
    for policy, data in (("p1", "d1"), ("p1", "d1"), ("p2", "d1"), ("p2", "d2"), ("p2", "d2")):
        await versions.publish("shop", policy, data)
    said = await store.read(lambda c: [json.loads(log.read_leaf(c, i)) for i in range(log.size(c))])
    told = [(leaf["kind"], leaf["policy_version"], leaf["data_version"]) for leaf in said]
    assert told == [("published", "p1", "d1"), ("published", "p2", "d1"), ("published", "p2", "d2")], "what changed"
    marks = await Registry(store, clock, required=False).marks()
    assert marks == {"shop": (3, 0), "garden": (1, 0)}


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


async def test_every_leaf_has_a_receipt_that_verifies_and_no_edit_passes(ledger, store, tmp_path):
    many = (Account("data/c", 10**6, 10**6),)
    for number in range(7):
        await ledger.charge(order(number, accounts=many))
    evidence = await evidence_of(store, tmp_path)
    for number in range(7):
        receipt = await evidence.receipt(f"Q{number}")
        assert verify(receipt).leaf["rho"] == "0.00000000002"
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


async def test_a_text_is_kept_sealed_and_only_its_commitment_is_in_the_log(ledger, store, clock):
    from datetime import timedelta

    charge = await ledger.charge(order(1, keep_text=timedelta(days=3)))
    await ledger.charge(order(2))
    sealed, leaf = await store.read(
        lambda c: (c.execute(select(texts)).all(), log.read_leaf(c, charge.log_index).decode())
    )
    (row,) = sealed
    assert row.query_id == "Q1"
    assert b"Oslo" not in bytes(row.sealed)
    assert "Oslo" not in leaf
    assert len(json.loads(leaf)["sql"]) == 64
    assert SEALER.open("Q1", bytes(row.sealed)) == order(1).sql
    with pytest.raises(GatewayError):
        SEALER.open("Q2", bytes(row.sealed))


async def test_works_that_wait_together_stand_or_fall_alone(ledger, store):
    """64 at once on a budget for 5: group commit gives each its own outcome."""
    outcomes = await asyncio.gather(
        *(ledger.charge(order(n, accounts=(Account("data/a", 100, 10**6),))) for n in range(64)), return_exceptions=True
    )
    paid = [o for o in outcomes if isinstance(o, Charge)]
    assert len(paid) == 5
    assert {o.code for o in outcomes if isinstance(o, GatewayError)} == {"budget_exhausted"}
    assert sorted(charge.log_index for charge in paid) == list(range(5))
    assert await store.read(log.size) == 5


def _charge_many(folder, url, worker, parallel, done):
    async def work():
        store = await open_store(Path(folder), url)
        ledger = ledger_of(store, Clock())
        account = (Account("data/shared", 10 * 20, 10**6),)

        async def one(number):
            try:
                await ledger.charge(order(f"{worker}-{number}", accounts=account, buyer=f"org/{worker}"))
            except GatewayError as error:
                assert error.code == "budget_exhausted"
                return 0
            return 1

        paid = sum(await asyncio.gather(*(one(number) for number in range(parallel))))
        await store.close()
        return paid

    done.put(asyncio.run(work()))


@pytest.mark.parametrize(("processes", "parallel"), [(3, 12), pytest.param(8, 200, marks=pytest.mark.long, id="8x200")])
async def test_processes_together_never_overspend(store_place, processes, parallel):
    await (await open_store(*store_place)).close()
    context = multiprocessing.get_context("spawn")
    done = context.Queue()
    workers = [context.Process(target=_charge_many, args=(*store_place, n, parallel, done)) for n in range(processes)]
    for worker in workers:
        worker.start()
    paid = sum([await asyncio.to_thread(done.get, timeout=300) for _ in workers])
    for worker in workers:
        worker.join(timeout=30)
    assert paid == 10
