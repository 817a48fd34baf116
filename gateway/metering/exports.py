"""Charged events in the form that two billing systems take. Pure; what is no charge has no counterpart there.

OpenMeter ingests CloudEvents: `subject` is the customer, `type` selects the meter, `id` and `source` together mark a
repeat, and numbers in `data` may be texts (openmeter.io/docs/concepts/usage-events). Lago takes objects with
`transaction_id`, `external_subscription_id`, `code`, `timestamp` and `properties`; an event without a timestamp gets
that of its arrival, so that a repeat would be another event: it is always given
(getlago.com/docs/api-reference/events/batch, schema EventInputObject of the published OpenAPI document).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from gateway.ledger.events import TYPE
from gateway.metering.charges import Charged, charged
from gateway.metering.prices import count_units

LAGO_CODE = "gateway_query"
"""The code of the billable metric that Lago has to know."""


def openmeter(event: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the event for POST /api/v1/events (application/cloudevents+json), whose customer is the organisation."""
    if event["type"] != f"{TYPE}charged":
        return None
    return {
        "specversion": event["specversion"],
        "id": event["id"],
        "source": event["source"],
        "type": event["type"],
        "time": event["time"],
        "subject": event["data"]["organisation"],
        "datacontenttype": "application/json",
        "data": _figures(charged(event)),
    }


def lago(event: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return one entry of `events` for POST /api/v1/events/batch, of the subscription named as the organisation.

    `timestamp` is in Unix seconds with milliseconds. `precise_total_amount_cents` counts the currency's smallest
    units: a `dynamic` charge bills it as it is, so that Lago's fee is the gateway's price.
    """
    if event["type"] != f"{TYPE}charged":
        return None
    charge = charged(event)
    entry: dict[str, Any] = {
        "transaction_id": charge.id,
        "external_subscription_id": charge.organisation,
        "code": LAGO_CODE,
        "timestamp": _milliseconds(charge.at),
        "properties": _figures(charge),
    }
    if charge.priced:
        entry["precise_total_amount_cents"] = str(count_units(charge.amount, charge.currency))
    return entry


def _figures(charge: Charged) -> dict[str, str]:
    """Return flat texts: what is counted, and what it can be grouped by."""
    return {
        "amount": f"{charge.amount:f}",
        "currency": charge.currency,
        "queries": "1",
        "epsilon": charge.units["epsilon"],
        "million_rows": charge.units["million_rows"],
        "class": charge.units["class"],
        "dataset": charge.dataset,
        "grant": charge.grant,
        "buyer": charge.buyer,
        "query_id": charge.query_id,
        "price_plan": charge.plan or "",
        "price_plan_version": charge.plan_version or "",
    }


def _milliseconds(at: datetime) -> str:
    """Return Unix seconds with three decimals, cut: the same for the same event, whenever it is made again."""
    return f"{int(at.timestamp())}.{at.microsecond // 1000:03}"
