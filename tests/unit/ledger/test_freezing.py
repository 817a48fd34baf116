"""Freezes on both stores: what they cover is refused, what runs of it is ended, and the log says so."""

import asyncio
import json

import pytest
from sqlalchemy import select
from support.stores import code_of, order

from gateway.ledger.freezing import Freezes, Scope, Target
from gateway.ledger.model import Charge, Stored
from gateway.ledger.reconcile import reconcile
from gateway.store.tables import leaves

TARGETS = {
    "query": Target(Scope.QUERY, "Q1"),
    "buyer": Target(Scope.BUYER, "org/ana"),
    "organisation": Target(Scope.ORGANISATION, "org"),
    "dataset": Target(Scope.DATASET, "shop"),
    "all": Target(Scope.ALL),
}
WIDER = [target for target in TARGETS.values() if target.scope is not Scope.QUERY]


@pytest.fixture
def freezes(store, clock):
    return Freezes(store, clock)


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
async def test_what_runs_of_it_is_ended_and_stays_charged(ledger, freezes, store, target):
    charge = await ledger.charge(order(1))
    facts = json.dumps({"organisation": "o2", "buyer": "bob", "dataset": "barn", "grant": "g"})
    other = await ledger.charge(order(2, buyer="o2/bob", organisation="o2", dataset="barn", draws=("d",), facts=facts))
    ended = await freezes.freeze(target, "an alert", "reg/sun")
    assert ended == (["Q1", "Q2"] if target.scope is Scope.ALL else ["Q1"])
    assert await ledger.ended(["Q1"]) == {"Q1": "stopped"}
    assert await code_of(ledger.record(charge, b"answer", {})) == "query_stopped"
    assert await code_of(ledger.fail(charge, "its engine was ended")) == "query_stopped"
    assert await code_of(ledger.lookup("org/ana", "key-1", "body-1")) == "query_stopped"
    assert await ledger.failures("org/ana", "shop") == 0
    assert [b.rho_spent for b in await ledger.balances(order().accounts)] == [40, 40]
    if target.scope is not Scope.ALL:
        assert await ledger.record(other, b"answer", {}) == b"answer"
    assert (await store.read(reconcile)).differences == ()


@pytest.mark.parametrize("target", WIDER)
async def test_nothing_of_it_is_charged_until_it_is_lifted(ledger, freezes, target):
    await freezes.freeze(target, "an alert", "reg/sun")
    assert await code_of(ledger.charge(order(1))) == "frozen"
    assert await code_of(ledger.refuse_frozen("org/ana", "org", "shop")) == "frozen"
    assert [b.rho_spent for b in await ledger.balances(order().accounts)] == [0, 0]
    await ledger.refuse_frozen("o2/bob", "o2", "barn") if target.scope is not Scope.ALL else None
    assert await freezes.unfreeze(target, "looked at", "reg/sun")
    assert not await freezes.unfreeze(target, "again", "reg/sun")
    assert isinstance(await ledger.charge(order(1)), Charge)


@pytest.mark.parametrize("target", WIDER)
async def test_a_free_answer_that_was_on_its_way_is_not_entered(ledger, freezes, target):
    await freezes.freeze(target, "an alert", "reg/sun")
    free = {"rho": 0, "delta": 0, "draws": ()}
    bob = order(2, buyer="o2/bob", organisation="o2", dataset="barn", **free)
    told = await asyncio.gather(
        ledger.replay(order(1, **free), b"answer"), ledger.replay(bob, b"answer"), return_exceptions=True
    )
    assert told[0].code == "frozen"
    assert told[1] is None or (target.scope, told[1].code) == (Scope.ALL, "frozen")
    assert await ledger.query("Q1") is None


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
async def test_an_answer_that_was_paid_for_is_not_given_by_its_key_until_it_is_lifted(ledger, freezes, target):
    await ledger.record(await ledger.charge(order(1)), b"answer", {})
    await freezes.freeze(target, "an alert", "reg/sun")
    assert await code_of(ledger.lookup("org/ana", "key-1", "body-1")) == "frozen"
    assert await code_of(ledger.charge(order(1))) == "frozen"
    await freezes.unfreeze(target, "looked at", "reg/sun")
    assert await ledger.lookup("org/ana", "key-1", "body-1") == Stored("Q1", b"answer")


async def test_a_frozen_query_is_not_taken_over(ledger, freezes, clock, store):
    await ledger.charge(order(1))
    clock.pass_(60)  # its worker is gone
    await freezes.freeze(Target(Scope.QUERY, "Q1"), "an alert", "reg/sun")
    assert await code_of(ledger.charge(order(1))) == "query_stopped"
    assert await code_of(ledger.refuse_frozen("org/ana", "org", "shop", "Q1")) == "frozen"
    await ledger.refuse_frozen("org/ana", "org", "shop", "Q2")


async def test_the_log_says_who_and_why_and_the_latest_stands(freezes, store, clock):
    await freezes.freeze(TARGETS["buyer"], "first", "reg/sun")
    clock.pass_(5)
    await freezes.freeze(TARGETS["all"], "second", "reg/sun")
    await freezes.freeze(TARGETS["buyer"], "third", "acme/eve")
    assert [(f.target, f.reason, f.by) for f in await freezes.held()] == [
        (TARGETS["all"], "second", "reg/sun"), (TARGETS["buyer"], "third", "acme/eve"),
    ]  # fmt: skip
    await freezes.unfreeze(TARGETS["all"], "over", "reg/sun")
    told = [json.loads(row.leaf) for row in await store.read(lambda c: c.execute(select(leaves)).all())]
    assert [(leaf["kind"], leaf["scope"], leaf["reason"]) for leaf in told] == [
        ("frozen", "buyer", "first"), ("frozen", "all", "second"), ("frozen", "buyer", "third"),
        ("unfrozen", "all", "over"),
    ]  # fmt: skip
