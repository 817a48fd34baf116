"""Idempotency keys at the door and in the path: one look at a new one, and one charge of two that were both new."""

import asyncio
from dataclasses import replace

import pytest
from support.pipelines import spent
from support.queries import ANSWERED
from support.shop import CALLER, NOW
from support.stores import SEALER

from gateway import pipeline
from gateway.errors import GatewayError
from gateway.ledger.freezing import Freezes, Scope, Target
from gateway.ledger.ledger import Ledger
from gateway.ledger.model import Looked
from gateway.ports import FixedClock
from gateway.request import Request

ASKED = Request(ANSWERED["count"], idempotency_key="k", body_digest="1")


class Looking(Ledger):
    """A ledger that counts the looks at keys."""

    looks = 0

    async def lookup(self, *key):
        self.looks += 1
        return await super().lookup(*key)


@pytest.fixture
def looking(store, parts):
    """Return parts whose ledger counts, and whose pauses last."""
    return replace(parts, book=Looking(store, FixedClock(NOW), "gw", SEALER), pause=asyncio.sleep)


async def test_only_an_answer_that_is_there_is_given_at_once(store, parts):
    assert await pipeline.given(parts, ASKED, CALLER) == Looked(new=True), "nothing is known of the key"
    assert await pipeline.given(parts, replace(ASKED, idempotency_key=None), CALLER) == Looked()
    with pytest.raises(GatewayError, match="forbidden"):
        await pipeline.given(parts, ASKED, replace(CALLER, roles=frozenset()))
    out = await pipeline.answer(parts, ASKED, CALLER)
    assert await pipeline.given(parts, ASKED, CALLER) == Looked(out)
    assert await pipeline.given(parts, replace(ASKED, body_digest="2"), CALLER) == Looked(), "another body of this key"
    assert await pipeline.given(parts, ASKED, replace(CALLER, subject="eve")) == Looked(new=True)
    await Freezes(store, FixedClock(NOW)).freeze(Target(Scope.ALL), "an alert", "reg/sun")
    assert await pipeline.given(parts, ASKED, CALLER) == Looked(), "what is frozen is refused by name where it is asked"
    with pytest.raises(GatewayError, match="frozen"):
        await pipeline.answer(parts, ASKED, CALLER)


async def test_a_new_key_is_looked_at_once(looking):
    looked = await pipeline.given(looking, ASKED, CALLER)
    assert await pipeline.answer(looking, ASKED, CALLER, new=looked.new)
    assert looking.book.looks == 1
    await pipeline.answer(looking, ASKED, CALLER)
    assert looking.book.looks == 2, "who comes by another way looks for itself"


async def test_of_two_at_once_whose_key_was_new_to_both_one_is_charged_and_both_have_its_answer(
    looking, ledger, database
):
    run, both = database.run, asyncio.Event()

    async def slowly(statement, deadline_s):
        await asyncio.wait_for(both.wait(), 20)  # the first has charged, and the second has been told so
        return await run(statement, deadline_s)

    async def paused(_seconds):
        both.set()
        await asyncio.sleep(0.01)

    database.run = slowly
    parts = replace(looking, pause=paused)
    assert [await pipeline.given(parts, ASKED, CALLER) for _ in range(2)] == [Looked(new=True)] * 2
    answers = await asyncio.gather(*(pipeline.answer(parts, ASKED, CALLER, new=True) for _ in range(2)))
    assert answers[0] == answers[1]
    assert sum(event == 1 for _, event, _ in parts.telemetry.costs) == 1, "one draw"
    (whole, *_) = await spent(ledger)
    assert whole == database.spent_at_the_first_row > 0, "one charge"


async def test_a_key_that_was_new_and_has_another_body_by_now_is_a_conflict(looking, ledger):
    looked = await pipeline.given(looking, replace(ASKED, body_digest="2"), CALLER)
    assert looked == Looked(new=True)
    await pipeline.answer(looking, ASKED, CALLER)
    before = await spent(ledger)
    for sql in (ANSWERED["count"], ANSWERED["sum_decimal"]):  # free by now, and dear
        with pytest.raises(GatewayError, match="idempotency_conflict"):
            await pipeline.answer(looking, replace(ASKED, sql=sql, body_digest="2"), CALLER, new=looked.new)
    assert await spent(ledger) == before
