"""A case's evidence on both stores: found also where a restored store has lost the query's row, and given at a pace."""

import asyncio
import itertools
import json

import pytest
from sqlalchemy import delete
from support.billing import OCTOBER, priced
from support.evidence import evidence_of
from support.stores import Clock, ledger_of, meter_of

from gateway.app.disputes import DisputeService
from gateway.app.pacing import Pace
from gateway.errors import GatewayError
from gateway.ledger.cases import Cases
from gateway.ledger.freezing import Freezes, Scope, Target
from gateway.request import Caller
from gateway.store.tables import queries

ANA = Caller("ana", "org", frozenset({"buyer"}))
SUN = Caller("sun", "regulator", frozenset({"supervisor"}))


def proved(evidence):
    """Return the leaves of a query's decision and of its outcome, each with its place."""
    receipt = json.loads(evidence["bundle"]["receipt.json"])
    return [(one["leaf"], one["log_index"]) for one in (receipt, receipt["outcome"])]


async def test_it_is_whole_without_the_querys_row_and_no_more_is_given_than_a_minute_holds(store, tmp_path):
    clock = Clock(OCTOBER)
    ledger = ledger_of(store, clock)
    charge = await ledger.charge(priced(1))
    freezes = Freezes(store, clock)
    await freezes.freeze(Target(Scope.DATASET, "elsewhere"), "another's", "regulator/sun")
    await ledger.record(charge, b"answer", {})
    await freezes.freeze(Target(Scope.DATASET, "shop"), "a look", "regulator/sun")
    evidence, pace = await evidence_of(store, tmp_path), Pace(3, clock, meter_of(store, clock))
    ids = map("C{}".format, itertools.count(1))
    service = DisputeService(Cases(store, clock), ledger, evidence, None, dict, pace, clock, lambda: next(ids))
    await service.open(ANA, "Q1", "of no use")
    whole = await service.evidence(ANA, "C1")
    assert [(stop["kind"], stop["scope"]) for stop in whole["stops"]] == [("frozen", "dataset")]
    assert json.loads(whole["bundle"]["event.json"])["data"]["amount"] == "1.50"
    assert [json.loads(leaf)["kind"] for leaf, _ in proved(whole)] == ["charged", "answered"]
    await store.run(lambda c: c.execute(delete(queries)))
    again = await service.evidence(ANA, "C1")
    assert proved(again) == proved(whole)
    assert again["stops"] == whole["stops"]
    with pytest.raises(GatewayError) as refused:
        await service.evidence(ANA, "C1")
    assert refused.value.code == "too_many_requests"
    assert "a look" in str((await service.evidence(SUN, "C1"))["stops"]), "another's minute is another's"


async def test_those_who_ask_at_once_get_no_more_of_it_than_a_minute_holds(store, tmp_path):
    clock = Clock(OCTOBER)
    ledger = ledger_of(store, clock)
    await ledger.record(await ledger.charge(priced(1)), b"answer", {})
    evidence, pace = await evidence_of(store, tmp_path), Pace(4, clock, meter_of(store, clock))
    service = DisputeService(Cases(store, clock), ledger, evidence, None, dict, pace, clock, lambda: "C1")
    await service.open(ANA, "Q1", "of no use")  # the first of four
    asked = await asyncio.gather(*(service.evidence(ANA, "C1") for _ in range(16)), return_exceptions=True)
    assert sum(isinstance(one, dict) for one in asked) == 3
    assert {one.code for one in asked if not isinstance(one, dict)} == {"too_many_requests"}
