"""What the editor's form says, when it is worth a quote, and where a refusal points."""

import time
from decimal import Decimal

import pytest

from gateway.errors import GatewayError, Position
from gateway.web.console.sketches import Place, Sketch, place_of, unfinished


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT", "SELECT a, b", "SELECT COUNT(*) FROM", "SELECT COUNT( FROM t", "SELECT a FROM t WHERE b = ",
        "SELECT a FROM t WHERE b = 'x", "SELECT a FROM t GROUP BY", "SELECT a FROM t GROUP BY a,", 'SELECT "a FROM t',
        "SELECT a FROM t /* and", "SELECT a FROM t WHERE b IN (1, 2", "SELECT a FROM t JOIN", "-- SELECT a FROM t", "hello",
    ],
)  # fmt: skip
def test_half_a_question_is_seen_to_be_one(sql):
    assert unfinished(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT COUNT(*) FROM t", "SELECT a FROM t WHERE b = 'it''s (' GROUP BY a", "select a\nfrom (select 1 from t)",
        "WITH x AS (SELECT a FROM t) SELECT a FROM x -- done (", "SELECT a FROM t /* ( */", "SELECT a - b FROM t LIMIT 5;",
    ],
)  # fmt: skip
def test_a_whole_question_is_worth_a_quote(sql):
    assert not unfinished(sql)


def test_looking_at_a_text_takes_time_in_proportion_to_it():
    begins = ("(", "'", "/*", '"', "SELECT ", "- ", "select from ", "''", "select '")
    spent = time.process_time()
    for begin in begins:
        unfinished(begin * (60_000 // len(begin)))
    assert time.process_time() - spent < 5  # some tenths of a second; what grows with the square took longer for one


@pytest.mark.parametrize(
    ("aim", "amount", "epsilon", "half_width", "relative"),
    [
        ("default", "7", None, None, None),
        ("epsilon", "0.5", Decimal("0.5"), None, None),
        ("half_width", " 100 ", None, Decimal(100), None),
        ("relative", "0.05", None, None, Decimal("0.05")),
    ],
)
def test_the_form_says_what_the_api_is_asked(aim, amount, epsilon, half_width, relative):
    asked = Sketch("SELECT 1 FROM t", "shop", "", "trino", aim, amount).request()
    assert (asked.dataset, asked.purpose, asked.dialect, asked.epsilon) == ("shop", None, "trino", epsilon)
    given = asked.accuracy
    assert (given and given.half_width, given and given.relative) == (half_width, relative)
    assert asked.idempotency_key is None


@pytest.mark.parametrize("sketch", [
    Sketch("SELECT 1 FROM t", aim="epsilon", amount=""), Sketch("SELECT 1 FROM t", aim="epsilon", amount="NaN"),
    Sketch("SELECT 1 FROM t", aim="sideways"), Sketch("", aim="default"), Sketch("SELECT 1 FROM t", dialect="cobol"),
])  # fmt: skip
def test_what_the_api_would_refuse_is_refused(sketch):
    with pytest.raises(GatewayError, match="bad_request"):
        sketch.request()


@pytest.mark.parametrize(
    ("position", "place"),
    [
        (None, None),
        (Position(9, 1), None),
        (Position(2, 6), Place(2, 6, "FROM ", "cust", ", x")),
        (Position(2, 99), Place(2, 99, "FROM cust, x", "", "")),
        (Position(2, 10), Place(2, 10, "FROM cust", ",", " x")),
    ],
)
def test_a_refusal_points_to_a_word_of_the_text(position, place):
    assert place_of("SELECT a\nFROM cust, x", position) == place
