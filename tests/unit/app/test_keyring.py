"""Replicas of one store share their secrets, or do not start."""

import shutil

import pytest

from gateway.app.keyring import SHARED, hold_keys
from gateway.errors import GatewayError
from gateway.settings import Settings


async def test_a_replica_with_the_same_keys_starts(store, tmp_path):
    first = tmp_path / "first"
    await hold_keys(store, Settings(state=first))
    await hold_keys(store, Settings(state=first))
    shutil.copytree(first, tmp_path / "second", copy_function=shutil.copy2)
    await hold_keys(store, Settings(state=tmp_path / "second"))


@pytest.mark.parametrize("name", SHARED)
async def test_a_replica_with_another_key_does_not(store, tmp_path, name):
    first, second = tmp_path / "first", tmp_path / "second"
    await hold_keys(store, Settings(state=first))
    shutil.copytree(first, second, copy_function=shutil.copy2)
    secret = (first / "keys" / name).read_text()
    (second / "keys" / name).write_text("0" * len(secret))
    with pytest.raises(GatewayError) as caught:
        await hold_keys(store, Settings(state=second))
    assert caught.value.code == "settings_invalid"
    assert name in caught.value.detail
    assert secret not in f"{caught.value.detail}{caught.value.hint}"
    await hold_keys(store, Settings(state=first))  # what was refused changed nothing
