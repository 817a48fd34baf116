"""Log keys over time: a leaf of kind `key` names the next one, and carries the signature of the one before it.

Whoever knows one key of a log follows it to the later ones, never back to the earlier ones.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.evidence.offline.failure import NotVerified, parse_object, unhex
from gateway.evidence.offline.notes import LOG_TYPE, Key, algorithm

MARK = b'"kind":"key"'
"""What the canonical text of every such leaf holds, and of no other: a quote within a text is escaped."""


def statement(origin: str, algorithm_name: str, old: bytes, new: bytes) -> bytes:
    """Return what a log's key signs when another takes its place."""
    return f"log-key/v1\n{origin}\n{algorithm_name}\n{old.hex()}\n{new.hex()}\n".encode()


def key_leaves(leaves: Iterable[bytes]) -> list[dict[str, Any]]:
    """Return the leaves that change a key, in the order of the log."""
    found = [parse_object(leaf, "a leaf of the log") for leaf in leaves if MARK in leaf]
    return [leaf for leaf in found if leaf.get("kind") == "key"]


@dataclass(frozen=True, slots=True)
class Chain:
    """Keys that are trusted, and those that the log has had besides: their signatures must hold, and prove nothing."""

    trusted: tuple[Key, ...]
    others: tuple[Key, ...]


def follow(known: Iterable[Key], changes: Iterable[dict[str, Any]], origin: str) -> Chain:
    """Return the keys known and those that the leaves lead to from them, in the order of the log.

    Raises NotVerified where a leaf is not signed by the key that it says it replaces.
    """
    trusted, seen = list(known), list[Key]()
    for leaf in changes:
        algorithm(leaf.get("algorithm"))
        old = Key(origin, LOG_TYPE, unhex(leaf.get("replaces"), 32, "a key that was replaced"))
        new = Key(origin, LOG_TYPE, unhex(leaf.get("public_key"), 32, "a key that replaces another"))
        signature = unhex(leaf.get("signature"), 64, "the signature of a key's leaf")
        if leaf.get("kind") != "key" or leaf.get("origin") != origin:
            raise NotVerified("a key's leaf is of another log")
        said = statement(origin, str(leaf["algorithm"]), old.public, new.public)
        try:
            Ed25519PublicKey.from_public_bytes(old.public).verify(signature, said)
        except (InvalidSignature, ValueError):
            raise NotVerified("a key's leaf is not signed by the key that it replaces") from None
        seen += [old, new]
        if old in trusted:
            trusted.append(new)
    found = tuple(dict.fromkeys(trusted))
    return Chain(found, tuple(key for key in dict.fromkeys(seen) if key not in found))
