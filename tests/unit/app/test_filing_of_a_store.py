"""The filing pack knows what the store knows: datasets without a file, reviews, versions, grants, people abroad."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import delete
from support.gateways import POLICY
from support.store_life import EVE, GARDEN, MEI, RUI, SUN, StoreLife
from support.stores import migrated

from gateway.app.evidencing import filing
from gateway.errors import GatewayError
from gateway.evidence.filing import Period
from gateway.evidence.printing import page
from gateway.settings import Settings
from gateway.store.database import open_store
from gateway.store.tables import policy_texts

WHOLE = Period()
BOTH = pytest.mark.parametrize("life", ["sqlite", "postgres"], indirect=True)


@pytest.fixture
def life(request, tmp_path):
    """Return what runs a story on a fresh store, and what then makes the pack of it."""
    store_place = migrated(tmp_path / "state", getattr(request, "param", "sqlite"))
    folder = tmp_path / "policies"
    folder.mkdir()

    def told(story, **settings):
        async def main():
            store = await open_store(*store_place)
            try:
                made = StoreLife(store, tmp_path, required=settings.get("members") == "required")
                await story(made)
                return made
            finally:
                await store.close()

        return asyncio.run(main())

    def packed(period=WHOLE, **settings):
        state, url = store_place
        return filing(Settings(policies=folder, state=state, store_url=url, **settings), folder, period)

    return told, packed, folder


@BOTH
def test_a_dataset_that_the_store_alone_has_is_filed_with_its_review_and_versions(life):
    told, packed, folder = life

    async def story(made):
        await made.published()
        await made.registry.draft(_draft(made, GARDEN.replace("A shop", "The garden")), EVE)

    made = told(story)
    (folder / "shop.yaml").write_text(POLICY)
    pack = packed()
    garden, shop = pack["catalogue"]
    assert (garden["dataset"], garden["policy_from"], garden["state"]) == ("garden", "store", "served")
    assert (garden["title"], garden["reviewed_by"]) == ("A shop", RUI)
    assert garden["review_valid_until"] == (made.today + timedelta(days=60)).isoformat()
    assert (shop["policy_from"], shop["state"], shop["reviewed_by"]) == ("file", "served", "reviewer")
    steps = [(one["step"], one["by"], one["dataset"]) for one in pack["versions"]]
    assert steps == [
        ("proposed", EVE, "garden"), ("submitted", EVE, "garden"), ("approved", RUI, "garden"),
        ("published", MEI, "garden"), ("proposed", EVE, "garden"),
    ]  # fmt: skip
    assert pack["versions"][2]["said"] == "the consent forms were seen"
    assert pack["not_shown"] == []


def test_what_the_store_serves_is_filed_whatever_the_file_has_become(life):
    told, packed, folder = life
    told(lambda made: made.published())
    (folder / "garden.yaml").write_text(GARDEN.replace("A shop", "An edited one"))
    (held,) = packed()["catalogue"]
    assert (held["title"], held["policy_from"]) == ("A shop", "store")


def test_a_withdrawn_dataset_and_its_barred_review_are_filed_as_such(life):
    told, packed, _ = life

    async def story(made):
        version = await made.published()
        await made.registry.withdraw("garden", version, SUN, "an error", barred=True)

    told(story)
    (held,) = packed()["catalogue"]
    assert (held["state"], held["reviewed_by"]) == ("withdrawn", None)


def test_a_file_is_a_draft_without_a_review_where_members_are_required(life):
    told, packed, folder = life

    async def story(made):
        await made.registry.draft(_draft(made, GARDEN), EVE)

    told(story, members="required")
    for files in ((), ("garden.yaml",)):
        for name in files:
            (folder / name).write_text(GARDEN)
        (held,) = packed(members="required")["catalogue"]
        assert (held["state"], held["reviewed_by"]) == ("draft", None), files


def test_what_nobody_has_the_text_of_is_named_and_not_left_out(life):
    told, packed, _ = life

    async def story(made):
        await made.published()
        await made.store.run(lambda connection: connection.execute(delete(policy_texts)))

    told(story)
    pack = packed()
    assert (pack["catalogue"], [one["dataset"] for one in pack["not_shown"]]) == ([], ["garden"])
    assert "Not shown: the text of its policy" in page(pack)


def test_no_policy_at_all_is_said(life):
    told, packed, _ = life

    async def story(_made):
        pass

    told(story)
    with pytest.raises(GatewayError, match="No policy"):
        packed()


def test_grants_of_the_store_are_filed_as_they_stand_and_as_they_were_signed(life):
    told, packed, _ = life

    async def story(made):
        await made.published()
        await made.keyed()
        await made.granted("G1", days=9)
        await made.granted("G2")
        await made.granted("G3", signature=made.signer.sign({"others": "words"}))
        await made.grants.revoke("G2", "over", MEI)
        await made.grants.request("G4", "green", "garden", "gadgets", "{}", "a study", "gadgets/gil")
        made.clock.pass_(-86_400)
        await made.granted("G5", days=1)  # which has ended by now

    made = told(story)
    grants = {one["grant_id"]: one for one in packed()["store_grants"]}
    assert {name: (one["state"], one["signed"]) for name, one in grants.items()} == {
        "G1": ("granted", True), "G2": ("revoked", True), "G3": ("granted", False), "G5": ("expired", True),
    }  # fmt: skip
    first = grants["G1"]
    assert (first["organisation"], first["purposes"], first["recipient_jurisdiction"]) == (
        "gadgets",
        ["research"],
        "SG",
    )
    assert (first["granted_by"], grants["G2"]["revoked_by"]) == (EVE, MEI)
    assert "DOES NOT HOLD" in page(packed())
    before = Period(None, made.today - timedelta(days=3))
    assert (packed(before)["store_grants"], packed(before)["versions"]) == ([], [])


@BOTH
def test_people_abroad_are_filed_by_country_and_year_beside_the_thresholds(life):
    told, packed, _ = life

    async def story(made):
        await made.published()
        await made.crossed(300)
        await made.crossed(120, account="other")
        await made.crossed(310)
        await made.crossed(7, country="US")

    made = told(story)
    assert packed()["crossings"] == [
        {"year": made.today.year, "provider": "green", "country": country, "people": people, "accounts": accounts,
         "thresholds": {"garden": 500}}
        for country, people, accounts in (("SG", 430, {"garden": 310, "other": 120}), ("US", 7, {"garden": 7}))
    ]  # fmt: skip
    shown = page(packed())
    assert "garden: 500" in shown
    assert '<td class="n">430</td>' in shown


def _draft(made, text):
    from gateway.app.effective import draft_of

    return draft_of(made.file(text))
