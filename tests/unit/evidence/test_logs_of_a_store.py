"""A store's own log: its tiles, its growth as a buyer sees it, and all of it, by the offline verifier."""

import copy
import json

import pytest
from support.evidence import ORIGIN, evidence_of
from support.receipts import ANSWER, rotated, trust
from support.stores import Clock, ledger_of, meter_of, order

from gateway.errors import GatewayError
from gateway.evidence import signing
from gateway.evidence.keys import KeyRing
from gateway.evidence.offline.check import Asked, check
from gateway.evidence.offline.failure import NotVerified
from gateway.evidence.offline.receipts import verify
from gateway.evidence.offline.tree import EMPTY_ROOT
from gateway.evidence.offline.trust import Trust
from gateway.store.database import open_store


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
