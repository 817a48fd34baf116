"""Plans that are kept: the same question is planned once, and whatever decides a plan has it planned anew."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest
from support.shop import SHOP

from gateway.app import planners
from gateway.app.planners import WorkerPlanner
from gateway.errors import GatewayError
from gateway.planning_worker import PlannerHandler
from gateway.programs import PlanJob
from gateway.request import Accuracy, Caller, Request

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
SQL = "SELECT COUNT(*) AS n FROM purchases"


class CountingPool:
    """One worker in this process that is the planner's own handler, and counts what it is asked."""

    def __init__(self) -> None:
        self.planned, self.learned, self.held = 0, 0, 0
        self.deadlines = []
        self.tag = ""
        self._handler = PlannerHandler()

    async def acquire(self, _wait_s, prefer, party):
        self.held += 1
        self.preferred, self.party = prefer, party
        return self

    def release(self):
        self.held -= 1

    async def call(self, method, argument, deadline_s):
        if method == "learn":
            self.learned += 1
        else:
            assert self.party == argument.caller.organisation
            self.planned += 1
            self.deadlines.append(deadline_s)
            self.told = argument.caller
        _, payload = self._handler.handle(method, argument)
        return SimpleNamespace(payload=payload)


@pytest.fixture
def pool():
    return CountingPool()


@pytest.fixture
def planner(pool):
    return WorkerPlanner(pool, 1, 1)


@pytest.fixture
def job():
    data = SHOP
    grant = data.grants[0]
    caller = Caller("ana", grant.organisation, frozenset({"buyer"}), "market-research", "CN", token_id="t1")
    return PlanJob(data, caller, Request(SQL, purpose="market-research", epsilon=Decimal("0.2")), NOW, grant)


async def test_the_same_question_is_planned_once(planner, pool, job):
    first = await planner.plan(job)
    again = replace(
        job,
        now=NOW + timedelta(hours=3),
        caller=replace(job.caller, token_id="t2"),
        request=replace(job.request, idempotency_key="k", body_digest="d"),
    )
    assert await planner.plan(again) == first
    assert pool.planned == 1


def _dataset(**changed):
    return lambda job: replace(job, dataset=replace(job.dataset, **changed))


def _caller(**changed):
    return lambda job: replace(job, caller=replace(job.caller, **changed))


def _request(**changed):
    return lambda job: replace(job, request=replace(job.request, **changed))


CHANGED = {
    "policy version": _dataset(policy_version="another"),
    "data version": _dataset(data_version="another"),
    "stamp": _dataset(stamp="another"),
    "dataset": _dataset(name="another"),
    "grant": lambda job: replace(job, grant=replace(job.grant, name="another")),
    "grant's terms": lambda job: replace(job, grant=replace(job.grant, uses=7)),
    "organisation": _caller(organisation="another"),
    "jurisdiction": _caller(jurisdiction="SG"),
    "a grant of their own": lambda job: replace(job, grant=replace(job.grant, subject="ana")),
    "another's grant": lambda job: replace(job, grant=replace(job.grant, subject="bo")),
    "roles": _caller(roles=frozenset({"buyer", "auditor"})),
    "sql": _request(sql=SQL + " "),
    "dialect": _request(dialect="postgres"),
    "epsilon": _request(epsilon=Decimal("0.3")),
    "accuracy": _request(epsilon=None, accuracy=Accuracy(Decimal(200), None)),
    "row limit": _request(row_limit=3),
    "quote": lambda job: replace(job, quote=True),
    "day": lambda job: replace(job, now=NOW + timedelta(days=1)),
}


@pytest.mark.parametrize("name", CHANGED)
async def test_what_decides_a_plan_has_it_planned_anew(planner, pool, job, name):
    await planner.plan(job)
    await planner.plan(CHANGED[name](job))
    assert pool.planned == 2


async def test_colleagues_under_one_grant_share_what_is_kept(planner, pool, job):
    first = await planner.plan(job)
    colleague = _caller(subject="bo", token_id="t2")(job)
    assert await planner.plan(colleague) is first
    assert pool.planned == 1
    assert colleague.decisive != job.decisive, "an answer is one buyer's"


async def test_a_plan_cannot_hang_on_who_of_an_organisation_asks(planner, pool, job):
    await planner.plan(job)
    assert pool.told == replace(job.caller, subject="", token_id=None)


@pytest.mark.parametrize("name", ["grant", "stamp", "policy version"])
async def test_a_colleague_meets_no_plan_from_before_a_change(planner, pool, job, name):
    await planner.plan(job)
    await planner.plan(CHANGED[name](_caller(subject="bo")(job)))
    assert pool.planned == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda job: replace(job, grant=None),
        _caller(purpose="surveillance"),
        _request(purpose="surveillance"),
        lambda job: replace(job, now=NOW + timedelta(days=36_500)),
    ],
)
async def test_who_may_not_ask_is_refused_though_the_plan_is_kept(planner, pool, job, change):
    await planner.plan(job)
    with pytest.raises(GatewayError):
        await planner.plan(change(job))
    with pytest.raises(GatewayError):  # and a refusal is not kept
        await planner.plan(change(job))
    assert pool.planned == 3


@pytest.mark.parametrize(
    "change",
    [_request(accuracy=Accuracy(Decimal(201), None)), _request(accuracy=Accuracy(None, Decimal("0.01"))),
     _request(accuracy=Accuracy(Decimal(200), None, Decimal("0.9")))],
)  # fmt: skip
async def test_every_part_of_an_accuracy_decides(planner, pool, job, change):
    job = CHANGED["accuracy"](job)
    await planner.plan(job)
    await planner.plan(_request(accuracy=Accuracy(Decimal("200.0"), None))(job))
    assert pool.planned == 1
    await planner.plan(change(job))
    assert pool.planned == 2


async def test_a_quote_has_longer_as_it_plans_more_than_once(planner, pool, job):
    await planner.plan(job)
    await planner.plan(CHANGED["quote"](job))
    assert pool.deadlines == [1, 3]


async def test_a_plan_of_one_moment_is_not_kept(planner, pool, job):
    asked = replace(job, request=replace(job.request, sql=f"{SQL} WHERE purchased_on < CURRENT_DATE"))
    await planner.plan(asked)
    await planner.plan(asked)
    assert pool.planned == 2


async def test_only_the_latest_plans_are_kept(planner, pool, job, monkeypatch):
    monkeypatch.setattr(planners, "KEPT_PLANS", 2)
    other, third = _request(row_limit=1)(job), _request(row_limit=2)(job)
    for one in (job, other, job, third):  # the second of them was asked for longest ago
        await planner.plan(one)
    assert pool.planned == 3
    await planner.plan(job)
    assert pool.planned == 3
    await planner.plan(other)
    assert pool.planned == 4


async def test_a_process_is_told_of_a_dataset_once(planner, pool, job):
    for epsilon in ("0.1", "0.2", "0.3"):
        await planner.plan(replace(job, request=replace(job.request, epsilon=Decimal(epsilon))))
    assert (pool.planned, pool.learned, pool.held) == (3, 1, 0)
    changed = replace(job, dataset=replace(job.dataset, data_version="another"))
    first, other = await planner.plan(job), await planner.plan(changed)
    assert pool.learned == 2
    assert first.question != other.question
    assert (await planner.plan(changed)).question == other.question


async def test_it_forgets_all_when_it_knows_too_many(planner, pool, job, monkeypatch):
    monkeypatch.setattr(planners, "KNOWN_DATASETS", 2)
    datas = [replace(job.dataset, data_version=f"v{i}") for i in range(5)]
    seen = [(await planner.plan(replace(job, dataset=data))).question for data in datas]
    assert len(set(seen)) == 5
    assert pool.learned == 5
    assert len(pool._handler._datasets) <= 2
