"""Events as OpenMeter and Lago take them, against schemas written from their documentation."""

import json
from datetime import UTC, datetime, timedelta

import jsonschema
import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from support.billing import priced

from gateway.ledger.events import event_line
from gateway.metering.exports import lago, openmeter

AT = datetime(2026, 10, 31, 23, 59, 59, 999_999, tzinfo=UTC)
TEXT = {"type": "string", "minLength": 1}
FLAT = {"type": "object", "additionalProperties": {"type": ["string", "integer", "number"]}}
OPENMETER = {
    "type": "object",
    "required": ["specversion", "id", "source", "type", "subject"],
    "properties": {
        "specversion": {"const": "1.0"}, "id": TEXT, "source": TEXT, "type": TEXT, "subject": TEXT,
        "time": {"type": "string", "format": "date-time"},
        "datacontenttype": {"const": "application/json"}, "data": {"type": "object"},
    },
    "additionalProperties": False,
}  # fmt: skip
LAGO = {
    "type": "object",
    "required": ["transaction_id", "external_subscription_id", "code", "timestamp"],
    "properties": {
        "transaction_id": TEXT, "external_subscription_id": TEXT, "code": TEXT,
        "timestamp": {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": r"^\d+(\.\d+)?$"}]},
        "precise_total_amount_cents": {"type": "string"}, "properties": FLAT,
    },
    "additionalProperties": False,
}  # fmt: skip


def event(kind="charged", amount="12.34", currency="CNY", at=AT, **known):
    order = priced(1, amount, currency=currency, **known)
    data = {**json.loads(order.facts), "amount": f"{order.amount:f}", "currency": order.currency}
    return json.loads(event_line("gw", kind, "Q1", at, data))


def test_openmeter_takes_a_cloud_event_of_the_customer():
    made = openmeter(event())
    jsonschema.validate(made, OPENMETER)
    JSONFormat().read(CloudEvent, json.dumps(made))
    assert (made["subject"], made["type"], made["id"]) == ("org", "gateway.query.charged", event()["id"])
    assert (made["data"]["amount"], made["data"]["epsilon"], made["data"]["dataset"]) == ("12.34", "0.1", "shop")
    assert all(isinstance(value, str) for value in made["data"].values()), "flat, so that each can be grouped by"


def test_lago_takes_an_event_of_the_subscription_with_its_time():
    made = lago(event())
    jsonschema.validate(made, LAGO)
    assert (made["transaction_id"], made["external_subscription_id"]) == (event()["id"], "org")
    assert made["timestamp"] == "1793491199.999"
    assert datetime.fromtimestamp(float(made["timestamp"]), UTC) <= AT, "cut: it stays in its month"
    assert made == lago(event()), "a resend is the same event"
    assert lago(event(at=AT - timedelta(hours=1)))["timestamp"] != made["timestamp"]


@pytest.mark.parametrize(
    ("amount", "currency", "cents"), [("12.34", "CNY", "1234"), ("500", "JPY", "500"), ("1.234", "KWD", "1234")]
)
def test_lago_counts_smallest_units(amount, currency, cents):
    assert lago(event(amount=amount, currency=currency))["precise_total_amount_cents"] == cents


def test_what_no_plan_charged_for_has_no_price():
    made = lago(event(amount="0", currency="XXX", plan=None))
    jsonschema.validate(made, LAGO)
    assert "precise_total_amount_cents" not in made


@pytest.mark.parametrize("kind", ["refused", "replayed", "measured"])
def test_what_is_no_charge_has_no_counterpart(kind):
    assert openmeter(event(kind)) is None
    assert lago(event(kind)) is None
