"""What comes over HTTP: strict JSON, and requests of known members only."""

import json
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.errors import GatewayError
from gateway.request import Accuracy
from gateway.web.reading import read_request
from gateway.web.strict_json import MAX_DEPTH, parse

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


def refused(work, *arguments):
    with pytest.raises(GatewayError) as caught:
        work(*arguments)
    assert caught.value.hint
    return caught.value.code


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'"text"',
        b"1",
        b"null",
        b"{",
        b'{"a": 1,}',
        b"{'a': 1}",
        b'{"a": 1} {"b": 2}',
        b'{"a": 1}x',
        b'{"a": 1, "a": 1}',
        b'{"x": {"a": 1, "\\u0061": 2}}',
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": -Infinity}',
        b'{"a": 1e9999}',
        b'{"a": 0.' + b"1" * 50 + b"}",
        b'{"a": ' + b"9" * 50 + b"}",
        b'{"a": "\\ud800"}',
        b'{"\\udfff": 1}',
        b'{"a": "\x01"}',
        b'{"a": 01}',
        b'{"a": +1}',
        b'{"a": .5}',
        b"// comment\n{}",
        b'{"a": ' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}",
        b"[" * 100_000,
        b"\xef\xbb\xbf{}",
    ],
)
def test_what_is_no_strict_json(body):
    assert refused(parse, body) == "bad_json"


@pytest.mark.parametrize(
    "body", [b'{"a": "\xff"}', b'{"a": "\xed\xa0\x80"}', "{}".encode("utf-16"), b'{"a": "\xc0\xaf"}']
)
def test_what_is_no_utf_8(body):
    assert refused(parse, body) == "bad_encoding"


def test_brackets_in_texts_do_not_count_as_depth():
    text = "[" * 100 + '\\"{' * 100
    assert parse(json.dumps({"a": text}).encode()) == {"a": text}


@given(JSON)
def test_what_is_taken_means_what_any_reader_says(content):
    body = json.dumps({"x": content}).encode()
    try:
        read = parse(body)
    except GatewayError:
        assume(False)
    assert read == json.loads(body)


@given(st.binary(max_size=40) | st.text('{}[]":,0123eE.-+tfn\\u \n', max_size=40).map(str.encode))
def test_any_bytes_are_an_object_or_a_refusal(body):
    try:
        read = parse(body)
    except GatewayError as error:
        assert error.code in ("bad_json", "bad_encoding")
    else:
        assert read == json.loads(body)


GOOD = {"sql": "SELECT 1"}


def test_a_request_with_everything():
    body = parse(
        b'{"sql": "SELECT 1", "dataset": "d", "purpose": "p", "epsilon": 0.10, "dialect": "spark", "row_limit": 5, '
        b'"format": "json", "sandbox": false, "accuracy": null}'
    )
    request = read_request(body, "key-1")
    assert (request.sql, request.dataset, request.purpose, request.dialect) == ("SELECT 1", "d", "p", "spark")
    assert str(request.epsilon) == "0.10"
    assert request.row_limit == 5
    assert request.idempotency_key == "key-1"


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("sqll", "x"),
        ("", 1),
        ("rho", 1),
        ("sql", ""),
        ("sql", "  "),
        ("sql", 5),
        ("sql", None),
        ("sql", ["SELECT 1"]),
        ("sql", "SELECT 1\x00"),
        ("sql", "SELECT\u00a01"),
        ("sql", "SELECT\u200b1"),
        ("sql", "SELECT \u202e1"),
        ("dataset", ""),
        ("dataset", 5),
        ("dataset", "x" * 129),
        ("dataset", "a\nb"),
        ("purpose", {}),
        ("epsilon", True),
        ("epsilon", "0.1"),
        ("epsilon", 0),
        ("epsilon", -1),
        ("epsilon", 10**10),
        ("dialect", "mysql"),
        ("dialect", None),
        ("dialect", ["duckdb"]),
        ("row_limit", 0),
        ("row_limit", True),
        ("row_limit", "5"),
        ("row_limit", 10**7),
    ],
)
def test_a_member_that_cannot_be_used(member, value):
    assert refused(read_request, {**GOOD, member: value}, None) == "bad_request"


def test_an_epsilon_of_more_decimals_than_are_counted():
    body = parse(b'{"sql": "SELECT 1", "epsilon": 0.0000000000001}')
    assert refused(read_request, body, None) == "bad_request"


def test_the_sandbox_is_a_mode_of_a_request():
    assert read_request({**GOOD, "sandbox": True}, None).mode == "sandbox"
    assert read_request(GOOD, None).mode == read_request({**GOOD, "sandbox": False}, None).mode == "authorised"
    assert refused(read_request, {**GOOD, "sandbox": "yes"}, None) == "bad_request"


def read_accuracy(text, **beside):
    body = parse(b'{"sql": "SELECT 1", "accuracy": ' + text.encode() + b"}")
    return read_request(body | beside, None).accuracy


def test_an_accuracy():
    assert read_accuracy('{"half_width": 100}') == Accuracy(Decimal(100), None, Decimal("0.95"))
    assert read_accuracy('{"relative": 0.050, "confidence": 0.9}') == Accuracy(None, Decimal("0.05"), Decimal("0.9"))
    assert read_accuracy('{"half_width": 12.50, "relative": null}').text == "half_width 12.5 at 0.95"
    assert read_accuracy("null") is None


@pytest.mark.parametrize(
    "text",
    ["1", "[]", "{}", '"half_width"', '{"confidence": 0.9}', '{"half_width": 1, "relative": 0.1}', '{"half_width": "1"}',
     '{"half_width": true}', '{"half_width": 0}', '{"half_width": -1}', '{"half_width": 1e16}',
     '{"half_width": 0.0000000000001}', '{"relative": 11}', '{"relative": 0}', '{"half_width": 1, "confidence": 0.4999}',
     '{"half_width": 1, "confidence": 1}', '{"half_width": 1, "confidence": "0.9"}', '{"half_width": 1, "column": "n"}'],
)  # fmt: skip
def test_an_accuracy_that_cannot_be_used(text):
    assert refused(read_accuracy, text) == "bad_request"


def test_what_to_spend_and_what_to_reach_exclude_each_other():
    with pytest.raises(GatewayError, match="Both") as caught:
        read_accuracy('{"half_width": 100}', epsilon=1)
    assert caught.value.code == "bad_request"


@pytest.mark.parametrize("key", ["", "a b", "x" * 129, "é", "a\tb", "\x7f"])
def test_an_idempotency_key_that_cannot_be_used(key):
    assert refused(read_request, GOOD, key) == "bad_request"


def test_a_place_in_the_sql_of_a_character_that_is_refused():
    with pytest.raises(GatewayError) as caught:
        read_request({"sql": "SELECT 1\n  \u200bFROM t"}, None)
    assert (caught.value.position.line, caught.value.position.column) == (2, 3)


def test_the_same_content_has_the_same_digest_in_any_order():
    one = read_request({"sql": "SELECT 1", "dataset": "d"}, None)
    two = read_request({"dataset": "d", "sql": "SELECT 1"}, None)
    other = read_request({"dataset": "e", "sql": "SELECT 1"}, None)
    assert one.body_digest == two.body_digest != other.body_digest
