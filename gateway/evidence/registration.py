"""What the log says of the registration of one dataset: which leaves, and which of them a certificate is made of."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, String, and_, cast, func, or_, select

from gateway.errors import GatewayError
from gateway.store.tables import leaves

_KINDS = ("registered", "reviewed", "withdrawn")

Said = Mapping[int, dict[str, Any]]
"""Leaves by their index, in order."""


def said(connection: Connection, dataset: str) -> Said:
    """Return what the log says of a dataset's registration; every leaf of the log is looked at."""
    stored = leaves.c.leaf
    text = cast(stored, String) if connection.dialect.name == "sqlite" else func.convert_from(stored, "UTF8")
    named = json.dumps(dataset, ensure_ascii=False)
    about = and_(
        text.contains(f'"dataset":{named}', autoescape=True),
        or_(*(text.contains(f'"kind":"{kind}"', autoescape=True) for kind in _KINDS)),
    )
    rows = connection.execute(select(leaves.c.position, stored).where(about).order_by(leaves.c.position))
    found = {row.position: json.loads(row.leaf) for row in rows}
    return {at: leaf for at, leaf in found.items() if leaf["kind"] in _KINDS and leaf.get("dataset") == dataset}


def placed(found: Said, version: str | None) -> tuple[int, int | None, int | None]:
    """Return where a version was registered last, its latest review, and what ended it.

    Without a version, what was registered last. Raises GatewayError `not_found`.
    """
    registered = [
        at for at, leaf in found.items()
        if leaf["kind"] == "registered" and version in (None, leaf["policy_version"])
    ]  # fmt: skip
    if not registered:
        hint = "A version has one once it was published through the store."
        raise GatewayError("not_found", "There is no registration of this version.", hint)
    index = registered[-1]
    leaf = found[index]
    reviewed = [
        at for at, one in found.items() if one["kind"] == "reviewed" and one["manifest"] == leaf["manifest"]
    ]  # fmt: skip
    ended = [at for at, one in found.items() if at > index and one["kind"] in ("registered", "withdrawn")]
    return index, reviewed[-1] if reviewed else None, ended[0] if ended else None
