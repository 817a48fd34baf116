"""TPC-H with one customer more: no measurement of any answered query moves by more than it claims.

The customer has the orders of hundreds, some lines twice, and some values far outside their bounds.
"""

import duckdb
import pytest
from support import tpch
from support.neighbours import violations
from support.thinning import one_in
from test_tpch import PRIVATE, STAGED

SCALE = "0.01"
NEW = 10_000_019
MOVED = 10**9


def _copied(seed: int) -> duckdb.DuckDBPyConnection:
    """Return the tables of a small scale in memory, in an order of their own."""
    connection = duckdb.connect()
    connection.execute(f"ATTACH '{tpch.database(SCALE)}' AS small (READ_ONLY)")
    for table in tpch.TABLES:
        order = f" ORDER BY hash(rowid + {seed})" if seed else ""
        connection.execute(f"CREATE TABLE {table} AS FROM small.{table}{order}")
    connection.execute("DETACH small")
    connection.execute(f"SET threads = {1 + seed}")
    return connection


@pytest.fixture(scope="module")
def customers():
    """Two databases: the second has one customer more, stored in another order and read by more threads."""
    without, with_unit = _copied(0), _copied(2)
    for statement in (
        f"INSERT INTO customer SELECT * REPLACE ({NEW} AS c_custkey, -99999.99 AS c_acctbal) FROM customer LIMIT 1",
        f"INSERT INTO orders SELECT * REPLACE (o_orderkey + {MOVED} AS o_orderkey, {NEW} AS o_custkey) FROM orders ORDER BY o_orderkey LIMIT 700",
        f"INSERT INTO lineitem SELECT * REPLACE (l_orderkey + {MOVED} AS l_orderkey) FROM lineitem WHERE l_orderkey + {MOVED} IN (SELECT o_orderkey FROM orders)",
        f"INSERT INTO lineitem SELECT * REPLACE (9999999999.99 AS l_extendedprice, -77.00 AS l_discount) FROM lineitem WHERE l_orderkey >= {MOVED} AND l_linenumber = 1",
        f"INSERT INTO lineitem FROM lineitem WHERE l_orderkey >= {MOVED} AND l_linenumber <= 2",
    ):
        with_unit.execute(statement)
    assert with_unit.execute(f"SELECT COUNT(*) > 3000 FROM lineitem WHERE l_orderkey >= {MOVED}").fetchall() == [
        (True,)
    ]
    return without, with_unit


@pytest.mark.parametrize("name", one_in(2, sorted({*PRIVATE, *STAGED})))
def test_one_customer_more_moves_no_more_than_is_claimed(name, customers):
    assert violations(tpch.planned(tpch.QUERIES[name], tpch.dataset(SCALE)), *customers) == []


def test_the_customer_would_move_a_sum_by_more(customers):
    """The bounds are at work: without them the one customer moves the first query's sum far beyond its widest norm."""
    sql = "SELECT SUM(l_quantity) FROM lineitem JOIN orders ON l_orderkey = o_orderkey"
    before, after = (connection.execute(sql).fetchall()[0][0] for connection in customers)
    made = tpch.planned(sql + " WHERE l_quantity > 0", tpch.dataset(SCALE))
    primitive = made.program.measurements[0].primitives[0]
    assert float(after - before) > 2 * max(c.norm / c.denominator for c in primitive.candidates)
