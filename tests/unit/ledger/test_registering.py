"""The life of policies on both stores: each state, who stands behind it, what a charge reads of it, what the log tells."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import delete, select
from support.stores import START, code_of, ledger_of, order, versions_of

from gateway.ledger.model import Charge
from gateway.ledger.reconcile import reconcile
from gateway.ledger.registered import State
from gateway.ledger.registering import Draft, Registry
from gateway.store.tables import leaves, policy_texts

EVE, MEI, RUI, SUN = "acme/eve", "acme/mei", "assurance/rui", "regulator/sun"
RIGHTS = {"income": [], "review": None}
TODAY = START.date()


def draft(version="v1", manifest="m1"):
    return Draft("shop", version, "acme", manifest, f"the text of {version}")


@pytest.fixture
def registry(store, clock):
    return Registry(store, clock, required=True)


@pytest.fixture
def ledger(store, clock):
    return ledger_of(store, clock, required=True)


async def published(registry, version="v1", manifest="m1", until=TODAY + timedelta(days=1)):
    await registry.draft(draft(version, manifest), EVE)
    if (await registry.submit("shop", version, EVE)).state is State.SUBMITTED:
        await registry.review("shop", version, RUI, "seen", until)
    return await registry.publish("shop", version, MEI, RIGHTS)


def of(version="v1", number=1, **known):
    return order(number, policy_version=version, **known)


async def test_a_charge_needs_the_version_that_is_served(registry, ledger):
    assert await code_of(ledger.charge(of())) == "unknown_dataset"
    await published(registry)
    assert isinstance(await ledger.charge(of()), Charge)
    await published(registry, "v2")
    assert await code_of(ledger.charge(of(number=2))) == "policy_replaced"
    assert await code_of(ledger.replay(of(number=3, rho=0, delta=0), b"free")) == "policy_replaced"
    assert isinstance(await ledger.charge(of("v2", 2)), Charge)
    await registry.withdraw("shop", "v2", EVE, "an error", barred=False)
    assert await code_of(ledger.charge(of("v2", 3))) == "unknown_dataset"
    assert await code_of(ledger.replay(of("v2", 3, rho=0, delta=0), b"free")) == "unknown_dataset"


async def test_a_charge_needs_a_review_that_holds_on_its_day(registry, ledger, clock):
    await published(registry)
    clock.pass_(86_400)
    assert isinstance(await ledger.charge(of()), Charge), "the last day"
    clock.pass_(86_400)
    assert await code_of(ledger.charge(of(number=2))) == "compliance_expired"
    assert await code_of(ledger.replay(of(number=2, rho=0, delta=0), b"free")) == "compliance_expired"
    await registry.review("shop", "v1", RUI, "seen again", TODAY + timedelta(days=9))
    assert isinstance(await ledger.charge(of(number=2)), Charge)


async def test_a_charge_keeps_to_the_day_that_the_policy_itself_states(store, clock):
    ledger = ledger_of(store, clock)
    assert isinstance(await ledger.charge(of(reviewed_until=TODAY)), Charge)
    clock.pass_(86_400)
    assert await code_of(ledger.charge(of(number=2, reviewed_until=TODAY))) == "compliance_expired"


@pytest.mark.parametrize("how", ["withdrawn", "barred", "rejected", "expired"])
async def test_what_runs_is_ended_and_stays_charged(registry, ledger, how):
    await published(registry)
    charge = await ledger.charge(of())
    elsewhere = order(2, dataset="barn", draws=("d",), facts=json.dumps({"dataset": "barn"}))
    assert await code_of(ledger.charge(elsewhere)) == "unknown_dataset"
    match how:
        case "rejected":
            _, ended = await registry.review("shop", "v1", RUI, "whose are they?", None)
        case "expired":
            ended = await registry.end_unreviewed("shop")
        case _:
            by = SUN if how == "barred" else EVE
            _, ended = await registry.withdraw("shop", "v1", by, "an error", barred=how == "barred")
    assert ended == ["Q1"]
    assert await ledger.ended(["Q1"]) == {"Q1": "stopped"}
    assert await code_of(ledger.record(charge, b"answer", {})) == "query_stopped"
    assert [b.rho_spent for b in await ledger.balances(order().accounts)] == [20, 20]


async def test_a_rollback_takes_two_persons_and_gives_nothing_back(registry, ledger):
    await published(registry)
    await ledger.charge(of())
    await published(registry, "v2")
    assert await code_of(registry.roll_back("shop", "v2", EVE, RIGHTS)) == "version_state", "it is served"
    assert (await registry.roll_back("shop", "v1", EVE, RIGHTS)).asked_by == EVE
    assert await code_of(registry.roll_back("shop", "v1", EVE, RIGHTS)) == "two_persons"
    assert (await registry.standing("shop")).served.version == "v2"
    back = await registry.roll_back("shop", "v1", MEI, RIGHTS)
    assert (back.state, back.asked_by) == (State.PUBLISHED, None)
    assert (await registry.standing("shop")).served.version == "v1"
    assert [b.rho_spent for b in await ledger.balances(order().accounts)] == [20, 20]


async def test_a_rollback_that_was_asked_for_is_forgotten_when_another_version_is_served(registry):
    for version in ("v1", "v2"):
        await published(registry, version)
    await registry.roll_back("shop", "v1", EVE, RIGHTS)
    await published(registry, "v3")
    assert (await registry.roll_back("shop", "v1", MEI, RIGHTS)).asked_by == MEI
    assert (await registry.standing("shop")).served.version == "v3"


async def test_no_version_comes_back_without_a_review_that_holds(registry, clock):
    await published(registry)
    await published(registry, "v2", "m2", TODAY + timedelta(days=30))
    clock.pass_(3 * 86_400)
    assert await code_of(registry.roll_back("shop", "v1", EVE, RIGHTS)) == "compliance_expired"


async def test_what_a_supervisor_withdrew_does_not_come_back_and_its_reviews_end(registry):
    await published(registry)
    await registry.withdraw("shop", "v1", EVE, "an error", barred=False)
    await registry.withdraw("shop", "v1", SUN, "an order", barred=True)
    assert await code_of(registry.withdraw("shop", "v1", SUN, "again", barred=True)) == "version_state"
    assert await code_of(registry.roll_back("shop", "v1", EVE, RIGHTS)) == "version_state"
    await registry.draft(draft("v2"), EVE)
    assert (await registry.submit("shop", "v2", EVE)).state is State.SUBMITTED


async def test_each_step_needs_the_state_before_it(registry):
    assert await code_of(registry.submit("shop", "v1", EVE)) == "not_found"
    await registry.draft(draft(), EVE)
    assert await code_of(registry.publish("shop", "v1", MEI, RIGHTS)) == "version_state"
    assert await code_of(registry.review("shop", "v1", RUI, "seen", TODAY)) == "version_state"
    await registry.submit("shop", "v1", EVE)
    assert await code_of(registry.publish("shop", "v1", MEI, RIGHTS)) == "version_state"
    assert await code_of(registry.review("shop", "v1", RUI, "seen", TODAY - timedelta(days=1))) == "bad_request"
    await registry.review("shop", "v1", RUI, "seen", TODAY)
    assert await code_of(registry.publish("shop", "v1", EVE, RIGHTS)) == "two_persons"
    await registry.publish("shop", "v1", MEI, RIGHTS)
    assert await code_of(registry.publish("shop", "v1", MEI, RIGHTS)) == "version_state"
    assert await code_of(registry.submit("shop", "v1", EVE)) == "version_state"


async def test_an_approval_is_of_every_version_that_waits_with_the_same_manifest(registry):
    for version, manifest in (("v1", "m1"), ("v2", "m1"), ("v3", "m3")):
        await registry.draft(draft(version, manifest), EVE)
        await registry.submit("shop", version, EVE)
    await registry.review("shop", "v1", RUI, "seen", TODAY)
    assert [one.state for one, _ in await registry.versions("shop")] == ["reviewed", "reviewed", "submitted"]
    await registry.review("shop", "v3", RUI, "no", None)
    assert [one.state for one, _ in await registry.versions("shop")] == ["reviewed", "reviewed", "draft"]


async def test_a_text_that_is_another_or_gone_is_not_given_and_comes_back_when_it_is_proposed_again(registry, store):
    one = await registry.draft(draft(), EVE)
    assert await registry.text(one.text) == "the text of v1"
    await store.run(lambda c: c.execute(policy_texts.update().values(text="another")))
    assert await registry.text(one.text) is None
    await store.run(lambda c: c.execute(delete(policy_texts)))
    assert await registry.text(one.text) is None
    assert await registry.draft(replace(draft(), text="the same by other words"), MEI) == one
    assert await registry.text(one.text) is None, "it is the text that the log has the digest of, or none"
    assert await registry.draft(draft(), MEI) == one, "it is the draft of who proposed it first"
    assert await registry.text(one.text) == "the text of v1"


async def test_the_log_tells_all_of_it_and_no_text(registry, store):
    await published(registry)
    await registry.withdraw("shop", "v1", EVE, "an error", barred=False)
    await registry.roll_back("shop", "v1", EVE, RIGHTS)
    found = await store.read(reconcile)
    assert found.differences == ()
    said = await store.read(lambda c: [row.leaf for row in c.execute(select(leaves).order_by(leaves.c.position))])
    kinds = ["drafted", "submitted", "reviewed", "registered", "withdrawn", "asked-back"]
    assert [json.loads(leaf)["kind"] for leaf in said] == kinds
    assert not any(b"the text" in leaf for leaf in said)


async def test_what_would_be_refused_a_publication_is_told_before_it_and_changes_nothing(registry, clock):
    await registry.draft(draft(), EVE)
    assert await code_of(registry.refuse_unpublishable("shop", "v1", MEI)) == "version_state"
    await registry.submit("shop", "v1", EVE)
    await registry.review("shop", "v1", RUI, "seen", TODAY)
    assert await code_of(registry.refuse_unpublishable("shop", "v1", EVE)) == "two_persons"
    assert await code_of(registry.refuse_unpublishable("shop", "v9", MEI)) == "not_found"
    assert await registry.refuse_unpublishable("shop", "v1", MEI) is None
    assert (await registry.version("shop", "v1")).state is State.REVIEWED
    clock.pass_(86_400)
    assert await code_of(registry.refuse_unpublishable("shop", "v1", MEI)) == "compliance_expired"


async def test_every_process_sees_how_far_a_dataset_is(registry, store, clock):
    assert (await registry.mark("shop"), await registry.marks()) == ((0, 0), {})
    await versions_of(store, clock).declare("barn", "stamp", "first start")
    await published(registry)
    assert await registry.mark("barn") == (1, 0)
    first = await registry.mark("shop")
    assert await registry.marks() == {"barn": (1, 0), "shop": first}
    await registry.withdraw("shop", "v1", EVE, "an error", barred=False)
    assert await registry.mark("shop") > first


async def test_a_withdrawal_names_the_version_that_is_served(registry):
    for version in ("v1", "v2"):
        await published(registry, version)
    assert await code_of(registry.withdraw("shop", "v1", EVE, "an error", barred=False)) == "version_state"
    assert (await registry.standing("shop")).served.version == "v2"


async def test_without_members_a_published_version_needs_no_review_of_the_store(store, clock):
    registry, ledger = Registry(store, clock, required=False), ledger_of(store, clock)
    await registry.draft(draft(), EVE)
    await registry.submit("shop", "v1", EVE)
    await registry.publish("shop", "v1", MEI, RIGHTS)
    assert (await registry.review_of("shop", "m1")) is None
    assert isinstance(await ledger.charge(of()), Charge)
    required = ledger_of(store, clock, required=True)
    assert await code_of(required.charge(of(number=2))) == "compliance_expired"
