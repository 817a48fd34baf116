"""Witnesses of a store's log: whose words are kept, and which head a receipt is of."""

import pytest
from support.evidence import evidence_of
from support.receipts import ANSWER, WORD, line_of, open_key_of
from support.stores import Clock, ledger_of, order

from gateway.errors import GatewayError
from gateway.evidence import signing
from gateway.evidence.offline.failure import NotVerified
from gateway.evidence.offline.notes import WITNESS_TYPE, Key
from gateway.evidence.offline.receipts import verify
from gateway.evidence.offline.trust import Trust


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
