"""What is owned stays owned: one more person changes no bit of anybody else's rows, whatever the rules let through.

For every passing query of rules.yaml, the relation below each measurement is read from two databases that differ by
one unit with hostile rows, stored in another order; the rows of all other owners must be the same bits. Rows of nobody
lie among them, although the policy says that there are none: nothing that is counted has them.
"""

from functools import cache

import pytest
from support.answers import exact_rows
from support.owners import by_owner
from support.shop import empty_database, fill, insert, planned
from support.thinning import one_in
from test_ownership_rules import PASS, analysed

from gateway.errors import GatewayError
from gateway.privacy.relations import Measure
from gateway.sql.plan import Join, Scan, Staged
from gateway.sql.walk import upward

TABLES = ("customers", "purchases", "orders", "lines")
NEW = 10**6
NOBODYS = {
    "purchases": [(None, "1997-05-05", 2, "small", "1.00", 0.5, True, 1.5, "x")],
    "orders": [(7, None, "open")],
    "lines": [(7, "1.00", 0.05, True), (8, "1.00", 0.05, True), (None, "1.00", 0.05, True)],
}


@pytest.fixture(scope="module")
def neighbours():
    """Two databases: the second holds one more unit, and its rows lie in the opposite order, public ones too."""
    small = empty_database()
    fill(small, seed=11, units=60)
    # equal numbers of different bits, and ties in everything but the order of storage
    for unit in (3, 4):
        rows = [
            (unit, "1997-05-05", 2, "small", "1.00", s, None, w, "x") for s, w in ((0.1, 0.0), (0.2, -0.0), (0.3, 1.5))
        ]
        insert(small, "purchases", rows * 3)
    for table, rows in NOBODYS.items():
        insert(small, table, rows)
    large = empty_database()
    hostile = {
        "customers": [(NEW, "1997-01")],
        "purchases": [
            (NEW, day, 9, "large", "499.99", score, gift, weight, "x")
            for day, score, gift, weight in (
                ("1997-01-01", float("nan"), None, float("inf")),
                ("1998-06-30", 1e300, True, -0.0),
                (None, None, False, None),
            )
            for _ in range(20)
        ],
        "orders": [(NEW, NEW, "open"), (NEW + 1, NEW, None)],
        "lines": [(NEW, "1000.00", 0.1, None)] * 30 + [(NEW + 1, None, None, True)],
    }
    for table in TABLES:
        rows = small.execute(f"SELECT * FROM {table}").fetchall()
        insert(large, table, hostile[table] + rows[::-1])
    large.execute("CREATE OR REPLACE TABLE calendar AS FROM calendar ORDER BY day DESC")
    return small, large


@pytest.mark.parametrize("name", PASS)
def test_one_more_person_changes_nobody_elses_rows(name, neighbours):
    measures = [step for step in analysed(PASS[name][1]).steps if isinstance(step, Measure)]
    for measure in measures:
        if any(isinstance(node, Staged) for node in upward(measure.owned.plan)):
            continue  # what it reads is released first: the same for both
        small, large = (by_owner(connection, measure, NEW) for connection in neighbours)
        assert small == large


@pytest.fixture(scope="module")
def with_nobodys():
    """Two databases that differ by rows of nobody alone."""
    pair = empty_database(), empty_database()
    for connection in pair:
        fill(connection, seed=11, units=60)
    for table, rows in NOBODYS.items():
        insert(pair[1], table, rows)
    return pair


@cache
def counted(name):
    """Return the measurements of a query that read no released rows; none where it is refused before an engine is asked."""
    try:
        found = planned(PASS[name][1]).program.measurements
    except GatewayError:
        return []
    return [measurement for measurement in found if not any(probe.inputs for probe in measurement.probes)]


@pytest.mark.parametrize("name", one_in(4, PASS))
def test_a_row_of_nobody_is_in_nothing_that_is_counted(name, with_nobodys):
    for measurement in counted(name):
        without, among = (
            [sorted(table.to_pylist(), key=repr) for table in exact_rows(connection, measurement, {})]
            for connection in with_nobodys
        )
        assert without == among


@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.long)])
def test_most_of_the_queries_are_counted(every):
    """Few are refused before an engine is asked: else nothing would be compared above."""
    names = list(PASS)[::every]
    assert sum(bool(counted(name)) for name in names) > 0.8 * len(names)


@pytest.mark.parametrize("name", PASS)
def test_every_private_table_is_read_with_its_owner(name):
    for step in analysed(PASS[name][1]).steps:
        plans = [step.aggregate.input] if isinstance(step, Measure) else [step.plan]
        scans = [node for node in upward(*plans) if isinstance(node, Scan) and not node.table.public]
        anchored = [scan for join in upward(*plans) if isinstance(join, Join) for scan in _anchored(join)]
        for scan in scans:
            assert isinstance(step, Measure)
            assert (scan.owner is not None) != scan.anchored
            assert not scan.anchored or scan in anchored


def _anchored(join):
    """Return the scans whose rows a join ties to the very row that their chain leads to, on the other side of it."""
    for scans, others in ((upward(join.left), upward(join.right)), (upward(join.right), upward(join.left))):
        for scan in scans:
            if isinstance(scan, Scan) and scan.anchored:
                hop = scan.table.hop
                below = {f.id for f in scan.fields if f.term.origin.column == hop.column}
                above = {
                    f.id
                    for other in others
                    if isinstance(other, Scan) and other.owner is not None and other.table.name == hop.target_table
                    for f in other.fields
                    if f.term.origin.column == hop.target_column
                }
                if any({a, b} & below and {a, b} & above for a, b in join.equalities):
                    yield scan


SHARED = {
    "a join": "SELECT o.status, COUNT(*) AS n FROM lines l JOIN orders o USING (order_id) GROUP BY 1",
    "a join with itself": "SELECT COUNT(*) AS n FROM orders a JOIN orders b ON a.order_id = b.order_id AND a.status <= b.status",
    "NOT EXISTS": "SELECT COUNT(*) AS n FROM orders a WHERE NOT EXISTS (SELECT 1 FROM orders b WHERE b.order_id = a.order_id AND b.status <> a.status)",
    "an aggregate": "SELECT AVG(n) AS a FROM (SELECT order_id, COUNT(*) AS n FROM orders GROUP BY order_id) t",
    "a window": "SELECT SUM(r) AS s FROM (SELECT COUNT(*) OVER (PARTITION BY order_id) AS r FROM orders) t",
}  # fmt: skip


@pytest.mark.parametrize("name", SHARED)
def test_a_chain_key_that_two_people_share_pairs_nobody_with_another(name):
    """The policy declares order_id unique, and one person's orders break that: each still meets only their own."""
    small, large = empty_database(), empty_database()
    for connection in (small, large):
        fill(connection, seed=11, units=60)
        connection.execute("CREATE OR REPLACE TABLE orders AS FROM orders")  # without its primary key
    insert(large, "orders", [(unit * 10, NEW, status) for unit in range(1, 61) for status in ("open", "paid")])
    (measure,) = (step for step in analysed(SHARED[name]).steps if isinstance(step, Measure))
    first, second = (by_owner(connection, measure, NEW) for connection in (small, large))
    assert first == second
    assert first


def test_the_harness_sees_a_window_over_everybody(neighbours):
    """A planted mistake: without the owner in its partition a window changes other people's rows."""
    from dataclasses import replace

    sql = "SELECT SUM(r) AS s FROM (SELECT COUNT(*) OVER (PARTITION BY customer_id) AS r FROM purchases) t"
    (measure,) = (step for step in analysed(sql).steps if isinstance(step, Measure))
    window = next(node for node in upward(measure.owned.plan) if type(node).__name__ == "Window")
    calls = tuple(replace(call, partition=()) for call in window.calls)
    broken = replace(measure.owned.plan, input=replace(window, calls=calls))
    measure = replace(measure, owned=replace(measure.owned, plan=broken))
    small, large = (by_owner(connection, measure, NEW) for connection in neighbours)
    assert small != large
