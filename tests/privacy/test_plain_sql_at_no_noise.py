"""What each aggregate releases at a budget that draws no noise to speak of: plain SQL's answer."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal as D

import pytest
from support.measures import A, answered, measured
from support.shop import column, empty_database, fill, key, unlimited

from gateway.catalog.model import Accounting, Table, Use
from gateway.catalog.types import TIMESTAMP
from gateway.privacy.measurement import Noise

OPEN = unlimited()
YEAR = (datetime(1997, 1, 1), datetime(1997, 12, 31))
COLUMNS = "COUNT(amount), COUNT(score), COUNT(quantity), COUNT(purchased_on), COUNT(basket), COUNT(gift)"
AMOUNT, SCORE, QUANTITY, DAY, BASKET, GIFT = range(6)


@pytest.fixture(scope="module")
def shop():
    connection = empty_database()
    fill(connection, 3, 400)
    connection.execute("UPDATE purchases SET amount = LEAST(amount, 40)")  # within the declared sum of one unit
    return connection


def at_no_noise(shop, keys, calls, columns=COLUMNS, where=""):
    group = f"GROUP BY {', '.join(str(i + 1) for i in range(keys.count(',')))}" if keys else ""
    bounded, measurement = measured(f"SELECT {keys} {columns} FROM purchases {where} {group}", calls, OPEN)
    return sorted(answered(shop, bounded, measurement), key=repr)


def plain(shop, select, keys="", where=""):
    group = f"GROUP BY {', '.join(str(i + 1) for i in range(keys.count(',')))}" if keys else ""
    return sorted(shop.execute(f"SELECT {keys} {select} FROM purchases {where} {group}").fetchall(), key=repr)


def same(found, wanted, rel=1e-6, near=1e-6):
    assert len(found) == len(wanted)
    for a, b in zip(found, wanted, strict=True):
        for x, y in zip(a, b, strict=True):
            if isinstance(y, (float, D)):
                assert float(x) == pytest.approx(float(y), rel=rel, abs=near)
            else:
                assert x == y


MOMENTS = {
    "var_pop(amount)": (A.VAR_POP, [AMOUNT]),
    "var_samp(quantity)": (A.VAR_SAMP, [QUANTITY]),
    "stddev_pop(score)": (A.STDDEV_POP, [SCORE]),
    "stddev_samp(amount)": (A.STDDEV_SAMP, [AMOUNT]),
    "avg(quantity)": (A.AVG, [QUANTITY]),
    "covar_pop(amount, quantity)": (A.COVAR_POP, [AMOUNT, QUANTITY]),
    "covar_samp(amount, score)": (A.COVAR_SAMP, [AMOUNT, SCORE]),
    "corr(score, quantity)": (A.CORR, [SCORE, QUANTITY]),
    "regr_slope(amount, quantity)": (A.REGR_SLOPE, [AMOUNT, QUANTITY]),
    "regr_intercept(amount, score)": (A.REGR_INTERCEPT, [AMOUNT, SCORE]),
    "regr_r2(amount, score)": (A.REGR_R2, [AMOUNT, SCORE]),
    "regr_count(amount, score)": (A.REGR_COUNT, [AMOUNT, SCORE]),
    "regr_avgx(amount, score)": (A.REGR_AVGX, [AMOUNT, SCORE]),
    "regr_avgy(amount, score)": (A.REGR_AVGY, [AMOUNT, SCORE]),
    "regr_sxx(amount, score)": (A.REGR_SXX, [AMOUNT, SCORE]),
    "regr_syy(amount, score)": (A.REGR_SYY, [AMOUNT, SCORE]),
    "regr_sxy(amount, score)": (A.REGR_SXY, [AMOUNT, SCORE]),
}


@pytest.mark.parametrize("keys", ["", "gift,"])
def test_moments_are_plain_sqls(shop, keys):
    found = at_no_noise(shop, keys, list(MOMENTS.values()))
    same(found, plain(shop, ", ".join(MOMENTS), keys), rel=1e-4, near=1e-3)


def test_counts_and_sums_are_plain_sqls(shop):
    calls = [(A.COUNT_ROWS,), (A.COUNT, [SCORE]), (A.SUM, [AMOUNT]), (A.SUM, [QUANTITY]), (A.COUNT_DISTINCT, [BASKET])]
    text = "count(*), count(score), sum(amount), sum(quantity), count(distinct basket)"
    for keys in ("", "gift,", "basket,"):
        same(at_no_noise(shop, keys, calls), plain(shop, text, keys))


def test_distinct_values_of_every_type(shop):
    calls = [(A.COUNT_DISTINCT, [i]) for i in range(6)]
    names = ("amount", "score", "quantity", "purchased_on", "basket", "gift")
    same(at_no_noise(shop, "gift,", calls), plain(shop, ", ".join(f"count(distinct {n})" for n in names), "gift,"))


def test_yes_and_no(shop):
    calls = [(A.BOOL_AND, [GIFT]), (A.BOOL_OR, [GIFT])]
    for where in ("", "WHERE gift", "WHERE NOT gift", "WHERE gift IS NULL"):
        found = at_no_noise(shop, "", calls, where=where)
        assert found == plain(shop, "bool_and(gift), bool_or(gift)", where=where)


def test_quantiles_are_plain_sqls(shop):
    calls = [
        (A.QUANTILE_CONT, [QUANTITY], "1/2"),
        (A.QUANTILE_CONT, [QUANTITY], "9/10"),
        (A.QUANTILE_DISC, [QUANTITY], "1/4"),
        (A.MIN, [QUANTITY]),
        (A.MAX, [QUANTITY]),
        (A.MIN, [DAY]),
        (A.MAX, [DAY]),
        (A.QUANTILE_DISC, [DAY], "1/3"),
    ]
    text = (
        "quantile_cont(quantity, 0.5), quantile_cont(quantity, 0.9), quantile_disc(quantity, 0.25), min(quantity), "
        "max(quantity), min(purchased_on), max(purchased_on), quantile_disc(purchased_on, 1.0/3)"
    )
    for keys in ("", "gift,"):
        same(at_no_noise(shop, keys, calls), plain(shop, text, keys))


def test_a_median_within_a_leaf_of_plain_sqls(shop):
    found = at_no_noise(shop, "", [(A.QUANTILE_CONT, [AMOUNT], "1/2"), (A.QUANTILE_CONT, [SCORE], "1/10")])
    (median, tenth) = plain(shop, "quantile_cont(amount, 0.5), quantile_cont(score, 0.1)")[0]
    assert found[0][0] == pytest.approx(float(median), abs=0.02)
    assert found[0][1] == pytest.approx(tenth, abs=0.02)


def test_moments_in_time(shop):
    """Timestamps are counted in seconds; a date's median may be wanted as a timestamp."""
    visits = Table(
        "visits",
        public=False,
        rows=1_000,
        columns=(key("customer_id"), column("seen_at", TIMESTAMP, (Use.AGGREGATE,), bounds=(YEAR[0], YEAR[1]))),
        owner="customer_id",
        per_unit_rows=3,
        per_unit_groups=3,
    )
    dataset = replace(OPEN, tables=(*OPEN.tables, visits))
    connection = empty_database()
    connection.execute("CREATE TABLE visits(customer_id INTEGER, seen_at TIMESTAMP)")
    connection.execute(
        "INSERT INTO visits SELECT i, TIMESTAMP '1997-06-01 12:00:00' + INTERVAL (i) HOUR FROM range(99) t(i)"
    )
    connection.execute("INSERT INTO visits VALUES (200, NULL), (201, 'infinity'), (202, '-infinity')")
    calls = [(A.QUANTILE_DISC, [0], "1/2"), (A.MIN, [0]), (A.MAX, [0])]
    bounded, measurement = measured("SELECT COUNT(seen_at) FROM visits", calls, dataset)
    ((median, least, most),) = answered(connection, bounded, measurement)
    width = 31_535_999 / 65_536 + 1  # seconds of a leaf
    assert abs((median - datetime(1997, 6, 3, 13)).total_seconds()) < 2 * width
    assert abs((least - YEAR[0]).total_seconds()) < width  # values beyond their bounds count at them
    assert abs((most - datetime(1997, 12, 31, 23, 59, 59)).total_seconds()) < width


def test_no_bounds_are_found(shop):
    """A column that nothing bounds: its clamp is found, not refused."""
    found = at_no_noise(shop, "gift,", [(A.SUM, [0]), (A.AVG, [0])], "COUNT(weight)")
    same(found, plain(shop, "sum(weight), avg(weight)", "gift,"), rel=1e-3)


def test_values_around_zero_are_not_shifted(shop):
    """The middle of minus to plus five billion is zero: nothing is taken off, and squares need 128 bits."""
    wide = "(CAST(quantity AS BIGINT) - 25) * 200000000"
    bounded, measurement = measured(f"SELECT COUNT({wide}) FROM purchases", [(A.VAR_POP, [0])], OPEN)
    assert "INT128" in measurement.probes[0].sql
    found = answered(shop, bounded, measurement)
    same(found, plain(shop, f"var_pop({wide})"), rel=1e-4)


def test_pure_accounting_is_laplace_without_delta(shop):
    pure = replace(OPEN, privacy=replace(OPEN.privacy, accounting=Accounting.PURE))
    sql = "SELECT gift, COUNT(*) AS n, SUM(amount) AS s FROM purchases GROUP BY 1"
    bounded, measurement = measured(sql, None, pure)
    assert {p.noise for p in measurement.primitives} == {Noise.LAPLACE}
    assert measurement.delta == 0
    same(sorted(answered(shop, bounded, measurement), key=repr), plain(shop, "count(*), sum(amount)", "gift,"))
