"""Bundles for arbitration: a receipt with the meter event and the policy that belong to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from gateway.evidence.offline.failure import NotVerified, parse_object
from gateway.evidence.offline.receipts import Opened, Verified, verify
from gateway.evidence.offline.trust import Trust

README, RECEIPT, EVENT, POLICY, CHECKPOINT = "README.txt", "receipt.json", "event.json", "policy.json", "checkpoint"
NAMES = frozenset({README, RECEIPT, EVENT, POLICY, CHECKPOINT})
SOURCE, METER_VERSION = "urn:gateway:", "1"
_EVENT = {"specversion", "id", "source", "type", "subject", "time", "datacontenttype", "data"}
_OF_THE_LEAF = {"kind", "time", "query_id", "accounts", "purse", "sql", "answer"}
"""What a decision's leaf has beside the data of its event."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a bundle proves besides its receipt: its event and its policy's text, where it has them, are the leaf's."""

    receipt: Verified
    event: dict[str, Any] | None
    policy_version: str | None


def verify_bundle(files: Mapping[str, bytes], trust: Trust, opened: Opened | None = None) -> Bundle:
    """Check a bundle by its files' names and content. Raises NotVerified."""
    unknown = next((name for name in files if name not in NAMES), None)
    if unknown is not None:
        raise NotVerified(f"{unknown} is no part of a bundle")
    if RECEIPT not in files:
        raise NotVerified(f"the bundle has no {RECEIPT}")
    document = parse_object(files[RECEIPT], "the receipt")
    receipt = verify(document, trust, opened)
    if files.get(CHECKPOINT, b"") != str(document["checkpoint"]).encode():
        raise NotVerified("the bundle's checkpoint is not the receipt's")
    event = parse_object(files[EVENT], "the event") if EVENT in files else None
    if event is not None:
        _check_event(event, receipt)
    version = None
    if POLICY in files:
        version = "sha256:" + sha256(files[POLICY]).hexdigest()
        if version != receipt.leaf.get("policy_version"):
            raise NotVerified("the policy's text is of another version than the leaf names")
    return Bundle(receipt, event, version)


def _check_event(event: dict[str, Any], receipt: Verified) -> None:
    """Check that a meter event says what the leaf says, all of it and no more: it is the one that the leaf makes."""
    leaf, data = receipt.leaf, event.get("data")
    if set(event) != _EVENT or event["specversion"] != "1.0" or event["datacontenttype"] != "application/json":
        raise NotVerified("the event does not have the members of its format")
    if not isinstance(data, dict) or event.get("subject") != receipt.query_id:
        raise NotVerified("the event is of another query")
    if event.get("type") != f"gateway.query.{leaf.get('kind')}" or event.get("time") != leaf.get("time"):
        raise NotVerified("the event's kind or time is not the leaf's")
    if data.get("log_index") != receipt.log_index:
        raise NotVerified("the event names another leaf")
    named = [receipt.origin, receipt.query_id, str(leaf["kind"]), METER_VERSION]
    if event["source"] != SOURCE + receipt.origin or event["id"] != sha256("\n".join(named).encode()).hexdigest():
        raise NotVerified("the event's source or id is not that of the leaf's query")
    said = {name: value for name, value in leaf.items() if name not in _OF_THE_LEAF}
    for name in sorted((said.keys() | data.keys()) - {"log_index"}):
        if name not in said or name not in data or said[name] != data[name]:
            raise NotVerified(f"the event says another '{name[:40]}' than the leaf")
