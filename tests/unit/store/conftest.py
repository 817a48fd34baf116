"""A second store, for what comes back from another."""

import pytest
from support.stores import migrated

from gateway.store.database import open_store


@pytest.fixture(params=["the other kind", pytest.param("the same kind", marks=pytest.mark.long)])
async def fresh(request, store_place, tmp_path):
    """Return a store that nobody has used, of a kind beside that of the first."""
    _, address = store_place
    kind = "sqlite" if (address is None) == (request.param == "the same kind") else "postgres"
    store = await open_store(*migrated(tmp_path / "fresh", kind))
    yield store
    await store.close()
