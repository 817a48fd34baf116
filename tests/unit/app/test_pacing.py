"""What costs nothing has a pace: so many decisions of one buyer in a minute, and then none until the next."""

import pytest
from support.stores import START, Clock

from gateway.app.pacing import Pace, StatementPace, StrangerPace
from gateway.errors import GatewayError, Quota
from gateway.request import Caller

ANA, BOB = (Caller(name, "org", frozenset({"buyer"})) for name in ("ana", "bob"))


class Meter:
    def __init__(self):
        self.told = []

    async def flooded(self, organisation, buyer, most):
        self.told.append((organisation, buyer, most))


async def test_a_buyers_minute_is_spent_once_and_comes_again():
    clock, meter = Clock(START), Meter()
    pace = Pace(3, clock, meter)
    for told in (0, 0, 1, 1, 1):
        await pace.count(ANA)
        assert len(meter.told) == told
    assert meter.told == [("org", "ana", 3)]
    with pytest.raises(GatewayError) as caught:
        pace.admit(ANA)
    assert (caught.value.code, caught.value.status) == ("too_many_requests", 429)
    assert caught.value.quota == Quota("free", 3, 60, 0, 60)
    assert pace.quota(BOB).left == 3
    pace.admit(BOB)
    clock.pass_(59)
    with pytest.raises(GatewayError):
        pace.admit(ANA)
    clock.pass_(1)
    pace.admit(ANA)
    await pace.count(ANA)
    pace.admit(ANA)
    assert len(meter.told) == 1


async def test_what_needs_more_decisions_than_are_left_counts_none():
    meter = Meter()
    pace = Pace(5, Clock(START), meter)
    await pace.take(ANA, 3)
    with pytest.raises(GatewayError) as caught:
        await pace.take(ANA, 3)
    assert (caught.value.code, caught.value.quota.left) == ("too_many_requests", 2)
    await pace.take(ANA, 2)
    assert meter.told == [("org", "ana", 5)]
    with pytest.raises(GatewayError):
        await pace.take(ANA)


def test_statements_have_a_pace_of_their_own():
    clock = Clock(START)
    pace = StatementPace(2, clock)
    pace.take(ANA)
    pace.take(ANA)
    with pytest.raises(GatewayError) as caught:
        pace.take(ANA)
    assert caught.value.code == "too_many_requests"
    assert caught.value.quota == Quota("statements", 2, 60, 0, 60)
    pace.take(BOB)
    clock.pass_(60)
    pace.take(ANA)


def test_of_strangers_the_log_hears_once_a_minute_so_many_of_one_organisation_and_so_many_in_all():
    clock = Clock(START)
    pace = StrangerPace(5, 2, clock)

    def told(organisation, *subjects):
        return [pace.told(Caller(subject, organisation)) for subject in subjects]

    assert told("noise", "a", "a", "b", "c", "a") == [True, False, True, False, False]
    assert told("o2", "a", "b", "c") == [True, True, False]
    assert told("o3", "a", "b") == [True, False]
    clock.pass_(60)
    assert told("noise", "c", "a", "b") == [True, True, False]
