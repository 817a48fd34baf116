"""Aggregates below measurements as DuckDB SQL: total on any rows, sums exact and within a bound."""

import contextlib
import math
from decimal import Decimal
from fractions import Fraction

import duckdb
import pytest
from support.hostile import TYPES, hostile, rows, scan, text_of
from support.released_plans import computed, fld, term

from gateway.catalog.types import BOOLEAN, DOUBLE, INTEGER, TIMESTAMP, decimal
from gateway.compile.relations import select
from gateway.errors import GatewayError
from gateway.sql.plan import Aggregate, AggregateCall, AggregateKind

ARGUMENTS = {
    **dict.fromkeys(AggregateKind, ("i", "x", "m")),
    AggregateKind.COUNT_ROWS: (None,),
    AggregateKind.COUNT: tuple(TYPES),
    AggregateKind.COUNT_DISTINCT: tuple(TYPES),
    AggregateKind.MIN: tuple(TYPES),
    AggregateKind.MAX: tuple(TYPES),
    AggregateKind.MODE: tuple(TYPES),
    AggregateKind.BOOL_AND: ("b",),
    AggregateKind.BOOL_OR: ("b",),
    AggregateKind.QUANTILE_CONT: ("i", "x", "m", "d", "ts"),
    AggregateKind.QUANTILE_DISC: ("i", "x", "m", "d", "ts", "t"),
}
PARAMETERS = {
    AggregateKind.QUANTILE_CONT: Fraction(1, 3),
    AggregateKind.QUANTILE_DISC: Fraction(1, 2),
    AggregateKind.APPROX_TOP_K: Fraction(3),
}
PAIRS = ("COVAR", "CORR", "REGR")


def result(kind: AggregateKind, column: str | None):
    if kind.value.startswith("COUNT") or kind is AggregateKind.REGR_COUNT:
        return INTEGER
    if kind in (AggregateKind.MIN, AggregateKind.MAX, AggregateKind.MODE, AggregateKind.QUANTILE_DISC):
        return TYPES[column]
    if kind in (AggregateKind.BOOL_AND, AggregateKind.BOOL_OR):
        return BOOLEAN
    if kind is AggregateKind.QUANTILE_CONT and TYPES[column].temporal:
        return TIMESTAMP
    return TYPES[column] if kind is AggregateKind.SUM else DOUBLE


@pytest.mark.parametrize("kind", AggregateKind)
@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.filterwarnings("ignore")
def test_every_aggregate_is_total(engine, kind, grouped):
    for column in ARGUMENTS[kind]:
        arguments = () if column is None else (term(f"c_{column}", TYPES[column]),)
        if kind.value.startswith(PAIRS):
            arguments = (*arguments, term("c_x", DOUBLE))
        for test in (None, term("c_i > 0", BOOLEAN), term("FALSE", BOOLEAN)):
            call = AggregateCall(kind, arguments, test, fld("a", result(kind, column)), None, PARAMETERS.get(kind))
            keys = (computed("k", "c_b", BOOLEAN),) if grouped else ()
            plan = Aggregate(hostile(), keys, (call,), None)
            query = select(plan, ["a"])
            found = engine.execute(query.sql("duckdb")).fetchall()
            assert len(found) == (3 if grouped else 1)
            if kind is not AggregateKind.APPROX_TOP_K:
                text_of(query)
            wrapped = f"SELECT typeof(a) FROM ({query.sql('duckdb')}) AS q"
            types = {row[0] for row in engine.execute(wrapped).fetchall()}
            assert types == {str(result(kind, column))} or kind is AggregateKind.APPROX_TOP_K


def value(engine, kind, column, table="hostile", type_=None):
    plan = scan(table, {"c": (column, TYPES[column])})
    call = AggregateCall(kind, (term("c", TYPES[column]),), None, fld("a", type_ or result(kind, column)), None)
    return rows(engine, Aggregate(plan, (), (call,), None), "a")[0][0]


def test_sums_end_at_a_bound(engine):
    assert value(engine, AggregateKind.SUM, "i") == 2**62
    engine.execute("CREATE OR REPLACE TEMP TABLE big AS SELECT m FROM hostile WHERE m > 1")
    assert value(engine, AggregateKind.SUM, "m", "big") == Decimal("9" * 36 + ".99")
    engine.execute("CREATE OR REPLACE TEMP TABLE low AS SELECT -m AS m FROM hostile WHERE m > 1")
    assert value(engine, AggregateKind.SUM, "m", "low") == Decimal("-" + "9" * 36 + ".99")


@pytest.mark.parametrize("seed", range(20))
def test_long_decimals_are_summed_exactly(engine, seed):
    import random

    rng = random.Random(seed)
    numbers = [Decimal(rng.randint(-(10 ** rng.randint(1, 36)), 10 ** rng.randint(1, 36))) / 100 for _ in range(30)]
    with contextlib.suppress(duckdb.CatalogException):
        engine.execute("DROP TABLE longs")
    engine.execute("CREATE TEMP TABLE longs (m DECIMAL(38,2))")
    engine.executemany("INSERT INTO longs VALUES (CAST(? AS DECIMAL(38,2)))", [[f"{n:.2f}"] for n in numbers])
    exact = sum(Fraction(f"{n:.2f}") for n in numbers)
    assert Fraction(value(engine, AggregateKind.SUM, "m", "longs")) == exact
    mean = value(engine, AggregateKind.AVG, "m", "longs")
    assert math.isclose(mean, exact / 30, rel_tol=1e-15)


def test_an_average_of_integers_is_the_exact_sum_over_the_count(engine):
    exact = (2 * (2**63 - 1) - 2**63 + 1) / 5
    assert value(engine, AggregateKind.AVG, "i") == exact


def test_statistics_without_a_value_are_null(engine):
    engine.execute("CREATE OR REPLACE TEMP TABLE flat AS SELECT 1.5::DOUBLE AS x FROM range(4)")
    assert value(engine, AggregateKind.VAR_POP, "x") is None  # NaN and infinities are among its values
    plan = scan("flat", {"c": ("x", DOUBLE)})
    call = AggregateCall(AggregateKind.CORR, (term("c", DOUBLE), term("c", DOUBLE)), None, fld("a", DOUBLE), None)
    assert rows(engine, Aggregate(plan, (), (call,), None), "a") == [(None,)]


def test_a_sum_that_has_no_digits_left_is_refused():
    plan = scan("hostile", {"c": ("m", decimal(38, 30))})
    call = AggregateCall(AggregateKind.SUM, (term("c", decimal(38, 30)),), None, fld("a", decimal(38, 30)), None)
    with pytest.raises(GatewayError, match="unsupported_sql"):
        select(Aggregate(plan, (), (call,), None))
