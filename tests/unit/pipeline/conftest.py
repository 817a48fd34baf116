"""The parts of a pipeline over the real ledger, on each store, and a real database."""

import pytest
from support.pipelines import SECRET, Database, Planner, Provider, Releaser
from support.shop import NOW
from support.stores import ledger_of

from gateway.parts import Parts
from gateway.ports import FixedClock
from gateway.repeats import Repeats


@pytest.fixture
def ledger(store):
    return ledger_of(store, FixedClock(NOW))


@pytest.fixture
def database(ledger):
    return Database(ledger)


@pytest.fixture
def provider():
    return Provider()


@pytest.fixture
def parts(database, ledger, provider):
    async def pause(_seconds):
        raise AssertionError("nobody else is at work")

    numbers = iter(range(1, 100))
    return Parts(
        published=database, synthetic=database, planner=Planner(), releaser=Releaser(), book=ledger,
        telemetry=provider, free=provider, repeats=Repeats(), clock=FixedClock(NOW), pause=pause, secret=SECRET, engine_deadline_s=60,
        new_id=lambda: f"Q{next(numbers)}",
    )  # fmt: skip
