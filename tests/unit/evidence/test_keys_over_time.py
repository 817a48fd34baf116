"""Keys of a store's log over time: each follows the one that is known, and a rotation is whole or finished later."""

import copy
import json

import pytest
from support.evidence import ORIGIN, evidence_of
from support.receipts import open_key_of, rotated

from gateway.errors import GatewayError
from gateway.evidence import rotation, signing
from gateway.evidence.keys import KeyRing, open_key, public_bytes
from gateway.evidence.offline.failure import NotVerified
from gateway.evidence.offline.receipts import verify
from gateway.evidence.offline.trust import Trust


async def test_the_key_is_its_owner_s_alone(tmp_path):
    first, second = open_key(tmp_path), open_key(tmp_path)
    assert public_bytes(first) == public_bytes(second)
    assert (tmp_path / "keys" / "log.key").stat().st_mode & 0o077 == 0


async def test_a_receipt_in_the_middle_of_a_rotation_verifies(log, tmp_path, monkeypatch):
    evidence, store = log
    first = KeyRing(tmp_path).keys().public.hex()
    with monkeypatch.context() as patch:
        patch.setattr(KeyRing, "turn", lambda _: None)
        second, _ = await rotated(store, tmp_path)
    held = await evidence.receipt("Q1")
    assert held["public_key"] == first
    assert verify(held, Trust((first,))).tree_size == 8
    assert verify(held).tree_size == 8
    with pytest.raises(NotVerified, match="those known"):
        verify(held, Trust((second,)))


async def test_a_key_is_followed_from_the_one_that_is_known(log, tmp_path):
    evidence, store = log
    first = (await evidence.receipt("Q1"))["public_key"]
    second, index = await rotated(store, tmp_path)
    assert index == 7
    both = await evidence.receipt("Q1")
    assert both["public_key"] == second
    assert len(both["checkpoint"].splitlines()) == 6, "two signatures"
    third, _ = await rotated(store, tmp_path)
    assert KeyRing(tmp_path).retire()
    assert not KeyRing(tmp_path).retire()
    latest = await evidence.receipt("Q1")
    assert len(latest["checkpoint"].splitlines()) == 5, "one signature"
    for receipt, keys in ((both, (first, second)), (latest, (first, second, third))):
        for key in keys:
            assert verify(receipt, Trust((key,))).signed.known
    with pytest.raises(NotVerified):
        verify(both, Trust((third,)))
    for place in range(2):
        for part in ("leaf", "log_index", "inclusion_proof"):
            changed = copy.deepcopy(latest)
            changed["key_changes"][place][part] = changed["key_changes"][1 - place][part]
            with pytest.raises(NotVerified):
                verify(changed, Trust((first,)))
    with pytest.raises(NotVerified):
        verify({**latest, "key_changes": latest["key_changes"][1:]}, Trust((first,)))


async def test_a_key_s_leaf_that_the_earlier_key_did_not_sign_is_no_step(log, tmp_path):
    from support.evidence import Log

    from gateway.evidence.offline.keychain import statement
    from gateway.evidence.offline.logs import verify_lines

    old, new = open_key_of(b"o"), open_key_of(b"n")
    olds, news = signing.public_bytes(old), signing.public_bytes(new)
    said = statement("gw", "sha256-ed25519", olds, news)
    good = {"algorithm": "sha256-ed25519", "kind": "key", "origin": "gw", "public_key": news.hex(),
            "replaces": olds.hex(), "signature": old.sign(said).hex()}  # fmt: skip

    def log_of(**changed):
        return Log([json.dumps({**good, **changed}, sort_keys=True, separators=(",", ":")).encode()], new).lines()

    assert verify_lines(log_of(), Trust((olds.hex(),))).size == 1
    for changed in (
        {"signature": new.sign(said).hex()},
        {"signature": good["signature"][:-2]},
        {"origin": "other"},
        {"algorithm": "sm3-sm2"},
        {"public_key": olds.hex()},
        {"replaces": news.hex()},
        {"replaces": "zz" * 32},
        {"public_key": None},
    ):
        with pytest.raises(NotVerified):
            verify_lines(log_of(**changed), Trust((olds.hex(),)))
        with pytest.raises(NotVerified):
            verify_lines(log_of(**changed), Trust())


@pytest.mark.parametrize("cut", ["before the leaf", "before the turn", "within the turn"])
async def test_a_rotation_that_was_cut_off_is_finished(store, tmp_path, cut, monkeypatch):
    await evidence_of(store, tmp_path)
    first = KeyRing(tmp_path).keys().public.hex()
    with monkeypatch.context() as patch:
        if cut == "before the leaf":
            patch.setattr(rotation.leaves, "append", lambda *_: 1 / 0)
        elif cut == "before the turn":
            patch.setattr(KeyRing, "turn", lambda _: 1 / 0)
        else:
            patch.setattr("pathlib.Path.replace", _not_next)
        with pytest.raises(ZeroDivisionError):
            await rotated(store, tmp_path)
    begun = public_bytes(open_key(tmp_path, "log.next.key")).hex()
    if cut == "before the leaf":
        assert KeyRing(tmp_path).keys().public.hex() == first
        assert (await rotated(store, tmp_path))[0] == begun
    evidence = await evidence_of(store, tmp_path)  # as the next start does
    assert KeyRing(tmp_path).keys().public.hex() == begun
    assert not (tmp_path / "keys" / "log.next.key").exists()
    assert public_bytes(KeyRing(tmp_path).keys().previous).hex() == first
    _, public, _, leaves = await evidence.whole()
    assert (public, len(leaves)) == (begun, 1)


def _not_next(path, target):
    import os

    if path.name == "log.next.key":
        raise ZeroDivisionError
    os.replace(path, target)
    return target


async def test_a_store_keeps_its_log_s_name_and_key(store, tmp_path):
    await evidence_of(store, tmp_path)
    with pytest.raises(GatewayError, match="settings_invalid"):
        await evidence_of(store, tmp_path / "elsewhere")
    with pytest.raises(GatewayError, match="named 'gw'"):
        await evidence_of(store, tmp_path, origin="other")
    for name in ("", "two words", "a+b", "a\u00a0b", "a\nb"):
        with pytest.raises(GatewayError, match="settings_invalid"):
            await evidence_of(store, tmp_path / "fresh", origin=name)


async def test_a_store_that_caught_up_from_its_leaves_knows_its_latest_key(log, tmp_path):
    from gateway.evidence import facts

    _, store = log
    before = await store.read(facts.read)
    assert await store.read(lambda c: facts.found(c, ORIGIN)) is None
    await rotated(store, tmp_path)
    second, _ = await rotated(store, tmp_path)
    await store.run(lambda connection: facts.write(connection, before))  # as a backup from before has it
    again = await evidence_of(store, tmp_path)
    assert (await store.read(facts.read)).changes == (7, 8)
    assert verify(await again.receipt("Q1"), Trust((before.public_key,))).tree_size == 9
    assert (await again.receipt("Q1"))["public_key"] == second


async def test_two_rotations_at_once_are_one(store, tmp_path, monkeypatch):
    await evidence_of(store, tmp_path)
    settled = rotation.settle

    async def overtaken(*known):
        await settled(*known)
        monkeypatch.setattr(rotation, "settle", settled)
        with monkeypatch.context() as patch:
            patch.setattr(KeyRing, "turn", lambda _: None)
            await rotated(store, tmp_path)

    monkeypatch.setattr(rotation, "settle", overtaken)
    with pytest.raises(GatewayError, match="Another rotation"):
        await rotated(store, tmp_path)
    _, _, _, leaves = await (await evidence_of(store, tmp_path)).whole()
    assert len(leaves) == 1
    KeyRing(tmp_path).turn()  # there is nothing to turn


async def test_a_key_file_that_is_none_is_named(tmp_path):
    ring = KeyRing(tmp_path)
    ring.path("log.key").write_text("no key")
    with pytest.raises(GatewayError, match=r"log\.key is no key"):
        ring.keys()
