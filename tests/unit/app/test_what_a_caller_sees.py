"""Budgets and prices that a caller is shown are those of the caller's own grants, whoever else has one."""

from dataclasses import replace
from datetime import date
from decimal import Decimal as D
from types import SimpleNamespace

import pytest
from support.shop import CALLER, GRANT, NOW, PLAN, SHOP
from support.stores import ledger_of, order

from gateway.app.service import GatewayService
from gateway.app.standing import Published
from gateway.catalog.model import Budget
from gateway.errors import GatewayError
from gateway.ports import FixedClock
from gateway.privacy.accounting import limits
from gateway.request import Caller
from gateway.store.database import open_store

OURS = replace(GRANT, name="ours", budget=Budget(D(1), D("1e-6")), valid_until=date(2026, 1, 2))
"""A grant that has ended: what it was is shown all the same."""

THEIRS = replace(GRANT, name="theirs", organisation="others", budget=Budget(D(4), D("1e-6")))
BOBS = replace(GRANT, name="bobs", subject="bob", price_plan="dear")


async def nothing(_caller):
    return {}


@pytest.fixture
async def service(tmp_path):
    dataset = replace(
        SHOP, grants=(THEIRS, BOBS, OURS), prices=(PLAN, replace(PLAN, name="dear", version="sha256:dear"))
    )
    store = await open_store(tmp_path / "state")
    parts = SimpleNamespace(clock=FixedClock(NOW))
    document = SimpleNamespace(provider=SimpleNamespace(organisation="acme"))
    file = SimpleNamespace(name="shop", document=document)
    publisher = SimpleNamespace(held={"shop": Published(file, dataset, 1)}, store_grants=nothing)
    yield GatewayService(parts, None, publisher, ledger_of(store, FixedClock(NOW)), None, None, None, None)
    await store.close()


async def test_a_budget_is_of_the_callers_own_grant(service):
    (found,) = await service.budget(CALLER)
    levels = {level["level"]: level["rho"]["limit"] for level in found["levels"]}
    assert levels["grant"] == limits(OURS.budget.epsilon, OURS.budget.delta)[0] / 1e12


async def test_events_and_failures_are_for_billing_and_the_provider(service):
    with pytest.raises(GatewayError, match="forbidden"):
        await service.latest(CALLER, 10)
    assert await service.failures(CALLER) == []


async def test_a_failure_and_its_reason_are_their_provider_s_alone(service):
    ledger = service._ledger
    charge = await ledger.charge(order(1))
    await ledger.fail(charge, "OutOfMemory: what the engine said")
    eve = Caller("eve", "acme", frozenset({"provider"}))
    (found,) = await service.failures(eve)
    assert (found["dataset"], found["query_id"], found["buyer"]) == ("shop", "Q1", "org/ana")
    assert found["note"] == "OutOfMemory: what the engine said"
    for other in (
        replace(eve, organisation="others"),
        replace(eve, roles=frozenset({"billing", "supervisor"})),
        CALLER,
    ):
        assert await service.failures(other) == []


async def test_a_price_is_of_the_callers_own_grant(service):
    shown = str(await service.dataset(CALLER, "shop"))
    assert "sha256:plan" in shown
    assert "sha256:dear" not in shown
    assert "sha256:dear" in str(await service.dataset(replace(CALLER, subject="bob"), "shop"))
