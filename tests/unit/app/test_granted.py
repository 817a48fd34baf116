"""A stored grant counts only as it was signed: each edit of its row takes its effect away."""

import json
from datetime import timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import update
from support.grants import Signer
from support.shop import SHOP
from support.stores import START, Clock

from gateway.app.granted import StoreGrants
from gateway.app.standing import Published
from gateway.evidence.offline.grants import digest
from gateway.ledger.granting import Grants, Signed
from gateway.ledger.signing_keys import SigningKeys
from gateway.request import Caller
from gateway.store.tables import grants, signing_keys

SIGNER, OTHER = Signer(), Signer(2)
GIL = Caller("gil", "gadgets", frozenset({"buyer"}))
ENDS = START + timedelta(hours=1)
TERMS = {
    "gateway": "gw", "grant": "G1", "provider": "acme", "dataset": "shop", "organisation": "gadgets", "subject": None,
    "mode": "authorised", "purposes": ["research"], "jurisdictions": [], "valid_from": None, "valid_until": None,
    "ends_at": ENDS.strftime("%Y-%m-%dT%H:%M:%SZ"), "uses": 5, "rate": None, "at_once": 16,
    "budget": {"epsilon": "1"}, "spend": None, "price_plan": None, "recipient_jurisdiction": "SG",
    "key": SIGNER.key_id,
}  # fmt: skip


def held(provider="acme"):
    document = SimpleNamespace(provider=SimpleNamespace(organisation=provider))
    return {"shop": Published(SimpleNamespace(name="shop", document=document), SHOP, 1)}


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def book(store, clock):
    keys, book = SigningKeys(store, clock), Grants(store, clock)
    await keys.register("acme", SIGNER.key_id, SIGNER.public.hex(), "acme/eve")
    await keys.confirm("acme", SIGNER.key_id, "acme/mei")
    await book.request("G1", "acme", "shop", "gadgets", "{}", "a study", "gadgets/gil")
    signed = Signed(json.dumps(TERMS), SIGNER.sign(TERMS), SIGNER.key_id, digest(TERMS), ENDS)
    await book.grant("G1", signed, "acme/eve")
    return book


async def test_what_was_signed_is_granted_until_it_ends_or_is_revoked(book, store, clock):
    loader = StoreGrants(book, clock, "gw")
    (grant,) = (await loader.of(GIL, held()))["shop"]
    assert (grant.id, grant.terms, grant.uses, grant.recipient_jurisdiction) == ("G1", digest(TERMS), 5, "SG")
    assert (grant.ended, grant.budget.delta) == (None, SHOP.privacy.budget.delta)
    clock.at = ENDS
    (grant,) = (await loader.of(GIL, held()))["shop"]
    assert "ended at 2026-11-24T13:00:00" in grant.ended
    clock.at = START
    await book.revoke("G1", "misused", "acme/eve")
    assert [g.ended for g in (await loader.of(GIL, held()))["shop"]] == ["The grant was revoked."]


async def test_it_is_of_its_own_dataset_organisation_provider_and_gateway(book, clock):
    loader = StoreGrants(book, clock, "gw")
    assert await loader.of(Caller("gil", "others"), held()) == {}
    assert await loader.of(GIL, held("others")) == {}
    assert await loader.of(GIL, {}) == {}
    assert await StoreGrants(book, clock, "elsewhere").of(GIL, held()) == {}


MORE = TERMS | {"uses": 500}
THEIRS = TERMS | {"key": OTHER.key_id}


@pytest.mark.parametrize("edit", [
    {"terms": json.dumps(MORE)}, {"terms": json.dumps(MORE), "digest": digest(MORE)}, {"digest": "sha256:0"},
    {"signature": OTHER.sign(TERMS)}, {"signature": None}, {"terms": None}, {"ends_at_us": None},
    {"organisation": "gadgets", "dataset": "barn"}, {"grant_id": "G2"}, {"provider": "others"}, {"key_id": "x"},
    {"terms": json.dumps(THEIRS), "signature": OTHER.sign(THEIRS), "digest": digest(THEIRS)},
    {"terms": "{"}, {"terms": "[]"},
])  # fmt: skip
async def test_an_edited_row_has_no_effect(book, store, clock, edit):
    loader = StoreGrants(book, clock, "gw")
    assert await loader.of(GIL, held())  # also where it was verified before
    await store.run(lambda c: c.execute(update(grants).values(**edit)))
    both = {**held(), "barn": held()["shop"]}
    assert await loader.of(GIL, both) == {}


async def test_another_key_under_its_name_takes_the_effect_away(book, store, clock):
    loader = StoreGrants(book, clock, "gw")
    assert await loader.of(GIL, held())
    await store.run(lambda c: c.execute(update(signing_keys).values(public_key=OTHER.public.hex())))
    assert await loader.of(GIL, held()) == {}
    await store.run(lambda c: c.execute(update(signing_keys).values(public_key="no key")))
    assert await loader.of(GIL, held()) == {}


async def test_a_grant_to_one_person_is_theirs(book, store, clock):
    terms = TERMS | {"grant": "G2", "subject": "gus"}
    await book.request("G2", "acme", "shop", "gadgets", "{}", "a study", "gadgets/gil")
    signed = Signed(json.dumps(terms), SIGNER.sign(terms), SIGNER.key_id, digest(terms), ENDS)
    await book.grant("G2", signed, "acme/eve")
    loader = StoreGrants(book, clock, "gw")
    assert [g.name for g in (await loader.of(GIL, held()))["shop"]] == ["G1"]
    assert len((await loader.of(Caller("gus", "gadgets"), held()))["shop"]) == 2
