"""A grant is verified without a gateway: any change of terms, key or signature is told, and so is what has no effect."""

import base64
import json

import pytest
from support.grants import Signer

from gateway.evidence.offline.check import Asked, check
from gateway.evidence.offline.failure import NotVerified
from gateway.evidence.offline.grants import MEMBERS, PREFIX, digest, key_id, signed_bytes
from gateway.evidence.offline.receipts import Opened
from gateway.evidence.offline.trust import Trust

SIGNER = Signer()
TERMS = dict.fromkeys(MEMBERS) | {
    "gateway": "gw", "grant": "G1", "provider": "acme", "dataset": "shop", "organisation": "org", "uses": 5,
    "mode": "authorised", "purposes": ["研究"], "jurisdictions": [], "at_once": 16, "key": SIGNER.key_id,
}  # fmt: skip
GRANT = {
    "grant_id": "G1", "provider": "acme", "dataset": "shop", "organisation": "org", "state": "granted",
    "terms": TERMS, "signature": SIGNER.sign(TERMS), "digest": digest(TERMS),
    "key": {"key_id": SIGNER.key_id, "public_key": SIGNER.public.hex()},
}  # fmt: skip


def said(tmp_path, grant, *keys, **known):
    path = tmp_path / "grant.json"
    path.write_text(json.dumps(grant))
    return check(Asked(path, Trust(keys, **known)))


def test_the_signed_bytes_are_the_prefix_and_the_canonical_terms():
    shuffled = {name: TERMS[name] for name in reversed(TERMS)}
    assert signed_bytes(shuffled) == signed_bytes(TERMS)
    assert signed_bytes({"b": 1, "a": "é"}) == PREFIX + b'{"a":"\xc3\xa9","b":1}'
    assert PREFIX.endswith(b"v1\n")


def test_a_grant_verifies_by_the_key_that_is_known_and_by_its_own(tmp_path):
    lines = said(tmp_path, GRANT, SIGNER.public.hex())
    assert lines[0] == "the grant verifies: G1 on shop by acme to org"
    assert "that you named" in lines[1]
    assert lines[2] == f"terms {digest(TERMS)}"
    assert "uses: 5" in lines
    assert 'purposes: ["研究"]' in lines
    assert "names itself" in said(tmp_path, GRANT)[1]


@pytest.mark.parametrize("member", MEMBERS)
def test_every_changed_member_is_told(tmp_path, member):
    terms = TERMS | {member: 7 if TERMS[member] != 7 else 8}
    with pytest.raises(NotVerified):
        said(tmp_path, GRANT | {"terms": terms, "digest": digest(terms)})
    lacking = {name: value for name, value in TERMS.items() if name != member}
    with pytest.raises(NotVerified, match="members"):
        said(tmp_path, GRANT | {"terms": lacking})


def test_every_changed_byte_of_the_signature_is_told(tmp_path):
    raw = base64.b64decode(GRANT["signature"])
    for index in range(len(raw)):
        other = raw[:index] + bytes([raw[index] ^ 1]) + raw[index + 1 :]
        with pytest.raises(NotVerified, match="does not hold"):
            said(tmp_path, GRANT | {"signature": base64.b64encode(other).decode()})


@pytest.mark.parametrize(("change", "why"), [
    ({"signature": None}, "not signed"), ({"key": None}, "not signed"), ({"signature": "x"}, "base64"),
    ({"key": {"public_key": Signer(2).public.hex()}}, "another key"), ({"key": {"public_key": "00"}}, "hex"),
    ({"grant_id": "G2"}, "another grant"), ({"organisation": "others"}, "another grant"),
    ({"digest": "sha256:0"}, "digest"), ({"terms": None}, "members"), ({"signature": 5}, "none of Ed25519"),
])  # fmt: skip
def test_what_does_not_hold_is_told(tmp_path, change, why):
    with pytest.raises(NotVerified, match=why):
        said(tmp_path, GRANT | change)


def test_another_key_than_the_known_one_and_what_is_no_question_of_a_grant_are_refused(tmp_path):
    with pytest.raises(NotVerified, match="did not name"):
        said(tmp_path, GRANT, Signer(2).public.hex())
    with pytest.raises(NotVerified, match="hex"):
        said(tmp_path, GRANT, "no key")
    with pytest.raises(NotVerified, match="alone"):
        said(tmp_path, GRANT, quorum=1)
    path = tmp_path / "grant.json"
    with pytest.raises(NotVerified, match="alone"):
        check(Asked(path, Trust(), Opened(sql=b"SELECT 1")))


def test_a_key_is_named_by_its_hash():
    assert key_id(bytes(32)) == "66687aadf862bd776c8fc18b8e9f8e20"  # the beginning of SHA-256 of 32 zero bytes
