"""The test of a group's keys waits for its aggregates: which groups it keeps, and where DuckDB makes it."""

import json

import duckdb
import pytest
from support.shop import SHOP

from gateway.compile.measurement import compile_measurement
from gateway.compile.rows import inside, inside_grouped
from gateway.privacy.bounding import Bounded, bound
from gateway.privacy.ownership import analyse
from gateway.privacy.relations import Measure
from gateway.sql.parse import parse
from gateway.sql.select import resolve

KEYS = ("1997-01", "1998-12", None)
SUM = "SELECT cohort, SUM(amount) AS s FROM purchases JOIN customers USING (customer_id) GROUP BY cohort"


def bounded(sql: str) -> Bounded:
    (measure,) = (s for s in analyse(resolve(parse(sql, "duckdb"), SHOP), SHOP).steps if isinstance(s, Measure))
    return bound(measure, SHOP)


def operators(plan) -> list[str]:
    """Return the operators of a plan, those that read others first."""
    return [plan["name"], *(name for below in plan["children"] for name in operators(below))]


@pytest.mark.parametrize("aggregate", ["0", "7", "NULL"])
def test_a_group_is_kept_by_its_keys_alone_whatever_its_aggregate_is(aggregate):
    made = bounded(SUM)
    plain, waiting = inside(made), inside_grouped(made, "p0")
    assert plain is not None
    assert waiting is not None
    rows = ", ".join(f"({'NULL' if key is None else repr(key)}, CAST({aggregate} AS HUGEINT))" for key in KEYS)
    kept = [
        duckdb.sql(f"SELECT k0 FROM (VALUES {rows}) AS t(k0, p0) WHERE {test.sql('duckdb')}").fetchall()
        for test in (plain, waiting)
    ]
    assert kept[0] == kept[1] == [("1997-01",)]


def test_a_sum_counts_no_rows_for_the_test_of_its_keys():
    made = bounded(SUM)
    (probe,) = compile_measurement(made).probes
    counts = sum(part.quantity.value != "sum" for part in made.parts)
    grouped = probe.sql.partition(" a AS (")[2].partition(" FROM r")[0]
    assert grouped.count("COUNT(") == counts


def test_duckdb_makes_the_test_above_the_groups():
    test = inside_grouped(bounded(SUM), "p0")
    assert test is not None
    connection = duckdb.connect()
    connection.execute("CREATE TABLE t AS SELECT 1 AS u, '1997-0' || (range % 9) AS k0, range AS v FROM range(99)")
    over = "(SELECT u, k0, SUM(v) AS p0 FROM t GROUP BY u, k0) AS a"
    ((_, plan),) = connection.sql(f"EXPLAIN (FORMAT json) SELECT * FROM {over} WHERE {test.sql('duckdb')}").fetchall()
    (top,) = json.loads(plan)
    assert top["name"] == "FILTER"
    assert operators(top).index("HASH_GROUP_BY") > 0
