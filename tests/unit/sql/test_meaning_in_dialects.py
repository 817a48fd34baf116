"""Each dialect's functions have its own meaning, and what would mean another thing is refused by name."""

from datetime import date, datetime

import pytest
from support.evaluated import refusal, value


@pytest.mark.parametrize(
    ("sql", "dialect", "expected"),
    [
        ("datediff(DATE '2000-03-01', DATE '2000-02-01')", "spark", 29),
        ("datediff(day, DATE '2000-02-01', DATE '2000-03-01')", "spark", 29),
        ("date_diff('day', DATE '2000-02-01', DATE '2000-03-01')", "trino", 29),
        ("date_diff('day', DATE '2000-02-01', DATE '2000-03-01')", "duckdb", 29),
        ("DATE '2000-03-01' - DATE '2000-02-01'", "postgres", 29),
        ("date_add('day', 3, DATE '2000-02-27')", "trino", date(2000, 3, 1)),
        ("date_add(DATE '2000-02-27', 3)", "spark", date(2000, 3, 1)),
        ("date_sub(DATE '2000-03-01', 1)", "spark", date(2000, 2, 29)),
        ("add_months(DATE '2000-01-31', 1)", "spark", date(2000, 2, 29)),
        ("DATE '2000-01-31' + INTERVAL '1 month'", "postgres", datetime(2000, 2, 29)),
        ("DATE '2000-01-31' + '1 month'::interval", "postgres", datetime(2000, 2, 29)),
        ("dayofweek(DATE '2000-01-02')", "duckdb", 0),
        ("EXTRACT(DOW FROM DATE '2000-01-02')", "postgres", 0),
        ("dayofweek(DATE '2000-01-02')", "spark", 1),
        ("day_of_week(DATE '2000-01-02')", "trino", 7),
        ("EXTRACT(DOW FROM DATE '2000-01-02')", "trino", 7),
        ("date_part('dow', DATE '2000-01-02')", "spark", 1),
        ("log(100)", "postgres", 2.0),
        ("log(100)", "duckdb", 2.0),
        ("log(1)", "spark", 0.0),
        ("log(2, 8)", "trino", 3.0),
        ("2 ^ 3", "postgres", 8.0),
        ("concat('a', NULL)", "postgres", "a"),
        ("concat('a', NULL)", "spark", None),
        ("trim(' \t')", "postgres", "\t"),
        ("trim(' \ta')", "trino", "a"),
        ("GREATEST(1, NULL)", "postgres", 1),
        ("GREATEST(1, NULL)", "trino", None),
        ("pmod(-7, 3)", "spark", 2),
        ("nullifzero(0)", "spark", None),
        ("zeroifnull(NULL)", "spark", 0),
        ("to_char(DATE '2000-02-03', 'DD.MM.YYYY')", "postgres", "03.02.2000"),
        ("date_format(TIMESTAMP '2000-02-03 04:05:06', '%Y-%m-%d %H:%i:%s')", "trino", "2000-02-03 04:05:06"),
        ("date_format(DATE '2000-02-03', 'yyyy/MM')", "spark", "2000/02"),
        ("CAST('abc' AS VARCHAR(2))", "postgres", "ab"),
        ("7::numeric / 2", "postgres", 3.5),
        ("locate('b', 'abc')", "spark", 2),
        ("'abc' LIKE 'ABC'", "duckdb", False),
        ("'a ' LIKE 'a'", "duckdb", False),
        ("-7 % 3", "duckdb", -1),
        ("0.30 = 0.3", "duckdb", True),
        ("CAST(0.1 AS DOUBLE) + 0.2 = 0.3", "duckdb", False),
    ],
)
def test_each_dialect_has_its_own_meaning(sql, dialect, expected):
    assert value(sql, dialect) == expected


@pytest.mark.parametrize(
    ("sql", "dialect", "words"),
    [
        ("CAST(t AS TIMESTAMPTZ)", "duckdb", "time zone"),
        ("CAST(t AS TIMESTAMP)", "spark", "time zone"),
        ("CAST(t AS TIME)", "duckdb", "TIME"),
        ("moment AT TIME ZONE 'UTC'", "postgres", "no time zone"),
        ("date_diff('month', day, bought)", "trino", "Full units"),
        ("moment - seen", "duckdb", "interval"),
        ("day - bought", "trino", "interval"),
        ("day - bought", "spark", "interval"),
        ("day + 1", "trino", "BIGINT"),
        ("day + 1.5", "duckdb", "DECIMAL"),
        ("INTERVAL '1' DAY", "duckdb", "interval"),
        ("day + INTERVAL '1.5' DAY", "duckdb", "whole number"),
        ("day + INTERVAL '1' CENTURY", "duckdb", "CENTUR"),
        ("day + INTERVAL '1-2' YEAR TO MONTH", "duckdb", "one unit TO another"),
        ("contains(t, 'a')", "trino", "arrays"),
        ("split_part(t, '-', 1)", "trino", "trino"),
        ("substr(t, -2)", "postgres", "postgres"),
        ("substr(t, 0)", "spark", "spark"),
        ("substr(t, 2, small - 1)", "duckdb", "0 or more"),
        ("left(t, -1)", "spark", "negative"),
        ("replace(t, '', 'x')", "duckdb", "1 to"),
        ("replace(t, s, 'x')", "duckdb", "literal"),
        ("lpad(t, 1001, 'x')", "duckdb", "1,000"),
        ("lpad(t, 5, '')", "duckdb", "1 to"),
        ("repeat(t, 3)", "duckdb", "grow"),
        ("reverse(t)", "duckdb", "combine"),
        ("initcap(t)", "postgres", "word"),
        ("chr(i)", "duckdb", "sign"),
        ("i & 3", "duckdb", "bits"),
        ("x'41'", "duckdb", ""),
        ("i ^ 2", "spark", "bits"),
        ("regexp_replace(t, 'a', 'b')", "duckdb", "differ"),
        ("regexp_extract(t, 'a')", "duckdb", "differ"),
        ("random()", "duckdb", "row"),
        ("age(day, bought)", "postgres", "interval"),
        ("to_char(day, 'Mon YYYY')", "postgres", "format"),
        ("to_char(day, 'Q')", "postgres", "format"),
        ("to_char(day, 'D')", "postgres", "format"),
        ("date_format(day, 'G')", "spark", "format"),
        ("strftime(day, '%c')", "duckdb", "%c"),
        ("strftime(day, '%')", "duckdb", "%"),
        ("strftime(day, t)", "duckdb", "literal"),
        ("EXTRACT(SECOND FROM moment)", "postgres", "fraction"),
        ("EXTRACT(YEAR FROM day) / 10", "postgres", "no integer"),
        ("FLOOR(share) / 2", "trino", "no integer"),
        ("EXTRACT(MILLENNIUM FROM day)", "duckdb", "MILLENNIUM"),
        ("CAST(day AS BIGINT)", "duckdb", "not cast"),
        ("CAST(i AS DATE)", "duckdb", "not cast"),
        ("CAST(b AS TIMESTAMP)", "duckdb", "not cast"),
        ("CAST(f AS VARCHAR)", "postgres", "another way"),
        ("CAST(moment AS VARCHAR)", "trino", "another way"),
        ("CAST(t AS BOOLEAN)", "spark", "true"),
        ("CAST(moment AS TIMESTAMP)", "trino", "3 digits"),
        ("CAST(f AS NUMERIC)", "postgres", "without digits"),
        ("CAST(t AS CHAR(3))", "postgres", "CHAR"),
        ("CAST(i AS DECIMAL(39,0))", "duckdb", "38"),
        ("CAST(i AS UUID)", "duckdb", "UUID"),
        ("wide = CAST('1' AS DECIMAL(18,18))", "duckdb", "digits"),
        ("t LIKE 'a' ESCAPE 'b'", "duckdb", "ESCAPE"),
        ("t LIKE '%a%b%c%d%'", "duckdb", "more than 2"),
        ("t COLLATE nocase", "duckdb", "byte by byte"),
        ("CURRENT_DATE", "duckdb", "CURRENTDATE"),
        ("now()", "duckdb", "NOW"),
        ("log(i, 2)", "duckdb", "base"),
        ("round(f, small)", "duckdb", "literal"),
        ("translate(t, 'aa', 'b')", "duckdb", "differ"),
        ("make_date(1.5, 1, 1)", "duckdb", "whole"),
        ("hash(t)", "duckdb", "HASH"),
        ("sqr(f)", "duckdb", "SQR"),
    ],
)
def test_what_would_mean_another_thing_is_refused_by_name(sql, dialect, words):
    assert words.casefold() in refusal(sql, dialect).detail.casefold()


def test_a_name_that_comes_near_is_shown():
    assert "SQRT" in refusal("sqr(f)").hint


def test_long_arguments_are_not_written_again_and_again():
    sql = "t"
    for _ in range(12):
        sql = f"replace({sql}, 'a', 'bb')"
    assert refusal(sql).code == "sql_too_complex"
