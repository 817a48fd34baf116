"""Trino's forms: errors, types, values, pages, addresses."""

import json
from dataclasses import replace

import pytest
from aiohttp.test_utils import make_mocked_request

from gateway.errors import CODES, GatewayError, Kind, Position
from gateway.request import Caller
from gateway.stages import Stage
from gateway.web.trino import pages
from gateway.web.trino.addresses import Addresses, base_of
from gateway.web.trino.errors import INTERNAL, NAMES, NUMBERS, USER, trino_error
from gateway.web.trino.holding import Holding
from gateway.web.trino.pages import of_answer, results, state_of, stats
from gateway.web.trino.types import column, named, writer

ANA, BOB = Caller("ana", "widgets"), Caller("bob", "widgets")


def test_every_code_of_the_gateway_has_a_name_and_every_name_a_number():
    assert set(NAMES) == set(CODES)
    assert set(NAMES.values()) == set(NUMBERS)


@pytest.mark.parametrize("code", sorted(CODES))
def test_kinds_agree(code):
    kind = NUMBERS[NAMES[code]][1]
    if CODES[code].kind is Kind.INTERNAL:
        assert kind == INTERNAL
    if CODES[code].kind in (Kind.USER, Kind.DENIED) and NAMES[code] != "EXCEEDED_TIME_LIMIT":
        assert kind == USER


def test_an_error_says_code_hint_and_place():
    told = trino_error(GatewayError("unknown_column", "There is none.", "Look.", Position(3, 7)))
    assert told["message"] == "line 3:7: unknown_column: There is none. Look."
    assert told["errorLocation"] == {"lineNumber": 3, "columnNumber": 7}
    assert (told["errorName"], told["errorCode"], told["errorType"]) == ("COLUMN_NOT_FOUND", 47, "USER_ERROR")
    assert "errorLocation" not in trino_error(GatewayError("internal", "It failed."))


@pytest.mark.parametrize(
    ("type_", "told", "raw", "arguments"),
    [
        ("BIGINT", "bigint", "bigint", []),
        ("DECIMAL(38,2)", "decimal(38,2)", "decimal", [38, 2]),
        ("VARCHAR", "varchar", "varchar", [2_147_483_647]),
        ("TIMESTAMP", "timestamp(6)", "timestamp", [6]),
        ("DATE", "date", "date", []),
        ("UUID", "uuid", "uuid", []),
        ("BOOLEAN", "boolean", "boolean", []),
        ("DOUBLE", "double", "double", []),
        ("OTHER", "varchar", "varchar", [2_147_483_647]),
        ("HUGEINT", "decimal(38,0)", "decimal", [38, 0]),
    ],
)
def test_types_have_a_name_and_a_signature(type_, told, raw, arguments):
    signature = {"rawType": raw, "arguments": [{"kind": "LONG", "value": value} for value in arguments]}
    assert column("a", type_) == {"name": "a", "type": told, "typeSignature": signature}
    assert named(type_) == told


@pytest.mark.parametrize(
    ("type_", "cell", "told"),
    [
        ("BIGINT", "9223372036854775807", 9223372036854775807),
        ("BIGINT", 5, 5),
        ("DECIMAL(10,2)", "1.50", "1.50"),
        ("DATE", "1997-01-02", "1997-01-02"),
        ("TIMESTAMP", "1997-01-02T03:04:05", "1997-01-02 03:04:05.000000"),
        ("TIMESTAMP", "1997-01-02T03:04:05.000006", "1997-01-02 03:04:05.000006"),
        ("TIMESTAMP", "294247-01-10T04:00:54", "294247-01-10T04:00:54"),
        ("DOUBLE", 1, 1.0),
        ("BOOLEAN", True, True),
        ("VARCHAR", "x", "x"),
        ("VARCHAR", None, None),
    ],
)
def test_values_are_in_the_protocols_form(type_, cell, told):
    written = writer(type_)(cell)
    assert written == told
    assert type(written) is type(told)


def test_pages_are_bounded_by_rows_and_by_bytes_and_join_to_the_whole():
    rows = [[index, "x" * 300] for index in range(25_000)]
    found = results([("n", "BIGINT"), ("t", "VARCHAR")], rows)
    cut = [found.page(number) for number in range(found.count)]
    assert [row for page in cut for row in page["data"]] == rows
    assert found.count > 3
    assert max(len(page["data"]) for page in cut) <= pages.MAX_ROWS
    assert max(len(json.dumps(page["data"])) for page in cut) < 1.1 * pages.MAX_BYTES
    thin = results([("n", "BIGINT")], [[index] for index in range(pages.MAX_ROWS + 1)])
    assert [len(thin.page(number)["data"]) for number in range(thin.count)] == [pages.MAX_ROWS, 1]
    with pytest.raises(GatewayError, match="no such page"):
        found.page(found.count)
    assert len(found.only()["data"]) == 25_000


def test_no_rows_are_one_page_with_columns():
    found = results([("n", "BIGINT")], [])
    assert found.count == 1
    assert "data" not in found.page(0)
    assert [one["name"] for one in found.page(0)["columns"]] == ["n"]


ANSWER = {
    "query_id": "Q",
    "columns": [{"name": "k", "type": "VARCHAR"}, {"name": "n", "type": "BIGINT", "noisy": True}],
    "rows": [["a", 5], ["b", 7]],
    "intervals": {"confidence": 0.95, "columns": {"n": [[3, 7], None]}},
    "privacy": {"rho": 0.02, "delta": 0.0, "stored": False},
    "price": {"amount": "0.50", "currency": "CNY"},
    "notices": ["intervals cover the noise alone"],
}


def test_an_answer_has_intervals_as_columns_and_its_cost_as_warnings():
    assert of_answer(ANSWER, intervals=False).rows == [["a", 5], ["b", 7]]
    found = of_answer(ANSWER, intervals=True)
    assert [one["name"] for one in found.columns] == ["k", "n", "n_low", "n_high"]
    assert found.rows == [["a", 5, 3, 7], ["b", 7, None, None]]
    said = [(one["warningCode"]["name"], one["message"]) for one in found.page(0)["warnings"]]
    assert said == [
        ("PRIVACY_COST", "Privacy: rho 0.02, delta 0."),
        ("PRICE", "Price: 0.50 CNY."),
        ("NOTICE", "intervals cover the noise alone"),
    ]


@pytest.mark.parametrize("stage", [*Stage, None])
def test_every_stage_has_a_state_and_no_figure(stage):
    told = stats(state_of(stage), stage)
    assert told["state"] in {"QUEUED", "PLANNING", "WAITING_FOR_RESOURCES", "STARTING", "RUNNING", "FINISHING"}
    numbers = {name: value for name, value in told.items() if type(value) is int}
    assert set(numbers.values()) == {0}


def test_an_address_is_of_one_buyer_one_query_and_one_form():
    addresses = Addresses(b"k" * 32)
    path = addresses.page(ANA, "Q1", 3, intervals=True)
    _, _, _, state, query_id, slug, number = path.split("/")
    assert (state, query_id, number) == ("executing", "Q1", "3")
    assert addresses.checked(ANA, "Q1", slug) is True
    for caller, other, mark in (
        (BOB, "Q1", slug),
        (ANA, "Q2", slug),
        (ANA, "Q1", "p" + slug[1:]),
        (ANA, "Q1", ""),
        (ANA, "Q1", "i"),
        (ANA, "Q1", "ié"),
    ):
        with pytest.raises(GatewayError) as caught:
            addresses.checked(caller, other, mark)
        assert caught.value.code == "not_found"
    with pytest.raises(GatewayError):
        Addresses(b"j" * 32).checked(ANA, "Q1", slug)


def test_a_small_page_can_be_in_its_address_and_is_opened_by_its_buyer_alone():
    addresses = Addresses(b"k" * 32)
    *_, slug, packed = addresses.sealed(ANA, "Q1", b'{"data": [[1]]}').split("/")
    assert addresses.opened(ANA, "Q1", slug, packed) == b'{"data": [[1]]}'
    for caller, mark, content in ((BOB, slug, packed), (ANA, slug, packed[:-1] + "A"), (ANA, "s" + "0" * 32, packed)):
        with pytest.raises(GatewayError) as caught:
            addresses.opened(caller, "Q1", mark, content)
        assert caught.value.code == "not_found"
    noise = bytes(index * 197 % 251 ^ index // 7 % 256 for index in range(100_000))
    assert addresses.sealed(ANA, "Q1", noise) is None


@pytest.mark.parametrize(
    ("headers", "base"),
    [
        ({"Host": "a.example:8080"}, "http://a.example:8080"),
        ({"Host": "[::1]:8080"}, "http://[::1]:8080"),
        ({"Host": "gateway-1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "a.example"}, "https://a.example"),
        ({"Host": "a", "X-Forwarded-Proto": "https", "X-Forwarded-Port": "443"}, "https://a"),
        ({"Host": "a", "X-Forwarded-Proto": "https", "X-Forwarded-Port": "8443"}, "https://a:8443"),
        ({"Host": "a:1", "X-Forwarded-Port": "8443"}, "http://a:1"),
        ({"Host": "a", "X-Forwarded-Proto": "file"}, None),
        ({"Host": "a", "X-Forwarded-Host": "b/c"}, None),
        ({"Host": "a", "X-Forwarded-Host": "b@c"}, None),
        ({"Host": "a", "X-Forwarded-Port": "x"}, None),
        ({}, None),
    ],
)
def test_pages_go_on_where_the_caller_came_from(headers, base):
    request = make_mocked_request("POST", "/v1/statement", headers=headers)
    if base is None:
        with pytest.raises(GatewayError) as caught:
            base_of(request)
        assert caught.value.code == "bad_request"
    else:
        assert base_of(request) == base


def test_results_are_held_within_bounds_of_number_size_and_time():
    pages_of_two = results([("n", "BIGINT")], [[index] for index in range(pages.MAX_ROWS + 1)])
    holding = Holding()
    for number in range(40):
        holding.put(("b", str(number), False), pages_of_two, now_s=float(number))
    assert holding.get(("b", "0", False), 40.0) is None
    assert holding.get(("b", "39", False), 40.0) is pages_of_two
    holding.drop(("b", "39", False))
    assert holding.get(("b", "39", False), 40.0) is None
    big = replace(pages_of_two, size=10**9)
    holding.put(("b", "big", False), big, 41.0)
    assert holding.get(("b", "38", False), 42.0) is None
    assert holding.get(("b", "big", False), 340.0) is big
    assert holding.get(("b", "big", False), 341.0) is None
    holding.put(("b", "one", False), results([("n", "BIGINT")], [[1]]), 350.0)
    assert holding.get(("b", "one", False), 350.0) is None, "one page is cut once anyway"
