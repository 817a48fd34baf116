"""What the log says of the registration of one dataset: which leaves, and which of them a certificate is made of."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from gateway.errors import GatewayError
from gateway.store import log

_KINDS = frozenset({"registered", "reviewed", "withdrawn"})

Said = Mapping[int, dict[str, Any]]
"""Leaves by their index, in order."""


def said(connection: Connection, dataset: str) -> Said:
    """Return what the log says of a dataset's registration."""
    return {at: leaf for at, leaf in log.read_seldom(connection, _KINDS) if leaf["dataset"] == dataset}


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
