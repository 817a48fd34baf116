"""Private keys: whatever one person's rows hold, a query is answered alike, and keys outside their bounds are none."""

import math
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal as D
from functools import cache

import pytest
from support.answers import answered as run
from support.neighbours import exact as exact_probes
from support.shop import column, empty_database, key, planned, unlimited
from support.totals import found_cells, totals_by_cell

from gateway.catalog.model import Table, Use
from gateway.catalog.types import DATE, INTEGER, TIMESTAMP, decimal

G, F, A = Use.GROUP, Use.FILTER, Use.AGGREGATE
VISITS = Table(
    "visits",
    public=False,
    rows=1_000,
    columns=(
        key("customer_id"),
        column("seen_at", TIMESTAMP, (G,), bounds=(datetime(1997, 1, 1), datetime(1998, 6, 30))),
        column("day", DATE, (G,), bounds=(date(1900, 1, 1), date(1999, 12, 31))),
        column("big", INTEGER, (G, F, A), bounds=(0, 1_000_000)),
        column("price", decimal(18, 2), (G, F, A), bounds=(D(0), D(1_000_000))),
    ),
    owner="customer_id",
    per_unit_rows=3,
    per_unit_groups=3,
)
WIDE = unlimited()
DATASET = replace(WIDE, tables=(*WIDE.tables, VISITS))
ODD = [
    ("infinity", "infinity", 2**63 - 1, D("9999999999999999.99")),
    ("-infinity", "-infinity", -(2**63), D("-9999999999999999.99")),
    ("290000-01-01", "5000000-01-01", 9 * 10**18, D("1000000.01")),
    ("0044-03-15 (BC)", "0044-03-15 (BC)", -7, D("-0.01")),
    ("2050-01-01", "2050-01-01", 1_000_001, D("2e12")),
]
QUERIES = {
    "timestamp": "SELECT seen_at AS k, COUNT(*) AS n FROM visits GROUP BY 1",
    "date": "SELECT day AS k, COUNT(*) AS n FROM visits GROUP BY 1",
    "integer": "SELECT big AS k, COUNT(*) AS n FROM visits GROUP BY 1",
    "decimal": "SELECT price AS k, COUNT(*) AS n FROM visits GROUP BY 1",
    "computed_later": "SELECT big * 1000 AS k, COUNT(*) AS n FROM visits GROUP BY big",
    "computed_decimal": "SELECT price * 3 AS k, COUNT(*) AS n FROM visits GROUP BY price",
    "cast_to_text": "SELECT CAST(seen_at AS VARCHAR) AS k, COUNT(*) AS n FROM visits GROUP BY 1",
    "truncated": "SELECT date_trunc('day', seen_at) AS k, COUNT(*) AS n FROM visits GROUP BY 1",
}


@cache
def database(odd_units):
    connection = empty_database()
    connection.execute(
        "CREATE TABLE visits(customer_id INTEGER, seen_at TIMESTAMP, day DATE, big BIGINT, price DECIMAL(18,2))"
    )
    for unit in range(400):
        connection.execute("INSERT INTO visits VALUES (?, '1998-06-30 13:00:00', '1998-06-30', 7, 7.5)", [unit])
    for unit in range(odd_units):
        for row in ODD:
            connection.execute("INSERT INTO visits VALUES (?, ?, ?, ?, ?)", [1_000 + unit, *row])
    return connection


def answered(name, connection):
    made = planned(QUERIES[name], dataset=DATASET)
    rows = run(connection, made).rows
    assert all(math.isfinite(row[1]) for row in rows)
    return {row[0]: round(row[1] / 10) for row in rows if row[1] > 100}


@pytest.mark.parametrize("name", QUERIES)
def test_nothing_that_one_person_holds_makes_a_query_fail(name):
    usual = answered(name, database(0))
    assert list(usual.values()) == [40]
    assert answered(name, database(1)) == usual


@pytest.mark.parametrize("name", ["timestamp", "date", "integer", "decimal", "computed_later", "computed_decimal"])
def test_keys_outside_their_bounds_are_dropped_even_where_many_hold_them(name):
    assert answered(name, database(300)) == answered(name, database(0))


def exact(sql, *values):
    """The first total of a query over purchases that hold these scores, each of a person of its own."""
    connection = empty_database()
    for unit, value in enumerate(values):
        connection.execute("INSERT INTO purchases VALUES (?, '1997-01-01', 1, 'a', 1, ?, TRUE, ?, 'x')", [unit, *value])
    measurement = planned(sql).program.measurements[0]
    probe = exact_probes(connection, measurement)[0]
    primitive = probe.probe.primitives[0]
    widest = len(primitive.candidates) - 1
    return totals_by_cell(probe, primitive, widest).get((), 0) / primitive.candidates[widest].denominator


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("sql", ["SUM(score)", "SUM(score * 1)", "SUM(score + 0)", "COUNT(score * 1)"])
def test_what_is_no_number_adds_nothing(sql, value):
    assert exact(f"SELECT {sql} AS s FROM purchases", (value, 1.0), (0.0, 1.0)) == int("COUNT" in sql)


def test_one_long_text_is_null_when_doubled():
    doubled = ", ".join(f"t{i + 1} AS (SELECT x || x AS x, customer_id FROM t{i})" for i in range(5))
    sql = f"WITH t0 AS (SELECT basket AS x, customer_id FROM purchases), {doubled} SELECT x, COUNT(*) AS n FROM t5 GROUP BY x"
    connection = empty_database()
    connection.execute("SET memory_limit = '400MB'")
    connection.execute(
        "INSERT INTO purchases VALUES (1, '1997-01-01', 1, repeat('y', 9000000), 1, 1, TRUE, 1, 'x'), (2, '1997-01-01', 1, 'z', 1, 1, TRUE, 1, 'x')"
    )
    measurement = planned(sql).program.measurements[0]
    probe = exact_probes(connection, measurement)[0]
    cells = found_cells(probe, probe.probe.primitives[0])
    assert sorted(cell or "" for (cell,) in cells) == ["", "z" * 32]


def test_a_timestamp_keeps_its_time_on_the_last_day():
    assert answered("cast_to_text", database(0)) == {"1998-06-30 13:00:00": 40}


@pytest.mark.parametrize("column", ["big", "price"])
@pytest.mark.parametrize("test", ["> 99999999999999999", "< -99999999999999999", "> 99999999999999999999"])
def test_a_key_beyond_its_type_is_in_no_cell(column, test):
    made = planned(f"SELECT {column} AS k, COUNT(*) AS n FROM visits WHERE {column} {test} GROUP BY 1", dataset=DATASET)
    probe = exact_probes(database(3), made.program.measurements[0])[0]
    assert [cell for primitive in probe.probe.primitives for cell in found_cells(probe, primitive)] == []
