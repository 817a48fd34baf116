"""A public relation LEFT JOIN a private one, and what stands above it, answered as plain SQL answers it."""

from decimal import Decimal

import pytest
from support.answers import answered
from support.shop import empty_database, fill, planned, unlimited

from gateway.engines.post import PostProcessor
from gateway.errors import GatewayError
from gateway.privacy.ownership.steps import Steps
from gateway.privacy.relations import Public, Released
from gateway.sql.plan import Staged

WIDE = unlimited(groups=700, rows=40)
JOINED = "FROM calendar k LEFT JOIN purchases p ON p.purchased_on = k.day"
QUERIES = {
    "a NULL beside it": f"SELECT k.quarter, SUM(NULL + p.quantity) AS s {JOINED} GROUP BY 1",
    "CASE of a match": f"SELECT k.quarter, SUM(CASE WHEN p.quantity IS NOT NULL THEN 1 END) AS s {JOINED} GROUP BY 1",
    "CASE of a value": f"SELECT k.quarter, SUM(CASE p.quantity WHEN 1 THEN 1 END) AS s {JOINED} GROUP BY 1",
    "CASE never met": f"SELECT k.quarter, SUM(CASE WHEN FALSE THEN 1 ELSE p.quantity END) AS s {JOINED} GROUP BY 1",
    "CASE of both sides": f"SELECT k.quarter, SUM(CASE WHEN k.weekday = 1 AND p.quantity > 1 THEN 1 END) AS s {JOINED} GROUP BY 1",
    "the greatest": f"SELECT k.quarter, SUM(GREATEST(p.quantity, p.quantity * 2)) AS s {JOINED} GROUP BY 1",
    "a condition with OR": f"SELECT k.quarter, COUNT(*) AS n {JOINED} WHERE p.quantity > 1 OR p.gift GROUP BY 1",
    "a derived table": f"SELECT q, SUM(x) AS s FROM (SELECT k.quarter AS q, p.quantity * 2 AS x {JOINED}) t GROUP BY q",
    "private columns alone": f"SELECT 1 AS c, SUM(x) AS s FROM (SELECT p.quantity AS x {JOINED}) t GROUP BY 1 + 0",
    "JOIN on the public side": f"SELECT d.weekday, COUNT(p.quantity) AS n {JOINED} JOIN calendar d ON d.day = k.day GROUP BY 1",
    "LEFT JOIN on the public side": f"SELECT d.weekday, COUNT(p.quantity) AS n {JOINED} LEFT JOIN calendar d ON d.day = k.day AND d.weekday < 4 GROUP BY 1",
    "JOIN on the private side": f"SELECT k.weekday, COUNT(p.quantity) AS n {JOINED} JOIN calendar d ON d.day = p.purchased_on GROUP BY 1",
    "LEFT JOIN on the private side": f"SELECT k.weekday, COUNT(d.day) AS n {JOINED} LEFT JOIN calendar d ON d.day = p.purchased_on AND d.weekday < 4 GROUP BY 1",
    "a FULL join's owner": "SELECT COUNT(*) AS n FROM (SELECT COALESCE(p.customer_id, c.customer_id) AS u FROM purchases p FULL JOIN customers c ON p.customer_id = c.customer_id) t JOIN customers d ON d.customer_id = t.u",
    "a chain key of a union": "SELECT COUNT(*) AS n FROM (SELECT order_id, 1 AS k FROM orders UNION ALL SELECT order_id, 2 FROM lines) t JOIN orders o ON o.order_id = t.order_id",
    "marked by noisy keys": "SELECT gift, n, gift IN (SELECT gift FROM purchases GROUP BY gift HAVING COUNT(*) > 5) AS m FROM (SELECT gift, COUNT(*) AS n FROM purchases GROUP BY 1) t",
}  # fmt: skip


@pytest.fixture(scope="module")
def database():
    connection = empty_database()
    fill(connection, 11, 60)
    return connection


@pytest.fixture(scope="module")
def post():
    return PostProcessor()


def canonical(rows):
    """Return rows in an order, numbers rounded; the sum of nothing is 0 in an answer."""
    shown = [[round(v) if isinstance(v, float | Decimal) else 0 if v is None else v for v in row] for row in rows]
    return sorted(shown, key=repr)


@pytest.mark.parametrize("name", QUERIES)
def test_equals_plain_sql(name, database, post):
    sql = QUERIES[name]
    found = answered(database, planned(sql, dataset=WIDE), post=post)
    assert canonical(found.rows) == canonical(database.execute(sql).fetchall())


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT COUNT(*) AS n FROM (SELECT COUNT(*) OVER (PARTITION BY v) AS r FROM (SELECT COALESCE(s, 0.5) AS v FROM (SELECT customer_id, score AS s FROM purchases) t) x) u WHERE r > 3",
        "SELECT COUNT(*) AS n FROM (SELECT ROW_NUMBER() OVER (PARTITION BY v ORDER BY v) AS r FROM (SELECT COALESCE(g, FALSE) AS v FROM (SELECT customer_id, gift AS g FROM purchases) t) x) u WHERE r > 3",
    ],
)  # fmt: skip
def test_a_coalesce_of_other_columns_is_no_owner(sql):
    with pytest.raises(GatewayError) as caught:
        planned(sql)
    assert caught.value.code == "window_across_owners"


def test_groups_of_a_coalesce_are_measured_and_not_one_persons():
    sql = "SELECT v, COUNT(*) AS n FROM (SELECT COALESCE(g, FALSE) AS v FROM (SELECT customer_id, gift AS g FROM purchases) t) u GROUP BY v"
    assert len(planned(sql).program.measurements) == 1


def test_a_released_relation_is_staged_once():
    steps = Steps(WIDE)
    plan = Staged("before", None, (), None)
    relation = Released(plan, frozenset())
    first = steps.stage(relation)
    assert isinstance(first, Public)
    assert steps.stage(relation) is first
    assert len(steps.found) == 1
    assert steps.stage(Released(plan, frozenset())) is not first
