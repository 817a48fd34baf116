"""Grants, keys and crossings on both stores: what holds at a charge, what ends what runs, and what the log tells."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import delete, select, update
from support.grants import Signer
from support.stores import START, code_of, order

from gateway.evidence.offline.grants import digest
from gateway.ledger import retelling
from gateway.ledger.crossings import Crossings
from gateway.ledger.granting import MOST_WAITING, Grants, Signed
from gateway.ledger.model import Account, Allowance, Basis, Charge, Crossing, account_part
from gateway.ledger.reconcile import reconcile
from gateway.ledger.signing_keys import SigningKeys
from gateway.store.tables import crossings, grants, leaves, queries, signing_keys

SIGNER = Signer()
FACTS = json.dumps({"organisation": "org", "buyer": "ana", "dataset": "shop", "grant": "G1"})


@pytest.fixture
def book(store, clock):
    return Grants(store, clock)


async def keyed(store, clock):
    keys = SigningKeys(store, clock)
    await keys.register("acme", SIGNER.key_id, SIGNER.public.hex(), "acme/eve")
    await keys.confirm("acme", SIGNER.key_id, "acme/mei")
    return keys


async def granted(book, store, clock, grant_id="G1", ends_at=None):
    """Return the basis of orders under a grant that was asked for and signed."""
    if await SigningKeys(store, clock).find("acme", SIGNER.key_id) is None:
        await keyed(store, clock)
    await book.request(grant_id, "acme", "shop", "org", "{}", "a study", "org/ana")
    terms = {"grant": grant_id, "key": SIGNER.key_id}
    signed = Signed(json.dumps(terms), SIGNER.sign(terms), SIGNER.key_id, digest(terms), ends_at)
    made = await book.grant(grant_id, signed, "acme/eve")
    return Basis(made.grant_id, made.digest, ends_at)


def under(basis, number=1, *, uses=None, **known):
    key = f"grant/a/org/{account_part(basis.grant_id)}"
    accounts = (Account("data/a", 10**6, 10**6), Account(key, None, None, uses))
    return order(number, basis=basis, accounts=accounts, allowance=Allowance(key, None, None), facts=FACTS, **known)


async def test_of_64_charges_at_once_as_many_stand_as_there_are_uses(ledger, book, store, clock):
    basis = await granted(book, store, clock)
    told = await asyncio.gather(
        *(ledger.charge(under(basis, number, uses=10)) for number in range(64)), return_exceptions=True
    )
    assert sum(isinstance(one, Charge) for one in told) == 10
    assert [one.code for one in told if not isinstance(one, Charge)] == ["uses_exhausted"] * 54
    (balance,) = await ledger.balances([under(basis).accounts[1]])
    assert balance.uses == 10


async def test_of_64_charges_at_once_as_many_stand_as_the_rate_and_what_may_run_allow(ledger, book, store, clock):
    basis = await granted(book, store, clock)
    paced = replace(under(basis).allowance, rate_count=7, rate_seconds=60)
    told = await asyncio.gather(
        *(ledger.charge(replace(under(basis, n), allowance=paced)) for n in range(64)), return_exceptions=True
    )
    assert sum(isinstance(one, Charge) for one in told) == 7
    assert {one.code for one in told if not isinstance(one, Charge)} == {"rate_limited"}
    few = replace(under(basis).allowance, at_once=9)
    told = await asyncio.gather(
        *(ledger.charge(replace(under(basis, n), allowance=few)) for n in range(100, 164)), return_exceptions=True
    )
    assert sum(isinstance(one, Charge) for one in told) == 2  # beside the seven that run
    assert {one.code for one in told if not isinstance(one, Charge)} == {"too_many_running"}


async def test_a_revocation_ends_what_runs_of_it_alone_and_keeps_the_charges(ledger, book, store, clock):
    basis, other = await granted(book, store, clock), await granted(book, store, clock, "G11")
    charge = await ledger.charge(under(basis, 1))
    beside = await ledger.charge(under(other, 2))
    made, ended = await book.revoke("G1", "misused", "acme/eve")
    assert (made.state, made.reason, ended) == ("revoked", "misused", ["Q1"])
    assert await ledger.ended(["Q1", "Q2"]) == {"Q1": "withdrawn"}
    assert await code_of(ledger.record(charge, b"answer", {})) == "grant_ended"
    assert await ledger.record(beside, b"answer", {}) == b"answer"
    assert await code_of(ledger.lookup("org/ana", "key-1", "body-1")) == "grant_ended"
    assert await ledger.failures("org/ana", "shop") == 0
    assert [b.rho_spent for b in await ledger.balances(under(basis).accounts)] == [40, 20]
    assert (await store.read(reconcile)).differences == ()


async def test_a_grant_that_was_revoked_after_admission_charges_nothing_and_enters_no_repeat(
    ledger, book, store, clock
):
    basis = await granted(book, store, clock)
    await ledger.record(await ledger.charge(under(basis, 1)), b"answer", {})
    await book.revoke("G1", "misused", "acme/eve")
    assert await code_of(ledger.charge(under(basis, 2))) == "grant_not_valid"
    free = under(basis, 3, rho=0, delta=0, draws=())
    beside = order(4, rho=0, delta=0, draws=())
    told = await asyncio.gather(ledger.replay(free, b"free"), ledger.replay(beside, b"free"), return_exceptions=True)
    assert (told[0].code, told[1]) == ("grant_not_valid", None)
    assert await ledger.query("Q3") is None
    assert (await ledger.lookup("org/ana", "key-1", "body-1")).answer == b"answer"  # what was paid for
    assert [b.rho_spent for b in await ledger.balances(under(basis).accounts)] == [20, 20]


@pytest.mark.parametrize("basis", [Basis("G9", "sha256:x"), Basis("G1", "sha256:other")])
async def test_a_grant_that_is_not_there_or_has_other_terms_charges_nothing(ledger, book, store, clock, basis):
    await granted(book, store, clock)
    assert await code_of(ledger.charge(under(basis))) == "grant_not_valid"


async def test_what_is_only_asked_for_or_refused_charges_nothing(ledger, book, store, clock):
    await book.request("G1", "acme", "shop", "org", "{}", "a study", "org/ana")
    assert await code_of(ledger.charge(under(Basis("G1", None)))) == "grant_not_valid"
    await book.refuse("G1", "no", "acme/eve")
    assert await code_of(ledger.charge(under(Basis("G1", None)))) == "grant_not_valid"
    assert await code_of(book.revoke("G1", "x", "acme/eve")) == "grant_not_open"


async def test_a_query_whose_grant_or_review_ends_is_ended_at_the_next_renewal(ledger, book, store, clock):
    ends = START + timedelta(seconds=10)
    basis = await granted(book, store, clock, ends_at=ends)
    charge = await ledger.charge(under(basis, 1))
    reviewed = await ledger.charge(order(2, basis=Basis(until=ends), accounts=(Account("data/a", 10**6, 10**6),)))
    clock.pass_(9)
    assert await ledger.renew(charge)
    clock.pass_(1)
    assert not await ledger.renew(charge)
    assert not await ledger.renew(reviewed)
    assert await ledger.ended(["Q1", "Q2"]) == {"Q1": "withdrawn", "Q2": "withdrawn"}
    assert await code_of(ledger.charge(under(basis, 3))) == "grant_not_valid"
    assert await code_of(ledger.replay(under(basis, 4, rho=0, delta=0, draws=()), b"free")) == "grant_not_valid"
    assert [b.rho_spent for b in await ledger.balances(under(basis).accounts)] == [40, 20]
    assert (await store.read(reconcile)).differences == ()


async def test_a_query_whose_worker_is_gone_is_not_taken_over_under_a_grant_that_ended(ledger, book, store, clock):
    basis = await granted(book, store, clock, ends_at=START + timedelta(seconds=30))
    await ledger.charge(under(basis, 1))
    clock.pass_(60)
    assert await code_of(ledger.charge(under(basis, 1))) == "grant_not_valid"


def charged_by(grant_id, basis, number=1, **facts):
    """Return the order of a grant, with the facts that its charge's leaf has."""
    told = {**json.loads(FACTS), "grant": grant_id, "grant_terms": basis.terms, "price_plan": "standard"} | facts
    return replace(under(basis, number), facts=json.dumps(told))


async def test_a_query_that_is_redone_while_another_grant_admits_it_stays_its_first_grants(ledger, book, store, clock):
    first = await granted(book, store, clock, ends_at=START + timedelta(seconds=300))
    await ledger.charge(charged_by("G1", first))
    second = await granted(book, store, clock, "G2")
    clock.pass_(60)
    redone = await ledger.charge(charged_by("G2", second))
    assert (redone.query_id, redone.fence, redone.until) == ("Q1", 2, first.until)
    assert [b.uses for b in await ledger.balances(under(second).accounts)] == [1, 0]
    await book.revoke("G2", "misused", "acme/eve")
    assert await ledger.renew(redone)
    await book.revoke("G1", "misused", "acme/eve")
    assert await ledger.ended(["Q1"]) == {"Q1": "withdrawn"}
    assert (await store.read(reconcile)).differences == ()


@pytest.mark.parametrize("how", ["it ended", "another price", "of a policy"])
async def test_a_query_of_a_grant_that_is_no_more_is_not_redone_under_another(ledger, book, store, clock, how):
    first = await granted(book, store, clock, ends_at=START + timedelta(seconds=59))
    second = await granted(book, store, clock, "G2")
    mine = order(1) if how == "of a policy" else charged_by("G1", first)
    await ledger.charge(mine)
    clock.pass_(60 if how == "it ended" else 50)
    again = charged_by("G2", second, **({"price_plan": "bulk"} if how == "another price" else {}))
    before = await store.read(lambda c: c.execute(select(queries)).all())
    assert await code_of(ledger.charge(again)) == "grant_not_valid"
    assert await store.read(lambda c: c.execute(select(queries)).all()) == before
    assert isinstance(await ledger.charge(replace(again, query_id="Q2", idempotency_key="new")), Charge)


async def test_an_end_far_away_is_kept_exactly(book, store, clock):
    ends = START.replace(year=9999, month=12, day=31)
    await granted(book, store, clock, ends_at=ends)
    (found,) = await book.ever_granted("org")
    assert found.ends_at == ends


async def test_two_who_decide_at_once_decide_once(book, store, clock):
    await keyed(store, clock)
    await book.request("G1", "acme", "shop", "org", "{}", "a study", "org/ana")
    signed = Signed("{}", "s", SIGNER.key_id, "sha256:d", None)
    told = await asyncio.gather(
        *(book.grant("G1", signed, f"acme/p{n}") for n in range(4)),
        *(book.refuse("G1", "no", f"acme/p{n}") for n in range(4)),
        return_exceptions=True,
    )
    assert sorted(getattr(one, "code", "decided") for one in told) == ["decided"] + ["grant_not_open"] * 7


async def test_so_many_requests_of_one_organisation_wait_and_no_more(book, store, clock):
    for number in range(MOST_WAITING):
        await book.request(f"G{number}", "acme", "shop", "org", "{}", "a study", "org/ana")
    assert await code_of(book.request("G", "acme", "shop", "org", "{}", "a study", "org/bob")) == "too_many_requests"
    await book.request("H", "acme", "shop", "others", "{}", "a study", "others/liu")
    await book.refuse("G0", "no", "acme/eve")
    await book.request("G", "acme", "shop", "org", "{}", "a study", "org/bob")


async def test_a_key_signs_from_its_confirmation_to_its_revocation(book, store, clock):
    keys = SigningKeys(store, clock)
    await book.request("G1", "acme", "shop", "org", "{}", "a study", "org/ana")
    signed = Signed("{}", "s", SIGNER.key_id, "sha256:d", None)
    assert await code_of(book.grant("G1", signed, "acme/eve")) == "grant_not_signed"
    await keys.register("acme", SIGNER.key_id, SIGNER.public.hex(), "acme/eve")
    assert await code_of(book.grant("G1", signed, "acme/eve")) == "grant_not_signed"
    assert await code_of(keys.confirm("acme", SIGNER.key_id, "acme/eve")) == "two_persons"
    await keys.confirm("acme", SIGNER.key_id, "acme/mei")
    await keys.revoke("acme", SIGNER.key_id, "reg/sun")
    assert await code_of(book.grant("G1", signed, "acme/eve")) == "grant_not_signed"
    assert await code_of(keys.confirm("acme", SIGNER.key_id, "acme/mei")) == "bad_request"
    await keys.register("others", SIGNER.key_id, SIGNER.public.hex(), "others/ivo")  # nobody takes a key from another


async def test_a_key_is_registered_once_and_what_was_revoked_stays_so(store, clock):
    keys = await keyed(store, clock)
    assert await code_of(keys.register("acme", SIGNER.key_id, SIGNER.public.hex(), "acme/mei")) == "bad_request"
    await keys.revoke("acme", SIGNER.key_id, "acme/eve")
    assert await code_of(keys.revoke("acme", SIGNER.key_id, "acme/mei")) == "bad_request"
    assert await code_of(keys.register("acme", SIGNER.key_id, SIGNER.public.hex(), "acme/mei")) == "bad_request"
    assert (await keys.find("acme", SIGNER.key_id)).state == "revoked"


async def test_nobody_confirms_or_revokes_the_key_of_others_and_each_sees_its_own(store, clock):
    keys = await keyed(store, clock)
    for step in (keys.confirm, keys.revoke):
        assert await code_of(step("others", SIGNER.key_id, "others/ivo")) == "not_found"
    clock.pass_(1)
    await keys.register("others", SIGNER.key_id, SIGNER.public.hex(), "others/ivo")
    assert [(key.organisation, key.state) for key in await keys.of(None)] == [
        ("acme", "confirmed"), ("others", "registered"),
    ]  # fmt: skip
    assert [key.organisation for key in await keys.of("others")] == ["others"]


async def test_a_grant_is_listed_for_its_buyer_and_its_provider_and_nobody_else(book, store, clock):
    await granted(book, store, clock)
    clock.pass_(1)
    await book.request("G2", "green", "garden", "org", "{}", "a study", "org/ana")

    async def listed(organisation, provider):
        return [one.grant_id for one in await book.listed(organisation, provider)]

    assert await listed("org", None) == ["G2", "G1"], "the latest first"
    assert await listed(None, "acme") == ["G1"]
    assert await listed("acme", "acme") == ["G1"]
    assert await listed("others", "others") == []
    assert await listed(None, None) == ["G2", "G1"]
    assert (await book.find("G2")).state == "requested"
    assert await book.find("G9") is None
    for step in (book.refuse("G9", "no", "acme/eve"), book.revoke("G9", "no", "acme/eve")):
        assert await code_of(step) == "not_found"


async def test_an_end_that_was_brought_forward_in_the_store_holds_at_a_charge(ledger, book, store, clock):
    basis = await granted(book, store, clock)
    await store.run(lambda c: c.execute(update(grants).values(ends_at_us=int(START.timestamp() * 1e6))))
    assert await code_of(ledger.charge(under(basis))) == "grant_not_valid"


def abroad(number, units, account="a", country="SG", threshold=100):
    crossing = Crossing("acme", account, country, units, threshold)
    return order(number, basis=Basis(crossing=crossing), accounts=(Account("data/a", 10**6, 10**6),))


async def test_people_are_counted_once_a_year_and_country_and_added_up_over_accounts(ledger, store, clock):
    book = Crossings(store)
    for number, (units, account, country) in enumerate(
        [(60, "a", "SG"), (60, "a", "SG"), (50, "a", "SG"), (40, "b", "SG"), (100, "a", "US")]
    ):
        assert isinstance(await ledger.charge(abroad(number, units, account, country)), Charge)
    assert [(c.country, c.account, c.units) for c in await book.of("acme")] == [
        ("SG", "a", 60), ("SG", "b", 40), ("US", "a", 100),
    ]  # fmt: skip
    assert await code_of(ledger.charge(abroad(10, 1, "c"))) == "cross_border_limit"
    assert await code_of(ledger.charge(abroad(11, 61, "a"))) == "cross_border_limit"
    assert await ledger.query("Q11") is None
    clock.at = START.replace(year=2027)
    assert isinstance(await ledger.charge(abroad(12, 1, "c")), Charge)
    assert (await book.of("others"), len(await book.of(None))) == ((), 4)
    assert (await store.read(reconcile)).differences == ()


async def test_of_many_that_cross_at_once_no_more_are_counted_than_may(ledger, store):
    told = await asyncio.gather(
        *(ledger.charge(abroad(number, 30, f"a{number}")) for number in range(16)), return_exceptions=True
    )
    assert sum(isinstance(one, Charge) for one in told) == 3
    assert sum(c.units for c in await Crossings(store).of(None)) == 90


async def test_the_log_tells_all_of_it_again_and_reconciliation_names_every_edit(ledger, book, store, clock):
    keys = await keyed(store, clock)
    await granted(book, store, clock, ends_at=START + timedelta(days=9))
    await book.revoke("G1", "misused", "acme/eve")
    await book.request("G2", "acme", "shop", "org", "{}", "more", "org/ana")
    await book.refuse("G2", "no", "acme/eve")
    await ledger.charge(abroad(1, 30))
    await keys.revoke("acme", SIGNER.key_id, "acme/mei")

    def told(connection):
        contents = [json.loads(row.leaf) for row in connection.execute(select(leaves).order_by(leaves.c.position))]
        states = [content for content in contents if content["kind"] in retelling.KINDS]
        return {table.name: (kept, wanted) for table, kept, wanted in retelling.states(connection, states)}

    for name, (kept, wanted) in (await store.read(told)).items():
        assert kept == wanted
        assert bool(kept) is (name in ("signing_keys", "grants", "crossings"))
    edits = {
        "grants G2": update(grants).where(grants.c.grant_id == "G2").values(state="granted"),
        "grants G1": update(grants).where(grants.c.grant_id == "G1").values(ends_at_us=None),
        f"signing_keys acme {SIGNER.key_id}": update(signing_keys).values(state="confirmed"),
        "crossings acme SG 2026 a": delete(crossings),
    }
    for subject, edit in edits.items():

        def work(connection, edit=edit):
            connection.execute(edit)
            raise Undone(reconcile(connection).differences)

        with pytest.raises(Undone) as caught:
            await store.run(work)
        assert [(d.kind, d.subject) for d in caught.value.args[0]] == [("changed state", subject)]


async def test_a_query_that_no_leaf_says_was_withdrawn_is_named(ledger, book, store, clock):
    await ledger.charge(under(await granted(book, store, clock), 1))
    await book.revoke("G1", "misused", "acme/eve")
    await store.run(lambda c: c.execute(update(queries).values(state="stopped")))
    found = (await store.read(reconcile)).differences
    assert {(d.kind, d.subject) for d in found} == {("changed query", "query Q1")}
    assert len(found) == 2


class Undone(Exception):
    """Carries what was found out of a transaction whose edits are undone by it."""
