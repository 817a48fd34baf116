"""Bound values: what is written is read back as the same value by the gateway's own parser, or refused by name."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp

from gateway.client.literals import NotBound, bind, literal
from gateway.sql.limits import DIALECTS

HOSTILE = [
    "'",
    "''",
    "\\",
    "\\'",
    "it's",
    "';--",
    "/*",
    "*/",
    "?",
    '"',
    "`",
    "$$",
    "{#",
    "\n",
    "a\\nb",
    "\\\\'",
    "%",
    "é",
    "--\n'",
]


def read(sql, dialect):
    """Return the texts of a statement's literals, as the gateway's parser reads them."""
    (select,) = sqlglot.parse(sql, dialect=dialect)
    return [node.name for node in select.find_all(exp.Literal, bfs=False) if node.is_string]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_is_read_back_as_it_was(dialect, text):
    assert read(bind("SELECT ?, 'mark'", [text], dialect), dialect) == [text, "mark"]


@pytest.mark.parametrize("dialect", DIALECTS)
@given(first=st.text(alphabet="'\\\"`?-/*$ab\n{#", max_size=8), second=st.text(max_size=8))
def test_any_text_is_read_back_as_it_was(dialect, first, second):
    sql = bind("SELECT ? AS a, 'x?' AS \"b\", ? -- ?\n AS c /* ? */", [first, second], dialect)
    assert read(sql, dialect)[:1] + read(sql, dialect)[-1:] == [first, second]


@pytest.mark.parametrize(
    ("value", "written"),
    [(None, "NULL"), (True, "TRUE"), (False, "FALSE"), (7, "7"), (-7, "(-7)"), (0.5, "0.5e0"), (-1e-7, "(-1e-07)"),
     (1e22, "1e+22"), (Decimal("1.50"), "1.50"), (Decimal("-1E+3"), "(-1000)"), ("a", "'a'"),
     (date(1997, 3, 1), "DATE '1997-03-01'"), (datetime(1997, 3, 1, 2), "TIMESTAMP '1997-03-01 02:00:00'")],
)  # fmt: skip
def test_values_are_written_in_their_types(value, written):
    assert literal(value, "duckdb") == written


@pytest.mark.parametrize(
    ("value", "words"),
    [(2**63, "beyond 64 bits"), (float("nan"), "NaN"), (float("inf"), "NaN"), (Decimal("NaN"), "NaN"),
     (Decimal(1234567890123456789), "18 digits"), (datetime(1997, 3, 1, tzinfo=UTC), "time zone"), (b"x", "bytes"),
     ([1], "list"), (object(), "object")],
)  # fmt: skip
def test_values_that_have_no_certain_literal_are_refused_by_name(value, words):
    with pytest.raises(NotBound, match=words):
        literal(value, "duckdb")


class Renamed(float):
    """A float that calls itself otherwise, as those of NumPy do."""

    def __repr__(self):
        return f"np.float64({float(self)})"


def test_floats_of_other_libraries_are_written_as_numbers():
    assert literal(Renamed(1.5), "duckdb") == "1.5e0"


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("before", ["E", "e", "r", "R", "x", "U&", "1", "_", "'a'", '"a"', "?"])
def test_a_mark_that_makes_one_word_with_what_stands_before_it_is_refused(dialect, before):
    with pytest.raises(NotBound, match="put a space between them"):
        bind(f"SELECT {before}?", ["\\' OR TRUE --"] * (2 if before == "?" else 1), dialect)


def test_a_negative_number_after_a_minus_begins_no_comment():
    assert bind("SELECT 1-?", [-1], "duckdb") == "SELECT 1-(-1)"


@pytest.mark.parametrize(
    ("sql", "dialect", "words"),
    [(r"SELECT 'a\' , ?'", "duckdb", "backslash"), (r"SELECT E'\'', ?", "postgres", "backslash"), ("SELECT $$a$$, ?", "duckdb", "closed"),
     ("SELECT $t$ ? $t$", "postgres", "closed"), ("SELECT 'a, ?", "duckdb", "closed"), ('SELECT "a, ?', "duckdb", "closed"),
     ("SELECT /* ?", "duckdb", "closed"), ("SELECT /* /* */ */ ?", "duckdb", "comment within"), ("SELECT `a`, ?", "trino", "backticks"),
     ("SELECT {# ' #} ?", "duckdb", "closed"), ("SELECT `a, ?", "spark", "closed")],
)  # fmt: skip
def test_statements_in_which_a_mark_may_not_be_one_are_refused_by_name(sql, dialect, words):
    with pytest.raises(NotBound, match=words):
        bind(sql, ["x"], dialect)


@pytest.mark.parametrize("sql", ["SELECT '?'", 'SELECT "?"', "SELECT 1 -- ?", "SELECT /* ? */ 1", "SELECT 'it''s ?'"])
def test_marks_in_texts_names_and_comments_are_none(sql):
    assert bind(sql, [], "duckdb") == sql
    with pytest.raises(ValueError, match="0 question marks, and 1 values"):
        bind(sql, ["x"], "duckdb")


def test_as_many_values_as_marks():
    for values in ([1], [1, 2, 3]):
        with pytest.raises(ValueError, match="2 question marks"):
            bind("SELECT ?, ?", values, "duckdb")
    assert bind("SELECT `a?`, ? FROM t", ["?"], "spark") == "SELECT `a?`, '?' FROM t"
