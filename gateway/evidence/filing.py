"""The filing pack for data security: what is held, how it is classed, to whom results went, and what went wrong.

A fold over the policies in effect and the leaves of the log: whoever has both can make it again. No result stands in
it.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from gateway.catalog.document import PolicyDocument, TableEntry
from gateway.catalog.model import Compliance, DataClass
from gateway.evidence import registers

FORMAT = "gateway-filing/1"
INCIDENTS = {
    "failed": "a charged query failed",
    "revoked": "tokens were revoked",
    "frozen": "use was frozen",
    "unfrozen": "a freeze was lifted",
    "flooded": "a buyer was turned away for a minute",
    "epoch": "the store was restored",
    "key": "the log's key was replaced",
}


@dataclass(frozen=True, slots=True)
class Period:
    """Days in UTC, both included; None is open."""

    first: date | None = None
    last: date | None = None

    def holds(self, time: str) -> bool:
        """Tell whether a leaf's time (2026-11-26T08:00:00.000000Z) is within."""
        day = time[:10]
        after = self.first is None or day >= self.first.isoformat()
        return after and (self.last is None or day <= self.last.isoformat())


@dataclass(slots=True)
class _Flow:
    """What went to one recipient of one dataset, under one purpose, into one jurisdiction."""

    counts: Counter[str] = field(default_factory=Counter)
    cells: int = 0
    epsilon: Decimal = Decimal(0)
    amounts: dict[str, Decimal] = field(default_factory=dict)

    def add(self, leaf: Mapping[str, Any]) -> None:
        kind = str(leaf["kind"])
        self.counts[kind] += 1
        if kind == "charged":
            self.cells += sum(int(cells) for cells in leaf.get("cells", ()) if cells is not None)
            self.epsilon += Decimal(str(leaf.get("epsilon", 0)))
            currency = str(leaf.get("currency", ""))
            self.amounts[currency] = self.amounts.get(currency, Decimal(0)) + Decimal(str(leaf.get("amount", 0)))

    def document(self) -> dict[str, object]:
        return {
            "answers": self.counts["charged"],
            "repeats": self.counts["replayed"],
            "refusals": self.counts["refused"],
            "cells": self.cells,
            "epsilon": f"{self.epsilon:f}",
            "amounts": {currency: f"{amount:f}" for currency, amount in sorted(self.amounts.items())},
        }


def flows(leaves: Iterable[Mapping[str, Any]]) -> list[dict[str, object]]:
    """Return what went to whom: a row for each dataset, organisation, jurisdiction and purpose, sorted."""
    found: dict[tuple[str, ...], _Flow] = {}
    for leaf in leaves:
        if leaf.get("kind") in ("charged", "replayed", "refused"):
            key = tuple(str(leaf.get(name) or "") for name in ("dataset", "organisation", "jurisdiction", "purpose"))
            found.setdefault(key, _Flow()).add(leaf)
    names = ("dataset", "organisation", "jurisdiction", "purpose")
    return [{**dict(zip(names, key, strict=True)), **flow.document()} for key, flow in sorted(found.items())]


def incidents(leaves: Sequence[Mapping[str, Any]], period: Period) -> list[dict[str, object]]:
    """Return what went wrong or was stopped, in the order of the log, with the query's dataset and recipient."""
    charged = {leaf["query_id"]: leaf for leaf in leaves if leaf.get("kind") == "charged"}
    found: list[dict[str, object]] = []
    for index, leaf in enumerate(leaves):
        kind = str(leaf.get("kind"))
        if kind in INCIDENTS and period.holds(str(leaf["time"])):
            about = charged.get(leaf.get("query_id"), leaf)
            found.append(
                {
                    "time": leaf["time"],
                    "kind": kind,
                    "what": INCIDENTS[kind],
                    "log_index": index,
                    "dataset": about.get("dataset"),
                    "organisation": about.get("organisation"),
                    "query_id": leaf.get("query_id"),
                    "by": leaf.get("by"),
                }
            )
    return found


@dataclass(frozen=True, slots=True)
class Policy:
    """The policy of a dataset as it is in effect, and the review that counts for it, whoever said so.

    `state` is `served`, or why nothing is: draft, withdrawn, unavailable. `stored`: the text is the store's.
    """

    version: str
    document: PolicyDocument
    review: Compliance
    state: str = "served"
    stored: bool = False


def catalogue(policies: Iterable[Policy]) -> list[dict[str, object]]:
    """Return what is held, by the names of datasets."""
    return [_dataset(policy) for policy in sorted(policies, key=lambda policy: policy.document.dataset)]


def _thresholds(policies: Iterable[Policy]) -> dict[str, dict[str, int]]:
    """Return by provider, and by each dataset that counts crossings, how many people's data may go to a country."""
    found: dict[str, dict[str, int]] = {}
    for policy in policies:
        rule = policy.document.compliance.cross_border
        if rule is not None:
            found.setdefault(policy.document.provider.organisation, {})[policy.document.dataset] = rule.threshold
    return found


def _dataset(policy: Policy) -> dict[str, object]:
    document, review = policy.document, policy.review
    classes: Counter[str] = Counter()
    for table in document.tables.values():
        if not table.public:
            classes.update(column.data_class.value for column in table.columns.values())
    compliance = document.compliance
    return {
        "dataset": document.dataset,
        "title": document.title,
        "policy_version": policy.version,
        "policy_from": "store" if policy.stored else "file",
        "state": policy.state,
        "provider": document.provider.organisation,
        "contact": document.provider.contact,
        "source": compliance.source,
        "legal_basis": compliance.legal_basis,
        "reviewed_by": review.reviewed_by,
        "review_valid_until": review.valid_until.isoformat() if review.valid_until else None,
        "privacy_unit": f"{document.privacy.unit.table}.{document.privacy.unit.key}",
        "columns_by_class": {name.value: classes[name.value] for name in DataClass},
        "tables": [_table(name, table) for name, table in document.tables.items()],
        "recipients": [
            {
                "organisation": grant.to.organisation,
                "subject": grant.to.subject,
                "mode": grant.mode,
                "purposes": list(grant.purposes),
                "jurisdictions": list(grant.jurisdictions),
                "valid": [day.isoformat() for day in grant.valid] if grant.valid else None,
            }
            for grant in document.grants
        ],
    }


def _table(name: str, table: TableEntry) -> dict[str, object]:
    return {
        "table": name,
        "public": table.public,
        "rows": table.rows,
        "columns": [
            {"column": column, "class": entry.data_class.value, "uses": sorted(use.value for use in entry.use)}
            for column, entry in table.columns.items()
        ],
    }


def pack(
    policies: Sequence[Policy],
    unread: Sequence[Mapping[str, object]],
    log: tuple[str, str, Sequence[bytes]],
    suspended: Sequence[Mapping[str, object]],
    period: Period,
    made_at: str,
) -> dict[str, object]:
    """Return the filing pack. `log` is the checkpoint, the log's key (hex) and all leaves.

    `unread` names datasets whose text nobody here has. Registers are as of the period's last day, the catalogue and who
    is suspended as of today.
    """
    checkpoint, public_key, raw = log
    leaves = [json.loads(leaf) for leaf in raw]
    until = [leaf for leaf in leaves if Period(None, period.last).holds(str(leaf["time"]))]
    return {
        "format": FORMAT,
        "made_at": made_at,
        "period": {
            "first": period.first.isoformat() if period.first else None,
            "last": period.last.isoformat() if period.last else None,
        },
        "catalogue": catalogue(policies),
        "not_shown": [dict(row) for row in unread],
        "versions": registers.versions(until),
        "store_grants": registers.grants(until, made_at),
        "crossings": registers.crossings(until, _thresholds(policies)),
        "flows": flows(leaf for leaf in leaves if period.holds(str(leaf["time"]))),
        "incidents": incidents(leaves, period),
        "suspended_now": [dict(row) for row in suspended],
        "log": {"checkpoint": checkpoint, "public_key": public_key, "leaves": len(leaves)},
    }
