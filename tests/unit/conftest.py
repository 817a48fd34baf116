"""Both stores for every test that asks for one."""

import pytest
from support.stores import migrated

from gateway.store.database import open_store


@pytest.fixture(params=["sqlite", "postgres"])
def store_place(request, tmp_path):
    """Return (folder, address or None) of a store that nobody has used."""
    return migrated(tmp_path / "state", request.param)


@pytest.fixture
async def store(store_place):
    store = await open_store(*store_place)
    yield store
    await store.close()
