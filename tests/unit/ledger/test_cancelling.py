"""A buyer ends a query that runs: the charge stays, no draw leaves, nothing is held against the buyer."""

import json

from sqlalchemy import select
from support.stores import code_of, order

from gateway.ledger.model import Charge
from gateway.ledger.reconcile import reconcile
from gateway.store.tables import leaves


async def test_a_cancelled_query_stays_charged_and_its_answer_can_no_longer_leave(ledger, store):
    charge = await ledger.charge(order())
    assert await ledger.cancel("org/ana", "Q1") == "cancelled"
    assert [(b.rho_spent, b.delta_spent) for b in await ledger.balances(order().accounts)] == [(20, 5), (20, 5)]
    assert await code_of(ledger.record(charge, b"answer", {})) == "query_cancelled"
    assert not await ledger.renew(charge)
    assert (await ledger.query("Q1")).answer is None
    assert await ledger.failures("org/ana", "shop") == 0
    assert await code_of(ledger.fail(charge, "its work was ended")) == "query_cancelled"  # too late: it has its end
    assert (await ledger.query("Q1")).state == "cancelled"
    told = [json.loads(row.leaf) for row in await store.read(lambda c: c.execute(select(leaves)).all())]
    assert [leaf["kind"] for leaf in told] == ["charged", "failed"]
    assert told[1]["cancelled"] is True
    assert (await store.read(reconcile)).differences == ()


async def test_its_key_says_so_and_another_key_asks_anew(ledger):
    await ledger.charge(order())
    await ledger.cancel("org/ana", "Q1")
    assert await code_of(ledger.lookup("org/ana", "key-1", "body-1")) == "query_cancelled"
    assert await code_of(ledger.charge(order())) == "query_cancelled"
    again = order(2, question="question-1", draws=("draw-1",))
    assert isinstance(await ledger.charge(again), Charge)  # its draw was let go


async def test_only_its_buyer_ends_it_and_what_is_over_stays_as_it_is(ledger):
    charge = await ledger.charge(order())
    assert await ledger.cancel("org/bob", "Q1") is None
    assert await ledger.cancel("org/ana", "Q9") is None
    await ledger.record(charge, b"answer", {})
    assert await ledger.cancel("org/ana", "Q1") == "finished"
    assert (await ledger.query("Q1")).answer == b"answer"


async def test_whoever_works_on_it_finds_that_it_was_cancelled(ledger):
    done = await ledger.charge(order(1))
    await ledger.charge(order(2))
    await ledger.record(done, b"answer", {})
    assert await ledger.ended(["Q1", "Q2"]) == {}
    await ledger.cancel("org/ana", "Q2")
    assert await ledger.ended(["Q1", "Q2", "Q9"]) == {"Q2": "cancelled"}
    assert await ledger.ended([]) == {}
