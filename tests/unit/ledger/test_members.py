"""Members on both stores: who verifies, what a suspension ends and holds up, and what the log makes of it."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import delete, select, update
from support.stores import START, code_of, order

from gateway.errors import GatewayError
from gateway.ledger import retelling
from gateway.ledger.freezing import Freezes
from gateway.ledger.members import Application, Members, Shown
from gateway.ledger.model import Charge, Stored
from gateway.ledger.reconcile import reconcile
from gateway.ledger.revoking import Revocations
from gateway.ledger.standing import Standing, State
from gateway.store.tables import leaves, member_verifications, queries
from gateway.store.tables import members as rows

SEEN = (Shown("register", "GB 123", "0" * 64), Shown("letter", "seen on paper"))
ORG = Application("org", None, "", "Org Ltd", "office@org.example", SEEN)
ANA = Application("org", "ana", "iss", "Ana A.", "ana@org.example", SEEN[1:])
REVIEWERS = (("r1", "r1/rae"), ("r2", "r2/roy"))


@pytest.fixture
def members(store, clock):
    return Members(store, clock)


@pytest.fixture
def standing(store, clock):
    revocations = Revocations(store, clock, timedelta(hours=1))

    async def of(buyer="org/ana", issuer="iss"):
        return await revocations.standing(issuer, None, buyer, START - timedelta(minutes=1))

    return of


async def verified(members, member_id):
    for organisation, reviewer in REVIEWERS:
        made = await members.verify(member_id, organisation, reviewer)
    return made


async def both(members):
    await members.apply("M1", ORG, "org/ana")
    await members.apply("M2", ANA, "org/ana")
    await verified(members, "M1")
    await verified(members, "M2")


async def told(store, *kinds):
    every = [json.loads(row.leaf) for row in await store.read(lambda c: c.execute(select(leaves)).all())]
    return [leaf for leaf in every if leaf["kind"] in kinds]


async def test_two_reviewers_of_other_organisations_verify_the_organisation_and_then_its_person(members, standing):
    assert await standing() is Standing.UNVERIFIED
    await members.apply("M1", ORG, "org/ana")
    await members.apply("M2", ANA, "org/ana")
    assert await code_of(members.verify("M2", *REVIEWERS[0])) == "member_conflict"
    assert await code_of(members.verify("M1", "org", "org/bob")) == "forbidden"
    once = await members.verify("M1", *REVIEWERS[0])
    assert (once.state, [made.by for made in once.verifications]) == (State.APPLIED, ["r1/rae"])
    assert await code_of(members.verify("M1", *REVIEWERS[0])) == "two_persons"
    assert await code_of(members.verify("M2", *REVIEWERS[0])) == "member_conflict", "one is not enough"
    assert (await members.verify("M1", *REVIEWERS[1])).state is State.VERIFIED
    assert await standing() is Standing.UNVERIFIED, "of the two, the person is not"
    assert (await verified(members, "M2")).state is State.VERIFIED
    assert await standing() is Standing.VERIFIED
    assert await standing(issuer="another") is Standing.UNVERIFIED
    assert await standing("org/bob") is Standing.UNVERIFIED
    assert await code_of(members.verify("M1", "r3", "r3/rue")) == "member_conflict"
    assert await code_of(members.verify("M9", *REVIEWERS[0])) == "not_found"


async def test_the_same_application_again_changes_nothing_and_another_one_is_a_conflict(members, store):
    first = await members.apply("M1", ORG, "org/ana")
    assert await members.apply("M7", ORG, "org/bob") == (first[0], False)
    other = Application("org", None, "", "Org Limited", "office@org.example", SEEN)
    assert await code_of(members.apply("M8", other, "org/ana")) == "member_conflict"
    assert [one.member_id for one in await members.listed()] == ["M1"]
    assert len(await told(store, "member-applied")) == 1
    again = Application("org", "ana", "new-issuer", "Ana A.", "ana@org.example", SEEN[1:])
    await members.apply("M2", ANA, "org/ana")
    assert (await members.apply("M3", again, "org/ana"))[1], "the subject of another issuer is another person"
    assert [one.member_id for one in await members.listed(organisation="org")] == ["M1", "M2", "M3"]
    assert not await members.listed(organisation="elsewhere")


@pytest.mark.parametrize("member_id", ["M1", "M2"])
async def test_a_suspension_ends_what_runs_and_holds_everything_up_until_two_verify_anew(
    members, ledger, standing, store, member_id
):
    await both(members)
    await ledger.record(await ledger.charge(order(1)), b"answer", {})
    running = await ledger.charge(order(2))
    facts = json.dumps({"organisation": "o2", "buyer": "bob", "dataset": "shop", "grant": "g"})
    other = await ledger.charge(order(3, buyer="o2/bob", organisation="o2", draws=("d",), facts=facts))
    made, ended = await members.suspend(member_id, "reg", "reg/sun", "a complaint")
    assert (made.state, made.verifications, made.suspension.reason) == (State.SUSPENDED, (), "a complaint")
    assert ended == ["Q2"]
    assert await ledger.ended(["Q2", "Q3"]) == {"Q2": "stopped"}
    assert await code_of(ledger.record(running, b"answer", {})) == "query_stopped"
    assert await ledger.record(other, b"other", {}) == b"other"
    assert await standing() is Standing.SUSPENDED
    assert await code_of(ledger.charge(order(4))) == "member_suspended"
    assert await code_of(ledger.replay(order(5, rho=0, delta=0, draws=()), b"free")) == "member_suspended"
    assert await code_of(ledger.lookup("org/ana", "key-1", "body-1")) == "member_suspended"
    assert await code_of(ledger.refuse_frozen("org/ana", "org", "shop")) == "member_suspended"
    assert [b.rho_spent for b in await ledger.balances(order().accounts)] == [60, 60]
    assert await code_of(members.suspend(member_id, "reg", "reg/sun", "again")) == "member_conflict"
    assert (await members.verify(member_id, *REVIEWERS[0])).state is State.SUSPENDED
    assert await standing() is Standing.SUSPENDED
    assert (await members.verify(member_id, *REVIEWERS[1])).state is State.VERIFIED
    assert await standing() is Standing.VERIFIED
    assert await ledger.lookup("org/ana", "key-1", "body-1") == Stored("Q1", b"answer")
    assert isinstance(await ledger.charge(order(6, accounts=())), Charge)
    assert (await store.read(reconcile)).differences == ()


async def test_a_suspended_person_stops_nobody_else_of_its_organisation(members, ledger, standing):
    await both(members)
    await members.suspend("M2", "reg", "reg/sun", "a complaint")
    facts = json.dumps({"organisation": "org", "buyer": "bob", "dataset": "shop", "grant": "g"})
    assert isinstance(await ledger.charge(order(1, buyer="org/bob", facts=facts)), Charge)
    assert await standing("org/bob") is Standing.UNVERIFIED
    await members.suspend("M1", "reg", "reg/sun", "all of them")
    assert await standing("org/bob") is Standing.SUSPENDED
    assert await standing("org/ana", "another issuer") is Standing.SUSPENDED


async def test_what_is_suspended_under_one_issuer_stays_so_when_it_is_verified_under_another(
    members, ledger, standing, store
):
    await both(members)
    await members.suspend("M2", "reg", "reg/sun", "a complaint")
    await members.apply("M3", replace(ANA, issuer="another"), "org/ana")
    assert (await verified(members, "M3")).state is State.VERIFIED
    assert await standing(issuer="another") is Standing.SUSPENDED
    assert await code_of(ledger.charge(order(1))) == "member_suspended"
    await verified(members, "M2")
    assert await standing(issuer="another") is Standing.VERIFIED
    assert isinstance(await ledger.charge(order(1)), Charge)
    assert (await store.read(reconcile)).differences == ()


async def test_a_suspension_is_in_no_list_of_freezes(members, store, clock):
    await both(members)
    await members.suspend("M1", "reg", "reg/sun", "a complaint")
    assert await Freezes(store, clock).held() == ()


async def test_whoever_is_suspended_neither_verifies_nor_suspends_and_nobody_suspends_itself(members):
    await both(members)
    reviewer = Application("r1", "rae", "iss", "Rae", "r@r1.example", SEEN)
    await members.apply("M3", reviewer, "r1/rae")
    assert await code_of(members.suspend("M3", "r1", "r1/rae", "tired")) == "forbidden"
    assert await code_of(members.suspend("M1", "org", "org/sun", "mine")) == "forbidden"
    await members.suspend("M3", "reg", "reg/sun", "one that has only applied")
    await members.suspend("M2", "reg", "reg/sun", "a complaint")
    assert await code_of(members.verify("M2", *REVIEWERS[0])) == "member_suspended"
    assert await code_of(members.suspend("M1", "r1", "r1/rae", "a revenge")) == "member_suspended"


async def test_an_exchange_is_founded_until_two_persons_can_verify(members, standing, store):
    rae = Application("r1", "rae", "iss", "Rae", "r@r1.example", SEEN)
    roy, rue = (Application("r1", name, "iss", name, "r@r1.example", SEEN) for name in ("roy", "rue"))
    house = Application("r1", None, "", "Review House", "r@r1.example", SEEN)
    await members.apply("M1", house, "r1/rae")
    made = await members.found((("M8", house), ("M2", rae)), "the first of all")
    assert [(one.member_id, one.state) for one in made] == [("M1", State.VERIFIED), ("M2", State.VERIFIED)]
    assert await standing("r1/rae") is Standing.VERIFIED
    await members.found((("M8", house), ("M3", roy)), "the second")
    assert await code_of(members.found((("M8", house), ("M4", rue)), "a third")) == "forbidden"
    assert [leaf["name"] for leaf in await told(store, "member-founded")] == ["r1", "r1/rae", "r1/roy"]
    assert {leaf["by"] for leaf in await told(store, "member-founded")} == {"operator"}
    await members.suspend("M2", "reg", "reg/sun", "it left")
    assert await code_of(members.found((("M8", house), ("M2", rae)), "back again")) == "member_conflict"
    assert (await members.found((("M8", house), ("M4", rue)), "one is left"))[1].state is State.VERIFIED
    assert (await store.read(reconcile)).differences == ()


async def test_of_sixty_four_charges_around_a_suspension_none_comes_after_it(members, ledger, store):
    await both(members)

    async def charge(number):
        mine = order(number, draws=(f"d{number}",), rho=0, delta=0)
        return await ledger.charge(mine)

    before, after = ([charge(number) for number in range(first, first + 32)] for first in (1, 33))
    suspended = members.suspend("M1", "reg", "reg/sun", "at once")
    found = await asyncio.gather(*before, suspended, *after, return_exceptions=True)
    refused = [one.code for one in found if isinstance(one, GatewayError)]
    charged = [one for one in found if isinstance(one, Charge)]
    assert set(refused) <= {"member_suspended"}
    assert len(refused) + len(charged) == 64
    assert refused
    assert charged
    kinds = [leaf["kind"] for leaf in await told(store, "charged", "member-suspended")]
    assert kinds == ["charged"] * len(charged) + ["member-suspended"]
    assert await store.read(lambda c: c.execute(select(queries.c.state).distinct()).scalars().all()) == ["stopped"]
    assert (await store.read(reconcile)).differences == ()


async def test_what_the_log_does_not_say_is_named(members, store):
    await both(members)
    await members.suspend("M2", "reg", "reg/sun", "a complaint")

    def edited(*edits):
        def work(connection):
            for edit in edits:
                assert connection.execute(edit).rowcount == 1
            found = {(d.kind, d.subject) for d in reconcile(connection).differences}
            connection.rollback()
            return found

        return work

    free = update(rows).where(rows.c.member_id == "M2").values(state="verified")
    assert await store.run(edited(free)) == {("changed state", "members M2")}
    gone = delete(member_verifications).where(
        member_verifications.c.member_id == "M1", member_verifications.c.reviewer == "r1/rae"
    )
    assert await store.run(edited(gone)) == {("changed state", "member_verifications M1 1 r1/rae")}


async def test_leaves_alone_make_the_rows_again(members, store):
    await both(members)
    await members.suspend("M1", "reg", "reg/sun", "a complaint")
    await members.verify("M1", *REVIEWERS[0])
    contents = await told(store, *retelling.KINDS)
    kept = await store.read(lambda c: {t.name: (k, w) for t, k, w in retelling.states(c, contents)})
    for table in ("members", "member_verifications"):
        is_, wanted = kept[table]
        assert is_ == wanted
        assert is_


async def test_who_is_turned_away_is_told_to_the_log(members, store):
    await members.turn_away("org", "ana", "not_a_member")
    (leaf,) = await told(store, "turned-away")
    assert (leaf["organisation"], leaf["buyer"], leaf["reason"]) == ("org", "ana", "not_a_member")
    assert (await store.read(reconcile)).differences == ()


@pytest.mark.parametrize("organisation", ["drill", "Drill", " drill", "ｄｒｉｌｌ", "dr\u00adill", "\u200bdrill"])
async def test_nobody_is_a_member_under_the_name_that_drills_freeze(members, store, organisation):
    house = replace(ORG, organisation=organisation)
    person = replace(ANA, organisation=organisation)
    for asked in (house, person):
        assert await code_of(members.apply("M1", asked, f"{organisation}/ana")) == "name_reserved"
    assert await code_of(members.found((("M1", house), ("M2", person)), "the first")) == "name_reserved"
    assert not await members.listed()
    assert await told(store, "member-applied", "member-founded") == []
