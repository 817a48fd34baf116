"""Receipts: what the offline verifier takes, that it takes nothing that was changed, and whose bytes they are about."""

import base64
import copy
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.evidence import ORIGIN, START, evidence_of
from support.stores import Clock, ledger_of, meter_of, order

from gateway.errors import GatewayError
from gateway.evidence import rotation, signing
from gateway.evidence.keys import KeyRing, open_key, public_bytes
from gateway.evidence.offline.check import Asked, check
from gateway.evidence.offline.failure import NotVerified
from gateway.evidence.offline.notes import WITNESS_TYPE, Key
from gateway.evidence.offline.receipts import Opened, verify
from gateway.evidence.offline.tree import EMPTY_ROOT, leaf_hash
from gateway.evidence.offline.trust import Trust
from gateway.ledger.model import Account
from gateway.store.database import open_store
from gateway.store.tables import queries

WIDE = (Account("data/a", 10**6, 10**6),)
SQL = order().sql.encode()
ANSWER = b'{"rows": [[7841]]}'
WITNESS = Ed25519PrivateKey.from_private_bytes(b"w" * 32)
WORD = Key("w.example/1", WITNESS_TYPE, signing.public_bytes(WITNESS))


@pytest.fixture
async def log(store, tmp_path):
    """Return (evidence, store) of four queries: answered, failed, replayed, running; and a refusal, between others."""
    ledger, meter = ledger_of(store, Clock()), meter_of(store, Clock())
    evidence = await evidence_of(store, tmp_path, [WORD])
    await meter.refuse("R1", json.dumps({"dataset": "shop", "organisation": "org", "reason": "no_grant"}))
    for number in (1, 2, 3):
        charge = await ledger.charge(order(number, accounts=WIDE))
        if number == 1:
            await ledger.record(charge, ANSWER, {})
        elif number == 2:
            await ledger.fail(charge, "the engine said no")
    await ledger.replay(order(4), ANSWER)
    return evidence, store


@pytest.fixture
async def receipt(log):
    return await log[0].receipt("Q1", owner=True)


def trust(receipt):
    return Trust((receipt["public_key"],))


async def test_a_receipt_proves_the_charge_and_the_answer(log, receipt):
    proved = verify(receipt, trust(receipt), Opened(SQL, ANSWER))
    assert (proved.query_id, proved.origin, proved.tree_size, proved.log_index) == ("Q1", "gw", 7, 1)
    assert (proved.leaf["kind"], proved.leaf["amount"], proved.outcome["kind"]) == ("charged", "1.50", "answered")
    assert proved.opened == ("sql", "answer")
    assert "Oslo" not in json.dumps(receipt), "no literal of the query"
    assert "7841" not in json.dumps(receipt), "no result"
    assert (proved.signed.known, verify(receipt).signed.known) == (True, False)


async def test_every_decision_has_a_receipt(log):
    kinds = {}
    for query_id in ("Q1", "Q2", "Q3", "Q4"):
        proved = verify(await log[0].receipt(query_id))
        kinds[query_id] = (proved.leaf["kind"], proved.outcome and proved.outcome["kind"])
    assert kinds == {
        "Q1": ("charged", "answered"),
        "Q2": ("charged", "failed"),
        "Q3": ("charged", None),
        "Q4": ("replayed", None),
    }
    with pytest.raises(GatewayError, match="not_found"):
        await log[0].receipt("R1")
    assert verify(await log[0].receipt("R1", any_decision=True)).leaf["reason"] == "no_grant"
    owned = {query_id: await log[0].receipt(query_id) for query_id in ("Q1", "Q2", "Q3", "Q4")}
    await log[1].run(lambda connection: connection.execute(queries.delete()))  # as a restored store may have lost them
    assert owned == {query_id: await log[0].receipt(query_id, any_decision=True) for query_id in owned}
    for absent in ("R2", "", "%", "R_", 'R1"'):
        with pytest.raises(GatewayError, match="not_found"):
            await log[0].receipt(absent, any_decision=True)


async def test_a_free_repeat_commits_to_its_answer_as_well(log):
    repeat = await log[0].receipt("Q4", owner=True)
    assert verify(repeat, opened=Opened(SQL, ANSWER)).opened == ("sql", "answer")
    with pytest.raises(NotVerified, match="another answer"):
        verify(repeat, opened=Opened(answer=ANSWER + b" "))


async def test_the_commitments_are_to_these_bytes_and_no_others(log, receipt):
    assert verify(receipt, opened=Opened(SQL + b"\n", ANSWER + b"\n")).opened == ("sql", "answer")
    for opened, words in (
        (Opened(sql=SQL.replace(b"Oslo", b"Bergen")), "another SQL"),
        (Opened(sql=SQL + b"\n\n"), "another SQL"),
        (Opened(sql=b""), "another SQL"),
        (Opened(answer=ANSWER.replace(b"7841", b"7842")), "another answer"),
        (Opened(answer=SQL), "another answer"),
    ):
        with pytest.raises(NotVerified, match=words):
            verify(receipt, opened=opened)
    with pytest.raises(NotVerified, match="another"):
        verify({**receipt, "salt": "00" * 16}, opened=Opened(SQL))
    with pytest.raises(NotVerified, match="no salt"):
        verify(await log[0].receipt("Q1"), opened=Opened(SQL))
    with pytest.raises(NotVerified, match="no answer"):
        verify(await log[0].receipt("Q2", owner=True), opened=Opened(answer=ANSWER))


async def test_nothing_in_a_receipt_can_be_changed(receipt):
    key = trust(receipt)
    for member in set(receipt) - {"salt"}:
        with pytest.raises(NotVerified):
            verify({name: value for name, value in receipt.items() if name != member}, key)
        with pytest.raises(NotVerified):
            verify({**receipt, member: None if member != "outcome" else []}, key)
    with pytest.raises(NotVerified):
        verify({**receipt, "more": 1}, key)
    for member in ("format", "algorithm", "query_id", "leaf", "checkpoint", "key_name", "public_key"):
        text = receipt[member]
        for place in range(len(text)):
            changed = {**receipt, member: text[:place] + chr(ord(text[place]) ^ 1) + text[place + 1 :]}
            with pytest.raises(NotVerified):
                verify(changed, key)
    for number in ("log_index", "tree_size"):
        for value in (-1, 0, 2, 6, 8, 2**40, "3", 1.0, 7.0, True, None):
            if value == receipt[number] and type(value) is int:
                continue
            with pytest.raises(NotVerified):
                verify({**receipt, number: value}, key)
    for part in (receipt, receipt["outcome"]):
        for place in range(len(part["inclusion_proof"])):
            changed = copy.deepcopy(receipt)
            target = changed if part is receipt else changed["outcome"]
            target["inclusion_proof"][place] = "00" * 32
            with pytest.raises(NotVerified):
                verify(changed, key)
            target["inclusion_proof"][place] = part["inclusion_proof"][place].upper()
            with pytest.raises(NotVerified):
                verify(changed, key)


async def test_the_outcome_is_that_of_the_same_query(log, receipt):
    other = await log[0].receipt("Q2")
    for changed in ({"outcome": other["outcome"]}, {"outcome": {k: other[k] for k in receipt["outcome"]}}):
        with pytest.raises(NotVerified):
            verify({**receipt, **changed})
    mine = {name: receipt[name] for name in receipt["outcome"]}
    with pytest.raises(NotVerified, match="another kind"):
        verify({**receipt, "outcome": mine})
    with pytest.raises(NotVerified, match="another kind"):
        verify({**receipt, **receipt["outcome"], "outcome": None})


async def test_another_key_does_not_verify(receipt, tmp_path):
    other = public_bytes(open_key(tmp_path / "other")).hex()
    with pytest.raises(NotVerified, match="those known"):
        verify(receipt, Trust((other,)))
    with pytest.raises(NotVerified):
        verify({**receipt, "public_key": other})


async def test_a_second_signature_or_a_longer_body_does_not_verify(receipt):
    note = receipt["checkpoint"]
    body, _, signature = note.partition("\n\n")
    again = base64.b64encode(b"\0" * 68).decode()
    for changed in (
        note + signature.replace("gw", "gx"),
        f"{body}\nextension\n\n{signature}",
        note + "\n",
        f"{body}\n\n\u2014 gw {again}\n",
        f"{note}\u2014 gw {again}\n",
        body,
        "",
    ):
        with pytest.raises(NotVerified):
            verify({**receipt, "checkpoint": changed}, trust(receipt))


def test_what_the_log_s_own_key_signed_amiss_does_not_verify():
    """In a log of one leaf the proof is empty and leads to the root from any index: the size alone says which are."""
    key, leaf = Ed25519PrivateKey.generate(), b'{"kind":"charged","query_id":"Q0"}'
    root = base64.b64encode(leaf_hash(leaf)).decode()
    public = public_bytes(key).hex()

    def signed(origin="gw", size="1", **changed):
        body = f"{origin}\n{size}\n{root}\n"
        proved = {"leaf": leaf.decode(), "log_index": 0, "inclusion_proof": []}
        made = {"format": "gateway-receipt/1", "algorithm": "sha256-ed25519", "query_id": "Q0", "outcome": None, **proved,
                "tree_size": 1, "key_name": "gw", "public_key": public, "key_changes": [], "witnesses": []}  # fmt: skip
        return {**made, "checkpoint": signing.note(body, [signing.sign(body, "gw", key)]), **changed}

    assert verify(signed(), Trust((public,))).tree_size == 1
    for amiss in (
        signed(log_index=1),
        signed(log_index=5),
        signed(origin="other"),
        signed(origin="other", key_name="other"),
        signed(size="01"),
        signed(size="1 "),
        signed(size="2"),
    ):
        with pytest.raises(NotVerified):
            verify(amiss, Trust((public,)))


async def test_the_key_is_its_owner_s_alone(tmp_path):
    first, second = open_key(tmp_path), open_key(tmp_path)
    assert public_bytes(first) == public_bytes(second)
    assert (tmp_path / "keys" / "log.key").stat().st_mode & 0o077 == 0


async def test_a_leaf_that_no_bundle_could_hold_is_not_written(log):
    evidence, store = log
    wide = json.dumps({"dataset": "shop", "cells": list(range(15_000))})
    with pytest.raises(GatewayError, match="sql_too_complex"):
        await ledger_of(store, Clock()).replay(order(8, facts=wide), ANSWER)
    assert (await evidence.checkpoint()).splitlines()[1] == "7"


async def test_the_store_s_tiles_are_those_of_the_verifier(log):
    from gateway.evidence.offline import layout
    from gateway.evidence.offline.logs import verify_tiles

    evidence, store = log
    for number in range(10, 270):
        await meter_of(store, Clock()).refuse(f"R{number}", json.dumps({"dataset": "shop", "reason": "no_grant"}))
    found = {tile.path(): await evidence.tile(tile.path()) for tile in layout.tiles_of(267)}
    assert sorted(found) == ["0/000", "0/001.p/11", "1/000.p/1", "entries/000", "entries/001.p/11"]
    key = (await evidence.receipt("Q1"))["public_key"]
    assert verify_tiles(await evidence.checkpoint(), found, Trust((key,))).size == 267
    for path in (
        "0/001",
        "0/001.p/12",
        "1/000",
        "1/000.p/2",
        "2/000.p/1",
        "entries/001.p/12",
        "entries/002.p/1",
        "0/1",
    ):
        with pytest.raises(GatewayError, match="not_found"):
            await evidence.tile(path)


# -- witnesses ------------------------------------------------------------------------------------------------------


def line_of(note, key=WITNESS, name="w.example/1"):
    return signing.cosign(note.rpartition("\n\n")[0] + "\n", name, key, 1_790_000_000)


async def test_a_receipt_is_of_the_head_that_a_witness_signed_where_that_holds_its_leaves(log):
    evidence, store = log
    await evidence.cosign(7, line_of(await evidence.checkpoint()))
    await ledger_of(store, Clock()).replay(order(9), ANSWER)
    held = await evidence.receipt("Q1")
    proved = verify(held, Trust((held["public_key"],), (WORD.vkey(),), 1))
    assert proved.tree_size == 7
    assert [(w.name, w.time_s) for w in proved.signed.witnesses] == [("w.example/1", 1_790_000_000)]
    later = await evidence.receipt("Q9")
    assert verify(later).tree_size == 8
    with pytest.raises(NotVerified, match="0 of the known witnesses"):
        verify(later, Trust((later["public_key"],), (WORD.vkey(),), 1))
    assert (await evidence.witnessed()).splitlines()[1] == "7"
    for place in range(len(held["checkpoint"])):
        note = held["checkpoint"]
        changed = note[:place] + chr(ord(note[place]) ^ 1) + note[place + 1 :]
        with pytest.raises(NotVerified):
            verify({**held, "checkpoint": changed}, Trust((held["public_key"],)))


async def test_only_the_configured_witness_s_own_signature_is_kept(log):
    evidence, _ = log
    note = await evidence.checkpoint()
    good = line_of(note)
    for size, line, code in (
        (7, line_of(note, open_key_of(b"x")), "forbidden"),
        (7, line_of(note, name="w.example/2"), "forbidden"),
        (7, good[:-6] + "AAAA==", "bad_request"),
        (7, good + " ", "bad_request"),
        (7, "", "bad_request"),
        (7, "\u2014 w.example/1 AAAA", "forbidden"),
        (6, good, "bad_request"),
        (8, good, "bad_request"),
        (0, good, "bad_request"),
    ):
        with pytest.raises(GatewayError) as refused:
            await evidence.cosign(size, line)
        assert refused.value.code == code, (size, line)
    with pytest.raises(GatewayError, match="not_found"):
        await evidence.witnessed()
    await evidence.cosign(7, good)
    await evidence.cosign(7, good)
    assert (await evidence.checkpoint()) == note + good + "\n"


async def test_lines_of_witnesses_that_are_configured_no_longer_are_left_out(log, tmp_path):
    evidence, store = log
    await evidence.cosign(7, line_of(await evidence.checkpoint()))
    renewed = Key("w.example/1", WITNESS_TYPE, signing.public_bytes(open_key_of(b"x")))
    for today in ([], [renewed]):
        without = await evidence_of(store, tmp_path, today)
        assert "w.example" not in await without.checkpoint()
        assert verify(await without.receipt("Q1")).tree_size == 7
    with pytest.raises(GatewayError, match="not_found"):
        await (await evidence_of(store, tmp_path)).witnessed()


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


def open_key_of(byte):
    return Ed25519PrivateKey.from_private_bytes(byte * 32)


# -- keys over time -------------------------------------------------------------------------------------------------


async def rotated(store, folder):
    return await rotation.rotate(store, KeyRing(folder), ORIGIN, START)


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


# -- as a buyer has it ----------------------------------------------------------------------------------------------


async def test_a_receipt_in_a_file(receipt, tmp_path):
    path = tmp_path / "receipt.json"
    path.write_text(json.dumps(receipt, indent=2))
    said = check(Asked(path, trust(receipt), Opened(SQL, ANSWER)))
    assert said == [
        "the receipt verifies: query Q1 is in the log gw of 7 leaves",
        "signed by the key that you named, or one that follows it",
        "leaf 1: charged at 2026-11-24T12:00:00.000000Z for 1.50 CNY",
        "its outcome: answered at 2026-11-24T12:00:00.000000Z",
        "the SQL is the one committed to",
        "the answer is the one committed to",
    ]
    with pytest.raises(NotVerified, match="since=7"):
        check(Asked(path, trust(receipt), since=receipt["checkpoint"]))
    path.write_text(json.dumps(receipt)[:-1] + ', "leaf": "{}"}')
    with pytest.raises(NotVerified, match="not one JSON object"):
        check(Asked(path, trust(receipt)))


async def test_a_buyer_sees_that_the_log_extends_what_it_kept(log, tmp_path):
    evidence, store = log
    meter = meter_of(store, Clock())
    kept = {7: await evidence.checkpoint()}
    for size in range(8, 14):
        await meter.refuse(f"R{size}", json.dumps({"dataset": "shop", "reason": "no_grant"}))
        kept[size] = await evidence.checkpoint()
    path = tmp_path / "receipt.json"
    for size, checkpoint in kept.items():
        made = await evidence.receipt("Q1", since=size)
        assert verify(made, trust(made), since=checkpoint).since == size
        path.write_text(json.dumps(made))
        assert (
            f"extends the earlier checkpoint of {size} leaves" in check(Asked(path, trust(made), since=checkpoint))[-1]
        )
        assert verify(made, trust(made)).since is None, "nobody asked"
        for place in range(len(made["extends"]["consistency_proof"])):
            changed = copy.deepcopy(made)
            changed["extends"]["consistency_proof"][place] = "00" * 32
            with pytest.raises(NotVerified, match="forked"):
                verify(changed, since=checkpoint)
    assert verify(await evidence.receipt("Q1"), since=_signed(tmp_path, 0, EMPTY_ROOT)).since == 0
    made = await evidence.receipt("Q1", since=9)
    for since, match in (
        (kept[8], "since=8"),
        (_signed(tmp_path, 9, b"f" * 32), "forked"),
        (_signed(tmp_path, 14, b"f" * 32), "rolled back"),
        (_signed(tmp_path, 9, b"f" * 32, "other"), "another"),
    ):
        with pytest.raises(NotVerified, match=match):
            verify(made, since=since)
    for bad in (None, {"tree_size": 9}, {"tree_size": True, "consistency_proof": []},
                {"tree_size": 9, "consistency_proof": "ab"}, {"tree_size": 9, "consistency_proof": ["AB"]}):  # fmt: skip
        with pytest.raises(NotVerified):
            verify({**made, "extends": bad})
    for size in (0, -1, 14):
        with pytest.raises(GatewayError, match="bad_request"):
            await evidence.receipt("Q1", since=size)


def _signed(folder, size, root, origin=ORIGIN):
    body = signing.body(origin, size, root)
    return signing.note(body, [signing.sign(body, origin, KeyRing(folder).keys().current)])


async def test_a_whole_log_of_the_store_verifies(log, tmp_path):
    from gateway.evidence.offline.logs import verify_lines, write_lines

    evidence, store = log
    before = await evidence.checkpoint()
    first = KeyRing(tmp_path).keys().public.hex()
    await rotated(store, tmp_path)
    note, public, words, leaves = await evidence.whole()
    found = verify_lines(write_lines(note, public, words, leaves), Trust((first,)), before)
    assert found.kinds == {"refused": 1, "charged": 3, "answered": 1, "failed": 1, "replayed": 1, "key": 1}
    assert (found.size, found.since) == (8, 7)


async def test_two_processes_of_one_store_sign_the_same_head(tmp_path):
    stores = [await open_store(tmp_path), await open_store(tmp_path)]
    notes = [await (await evidence_of(store, tmp_path)).checkpoint() for store in stores]
    assert notes[0] == notes[1]
    for store in stores:
        await store.close()


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
