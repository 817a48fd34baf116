"""Meter events: CloudEvents that the official SDK reads, one line each, the same whenever they are made again."""

import json
from datetime import UTC, datetime

from cloudevents.core.bindings.http import HTTPMessage, from_http
from cloudevents.core.formats.json import JSONFormat
from hypothesis import given
from hypothesis import strategies as st

from gateway.ledger.events import event_id, event_line, loss

AT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
LINE = event_line("gw", "charged", "Q1", AT, {"name": "线\u2028\n", "amount": "1.50"})


def test_the_official_sdk_reads_a_line_as_one_event():
    event = from_http(HTTPMessage({"content-type": "application/cloudevents+json"}, LINE.encode()), JSONFormat())
    assert (event.get_type(), event.get_subject(), event.get_source()) == (
        "gateway.query.charged",
        "Q1",
        "urn:gateway:gw",
    )
    assert (event.get_specversion(), event.get_datacontenttype(), event.get_time()) == ("1.0", "application/json", AT)
    assert event.get_data() == {"name": "线\u2028\n", "amount": "1.50"}


def test_a_line_is_canonical_and_one_line():
    assert "\n" not in LINE
    assert json.dumps(json.loads(LINE), sort_keys=True, separators=(",", ":"), ensure_ascii=False) == LINE
    assert json.loads(LINE)["time"] == "2026-11-24T12:00:00.000000Z", "always as many digits"
    assert event_line("gw", "charged", "Q1", AT, {"amount": "1.50", "name": "线\u2028\n"}) == LINE


def test_an_id_is_of_gateway_query_type_and_which():
    ids = [
        event_id("gw", "charged", "Q1"),
        event_id("other", "charged", "Q1"),
        event_id("gw", "replayed", "Q1"),
        event_id("gw", "charged", "Q2"),
        event_id("gw", "measured", "Q1", "1.1"),
        event_id("gw", "measured", "Q1", "1.2"),
        event_id("gw", "measured", "Q1", "2.1"),
    ]
    assert len(set(ids)) == len(ids)
    assert json.loads(LINE)["id"] == ids[0]


@given(st.integers(0, 10**40), st.integers(0, 10**40))
def test_a_loss_is_written_exactly(rho, delta):
    for text, units, places in zip(loss(rho, delta).values(), (rho, delta), (12, 18), strict=True):
        whole, _, fraction = text.partition(".")
        assert int(whole) * 10**places + int(fraction.ljust(places, "0")) == units
        assert not fraction.endswith("0")
