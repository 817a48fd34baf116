"""Few rows come by way of NumPy, planned once: the same rows, types and figures as by way of a relation."""

import duckdb
import pytest

from bench.performance.workload import WORKLOAD
from gateway.engines.duckdb_rows import any_rows, few_rows
from gateway.privacy.measurement import FEW_ROWS
from tests.support import tpch

EXTREMES = (
    "SELECT TRUE AS b, CAST(-2147483648 AS INTEGER) AS i, CAST(9223372036854775807 AS BIGINT) AS n,"
    " 'a' || chr(0) || 'é' AS t, DATE '0001-01-01' AS d"
    " UNION ALL SELECT FALSE, 2147483647, -9223372036854775808, '', DATE '9999-12-31'"
    " UNION ALL SELECT TRUE, 0, 9007199254740993, repeat('x', 100000), DATE '20000-02-29'"
)
"""No column of it holds a NULL, and then each does."""


@pytest.fixture(scope="module")
def connection():
    with duckdb.connect(":memory:") as made:
        made.execute("CREATE TABLE t AS SELECT range AS x FROM range(3000)")
        made.execute("SET enable_profiling = 'no_output'")
        yield made


@pytest.mark.parametrize(
    "sql",
    [
        EXTREMES,
        f"{EXTREMES} UNION ALL SELECT NULL, NULL, NULL, NULL, NULL",
        f"SELECT * FROM ({EXTREMES}) WHERE i = 7",
        "SELECT CAST(x % 7 AS INTEGER) AS i, x AS n, CAST(x AS VARCHAR) AS t FROM t ORDER BY x",
    ],
)
def test_plain_values_come_as_they_do_by_way_of_a_relation(connection, sql):
    few, _ = few_rows(connection, sql, ())
    rows, _ = any_rows(connection, sql, ())
    assert few.schema.equals(rows.schema)
    assert few.equals(rows)


@pytest.mark.parametrize(
    "value",
    [
        "CAST(1.25 AS DECIMAL(9, 2))",
        "CAST(123456789012345678901234567890 AS HUGEINT)",
        "CAST(1 AS SMALLINT)",
        "CAST(0.1 AS DOUBLE)",
        "TIMESTAMP '2020-01-01 00:00:00.000001'",
        "TIMESTAMPTZ '2020-01-01 00:00:00+03'",
        "INTERVAL 1 MONTH",
        "[1, 2]",
        "{'a': 1}",
    ],
)
def test_what_numpy_might_not_hold_exactly_comes_the_other_way(connection, value):
    sql = f"SELECT x AS n, {value} AS v FROM t ORDER BY x"
    few, figures = few_rows(connection, sql, ())
    rows, _ = any_rows(connection, sql, ())
    assert few.schema.equals(rows.schema)
    assert few.equals(rows)
    assert few.column("n").to_pylist() == list(range(3000))
    assert figures["scanned"] == [("t", 3000)]


def test_a_statement_that_fails_amid_its_rows_leaves_nothing_behind(connection):
    """The first rows are there when it fails; what the worker does next, to drop a table, is other work."""
    late = "SELECT CASE WHEN x > 2900 THEN CAST(repeat('x', CAST(x AS INTEGER)) AS INTEGER) ELSE 1 END AS i FROM t"
    connection.execute("CREATE TEMP TABLE held AS SELECT 1 AS x")
    with pytest.raises(duckdb.Error):
        few_rows(connection, late, ())
    connection.execute("DROP TABLE temp.held")
    assert few_rows(connection, "SELECT COUNT(*) AS n FROM t", ())[0].to_pylist() == [{"n": 3000}]


def test_what_was_read_is_told_of_both_ways(connection):
    sql = "SELECT COUNT(*) AS n FROM t WHERE CAST(x AS VARCHAR) <> ?"
    few, figures = few_rows(connection, sql, ("1",))
    assert few.to_pylist() == [{"n": 2999}]
    assert figures == any_rows(connection, sql, ("1",))[1] == {"scanned": [("t", 3000)], "read_bytes": 0}


def test_few_rows_are_foretold_where_keys_are_public():
    data = tpch.dataset("0.01")
    told = {}
    for asked in WORKLOAD:
        (measurement,) = tpch.planned(asked.sql, data).program.measurements
        told[asked.name] = [measurement.few(probe) for probe in measurement.probes]
    assert told["W1"] == told["W2"] == told["W3"] == told["W5"] == [True]
    assert told["W7"] == [False], "60,150 cells"
    private = tpch.planned("SELECT l_partkey, COUNT(*) AS n FROM lineitem GROUP BY l_partkey", data)
    (measurement,) = private.program.measurements
    assert not any(measurement.few(probe) for probe in measurement.probes)
    (measurement,) = tpch.planned(WORKLOAD[0].sql, data).program.measurements
    assert measurement.cells is not None
    assert measurement.cells <= FEW_ROWS
