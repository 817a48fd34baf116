"""Opening a store: its files are its owner's alone, and a refused one leaves nothing open."""

import sqlite3
import threading

import pytest

from gateway.errors import GatewayError
from gateway.store.database import Store


def test_the_state_is_its_owners_alone(tmp_path):
    Store(tmp_path / "state").close()
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "state" / "gateway.sqlite3").stat().st_mode & 0o777 == 0o600


def test_a_refused_schema_leaves_no_thread(tmp_path):
    Store(tmp_path).close()
    connection = sqlite3.connect(tmp_path / "gateway.sqlite3")
    connection.execute("UPDATE schema SET version = 99")
    connection.commit()
    connection.close()
    with pytest.raises(GatewayError, match="schema version 99"):
        Store(tmp_path)
    assert not any(thread.name.startswith("store") for thread in threading.enumerate())
