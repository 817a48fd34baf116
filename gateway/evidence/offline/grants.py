"""What a provider signs when it grants, in the one form that is signed, and how it is checked. docs/evidence.md has it.

The signed bytes are PREFIX and the canonical JSON of the terms: sorted names, no spaces, UTF-8. Every member is there,
null where it sets no limit, so that nothing unsigned has effect.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.evidence.offline.failure import NotVerified, canonical, unbase64, unhex

PREFIX = b"gateway grant terms v1\n"
"""What no other signature of a gateway begins with: one made for a grant means nothing elsewhere."""

PUBLIC_BYTES, SIGNATURE_BYTES, ID_BYTES = 32, 64, 16

MEMBERS = (
    "gateway", "grant", "provider", "dataset", "organisation", "subject", "mode", "purposes", "jurisdictions",
    "valid_from", "valid_until", "ends_at", "uses", "rate", "at_once", "budget", "spend", "price_plan",
    "recipient_jurisdiction", "key",
)  # fmt: skip
"""Every member of the terms."""


@dataclass(frozen=True, slots=True)
class SignedTerms:
    """Terms with a signature that holds, the public key that made it, and the digest that names them."""

    terms: Mapping[str, Any]
    public: bytes
    digest: str


def key_id(public: bytes) -> str:
    """Return the name of a public key: the first 16 bytes of its SHA-256, in hex."""
    return sha256(public).hexdigest()[: 2 * ID_BYTES]


def signed_bytes(terms: Mapping[str, Any]) -> bytes:
    """Return the bytes that a signature of terms is over."""
    return PREFIX + canonical(dict(terms))


def digest(terms: Mapping[str, Any]) -> str:
    """Return the digest that names terms in receipts and in the log."""
    return f"sha256:{sha256(signed_bytes(terms)).hexdigest()}"


def public_of(text: Any) -> bytes:
    """Return a public key of 64 hex digits. Raises NotVerified."""
    return unhex(text, PUBLIC_BYTES, "the key")


def verify_terms(terms: Any, signature: Any, public: bytes) -> SignedTerms:
    """Return terms that are signed by a key. Raises NotVerified for another form, key or signature."""
    if not isinstance(terms, Mapping) or set(terms) != set(MEMBERS):
        raise NotVerified("the terms do not have the members of a grant")
    if terms["key"] != key_id(public):
        raise NotVerified("the terms name another key")
    made = unbase64(signature, "the signature") if isinstance(signature, str) else b""
    if len(made) != SIGNATURE_BYTES:
        raise NotVerified("the signature is none of Ed25519")
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(made, signed_bytes(terms))
    except (InvalidSignature, ValueError):
        raise NotVerified("the signature does not hold: the terms are not what the key signed") from None
    return SignedTerms(terms, public, digest(terms))


def is_grant(document: Mapping[str, Any]) -> bool:
    """Tell whether a document is a grant, as GET /v1/grants/{id} gives it."""
    return "grant_id" in document and "terms" in document


def verify(document: Mapping[str, Any], keys: Sequence[str]) -> SignedTerms:
    """Return the signed terms of a grant as GET /v1/grants/{id} gives it.

    `keys` are the provider's keys as the verifier knows them; without any the document's own is taken. Raises
    NotVerified, also where the document says of itself what its terms do not.
    """
    own = document.get("key")
    if document.get("signature") is None or not isinstance(own, Mapping):
        raise NotVerified("the grant is not signed: it has no effect")
    public = public_of(own.get("public_key"))
    if keys and public not in [public_of(key) for key in keys]:
        raise NotVerified("the grant is signed by a key that you did not name")
    found = verify_terms(document.get("terms"), document["signature"], public)
    named = {"grant": "grant_id", "provider": "provider", "dataset": "dataset", "organisation": "organisation"}
    if any(found.terms[inside] != document.get(outside) for inside, outside in named.items()):
        raise NotVerified("the document speaks of another grant than its terms")
    if document.get("digest") != found.digest:
        raise NotVerified("the digest is not that of the terms")
    return found


def signature_text(signature: bytes) -> str:
    """Return a signature as it stands in documents."""
    return base64.b64encode(signature).decode()
