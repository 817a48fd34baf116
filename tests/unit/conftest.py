"""Both stores for every test that asks for one."""

import pytest
from support.stores import database

from gateway.store.database import open_store


@pytest.fixture(params=["sqlite", "postgres"])
def store_place(request, tmp_path):
    """Return (folder, address or None) of a fresh store."""
    return tmp_path / "state", database() if request.param == "postgres" else None


@pytest.fixture
async def store(store_place):
    store = await open_store(*store_place)
    yield store
    await store.close()
