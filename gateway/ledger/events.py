"""Meter events: CloudEvents 1.0 with ids that are the same whenever and wherever they are made again."""

import json
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

from cloudevents.core.v1.event import CloudEvent

METER_VERSION = 1
BUYER_VISIBLE, PROVIDER_ONLY = "billing", "provider"
SOURCE = "urn:gateway:"
TYPE = "gateway.query."

# built once: to build it takes as long as to write a document
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)

RHO_DECIMALS, DELTA_DECIMALS = 12, 18
"""Decimals of one ledger unit of rho and of delta: see gateway.privacy.units."""


def decimal_text(units: int, decimals: int) -> str:
    """Return an amount of 10^-decimals each as an exact decimal text, without trailing zeros."""
    whole, part = divmod(units, 10**decimals)
    return f"{whole}.{part:0{decimals}d}".rstrip("0").rstrip(".")


def canonical(content: Mapping[str, Any]) -> str:
    """Return the one JSON text of a document: sorted keys, no spaces."""
    return _CANONICAL.encode(content)


def timestamp(at: datetime) -> str:
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def event_id(source: str, type_: str, query_id: str, part: str = "") -> str:
    """Return the hash of gateway, query, type, meter version and, where a query has several such events, which one."""
    named = [source, query_id, type_, str(METER_VERSION), *([part] if part else [])]
    return sha256("\n".join(named).encode()).hexdigest()


def event_line(source: str, type_: str, query_id: str, at: datetime, data: Mapping[str, Any], part: str = "") -> str:
    """Return one event as a line of JSON.

    The official SDK checks the event. Its own text of it has keys as they were given and seconds without a fraction at
    times; the line says the same in canonical form.
    """
    attributes = {
        "id": event_id(source, type_, query_id, part),
        "source": SOURCE + source,
        "type": TYPE + type_,
        "subject": query_id,
        "time": at,
        "datacontenttype": "application/json",
    }
    event = CloudEvent(attributes, dict(data))
    return canonical({**event.get_attributes(), "time": timestamp(at), "data": event.get_data()})


_OF_THE_LEAF = frozenset({"kind", "time", "query_id", "accounts", "purse", "sql", "answer"})
"""What a decision's leaf has beside the data of its event."""


def event_of_leaf(source: str, index: int, leaf: Mapping[str, Any]) -> str:
    """Return the event of a decision from its leaf: the outbox can be made again from the log alone."""
    data = {name: value for name, value in leaf.items() if name not in _OF_THE_LEAF} | {"log_index": index}
    return event_line(source, leaf["kind"], leaf["query_id"], datetime.fromisoformat(leaf["time"]), data)
