"""Meter events: CloudEvents that the official SDK reads, one line each, the same whenever they are made again."""

import json
from datetime import UTC, datetime

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http
from cloudevents.core.formats.json import JSONFormat
from hypothesis import given
from hypothesis import strategies as st
from support.stores import Clock, ledger_of, meter_of, order

from gateway.ledger.events import DELTA_DECIMALS, RHO_DECIMALS, decimal_text, event_id, event_line, event_of_leaf
from gateway.store import log

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


def test_a_line_says_what_the_official_sdk_writes():
    event = from_http(HTTPMessage({"content-type": "application/cloudevents+json"}, LINE.encode()), JSONFormat())
    written = json.loads(JSONFormat().write(event))
    assert datetime.fromisoformat(written["time"]) == AT
    assert {**written, "time": None} == {**json.loads(LINE), "time": None}


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


@given(st.integers(0, 10**40), st.sampled_from((RHO_DECIMALS, DELTA_DECIMALS)))
def test_a_loss_is_written_exactly(units, places):
    whole, _, fraction = decimal_text(units, places).partition(".")
    assert int(whole) * 10**places + int(fraction.ljust(places, "0")) == units
    assert not fraction.endswith("0")


@pytest.mark.parametrize("kind", ["charged", "replayed", "refused"])
async def test_the_outbox_can_be_made_again_from_the_log(store, kind):
    clock = Clock(AT)
    ledger, meter = ledger_of(store, clock), meter_of(store, clock)
    match kind:
        case "charged":
            await ledger.charge(order())
        case "replayed":
            await ledger.replay(order(), b"again")
        case "refused":
            await meter.refuse("R1", '{"dataset": "shop", "reason": "raw_rows"}')
    leaf = json.loads(await store.read(lambda c: log.read_leaf(c, 0)))
    ((_, line),) = await meter.events(None, 9, billing=True, provided=frozenset())
    assert event_of_leaf("gw", 0, leaf) == line


async def test_a_flood_is_one_leaf_and_no_event(store):
    meter = meter_of(store, Clock(AT))
    await meter.flooded("org", "ana", 240)
    leaf = json.loads(await store.read(lambda c: log.read_leaf(c, 0)))
    assert (leaf["kind"], leaf["organisation"], leaf["buyer"], leaf["decisions"]) == ("flooded", "org", "ana", 240)
    assert await meter.events(None, 9, billing=True, provided=frozenset()) == []
