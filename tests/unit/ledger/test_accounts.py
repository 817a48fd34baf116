"""Accounts over time, on both stores: top-ups by two persons, own caps, taken-back tokens, past queries, retention."""

from datetime import timedelta
from decimal import Decimal as D

import pytest
from support.stores import ACCOUNTS, SEALER, START, order

from gateway.errors import GatewayError
from gateway.ledger.binding import Bindings
from gateway.ledger.buyers import Buyers
from gateway.ledger.keeping import Kept
from gateway.ledger.model import Account, Cap, Charge, Per, Release, Stored
from gateway.ledger.revoking import Revocations
from gateway.ledger.standing import Standing
from gateway.ledger.topups import TopUps, within
from gateway.store import log


async def refused(awaitable, code):
    with pytest.raises(GatewayError) as caught:
        await awaitable
    assert caught.value.code == code
    return caught.value


async def leaves(store):
    return await store.read(lambda c: [log.read_leaf(c, i).decode() for i in range(log.size(c))])


async def test_a_top_up_takes_two_persons_and_raises_one_limit(store, clock, ledger):
    topups = TopUps(store, clock)
    for number in range(3):
        await ledger.charge(order(number))
    await refused(ledger.charge(order(4)), "budget_exhausted")
    made = await topups.propose("T1", "buyer/a/org/ana", 20, 0, "a second study", "acme/eve")
    assert (made.state, made.proposed_at, made.decided_by) == ("proposed", START, None)
    await refused(ledger.charge(order(4)), "budget_exhausted")
    await refused(topups.decide("T1", "acme/eve", approve=True), "two_persons")
    await refused(topups.decide("T9", "acme/bob", approve=True), "not_found")
    assert (await topups.decide("T1", "acme/bob", approve=True)).state == "approved"
    assert isinstance(await ledger.charge(order(4)), Charge)
    assert [(b.rho_limit, b.rho_spent) for b in await ledger.balances(ACCOUNTS)] == [(100, 80), (80, 80)]
    await refused(topups.decide("T1", "acme/bob", approve=True), "bad_request")
    told = [leaf for leaf in await leaves(store) if "topped-up" in leaf]
    assert len(told) == 2
    assert "acme/eve" in told[0]
    assert "acme/bob" in told[1]


async def test_a_rejected_top_up_adds_nothing(store, clock, ledger):
    topups = TopUps(store, clock)
    await topups.propose("T1", "data/a", 10**6, 10**6, "why not", "acme/eve")
    await topups.decide("T1", "acme/eve", approve=False)
    assert (await topups.find("T1")).state == "rejected"
    assert await topups.find("T2") is None
    assert [b.rho_limit for b in await ledger.balances(ACCOUNTS)] == [100, 60]
    assert [t.topup_id for t in await topups.of_account("a")] == ["T1"]
    assert await topups.of_account("b") == ()


@pytest.mark.parametrize(
    ("key", "name", "inside"),
    [("data/a", "a", True), ("buyer/a/org/ana", "a", True), ("data/a@2026-11", "a", True), ("data/ab", "a", False),
     ("data/acme/customers.id", "acme/customers.id", True), ("a", "a", False), ("purse/a", "a", False),
     ("organisation/a/org", "a", True), ("grant/a/org/g@2026", "a", True), ("organisation/a/", "a", False),
     ("data/acme/customers.id", "acme", False), ("organisation/acme/customers.id/org", "acme", False),
     ("buyer/acme/customers.id/org/ana", "acme", False), ("data/a@2026-11@2026-12", "a", False),
     ("data/a@later", "a", False)],
)  # fmt: skip
def test_an_account_lies_within_its_datas(key, name, inside):
    assert within(key, name) is inside


async def test_a_buyers_own_cap_binds_over_all_datasets(store, clock, ledger):
    buyers = Buyers(store, clock)
    free = (Account("data/x", None, None),)
    await buyers.cap("org/ana", Cap(D("3.10"), "CNY", Per.MONTH))
    await ledger.charge(order(1, accounts=free))
    await ledger.charge(order(2, accounts=free, dataset="other"))
    error = await refused(ledger.charge(order(3, accounts=free)), "spending_capped")
    assert "3.10 CNY a month" in error.detail
    assert isinstance(await ledger.charge(order(4, accounts=free, buyer="org/bob")), Charge), "her own alone"
    (spending,) = await buyers.spending("org/ana")
    assert spending.currency == "CNY"
    assert spending.spent == {Per.DAY: D("3.00"), Per.MONTH: D("3.00"), Per.TOTAL: D("3.00")}
    assert spending.caps == {Per.MONTH: D("3.10")}
    clock.pass_(31 * 86_400)
    assert isinstance(await ledger.charge(order(3, accounts=free)), Charge), "another month"
    await buyers.cap("org/ana", Cap(D("3.10"), "CNY", Per.TOTAL))
    await refused(ledger.charge(order(5, accounts=free)), "spending_capped")
    await buyers.cap("org/ana", Cap(D(0), "CNY", Per.TOTAL), lift=True)
    await buyers.cap("org/ana", Cap(D(100), "CNY", Per.MONTH))
    assert isinstance(await ledger.charge(order(5, accounts=free)), Charge)
    await refused(buyers.cap("org/ana", Cap(D(-1), "CNY", Per.DAY)), "bad_request")
    assert await buyers.spending("org/zoe") == ()


async def test_past_queries_are_the_buyers_own_newest_first(store, clock, ledger):
    buyers = Buyers(store, clock)
    for number in range(1, 4):
        await ledger.charge(order(number, accounts=(), rho=number))
    await ledger.charge(order(9, accounts=(), buyer="org/bob"))
    found = await buyers.queries("org/ana", None, 10)
    assert [(q.query_id, q.rho, q.state, q.amount) for q in found] == [
        ("Q3", 3, "running", "1.50"),
        ("Q2", 2, "running", "1.50"),
        ("Q1", 1, "running", "1.50"),
    ]
    assert [q.query_id for q in await buyers.queries("org/ana", "Q3", 1)] == ["Q2"]


async def test_a_token_is_taken_back_by_name_or_by_subject(store, clock):
    revocations = Revocations(store, clock, timedelta(hours=1))
    issued = START - timedelta(minutes=5)

    async def revoked(jti, buyer="org/ana", at=issued, issuer="iss"):
        return await revocations.standing(issuer, jti, buyer, at) is Standing.REVOKED

    assert not await revoked("t1")
    await revocations.revoke_token("iss", "t1", "org/ana")
    assert await revoked("t1")
    assert not await revoked("t2")
    assert not await revoked(None)
    assert not await revoked("t1", issuer="another")
    await revocations.revoke_subject("org/ana", "exchange/sam")
    assert await revoked("t2")
    assert await revoked(None)
    assert not await revoked("t2", buyer="org/bob")
    assert not await revoked("t2", at=START + timedelta(seconds=1)), "issued after"
    clock.pass_(3601)
    await revocations.revoke_token("iss", "t3", "org/ana")
    assert not await revoked("t1", buyer="org/bob"), "forgotten once it has expired by itself"
    assert len([leaf for leaf in await leaves(store) if '"kind":"revoked"' in leaf]) == 3


async def test_texts_and_answers_are_kept_as_long_as_the_policy_says(store, clock, ledger):
    kept = Kept(store, clock, SEALER)
    charge = await ledger.charge(order(1, accounts=(), keep_text=timedelta(days=3)))
    await ledger.record(charge, b"answer", {"draw-1": Release(b"drawn")})
    assert await kept.text("Q1") == order(1).sql
    assert await kept.text("Q2") is None
    clock.pass_(3 * 86_400)
    assert await kept.text("Q1") is None
    assert await kept.purge({"shop": timedelta(days=4), "other": timedelta(0)}) == (1, 0)
    assert await ledger.lookup("org/ana", "key-1", "body-1") == Stored("Q1", b"answer")
    clock.pass_(2 * 86_400)
    assert await kept.purge({"shop": timedelta(days=4)}) == (0, 1)
    await refused(ledger.lookup("org/ana", "key-1", "body-1"), "answer_expired")
    await refused(ledger.charge(order(1, accounts=())), "answer_expired")
    assert await ledger.releases("org/ana", ["draw-1"]) == {"draw-1": b"drawn"}, "the draw stays: no second one"
    assert await kept.purge({"shop": timedelta(days=4)}) == (0, 0)


async def test_a_table_stays_with_its_account(store, clock):
    bindings = Bindings(store, clock)
    await bindings.bind("duckdb:/data/a", ["Customers", "orders"], "acme/customers.id")
    await bindings.bind("duckdb:/data/a", ["customers", "orders"], "acme/customers.id")
    assert len(await leaves(store)) == 1, "known already"
    error = await refused(bindings.bind("duckdb:/data/a", ["orders"], "acme/people.id"), "policy_invalid")
    assert "acme/customers.id" in error.hint
    await refused(bindings.bind("duckdb:/data/a", ["new", "ORDERS"], "other"), "policy_invalid")
    await bindings.bind("duckdb:/data/b", ["orders"], "other")
    await bindings.bind("duckdb:/data/a", ["orders", "lines"], "acme/customers.id")
    assert len(await leaves(store)) == 3
    await bindings.bind("duckdb:/data/a", [], "anything")
