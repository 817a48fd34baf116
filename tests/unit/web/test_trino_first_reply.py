"""How long Trino's first reply waits: until a question is charged, and no longer than clients wait for a reply."""

import asyncio

import pytest

from gateway.errors import GatewayError
from gateway.stages import Stage
from gateway.web.trino import door
from gateway.web.trino.door import TrinoDoor


class Question:
    query_id, stage, over = "q1", Stage.EXECUTE, False

    def __init__(self, charged_after_s):
        self.wait_s = charged_after_s

    async def known(self):
        await asyncio.sleep(self.wait_s)


class Answers:
    def waiting(self, query_id, stage, number, *, intervals):
        return query_id, stage, number, intervals


def first(question):
    made = TrinoDoor.__new__(TrinoDoor)
    return made._first(Answers(), question, intervals=True)


async def test_a_charged_question_is_told_where_it_goes_on(monkeypatch):
    monkeypatch.setattr(door, "FIRST_S", 5.0)
    assert await first(Question(0.01)) == ("q1", Stage.EXECUTE, 0, True)


async def test_one_that_waits_for_its_turn_is_sent_again_by_the_client(monkeypatch):
    monkeypatch.setattr(door, "FIRST_S", 0.05)
    with pytest.raises(GatewayError) as caught:
        await first(Question(60))
    assert (caught.value.code, caught.value.status) == ("overloaded", 503)
    assert "same question" in caught.value.hint


def test_clients_wait_longer():
    """Trino's client for Python gives a reply 30 seconds."""
    from trino import constants

    assert constants.DEFAULT_REQUEST_TIMEOUT > door.FIRST_S
