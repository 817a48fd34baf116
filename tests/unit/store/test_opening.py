"""Opening a store: its files are its owner's alone, and a refused one leaves nothing open."""

import sqlite3
import threading
from pathlib import Path

import pytest

from gateway.app.clock import SystemRandomness
from gateway.errors import GatewayError
from gateway.evidence.keys import open_key
from gateway.identity.development import open_secret
from gateway.store.database import Store


def test_the_state_is_its_owners_alone(tmp_path):
    Store(tmp_path / "state").close()
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "state" / "gateway.sqlite3").stat().st_mode & 0o777 == 0o600


def test_a_state_that_is_open_to_others_is_tightened(tmp_path, caplog):
    state = tmp_path / "state"
    for made in ("fresh", "used"):
        state.mkdir(mode=0o755, exist_ok=True)
        state.chmod(0o755)
        Store(state).close()
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


@pytest.mark.parametrize("opened", [Store, open_key, lambda state: open_secret(state, "pick.key", SystemRandomness())])
def test_a_folder_of_something_else_is_left_as_it_is_and_refused_with_the_command(tmp_path, opened):
    state = tmp_path / "home"
    state.mkdir()
    state.chmod(0o755)
    (state / "letter.txt").write_text("not a gateway's")
    with pytest.raises(GatewayError) as caught:
        opened(state)
    assert caught.value.code == "settings_invalid"
    assert f"chmod 700 {state}" in caught.value.hint
    assert state.stat().st_mode & 0o777 == 0o755
    assert [path.name for path in state.iterdir()] == ["letter.txt"]


def test_a_folder_that_cannot_be_tightened_is_refused_with_the_command(tmp_path, monkeypatch):
    state = tmp_path / "state"
    state.mkdir()
    state.chmod(0o750)

    def not_ours(path, mode):
        raise PermissionError(1, "not permitted", str(path), mode)

    monkeypatch.setattr(Path, "chmod", not_ours)  # the kernel refuses another's folder; here everything is ours
    with pytest.raises(GatewayError) as caught:
        Store(state)
    assert f"chmod 700 {state}" in caught.value.hint


def test_a_refused_schema_leaves_no_thread(tmp_path):
    Store(tmp_path).close()
    connection = sqlite3.connect(tmp_path / "gateway.sqlite3")
    connection.execute("UPDATE schema SET version = 99")
    connection.commit()
    connection.close()
    with pytest.raises(GatewayError, match="schema version 99"):
        Store(tmp_path)
    assert not any(thread.name.startswith("store") for thread in threading.enumerate())
