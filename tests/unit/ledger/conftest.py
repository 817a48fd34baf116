"""A clock that the test moves, and a ledger and a meter that go by it, on each store."""

import pytest
from support.stores import Clock, ledger_of, meter_of


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def ledger(store, clock):
    return ledger_of(store, clock)


@pytest.fixture
def meter(store, clock):
    return meter_of(store, clock)
