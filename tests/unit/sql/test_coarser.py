"""Coarser questions as text: the same SQL with one key truncated, in buckets, or left out."""

import pytest

from gateway.sql.coarser import KeyKind, coarser

DATE, WHOLE, OTHER = KeyKind(True, False), KeyKind(False, True), KeyKind(False, False)


def texts(sql, *kinds, dialect="duckdb"):
    return [(one.change, one.sql) for one in coarser(sql, dialect, kinds)]


def test_a_date_by_longer_periods_then_keys_left_out():
    found = texts("SELECT a, d, COUNT(*) AS n FROM t GROUP BY a, d", OTHER, DATE)
    assert [change for change, _ in found] == [
        "d by week", "d by month", "d by quarter", "d by year", "d by month of the year", "without the key d",
        "without the key a"]  # fmt: skip
    assert found[1][1] == (
        "SELECT a, DATE_TRUNC('MONTH', d) AS d, COUNT(*) AS n FROM t GROUP BY a, DATE_TRUNC('MONTH', d)"
    )
    assert found[4][1] == (
        "SELECT a, EXTRACT(MONTH FROM d) AS d, COUNT(*) AS n FROM t GROUP BY a, EXTRACT(MONTH FROM d)"
    )
    assert found[5][1] == "SELECT a, COUNT(*) AS n FROM t GROUP BY a"
    assert found[6][1] == "SELECT d, COUNT(*) AS n FROM t GROUP BY d"


def test_what_is_by_month_already_goes_on_from_there():
    found = texts("SELECT date_trunc('month', d) AS m, COUNT(*) AS n FROM t GROUP BY 1 ORDER BY n", DATE)
    assert [change for change, _ in found] == [
        "DATE_TRUNC('MONTH', d) by quarter", "DATE_TRUNC('MONTH', d) by year", "DATE_TRUNC('MONTH', d) by month of the year"]  # fmt: skip
    assert found[0][1] == "SELECT DATE_TRUNC('QUARTER', d) AS m, COUNT(*) AS n FROM t GROUP BY 1 ORDER BY n"


def test_whole_numbers_in_buckets():
    found = texts("SELECT x AS size, COUNT(*) AS n FROM t GROUP BY size HAVING COUNT(*) > 3", WHOLE)
    assert [change for change, _ in found] == [f"x in steps of {size}" for size in ("10", "100", "1,000", "10,000")]
    assert found[0][1] == "SELECT x // 10 * 10 AS size, COUNT(*) AS n FROM t GROUP BY x // 10 * 10 HAVING COUNT(*) > 3"
    assert texts("SELECT x // 5 AS size, COUNT(*) AS n FROM t GROUP BY 1", WHOLE) == []
    (first, *_) = texts("SELECT a + b AS size, COUNT(*) AS n FROM t GROUP BY 1", WHOLE)
    assert first[1] == "SELECT (a + b) // 10 * 10 AS size, COUNT(*) AS n FROM t GROUP BY 1"


def test_where_a_key_is_sorted_by_it_is_replaced_as_well():
    found = texts('SELECT "d", COUNT(*) AS n FROM t GROUP BY "d" ORDER BY "d"', DATE)
    assert found[0][1] == (
        'SELECT DATE_TRUNC(\'WEEK\', "d") AS "d", COUNT(*) AS n FROM t GROUP BY DATE_TRUNC(\'WEEK\', "d") '
        "ORDER BY DATE_TRUNC('WEEK', \"d\")"
    )


def test_a_key_that_more_may_speak_of_is_not_left_out():
    for tail in ("ORDER BY a", "HAVING COUNT(*) > 3"):
        assert texts(f"SELECT a, b, COUNT(*) AS n FROM t GROUP BY a, b {tail}", OTHER, OTHER) == []
    assert texts("SELECT a, b, COUNT(*) AS n FROM t GROUP BY 1, 2", OTHER, OTHER) == []
    assert texts("SELECT n FROM (SELECT a, b, COUNT(*) AS n FROM t GROUP BY a, b) s", OTHER, OTHER) == []
    assert texts("SELECT a FROM t GROUP BY a, b", OTHER, OTHER) == [("without the key b", "SELECT a FROM t GROUP BY a")]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT COUNT(*) FROM t",
        "SELECT a, COUNT(*) AS n FROM t GROUP BY ROLLUP (a)",
        "SELECT a, COUNT(*) AS n FROM t GROUP BY ALL",
        "SELECT a, COUNT(*) AS n FROM (SELECT a FROM t GROUP BY a) s GROUP BY a",
        "SELECT a, COUNT(*) AS n FROM t GROUP BY a UNION ALL SELECT b, COUNT(*) FROM t GROUP BY b",
        "SELECT a, COUNT(*) AS n FROM t GROUP BY a, b",
        "SELECT a, COUNT(*) AS n FROM t GROUP BY 7",
    ],
)
def test_other_shapes_are_left_alone(sql):
    assert texts(sql, DATE) == []


@pytest.mark.parametrize("dialect", ["duckdb", "postgres", "trino", "spark"])
def test_texts_are_in_the_buyers_dialect(dialect):
    sql = "SELECT d, COUNT(*) AS n FROM t GROUP BY d"
    assert len(texts(sql, DATE, dialect=dialect)) == 5
    assert all("d" in text for _, text in texts(sql, DATE, dialect=dialect))
