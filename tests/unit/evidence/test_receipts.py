"""Receipts: what the offline verifier takes, that it takes nothing that was changed, and whose bytes they are about."""

import base64
import copy
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.receipts import ANSWER, SQL, trust

from gateway.errors import GatewayError
from gateway.evidence import signing
from gateway.evidence.keys import open_key, public_bytes
from gateway.evidence.offline.check import Asked, check
from gateway.evidence.offline.failure import NotVerified
from gateway.evidence.offline.receipts import Opened, verify
from gateway.evidence.offline.tree import leaf_hash
from gateway.evidence.offline.trust import Trust
from gateway.store.tables import queries


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
