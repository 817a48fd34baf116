"""What is known of output columns without looking: from conditions, joins, set operations, aggregates and windows."""

from datetime import date
from fractions import Fraction

import pytest
from support.shop import SHOP

from gateway.catalog.types import BOOLEAN, DATE, DOUBLE, INTEGER, TEXT, decimal
from gateway.sql.parse import parse
from gateway.sql.plan import Aggregate, Join, JoinKind, Limit, Project, Sort
from gateway.sql.ranges import Range
from gateway.sql.select import resolve


def columns(sql, dialect="duckdb"):
    return {f.name: f.term for f in resolve(parse(sql, dialect), SHOP).fields}


def ends(term):
    return term.range.lo, term.range.hi


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("quantity > 3", (4, 50)),
        ("quantity >= 3 AND quantity < 9", (3, 8)),
        ("quantity > 2.5", (Fraction(5, 2), 50)),
        ("3 < quantity AND quantity <> 5", (4, 50)),
        ("quantity BETWEEN 2 AND 4 AND gift", (2, 4)),
        ("(quantity = 2 AND gift) OR (quantity BETWEEN 5 AND 7)", (2, 7)),
        ("quantity = 2 OR gift", (0, 50)),
        ("NOT quantity > 3", (0, 50)),
        ("quantity > 3 OR quantity IS NULL", (0, 50)),
    ],
)
def test_where_narrows_a_column(condition, expected):
    assert ends(columns(f"SELECT quantity FROM purchases WHERE {condition}")["quantity"]) == expected


@pytest.mark.parametrize(
    ("condition", "item", "domain"),
    [
        ("substr(basket, 1, 2) IN ('sm', 'la')", "substr(basket, 1, 2)", ("sm", "la")),
        ("upper(p.basket) = 'SMALL'", "upper(p.basket)", ("SMALL",)),
        ("(upper(basket) = 'A' OR upper(basket) = 'B') AND gift", "upper(basket)", ("A", "B")),
        ("basket IN ('a', 'b') AND basket IN ('b', 'c')", "basket", ("b",)),
        ("basket IN ('a', 'b') OR basket = 'c'", "basket", ("a", "b", "c")),
        ("basket IN ('a', 'b') OR gift", "basket", None),
        ("basket NOT IN ('a', 'b')", "basket", None),
    ],
)
def test_where_narrows_an_expression_that_is_selected_later(condition, item, domain):
    found = columns(f"SELECT {item} AS x, COUNT(*) AS n FROM purchases p WHERE {condition} GROUP BY {item}")
    assert found["x"].domain == domain
    assert columns(f"SELECT {item} AS x FROM purchases p WHERE {condition}")["x"].domain == domain


def test_an_expression_is_known_whatever_else_narrows_its_columns():
    sql = "SELECT EXTRACT(year FROM purchased_on) AS y FROM purchases WHERE EXTRACT(year FROM purchased_on) = 1997 AND purchased_on >= '1997-02-01'"
    assert ends(columns(sql)["y"]) == (1997, 1997)


@pytest.mark.parametrize(
    ("condition", "span"),
    [
        ("purchased_on < '1998-01-01'", (date(1997, 1, 1), date(1997, 12, 31))),
        ("purchased_on <= '1998-01-01'", (date(1997, 1, 1), date(1998, 1, 1))),
        ("purchased_on > '1997-12-31' AND purchased_on < DATE '1998-02-01'", (date(1998, 1, 1), date(1998, 1, 31))),
        ("purchased_on < TIMESTAMP '1998-01-01 10:00:00'", (date(1997, 1, 1), date(1998, 1, 1))),
    ],
)
def test_where_narrows_dates_to_the_day(condition, span):
    assert columns(f"SELECT purchased_on AS d FROM purchases WHERE {condition}")["d"].span == span


def test_on_of_an_inner_join_narrows_and_of_an_outer_join_does_not():
    on = "c.customer_id = p.customer_id AND p.quantity = 3 AND p.gift IS NOT NULL"
    inner = columns(f"SELECT quantity, gift FROM customers c JOIN purchases p ON {on}")
    assert (ends(inner["quantity"]), inner["gift"].nullable) == ((3, 3), False)
    outer = columns(f"SELECT quantity, gift FROM customers c LEFT JOIN purchases p ON {on}")
    assert (ends(outer["quantity"]), outer["gift"].nullable, outer["quantity"].nullable) == ((0, 50), True, True)


def test_what_an_inner_join_let_be_known_is_lost_where_its_side_may_be_missing():
    sql = "SELECT quantity FROM customers c JOIN purchases p ON c.customer_id = p.customer_id AND p.quantity = 3 RIGHT JOIN orders o ON o.customer_id = c.customer_id"
    term = columns(sql)["quantity"]
    assert (ends(term), term.nullable) == ((0, 50), True)


def test_having_says_nothing_of_columns():
    assert columns("SELECT COUNT(*) AS n FROM purchases GROUP BY gift HAVING COUNT(*) > 5")["n"].range == Range(0, None)


@pytest.mark.parametrize(
    ("call", "type_", "limits", "nullable"),
    [
        ("COUNT(*)", INTEGER, (0, None), False),
        ("COUNT(score)", INTEGER, (0, None), False),
        ("COUNT(DISTINCT basket)", INTEGER, (0, None), False),
        ("APPROX_COUNT_DISTINCT(basket)", INTEGER, (0, None), False),
        ("SUM(quantity)", INTEGER, (0, None), True),
        ("SUM(-quantity)", INTEGER, (None, 0), True),
        ("SUM(quantity - 3)", INTEGER, (None, None), True),
        ("SUM(amount)", decimal(38, 2), (0, None), True),
        ("AVG(quantity)", DOUBLE, (0, 50), True),
        ("MIN(quantity)", INTEGER, (0, 50), True),
        ("MAX(basket)", TEXT, (None, None), True),
        ("MAX(purchased_on)", DATE, (None, None), True),
        ("VAR_SAMP(quantity)", DOUBLE, (0, None), True),
        ("STDDEV_POP(quantity)", DOUBLE, (0, None), True),
        ("CORR(quantity, amount)", DOUBLE, (-1, 1), True),
        ("REGR_AVGX(amount, quantity)", DOUBLE, (0, 50), True),
        ("REGR_COUNT(amount, quantity)", INTEGER, (0, None), False),
        ("MEDIAN(quantity)", DOUBLE, (0, 50), True),
        ("QUANTILE_DISC(amount, 0.5)", decimal(10, 2), (0, 500), True),
        ("BOOL_OR(gift)", BOOLEAN, (None, None), True),
        ("MODE(quantity)", INTEGER, (0, 50), True),
    ],
)
def test_what_is_known_of_an_aggregate(call, type_, limits, nullable):
    term = columns(f"SELECT {call} AS x FROM purchases")["x"]
    assert (term.type, ends(term), term.nullable) == (type_, limits, nullable)
    assert term.raw, "a noisy value may leave its range: arithmetic has to hold it there"


def test_an_aggregate_shows_its_arguments_and_tests_its_filter():
    found = columns(
        "SELECT MAX(amount) FILTER (WHERE quantity > 3) AS m, COUNT(score) AS n, COUNT(*) AS r FROM purchases"
    )
    assert found["m"].value == {("purchases", "amount")}
    assert found["m"].condition == {("purchases", "quantity")}
    assert (found["n"].value, found["n"].condition) == (frozenset(), {("purchases", "score")})
    assert found["r"].bases == frozenset()


def test_a_value_of_the_values_keeps_domain_span_and_granularity():
    found = columns("SELECT MIN(cohort) AS c FROM customers")
    assert found["c"].domain == ("1997-01", "1997-02", "1997-03")
    found = columns("SELECT MAX(purchased_on) AS d, MIN(amount) AS a, AVG(amount) AS m FROM purchases")
    assert found["d"].span == (date(1997, 1, 1), date(1998, 6, 30))
    assert (found["a"].granularity, found["m"].granularity) == (Fraction(1, 100), None)


def test_a_window_shows_its_argument_and_tests_its_partition_and_order():
    sql = "SELECT LAG(amount) OVER (PARTITION BY gift ORDER BY quantity) AS x, RANK() OVER (ORDER BY score) AS r FROM purchases"
    found = columns(sql)
    assert found["x"].value == {("purchases", "amount")}
    assert found["x"].condition == {("purchases", "gift"), ("purchases", "quantity")}
    assert (found["x"].nullable, ends(found["x"])) == (True, (0, 500))
    assert (found["r"].value, found["r"].condition, ends(found["r"])) == (
        frozenset(),
        {("purchases", "score")},
        (1, None),
    )


def test_a_union_knows_what_both_sides_know():
    found = columns("SELECT quantity AS q, cohort AS c FROM purchases, customers UNION ALL SELECT -7, 'x'")
    assert (ends(found["q"]), found["q"].nullable) == ((-7, 50), False)
    assert found["c"].domain == ("1997-01", "1997-02", "1997-03", "x")
    assert columns("SELECT amount AS a FROM purchases UNION ALL SELECT quantity FROM purchases")["a"].type == decimal(
        21, 2
    )
    assert columns("SELECT amount AS a FROM purchases UNION ALL SELECT amount FROM purchases")["a"].per_unit_sum is None
    both = columns("SELECT score AS s FROM purchases INTERSECT SELECT score FROM purchases WHERE score > 0.5")["s"]
    assert both.value == {("purchases", "score")}


def test_a_missing_key_of_a_grouping_set_is_null():
    found = columns("SELECT cohort, GROUPING(cohort) AS g FROM customers GROUP BY ROLLUP (cohort)")
    assert (found["cohort"].nullable, found["cohort"].domain) == (True, ("1997-01", "1997-02", "1997-03"))
    assert found["g"].domain == (0, 1)


@pytest.mark.parametrize(
    ("dialect", "ascending", "descending"),
    [("duckdb", False, False), ("postgres", False, True), ("trino", False, False), ("spark", True, False)],
)
def test_nulls_stand_where_the_dialect_puts_them(dialect, ascending, descending):
    plan = resolve(parse("SELECT score FROM purchases ORDER BY score, score DESC", dialect), SHOP)
    assert isinstance(plan, Sort)
    assert [(k.descending, k.nulls_first) for k in plan.keys] == [(False, ascending), (True, descending)]


@pytest.mark.parametrize(
    ("dialect", "names"),
    [
        ("duckdb", ["col0", "col1"]),
        ("postgres", ["column1", "column2"]),
        ("trino", ["_col0", "_col1"]),
        ("spark", ["col1", "col2"]),
    ],
)
def test_columns_of_values_are_called_as_in_the_dialect(dialect, names):
    assert list(columns("SELECT * FROM (VALUES (1, 'x')) v", dialect)) == names


@pytest.mark.parametrize("dialect", ["duckdb", "postgres", "trino", "spark"])
def test_merged_columns_stand_where_the_dialect_puts_them(dialect):
    sql = "SELECT * FROM (SELECT status, customer_id FROM orders) o JOIN customers USING (customer_id)"
    expected = ["status", "customer_id", "cohort"] if dialect == "duckdb" else ["customer_id", "status", "cohort"]
    assert list(columns(sql, dialect)) == expected


SPELLINGS = {
    "SELECT percentile(quantity, 0.5) AS x FROM purchases": ("spark", DOUBLE),
    "SELECT percentile_approx(quantity, 0.5) AS x FROM purchases": ("spark", INTEGER),
    "SELECT approx_percentile(quantity, 0.5) AS x FROM purchases": ("trino", INTEGER),
    "SELECT approx_quantile(quantity, 0.5) AS x FROM purchases": ("duckdb", INTEGER),
    "SELECT quantile(quantity, 0.5) AS x FROM purchases": ("duckdb", INTEGER),
    "SELECT every(gift) AS x FROM purchases": ("postgres", BOOLEAN),
    "SELECT std(quantity) AS x FROM purchases": ("spark", DOUBLE),
    "SELECT mean(quantity) AS x FROM purchases": ("duckdb", DOUBLE),
    "SELECT mode() WITHIN GROUP (ORDER BY quantity) AS x FROM purchases": ("postgres", INTEGER),
    "SELECT count_if(gift) AS x FROM purchases": ("spark", INTEGER),
    "SELECT gift AS x FROM purchases GROUP BY gift WITH ROLLUP": ("spark", BOOLEAN),
    "SELECT gift AS x FROM purchases GROUP BY gift, basket GROUPING SETS ((gift), (basket))": ("spark", BOOLEAN),
    "SELECT cohort AS x FROM customers c LEFT SEMI JOIN orders o ON o.customer_id = c.customer_id": ("spark", TEXT),
    "SELECT quantity AS x FROM purchases WHERE quantity = SOME (SELECT 1)": ("postgres", INTEGER),
    "SELECT quantity AS x FROM purchases FETCH FIRST 3 ROWS ONLY": ("trino", INTEGER),
}


@pytest.mark.parametrize("sql", SPELLINGS)
def test_spellings_of_dialects(sql):
    dialect, type_ = SPELLINGS[sql]
    assert columns(sql, dialect)["x"].type == type_


def test_a_with_query_is_resolved_once_and_named_anew():
    plan = resolve(
        parse(
            "WITH t AS (SELECT gift, COUNT(*) AS n FROM purchases GROUP BY 1) SELECT a.n FROM t a JOIN t b ON a.n = b.n",
            "duckdb",
        ),
        SHOP,
    )
    join = plan.input
    assert isinstance(join, Join)
    assert isinstance(join.right, Project)
    assert join.right.input is join.left
    assert not {f.id for f in join.left.fields} & {f.id for f in join.right.fields}


def test_joins_are_put_in_an_order_in_which_each_has_an_equality():
    sql = "SELECT COUNT(*) AS n FROM lines l, customers c, cohorts h, orders o WHERE o.order_id = l.order_id AND c.customer_id = o.customer_id AND h.cohort = c.cohort"
    plan = resolve(parse(sql, "duckdb"), SHOP)
    joins, node = [], plan.input.input
    while isinstance(node, Join):
        joins.append(node)
        node = node.left
    assert [j.right.table.name for j in reversed(joins)] == ["orders", "customers", "cohorts"]
    assert all(j.equalities for j in joins)


def test_a_where_equality_never_crosses_to_the_side_that_may_be_missing():
    sql = "SELECT COUNT(*) AS n FROM customers c LEFT JOIN (cohorts h CROSS JOIN orders o) ON c.customer_id = o.customer_id WHERE h.cohort = o.status"
    plan = resolve(parse(sql, "duckdb"), SHOP)
    where = plan.input.input
    assert len(where.condition) == 1
    assert isinstance(where.input, Join)
    assert where.input.kind is JoinKind.LEFT
    assert where.input.right.condition == ()


def test_limits_of_derived_tables_stay_below():
    plan = resolve(parse("SELECT COUNT(*) AS n FROM (SELECT quantity FROM purchases LIMIT 3) t", "duckdb"), SHOP)
    assert isinstance(plan.input, Aggregate)
    assert isinstance(plan.input.input, Limit)
