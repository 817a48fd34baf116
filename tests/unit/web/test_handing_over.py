"""How an answer is to be handed over: read from a body, or from an address and its header Accept."""

from decimal import Decimal

import pytest

from gateway.errors import GatewayError
from gateway.web.delivery import Delivery, Format, read_delivery
from gateway.web.reading import read_request


@pytest.mark.parametrize(
    ("members", "accept", "delivery"),
    [
        ({}, None, Delivery()),
        ({"format": "csv"}, None, Delivery(Format.CSV)),
        ({"format": "json"}, "text/csv", Delivery(Format.JSON)),
        ({}, "text/csv", Delivery(Format.CSV)),
        ({}, "text/csv;q=0.2, application/vnd.apache.arrow.stream", Delivery(Format.ARROW)),
        ({}, "text/csv;q=0, application/json;q=0.1", Delivery(Format.JSON)),
        ({}, "text/csv;q=x", Delivery(Format.JSON)),
        ({}, "text/html, */*", Delivery(Format.JSON)),
        ({}, "application/jsonl", Delivery(Format.NDJSON)),
        ({"intervals": True, "wait_timeout": 5}, None, Delivery(intervals=True, wait_s=5.0)),
        ({"wait_timeout": Decimal("0.5"), "on_wait_timeout": "cancel"}, None, Delivery(wait_s=0.5, cancel=True)),
        ({"wait_timeout": 0, "on_wait_timeout": "continue"}, None, Delivery(wait_s=0.0)),
    ],
)
def test_is_read(members, accept, delivery):
    assert read_delivery(members, accept) == delivery


@pytest.mark.parametrize(
    "members",
    [
        {"format": "xml"},
        {"format": 3},
        {"format": ["csv"]},
        {"intervals": "yes"},
        {"intervals": 1},
        {"wait_timeout": -1},
        {"wait_timeout": 61},
        {"wait_timeout": True},
        {"wait_timeout": "5"},
        {"wait_timeout": Decimal("NaN")},
        {"wait_timeout": 5, "on_wait_timeout": "CANCEL"},
        {"on_wait_timeout": "cancel"},
    ],
)
def test_is_refused(members):
    with pytest.raises(GatewayError) as caught:
        read_delivery(members, None)
    assert caught.value.code == "bad_request"
    assert caught.value.hint


def test_is_no_part_of_the_question():
    asked = {"sql": "SELECT 1", "epsilon": Decimal("0.1")}
    plain = read_request(asked, None)
    handed = {"format": "csv", "intervals": True, "wait_timeout": 3, "on_wait_timeout": "cancel"}
    assert read_request({**asked, **handed}, None) == plain
    assert read_request({**asked, "row_limit": 3}, None).body_digest != plain.body_digest
