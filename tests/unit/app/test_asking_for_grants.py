"""Names of datasets are tried out, and keys registered, no faster than anything else that is free."""

import asyncio
from dataclasses import replace
from types import SimpleNamespace

import pytest
from support.grants import Signer
from support.shop import CALLER, NOW

from gateway.app.granting import GrantService
from gateway.app.signing_keys import KeyService
from gateway.errors import GatewayError
from gateway.ledger.signing_keys import SigningKeys
from gateway.ports import FixedClock
from gateway.store.database import open_store


class Pace:
    """A minute that holds two decisions."""

    def __init__(self):
        self.counted = 0

    def admit(self, _caller):
        if self.counted >= 2:
            raise GatewayError("too_many_requests", "No more.", "Later.")

    async def count(self, _caller):
        self.counted += 1

    async def take(self, caller):
        self.admit(caller)
        await self.count(caller)


async def test_a_name_that_is_not_served_counts_as_a_decision():
    books = SimpleNamespace(grants=None, keys=None, crossings=None)
    service = GrantService(books, dict, "gw", lambda: "G1", FixedClock(NOW), Pace())
    codes = []
    for name in ("a", "b", "c"):
        with pytest.raises(GatewayError) as caught:
            await service.request(CALLER, name, "a study", {})
        codes.append(caught.value.code)
    assert codes == ["unknown_dataset", "unknown_dataset", "too_many_requests"]


async def test_keys_are_registered_no_faster_than_anything_else_that_is_free(tmp_path):
    store = await open_store(tmp_path / "state")
    keys, provider = SigningKeys(store, FixedClock(NOW)), replace(CALLER, roles=frozenset({"provider"}))
    service = KeyService(keys, Pace())
    try:
        sent = [service.register(provider, Signer(seed).public.hex()) for seed in (1, 2, 3)]
        first, second, third = await asyncio.gather(*sent, return_exceptions=True)
        assert (first["state"], second["state"], third.code) == ("registered", "registered", "too_many_requests")
        assert {one.key_id for one in await keys.of(None)} == {Signer(1).key_id, Signer(2).key_id}
    finally:
        await store.close()
