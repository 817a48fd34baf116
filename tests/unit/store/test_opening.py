"""Opening a store: its files are its owner's alone, its schema is known, and a refused one leaves nothing open."""

import threading

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from gateway.errors import GatewayError
from gateway.store import migrate
from gateway.store.database import open_store
from gateway.store.tables import metadata


async def test_the_state_is_its_owners_alone(tmp_path):
    await (await open_store(tmp_path / "state")).close()
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "state" / "gateway.sqlite3").stat().st_mode & 0o777 == 0o600


async def test_the_migrations_make_the_tables(store):
    def differences(connection):
        return compare_metadata(MigrationContext.configure(connection), metadata)

    assert await store.read(differences) == []


def store_threads():
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("store")]


async def test_an_unknown_revision_is_refused_and_leaves_no_thread(store, store_place):
    await store.run(lambda c: c.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    before = store_threads()
    with pytest.raises(GatewayError, match="9999") as caught:
        await open_store(*store_place)
    assert caught.value.code == "store_outdated"
    assert store_threads() == before


async def test_an_older_store_waits_for_the_operator(store, store_place, monkeypatch):
    monkeypatch.setattr(migrate, "newest", lambda: "9999")
    with pytest.raises(GatewayError, match="needs 9999") as caught:
        await open_store(*store_place)
    assert "store migrate" in caught.value.hint
    await (await open_store(*store_place, migrate=True)).close()


async def test_a_database_of_something_else_is_left_alone(store, store_place):
    await store.run(lambda c: c.execute(text("DROP TABLE alembic_version")))
    with pytest.raises(GatewayError, match="not the gateway's"):
        await open_store(*store_place)


@pytest.mark.parametrize("url", ["nonsense", "mysql://h/d", "sqlite:///x"])
async def test_an_address_that_is_none(tmp_path, url):
    with pytest.raises(GatewayError) as caught:
        await open_store(tmp_path, url)
    assert caught.value.code == "settings_invalid"


async def test_a_database_that_is_away_says_so_without_its_address(tmp_path):
    with pytest.raises(GatewayError) as caught:
        await open_store(tmp_path, "postgresql://someone:secret@127.0.0.1:1/nothing")
    assert caught.value.code == "store_unavailable"
    assert "secret" not in str(caught.value)


async def test_a_work_that_raises_is_undone_and_its_error_is_its_own(store):
    def insert(name):
        return lambda c: c.execute(text("INSERT INTO facts (name, value) VALUES (:n, 'v')"), {"n": name})

    await store.run(insert("a"))
    with pytest.raises(Exception, match="(?i)unique"):
        await store.run(insert("a"))
    await store.run(insert("b"))
    names = await store.read(lambda c: list(c.execute(text("SELECT name FROM facts ORDER BY name")).scalars()))
    assert names == ["a", "b"]


async def test_a_reader_cannot_write(store):
    with pytest.raises(Exception, match="(?i)read.?only|unreachable|reached"):
        await store.read(lambda c: c.execute(text("DELETE FROM facts")))
