"""Registration certificates: who holds what right in which version of a dataset, as the log says it.

What a certificate states is the content of one leaf; the latest review of it, and what ended it, are leaves as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.evidence.offline.failure import NotVerified
from gateway.evidence.offline.receipts import check_parts, head_of, leaf_of
from gateway.evidence.offline.trust import Signed, Trust

FORMAT = "gateway-certificate/1"
_MEMBERS = {
    "format", "algorithm", "dataset", "policy_version", "states", "key_name", "public_key", "witnesses", "key_changes",
    "leaf", "log_index", "inclusion_proof", "reviewed", "ended", "tree_size", "checkpoint",
}  # fmt: skip
_STATED = {
    "time", "dataset", "policy_version", "manifest", "text", "holder", "income", "review", "data_version", "by",
    "beside",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Certified:
    """What a certificate proves: `states` is the leaf at `log_index` of this origin's log.

    `reviewed` is the latest review of it that the certificate brings, `ended` the leaf that withdrew or replaced it.
    None of them tells what came after the checkpoint.
    """

    dataset: str
    policy_version: str
    origin: str
    log_index: int
    states: dict[str, Any]
    reviewed: dict[str, Any] | None
    ended: dict[str, Any] | None
    signed: Signed


def verify(document: Mapping[str, Any], trust: Trust | None = None) -> Certified:
    """Check a certificate: signatures, inclusion proofs, and that it states what its leaf says. Raises NotVerified."""
    # 1. the members, each of them and no other
    if set(document) != _MEMBERS or document["format"] != FORMAT:
        raise NotVerified("the certificate does not have the members of its format")
    check_parts(document, [document["reviewed"], document["ended"]])
    # 2. the checkpoint, signed by the log's key or one that follows it
    head = head_of(document, trust or Trust())
    # 3. the leaf, and that the certificate states what it says
    index, leaf = leaf_of(document, head.checkpoint)
    kind = leaf.pop("kind", None)
    if kind != "registered" or set(leaf) != _STATED:
        raise NotVerified("the leaf registers nothing")
    if document["states"] != leaf:
        raise NotVerified("the certificate states what its leaf does not say")
    for name in ("dataset", "policy_version"):
        if document[name] != leaf[name]:
            raise NotVerified(f"'{name}' is not that of the leaf")
    # 4. what came after
    after = {
        name: None if document[name] is None else leaf_of(document[name], head.checkpoint)[1]
        for name in ("reviewed", "ended")
    }
    reviewed, ended = after["reviewed"], after["ended"]
    of_it = {"kind": "reviewed", "dataset": leaf["dataset"], "manifest": leaf["manifest"]}
    if reviewed is not None and any(reviewed.get(name) != value for name, value in of_it.items()):
        raise NotVerified("the review is of something else")
    if ended is not None:
        ends = ended.get("kind") in ("withdrawn", "registered") and ended.get("dataset") == leaf["dataset"]
        if not ends or document["ended"]["log_index"] <= index:
            raise NotVerified("what ended it is something else")
    origin = head.checkpoint.origin
    return Certified(leaf["dataset"], leaf["policy_version"], origin, index, leaf, reviewed, ended, head.signed)
