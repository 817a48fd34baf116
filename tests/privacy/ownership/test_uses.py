"""Which uses of columns the policy is asked about, for every place where a query can use one."""

from dataclasses import replace

import pytest
from support.shop import SHOP
from test_ownership_rules import analysed

from gateway.catalog.model import DataClass, Use
from gateway.privacy.access import accesses, tables_read

USES = {
    "SELECT gift, SUM(amount) AS s FROM purchases WHERE quantity > 3 GROUP BY gift": "filter quantity, group gift, aggregate amount",
    "SELECT COUNT(*) FILTER (WHERE gift) AS n FROM purchases": "filter gift",
    "SELECT COUNT(*) AS n FROM purchases p JOIN customers c ON p.customer_id = c.customer_id": "",
    "SELECT COUNT(*) AS n FROM lines l JOIN orders o USING (order_id)": "",
    "SELECT COUNT(DISTINCT customer_id) AS n FROM purchases": "",
    "SELECT COUNT(order_id) AS n FROM orders": "",
    "SELECT COUNT(*) AS n FROM purchases WHERE customer_id = 5": "filter customer_id",
    "SELECT COUNT(CASE WHEN customer_id > 5 THEN 1 END) AS n FROM purchases": "filter customer_id",
    "SELECT SUM(customer_id) AS n FROM purchases": "aggregate customer_id",
    "SELECT COUNT(*) AS n FROM purchases p JOIN calendar k ON k.day = p.purchased_on AND p.quantity > 3": "join purchased_on, filter quantity",
    "SELECT n, COUNT(*) AS people FROM (SELECT customer_id, COUNT(*) AS n FROM purchases GROUP BY 1) t GROUP BY n": "",
    "SELECT n, COUNT(*) AS people FROM (SELECT order_id, COUNT(order_id) AS n FROM lines GROUP BY 1) t GROUP BY n": "",
    "SELECT a, COUNT(*) AS people FROM (SELECT customer_id, MAX(amount) AS a FROM purchases GROUP BY 1) t GROUP BY a": "aggregate amount, group amount",
    "SELECT AVG(s) AS a FROM (SELECT customer_id, gift, SUM(amount) AS s FROM purchases GROUP BY 1, 2) t": "group gift, aggregate amount",
    "SELECT COUNT(*) AS n FROM customers c WHERE EXISTS (SELECT 1 FROM purchases p WHERE p.customer_id = c.customer_id AND p.gift)": "filter gift",
    "SELECT COUNT(*) AS n FROM customers c WHERE cohort = '1997-01' OR EXISTS (SELECT 1 FROM purchases p WHERE p.customer_id = c.customer_id)": "filter cohort",
    "SELECT COUNT(*) AS n FROM purchases WHERE purchased_on IN (SELECT day FROM calendar)": "filter purchased_on",
    "SELECT COUNT(*) AS n FROM (SELECT ROW_NUMBER() OVER (PARTITION BY customer_id ORDER BY purchased_on) AS r FROM purchases) t WHERE r = 1": "filter purchased_on",
    "SELECT SUM(d) AS s FROM (SELECT LAG(amount) OVER (PARTITION BY customer_id, gift ORDER BY purchased_on) AS d FROM purchases) t": "filter gift, filter purchased_on, aggregate amount",
    "SELECT COUNT(*) AS n FROM purchases WHERE quantity > (SELECT AVG(amount) FROM purchases)": "aggregate amount, filter quantity",
    "SELECT quantity, COUNT(*) AS n FROM purchases GROUP BY 1 HAVING COUNT(*) > 5 ORDER BY n": "group quantity",
    "SELECT SUM(n) AS s FROM (SELECT gift, SUM(amount) AS n FROM purchases GROUP BY 1) t WHERE n > 5": "aggregate amount, group gift",
    "SELECT COUNT(*) AS n FROM (SELECT amount, gift FROM purchases) t WHERE gift": "filter gift",
    "SELECT COUNT(*) AS n FROM calendar": "",
    "SELECT SUM(d) AS s FROM (SELECT SUM(quantity) FILTER (WHERE gift) OVER (PARTITION BY customer_id) AS d FROM purchases) t": "filter gift, aggregate quantity",
    "SELECT COUNT(DISTINCT c) AS n FROM (SELECT customer_id AS c FROM customers UNION ALL SELECT customer_id FROM purchases) t": "",
    "SELECT COUNT(DISTINCT c) AS n FROM (SELECT customer_id AS c FROM purchases WHERE gift) t": "filter gift",
    "SELECT COUNT(DISTINCT c) AS n FROM (SELECT customer_id AS c, RANK() OVER (PARTITION BY customer_id ORDER BY quantity) AS r FROM purchases) t": "filter quantity",
    "SELECT COUNT(DISTINCT r) AS n FROM (SELECT RANK() OVER (PARTITION BY customer_id ORDER BY quantity) AS r FROM purchases) t": "filter quantity",
    "SELECT COUNT(v.x) AS n FROM purchases p JOIN (SELECT d, MIN(x) AS x FROM (VALUES (1, DATE '1997-01-01')) u(x, d) GROUP BY d) v ON v.d = p.purchased_on": "join purchased_on",
    "SELECT COUNT(v.d) AS n FROM purchases p JOIN (SELECT day AS d FROM calendar UNION SELECT d FROM (VALUES (DATE '1997-01-01')) u(d)) v ON v.d = p.purchased_on": "join purchased_on",
    "SELECT COUNT(v.x) AS n FROM purchases p, (VALUES (1)) v(x)": "",
    "SELECT MODE(quantity) AS m FROM purchases": "group quantity",
    "SELECT d, COUNT(*) AS n FROM (SELECT SUM(quantity) FILTER (WHERE gift) OVER (PARTITION BY customer_id) AS d FROM purchases) t GROUP BY d": "filter gift, group gift, aggregate quantity, group quantity",
    "SELECT COUNT(*) AS n FROM customers c JOIN (VALUES (42)) v(x) ON v.x = c.customer_id": "join customer_id, group customer_id",
    "SELECT COUNT(*) AS n FROM customers WHERE customer_id IN (SELECT x FROM (VALUES (42)) v(x))": "filter customer_id, group customer_id",
    "SELECT COUNT(*) AS n FROM customers WHERE customer_id IN (SELECT quantity FROM purchases GROUP BY 1)": "filter customer_id, group customer_id, group quantity",
    "SELECT COUNT(*) AS n FROM customers c WHERE EXISTS (SELECT 1 FROM (SELECT customer_id AS u, customer_id AS k FROM customers UNION ALL SELECT d.customer_id, v.x FROM customers d, (VALUES (42)) v(x)) t WHERE t.u = c.customer_id AND t.k = c.customer_id)": "filter customer_id, group customer_id",
    "SELECT COUNT(*) AS n FROM (SELECT customer_id, customer_id = 42 AS k FROM purchases GROUP BY 1, 2) t": "group customer_id",
    "SELECT COUNT(*) AS n FROM (SELECT customer_id, CASE WHEN customer_id = 42 THEN quantity END AS k FROM purchases GROUP BY 1, 2) t": "group customer_id, group quantity",
    "SELECT COUNT(*) AS n FROM (SELECT ROW_NUMBER() OVER (PARTITION BY customer_id, CASE WHEN customer_id = 42 THEN quantity END ORDER BY purchased_on) AS r FROM purchases) t WHERE r = 1": "filter customer_id, filter quantity, filter purchased_on",
    "SELECT COUNT(*) AS n FROM (SELECT COUNT(*) OVER (PARTITION BY u) AS r FROM (SELECT COALESCE(p.customer_id, c.customer_id) AS u FROM purchases p FULL JOIN customers c ON p.customer_id = c.customer_id) x) t WHERE r > 1": "",
    "SELECT COUNT(*) AS n FROM (SELECT u, COUNT(*) AS k FROM (SELECT COALESCE(p.customer_id, c.customer_id) AS u FROM purchases p FULL JOIN customers c ON p.customer_id = c.customer_id) x GROUP BY u) t WHERE k > 1": "",
    "SELECT COUNT(*) AS n FROM (SELECT customer_id FROM customers EXCEPT SELECT customer_id FROM purchases) t": "",
    "SELECT COUNT(*) AS n FROM (SELECT customer_id, customer_id AS k FROM customers INTERSECT SELECT customer_id, 42 FROM customers) t": "filter customer_id, group customer_id",
    "SELECT COUNT(*) AS n FROM (SELECT customer_id, 42 AS k FROM customers EXCEPT SELECT customer_id, customer_id FROM customers) t": "filter customer_id, group customer_id",
    "SELECT COUNT(*) AS n FROM (SELECT customer_id, amount FROM purchases EXCEPT SELECT customer_id, price FROM lines JOIN orders USING (order_id)) t": "filter amount, group amount, filter price, group price",
    "SELECT SUM(q) AS s FROM (SELECT quantity AS q FROM purchases UNION ALL SELECT price FROM lines) t": "aggregate quantity, aggregate price",
    "SELECT COUNT(c) AS n FROM (SELECT customer_id AS c FROM customers UNION ALL SELECT quantity FROM purchases) t": "aggregate customer_id, aggregate quantity",
    "SELECT COUNT(c) AS n FROM (SELECT customer_id AS c FROM customers UNION ALL SELECT customer_id % 10 FROM purchases) t": "aggregate customer_id",
    "SELECT COUNT(DISTINCT c) AS n FROM (SELECT customer_id % 10 AS c FROM purchases) t": "aggregate customer_id",
    "SELECT COUNT(c) AS n FROM (SELECT COALESCE(customer_id, 3) AS c FROM purchases) t": "aggregate customer_id",
    "SELECT COUNT(*) AS n FROM customers c JOIN (SELECT customer_id, MAX(quantity) AS m FROM purchases GROUP BY 1) t ON c.customer_id = t.customer_id AND c.customer_id = t.m": "join customer_id, group customer_id, join quantity, aggregate quantity",
    "SELECT COUNT(*) AS n FROM customers c JOIN (SELECT customer_id, LAG(quantity) OVER (PARTITION BY customer_id ORDER BY gift) AS m FROM purchases) t ON c.customer_id = t.customer_id AND c.customer_id = t.m": "join customer_id, group customer_id, join quantity, aggregate quantity, filter gift",
    "SELECT COUNT(*) AS n FROM purchases WHERE CASE WHEN amount > 3 THEN 1 END = 1": "filter amount",
    "SELECT COUNT(*) FILTER (WHERE CASE WHEN amount > 3 THEN gift END) AS n FROM purchases": "filter amount, filter gift",
    "SELECT k, COUNT(*) AS n FROM (SELECT CASE WHEN amount > 3 THEN 1 ELSE 2 END AS k FROM purchases) t GROUP BY k": "group amount",
    "SELECT COUNT(*) AS n FROM (SELECT RANK() OVER (PARTITION BY customer_id ORDER BY CASE WHEN amount > 3 THEN 1 END) AS r FROM purchases) t": "filter amount",
}  # fmt: skip


@pytest.mark.parametrize("sql", USES)
def test_every_use_and_no_other(sql):
    found = {f"{use.use.value} {use.column}" for use in accesses(analysed(sql), SHOP)}
    assert found == set(filter(None, USES[sql].split(", ")))


@pytest.mark.parametrize("data_class", DataClass)
def test_what_equals_a_value_that_is_never_shown_needs_leave_to_show_it(data_class):
    purchases = SHOP.table("purchases")
    columns = tuple(replace(c, data_class=data_class) if c.name == "quantity" else c for c in purchases.columns)
    tables = tuple(replace(t, columns=columns) if t is purchases else t for t in SHOP.tables)
    dataset = replace(SHOP, tables=tables)
    analysis = analysed("SELECT COUNT(*) AS n FROM purchases WHERE quantity IN (SELECT weekday FROM calendar)", dataset)
    uses = {use.use for use in accesses(analysis, dataset)}
    assert uses == ({Use.FILTER} if data_class is DataClass.GENERAL else {Use.FILTER, Use.GROUP})


def test_a_use_has_the_place_of_the_sql():
    uses = accesses(analysed("SELECT COUNT(*) AS n\nFROM purchases\nWHERE amount > 3"), SHOP)
    assert [(use.column, use.position.line, use.position.column) for use in uses] == [("amount", 3, 7)]


def test_prices_count_private_tables_once_and_public_ones_that_are_read():
    def read(sql):
        return {table.name for table in tables_read(analysed(sql))}

    assert read(
        "SELECT k.quarter, COUNT(*) AS n FROM purchases p JOIN calendar k ON k.day = p.purchased_on GROUP BY 1"
    ) == {"purchases"}
    assert read("SELECT COUNT(*) AS n FROM purchases p JOIN customers c USING (customer_id)") == {
        "purchases",
        "customers",
    }
    assert read("SELECT COUNT(*) AS n FROM calendar") == {"calendar"}
    joined = "SELECT h.label, t.n FROM (SELECT cohort, COUNT(*) AS n FROM customers GROUP BY cohort) t JOIN cohorts h USING (cohort)"
    assert read(joined) == {"customers", "cohorts"}
