"""What hostile reviews of this gateway found: each was an oracle, a silent change or a way round, and is one no more."""

from dataclasses import replace

import pytest
from support.answers import answered, exact_rows
from support.neighbours import pair, violations
from support.shop import SHOP, column, empty_database, fill, planned, unlimited

from gateway.catalog.model import Table, Use
from gateway.catalog.types import INTEGER
from gateway.errors import GatewayError

ALL = (Use.GROUP, Use.FILTER, Use.AGGREGATE, Use.JOIN)
NUMBERS = Table("numbers", public=True, rows=100, columns=(column("n", INTEGER, ALL),), unique=(("n",),))
WITH_NUMBERS = replace(SHOP, tables=(*SHOP.tables, NUMBERS))

TOTAL = {
    "a sum of rounded floats": "SELECT SUM(CASE WHEN f + f > 0 THEN 1 ELSE 0 END) AS n FROM (SELECT FLOOR(CASE WHEN basket = 'VICTIM' THEN 4611686018427387902 ELSE 0e0 END) AS f FROM purchases) t",
    "a product above its exact range": "SELECT SUM(CASE WHEN f * 1.0 > 0 THEN 1 ELSE 0 END) AS n FROM (SELECT CEIL(CASE WHEN basket = 'VICTIM' THEN 1.1 ELSE 0e0 END * 90) AS f FROM purchases) t",
    "a cast above its exact range": "SELECT SUM(CASE WHEN f * 1.0 > 0 THEN 1 ELSE 0 END) AS n FROM (SELECT CAST(CASE WHEN basket = 'VICTIM' THEN 1.1 ELSE 0e0 END * 90 + 0.4999999 AS BIGINT) AS f FROM purchases) t",
    "a product of short decimals": "SELECT SUM(LEAST(x * x, 1)) AS n FROM (SELECT CASE WHEN basket = 'VICTIM' THEN 123456789012.34 ELSE 0.0 END AS x FROM purchases) t",
    "a decimal in steps": "SELECT SUM(CASE WHEN basket = 'VICTIM' THEN 900000000000.0000 ELSE 0.0 END) AS n FROM purchases",
    "many large numbers of one person": "SELECT SUM(CASE WHEN basket = 'VICTIM' THEN 9007199254740992 ELSE 0 END) AS n FROM purchases",
    "squares beyond 64 bits": "SELECT VAR_POP(x) AS v, COVAR_POP(x, x + quantity) AS c FROM (SELECT quantity, CASE WHEN basket = 'VICTIM' THEN 9000000000 ELSE 0 END AS x FROM purchases) t",
    "the least integer, negated": "SELECT SUM(LEAST(GREATEST(-x, 0), 1)) AS n FROM (SELECT CAST(CASE WHEN basket = 'VICTIM' THEN '-9223372036854775808' ELSE '1' END AS BIGINT) AS x FROM purchases) t",
    "the least integer, less one": "SELECT SUM(LEAST(GREATEST(x - 1, 0), 1)) AS n FROM (SELECT CAST(CASE WHEN basket = 'VICTIM' THEN '-9223372036854775808' ELSE '1' END AS BIGINT) AS x FROM purchases) t",
    "many long keys": "SELECT "
    + ", ".join(f"basket || '{i}' AS k{i}" for i in range(40))
    + ", COUNT(*) AS n FROM purchases GROUP BY ALL",
}


@pytest.fixture(scope="module")
def with_a_victim():
    connection = empty_database()
    fill(connection, 3, 20)
    connection.execute(
        "INSERT INTO purchases SELECT 7, DATE '1997-05-05', 3, 'VICTIM', 1, 1, TRUE, 1, 'x' FROM range(3000)"
    )
    connection.execute("INSERT INTO purchases SELECT 8, DATE '1997-05-05', 3, repeat('y', 60000), 1, 1, TRUE, 1, 'x'")
    return connection


@pytest.mark.parametrize("name", TOTAL)
def test_no_row_makes_an_accepted_query_fail(name, with_a_victim):
    for measurement in planned(TOTAL[name]).program.measurements:
        exact_rows(with_a_victim, measurement, {})


def test_a_like_pattern_is_short():
    with pytest.raises(GatewayError) as caught:
        planned(f"SELECT COUNT(*) AS n FROM purchases WHERE basket LIKE '%{'a_' * 200}%'")
    assert caught.value.code == "sql_too_complex"
    column_of_it = (
        f"SELECT COUNT(*) AS n FROM (SELECT basket, '%{'a_' * 200}%' AS p FROM purchases) t WHERE basket LIKE p"
    )
    with pytest.raises(GatewayError) as caught:
        planned(column_of_it)
    assert caught.value.code == "sql_too_complex"


def test_a_with_query_of_the_same_name_reads_the_one_outside():
    connection = empty_database()
    fill(connection, 5, 60)
    sql = """WITH purchases AS (SELECT quantity, customer_id FROM purchases WHERE quantity > 3)
             SELECT COUNT(*) AS n FROM (WITH purchases AS (SELECT * FROM purchases) SELECT * FROM purchases) t"""
    made = planned(sql, dataset=unlimited(groups=700, rows=40))
    plain = connection.execute(sql).fetchall()[0][0]
    assert 0 < plain < connection.execute("SELECT COUNT(*) FROM purchases").fetchall()[0][0]
    assert answered(connection, made).rows == [[plain]]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT k.n AS customer, COUNT(*) AS c FROM purchases p JOIN numbers k ON k.n = p.customer_id GROUP BY 1",
        "SELECT COUNT(*) AS c FROM purchases p JOIN (SELECT n FROM numbers WHERE n = 42) k ON k.n = p.customer_id",
        "SELECT COUNT(*) AS c FROM purchases p WHERE p.customer_id IN (SELECT n FROM numbers WHERE n = 42)",
    ],
)
def test_a_unit_key_is_not_shown_by_what_it_equals(sql):
    with pytest.raises(GatewayError) as caught:
        planned(sql, dataset=WITH_NUMBERS)
    assert caught.value.code in ("column_use", "unit_key_released")


def test_a_declared_sum_of_one_person_does_not_bound_what_a_join_repeats():
    repeated = "SELECT SUM(p.amount) AS s FROM customers c JOIN purchases p ON c.customer_id = p.customer_id"
    once = "SELECT SUM(p.amount) AS s FROM purchases p JOIN customers c ON c.customer_id = p.customer_id"
    for sql in (repeated, once):  # the customers' key is declared: neither repeats a purchase
        assert planned(sql).program.measurements[0].primitives[0].upper == 50_000
    lines = replace(
        SHOP,
        tables=tuple(
            replace(t, columns=tuple(replace(c, per_unit_sum=(0, 7)) if c.name == "price" else c for c in t.columns))
            for t in SHOP.tables
        ),
    )
    alone = planned("SELECT SUM(price) AS s FROM lines", dataset=lines).program.measurements[0]
    assert alone.primitives[0].upper == 700
    view = "(SELECT order_id FROM lines) m"  # not known to be one row for each order
    with pytest.raises(GatewayError) as caught:
        planned(f"SELECT SUM(l.price) AS s FROM lines l JOIN {view} ON m.order_id = l.order_id", dataset=lines)
    assert caught.value.code == "join_not_private"


def test_a_part_of_a_persons_rows_may_add_up_to_less_than_all_of_them():
    lines = replace(
        SHOP,
        tables=tuple(
            replace(t, columns=tuple(replace(c, per_unit_sum=(5, 7)) if c.name == "price" else c for c in t.columns))
            for t in SHOP.tables
        ),
    )
    for sql in (
        "SELECT SUM(price) AS s FROM lines WHERE flag",
        "SELECT SUM(price) FILTER (WHERE flag) AS s FROM lines",
    ):
        (primitive,) = planned(sql, dataset=lines).program.measurements[0].primitives
        assert (primitive.lower, primitive.upper) == (0, 700)


def test_a_person_with_few_rows_is_not_raised_to_the_least_that_all_of_them_add_up_to():
    for value, ends in (("quantity + 3", (0, 265)), ("-3 - quantity", (-265, 0)), ("quantity - 3", (-15, 235))):
        sql = f"SELECT SUM({value}) AS s FROM purchases"
        (primitive,) = planned(sql).program.measurements[0].primitives
        assert (primitive.lower, primitive.upper) == ends


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT MEDIAN(quantity) AS m FROM purchases",
        "SELECT MIN(amount) AS l, MAX(quantity) AS h FROM purchases",
        "SELECT basket, MEDIAN(quantity) AS m FROM purchases GROUP BY basket",
        "SELECT gift, QUANTILE_CONT(score, 0.9) AS q FROM purchases GROUP BY gift",
    ],
)
@pytest.mark.parametrize("rows", [1, 5, 40])
def test_a_quantile_does_not_count_every_row_of_one_person(sql, rows):
    # found by generation: where a unit's cells were few and its bound close to what is expected, nothing bounded how
    # many of its rows a tree counts; 200 rows of one unit moved a median whose noise was for 5
    made = planned(sql, dataset=unlimited(rows=rows))
    assert violations(made, *pair(0)) == []


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT basket, MEDIAN(quantity) AS m FROM purchases GROUP BY basket",
        "SELECT k.quarter, MAX(p.quantity) AS m FROM (SELECT * FROM calendar WHERE FALSE) k LEFT JOIN purchases p ON p.purchased_on = k.day GROUP BY 1",
    ],
)
def test_a_quantile_of_no_cell_is_an_answer_without_rows(sql):
    # found by generation: where noise released no key, the draw failed after the charge, which told of the keys
    connection = empty_database()
    fill(connection, 1, 3)
    assert answered(connection, planned(sql)).rows == []
