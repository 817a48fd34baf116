"""Receipts: two leaves of one query, that the log holds them, and whose SQL and answer they are about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from gateway.evidence.offline.failure import NotVerified, parse_object, unhex
from gateway.evidence.offline.keychain import follow
from gateway.evidence.offline.notes import Checkpoint, Key, algorithm, parse, signers
from gateway.evidence.offline.tree import inclusion_root, is_consistent, leaf_hash
from gateway.evidence.offline.trust import Signed, Trust, judge, log_keys

FORMAT = "gateway-receipt/1"
_MEMBERS = {
    "format", "algorithm", "query_id", "key_name", "public_key", "witnesses", "key_changes",
    "leaf", "log_index", "inclusion_proof", "outcome", "tree_size", "checkpoint",
}  # fmt: skip
_PROVED = {"leaf", "log_index", "inclusion_proof"}
_OPTIONAL = {"salt", "extends"}
_EXTENDS = {"tree_size", "consistency_proof"}
DECISIONS = ("charged", "replayed", "refused")
OUTCOMES = ("answered", "failed")
_MAX_LEAVES = 64


@dataclass(frozen=True, slots=True)
class Opened:
    """Bytes that the owner of a receipt holds, to be compared with what the log committed to. None: not given."""

    sql: bytes | None = None
    answer: bytes | None = None


@dataclass(frozen=True, slots=True)
class Verified:
    """What a receipt proves: these leaves are in the log of this origin at this size.

    `outcome` is the leaf of the answer (or of the failure) where that is another than the decision's. `since` is the
    size of the earlier checkpoint that the log was shown to extend.
    """

    query_id: str
    origin: str
    tree_size: int
    log_index: int
    leaf: dict[str, Any]
    outcome: dict[str, Any] | None
    signed: Signed
    opened: tuple[str, ...]
    since: int | None = None


def verify(
    receipt: Mapping[str, Any], trust: Trust | None = None, opened: Opened | None = None, since: str | None = None
) -> Verified:
    """Check a receipt: signatures, both inclusion proofs, that both leaves are of this query, and the commitments.

    With `since`, a checkpoint that was kept, also that the receipt's log extends that one. Raises NotVerified.
    """
    # 1. the members, each of them and no other
    _check_members(receipt)
    # 2. the checkpoint, signed by the log's key or one that follows it
    head = head_of(receipt, trust or Trust())
    checkpoint = head.checkpoint
    # 3. the leaves
    index, decision = leaf_of(receipt, checkpoint)
    outcome = None if receipt["outcome"] is None else leaf_of(receipt["outcome"], checkpoint)[1]
    for leaf in (decision, outcome):
        if leaf is not None and leaf.get("query_id") != receipt["query_id"]:
            raise NotVerified("a leaf is of another query")
    if decision.get("kind") not in DECISIONS or (outcome is not None and outcome.get("kind") not in OUTCOMES):
        raise NotVerified("a leaf is of another kind")
    # 4. what was committed to
    done = _opened(receipt, decision, outcome, opened or Opened())
    # 5. the same log as before, and longer
    earlier = None if since is None else _extended(receipt, checkpoint, parse(since), head.keys)
    query_id = _text(receipt, "query_id")
    return Verified(query_id, checkpoint.origin, checkpoint.size, index, decision, outcome, head.signed, done, earlier)


@dataclass(frozen=True, slots=True)
class Head:
    """A checkpoint that a document brings along, who signed it, and the log's keys that are trusted for it."""

    checkpoint: Checkpoint
    signed: Signed
    keys: tuple[Key, ...]


def head_of(document: Mapping[str, Any], trust: Trust) -> Head:
    """Return the checkpoint of a document whose members were checked, once its signatures hold. Raises NotVerified."""
    checkpoint = parse(_text(document, "checkpoint"))
    if document["tree_size"] != checkpoint.size or type(document["tree_size"]) is not int:
        raise NotVerified("the size is not the checkpoint's")
    if document["key_name"] != checkpoint.origin:
        raise NotVerified("the key's name is not the checkpoint's origin")
    changes = [leaf_of(change, checkpoint)[1] for change in document["key_changes"]]
    own = _text(document, "public_key")
    begin = log_keys(trust, checkpoint.origin, own)
    chain = follow(begin, changes, checkpoint.origin)
    signed = judge(checkpoint, chain, trust, document["witnesses"])
    if own not in {key.public.hex() for key in chain.trusted}:
        raise NotVerified("the receipt's key is none that the known one leads to")
    return Head(checkpoint, signed, tuple(chain.trusted))


def _check_members(receipt: Mapping[str, Any]) -> None:
    if set(receipt) - _OPTIONAL != _MEMBERS or receipt["format"] != FORMAT:
        raise NotVerified("the receipt does not have the members of its format")
    check_parts(receipt, [receipt["outcome"]])
    if "salt" in receipt:
        unhex(receipt["salt"], 16, "the salt")
    if "extends" in receipt:
        part = receipt["extends"]
        if not isinstance(part, dict) or set(part) != _EXTENDS or type(part["tree_size"]) is not int:
            raise NotVerified("the proof of an earlier size does not have its members")
        _hashes(part["consistency_proof"], "consistency")


def check_parts(document: Mapping[str, Any], proved: Sequence[Any]) -> None:
    """Check the shape of what a head needs and of further proved leaves, None where one is not there."""
    algorithm(document["algorithm"])
    for name in ("witnesses", "key_changes"):
        if not isinstance(document[name], list) or len(document[name]) > _MAX_LEAVES:
            raise NotVerified(f"'{name}' is no list of the length that is read")
    if not all(isinstance(word, str) for word in document["witnesses"]):
        raise NotVerified("a witness's key is no text")
    for part in [*document["key_changes"], *(one for one in proved if one is not None)]:
        if not isinstance(part, dict) or set(part) != _PROVED:
            raise NotVerified("a leaf's part does not have its members")


def _hashes(nodes: Any, what: str) -> list[bytes]:
    if not isinstance(nodes, list) or len(nodes) > _MAX_LEAVES:
        raise NotVerified(f"a leaf's index or proof is not well formed ({what})")
    return [unhex(node, 32, f"a hash of the {what} proof") for node in nodes]


def _extended(receipt: Mapping[str, Any], checkpoint: Checkpoint, earlier: Checkpoint, keys: Sequence[Key]) -> int:
    """Return the size of an earlier checkpoint that the receipt proves its own one to extend. Raises NotVerified."""
    signers(earlier, keys)
    if earlier.origin != checkpoint.origin:
        raise NotVerified("the earlier checkpoint is of another log")
    if earlier.size > checkpoint.size:
        raise NotVerified(f"rolled back: it was signed with {earlier.size} leaves before, and has {checkpoint.size}")
    if earlier.size == 0:
        return 0  # every log extends one without leaves
    part = receipt.get("extends")
    if part is None or part["tree_size"] != earlier.size:
        raise NotVerified(
            f"the receipt has no proof from {earlier.size} leaves on: ask for it with since={earlier.size}"
        )
    proof = _hashes(part["consistency_proof"], "consistency")
    if not is_consistent(earlier.size, checkpoint.size, earlier.root, checkpoint.root, proof):
        raise NotVerified("forked: its first leaves are not shown to be those of the earlier checkpoint")
    return earlier.size


def _text(content: Mapping[str, Any], name: str) -> str:
    if not isinstance(content[name], str):
        raise NotVerified(f"'{name}' is no text")
    return str(content[name])


def leaf_of(part: Mapping[str, Any], checkpoint: Checkpoint) -> tuple[int, dict[str, Any]]:
    """Return a leaf's index and content after checking that the checkpoint's tree holds it there."""
    text, index = _text(part, "leaf"), part["log_index"]
    if type(index) is not int:
        raise NotVerified("a leaf's index or proof is not well formed")
    proof = _hashes(part["inclusion_proof"], "inclusion")
    leaf = text.encode("utf-8", "surrogatepass")
    if inclusion_root(leaf_hash(leaf), index, checkpoint.size, proof) != checkpoint.root:
        raise NotVerified("the inclusion proof does not lead to the signed root")
    return index, parse_object(text, "a leaf")


def _opened(
    receipt: Mapping[str, Any], decision: dict[str, Any], outcome: dict[str, Any] | None, opened: Opened
) -> tuple[str, ...]:
    """Return the names of what was compared with its commitment. Raises NotVerified where one is about other bytes."""
    done = []
    for name, content, leaf in (("sql", opened.sql, decision), ("answer", opened.answer, outcome or decision)):
        if content is None:
            continue
        if "salt" not in receipt:
            raise NotVerified("the receipt has no salt: ask for it as the buyer, whose query it is")
        if "answer" not in leaf and name == "answer":
            raise NotVerified("the log holds no answer of this query")
        if not _commits(leaf.get(name), bytes.fromhex(receipt["salt"]), content):
            raise NotVerified(f"the log committed to another {'SQL' if name == 'sql' else 'answer'}")
        done.append(name)
    return tuple(done)


def _commits(commitment: Any, salt: bytes, content: bytes) -> bool:
    """Tell whether a commitment is to these bytes, or to them without the line break that editors add at the end."""
    tried = {content, content.removesuffix(b"\n"), content.removesuffix(b"\n").removesuffix(b"\r")}
    return any(sha256(salt + one).hexdigest() == commitment for one in tried)
