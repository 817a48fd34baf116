"""Where dialects round another way than the engine, a query is refused by name or written out; never answered otherwise."""

import pytest
from support.neighbours import exact_count
from support.shop import empty_database, planned

from gateway.errors import GatewayError

COUNT = "SELECT COUNT(*) AS n FROM purchases WHERE {} = 3"


@pytest.mark.parametrize(
    ("expression", "dialects"),
    [
        ("CAST(weight AS BIGINT)", ("trino", "spark")),
        ("CAST(score * 3 AS INT)", ("trino", "spark")),
        ("CAST(basket AS BIGINT)", ("spark",)),
        ("ROUND(weight)", ("postgres",)),
        ("quantity / 2.5", ("trino",)),
    ],
)
def test_what_rounds_another_way_is_refused_where_it_does(expression, dialects):
    for dialect in ("duckdb", "postgres", "trino", "spark"):
        if dialect in dialects:
            with pytest.raises(GatewayError) as caught:
                planned(COUNT.format(expression), dialect)
            assert caught.value.code == "unsupported_sql"
            assert dialect in caught.value.detail
            assert "CAST" in caught.value.hint
        else:
            assert planned(COUNT.format(expression), dialect).program.measurements


@pytest.mark.parametrize("dialect", ["duckdb", "trino", "spark"])
@pytest.mark.parametrize(
    "expression", ["CAST(ROUND(weight) AS BIGINT)", "CAST(FLOOR(weight) AS INT)", "CAST(quantity AS SMALLINT)"]
)
def test_what_is_whole_already_is_cast_alike(expression, dialect):
    assert planned(COUNT.format(expression), dialect).program.measurements


@pytest.mark.parametrize(
    ("text", "duckdb", "postgres"),
    [("3", 1, 1), ("3.0", 1, 0), ("3.4", 1, 0), ("3e0", 1, 0), ("x", 0, 0), (" 3 ", 1, 1)],
)
def test_a_text_with_a_fraction_is_no_integer_to_postgres(text, duckdb, postgres):
    connection = empty_database()
    connection.execute("INSERT INTO purchases (customer_id, basket) VALUES (1, ?)", [text])
    for dialect, expected in (("duckdb", duckdb), ("postgres", postgres), ("trino", postgres)):
        made = planned(COUNT.format("CAST(basket AS BIGINT)"), dialect)
        assert exact_count(connection, made) == expected, dialect
    if duckdb:
        assert connection.execute("SELECT CAST(? AS BIGINT)", [text]).fetchall() == [(3,)]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("ROUND(CAST('2.5' AS DECIMAL(4,1)))", 3),
        ("CAST(ROUND(CAST('0.25' AS DECIMAL(4,2)), 1) * 10 AS BIGINT)", 3),
        ("CAST(CAST('3.5' AS DECIMAL(4,1)) AS BIGINT)", 4),
        ("FLOOR(CAST('9007199254740993.9' AS DECIMAL(18,1)))", 9007199254740993),
        ("CEIL(CAST('-2.5' AS DECIMAL(4,1)))", -2),
    ],
)
def test_decimals_are_rounded_exactly(sql, expected):
    connection = empty_database()
    connection.execute("INSERT INTO purchases (customer_id, quantity) VALUES (1, 3)")
    for test, count in ((f"{sql} = {expected}", 1), (f"{sql} = {expected + 1}", 0)):
        made = planned(f"SELECT COUNT(*) AS n FROM purchases WHERE {test} AND quantity = 3")
        assert exact_count(connection, made) == count
