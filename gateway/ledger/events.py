"""Meter events: CloudEvents 1.0 with ids that are the same whenever and wherever they are made again."""

import json
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

METER_VERSION = 1
BUYER_VISIBLE, PROVIDER_ONLY = "billing", "provider"
SOURCE = "urn:gateway:"
TYPE = "gateway.query."

_FORMAT = JSONFormat()


def canonical(content: Mapping[str, Any]) -> str:
    """Return the one JSON text of a document: sorted keys, no spaces."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def timestamp(at: datetime) -> str:
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def event_id(source: str, type_: str, query_id: str, part: str = "") -> str:
    """Return the hash of gateway, query, type, meter version and, where a query has several such events, which one."""
    named = [source, query_id, type_, str(METER_VERSION), *([part] if part else [])]
    return sha256("\n".join(named).encode()).hexdigest()


def event_line(source: str, type_: str, query_id: str, at: datetime, data: Mapping[str, Any], part: str = "") -> str:
    """Return one event as a line of JSON.

    The official SDK checks and writes the event; its own text has keys as they were given and seconds without a
    fraction at times, so the line is written once more in canonical form.
    """
    attributes = {
        "id": event_id(source, type_, query_id, part),
        "source": SOURCE + source,
        "type": TYPE + type_,
        "subject": query_id,
        "time": at,
        "datacontenttype": "application/json",
    }
    written = json.loads(_FORMAT.write(CloudEvent(attributes, dict(data))))
    return canonical({**written, "time": timestamp(at)})


def loss(rho: int, delta: int) -> dict[str, str]:
    """Return a privacy loss in ledger units as exact decimal texts. Under pure accounting `rho` counts epsilon."""
    return {"rho": _decimal(rho, 12), "delta": _decimal(delta, 18)}


def _decimal(units: int, places: int) -> str:
    whole, rest = divmod(units, 10**places)
    return f"{whole}.{rest:0{places}}".rstrip("0").rstrip(".")
