"""What the log says of versions of policies, grants of the store and crossings: registers of the filing pack. Pure.

Each is a fold over leaves alone; a grant is listed with whether its signature holds by the key that the log has of it.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.evidence.offline.failure import NotVerified
from gateway.evidence.offline.grants import public_of, verify_terms

STEPS = {
    "drafted": "proposed",
    "submitted": "submitted",
    "reviewed": "reviewed",
    "asked-back": "asked back",
    "registered": "published",
    "withdrawn": "withdrawn",
}
"""What happens to a version, by the kind of its leaf."""

Leaf = Mapping[str, Any]


def versions(leaves: Sequence[Leaf]) -> list[dict[str, object]]:
    """Return each step in the life of each dataset's policy, in the order of the log."""
    return [
        {
            "log_index": index,
            "time": leaf["time"],
            "dataset": leaf["dataset"],
            "policy_version": leaf["policy_version"],
            "step": _step(leaf),
            "by": leaf["by"],
            "valid_until": leaf.get("valid_until"),
            "said": leaf.get("findings") or leaf.get("reason"),
        }
        for index, leaf in enumerate(leaves)
        if leaf.get("kind") in STEPS
    ]


def _step(leaf: Leaf) -> str:
    if leaf["kind"] == "reviewed":
        return "approved" if leaf["approved"] else "rejected"
    return STEPS[str(leaf["kind"])]


def grants(leaves: Sequence[Leaf], made_at: str) -> list[dict[str, object]]:
    """Return every grant that a provider gave through the store, the first first, as it stands at `made_at` (UTC)."""
    asked = {leaf["grant_id"]: leaf for leaf in leaves if leaf.get("kind") == "grant-requested"}
    revoked = {leaf["grant_id"]: leaf for leaf in leaves if leaf.get("kind") == "grant-revoked"}
    keys = {
        (leaf["organisation"], leaf["key_id"]): leaf["public_key"]
        for leaf in leaves
        if leaf.get("kind") == "key-registered"
    }
    return [
        _grant(asked[leaf["grant_id"]], leaf, revoked.get(leaf["grant_id"]), keys, made_at)
        for leaf in leaves
        if leaf.get("kind") == "grant-granted"
    ]


def _grant(
    asked: Leaf, granted: Leaf, revoked: Leaf | None, keys: Mapping[tuple[str, str], str], made_at: str
) -> dict[str, object]:
    terms = json.loads(granted["terms"])
    over = granted["ends_at"] is not None and granted["ends_at"][:19] <= made_at[:19]
    return {
        "grant_id": asked["grant_id"],
        "dataset": asked["dataset"],
        "provider": asked["provider"],
        "organisation": asked["organisation"],
        "subject": terms.get("subject"),
        "mode": terms.get("mode"),
        "purposes": terms.get("purposes"),
        "jurisdictions": terms.get("jurisdictions"),
        "recipient_jurisdiction": terms.get("recipient_jurisdiction"),
        "valid_from": terms.get("valid_from"),
        "ends_at": granted["ends_at"],
        "state": "revoked" if revoked is not None else "expired" if over else "granted",
        "signed": _signed(asked, granted, keys.get((asked["provider"], granted["key_id"]))),
        "digest": granted["digest"],
        "granted_at": granted["time"],
        "granted_by": granted["by"],
        "revoked_at": None if revoked is None else revoked["time"],
        "revoked_by": None if revoked is None else revoked["by"],
    }


def _signed(asked: Leaf, granted: Leaf, key: str | None) -> bool:
    """Tell whether the provider's key signed these terms, between these parties."""
    if key is None:
        return False
    try:
        found = verify_terms(json.loads(granted["terms"]), granted["signature"], public_of(key))
    except NotVerified:
        return False
    own = (asked["grant_id"], asked["dataset"], asked["provider"], asked["organisation"], granted["digest"])
    return own == (*(found.terms[name] for name in ("grant", "dataset", "provider", "organisation")), found.digest)


def crossings(leaves: Sequence[Leaf], thresholds: Mapping[str, Mapping[str, int]]) -> list[dict[str, object]]:
    """Return how many people's data went where in which year, beside what the provider's policies let go there.

    `thresholds` has by provider the threshold of each dataset that counts. The latest years come first.
    """
    found: dict[tuple[int, str, str], dict[str, int]] = {}
    for leaf in leaves:
        if leaf.get("kind") == "crossed":
            key = (-int(leaf["year"]), str(leaf["provider"]), str(leaf["country"]))
            found.setdefault(key, {})[str(leaf["account"])] = int(leaf["units"])
    return [
        {
            "year": -year,
            "provider": provider,
            "country": country,
            "people": sum(accounts.values()),
            "accounts": dict(sorted(accounts.items())),
            "thresholds": dict(sorted(thresholds.get(provider, {}).items())),
        }
        for (year, provider, country), accounts in sorted(found.items())
    ]
