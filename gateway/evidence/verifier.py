"""The offline verifier of receipts. It imports nothing else of the gateway, so that it can be read and run alone."""

import base64
import binascii
import json
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class NotVerified(Exception):
    """The receipt does not hold; the text names the part."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What a receipt proves: this leaf is in the log of this origin at this size."""

    query_id: str
    origin: str
    tree_size: int
    leaf: dict[str, Any]


def verify(receipt: dict[str, Any], public_key: str | None = None) -> Verified:
    """Check a receipt: the checkpoint's signature, the inclusion proof, and that the leaf is of this query.

    `public_key` (hex) is the log's key as the verifier knows it; without it the receipt's own is used, which shows
    that the parts agree but not who signed. Raises NotVerified.
    """
    try:
        key = bytes.fromhex(public_key or receipt["public_key"])
        origin, size, root = _opened(str(receipt["checkpoint"]), str(receipt["key_name"]), key)
        leaf = str(receipt["leaf"]).encode()
        index, proof = receipt["log_index"], [bytes.fromhex(node) for node in receipt["inclusion_proof"]]
        content = json.loads(leaf)
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise NotVerified(f"the receipt is not well formed: {type(error).__name__}") from None
    if type(index) is not int or receipt.get("tree_size") != size or not 0 <= index < size:
        raise NotVerified("the index or size is not the checkpoint's")
    if _root_from(leaf, index, size, proof) != root:
        raise NotVerified("the inclusion proof does not lead to the signed root")
    if not isinstance(content, dict) or content.get("query_id") != receipt.get("query_id"):
        raise NotVerified("the leaf is of another query")
    return Verified(content["query_id"], origin, size, content)


def _opened(note: str, name: str, key: bytes) -> tuple[str, int, bytes]:
    """Return (origin, size, root) of a signed note after checking its signature."""
    body, separator, signatures = note.partition("\n\n")
    lines = signatures.split("\n")
    if not separator or len(lines) != 2 or lines[1] != "":
        raise NotVerified("the checkpoint is not a signed note")
    dash, signer, encoded = [*lines[0].split(" "), "", ""][:3]
    signature = base64.b64decode(encoded, validate=True)
    expected = sha256(name.encode() + b"\n\x01" + key).digest()[:4]
    if dash != "\u2014" or signer != name or base64.b64encode(signature).decode() != encoded:
        raise NotVerified("the checkpoint is signed by another name")
    if signature[:4] != expected:
        raise NotVerified("the checkpoint is signed by another key")
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature[4:], f"{body}\n".encode())
    except InvalidSignature:
        raise NotVerified("the checkpoint's signature does not hold") from None
    origin, size, root = body.split("\n")
    if origin != name or str(int(size)) != size:
        raise NotVerified("the checkpoint is of another log")
    return origin, int(size), base64.b64decode(root, validate=True)


def _root_from(leaf: bytes, index: int, size: int, proof: list[bytes]) -> bytes | None:
    """Return the root that a proof leads to (RFC 9162, section 2.1.3.2), or None where its length is wrong."""
    position, last = index, size - 1
    value = sha256(b"\x00" + leaf).digest()
    for node in proof:
        if last == 0 or len(node) != 32:
            return None
        if position % 2 == 1 or position == last:
            value = sha256(b"\x01" + node + value).digest()
            while position % 2 == 0 and position != 0:
                position, last = position >> 1, last >> 1
        else:
            value = sha256(b"\x01" + value + node).digest()
        position, last = position >> 1, last >> 1
    return value if last == 0 else None
