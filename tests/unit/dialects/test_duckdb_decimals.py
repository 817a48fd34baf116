"""What is left out of a statement for DuckDB changes no value: both texts give the same rows of the same types."""

import sys
from collections import Counter
from decimal import Decimal
from itertools import product

import duckdb
import pytest
import sqlglot

from gateway.catalog.types import SqlType, TypeKind
from gateway.dialects.duckdb.queries import spared
from gateway.dialects.model import Tables
from gateway.sql.writing import text

TYPES = {"p": (15, 2), "d": (15, 2), "s": (4, 2), "m": (9, 0), "w": (18, 4), "h": (25, 2)}
TABLES = Tables({"t": {name: SqlType(TypeKind.DECIMAL, *sizes) for name, sizes in TYPES.items()}})


def literal(value: str, digits: int, scale: int) -> str:
    return f"CAST('{Decimal(value):.{scale}f}' AS DECIMAL({digits}, {scale}))"


def clamped(of: str, lo: str | None, hi: str | None, digits: int, scale: int) -> str:
    tests = [(sign, literal(end, digits, scale)) for sign, end in (("<", lo), (">", hi)) if end is not None]
    return f"CASE {' '.join(f'WHEN {of} {sign} {end} THEN {end}' for sign, end in tests)} ELSE {of} END"


PRICE = f"CAST({clamped('p', '0', '105000', 15, 2)} AS DECIMAL(8, 2))"
SHARE = f"CAST({clamped('d', '0', '0.10', 15, 2)} AS DECIMAL(4, 2))"
REST = f"(CAST(((CAST(CAST(1 AS BIGINT) AS DECIMAL(4, 2))) - ({SHARE})) AS DECIMAL(3, 2)))"
PAID = f"CAST((({PRICE}) * {REST}) AS DECIMAL(10, 4))"

MANY = f"CAST({clamped('p', '0', '9999999999', 15, 2)} AS DECIMAL(12, 2))"


def written(expression: str) -> str:
    """Return an expression as it is written for DuckDB, over the table's columns."""
    tree = sqlglot.parse_one(select(expression), read="duckdb")
    return text(spared(tree, TABLES)).removeprefix("SELECT ").removesuffix(" AS v FROM t")


def select(expression: str) -> str:
    return f"SELECT {expression} AS v FROM t"


@pytest.fixture(scope="module")
def engine():
    """Rows of every extreme of each type, of its neighbours and of each clamp's ends, NULL among them, in all pairs."""
    connection = duckdb.connect()
    columns = ", ".join(f"{name} DECIMAL({digits}, {scale})" for name, (digits, scale) in TYPES.items())
    connection.execute(f"CREATE TABLE t ({columns})")
    for one, other in product(range(-7, 8), repeat=2):
        row = [_value(place, *TYPES[name]) for name, place in zip(TYPES, (one, other) * 3, strict=True)]
        connection.execute("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?)", row)
    yield connection
    connection.close()


def _value(place: int, digits: int, scale: int) -> Decimal | None:
    most = Decimal(10**digits - 1).scaleb(-scale)
    step = Decimal(1).scaleb(-scale)
    ends = (None, step, Decimal("0.10"), Decimal("0.11"), Decimal(1), most - step, most, Decimal(105_000))
    value = ends[abs(place)]
    if value is None or value > most:
        return None
    return (value if place > 0 else -value).quantize(step)


SAME = {
    "a clamp's narrower type": (PRICE, PRICE),
    "a product of two": (f"CAST({PRICE} * {REST} AS DECIMAL(10, 4))", None),
    "in an integer": (f"CAST({PRICE} AS BIGINT)", f"CAST({clamped('p', '0', '105000', 15, 2)} AS BIGINT)"),
    "scaled": (f"CAST(({PRICE}) * CAST(100 AS DECIMAL(3, 0)) AS BIGINT)", None),
    "its own type": (f"CAST({SHARE} AS DECIMAL(4, 2))", SHARE),
    "a sum": (f"CAST({PRICE} + {SHARE} AS DECIMAL(9, 2))", None),
    "a clamp of what a clamp bounds": (clamped(f"({PRICE})", "-1", "105000.01", 8, 2), None),
    "one end of it": (clamped(f"({PRICE})", "0", "500", 8, 2), None),
    "one end alone": (f"CAST({clamped('p', None, '7', 15, 2)} AS DECIMAL(15, 2))", None),
    "a whole number's": (f"CAST(CAST({clamped('m', '-3', '5', 9, 0)} AS DECIMAL(3, 0)) AS BIGINT)", None),
    "rounded": (f"CAST({PRICE} AS DECIMAL(8, 1))", None),
    "negative ends": (
        f"CAST(CAST({clamped('p', '-9', '-0.01', 15, 2)} AS DECIMAL(3, 2)) * {SHARE} AS DECIMAL(9, 4))",
        None,
    ),
    "a product in eighteen digits": (
        f"CAST(({PRICE}) * CAST({clamped('w', '0', '1', 18, 4)} AS DECIMAL(5, 4)) AS DECIMAL(14, 6))",
        f"CAST({clamped('p', '0', '105000', 15, 2)} * {clamped('w', '0', '1', 18, 4)} AS DECIMAL(14, 6))",
    ),
    "a literal that a whole number rounds": (
        clamped("CAST(CAST('1.5' AS BIGINT) AS DECIMAL(4, 2))", "0", "1.5", 4, 2),
        None,
    ),
    "nothing of a wide one": (f"CAST({clamped('h', '0', '9', 25, 2)} AS DECIMAL(3, 2))", None),
}


@pytest.mark.parametrize("name", SAME)
def test_every_value_and_its_type_are_the_same(name, engine):
    expression, expected = SAME[name]
    made = written(expression)
    if expected is not None:
        assert made == sqlglot.parse_one(expected, read="duckdb").sql("duckdb")
    shown = "SELECT v, typeof(v) FROM ({}) ORDER BY ALL"
    assert engine.sql(shown.format(select(made))).fetchall() == engine.sql(shown.format(select(expression))).fetchall()


def test_a_product_is_computed_in_what_its_columns_are_stored_in():
    made = written(PAID)
    assert not any(f"DECIMAL({digits}, 2)) AS" in made for digits in (8, 4, 3))
    assert made.count("CAST(") == PAID.count("CAST(") - 3  # the narrower ones: of the price, its share, and the rest
    assert made.startswith("CAST((") and made.endswith("AS DECIMAL(10, 4))")  # noqa: PT018 - the column's own type


def test_a_clamp_above_a_bounded_product_is_none_and_then_its_integer_reads_the_product():
    over = (
        f"CAST((CAST({clamped('c', '0', '105000', 10, 4)} AS DECIMAL(10, 4))) * CAST(10000 AS DECIMAL(5, 0)) AS BIGINT)"
    )
    tree = sqlglot.parse_one(f"SELECT {over} AS v FROM (SELECT {PAID} AS c FROM t) AS q", read="duckdb")
    made = text(spared(tree, TABLES))
    assert made.startswith("SELECT CAST(c * CAST(10000 AS DECIMAL(5, 0)) AS BIGINT) AS v FROM")


@pytest.mark.parametrize(
    "expression",
    [
        "CAST(p AS DECIMAL(8, 2))",  # of no clamp
        f"CAST({clamped('p', '0', '105000', 15, 2)} AS DECIMAL(7, 2))",  # an end may be an error
        f"CAST({clamped('p', '0', '105000', 15, 2)} AS DECIMAL(8, 1))",  # which rounds
        f"CAST({clamped('p', '0', None, 15, 2)} AS DECIMAL(15, 2)) * p",
        clamped("p", "-9999999999999.99", "9999999999999.99", 15, 2),  # the ends of the type: a file may hold more
        clamped("s", "-99.99", "99.99", 4, 2),
        f"CAST({PRICE} AS TEXT)",
        f"({PRICE}) * ({SHARE})",  # which is a column, of its own type
        f"CAST(({MANY}) * CAST({clamped('w', '0', '999', 18, 4)} AS DECIMAL(7, 4)) AS DECIMAL(18, 6))",  # 19 digits
        f"CASE WHEN p < {literal('0', 15, 2)} THEN {literal('1', 15, 2)} ELSE p END",  # no clamp
        f"CASE WHEN p < {literal('0', 15, 2)} THEN {literal('0', 15, 2)} ELSE d END",
        f"CAST({clamped('p', '5', '-5', 15, 2)} AS DECIMAL(3, 2))",  # ends that cross
        "CASE WHEN p < CAST('4/2' AS DECIMAL(15, 2)) THEN CAST('4/2' AS DECIMAL(15, 2)) ELSE p END",
    ],
)
def test_what_is_not_proven_stays(expression):
    assert written(expression) == sqlglot.parse_one(expression, read="duckdb").sql("duckdb")


def test_a_column_of_two_joined_relations_or_of_a_union_is_not_known_by_its_name():
    union = f"SELECT CAST(c AS DECIMAL(8, 2)) * c AS v FROM (SELECT {PRICE} AS c FROM t UNION ALL SELECT p AS c FROM t) AS q"
    tree = sqlglot.parse_one(union, read="duckdb")
    assert text(spared(tree, TABLES)) == sqlglot.parse_one(union, read="duckdb").sql("duckdb")


def test_twice_as_many_columns_take_twice_as_many_steps():
    assert _steps(40) < 2.2 * _steps(20)


def _steps(columns: int) -> int:
    """Return how many calls it takes to write a SELECT of so many columns over one of as many."""
    inner = ", ".join(f"{PAID} AS c{place}" for place in range(columns))
    outer = ", ".join(f"{SCALED.replace('(c)', f'(c{place})')} AS v{place}" for place in range(columns))
    query = sqlglot.parse_one(f"SELECT {outer} FROM (SELECT {inner} FROM t) AS q", read="duckdb")
    calls = Counter[str]()
    sys.setprofile(lambda _frame, event, _of: calls.update([event]))
    try:
        spared(query, TABLES)
    finally:
        sys.setprofile(None)
    return calls["call"]


INNER = f"SELECT {PAID} AS c FROM t"
SCALED = "CAST((c) * CAST(10000 AS DECIMAL(5, 0)) AS BIGINT)"


@pytest.mark.parametrize(
    "read",
    [
        f"SELECT {SCALED} AS v FROM ({INNER}) AS q",
        f"SELECT SUM(v) AS v FROM (SELECT {SCALED} AS v FROM ({INNER}) AS q) AS r",
        f"SELECT CAST(c AS DECIMAL(12, 4)) + c AS v FROM ({INNER}) AS q",  # twice, once in its own type
        f"SELECT CAST(c AS TEXT) AS v FROM ({INNER}) AS q",
        INNER.replace("AS c", "AS v"),
    ],
)
def test_a_column_that_another_select_reads_gives_it_the_same_values_of_the_same_types(read, engine):
    shown = "SELECT v, typeof(v) FROM ({}) ORDER BY ALL"
    made = text(spared(sqlglot.parse_one(read, read="duckdb"), TABLES))
    assert engine.sql(shown.format(made)).fetchall() == engine.sql(shown.format(read)).fetchall()


def test_what_a_select_computes_with_once_needs_no_type_of_its_own():
    made = text(spared(sqlglot.parse_one(f"SELECT {SCALED} AS v FROM ({INNER}) AS q", read="duckdb"), TABLES))
    assert "DECIMAL(10, 4)" not in made and "DECIMAL(3, 2)" not in made  # noqa: PT018 - the column's, and its factor's


@pytest.mark.parametrize(
    "read",
    [
        f"SELECT {SCALED} AS v, c FROM ({INNER}) AS q",
        f"SELECT {SCALED} AS v FROM ({INNER}) AS q WHERE c > 1",
        f"SELECT {SCALED.replace('(c)', '(q.c)')} AS v FROM ({INNER}) AS q, ({INNER}) AS r",
        f"WITH q AS ({INNER}) SELECT {SCALED} AS v FROM q",  # a step, which others may read
        INNER,
    ],
)
def test_a_column_that_is_read_otherwise_keeps_its_type(read):
    assert "DECIMAL(10, 4)" in text(spared(sqlglot.parse_one(read, read="duckdb"), TABLES))
