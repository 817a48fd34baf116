"""Every query of the common list is planned, in the dialects that write it; each refusal has its code."""

import pickle
from decimal import Decimal as D

import pytest
from support.queries import ANSWERED
from support.shop import SHOP, planned

from gateway.errors import CODES, GatewayError
from gateway.planning_worker import PLANNED


@pytest.mark.parametrize("name", ANSWERED)
def test_answered(name):
    made = planned(ANSWERED[name])
    assert made.program.measurements
    assert 0 < made.rho <= 20_000_000_000
    assert made.rho == sum(measurement.rho for measurement in made.program.measurements)
    for measurement in made.program.measurements:
        assert measurement.primitives
        public = measurement.listed or all(key.domain is not None for key in measurement.keys)
        assert (measurement.selection is None) == public


def test_dialects_read_division_as_they_mean_it():
    truncated = planned("SELECT quantity / 2 AS half, COUNT(*) AS n FROM purchases GROUP BY 1", "postgres")
    assert truncated.program.measurements[0].keys[0].domain == tuple(range(26))
    for dialect in ("duckdb", "spark"):
        with pytest.raises(GatewayError) as caught:
            planned("SELECT quantity / 2 AS half, COUNT(*) AS n FROM purchases GROUP BY 1", dialect)
        assert caught.value.code == "float_key"
    assert planned("SELECT count_if(quantity > 2) AS n FROM purchases", "trino").program.measurements
    assert planned(
        "SELECT year(purchased_on) AS y, COUNT(*) AS n FROM purchases GROUP BY 1", "trino"
    ).program.measurements


REFUSED = {
    "SELECT * FROM purchases": "raw_rows",
    "SELECT p.* FROM purchases p": "raw_rows",
    "SELECT quantity FROM purchases": "raw_rows",
    "SELECT p FROM purchases p": "raw_rows",
    "SELECT customer_id, COUNT(*) FROM purchases GROUP BY customer_id": "unit_key_released",
    "SELECT customer_id + 7, COUNT(*) FROM purchases GROUP BY 1": "unit_key_released",
    "SELECT COUNT(*) FROM (SELECT * FROM purchases LIMIT 100)": "limit_below_measurement",
    "SELECT COUNT(*) FROM (SELECT ROW_NUMBER() OVER (ORDER BY amount) AS r FROM purchases) t WHERE r < 10": "window_across_owners",
    "SELECT COUNT(*) OVER () FROM purchases": "window_across_owners",
    "SELECT * FROM query('SELECT 1')": "table_function",
    "SELECT COUNT(*) FROM read_csv('/etc/passwd')": "table_function",
    "SELECT COUNT(*) FROM 'file.csv'": "unknown_table",
    "SELECT COUNT(*) FROM main.purchases": "unknown_table",
    "SELECT 1 INTO t2 FROM purchases": "sql_not_select",
    "SELECT " + "(" * 200 + "1" + ")" * 200: "sql_too_deep",
    "SELECT COUNT(*) FROM purchases a" + " JOIN purchases b" * 90: "sql_syntax",
    "SELECT quantity AS a0, " + ", ".join(f"a{i}+a{i} AS a{i + 1}" for i in range(20)) + " FROM purchases": "lateral_alias",
    "SELECT COUNT(*) FROM purchases WHERE quantity IN (" + ",".join(["1"] * 100_000) + ")": "sql_too_long",
    "SELECT COUNT(*) FROM purchases WHERE quantity IN (" + ",".join(["1"] * 1_001) + ")": "sql_too_long",
    "SELECT COUNT(*) FROM purchases WHERE " + " AND ".join(["quantity = 1"] * 2_000): "sql_too_long",
    "SELECT COUNT(*) FROM purchases WHERE " + "NOT " * 40 + "gift": "sql_too_deep",
    "SELECT COUNT(*) FROM purchases WHERE quantity = 1 " + "+ 1" * 200: "sql_too_deep",
    "": "sql_not_select",
    "SELECT COUNT(*) FROM purchases; SELECT 1": "sql_not_select",
    "DROP TABLE purchases": "sql_not_select",
    "SELEC COUNT(*) FROM purchases": "sql_syntax",
    "SELECT 'open": "sql_syntax",
    "SELECT SUM(DISTINCT amount) FROM purchases": "distinct",
    "SELECT COUNT(DISTINCT customer_id, basket) FROM purchases": "distinct",
    "SELECT COUNT(*) FROM purchases WHERE md5(basket) = 'x'": "unsupported_function",
    "SELECT COUNT(*) FROM purchases WHERE random() > 0.5": "unsupported_function",
    "SELECT SUM(nope) FROM purchases": "unknown_column",
    "SELECT COUNT(secret) FROM purchases": "unknown_column",
    "SELECT COUNT(*) FROM nowhere": "unknown_table",
    "SELECT weight, COUNT(*) FROM purchases GROUP BY weight": "float_key",
    "SELECT amount, COUNT(*) FROM purchases GROUP BY amount": "column_use",
    "SELECT COUNT(*) FROM purchases WHERE amount > 3": "column_use",
    "SELECT COUNT(*) FROM purchases WHERE customer_id = 5": "column_use",
    "SELECT COUNT(basket) FROM purchases": "column_use",
    "SELECT quantity, basket, COUNT(*) FROM purchases GROUP BY quantity": "not_grouped",
    "SELECT COUNT(*) FROM purchases p JOIN purchases q ON p.customer_id = q.customer_id": "join_not_private",
    "SELECT COUNT(*) FROM purchases p JOIN customers c ON p.quantity = c.customer_id": "no_owner_equality",
    "SELECT COUNT(*) FROM purchases p JOIN customers c ON p.customer_id = c.customer_id OR c.customer_id IS NULL": "no_owner_equality",
    "SELECT COUNT(*) FROM purchases p, customers c": "no_owner_equality",
    "SELECT COUNT(*) FROM calendar LEFT JOIN purchases ON day = purchased_on": "join_not_private",
    "SELECT COUNT(*) FROM purchases JOIN calendar ON day > purchased_on": "join_not_private",
    "SELECT COUNT(*) FROM calendar a JOIN calendar b ON a.weekday = b.weekday JOIN purchases ON a.day = purchased_on": "join_not_private",
    "SELECT COUNT(*) FROM purchases TABLESAMPLE 10%": "limit_below_measurement",
    "SELECT COUNT(*) FROM purchases WHERE basket = 5": "type_mismatch",
    "SELECT COUNT(*) FROM purchases WHERE purchased_on > 'tomorrow'": "type_mismatch",
    "SELECT purchased_on, quantity, COUNT(*) FROM purchases GROUP BY 1, 2": "too_many_cells",
    "SELECT COUNT(*) AS a, COUNT(*) AS A FROM purchases": "ambiguous_name",
    "SELECT customer_id FROM purchases p JOIN customers c ON p.customer_id = c.customer_id": "ambiguous_name",
    "SELECT COUNT(*) FROM purchases p JOIN customers p ON TRUE": "ambiguous_name",
    "SELECT quantity + 1 AS quantity, COUNT(*) FROM purchases GROUP BY quantity": "ambiguous_name",
    "SELECT COUNT(*) FROM purchases WHERE quantity = ?": "unsupported_sql",
    "SELECT COUNT(*) FROM purchases LIMIT 1 + 1": "unsupported_sql",
    "WITH RECURSIVE t AS (SELECT 1) SELECT COUNT(*) FROM t": "unsupported_sql",
    "SELECT COUNT(*) FROM purchases WHERE CAST(quantity AS STRUCT(a INT)) IS NULL": "unsupported_sql",
    "SELECT COUNT(*) FROM purchases WHERE basket LIKE 'a' ESCAPE 'b'": "unsupported_sql",
}  # fmt: skip


@pytest.mark.parametrize("sql", REFUSED, ids=[sql[:60] for sql in REFUSED])
def test_refused_by_name_with_a_hint(sql):
    with pytest.raises(GatewayError) as caught:
        planned(sql)
    assert caught.value.code == REFUSED[sql], caught.value.detail
    assert CODES[caught.value.code].status < 500
    assert caught.value.hint
    assert "secret" not in caught.value.hint


MORE = {
    "derived public": "SELECT k.quarter, COUNT(*) AS n FROM purchases p JOIN (SELECT day, quarter FROM calendar) k ON k.day = p.purchased_on GROUP BY 1",
    "public join": "SELECT k.quarter, COUNT(*) AS n FROM purchases p JOIN (SELECT a.day, b.quarter FROM calendar a JOIN calendar b ON a.day = b.day) k ON k.day = p.purchased_on GROUP BY 1",
    "public outer join": "SELECT COUNT(*) AS n FROM purchases p LEFT JOIN (SELECT a.day AS d FROM calendar a LEFT JOIN calendar b ON a.day = b.day) k ON k.d = p.purchased_on AND FALSE",
    "chain to a derived table": "SELECT COUNT(*) AS n FROM lines l JOIN (SELECT * FROM orders) o ON o.order_id = l.order_id",
    "derived kept side": "SELECT COUNT(*) AS n FROM (SELECT l.price, o.order_id FROM lines l JOIN orders o USING (order_id)) t JOIN orders u ON t.order_id = u.order_id",
    "public first": "SELECT COUNT(*) AS n FROM calendar k JOIN purchases p ON k.day = p.purchased_on JOIN customers c ON c.customer_id = p.customer_id",
    "right keeps": "SELECT c.cohort, COUNT(p.quantity) AS n FROM purchases p RIGHT JOIN customers c ON c.customer_id = p.customer_id GROUP BY 1",
    "left keeps the single side": "SELECT c.cohort, COUNT(*) AS n FROM customers c LEFT JOIN purchases p ON c.customer_id = p.customer_id GROUP BY 1",
    "empty domain": "SELECT cohort, COUNT(*) AS n FROM customers WHERE cohort = 'nowhere' GROUP BY cohort",
    "a date without bounds": "SELECT CAST(basket AS DATE) AS d, COUNT(*) AS n FROM purchases GROUP BY 1",
    "order without a limit": "SELECT COUNT(*) FROM (SELECT * FROM purchases ORDER BY quantity) t",
    "no bounds: found privately": "SELECT SUM(weight) FROM purchases",
    "released, then summed": "SELECT SUM(n) FROM (SELECT COUNT(*) AS n FROM purchases GROUP BY quantity) t",
    "per person, then counted": "SELECT COUNT(*) FROM (SELECT customer_id, COUNT(*) AS n FROM purchases GROUP BY customer_id) t",
    "a wide product": "SELECT SUM(price * price * price * price) AS s FROM lines",
    "key set equal": "SELECT gift, COUNT(*) AS n FROM purchases WHERE gift = TRUE GROUP BY gift",
}  # fmt: skip


@pytest.mark.parametrize("name", MORE)
def test_more_shapes_are_answered(name):
    assert planned(MORE[name]).program.measurements


@pytest.mark.parametrize("name", ANSWERED)
def test_a_dataset_from_another_process_is_planned_alike(name):
    travelled = pickle.loads(pickle.dumps(SHOP))
    assert planned(ANSWERED[name], dataset=travelled) == planned(ANSWERED[name])


def test_a_plan_survives_json():
    made = planned(ANSWERED["private_and_public_key"])
    assert PLANNED.validate_json(PLANNED.dump_json(made)) == made


EDGES = {
    "SELECT COUNT(*) AS n FROM purchases p JOIN customers c USING (customer_id) JOIN calendar k ON k.day = p.purchased_on JOIN orders o ON o.order_id = p.quantity": "no_owner_equality",
    "SELECT COUNT(*) AS n FROM (SELECT * FROM purchases) p JOIN customers c USING (customer_id) JOIN orders o ON o.order_id = p.quantity": "no_owner_equality",
    "SELECT NULL AS nothing, COUNT(*) AS n FROM purchases GROUP BY 1": "type_mismatch",
    "SELECT COUNT(*) AS n FROM purchases p JOIN customers c USING (customer_id) JOIN orders o ON o.order_id = p.quantity": "no_owner_equality",
    "SELECT COUNT(*) AS n FROM calendar k JOIN purchases p ON k.day = p.purchased_on JOIN orders o ON o.order_id = p.quantity": "no_owner_equality",
    "SELECT COUNT(*) AS n FROM purchases p JOIN calendar k ON k.weekday = p.quantity": "join_not_private",
    "SELECT COUNT(*) AS n FROM lines l JOIN orders o USING (order_id) JOIN lines m ON m.order_id = o.order_id": "join_not_private",
}  # fmt: skip


@pytest.mark.parametrize("sql", EDGES)
def test_edges_are_refused(sql):
    with pytest.raises(GatewayError) as caught:
        planned(sql)
    assert caught.value.code == EDGES[sql]


def test_an_epsilon_too_small_to_draw_from():
    with pytest.raises(GatewayError) as caught:
        planned("SELECT COUNT(*) AS n FROM purchases", epsilon=D("0.000001"))
    assert caught.value.code == "bad_request"


def test_hidden_and_absent_columns_are_refused_alike():
    texts = []
    for name in ("secret", "absent"):
        with pytest.raises(GatewayError) as caught:
            planned(f"SELECT COUNT({name}) FROM purchases")
        texts.append(
            (caught.value.code, caught.value.detail.replace(name, ""), caught.value.hint, caught.value.position)
        )
    assert texts[0] == texts[1]
