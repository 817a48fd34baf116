"""Both stores for every test that asks for one."""

import pytest
from support.stores import migrated

from gateway.store.database import open_store

ON_SQLITE = (
    "app/", "cli/", "client/", "evidence/", "ledger/test_accounts.py", "ledger/test_cancelling.py", "ledger/test_cases.py",
    "ledger/test_draws_and_leases.py", "ledger/test_events.py", "ledger/test_failed_queries.py", "ledger/test_freezing.py",
    "ledger/test_limits.py", "ledger/test_members.py", "ledger/test_metered_events.py", "ledger/test_paging.py",
    "ledger/test_registering.py", "ledger/test_repeating.py", "metering/", "pipeline/test_kept_answers.py",
)  # fmt: skip
"""Tests that `make test` has on SQLite alone: others ask of both stores what these ask of theirs."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark `long`, before the marked are left out, what is asked of one store and has PostgreSQL for it."""
    for item in items:
        kind = item.callspec.params.get("store_place") if hasattr(item, "callspec") else None
        if kind == "postgres" and item.nodeid.removeprefix("tests/unit/").startswith(ON_SQLITE):
            item.add_marker(pytest.mark.long)


@pytest.fixture(params=["sqlite", "postgres"])
def store_place(request, tmp_path):
    """Return (folder, address or None) of a store that nobody has used."""
    return migrated(tmp_path / "state", request.param)


@pytest.fixture
async def store(store_place):
    store = await open_store(*store_place)
    yield store
    await store.close()
