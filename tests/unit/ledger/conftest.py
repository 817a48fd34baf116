"""A clock that the test moves, and a ledger that goes by it, on each store."""

import pytest
from support.stores import Clock, ledger_of


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def ledger(store, clock):
    return ledger_of(store, clock)
