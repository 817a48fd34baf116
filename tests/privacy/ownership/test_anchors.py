"""Where a join says already whose rows are, a chain is not joined again; everywhere else it is."""

from dataclasses import replace

import pytest
from test_ownership_rules import analysed

from gateway.privacy.ownership.anchors import anchored
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


# -- what no SQL makes, as far as is known: the rule asks all the same -------------------------------------------------


def owned(sql):
    (measure,) = (step for step in analysed(sql).steps if isinstance(step, Measure))
    return measure.owned


def column(relation, name):
    return next(field.id for field in relation.plan.fields if field.name == name)


ORDERS, LINES = "SELECT COUNT(*) AS n FROM orders", "SELECT COUNT(*) AS n FROM lines"


def test_the_key_of_the_row_that_a_chain_leads_to_anchors_it():
    orders, lines = owned(ORDERS), owned(LINES)
    bare = anchored(orders, lines, (column(orders, "order_id"), column(lines, "order_id")))
    assert bare == replace(lines.plan, owner=None, chain=(), anchored=True)


def test_another_column_than_the_chains_own_is_no_anchor():
    orders, lines = owned(ORDERS), owned(LINES)
    assert anchored(orders, lines, (column(orders, "order_id"), column(lines, "price"))) is None


def test_a_computed_key_is_no_anchor():
    orders = owned("SELECT COUNT(k) AS n FROM (SELECT order_id + 0 AS k, customer_id FROM orders) o")
    lines = owned("SELECT COUNT(k) AS n FROM (SELECT order_id + 0 AS k, price FROM lines) l")
    whole_orders, whole_lines = owned(ORDERS), owned(LINES)
    pair = column(whole_orders, "order_id"), column(whole_lines, "order_id")
    assert anchored(orders, whole_lines, (column(orders, "k"), pair[1])) is None
    assert anchored(whole_orders, lines, (pair[0], column(lines, "k"))) is None


def test_a_key_that_two_rows_may_have_is_no_anchor():
    orders, lines = owned(ORDERS), owned(LINES)
    (link,) = lines.plan.chain
    loose = replace(lines, plan=replace(lines.plan, chain=(replace(link, table=replace(link.table, unique=())),)))
    assert anchored(orders, loose, (column(orders, "order_id"), column(lines, "order_id"))) is None


def test_the_side_of_an_outer_join_that_may_be_missing_is_no_anchor():
    joined = owned("SELECT COUNT(o.order_id) AS n FROM customers c LEFT JOIN orders o ON o.customer_id = c.customer_id")
    lines = owned(LINES)
    assert anchored(joined, lines, (column(joined, "order_id"), column(lines, "order_id"))) is None


def test_a_row_of_another_owner_is_no_anchor():
    orders, lines = owned(ORDERS), owned(LINES)
    pair = column(orders, "order_id"), column(lines, "order_id")
    another = replace(orders, owner="another", aliases=frozenset({"another"}))
    assert anchored(another, lines, pair) is None
    assert anchored(orders, lines, ("nothing", pair[1])) is None
