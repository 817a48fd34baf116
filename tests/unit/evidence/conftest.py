"""A log of a few decisions in a store of each kind, and the receipt of its first query."""

import json

import pytest
from support.evidence import evidence_of
from support.receipts import ANSWER, WIDE, WORD
from support.stores import Clock, ledger_of, meter_of, order


@pytest.fixture
async def log(store, tmp_path):
    """Return (evidence, store) of four queries: answered, failed, replayed, running; and a refusal, between others."""
    ledger, meter = ledger_of(store, Clock()), meter_of(store, Clock())
    evidence = await evidence_of(store, tmp_path, [WORD])
    await meter.refuse("R1", json.dumps({"dataset": "shop", "organisation": "org", "reason": "no_grant"}))
    for number in (1, 2, 3):
        charge = await ledger.charge(order(number, accounts=WIDE))
        if number == 1:
            await ledger.record(charge, ANSWER, {})
        elif number == 2:
            await ledger.fail(charge, "the engine said no")
    await ledger.replay(order(4), ANSWER)
    return evidence, store


@pytest.fixture
async def receipt(log):
    return await log[0].receipt("Q1", owner=True)
