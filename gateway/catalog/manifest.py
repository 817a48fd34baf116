"""What a review of a dataset covers, as one document with a digest. Pure.

Covered is what a reviewer answers for: whose data these are, on what basis, of whom, and what may be done with which
column. Not covered, so that they change without a new review: grants, prices, budgets, bounds and values, declared
sizes, the engine's address, titles and contacts.
"""

import hashlib
import json
from typing import Any

from gateway.catalog.classes import class_of
from gateway.catalog.document import PolicyDocument, TableEntry


def manifest(document: PolicyDocument) -> dict[str, Any]:
    """Return what a review of this policy covers."""
    stated = {"reviewed_by", "valid_until"}  # what the embedded default has in place of a review
    return {
        "dataset": document.dataset,
        "provider": document.provider.organisation,
        "compliance": document.compliance.model_dump(mode="json", by_alias=True, exclude_none=True, exclude=stated),
        "retention": document.retention.model_dump(mode="json", by_alias=True),
        "unit": {"table": document.privacy.unit.table, "key": document.privacy.unit.key},
        "tables": {name: _table(entry) for name, entry in document.tables.items()},
    }


def _table(entry: TableEntry) -> dict[str, Any]:
    columns = {
        name: {"class": class_of(entry, column).value, "use": sorted(use.value for use in column.use)}
        for name, column in entry.columns.items()
    }
    return {"public": entry.public, "unit_path": entry.unit_path or {}, "columns": columns}


def manifest_digest(document: PolicyDocument) -> str:
    """Return the digest of what a review covers: a review holds for every version of a dataset that has it."""
    text = json.dumps(manifest(document), sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
