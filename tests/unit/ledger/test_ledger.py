"""The ledger on both stores: every leaf has a receipt, texts are sealed, versions in order, charges at once or none."""

import asyncio
import json
from pathlib import Path

import pytest
from sqlalchemy import select
from support.evidence import evidence_of
from support.starting import begun, context
from support.stores import SEALER, Clock, ledger_of, order, refused, versions_of

from gateway.errors import GatewayError
from gateway.evidence.offline.receipts import verify
from gateway.ledger.model import Account, Charge
from gateway.ledger.registering import Registry
from gateway.store import log
from gateway.store.database import open_store
from gateway.store.tables import texts


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
    done = context().Queue()
    workers = [begun(_charge_many, *store_place, n, parallel, done) for n in range(processes)]
    paid = sum([await asyncio.to_thread(done.get, timeout=300) for _ in workers])
    for worker in workers:
        worker.join(timeout=30)
    assert paid == 10
