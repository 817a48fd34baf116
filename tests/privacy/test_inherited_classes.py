"""What is derived of important data is important: never a group key, by whatever way it came to be one."""

from dataclasses import replace

import pytest
from support.shop import SHOP, planned

from gateway.catalog.model import DataClass, Use
from gateway.errors import GatewayError

USES = {
    "quantity": (DataClass.IMPORTANT, frozenset({Use.FILTER, Use.AGGREGATE, Use.JOIN})),
    "gift": (DataClass.GENERAL, frozenset(Use)),
}


def _weighty(column):
    data_class, use = USES.get(column.name, (column.data_class, column.use))
    return replace(column, data_class=data_class, use=use)


WEIGHTY = replace(
    SHOP,
    tables=tuple(replace(t, columns=tuple(map(_weighty, t.columns))) if t.name == "purchases" else t for t in SHOP.tables),
)  # fmt: skip

OF_MANY = "(SELECT customer_id, COUNT(*) AS many FROM purchases WHERE quantity > 3 GROUP BY 1)"
RICH = "SELECT 1 FROM purchases p WHERE p.customer_id = c.customer_id AND p.quantity > 3"

KEYS = {
    "itself": "SELECT quantity AS k, COUNT(*) AS n FROM purchases GROUP BY 1",
    "an expression": "SELECT quantity % 3 AS k, COUNT(*) AS n FROM purchases GROUP BY 1",
    "the condition of a CASE": "SELECT CASE WHEN quantity > 3 THEN 'many' ELSE 'few' END AS k, COUNT(*) AS n FROM purchases GROUP BY 1",
    "a condition": "SELECT quantity > 3 AS k, COUNT(*) AS n FROM purchases GROUP BY 1",
    "NULLIF": "SELECT NULLIF(basket, CASE WHEN quantity > 3 THEN basket END) AS k, COUNT(*) AS n FROM purchases GROUP BY 1",
    "COALESCE": "SELECT COALESCE(gift, quantity > 3) AS k, COUNT(*) AS n FROM purchases GROUP BY 1",
    "DISTINCT": "SELECT DISTINCT quantity FROM purchases",
    "MODE": "SELECT MODE(quantity) AS k FROM purchases",
    "one of several sets": "SELECT gift, quantity < 5 AS k, COUNT(*) AS n FROM purchases GROUP BY CUBE (1, 2)",
    "a derived table": "SELECT k, COUNT(*) AS n FROM (SELECT quantity + 1 AS k FROM purchases) t GROUP BY 1",
    "a WITH query of one": "WITH a AS (SELECT quantity AS q FROM purchases), b AS (SELECT q > 3 AS k FROM a) SELECT k, COUNT(*) AS n FROM b GROUP BY 1",
    "a person's sum": "SELECT k, COUNT(*) AS n FROM (SELECT customer_id, SUM(quantity) AS k FROM purchases GROUP BY 1) t GROUP BY 1",
    "a person's count under FILTER": "SELECT k, COUNT(*) AS n FROM (SELECT customer_id, COUNT(*) FILTER (WHERE quantity > 3) AS k FROM purchases GROUP BY 1) t GROUP BY 1",
    "(x) a person's count under WHERE": f"SELECT many AS k, COUNT(*) AS n FROM {OF_MANY} t GROUP BY 1",
    "(x) EXISTS": f"SELECT k, COUNT(*) AS n FROM (SELECT EXISTS ({RICH}) AS k FROM customers c) t GROUP BY 1",
    "(x) IN": "SELECT c.customer_id IN (SELECT p.customer_id FROM purchases p WHERE p.quantity > 3) AS k, COUNT(*) AS n FROM customers c GROUP BY 1",
    "(x) ANY": "SELECT k, COUNT(*) AS n FROM (SELECT 3 < ANY (SELECT q.quantity FROM purchases q WHERE q.customer_id = p.customer_id) AS k FROM purchases p) t GROUP BY 1",
    "(x) EXISTS that chooses a public row": f"SELECT h.label AS k, COUNT(*) AS n FROM (SELECT CASE WHEN EXISTS ({RICH}) THEN '1997-01' ELSE '1997-02' END AS a FROM customers c) t JOIN cohorts h ON h.cohort = t.a GROUP BY 1",
    "a scalar subquery": "SELECT k, COUNT(*) AS n FROM (SELECT (SELECT MAX(p.quantity) FROM purchases p WHERE p.customer_id = c.customer_id) AS k FROM customers c) t GROUP BY 1",
    "(x) a scalar subquery's WHERE": "SELECT k, COUNT(*) AS n FROM (SELECT (SELECT COUNT(*) FROM purchases p WHERE p.customer_id = c.customer_id AND p.quantity > 3) AS k FROM customers c) t GROUP BY 1",
    "(x) LATERAL": "SELECT x.k, COUNT(*) AS n FROM customers c, LATERAL (SELECT COUNT(*) AS k FROM purchases p WHERE p.customer_id = c.customer_id AND p.quantity > 3) x GROUP BY 1",
    "a window's value": "SELECT k, COUNT(*) AS n FROM (SELECT LAG(quantity) OVER (PARTITION BY customer_id ORDER BY purchased_on) AS k FROM purchases) t GROUP BY 1",
    "(x) a rank": "SELECT k, COUNT(*) AS n FROM (SELECT ROW_NUMBER() OVER (PARTITION BY customer_id ORDER BY quantity) AS k FROM purchases) t GROUP BY 1",
    "(x) another's first value by it": "SELECT k, COUNT(*) AS n FROM (SELECT FIRST_VALUE(gift) OVER (PARTITION BY customer_id ORDER BY quantity) AS k FROM purchases) t GROUP BY 1",
    "(x) a window's part": "SELECT k, COUNT(*) AS n FROM (SELECT COUNT(*) OVER (PARTITION BY customer_id, quantity) AS k FROM purchases) t GROUP BY 1",
    "(x) a window over chosen rows": "SELECT k, COUNT(*) AS n FROM (SELECT COUNT(*) OVER (PARTITION BY customer_id) AS k FROM purchases WHERE quantity > 3) t GROUP BY 1",
    "(x) the branch of a UNION": "SELECT k, COUNT(*) AS n FROM (SELECT 'many' AS k FROM purchases WHERE quantity > 3 UNION ALL SELECT 'few' FROM purchases WHERE quantity <= 3) t GROUP BY 1",
    "a UNION's column": "SELECT k, COUNT(*) AS n FROM (SELECT quantity AS k FROM purchases UNION ALL SELECT 0 FROM purchases) t GROUP BY 1",
    "(x) a constant that an outer join fills": f"SELECT COALESCE(r.one, 0) AS k, COUNT(*) AS n FROM customers c LEFT JOIN (SELECT customer_id, 1 AS one FROM {OF_MANY} m) r ON r.customer_id = c.customer_id GROUP BY 1",
    "(x) a column that a FULL join fills": "SELECT a.gift IS NULL AS k, COUNT(*) AS n FROM (SELECT customer_id, gift FROM purchases WHERE quantity > 3 GROUP BY 1, 2) a FULL JOIN customers b USING (customer_id) GROUP BY 1",
    "(x) a public row that an outer join fills": "SELECT k.quarter AS k, COUNT(*) AS n FROM purchases p LEFT JOIN calendar k ON k.day = p.purchased_on AND p.quantity > 3 GROUP BY 1",
    "(x) a person's count under a join's condition": "SELECT k, COUNT(*) AS n FROM (SELECT c.customer_id, COUNT(*) AS k FROM customers c JOIN purchases p ON p.customer_id = c.customer_id AND p.quantity > 3 GROUP BY 1) t GROUP BY 1",
    "(x) a person's count of ranked rows": "SELECT k, COUNT(*) AS n FROM (SELECT customer_id, COUNT(*) AS k FROM (SELECT customer_id, ROW_NUMBER() OVER (PARTITION BY customer_id ORDER BY quantity) AS r FROM purchases) s WHERE r = 1 GROUP BY 1) t GROUP BY 1",
    "(x) what an outer join fills by a rank": "SELECT t.gift IS NULL AS k, COUNT(*) AS n FROM customers c LEFT JOIN (SELECT customer_id, gift, ROW_NUMBER() OVER (PARTITION BY customer_id ORDER BY quantity) AS r FROM purchases) t ON t.customer_id = c.customer_id AND t.r = 3 GROUP BY 1",
    "compared with a released value": "SELECT quantity > (SELECT AVG(quantity) FROM purchases) AS k, COUNT(*) AS n FROM purchases GROUP BY 1",
    "what INTERSECT compares": f"SELECT COUNT(*) AS n FROM (SELECT customer_id, many FROM {OF_MANY} a INTERSECT SELECT customer_id, COUNT(*) FROM purchases GROUP BY 1) t",
}  # fmt: skip

ALLOWED = {
    "a sum": "SELECT SUM(quantity) AS s FROM purchases",
    "a filter": "SELECT gift, COUNT(*) AS n FROM purchases WHERE quantity > 3 GROUP BY 1",
    "a filter by EXISTS": f"SELECT cohort, COUNT(*) AS n FROM customers c WHERE EXISTS ({RICH}) GROUP BY 1",
    "a sum of a CASE": "SELECT gift, SUM(CASE WHEN quantity > 3 THEN 1 ELSE 0 END) AS s FROM purchases GROUP BY 1",
    "an average of persons' counts": f"SELECT AVG(many) AS a FROM {OF_MANY} t",
    "the rows of a UNION by one column of both": "SELECT gift, COUNT(*) AS n FROM (SELECT gift FROM purchases WHERE quantity > 3 UNION ALL SELECT gift FROM purchases WHERE quantity <= 3) t GROUP BY 1",
    "a public row beside a filter": "SELECT k.quarter, COUNT(*) AS n FROM purchases p JOIN calendar k ON k.day = p.purchased_on AND p.quantity > 3 GROUP BY 1",
    "a public column that a filter compares with it": "SELECT k.weekday, COUNT(*) AS n FROM purchases p JOIN calendar k ON k.day = p.purchased_on AND k.weekday < p.quantity GROUP BY 1",
    "a released average": "SELECT gift, COUNT(*) AS n FROM purchases WHERE quantity > (SELECT AVG(quantity) FROM purchases) GROUP BY 1",
    "a general EXISTS": "SELECT k, COUNT(*) AS n FROM (SELECT EXISTS (SELECT 1 FROM purchases p WHERE p.customer_id = c.customer_id AND p.gift) AS k FROM customers c) t GROUP BY 1",
    "a general count of each person": "SELECT k, COUNT(*) AS n FROM (SELECT customer_id, COUNT(*) AS k FROM purchases WHERE gift GROUP BY 1) t GROUP BY 1",
    "a released count as a key": "SELECT m, COUNT(*) AS n FROM purchases, (SELECT MAX(quantity) AS m FROM purchases) t GROUP BY 1",
}  # fmt: skip


@pytest.mark.parametrize("name", KEYS)
def test_no_key_is_made_of_important_data(name):
    with pytest.raises(GatewayError) as caught:
        planned(KEYS[name], dataset=WEIGHTY)
    assert caught.value.code == "column_use"
    assert "important data: never a group key" in caught.value.detail
    assert "purchases.quantity" in caught.value.detail


@pytest.mark.parametrize("name", KEYS)
def test_the_same_key_of_general_data_is_not_refused_for_its_class(name):
    general = replace(
        WEIGHTY,
        tables=tuple(
            replace(t, columns=tuple(replace(c, data_class=DataClass.GENERAL, use=frozenset(Use)) if c.name == "quantity" else c for c in t.columns))
            for t in WEIGHTY.tables
        ),
    )  # fmt: skip
    assert planned(KEYS[name], dataset=general).program.measurements


@pytest.mark.parametrize("name", ALLOWED)
def test_important_data_count_and_choose(name):
    assert planned(ALLOWED[name], dataset=WEIGHTY).program.measurements
