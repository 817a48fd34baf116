"""The test of a group's owner and keys waits for its aggregates: which groups it keeps, and where DuckDB makes it."""

import json

import duckdb
import pytest
from support import tpch
from support.shop import SHOP

from gateway.compile.measurement import compile_measurement
from gateway.compile.rows import inside, owned_inside, present
from gateway.privacy.bounding import Bounded, bound
from gateway.privacy.ownership import analyse
from gateway.privacy.relations import Measure
from gateway.sql.parse import parse
from gateway.sql.select import resolve
from gateway.sql.writing import reference

KEYS = ("1997-01", "1998-12", None)
SUM = "SELECT cohort, SUM(amount) AS s FROM purchases JOIN customers USING (customer_id) GROUP BY cohort"


def bounded(sql: str) -> Bounded:
    (measure,) = (s for s in analyse(resolve(parse(sql, "duckdb"), SHOP), SHOP).steps if isinstance(s, Measure))
    return bound(measure, SHOP)


def operators(plan) -> list[str]:
    """Return the operators of a plan, those that read others first."""
    return [plan["name"], *(name for below in plan["children"] for name in operators(below))]


@pytest.mark.parametrize("aggregate", ["0", "7", "NULL"])
def test_a_group_is_kept_by_its_owner_and_keys_alone_whatever_its_aggregate_is(aggregate):
    made = bounded(SUM)
    plain = inside(made)
    assert plain is not None
    owned = f"{present(reference('u')).sql('duckdb')} AND {plain.sql('duckdb')}"
    groups = [f"({u}, {'NULL' if key is None else repr(key)}" for u in (3, "NULL") for key in KEYS]
    rows = ", ".join(f"{group}, CAST({aggregate} AS HUGEINT))" for group in groups)
    kept = [
        duckdb.sql(f"SELECT u, k0 FROM (VALUES {rows}) AS t(u, k0, p0) WHERE {test}").fetchall()
        for test in (owned, owned_inside(made, "p0").sql("duckdb"))
    ]
    assert kept[0] == kept[1] == [(3, "1997-01")]


def test_a_sum_counts_no_rows_for_the_test_of_its_keys():
    made = bounded(SUM)
    (probe,) = compile_measurement(made).probes
    counts = sum(part.quantity.value != "sum" for part in made.parts)
    grouped = probe.sql.partition(" a AS (")[2].partition(" FROM r")[0]
    assert grouped.count("COUNT(") == counts


def test_duckdb_makes_the_test_above_the_groups():
    test = owned_inside(bounded(SUM), "p0")
    connection = duckdb.connect()
    connection.execute("CREATE TABLE t AS SELECT 1 AS u, '1997-0' || (range % 9) AS k0, range AS v FROM range(99)")
    over = "(SELECT u, k0, SUM(v) AS p0 FROM t GROUP BY u, k0) AS a"
    ((_, plan),) = connection.sql(f"EXPLAIN (FORMAT json) SELECT * FROM {over} WHERE {test.sql('duckdb')}").fetchall()
    (top,) = json.loads(plan)
    assert top["name"] == "FILTER"
    assert operators(top).index("HASH_GROUP_BY") > 0


WITHOUT_OWNERS = "SELECT o_orderpriority, SUM(o_totalprice) AS s FROM orders GROUP BY o_orderpriority"


def test_rows_without_an_owner_are_in_no_sum_where_the_policy_says_that_there_are_none():
    """The promise spares a test of each row; what is released does not rest on it."""
    (measurement,) = tpch.planned(WITHOUT_OWNERS, tpch.dataset("0.01")).program.measurements
    (probe,) = measurement.probes
    assert probe.sql.count("IS NULL") == 3  # of the groups' aggregate twice, so that their owner's waits for it
    connection = duckdb.connect()
    connection.execute("CREATE TABLE orders (o_custkey BIGINT, o_orderpriority VARCHAR, o_totalprice DECIMAL(15, 2))")
    connection.execute("INSERT INTO orders VALUES (1, '1-URGENT', 10), (NULL, '1-URGENT', 900), (NULL, '5-LOW', 1)")
    rows = connection.sql(probe.sql).fetchall()
    units = sum(row[4] for row in rows if row[1])
    assert units == 1
    assert sum(row[4] for row in rows if not row[1]) == 1000  # 10.00 in cents, and nothing of nobody's
