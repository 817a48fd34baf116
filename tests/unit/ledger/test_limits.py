"""The limits of a charge on both stores: accounts within accounts, uses, rates, money, how many run at once."""

import json
from decimal import Decimal as D

from support.stores import START, order, refused, spent

from gateway.errors import Quota
from gateway.ledger.model import Account, Allowance, Cap, Charge, Per


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
    assert len(await meter.events(None, 100, billing=True, provided=frozenset({"shop"}))) == 3


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
