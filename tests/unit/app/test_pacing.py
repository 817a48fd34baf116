"""What costs nothing has a pace: so many decisions of one buyer in a minute, and then none until the next."""

import pytest
from support.stores import START, Clock

from gateway.app.pacing import Pace
from gateway.errors import GatewayError


def test_a_buyers_minute_is_spent_once_and_comes_again():
    clock = Clock(START)
    pace = Pace(3, clock)
    assert [pace.count("org/ana") for _ in range(5)] == [False, False, True, False, False], "told to the log once"
    with pytest.raises(GatewayError) as caught:
        pace.admit("org/ana")
    assert (caught.value.code, caught.value.status) == ("too_many_requests", 429)
    pace.admit("org/bob")
    clock.pass_(59)
    with pytest.raises(GatewayError):
        pace.admit("org/ana")
    clock.pass_(1)
    pace.admit("org/ana")
    assert not pace.count("org/ana")
