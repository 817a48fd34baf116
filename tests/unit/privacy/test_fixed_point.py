"""Numbers counted in whole steps: nothing overflows in the engine, whatever the bounds and the data."""

from fractions import Fraction

import duckdb
import pytest
from sqlglot import exp

from gateway.catalog.types import DOUBLE, decimal
from gateway.privacy.partials import fixed_point
from gateway.sql.ranges import between
from gateway.sql.terms import Term


@pytest.mark.parametrize(
    ("precision", "scale", "bound"), [(18, 4, 10**11), (18, 2, 10**9), (38, 10, 10**5), (9, 8, 9), (18, 0, 10**15)]
)
def test_wide_decimals_become_integers_without_overflow(precision, scale, bound):
    term = Term(exp.column("x"), decimal(precision, scale), nullable=True, range=between(-bound, bound), raw=True)
    sql = fixed_point(term, None).node.sql("duckdb")
    largest = Fraction(10**precision - 1, 10**scale)
    for value in (
        Fraction(0),
        Fraction(bound),
        -Fraction(bound),
        min(largest, Fraction(bound * 2)),
        Fraction(1, 10**scale),
    ):
        text = f"{int(value * 10**scale)}"
        digits = text.lstrip("-").rjust(scale + 1, "0")
        written = ("-" if value < 0 else "") + (f"{digits[:-scale]}.{digits[-scale:]}" if scale else digits)
        row = duckdb.execute(
            f"SELECT {sql} FROM (SELECT CAST('{written}' AS DECIMAL({precision},{scale})) AS x)"
        ).fetchone()
        assert row == (int(max(-Fraction(bound), min(value, Fraction(bound))) * 10**scale),)


@pytest.mark.parametrize(
    ("scale", "granularity", "bound", "value", "counted"),
    [
        (24, Fraction(1, 100), 10**13, "9999999999999.5", 999_999_999_999_950),
        (36, Fraction(1, 100), 99, "98.5", 9850),
        (24, None, Fraction(1, 10**9), "0.0000000005", 5 * 10**14),
        (20, Fraction(1), 10**15, "999999999999999.5", 10**15),
    ],
)
def test_decimals_of_many_places_do_not_overflow_either(scale, granularity, bound, value, counted):
    term = Term(
        exp.column("x"), decimal(38, scale), nullable=True, range=between(0, bound), raw=True, granularity=granularity
    )
    sql = fixed_point(term, None).node.sql("duckdb")
    row = duckdb.execute(f"SELECT {sql} FROM (SELECT CAST('{value}' AS DECIMAL(38,{scale})) AS x)").fetchone()
    assert row == (counted,)


@pytest.mark.parametrize(
    ("granularity", "values"),
    [
        (Fraction(1), {"0.5": 1, "1.5": 2, "-0.5": -1, "-2.49": -2, "100.49": 100, "-100.5": -100}),
        (Fraction(1, 10), {"0.05": 1, "0.15": 2, "-0.05": -1, "99.95": 1000, "100.01": 1000}),
    ],
)
def test_decimals_in_coarse_steps_are_rounded_halves_away_from_zero(granularity, values):
    term = Term(
        exp.column("x"), decimal(10, 2), nullable=True, range=between(-100, 100), raw=True, granularity=granularity
    )
    sql = fixed_point(term, None).node.sql("duckdb")
    rows = duckdb.execute(f"SELECT {sql} FROM (SELECT CAST(unnest(?) AS DECIMAL(10,2)) AS x)", [list(values)])
    assert [row[0] for row in rows.fetchall()] == list(values.values())


def test_what_is_no_number_counts_as_none():
    term = Term(exp.column("x"), DOUBLE, nullable=True, range=between(0, 8), raw=True, granularity=Fraction(1, 2))
    sql = fixed_point(term, None).node.sql("duckdb")
    values = ("3.2", "-1", "1e300", "nan", "inf", "-inf", None)
    rows = duckdb.execute(f"SELECT {sql} FROM (SELECT CAST(unnest(?) AS DOUBLE) AS x)", [list(values)]).fetchall()
    assert [row[0] for row in rows] == [6, 0, 16, None, None, None, None]
