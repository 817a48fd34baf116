"""Questions in progress: who may see and end them, what is told of them, and what becomes of them in a drain."""

import asyncio

import pytest
from support.operations import Cancelled

from gateway.app import tracking
from gateway.app.tracking import CURRENT, Held, Tracker
from gateway.errors import GatewayError
from gateway.request import Caller, Request
from gateway.stages import Stage

ANA, BOB = Caller("ana", "widgets"), Caller("bob", "widgets")
ASKED = Request("SELECT 1")


class Path:
    """A path whose stages a test lets happen one by one."""

    def __init__(self):
        self.steps, self.ended = asyncio.Queue(), False

    async def answer(self, _request, _caller, *, new=False):
        question = CURRENT.get()
        question.named("Q1")
        try:
            while True:
                step = await self.steps.get()
                if isinstance(step, Exception):
                    raise step
                if step == "charged":
                    question.paid("Q1")
                elif isinstance(step, bytes):
                    return step
                else:
                    question.enter(step)
        finally:
            self.ended = True


@pytest.fixture
def path():
    return Path()


@pytest.fixture
def ledger():
    return Cancelled()


@pytest.fixture
def tracker(path, ledger):
    return Tracker(path.answer, ledger, 4)


async def code_of(awaitable):
    with pytest.raises(GatewayError) as caught:
        await awaitable
    return caught.value.code


async def test_an_answer_is_waited_for_as_long_as_asked(tracker, path):
    question = tracker.submit(ASKED, ANA)
    assert not await question.wait(0.01)
    path.steps.put_nowait(b"answer")
    assert await question.wait(5)
    assert await question.answer() == b"answer"
    assert tracker.tracked("Q1", ANA) is None, "what is over is the store's to tell"


async def test_who_asked_sees_it_and_nobody_else(tracker, path):
    question = tracker.submit(ASKED, ANA)
    await question.wait(0.01)
    assert tracker.tracked("Q1", ANA) is None, "it may wait for another with its key"
    path.steps.put_nowait(Stage.PLAN)
    await question.wait(0.01)
    assert tracker.tracked("Q1", ANA) is question
    assert tracker.tracked("Q1", BOB) is None
    assert tracker.tracked("", ANA) is None
    path.steps.put_nowait(b"answer")
    await question.answer()


async def test_it_is_known_once_it_is_charged_or_over(tracker, path):
    question = tracker.submit(ASKED, ANA)
    waiting = asyncio.create_task(question.known())
    path.steps.put_nowait(Stage.PLAN)
    assert not (await asyncio.wait([waiting], timeout=0.02))[0]
    path.steps.put_nowait("charged")
    await asyncio.wait_for(waiting, 5)
    assert question.charged
    path.steps.put_nowait(b"answer")
    await question.answer()


async def test_what_is_refused_is_known_as_well(tracker, path):
    question = tracker.submit(ASKED, ANA)
    path.steps.put_nowait(GatewayError("raw_rows", "no"))
    await asyncio.wait_for(question.known(), 5)
    assert not question.charged
    assert await code_of(question.answer()) == "raw_rows"


async def test_each_stage_is_told_in_its_order_until_it_is_over(tracker, path):
    question = tracker.submit(ASKED, ANA)

    async def told():
        return [stage async for stage in question.stages()]

    listening = asyncio.create_task(told())
    for step in (Stage.PLAN, Stage.CHARGE, "charged", Stage.EXECUTE, b"answer"):
        await asyncio.sleep(0.01)
        path.steps.put_nowait(step)
    assert await asyncio.wait_for(listening, 5) == [None, Stage.PLAN, Stage.CHARGE, Stage.EXECUTE]


async def test_its_buyer_ends_it_and_the_store_is_told(tracker, path, ledger):
    question = tracker.submit(ASKED, ANA)
    await question.wait(0.01)
    await tracker.cancel("Q1", ANA)
    assert (path.ended, ledger.queries) == (True, {"Q1": "cancelled"})
    assert await code_of(question.answer()) == "query_cancelled"


async def test_nobody_else_ends_it(tracker, path):
    question = tracker.submit(ASKED, ANA)
    await question.wait(0.01)
    await tracker.cancel("Q1", BOB)
    assert not question.over
    path.steps.put_nowait(b"answer")
    assert await question.answer() == b"answer"


async def test_a_worker_that_the_fence_shut_out_says_that_it_was_cancelled(tracker, path):
    question = tracker.submit(ASKED, ANA)
    await question.wait(0.01)
    path.steps.put_nowait(GatewayError("internal", "Another worker has taken this query over."))
    question.ended = "cancelled"  # its row was ended, and its work came to that before it was ended too
    assert await code_of(question.answer()) == "query_cancelled"


@pytest.mark.parametrize(("state", "code"), [("cancelled", "query_cancelled"), ("stopped", "query_stopped")])
async def test_what_was_ended_on_another_replica_is_ended_here(tracker, path, ledger, monkeypatch, state, code):
    monkeypatch.setattr(tracking, "LOOK_EVERY_S", 0.01)
    watching = asyncio.create_task(tracker.watch())
    question = tracker.submit(ASKED, ANA)
    path.steps.put_nowait("charged")
    await question.known()
    ledger.queries["Q1"] = state
    assert await code_of(asyncio.wait_for(question.answer(), 5)) == code
    watching.cancel()


async def test_all_that_wait_for_what_was_ended_elsewhere_are_ended_at_once(tracker, path, ledger, monkeypatch):
    monkeypatch.setattr(tracking, "LOOK_EVERY_S", 0.01)
    asked = [tracker.submit(ASKED, ANA), tracker.submit(ASKED, ANA)]
    for question in asked:
        path.steps.put_nowait("charged")
        await question.wait(0.01)
    ledger.queries["Q1"] = "cancelled"
    watching = asyncio.create_task(tracker.watch())
    await asyncio.sleep(0.015)
    watching.cancel()
    assert [question.ended for question in asked] == ["cancelled"] * 2
    assert [await code_of(question.answer()) for question in asked] == ["query_cancelled"] * 2


async def test_those_who_wait_for_a_question_hide_no_engine_that_works_on_it(tracker, path):
    asked = [tracker.submit(ASKED, ANA), tracker.submit(ASKED, ANA)]
    for question in asked:
        question.paid("Q1")
    for question in asked:  # whichever of the two it is, a set has them in some order
        question.engine = Held("sales", object())
        assert tracker.working("sales") == {"Q1": question.engine.lease}
        assert tracker.working("other") == {}
        question.engine = None
    assert tracker.working("sales") == {}
    for question in asked:
        path.steps.put_nowait(b"answer")
        await question.answer()


async def test_who_waits_may_leave_and_the_work_goes_on(tracker, path):
    question = tracker.submit(ASKED, ANA)
    waiting = asyncio.create_task(question.answer())
    await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not question.over
    path.steps.put_nowait(b"answer")
    assert await question.answer() == b"answer"


async def test_a_drain_waits_then_cuts_short_and_takes_nothing_new(tracker, path, ledger):
    question = tracker.submit(ASKED, ANA)
    await question.wait(0.01)
    await tracker.drain(0.01)
    assert await code_of(question.answer()) == "shutting_down"
    assert (path.ended, ledger.queries) == (True, {}), "its charge stands, for its key to have it redone"
    with pytest.raises(GatewayError, match="stopping"):
        tracker.submit(ASKED, ANA)


async def test_room_is_given_back(tracker, path):
    with tracker.room(ANA), tracker.room(ANA), pytest.raises(GatewayError, match="at once"):
        tracker.submit(ASKED, ANA)
    with tracker.room(ANA):
        question = tracker.submit(ASKED, ANA)
        path.steps.put_nowait(b"answer")
        await question.answer()
        with tracker.room(ANA):
            pass
