"""Receipts: what the offline verifier takes, and that it takes nothing that was changed."""

import base64
import copy
import json

import pytest

from gateway.evidence.keys import open_key, public_bytes
from gateway.evidence.offline.failure import NotVerified
from gateway.evidence.offline.receipts import verify
from gateway.evidence.receipts import Evidence
from gateway.store import log
from gateway.store.database import Store
from gateway.store.tables import queries


@pytest.fixture
async def receipt(tmp_path):
    store = Store(tmp_path / "state")

    def work(connection):
        for number in range(7):
            index, leaf_hash = log.append(connection, json.dumps({"query_id": f"Q{number}", "rho": 5}).encode())
            columns = dict.fromkeys((c.name for c in queries.columns if c.name not in ("answer", "note")), "x")
            numbers = {"fence": 1, "lease_until_us": 0, "charged_at_us": 0, "log_index": index}
            values = {
                **columns,
                **numbers,
                "query_id": f"Q{number}",
                "idempotency_key": str(number),
                "leaf_hash": leaf_hash,
            }
            connection.execute(queries.insert().values(**values))

    await store.run(work)
    made = await Evidence(store, open_key(tmp_path / "state"), "gw").receipt("Q3")
    store.close()
    return made


async def test_a_receipt_verifies_and_says_what_it_proves(receipt):
    proved = verify(receipt, receipt["public_key"])
    assert (proved.query_id, proved.origin, proved.tree_size, proved.leaf["rho"]) == ("Q3", "gw", 7, 5)


async def test_nothing_in_a_receipt_can_be_changed(receipt):
    key = receipt["public_key"]
    for member in ("query_id", "leaf", "log_index", "tree_size", "inclusion_proof", "checkpoint", "key_name"):
        without = {name: value for name, value in receipt.items() if name != member}
        with pytest.raises(NotVerified):
            verify(without, key)
    for member in ("query_id", "leaf", "checkpoint", "key_name"):
        text = receipt[member]
        for place in range(len(text)):
            changed = {**receipt, member: text[:place] + chr(ord(text[place]) ^ 1) + text[place + 1 :]}
            with pytest.raises(NotVerified):
                verify(changed, key)
    for number in ("log_index", "tree_size"):
        for value in (-1, 0, 2, 6, 8, 2**40, "3", 3.0, True, None):
            if value == receipt[number] and type(value) is int:
                continue
            with pytest.raises(NotVerified):
                verify({**receipt, number: value}, key)
    for place in range(len(receipt["inclusion_proof"])):
        changed = copy.deepcopy(receipt)
        changed["inclusion_proof"][place] = "00" * 32
        with pytest.raises(NotVerified):
            verify(changed, key)


async def test_another_key_does_not_verify(receipt, tmp_path):
    other = public_bytes(open_key(tmp_path / "other")).hex()
    with pytest.raises(NotVerified, match="another key"):
        verify(receipt, other)
    with pytest.raises(NotVerified):
        verify({**receipt, "public_key": other})


async def test_a_second_signature_or_a_longer_body_does_not_verify(receipt):
    key, note = receipt["public_key"], receipt["checkpoint"]
    body, _, signature = note.partition("\n\n")
    again = base64.b64encode(b"\0" * 68).decode()
    for changed in (
        note + signature,
        f"{body}\nextension\n\n{signature}",
        note + "\n",
        f"{body}\n\n\u2014 gw {again}\n",
        body,
        "",
    ):
        with pytest.raises(NotVerified):
            verify({**receipt, "checkpoint": changed}, key)


async def test_the_key_is_its_owner_s_alone(tmp_path):
    first, second = open_key(tmp_path), open_key(tmp_path)
    assert public_bytes(first) == public_bytes(second)
    assert (tmp_path / "keys" / "log.key").stat().st_mode & 0o077 == 0
