"""Meter events: CloudEvents 1.0 with ids that are the same whenever and wherever they are made again."""

import json
from datetime import datetime
from hashlib import sha256
from typing import Any

METER_VERSION = 1
BUYER_VISIBLE, PROVIDER_ONLY = "billing", "provider"


RHO_DECIMALS, DELTA_DECIMALS = 12, 18
"""Decimals of one ledger unit of rho and of delta: see gateway.privacy.units."""


def decimal_text(units: int, decimals: int) -> str:
    """Return an amount of 10^-decimals each as an exact decimal text, without trailing zeros."""
    whole, part = divmod(units, 10**decimals)
    return f"{whole}.{part:0{decimals}d}".rstrip("0").rstrip(".")


def canonical(content: dict[str, Any]) -> str:
    """Return the one JSON text of a document: sorted keys, no spaces."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def timestamp(at: datetime) -> str:
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def event_line(source: str, type_: str, query_id: str, at: datetime, data: dict[str, Any]) -> str:
    """Return one event as a line of JSON. `id` is a hash of gateway, query, type and meter version."""
    identity = sha256(f"{source}\n{query_id}\n{type_}\n{METER_VERSION}".encode()).hexdigest()
    return canonical(
        {
            "specversion": "1.0",
            "id": identity,
            "source": f"urn:gateway:{source}",
            "type": f"gateway.query.{type_}",
            "subject": query_id,
            "time": timestamp(at),
            "datacontenttype": "application/json",
            "data": data,
        }
    )
