"""A pipeline in which nothing may be asked: engine, releaser and ledger fail the test when a refused query meets them."""

from contextlib import nullcontext
from datetime import UTC, datetime

import pytest

from gateway import pipeline
from gateway.catalog.model import Dataset
from gateway.errors import CODES, GatewayError
from gateway.parts import Parts
from gateway.planning import plan
from gateway.ports import FixedClock
from gateway.repeats import Repeats
from gateway.request import Request
from gateway.stages import Stage
from support.shop import CALLER, SHOP


class Unasked:
    """Stands where engine, releaser and ledger stand: any use of it fails the test. Refusals are noted."""

    def __init__(self, dataset: Dataset = SHOP):
        self.refusals: list[str] = []
        self.held = dataset

    async def dataset(self, _name, _caller):
        return self.held

    async def granted(self, _dataset, _caller):
        return ()

    async def plan(self, job):
        return plan(job)

    def query(self, _query_id):
        return nullcontext()

    def stage(self, stage):
        assert stage is Stage.PLAN, f"'{stage}' was reached by a statement that must be refused"
        return nullcontext()

    async def failures(self, _buyer, _dataset):
        return 0

    async def refuse_frozen(self, *_places):
        return

    def admit(self, _caller):
        return

    async def count(self, _caller):
        return

    async def refused(self, _dataset, _caller, grant, error):
        assert grant in self.held.grants
        self.refusals.append(error.code)

    def __getattr__(self, name):
        raise AssertionError(f"'{name}' was asked for a statement that must be refused")


def parts(spy: Unasked) -> Parts:
    return Parts(
        published=spy, synthetic=spy, planner=spy, releaser=spy, book=spy, telemetry=spy, free=spy, repeats=Repeats(),
        clock=FixedClock(datetime(2026, 11, 24, tzinfo=UTC)), pause=spy, secret="", engine_deadline_s=1.0,
        new_id=lambda: "Q",
    )  # fmt: skip


async def refusal(sql: str, dataset: Dataset = SHOP) -> GatewayError:
    """Return how a statement is refused: by a known code that is not the server's fault, with a hint, nothing asked."""
    spy = Unasked(dataset)
    with pytest.raises(GatewayError) as caught:
        await pipeline.answer(parts(spy), Request(sql), CALLER)
    assert spy.refusals == [caught.value.code]
    assert CODES[caught.value.code].status < 500
    assert caught.value.hint
    return caught.value
