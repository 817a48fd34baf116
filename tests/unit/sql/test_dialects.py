"""Where dialects round another way than the engine, an expression is refused by name or written out otherwise."""

import duckdb
import pytest
from support.functions import resolved

from gateway.errors import GatewayError


@pytest.mark.parametrize(
    ("expression", "dialects"),
    [
        ("CAST(f AS BIGINT)", ("trino", "spark")),
        ("CAST(share * 3 AS INT)", ("trino", "spark")),
        ("CAST(t AS BIGINT)", ("spark",)),
        ("ROUND(f)", ("postgres",)),
        ("small / 2.5", ("trino",)),
    ],
)
def test_what_rounds_another_way_is_refused_where_it_does(expression, dialects):
    for dialect in ("duckdb", "postgres", "trino", "spark"):
        if dialect in dialects:
            with pytest.raises(GatewayError) as caught:
                resolved(expression, dialect)
            assert caught.value.code == "unsupported_sql"
            assert dialect in caught.value.detail
            assert "CAST" in caught.value.hint
        else:
            assert resolved(expression, dialect).type.numeric


@pytest.mark.parametrize("dialect", ["duckdb", "trino", "spark"])
@pytest.mark.parametrize("expression", ["CAST(ROUND(f) AS BIGINT)", "CAST(FLOOR(f) AS INT)", "CAST(small AS SMALLINT)"])
def test_what_is_whole_already_is_cast_alike(expression, dialect):
    assert str(resolved(expression, dialect).type) == "BIGINT"


@pytest.mark.parametrize(
    ("text", "rounded", "exact"),
    [("3", 3, 3), ("3.0", 3, None), ("3.4", 3, None), ("3e0", 3, None), ("x", None, None), (" 3 ", 3, 3)],
)
def test_a_text_with_a_fraction_is_no_integer_to_postgres(text, rounded, exact):
    for dialect, expected in (("duckdb", rounded), ("postgres", exact), ("trino", exact)):
        sql = resolved("CAST(t AS BIGINT)", dialect).node.sql("duckdb")
        assert duckdb.execute(f"SELECT {sql} FROM (SELECT ? AS t)", [text]).fetchall() == [(expected,)], dialect


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
    for test, holds in ((f"{sql} = {expected}", True), (f"{sql} = {expected + 1}", False)):
        assert duckdb.execute(f"SELECT {resolved(test).node.sql('duckdb')}").fetchall() == [(holds,)]
