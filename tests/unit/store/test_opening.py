"""Opening a store: its files are its owner's alone, its schema is known, and a refused one leaves nothing open."""

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import insert, select, text
from sqlalchemy.exc import OperationalError

from gateway.app.clock import SystemRandomness
from gateway.errors import GatewayError
from gateway.evidence.keys import open_key
from gateway.identity.development import open_secret
from gateway.store import migrate, sqlite
from gateway.store.database import open_store
from gateway.store.tables import facts, metadata
from gateway.store.upsert import upsert


async def test_the_state_is_its_owners_alone(tmp_path):
    await (await open_store(tmp_path / "state")).close()
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "state" / "gateway.sqlite3").stat().st_mode & 0o777 == 0o600


def test_a_secret_is_whole_for_whoever_reads_it_beside_its_writer(tmp_path):
    for number in range(40):
        with ThreadPoolExecutor(8) as pool:
            found = [pool.submit(open_secret, tmp_path, f"{number}.key", SystemRandomness()) for _ in range(8)]
            keys = [pool.submit(open_key, tmp_path, f"{number}.log") for _ in range(8)]
        (secret,) = {one.result() for one in found}
        assert len(secret) == 64
        assert len({one.result().public_key().public_bytes_raw() for one in keys}) == 1
    assert not list(tmp_path.rglob("*.draft"))


async def test_a_store_that_cannot_be_read_is_called_unavailable(store):
    with pytest.raises(GatewayError) as caught:
        await store.read(lambda c: c.execute(text("SELECT nothing FROM nowhere")))
    assert caught.value.code == "store_unavailable"


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


async def test_a_transaction_that_could_not_begin_holds_up_none_that_follows(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite, "BUSY_MS", 20)
    store = await open_store(tmp_path / "state")
    other = sqlite3.connect(tmp_path / "state" / "gateway.sqlite3", isolation_level=None)
    for value in ("1", "2"):

        def write(connection, value=value):
            upsert(connection, facts, [{"name": "x", "value": value}])

        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(GatewayError, match="store_unavailable"):
            await store.run(write)
        other.execute("ROLLBACK")
        await store.run(write)
        assert await store.read(lambda c: c.execute(select(facts.c.value).where(facts.c.name == "x")).scalar()) == value
    other.close()
    await store.close()


async def test_a_reader_cannot_write(store):
    with pytest.raises(Exception, match="(?i)read.?only|unreachable|reached"):
        await store.read(lambda c: c.execute(text("DELETE FROM facts")))


async def test_a_state_that_is_open_to_others_is_tightened(tmp_path, caplog):
    state = tmp_path / "state"
    for made in ("fresh", "used"):
        state.mkdir(mode=0o755, exist_ok=True)
        state.chmod(0o755)
        await (await open_store(state)).close()
        assert state.stat().st_mode & 0o777 == 0o700, made
        assert f"{state} was open to others" in caplog.text
        caplog.clear()
    open_secret(state, "pick.key", SystemRandomness())
    open_key(state)
    for key in (state / "keys").iterdir():
        key.chmod(0o644)
    before = [key.read_text() for key in sorted((state / "keys").iterdir())]
    open_secret(state, "pick.key", SystemRandomness())
    open_key(state)
    assert [key.stat().st_mode & 0o777 for key in (state / "keys").iterdir()] == [0o600, 0o600]
    assert [key.read_text() for key in sorted((state / "keys").iterdir())] == before


async def a_log_key(state):
    open_key(state)


async def a_secret(state):
    open_secret(state, "pick.key", SystemRandomness())


@pytest.mark.parametrize("opened", [open_store, a_log_key, a_secret])
async def test_a_folder_of_something_else_is_left_as_it_is_and_refused_with_the_command(tmp_path, opened):
    state = tmp_path / "home"
    state.mkdir()
    state.chmod(0o755)
    (state / "letter.txt").write_text("not a gateway's")
    with pytest.raises(GatewayError) as caught:
        await opened(state)
    assert caught.value.code == "settings_invalid"
    assert f"chmod 700 {state}" in caught.value.hint
    assert state.stat().st_mode & 0o777 == 0o755
    assert [path.name for path in state.iterdir()] == ["letter.txt"]


async def test_a_folder_that_cannot_be_tightened_is_refused_with_the_command(tmp_path, monkeypatch):
    state = tmp_path / "state"
    state.mkdir()
    state.chmod(0o750)

    def not_ours(path, mode):
        raise PermissionError(1, "not permitted", str(path), mode)

    monkeypatch.setattr(Path, "chmod", not_ours)  # the kernel refuses another's folder; here everything is ours
    with pytest.raises(GatewayError) as caught:
        await open_store(state)
    assert f"chmod 700 {state}" in caught.value.hint


async def test_a_glance_sees_what_is_durable_and_changes_nothing(store):
    async def epoch():
        return await store.glance(lambda c: c.execute(select(facts.c.value).where(facts.c.name == "x")).scalar())

    assert await epoch() is None
    for value in ("1", "2"):
        await store.run(lambda c, value=value: upsert(c, facts, [{"name": "x", "value": value}]))
        assert await epoch() == value
    with pytest.raises(GatewayError, match="store_unavailable"):
        await store.glance(lambda c: c.execute(insert(facts).values(name="y", value="1")))
    assert await epoch() == "2"


async def test_a_glance_that_cannot_be_taken_at_once_is_a_read_like_any_other(tmp_path):
    store = await open_store(tmp_path / "state")
    seen = []

    def held_once(connection):
        seen.append(threading.current_thread().name)
        if len(seen) == 1:
            raise OperationalError("SELECT", (), Exception("database is locked"))
        return connection.execute(text("SELECT 7")).scalar()

    assert await store.glance(held_once) == 7
    assert seen == [threading.current_thread().name, "store-reader_0"]
    with sqlite3.connect(tmp_path / "state" / "gateway.sqlite3") as other:
        other.execute("BEGIN IMMEDIATE")
        assert await store.glance(lambda c: c.execute(text("SELECT 8")).scalar()) == 8, "a writer holds nobody up"
    await store.close()
