"""What takes two persons, or happens once, with 64 who ask at once at two replicas: the log, the rows and what is told agree."""

import asyncio
import json
from collections import Counter
from dataclasses import replace
from decimal import Decimal as D

import pytest
from sqlalchemy import select
from support.billing import NOVEMBER, OCTOBER, priced
from support.grants import Signer
from support.stores import START, ledger_of

from gateway.app.clock import SystemRandomness
from gateway.errors import GatewayError
from gateway.ledger import cases as decisions
from gateway.ledger.cases import Cases, Dispute, Finding, Progress
from gateway.ledger.crossings import Crossings
from gateway.ledger.granting import Grants, Signed
from gateway.ledger.members import Application, Members, Shown
from gateway.ledger.model import Account, Basis, Crossing
from gateway.ledger.reconcile import reconcile
from gateway.ledger.registered import State as Step
from gateway.ledger.registering import Draft, Registry
from gateway.ledger.signing_keys import SigningKeys
from gateway.ledger.standing import State
from gateway.metering.issuing import Invoices
from gateway.store.database import open_store
from gateway.store.tables import leaves

MANY = 64
EVE, MEI, RUI, SUN = "acme/eve", "acme/mei", "assurance/rui", "regulator/sun"
RIGHTS = {"income": [], "review": None}
SEEN = (Shown("register", "GB 123"),)
ORG = Application("org", None, "", "Org Ltd", "office@org.example", SEEN)
KEY = Signer()


@pytest.fixture
async def replicas(store, store_place):
    """Two gateways' connections to one store."""
    other = await open_store(*store_place)
    yield store, other
    await other.close()


async def at_once(*asked):
    """Wait for all of them together; return what was done, and the codes by which the others were refused."""
    told = await asyncio.gather(*asked, return_exceptions=True)
    refused = [one for one in told if isinstance(one, BaseException)]
    assert all(isinstance(one, GatewayError) for one in refused), refused
    return [one for one in told if not isinstance(one, BaseException)], Counter(one.code for one in refused)


def spread(parts, ask):
    """Return what 64 ask, in turn of the one replica and the other."""
    return [ask(parts[number % len(parts)], number) for number in range(MANY)]


async def log_of(store, *kinds):
    """Return the leaves of some kinds in order, once the rows are found to say what the whole log says."""
    assert (await store.read(reconcile)).differences == ()
    found = [json.loads(row.leaf) for row in await store.read(lambda c: c.execute(select(leaves)).all())]
    return [leaf for leaf in found if leaf["kind"] in kinds]


# -- members ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def members(replicas, clock):
    return [Members(one, clock) for one in replicas]


async def test_of_many_one_applies_and_the_second_of_other_persons_verifies(members, store):
    made, refused = await at_once(*spread(members, lambda m, n: m.apply(f"M{n}", ORG, f"org/p{n}")))
    assert (Counter(new for _, new in made), refused) == ({True: 1, False: MANY - 1}, {})
    (member_id,) = {member.member_id for member, _ in made}

    by = [("org", "org/ana"), ("org", "org/bob"), ("r1", "r1/rae"), ("r1", "r1/rae")]  # two of each at each replica
    made, refused = await at_once(*spread(members, lambda m, n: m.verify(member_id, *by[n // 2 % len(by)])))
    assert [one.state for one in made] == [State.APPLIED], "one person is one, however often it asks"
    assert refused == {"forbidden": MANY // 2, "two_persons": MANY // 2 - 1}

    made, refused = await at_once(*spread(members, lambda m, n: m.verify(member_id, f"s{n}", f"s{n}/rue")))
    assert [one.state for one in made] == [State.VERIFIED]
    assert refused == {"member_conflict": MANY - 1}
    told = await log_of(store, "member-applied", "member-verified")
    assert [leaf.get("state") for leaf in told] == [None, "applied", "verified"]
    assert [leaf["by"] for leaf in told[1:]] == ["r1/rae", made[0].verifications[1].by]


async def test_a_verification_counts_for_the_round_that_it_was_made_in(members, store):
    """Who verifies beside a suspension verifies before it, or anew: never half of one and half of the other."""
    await members[0].apply("M1", ORG, "org/ana")

    def ask(of, number):
        if number == MANY // 2:
            return of.suspend("M1", "reg", "reg/sun", "a complaint")
        return of.verify("M1", f"r{number}", f"r{number}/rae")

    _, refused = await at_once(*spread(members, ask))
    assert set(refused) == {"member_conflict"}
    told = await log_of(store, "member-verified", "member-suspended")
    cut = [leaf["kind"] for leaf in told].index("member-suspended")
    assert {leaf["round"] for leaf in told[:cut]} <= {1}
    assert {leaf["round"] for leaf in told[cut + 1 :]} <= {2}
    assert max(cut, len(told) - cut - 1) == 2, "there were enough for either round, and never a third"
    after = [leaf["state"] for leaf in told[cut + 1 :]]
    assert after == ["suspended", "verified"][: len(after)]
    assert (await members[1].find("M1")).state == (after[-1] if after else "suspended")


async def test_no_more_are_founded_than_can_verify(members, store):
    def both(number):
        person = Application("house", f"p{number}", "iss", "A Person", "office@house.example", SEEN)
        house = Application("house", None, "", "House", "office@house.example", SEEN)
        return (f"O{number}", house), (f"P{number}", person)

    made, refused = await at_once(*spread(members, lambda m, n: m.found(both(n), "the first of all")))
    assert (len(made), refused) == (2, {"forbidden": MANY - 2})
    assert len(await log_of(store, "member-founded")) == 3, "one organisation and two persons of it"


# -- versions ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def registries(replicas, clock):
    return [Registry(one, clock, required=True) for one in replicas]


def draft(version="v1", manifest="m1"):
    return Draft("shop", version, "acme", manifest, f"the text of {version}")


async def reviewed(registry, *versions):
    for version in versions:
        await registry.draft(draft(version), EVE)
        if (await registry.submit("shop", version, EVE)).state is Step.SUBMITTED:
            await registry.review("shop", version, RUI, "seen", START.date())


async def served(registry):
    """Return what is served; the log says that it was published last."""
    return (await registry.standing("shop")).served.version


async def test_a_version_is_kept_submitted_and_published_once_and_never_by_who_submitted_it(registries, store):
    made, refused = await at_once(*spread(registries, lambda r, n: r.draft(draft(), f"acme/p{n}")))
    assert (len({one.proposed.by for one in made}), refused) == (1, {})
    made, refused = await at_once(*spread(registries, lambda r, n: r.submit("shop", "v1", f"acme/p{n}")))
    assert ([one.state for one in made], refused) == ([Step.SUBMITTED], {"version_state": MANY - 1})
    submitter = made[0].submitted.by
    await registries[0].review("shop", "v1", RUI, "seen", START.date())
    made, refused = await at_once(
        *spread(registries, lambda r, n: r.publish("shop", "v1", submitter if n % 4 < 2 else f"acme/q{n}", RIGHTS))
    )
    assert [one.published.by == submitter for one in made] == [False]
    assert set(refused) <= {"two_persons", "version_state"}
    assert refused.total() == MANY - 1
    assert refused["version_state"] >= MANY // 2 - 1
    told = await log_of(store, "drafted", "submitted", "registered")
    assert [leaf["kind"] for leaf in told] == ["drafted", "submitted", "registered"]
    assert (told[2]["by"], told[2]["beside"]) == (made[0].published.by, submitter)


async def test_of_two_versions_that_are_published_at_once_the_later_in_the_log_is_served(registries, store):
    await reviewed(registries[0], "v1", "v2")
    made, refused = await at_once(
        *spread(registries, lambda r, n: r.publish("shop", f"v{n // 2 % 2 + 1}", f"acme/p{n}", RIGHTS))
    )
    assert ({one.version for one in made}, len(made), refused) == ({"v1", "v2"}, 2, {"version_state": MANY - 2})
    told = await log_of(store, "registered")
    assert sorted(leaf["policy_version"] for leaf in told) == ["v1", "v2"]
    assert await served(registries[0]) == await served(registries[1]) == told[-1]["policy_version"]


async def test_a_rollback_beside_a_publication_takes_two_persons_each_time(registries, store):
    await reviewed(registries[0], "v1", "v2")
    await registries[0].publish("shop", "v1", MEI, RIGHTS)
    await registries[0].publish("shop", "v2", MEI, RIGHTS)
    await reviewed(registries[0], "v3")

    def ask(of, number):
        if number // 2 % 2:
            return of.publish("shop", "v3", f"acme/p{number}", RIGHTS)
        return of.roll_back("shop", "v1", f"acme/q{number % 8}", RIGHTS)

    _, refused = await at_once(*spread(registries, ask))
    assert set(refused) <= {"version_state", "two_persons"}
    told = (await log_of(store, "asked-back", "registered"))[2:]
    asked = None
    for leaf in told:
        if leaf["kind"] == "asked-back":
            assert asked is None, "one waits for a second person, and is not asked for again meanwhile"
            asked = leaf["by"]
            continue
        if leaf["policy_version"] == "v1":
            assert leaf["beside"] == asked != leaf["by"]
        asked = None  # whatever is published forgets who asked
    assert [leaf["policy_version"] for leaf in told if leaf["kind"] == "registered"].count("v3") == 1
    assert any(leaf["policy_version"] == "v1" for leaf in told if leaf["kind"] == "registered")
    last = [leaf["policy_version"] for leaf in told if leaf["kind"] == "registered"][-1]
    assert await served(registries[0]) == await served(registries[1]) == last
    assert (await registries[1].version("shop", "v1")).asked_by == asked


async def test_what_a_supervisor_withdraws_beside_a_rollback_is_not_brought_back_after_it(registries, store):
    await reviewed(registries[0], "v1", "v2")
    for version in ("v1", "v2"):
        await registries[0].publish("shop", version, MEI, RIGHTS)

    def ask(of, number):
        if number == MANY // 2:
            return of.withdraw("shop", "v2", SUN, "an order", barred=True)
        return of.roll_back("shop", "v1", f"acme/q{number % 8}", RIGHTS)

    _, refused = await at_once(*spread(registries, ask))
    assert set(refused) <= {"version_state", "two_persons", "compliance_expired"}
    told = (await log_of(store, "asked-back", "registered", "withdrawn"))[2:]
    kinds = [leaf["kind"] for leaf in told]
    if "withdrawn" in kinds:  # it came before anything was brought back
        assert kinds[-1] == "withdrawn"
        assert "registered" not in kinds
        assert (await registries[1].standing("shop")).served is None
    else:
        assert kinds == ["asked-back", "registered"]
        assert await served(registries[1]) == "v1"


# -- cases ------------------------------------------------------------------------------------------------------------


async def test_a_case_is_opened_and_decided_once_and_money_comes_back_once(replicas, clock, store):
    clock.at = OCTOBER
    await ledger_of(store, clock).charge(priced(1, "3.00"))
    books = [Invoices(one, clock, SystemRandomness(), "UTC") for one in replicas]
    cases = [Cases(one, clock) for one in replicas]
    clock.at = NOVEMBER
    await books[0].issue("2026-10")
    dispute = Dispute("Q1", "org/ana", "org", "shop", "acme")
    made, refused = await at_once(*spread(cases, lambda c, n: c.open(f"C{n}", dispute, "of no use", f"org/p{n}")))
    assert (len(made), refused) == (1, {"case_conflict": MANY - 1})
    case_id = made[0].case_id

    def decide(book, number):
        house = ("court", "org", "acme", "labeller-coop")[number // 2 % 4]

        def decided(connection):
            finding = Finding(f"found by {number}", f"{house}/p{number}", clock.now(), D("1.00"))
            return decisions.decide(connection, case_id, house, finding)

        return book.decide(decided)

    made, refused = await at_once(*spread(books, decide))
    assert [(one.state, one.finding.by.partition("/")[0]) for one in made] == [(Progress.DECIDED, "court")]
    assert refused == {"case_conflict": MANY // 4 - 1, "forbidden": MANY * 3 // 4}
    notes = [one.bill for one in await books[0].issued("2026-11") if one.bill.kind == "credit_note"]
    assert [(note.total, note.reason) for note in notes] == [(D("-1.00"), f"case {case_id}")]
    told = await log_of(store, "case-opened", "case-decided", "credited")
    assert [leaf["kind"] for leaf in told] == ["case-opened", "case-decided", "credited"]
    assert told[1]["by"] == made[0].finding.by


# -- keys and grants --------------------------------------------------------------------------------------------------


@pytest.fixture
def keys(replicas, clock):
    return [SigningKeys(one, clock) for one in replicas]


@pytest.fixture
def books(replicas, clock):
    return [Grants(one, clock) for one in replicas]


def signed(number):
    return Signed("{}", f"signature {number}", KEY.key_id, f"sha256:{number}", None)


async def test_a_key_is_registered_and_confirmed_once_and_a_grant_by_it_revoked_once(keys, books, store):
    made, refused = await at_once(
        *spread(keys, lambda k, n: k.register("acme", KEY.key_id, KEY.public.hex(), f"acme/p{n}"))
    )
    assert (len(made), refused) == (1, {"bad_request": MANY - 1})
    first = made[0].registered_by
    made, refused = await at_once(*spread(keys, lambda k, n: k.confirm("acme", KEY.key_id, f"acme/p{n}")))
    assert [one.confirmed_by != first for one in made] == [True]
    assert refused == {"two_persons": 1, "bad_request": MANY - 2}
    confirmed = made[0].confirmed_by
    await books[0].request("G1", "acme", "shop", "org", "{}", "a study", "org/ana")
    await books[0].grant("G1", signed(1), EVE)
    made, refused = await at_once(*spread(books, lambda b, n: b.revoke("G1", "misused", f"acme/p{n}")))
    assert (len(made), refused) == (1, {"grant_not_open": MANY - 1})
    told = await log_of(store, "key-registered", "key-confirmed", "grant-revoked")
    assert [(leaf["kind"], leaf["by"]) for leaf in told] == [
        ("key-registered", first), ("key-confirmed", confirmed), ("grant-revoked", made[0][0].revoked_by),
    ]  # fmt: skip


async def test_a_key_that_is_revoked_beside_its_confirmation_stays_revoked(keys, store):
    await keys[0].register("acme", KEY.key_id, KEY.public.hex(), EVE)

    def ask(of, number):
        if number // 2 % 2:
            return of.confirm("acme", KEY.key_id, f"acme/p{number}")
        return of.revoke("acme", KEY.key_id, SUN)

    _, refused = await at_once(*spread(keys, ask))
    assert set(refused) == {"bad_request"}
    kinds = [leaf["kind"] for leaf in await log_of(store, "key-confirmed", "key-revoked")]
    assert kinds in (["key-revoked"], ["key-confirmed", "key-revoked"])
    assert (await keys[1].find("acme", KEY.key_id)).state == "revoked"


async def test_no_grant_is_given_after_its_key_was_revoked_and_each_request_is_decided_once(keys, books, store):
    await keys[0].register("acme", KEY.key_id, KEY.public.hex(), EVE)
    await keys[0].confirm("acme", KEY.key_id, MEI)
    for number in range(16):
        await books[0].request(f"G{number}", "acme", "shop", "org", "{}", "a study", "org/ana")

    def ask(of, number):
        if number == 40:
            return keys[0].revoke("acme", KEY.key_id, SUN)
        if number // 2 % 4 == 3:
            return of.refuse(f"G{number % 16}", "no", f"acme/p{number}")
        return of.grant(f"G{number % 16}", signed(number), f"acme/p{number}")

    _, refused = await at_once(*spread(books, ask))
    assert set(refused) <= {"grant_not_open", "grant_not_signed"}
    told = await log_of(store, "grant-granted", "grant-refused", "key-revoked")
    decided = [leaf["grant_id"] for leaf in told if "grant_id" in leaf]
    assert len(decided) == len(set(decided))
    kinds = [leaf["kind"] for leaf in told]
    assert "grant-granted" not in kinds[kinds.index("key-revoked") :]
    states = {one.grant_id: one.state for one in await books[1].listed(None, None)}
    assert {leaf["grant_id"]: leaf["kind"].removeprefix("grant-") for leaf in told if "grant_id" in leaf} == {
        grant_id: state for grant_id, state in states.items() if state != "requested"
    }


# -- what crosses a border --------------------------------------------------------------------------------------------


async def test_people_who_cross_at_once_at_two_replicas_are_counted_once_and_never_beyond(replicas, clock, store):
    ledgers = [ledger_of(one, clock) for one in replicas]

    def ask(of, number):
        crossing = Crossing("acme", f"a{number // 2 % 8}", "SG", 30, 100)
        made = priced(number, draws=(f"d{number}",), accounts=(Account("data/a", 10**15, 10**15),))
        return of.charge(replace(made, basis=Basis(crossing=crossing)))

    made, refused = await at_once(*spread(ledgers, ask))
    assert (len(made), refused) == (3 * MANY // 8, {"cross_border_limit": 5 * MANY // 8})
    told = await log_of(store, "crossed")
    counted = await Crossings(store).of("acme")
    assert sorted(leaf["account"] for leaf in told) == sorted(one.account for one in counted)
    assert [one.units for one in counted] == [30] * 3
