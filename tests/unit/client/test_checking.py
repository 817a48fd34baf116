"""What a receipt has to prove as it arrives, and what is kept of a log: a change anywhere is noticed."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.clients import PRICE, PRIVACY, SALT, SQL, Told, document

from gateway.client.errors import GatewayError, ReceiptError
from gateway.client.kept import Kept
from gateway.client.receipts import Witnessed, checked
from gateway.evidence import signing
from gateway.evidence.offline.notes import WITNESS_TYPE, Key
from gateway.ledger.sealing import commitment

NOBODY = Witnessed()


def take(told, body, query_id="Q1", kept=None, *, sql=SQL, receipt=None, to=NOBODY):
    """Check a receipt as it arrives, asked for from what was seen before."""
    kept = kept or Kept()
    seen = kept.seen()
    sent = json.dumps(receipt or told.receipt(query_id, seen.size)).encode()
    return checked(sql, body, json.loads(body), sent, kept, seen, to)


def test_a_receipt_that_holds():
    told = Told()
    found = take(told, told.answers_one())
    assert (found.query_id, found.origin, found.log_index, found.tree_size) == ("Q1", "gw", 1, 3)
    assert str(found.charged) == "rho 0.02, delta 0, 4.50 CNY"
    free = take(told, told.replays_one("Q2"), "Q2")
    assert str(free.charged) == "rho 0, delta 0, 0 CNY"


def test_an_answer_that_is_not_the_one_committed_to():
    told = Told()
    body = told.answers_one()
    for changed in (body.replace(b"7", b"8", 1), body + b" "):
        with pytest.raises(ReceiptError, match="another answer") as caught:
            take(told, changed)
        assert (caught.value.answer, caught.value.receipt) == (changed, told.receipt() | caught.value.receipt)
    with pytest.raises(ReceiptError, match="another SQL"):
        take(told, body, sql=SQL + " ")
    with pytest.raises(ReceiptError, match="salt"):
        take(told, body, receipt={name: value for name, value in told.receipt().items() if name != "salt"})


def test_every_member_of_a_receipt_counts():
    told = Told()
    body = told.answers_one()
    for name, value in told.receipt().items():
        for other in (None, "x", 7, [], {}, not value):
            if other == value:
                continue
            with pytest.raises(ReceiptError):
                take(told, body, receipt={**told.receipt(), name: other})


@pytest.mark.parametrize(
    ("changed", "words"),
    [({"price": {**PRICE, "amount": "4.60"}}, "another price"), ({"price": {**PRICE, "currency": "EUR"}}, "another price"),
     ({"privacy": {**PRIVACY, "rho": 0.01}}, "another privacy cost"), ({"privacy": {**PRIVACY, "delta": 1e-9}}, "another privacy cost"),
     ({"price": {}}, "not well formed"), ({"price": {**PRICE, "amount": "x"}}, "not well formed"), ({"privacy": None}, "not well formed")],
)  # fmt: skip
def test_a_cost_that_the_log_does_not_tell_is_noticed_though_it_was_committed_to(changed, words):
    told = Told()
    with pytest.raises(ReceiptError, match=words):
        take(told, told.answers_one(**changed))


def test_an_answer_that_names_another_leaf_or_another_query():
    told = Told()
    told.answers_one("Q1")
    second = json.loads(told.answers_one("Q2"))
    body = json.dumps({**second, "query_id": "Q1"}).encode()
    with pytest.raises(ReceiptError, match="another answer"):
        take(told, body, "Q1")
    with pytest.raises(ReceiptError, match="another answer"):
        take(told, body, "Q2")
    told = Told()
    told.answers_one("Q1")
    _commit_to(told, lying := json.dumps({**second, "query_id": "Q9"}).encode())
    with pytest.raises(ReceiptError, match="another query"):
        take(told, lying)
    for named in (None, {"log_index": 1, "leaf": "x"}):
        told = Told()
        told.answers_one()
        _commit_to(told, lying := json.dumps(document(receipt=named)).encode())
        with pytest.raises(ReceiptError, match="another leaf|it was charged"):
            take(told, lying)


def _commit_to(told, body):
    """Have the log commit to an answer that is not the one it charged for."""
    leaf = json.loads(told.log.leaves[2])
    told.log.leaves[2] = json.dumps({**leaf, "answer": commitment(SALT, body)}).encode()


def test_the_first_key_is_trusted_and_another_is_noticed():
    told, kept = Told(), Kept()
    assert take(told, told.answers_one(), kept=kept).first_use
    other = Told()
    with pytest.raises(ReceiptError, match="another name or key"):
        take(other, other.answers_one(), kept=kept)


def test_a_key_that_was_given_is_the_only_one_trusted():
    told, other = Told(), Told()
    kept = Kept((told.log.public,))
    with pytest.raises(ReceiptError, match="another name or key"):
        take(other, other.answers_one(), kept=kept)
    assert not take(told, told.answers_one(), kept=kept).first_use


def test_a_log_that_was_rolled_back_or_forked_is_noticed():
    key = Ed25519PrivateKey.generate()
    told, kept = Told(key), Kept()
    told.answers_one("Q1")
    take(told, told.answers_one("Q2"), "Q2", kept)
    assert kept.seen().size == 5
    shorter = Told(key)
    body = shorter.answers_one()
    with pytest.raises(ReceiptError, match="rolled back"):
        take(shorter, body, kept=kept, receipt=shorter.receipt())
    forked = Told(key, leaves=(b'{"kind":"other"}',))
    forked.answers_one("Q1")
    forked.answers_one("Q2")
    with pytest.raises(ReceiptError, match="forked"):
        take(forked, forked.answers_one("Q3"), "Q3", kept)
    assert take(told, told.answers_one("Q3"), "Q3", kept).since == 5


def test_witnesses_that_must_have_signed():
    told, signer = Told(), Ed25519PrivateKey.generate()
    word = Key("w.example/1", WITNESS_TYPE, signing.public_bytes(signer)).vkey()
    body = told.answers_one()
    with pytest.raises(ReceiptError, match="0 of the known witnesses"):
        take(told, body, to=Witnessed((word,), 1))
    told.log.witnesses.append(("w.example/1", signer))
    assert take(told, body, to=Witnessed((word,), 1)) is not None


def test_what_was_seen_is_kept_from_one_run_to_the_next(tmp_path):
    path, told = tmp_path / "kept.json", Told()
    take(told, told.answers_one(), kept=Kept(path=path))
    assert json.loads(path.read_text()) == {"keys": [told.log.public], "checkpoint": told.log.note(3)}
    assert take(told, told.answers_one("Q2"), "Q2", Kept(path=path)).since == 3
    other = Told()
    with pytest.raises(ReceiptError, match="another name or key"):
        take(other, other.answers_one(), kept=Kept(path=path), receipt=other.receipt())
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "content", ["", "[]", '{"keys": []}', '{"keys": [1], "checkpoint": "x"}', '{"keys": [], "checkpoint": null}']
)
def test_a_file_that_holds_something_else_is_refused(tmp_path, content):
    path = tmp_path / "kept.json"
    path.write_text(content)
    with pytest.raises(GatewayError, match="holds no keys and checkpoint"):
        Kept(path=path).seen()


def test_a_file_that_cannot_be_written_is_told(tmp_path):
    told = Told()
    with pytest.raises(GatewayError, match="cannot be kept"):
        take(told, told.answers_one(), kept=Kept(path=tmp_path / "absent" / "kept.json"))


def test_a_second_first_receipt_under_another_key_is_not_kept():
    told, other, kept = Told(), Told(), Kept()
    seen = kept.seen()
    take(told, told.answers_one(), kept=kept)
    body, receipt = other.answers_one(), other.receipt()
    assert checked(SQL, body, json.loads(body), json.dumps(receipt).encode(), kept, seen, NOBODY) is None
    assert kept.seen().keys == (told.log.public,)
