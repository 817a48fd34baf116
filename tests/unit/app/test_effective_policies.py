"""Which policy is in effect: the file's or the store's, under which review; and what ends when a review does."""

import asyncio
import contextlib
from dataclasses import replace
from datetime import date, timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import delete
from support.gateways import POLICY
from support.stores import START, Clock, ledger_of, order

from gateway.app.effective import draft_of, every, in_effect
from gateway.app.policies import read_folder
from gateway.app.publishing import Publisher
from gateway.app.standing import Published
from gateway.catalog.entries import compliance
from gateway.catalog.model import Compliance, CrossBorder
from gateway.ledger.registering import Registry
from gateway.ledger.versions import Versions
from gateway.store.database import open_store
from gateway.store.tables import policy_texts

EVE, MEI, RUI, SUN = "acme/eve", "acme/mei", "house/rae", "regulator/sun"
RIGHTS = {"income": [], "review": None}
TODAY = START.date()
LATER = TODAY + timedelta(days=30)


@pytest.fixture
async def store(tmp_path):
    made = await open_store(tmp_path / "state", None)
    yield made
    await made.close()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "policies"
    made.mkdir()
    (made / "shop.yaml").write_text(POLICY)
    return made


def file_of(folder, text=POLICY, name="shop"):
    (folder / "shop.yaml").write_text(text)
    return read_folder(folder).files[name]


async def published(registry, file, until=LATER):
    await registry.draft(draft_of(file), EVE)
    if (await registry.submit("shop", file.version, EVE)).state == "submitted":
        await registry.review("shop", file.version, RUI, "seen", until)
    await registry.publish("shop", file.version, MEI, RIGHTS)


async def test_a_file_is_in_effect_until_the_store_publishes_or_withdraws(store, clock, folder):
    registry, file = Registry(store, clock, required=False), file_of(folder)
    assert await in_effect(registry, file) == (file, None)
    await registry.draft(draft_of(file), EVE)
    effective, unserved = await in_effect(registry, file)
    assert (effective.version, unserved, effective.told.compliance) == (file.version, None, None)
    await registry.withdraw("shop", file.version, EVE, "an error", barred=False)
    assert (await in_effect(registry, file))[1] == "withdrawn"
    assert (await in_effect(registry, file_of(folder, POLICY.replace("A shop", "The shop"))))[1] == "withdrawn"


async def test_the_stores_text_is_in_effect_whatever_the_file_has_become(store, clock, folder):
    registry, first = Registry(store, clock, required=True), file_of(folder)
    assert (await in_effect(registry, first))[1] == "draft"
    await published(registry, first)
    edited = file_of(folder, POLICY.replace("A shop", "The shop").replace("widgets", "others"))
    effective, unserved = await in_effect(registry, edited)
    assert (effective.version, effective.document, unserved) == (first.version, first.document, None)
    assert effective.folder == edited.folder
    assert effective.told.change > 0


async def test_a_store_that_lacks_the_text_serves_nothing_until_it_is_proposed_again(store, clock, folder):
    registry, file = Registry(store, clock, required=True), file_of(folder)
    await published(registry, file)
    await store.run(lambda c: c.execute(delete(policy_texts)))
    assert (await in_effect(registry, file))[1] == "unavailable"
    await registry.draft(draft_of(file), MEI)
    assert (await in_effect(registry, file))[1] is None


async def test_a_text_that_another_gateway_kept_and_this_one_does_not_read_closes_its_own_dataset(store, clock, folder):
    registry, file = Registry(store, clock, required=True), file_of(folder)
    newer = POLICY.replace("title:", "titles:")
    assert newer != POLICY
    await published(registry, replace(file, text=newer))
    assert (await in_effect(registry, file))[1] == "unreadable"
    alone = await every(registry, {}, folder)
    assert [(one.name, one.file, one.unserved, one.stored) for one in alone] == [("shop", None, "unreadable", True)]
    beside = await every(registry, {"shop": file}, folder)
    assert [(one.name, one.file.version, one.unserved) for one in beside] == [("shop", file.version, "unreadable")]


@pytest.mark.parametrize("required", [True, False])
async def test_the_stores_review_takes_the_place_of_what_the_file_states(store, clock, folder, required):
    registry, file = Registry(store, clock, required=required), file_of(folder)
    await published(registry, file)
    assert (await in_effect(registry, file))[0].told.compliance == Compliance(RUI, LATER)
    await registry.review("shop", file.version, RUI, "seen again", date(2199, 1, 1))
    ends = (await in_effect(registry, file))[0].told.compliance
    assert ends == Compliance(RUI, date(2099, 12, 31)), "the day that the policy itself states comes first"
    await registry.review("shop", file.version, RUI, "whose are they?", None)
    assert (await in_effect(registry, file))[0].told.compliance == Compliance(None, None)


@pytest.mark.parametrize("required", [True, False])
async def test_what_crosses_a_border_is_counted_whoever_reviews(store, clock, folder, required):
    rule = "valid_until: 2099-12-31, cross_border: {home: CN, threshold: 500}}"
    registry, file = (
        Registry(store, clock, required=required),
        file_of(folder, POLICY.replace("valid_until: 2099-12-31}", rule)),
    )

    async def counted():
        told = (await in_effect(registry, file))[0].told.compliance
        return (told or compliance(file.document)).cross_border

    rules = [await counted()]  # before anybody reviews
    await published(registry, file)
    rules.append(await counted())
    await registry.review("shop", file.version, RUI, "whose are they?", None)
    rules.append(await counted())
    assert rules == [CrossBorder("CN", 500, 300)] * 3


async def test_every_dataset_that_folder_or_store_knows_is_told_by_name(store, clock, folder):
    registry, shop = Registry(store, clock, required=False), file_of(folder)
    await Versions(store, clock).declare("attic", "stamp", "first start")
    for name in ("garden", "barn"):
        other = file_of(folder, POLICY.replace("dataset: shop", f"dataset: {name}"), name)
        await registry.draft(draft_of(other), EVE)
        if name == "garden":
            await registry.submit(name, other.version, EVE)
            await registry.publish(name, other.version, MEI, RIGHTS)
    known = {one.name: one for one in await every(registry, {"shop": shop}, folder)}
    assert list(known) == ["attic", "barn", "garden", "shop"]
    assert {name: (one.unserved, one.filed, one.stored) for name, one in known.items()} == {
        "attic": ("removed", False, False), "barn": ("draft", False, True),
        "garden": (None, False, True), "shop": (None, True, False),
    }  # fmt: skip
    assert (known["attic"].file, known["attic"].compliance) == (None, None)
    assert known["garden"].compliance.reviewed_by == "reviewer", "no review of the store takes its place"


async def test_what_the_file_states_is_no_review_where_members_are_required(store, clock, folder):
    registry, file = Registry(store, clock, required=True), file_of(folder)
    effective, _ = await in_effect(registry, file)
    assert effective.told.compliance == Compliance(None, None)


async def test_what_runs_ends_with_the_review(store, clock, folder):
    registry, ledger = Registry(store, clock, required=False), ledger_of(store, clock)
    await ledger.charge(order())
    publisher = Publisher(folder, None, None, registry, None)
    reviewed = SimpleNamespace(compliance=Compliance(RUI, TODAY), data_version="1")
    publisher.held["shop"] = Published(file_of(folder), reviewed, 1)
    watching = asyncio.create_task(publisher.keep_up())
    try:
        await asyncio.sleep(1.5)
        assert await ledger.ended(["Q1"]) == {}, "the last day"
        clock.pass_(86_400)
        for _ in range(60):
            await asyncio.sleep(0.25)
            if await ledger.ended(["Q1"]):
                break
        assert await ledger.ended(["Q1"]) == {"Q1": "stopped"}
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
