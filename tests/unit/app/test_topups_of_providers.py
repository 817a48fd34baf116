"""Top-ups through the service: a provider raises what its own people pay, and no other provider's."""

from dataclasses import replace
from decimal import Decimal as D
from types import SimpleNamespace

import pytest
from support.shop import SHOP
from support.stores import Clock

from gateway.app.accounts import AccountService
from gateway.app.pacing import Pace
from gateway.errors import GatewayError
from gateway.ledger.topups import TopUps
from gateway.request import Caller
from gateway.store.database import open_store

OURS = "acme/customers.customer_id"


def provider(subject, organisation):
    return Caller(subject, organisation, frozenset({"provider"}))


@pytest.fixture
async def service(tmp_path):
    """Return the accounts of two providers: what `rival` calls its account begins as acme's does, and one is shared."""
    store = await open_store(tmp_path / "state")
    datasets = {
        name: replace(SHOP, name=name, provider=by, privacy=replace(SHOP.privacy, account=account))
        for name, by, account in (
            ("shop", "acme", OURS),
            ("rival", "rival", "acme"),
            ("joint", "acme", "people"),
            ("jointly", "rival", "people"),
        )
    }

    def providers(account):
        return frozenset(d.provider for d in datasets.values() if d.privacy.account == account)

    books = SimpleNamespace(topups=TopUps(store, Clock()))
    ids = iter(f"T{number}" for number in range(9))
    yield AccountService(books, None, lambda: datasets, providers, lambda: next(ids), Pace(9, Clock(), None))
    await store.close()


async def refused(awaitable, code):
    with pytest.raises(GatewayError) as caught:
        await awaitable
    assert caught.value.code == code


def asked(service, person, dataset, account=None):
    return service.propose(person, dataset, (D(1), None), account, "more")


async def test_an_account_whose_name_begins_alike_is_another_providers(service):
    for key in (f"data/{OURS}", f"organisation/{OURS}/widgets"):
        await refused(asked(service, provider("eve", "rival"), "rival", key), "bad_request")
    made = await asked(service, provider("pia", "acme"), "shop")
    await refused(service.decide(provider("eve", "rival"), made["topup_id"], approve=True), "not_found")
    assert await service.topups(provider("eve", "rival")) == []
    approved = await service.decide(provider("per", "acme"), made["topup_id"], approve=True)
    assert (approved["state"], approved["account"]) == ("approved", f"data/{OURS}")


async def test_what_two_providers_share_neither_raises_alone(service):
    for person, dataset in ((provider("pia", "acme"), "joint"), (provider("eve", "rival"), "jointly")):
        await refused(asked(service, person, dataset), "forbidden")


async def test_a_proposal_of_before_an_account_was_shared_is_not_approved(service):
    await service._books.topups.propose("old", "data/people", 5, 0, "more", "rival/eve")
    await refused(service.decide(provider("mal", "rival"), "old", approve=True), "forbidden")
