"""Where a join says already whose rows are, a chain is not joined again; everywhere else it is."""

import pytest
from test_ownership_rules import analysed

from gateway.privacy.relations import Measure
from gateway.sql.plan import Scan
from gateway.sql.walk import upward

ANCHORED = {
    "the table that the chain leads through": "SELECT COUNT(*) AS n FROM lines l JOIN orders o ON l.order_id = o.order_id",
    "the other way round": "SELECT COUNT(*) AS n FROM orders o JOIN lines l ON l.order_id = o.order_id",
    "an outer join that keeps it": "SELECT COUNT(*) AS n FROM orders o LEFT JOIN lines l USING (order_id)",
    "one that keeps it on the right": "SELECT COUNT(*) AS n FROM lines l RIGHT JOIN orders o USING (order_id)",
    "another name for the key": "SELECT COUNT(*) AS n FROM (SELECT order_id AS k, price FROM lines WHERE price > 5) l JOIN orders o ON l.k = o.order_id",
    "a subquery": "SELECT COUNT(*) AS n FROM orders o WHERE EXISTS (SELECT 1 FROM lines l WHERE l.order_id = o.order_id)",
    "its negation": "SELECT COUNT(*) AS n FROM orders o WHERE NOT EXISTS (SELECT 1 FROM lines l WHERE l.order_id = o.order_id AND l.price > 5)",
    "more conditions": "SELECT COUNT(*) AS n FROM lines l JOIN orders o ON l.order_id = o.order_id AND l.price > 5 AND o.status = 'open'",
    "below a filter": "SELECT COUNT(*) AS n FROM (SELECT * FROM orders WHERE status = 'paid') o JOIN lines l USING (order_id)",
}  # fmt: skip

COMPARED = {
    "an outer join that keeps the chained side": "SELECT COUNT(*) AS n FROM lines l LEFT JOIN orders o USING (order_id)",
    "the chained table alone": "SELECT COUNT(*) AS n FROM lines",
    "a subquery of the chained table": "SELECT COUNT(*) AS n FROM lines l WHERE EXISTS (SELECT 1 FROM orders o WHERE l.order_id = o.order_id)",
    "figures by order": "SELECT COUNT(*) AS n FROM orders o JOIN (SELECT order_id, SUM(price) AS p FROM lines GROUP BY order_id) l USING (order_id)",
}  # fmt: skip


def chained(sql):
    """Return the scans of `lines` that an analysis leaves: with a chain of their own, or anchored."""
    (measure,) = (step for step in analysed(sql).steps if isinstance(step, Measure))
    return [node for node in upward(measure.owned.plan) if isinstance(node, Scan) and node.table.name == "lines"]


@pytest.mark.parametrize("name", ANCHORED)
def test_the_chain_is_not_joined_again(name):
    (scan,) = chained(ANCHORED[name])
    assert scan.anchored
    assert scan.owner is None
    assert scan.chain == ()


@pytest.mark.parametrize("name", COMPARED)
def test_elsewhere_it_is(name):
    found = chained(COMPARED[name])
    assert found
    assert not any(scan.anchored for scan in found)
    assert all(scan.owner is not None and scan.chain for scan in found)
