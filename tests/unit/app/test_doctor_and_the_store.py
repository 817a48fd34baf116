"""`gateway doctor` reads what the store knows, as the running gateway would: each trouble is named with its cure."""

import asyncio
import socket

import pytest
from sqlalchemy import delete
from support.gateways import POLICY
from support.inspected import inspected_here
from support.shop import empty_database
from support.store_life import EVE, GARDEN, MEI, SUN, StoreLife
from support.stores import migrated

from gateway.app.clock import SystemRandomness, new_query_id
from gateway.app.doctor import policies
from gateway.app.doctor.examining import examine
from gateway.app.doctor.finding import Verdict
from gateway.app.effective import draft_of
from gateway.identity.development import ISSUER, open_secret
from gateway.ledger.freezing import Freezes, Scope, Target
from gateway.ledger.members import Application, Members, Shown
from gateway.settings import Settings
from gateway.store.database import open_store
from gateway.store.tables import policy_texts

GOOD, WARNING, BAD = Verdict.GOOD, Verdict.WARNING, Verdict.BAD


BOTH = pytest.mark.parametrize("doctor", ["sqlite", "postgres"], indirect=True)


@pytest.fixture
def doctor(request, tmp_path, monkeypatch):
    """Return what tells a story to a fresh store of a deployment and then examines it."""
    monkeypatch.setattr(policies, "inspect_policy", inspected_here)
    state, url = migrated(tmp_path / "state", getattr(request, "param", "sqlite"))
    folder = tmp_path / "policies"
    folder.mkdir()
    for name in ("pick.key", "text.key"):
        open_secret(state, name, SystemRandomness())
    for name in ("shop", "garden"):
        empty_database(folder / f"{name}.duckdb").close()

    def examined(story, *files, **settings):
        for number, text in enumerate(files):
            (folder / f"{number}.yaml").write_text(text)

        async def told():
            store = await open_store(state, url)
            try:
                await story(StoreLife(store, tmp_path, required=settings.get("members") == "required"))
            finally:
                await store.close()

        asyncio.run(told())
        return examine(Settings(policies=folder, state=state, store_url=url, **settings))

    return examined


def of(findings, check):
    """Return (verdict, what was told) of one check; whatever is not good has a cure."""
    found = [finding for finding in findings if finding.check == check]
    assert all(finding.fix for finding in found if finding.verdict is not GOOD)
    return [(finding.verdict, finding.told) for finding in found]


def one(findings, check):
    (found,) = of(findings, check)
    return found


async def nothing(_life):
    pass


@BOTH
def test_the_review_that_counts_is_the_stores(doctor):
    found = doctor(lambda life: life.published(days=9), GARDEN)
    verdict, told = one(found, "policy of garden")
    assert (verdict, "its review ends on" in told) == (WARNING, True), "the file says 2099"


def test_a_file_that_was_edited_since_its_version_was_published_is_a_draft(doctor):
    found = doctor(lambda life: life.published(), GARDEN.replace("A shop", "A garden"))
    assert [verdict for verdict, _ in of(found, "policy of garden")] == [GOOD, WARNING]
    assert "draft" in of(found, "policy of garden")[1][1]


def test_what_is_served_without_a_file_is_found(doctor):
    found = doctor(lambda life: life.published(), POLICY)
    assert [verdict for verdict, _ in of(found, "policy of garden")] == [GOOD, BAD]
    assert "no file" in of(found, "policy of garden")[1][1]
    assert of(found, "policy of shop")


def test_what_is_not_served_says_why(doctor):
    async def story(life):
        version = await life.published()
        await life.registry.withdraw("garden", version, SUN, "an error", barred=True)
        await life.registry.draft(draft_of(life.file(POLICY)), EVE)

    found = doctor(story, GARDEN, POLICY, members="required")
    assert one(found, "policy of garden") == (WARNING, "it was withdrawn: nobody is answered")
    assert one(found, "policy of shop")[1].startswith("no version of its policy is published")


def test_a_lost_text_is_bad(doctor):
    async def story(life):
        await life.published()
        await life.store.run(lambda connection: connection.execute(delete(policy_texts)))

    verdict, told = one(doctor(story, GARDEN), "policy of garden")
    assert (verdict, "lacks the text" in told) == (BAD, True)


def test_a_text_that_is_not_read_here_is_bad(doctor):
    async def story(life):
        await life.published(kept=GARDEN.replace("title:", "titles:"))

    verdict, told = one(doctor(story, GARDEN), "policy of garden")
    assert (verdict, "does not read the text" in told) == (BAD, True)


def test_a_review_that_was_taken_back_is_bad(doctor):
    async def story(life):
        version = await life.published()
        await life.registry.review("garden", version, "house/rae", "whose are they?", None)

    assert one(doctor(story, GARDEN), "policy of garden") == (BAD, "no review of it counts: nobody is answered")


def test_policies_that_would_refuse_the_start_together_and_broken_files_are_bad(doctor):
    twin = POLICY.replace("dataset: shop", "dataset: twin")
    found = doctor(nothing, POLICY, twin, "dataset: [broken")
    assert [verdict for verdict, _ in of(found, "policies")] == [BAD, BAD]


def test_a_grant_of_a_reserved_mode_is_told(doctor):
    later = POLICY.replace(
        "prices:", "  - {to: {organisation: others}, mode: federated, purposes: [research]}\nprices:"
    )
    found = doctor(nothing, later)
    assert any("'federated' is reserved" in told for _, told in of(found, "policy of shop"))


@BOTH
def test_grants_of_the_store_that_have_no_effect_are_bad_and_those_that_end_soon_are_told(doctor):
    async def story(life):
        await life.published()
        await life.keyed()
        await life.granted("G0", days=300)
        await life.granted("G1", days=9)
        await life.granted("G2", signature=life.signer.sign({"others": "words"}))
        await life.granted("G3", gateway="elsewhere")
        await life.granted("G4", price_plan="gone")
        await life.granted("G5", dataset="unknown")
        await life.granted("G6", mode="encrypted")
        await life.granted("G7")
        await life.grants.revoke("G7", "over", MEI)

    found = doctor(story, GARDEN)
    told = {finding.check: finding for finding in found if finding.check.startswith("grant G")}
    assert {check: finding.verdict for check, finding in told.items()} == {
        "grant G1": WARNING, "grant G2": BAD, "grant G3": BAD, "grant G4": BAD, "grant G5": BAD, "grant G6": BAD,
    }  # fmt: skip
    for number, words in (
        ("2", "signed"),
        ("3", "elsewhere"),
        ("4", '"gone"'),
        ("5", "nothing is served"),
        ("6", "reserved"),
    ):
        assert words in told[f"grant G{number}"].told
    assert one(found, "grants of the store") == (GOOD, "2 hold")


def test_a_grant_whose_key_was_revoked_since_is_told_and_its_provider_can_sign_no_other(doctor):
    async def story(life):
        await life.published()
        await life.keyed()
        await life.granted("G1")
        await life.keys.revoke("green", life.signer.key_id, MEI)

    found = doctor(story, GARDEN)
    assert one(found, "grant G1")[0] is WARNING
    assert one(found, "signing keys") == (WARNING, "green has no key that may sign: it can give no grant")


def test_a_key_that_one_person_registered_waits_for_another(doctor):
    async def story(life):
        await life.keyed(confirmed=False)

    told = [told for _, told in of(doctor(story, POLICY), "signing keys")]
    assert told[0] == "a key of green waits for its second person"


@BOTH
@pytest.mark.parametrize(("people", "verdict"), [(100, GOOD), (400, WARNING), (500, BAD)])
def test_people_abroad_are_held_against_the_least_threshold_of_their_provider(doctor, people, verdict):
    async def story(life):
        await life.published()
        await life.crossed(people)

    found, told = one(doctor(story, GARDEN), "people abroad of green")
    assert (found, told.split(" in ")[0]) == (verdict, f"{people} of 500 to SG")


async def _founded(life, *names, issuer=ISSUER):
    for organisation, subject in names:
        whole = Application(organisation, None, "", organisation, "office@example", (Shown("founding", "r"),))
        person = Application(organisation, subject, issuer, subject, "office@example", (Shown("founding", "r"),))
        book = Members(life.store, life.clock)
        for asked in (whole, person):
            made, new = await book.apply(new_query_id(), asked, f"{organisation}/{subject}")
            if new:
                for by, whose in (("house/rae", "house2"), ("court/roy", "court2")):
                    await book.verify(made.member_id, whose, by)


def test_two_persons_have_to_be_there_for_every_step_that_takes_two(doctor):
    async def story(life):
        await life.published()
        await _founded(life, ("green", "eve"))

    told = [told for verdict, told in of(doctor(story, GARDEN, members="required"), "members") if verdict is BAD]
    assert told == [
        "1 persons can verify others, and it takes 2",
        "green has 1 verified persons: it takes two to publish and to confirm a key",
        "nobody outside green is verified: nobody can review its policies",
    ]


@BOTH
def test_members_that_are_enough_suspended_or_of_another_issuer(doctor):
    async def story(life):
        await life.published()
        await _founded(life, ("green", "eve"), ("green", "mei"), ("house", "rae"), ("widgets", "ana"))
        await _founded(life, ("widgets", "old"), issuer="https://before.example")
        book = Members(life.store, life.clock)
        (widgets,) = [m for m in await book.listed(organisation="widgets") if m.application.subject is None]
        await book.suspend(widgets.member_id, "regulator", SUN, "an abuse")

    found = of(doctor(story, GARDEN, members="required"), "members")
    assert found == [
        (WARNING, "widgets is suspended"),
        (WARNING, "1 persons were verified under another issuer and are not let in"),
        (GOOD, "3 verified persons of 2 organisations"),
    ]


@BOTH
def test_what_is_frozen_is_told_with_who_did_it(doctor):
    async def story(life):
        await Freezes(life.store, life.clock).freeze(Target(Scope.DATASET, "garden"), "a look", SUN)

    verdict, told = one(doctor(story, POLICY), "frozen")
    assert (verdict, told.startswith(f"dataset garden by {SUN} since ")) == (WARNING, True)


def test_alerts_that_nobody_gets_or_whose_receiver_is_away_are_told(doctor):
    assert one(doctor(nothing, POLICY), "alerts")[0] is WARNING
    with socket.create_server(("127.0.0.1", 0)) as there:
        port = there.getsockname()[1]
        sink = {"alert_webhook": f"http://127.0.0.1:{port}/a", "alert_secret": "s" * 32}
        assert one(doctor(nothing, POLICY, **sink), "alerts")[0] is GOOD
    away = {**sink, "meter_webhook": f"https://127.0.0.1:{port}/m", "meter_secret": "s" * 32}
    found = doctor(nothing, POLICY, **away)
    assert (one(found, "alerts")[0], one(found, "meter events")[0]) == (BAD, BAD)


def test_nothing_is_written_by_looking(doctor, tmp_path):
    async def story(life):
        await life.published()
        await life.keyed()

    doctor(story, GARDEN)

    async def leaves():
        from sqlalchemy import func, select

        from gateway.store import tables

        store = await open_store(tmp_path / "state")
        try:
            return await store.read(lambda c: c.execute(select(func.count()).select_from(tables.leaves)).scalar())
        finally:
            await store.close()

    assert asyncio.run(leaves()) == 6
