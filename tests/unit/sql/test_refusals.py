"""What the resolver does not understand is refused by name, with a place and a hint; nothing is dropped in silence."""

import pytest
from support.shop import SHOP

from gateway.errors import CODES, GatewayError, Position
from gateway.sql.parse import parse
from gateway.sql.select import resolve

REFUSED: dict[str, str] = {
    # set operations
    "SELECT gift FROM purchases INTERSECT ALL SELECT flag FROM lines": "set_operation",
    "SELECT gift FROM purchases EXCEPT ALL SELECT flag FROM lines": "set_operation",
    "SELECT gift FROM purchases UNION SELECT gift, quantity FROM purchases": "type_mismatch",
    "SELECT gift FROM purchases UNION SELECT basket FROM purchases": "type_mismatch",
    "SELECT gift FROM purchases UNION BY NAME SELECT gift FROM purchases": "unsupported_sql",
    "SELECT gift AS g FROM purchases UNION SELECT flag FROM lines ORDER BY gift": "unknown_column",
    "SELECT gift AS g FROM purchases UNION SELECT flag FROM lines ORDER BY 2": "unsupported_sql",
    # distinct
    "SELECT DISTINCT ON (gift) gift, quantity FROM purchases": "distinct",
    "SELECT DISTINCT gift FROM purchases ORDER BY quantity": "unsupported_sql",
    "SELECT SUM(DISTINCT quantity) FROM purchases": "distinct",
    "SELECT AVG(DISTINCT quantity) FROM purchases": "distinct",
    "SELECT COUNT(DISTINCT quantity, gift) FROM purchases": "distinct",
    "SELECT COUNT(DISTINCT (quantity, gift)) FROM purchases": "distinct",
    # aggregates
    "SELECT STRING_AGG(basket, ',') FROM purchases": "unsupported_function",
    "SELECT ANY_VALUE(basket) FROM purchases": "unsupported_function",
    "SELECT FIRST(basket) FROM purchases": "unsupported_function",
    "SELECT MAX_BY(basket, quantity) FROM purchases": "unsupported_function",
    "SELECT KURTOSIS(quantity) FROM purchases": "unsupported_function",
    "SELECT MAX(quantity, 3) FROM purchases": "unsupported_sql",
    "SELECT SUM(quantity ORDER BY amount) FROM purchases": "unsupported_sql",
    "SELECT SUM(basket) FROM purchases": "type_mismatch",
    "SELECT BOOL_AND(quantity) FROM purchases": "type_mismatch",
    "SELECT MEDIAN(purchased_on) FROM purchases": "type_mismatch",
    "SELECT QUANTILE_DISC(basket, 0.5) FROM purchases": "type_mismatch",
    "SELECT CORR(quantity, basket) FROM purchases": "type_mismatch",
    "SELECT MAX(NULL) FROM purchases": "type_mismatch",
    "SELECT QUANTILE_CONT(quantity, [0.25, 0.5]) FROM purchases": "unsupported_sql",
    "SELECT QUANTILE_CONT(quantity, 1.5) FROM purchases": "unsupported_sql",
    "SELECT QUANTILE_CONT(quantity, score) FROM purchases": "unsupported_sql",
    "SELECT PERCENTILE_DISC(0.5) WITHIN GROUP (ORDER BY quantity DESC) FROM purchases": "unsupported_sql",
    "SELECT PERCENTILE_CONT(0.5) FROM purchases": "sql_syntax",
    "SELECT APPROX_TOP_K(basket, 0) FROM purchases": "unsupported_sql",
    "SELECT APPROX_TOP_K(basket, 10000) FROM purchases": "unsupported_sql",
    "SELECT COUNT_IF(gift) FILTER (WHERE gift) FROM purchases": "unsupported_sql",
    "SELECT SUM(COUNT(*)) FROM purchases": "unsupported_sql",
    "SELECT quantity FROM purchases WHERE COUNT(*) > 3": "unsupported_sql",
    "SELECT quantity, COUNT(*) FROM purchases": "not_grouped",
    "SELECT *, COUNT(*) FROM purchases": "not_grouped",
    # groups
    "SELECT COUNT(*) FROM purchases GROUP BY CUBE (gift, quantity, basket, amount, score, weight)": "sql_too_complex",
    "SELECT COUNT(*) FROM purchases GROUP BY ROLLUP (gift, quantity, basket), ROLLUP (amount, score, weight), ROLLUP (purchased_on, customer_id)": "sql_too_complex",
    "SELECT COUNT(*) FROM purchases GROUP BY DISTINCT gift": "unsupported_sql",
    "SELECT COUNT(*) FROM purchases GROUP BY (gift, quantity)": "unsupported_sql",
    "SELECT COUNT(*) FROM purchases GROUP BY COUNT(*)": "unsupported_sql",
    "SELECT COUNT(*) FROM purchases GROUP BY 5": "unsupported_sql",
    "SELECT COUNT(*) FROM purchases GROUP BY RANK() OVER (ORDER BY gift)": "unsupported_sql",
    "SELECT NULL AS nothing, COUNT(*) FROM purchases GROUP BY 1": "type_mismatch",
    "SELECT 'x' AS a, gift, COUNT(*) FROM purchases GROUP BY ROLLUP (a, gift)": "unsupported_sql",
    "SELECT gift, COUNT(*) FROM purchases GROUP BY GROUPING SETS ((gift), (1))": "unsupported_sql",
    "SELECT GROUPING(quantity), COUNT(*) FROM purchases GROUP BY ROLLUP (gift)": "not_grouped",
    "SELECT GROUPING(quantity) FROM purchases": "unsupported_sql",
    "SELECT gift FROM purchases WHERE GROUPING(gift) = 1 GROUP BY gift": "unsupported_sql",
    # windows
    "SELECT ROW_NUMBER() FROM purchases": "unsupported_sql",
    "SELECT quantity FROM purchases WHERE RANK() OVER (ORDER BY quantity) = 1": "unsupported_sql",
    "SELECT COUNT(*) FROM purchases HAVING RANK() OVER (ORDER BY COUNT(*)) = 1": "unsupported_sql",
    "SELECT SUM(RANK() OVER (ORDER BY quantity)) OVER () FROM purchases": "unsupported_sql",
    "SELECT LAG(quantity IGNORE NULLS) OVER (ORDER BY quantity) FROM purchases": "unsupported_sql",
    "SELECT RANK() OVER () FROM purchases": "unsupported_sql",
    "SELECT LAG(quantity) OVER () FROM purchases": "unsupported_sql",
    "SELECT LAG(quantity, -1) OVER (ORDER BY amount) FROM purchases": "unsupported_sql",
    "SELECT LAG(quantity, 1, score) OVER (ORDER BY amount) FROM purchases": "unsupported_sql",
    "SELECT LAG(quantity, 1, 'x') OVER (ORDER BY amount) FROM purchases": "type_mismatch",
    "SELECT NTILE(0) OVER (ORDER BY amount) FROM purchases": "unsupported_sql",
    "SELECT NTILE(quantity) OVER (ORDER BY amount) FROM purchases": "unsupported_sql",
    "SELECT NTH_VALUE(quantity, 0) OVER (ORDER BY amount) FROM purchases": "unsupported_sql",
    "SELECT MEDIAN(quantity) OVER (PARTITION BY gift) FROM purchases": "unsupported_function",
    "SELECT SUM(DISTINCT quantity) OVER () FROM purchases": "distinct",
    "SELECT SUM(quantity) OVER w FROM purchases": "unsupported_sql",
    "SELECT SUM(quantity) OVER (w PARTITION BY gift) FROM purchases WINDOW w AS (ORDER BY amount)": "unsupported_sql",
    "SELECT SUM(quantity) OVER (w ORDER BY gift) FROM purchases WINDOW w AS (ORDER BY amount)": "unsupported_sql",
    "SELECT SUM(quantity) OVER (w) FROM purchases WINDOW w AS (v), v AS (w)": "unsupported_sql",
    "SELECT SUM(quantity) OVER w FROM purchases WINDOW w AS (), W AS ()": "ambiguous_name",
    "SELECT SUM(quantity) OVER (ORDER BY 1) FROM purchases": "unsupported_sql",
    "SELECT SUM(quantity) OVER (ORDER BY amount ROWS BETWEEN 1 FOLLOWING AND 1 PRECEDING) FROM purchases": "unsupported_sql",
    "SELECT SUM(quantity) OVER (ORDER BY amount ROWS BETWEEN gift PRECEDING AND CURRENT ROW) FROM purchases": "unsupported_sql",
    "SELECT SUM(quantity) OVER (ORDER BY amount ROWS BETWEEN UNBOUNDED FOLLOWING AND UNBOUNDED FOLLOWING) FROM purchases": "unsupported_sql",
    "SELECT SUM(quantity) OVER (ORDER BY amount ROWS 2 PRECEDING EXCLUDE CURRENT ROW) FROM purchases": "unsupported_sql",
    "SELECT SUM(quantity) OVER (ORDER BY score RANGE 2 PRECEDING) FROM purchases": "unsupported_sql",
    "SELECT SUM(quantity) OVER (ORDER BY purchased_on RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND CURRENT ROW) FROM purchases": "unsupported_sql",
    "SELECT SUM(weekday) OVER (ORDER BY order_id RANGE 2 PRECEDING) FROM calendar, orders": "unsupported_sql",
    "SELECT RANK() OVER (ORDER BY amount ROWS UNBOUNDED PRECEDING) FROM purchases": "unsupported_sql",
    "SELECT RANK(1) OVER (ORDER BY amount) FROM purchases": "unsupported_sql",
    # subqueries
    "SELECT COUNT(*) FROM customers c WHERE EXISTS (SELECT COUNT(*) FROM purchases p WHERE p.customer_id = c.customer_id)": "subquery",
    "SELECT (SELECT quantity FROM purchases ORDER BY 1 LIMIT 1) AS q": "subquery",
    "SELECT (SELECT quantity, amount FROM purchases) AS q": "type_mismatch",
    "SELECT COUNT(*) FROM purchases WHERE quantity IN (SELECT quantity, amount FROM purchases)": "type_mismatch",
    "SELECT COUNT(*) FROM purchases WHERE quantity IN (SELECT basket FROM purchases)": "type_mismatch",
    "SELECT (SELECT p.quantity FROM purchases p WHERE p.customer_id <> c.customer_id) AS q FROM customers c": "subquery",
    "SELECT (SELECT MAX(p.quantity) FROM purchases p WHERE p.customer_id < c.customer_id) AS q FROM customers c": "subquery",
    "SELECT (SELECT MAX(p.quantity) FROM purchases p WHERE p.customer_id = c.customer_id OR p.gift) AS q FROM customers c": "subquery",
    "SELECT (SELECT MAX(p.quantity + c.customer_id) FROM purchases p) AS q FROM customers c": "subquery",
    "SELECT (SELECT COUNT(*) FROM purchases p WHERE p.customer_id = c.customer_id HAVING COUNT(*) > 3) AS q FROM customers c": "subquery",
    "SELECT COUNT(*) FROM customers c WHERE EXISTS (SELECT 1 FROM orders o JOIN lines l ON l.order_id = o.order_id AND o.customer_id = c.customer_id)": "subquery",
    "SELECT COUNT(*) FROM customers c WHERE EXISTS (SELECT 1 FROM (SELECT * FROM orders WHERE customer_id = c.customer_id) o)": "subquery",
    "SELECT COUNT(*) FROM customers c WHERE customer_id IN (SELECT customer_id FROM orders WHERE customer_id = c.customer_id UNION SELECT 1)": "subquery",
    "SELECT COUNT(*) FROM customers c WHERE EXISTS (SELECT 1 FROM orders o WHERE EXISTS (SELECT 1 FROM purchases p WHERE p.customer_id = c.customer_id))": "subquery",
    "SELECT COUNT(*) FROM customers c WHERE EXISTS (SELECT 1 FROM orders o WHERE c.customer_id = (SELECT MAX(customer_id) FROM purchases))": "subquery",
    "SELECT COUNT(*) FROM customers c WHERE EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.customer_id LIMIT 1)": "subquery",
    "SELECT COUNT(*) FROM customers c WHERE 1 IN (SELECT RANK() OVER (ORDER BY o.order_id) FROM orders o WHERE o.customer_id = c.customer_id WINDOW w AS ())": "subquery",
    "SELECT COUNT(*) FROM customers c WHERE 1 IN (SELECT RANK() OVER (ORDER BY o.order_id) FROM orders o WHERE o.customer_id = c.customer_id)": "subquery",
    "SELECT c.customer_id, l.r FROM customers c, LATERAL (SELECT RANK() OVER (ORDER BY gift) AS r FROM purchases p WHERE p.customer_id = c.customer_id) l": "subquery",
    "SELECT (SELECT COUNT(*) + (SELECT MAX(weekday) FROM calendar) FROM purchases p WHERE p.customer_id = c.customer_id) AS q FROM customers c": "subquery",
    "SELECT c.customer_id, l.n FROM customers c, LATERAL (SELECT COUNT(*) AS n FROM purchases p WHERE p.customer_id = c.customer_id GROUP BY ROLLUP (gift)) l": "subquery",
    "SELECT (SELECT COUNT(*) FROM purchases p WHERE p.customer_id = c.customer_id GROUP BY ()) AS q FROM customers c": "subquery",
    "SELECT (SELECT DISTINCT p.gift FROM purchases p WHERE p.customer_id = c.customer_id) AS g FROM customers c": "subquery",
    "SELECT COUNT(*) FROM customers c LEFT JOIN purchases p ON p.customer_id = c.customer_id AND p.quantity IN (SELECT 1)": "subquery",
    "SELECT COUNT(*) FROM customers c LEFT JOIN purchases p ON p.customer_id = c.customer_id AND p.quantity > (SELECT 1)": "subquery",
    "SELECT quantity, (SELECT COUNT(*) FROM calendar k WHERE k.weekday = p.amount) FROM purchases p GROUP BY quantity": "not_grouped",
    "SELECT COUNT(*) FROM purchases WHERE quantity LIKE ANY (SELECT basket FROM purchases)": "unsupported_sql",
    # from
    "SELECT COUNT(*) FROM customers c, LATERAL (SELECT MAX(p.quantity) AS m FROM purchases p WHERE p.customer_id < c.customer_id) l": "subquery",
    "SELECT COUNT(*) FROM customers c RIGHT JOIN LATERAL (SELECT 1) l ON TRUE": "unsupported_sql",
    "SELECT COUNT(*) FROM customers c LEFT JOIN LATERAL (SELECT COUNT(*) AS n FROM purchases p WHERE p.customer_id = c.customer_id) l ON l.n > 3": "unsupported_sql",
    "SELECT COUNT(*) FROM customers c, LATERAL (SELECT 1 AS a) C": "ambiguous_name",
    "SELECT COUNT(*) FROM cohorts, customers RIGHT JOIN orders USING (customer_id)": "join_not_private",
    "SELECT COUNT(*) FROM customers ASOF JOIN orders USING (customer_id)": "unsupported_sql",
    "SELECT COUNT(*) FROM customers POSITIONAL JOIN orders": "unsupported_sql",
    "SELECT COUNT(*) FROM customers NATURAL JOIN calendar": "unsupported_sql",
    "SELECT COUNT(*) FROM customers c JOIN orders o USING (order_id)": "unknown_column",
    "SELECT COUNT(*) FROM cohorts JOIN (SELECT weekday AS cohort FROM calendar) k USING (cohort)": "type_mismatch",
    "SELECT COUNT(*) FROM customers INNER JOIN orders": "sql_syntax",
    "SELECT customer_id FROM customers c JOIN orders o ON c.customer_id = o.customer_id": "ambiguous_name",
    "SELECT * FROM customers c JOIN orders o ON c.customer_id = o.customer_id": "ambiguous_name",
    "SELECT customer_id FROM (SELECT * FROM customers c JOIN orders o ON c.customer_id = o.customer_id) t": "ambiguous_name",
    "SELECT COUNT(*) FROM (VALUES (1, 2), (3)) v": "sql_syntax",
    "SELECT COUNT(*) FROM (VALUES (1), ('x')) v": "type_mismatch",
    "SELECT COUNT(*) FROM purchases, (VALUES (quantity)) v": "unknown_column",
    "SELECT COUNT(*) FROM (VALUES (1)) v(a, b)": "unknown_column",
    "SELECT COUNT(*) FROM UNNEST([1, 2]) u": "table_function",
    "SELECT *": "unsupported_sql",
    "SELECT * EXCLUDE (gift) FROM purchases": "unsupported_sql",
    "WITH RECURSIVE t AS (SELECT 1 AS a) SELECT a FROM t": "unsupported_sql",
    "WITH t AS (SELECT nope FROM purchases) SELECT 1 AS one": "unknown_column",
    "WITH t AS (SELECT 1 AS a), T AS (SELECT 2 AS a) SELECT a FROM t": "ambiguous_name",
    "SELECT quantity FROM purchases FETCH FIRST 3 ROWS WITH TIES": "unsupported_sql",
    "SELECT quantity FROM purchases LIMIT 10%": "unsupported_sql",
    "VALUES (1)": "sql_not_select",
    # what the parser would leave out in silence
    "SELECT SUBSTR(basket, , 2) FROM purchases": "sql_syntax",
    "SELECT COALESCE(, quantity) FROM purchases": "sql_syntax",
    "SELECT quantity,, gift FROM purchases": "sql_syntax",
    "SELECT , quantity FROM purchases": "sql_syntax",
    "SELECT COUNT(*) FROM purchases WHERE quantity IN (1,, 2)": "sql_syntax",
    "SELECT COUNT(*) FROM (VALUES (1),, (2)) v(x)": "sql_syntax",
    "SELECT COUNT(*) FROM purchases,, calendar": "sql_syntax",
    "SELECT COUNT(*) FROM purchases GROUP BY": "sql_syntax",
    "SELECT COUNT(*) FROM (SELECT quantity FROM purchases GROUP BY) t": "sql_syntax",
    "SELECT COUNT(*) FROM purchases GROUP BY HAVING COUNT(*) > 1": "sql_syntax",
    "SELECT ROW_NUMBER() OVER (PARTITION BY ORDER BY quantity) FROM purchases": "sql_syntax",
    "SELECT COUNT(*) FROM calendar a JOIN calendar b ON": "sql_syntax",
    "SELECT COUNT(*) FROM calendar a JOIN calendar b ON WHERE a.weekday = 1": "sql_syntax",
    "SELECT COUNT(*) FROM calendar a JOIN calendar b USING ()": "sql_syntax",
    # an argument less, or more
    "SELECT WIDTH_BUCKET(quantity, 10, 5) FROM purchases": "sql_syntax",
    "SELECT WIDTH_BUCKET(quantity, 10) FROM purchases": "sql_syntax",
    "SELECT MAKE_DATE(quantity) FROM purchases": "sql_syntax",
    "SELECT REPLACE(basket, 'a') FROM purchases": "sql_syntax",
    "SELECT SPLIT_PART(basket) FROM purchases": "sql_syntax",
    "SELECT SPLIT_PART(basket, 'a') FROM purchases": "sql_syntax",
    "SELECT TRANSLATE(basket, 'a') FROM purchases": "sql_syntax",
}  # fmt: skip


@pytest.mark.parametrize("sql", REFUSED, ids=[sql[:70] for sql in REFUSED])
def test_refused_by_name_with_a_hint_and_a_place(sql):
    with pytest.raises(GatewayError) as caught:
        resolve(parse(sql, "duckdb"), SHOP)
    assert caught.value.code == REFUSED[sql], caught.value.detail
    assert CODES[caught.value.code].status < 500
    assert caught.value.hint
    assert "secret" not in caught.value.hint


@pytest.mark.parametrize(
    ("sql", "dialect", "code"),
    [
        ("SELECT BTRIM(basket, 'a', 'b') FROM purchases", "postgres", "type_mismatch"),
        ("SELECT DATE_DIFF() FROM purchases", "spark", "sql_syntax"),
    ],
)
def test_an_argument_less_or_more_in_another_dialect(sql, dialect, code):
    with pytest.raises(GatewayError) as caught:
        resolve(parse(sql, dialect), SHOP)
    assert caught.value.code == code


@pytest.mark.parametrize("dialect", ["trino", "spark", "postgres"])
def test_a_decimal_before_a_text_is_not_taken_for_a_cast_to_whole_numbers(dialect):
    with pytest.raises(GatewayError) as caught:
        parse("SELECT COUNT(*) FROM purchases\nWHERE quantity > NUMERIC '1.5'", dialect)
    assert (caught.value.code, caught.value.position) == ("unsupported_sql", Position(2, 18))
    assert "1.5" in caught.value.hint


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELECT COUNT(*) FROM purchases GROUP BY CUBE (quantity > 3)", True),
        ("SELECT COUNT(*) FROM purchases GROUP BY ROLLUP (gift, quantity = 3)", True),
        ("SELECT COUNT(*) FROM purchases GROUP BY ROLLUP (gift, (quantity = ))", False),
        ("SELECT COUNT(*) FROM purchases GROUP BY ROLLUP (gift) HAVING (COUNT(*) > )", False),
    ],
)
def test_a_comparison_within_rollup_is_told_to_stand_in_parentheses(sql, told):
    with pytest.raises(GatewayError) as caught:
        parse(sql, "duckdb")
    assert (caught.value.code, "CUBE ((a > 3), b)" in caught.value.hint) == ("sql_syntax", told)


def test_a_comparison_in_parentheses_is_a_key_of_rollup():
    plan = resolve(parse("SELECT COUNT(*) AS n FROM purchases GROUP BY ROLLUP ((quantity > 3))", "duckdb"), SHOP)
    assert [field.name for field in plan.fields] == ["n"]


NOW_RESOLVED = [
    "SELECT quantity, gift, FROM purchases",
    "SELECT COUNT(*) FROM purchases WHERE quantity IN (1, 2,) GROUP BY gift,",
    "SELECT DISTINCT gift FROM purchases JOIN customers ON (purchases.customer_id = customers.customer_id)",
    "SELECT COUNT(*) FROM (SELECT 1 AS a FROM purchases UNION ALL SELECT 1 FROM purchases) t",
    "SELECT DISTINCT cohort FROM customers",
    "SELECT COUNT(DISTINCT basket) FROM purchases",
    "SELECT MAX(amount) FROM purchases",
    "SELECT COUNT(*) FROM purchases FULL JOIN customers USING (customer_id)",
    "SELECT COUNT(*) FROM purchases NATURAL JOIN customers",
    "SELECT COUNT(*) FROM purchases SEMI JOIN customers USING (customer_id)",
    "SELECT COUNT(*) FROM purchases WHERE quantity IN (SELECT 1)",
    "SELECT COUNT(*) FROM purchases WHERE EXISTS (SELECT 1 FROM customers)",
    "SELECT COUNT(*) FROM purchases WHERE quantity > (SELECT AVG(quantity) FROM purchases)",
    "SELECT quantity FROM purchases GROUP BY ROLLUP (quantity)",
    "SELECT COUNT(*) FROM (VALUES (1)) t",
    "SELECT 1",
    "SELECT COUNT(*) FROM purchases QUALIFY ROW_NUMBER() OVER () = 1",
    "SELECT * FROM purchases",
    "SELECT quantity FROM purchases",
    "SELECT COUNT(*) OVER () FROM purchases",
    "SELECT COUNT(*) FROM purchases UNION SELECT 1",
    "SELECT COUNT(*) FROM (SELECT * FROM purchases LIMIT 100)",
    "SELECT MEDIAN(amount) FROM purchases",
    "SELECT COUNT(*) FROM calendar",
    "SELECT COUNT(*) FROM purchases p JOIN purchases q ON p.customer_id = q.customer_id",
]


@pytest.mark.parametrize("sql", NOW_RESOLVED)
def test_what_may_be_said_is_a_plan_and_left_to_ownership(sql):
    assert resolve(parse(sql, "duckdb"), SHOP).fields


def test_reading_again_and_again_is_bounded():
    views = ["a AS (SELECT quantity AS q FROM purchases)"]
    for name, before in zip("bcdefghi", "abcdefgh", strict=True):
        views.append(f"{name} AS (SELECT x.q FROM {before} x JOIN {before} y ON x.q = y.q)")
    with pytest.raises(GatewayError) as caught:
        resolve(parse(f"WITH {', '.join(views)} SELECT COUNT(*) AS n FROM i", "duckdb"), SHOP)
    assert caught.value.code == "sql_too_complex"


def test_each_subquery_that_asks_the_last_one_is_bounded():
    sql = "SELECT quantity AS q0 FROM purchases"
    for level in range(13):
        asked = f"(SELECT COUNT(*) FROM calendar k WHERE k.weekday = t.q{level})"
        sql = f"SELECT {asked} AS q{level + 1} FROM ({sql}) t"
    with pytest.raises(GatewayError) as caught:
        resolve(parse(sql, "duckdb"), SHOP)
    assert caught.value.code in ("sql_too_complex", "sql_too_deep")


def test_a_refused_table_function_is_called_as_sql_calls_it():
    with pytest.raises(GatewayError) as caught:
        resolve(parse("SELECT COUNT(*) FROM read_csv('x')", "duckdb"), SHOP)
    assert "READ_CSV" in caught.value.detail
