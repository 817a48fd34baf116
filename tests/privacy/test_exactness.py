"""At a huge budget, on data within bounds, every answer equals plain SQL (cells that plain SQL lacks are empty)."""

from datetime import date, datetime
from decimal import Decimal as D

import pytest
from support.queries import ANSWERED
from support.shop import empty_database, fill, planned, unlimited

from gateway.engines.post import PostProcessor
from gateway.privacy.release import release

UNITS = 120
WIDE = unlimited(groups=700, rows=40)


@pytest.fixture(scope="module")
def database():
    connection = empty_database()
    fill(connection, 11, UNITS)
    return connection


@pytest.fixture(scope="module")
def post():
    return PostProcessor()


def answer(sql, database, post):
    made = planned(sql, dataset=WIDE)
    measurement = made.measurements[0]
    table = database.sql(measurement.sql, params=["0f" * 32] * measurement.parameters or None).to_arrow_table()
    noisy = release(measurement, table, {})
    return made, post.finish([noisy], [measurement], made.finish, 7, None)


def as_ours(sql):
    """What fails is NULL here: write that into the plain query."""
    return sql.replace("CAST(basket AS INT)", "TRY_CAST(basket AS INT)").replace(
        "1/(quantity-2)", "1/NULLIF(quantity-2, 0)"
    )


def canonical(value):
    if isinstance(value, datetime):
        return value.date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, D):
        return float(value)
    return value


def close(ours, theirs):
    if theirs is None:
        return ours is None or abs(float(ours)) < 0.01
    return ours is not None and abs(float(ours) - float(theirs)) <= 0.02 + 1e-4 * abs(float(theirs))


@pytest.mark.parametrize("name", ANSWERED)
def test_equals_plain_sql(name, database, post):
    sql = ANSWERED[name]
    made, found = answer(sql, database, post)
    plain = [[canonical(v) for v in row] for row in database.execute(as_ours(sql)).fetchall()]
    noisy = [i for i, c in enumerate(made.finish.columns) if c.noisy]
    keys = [i for i, c in enumerate(made.finish.columns) if not c.noisy]
    ours = {tuple(row[i] for i in keys): row for row in found.rows}
    assert len(ours) == len(found.rows)
    matched = set()
    for row in plain:
        key = tuple(row[i] for i in keys)
        if key not in ours and made.measurements[0].selection is not None:
            continue  # a private key of few units stays below the threshold
        assert key in ours, (key, list(ours)[:5])
        matched.add(key)
        for i in noisy:
            assert close(ours[key][i], row[i]), (name, key, ours[key][i], row[i])
    assert matched, "nothing was compared"
    if "LIMIT" in sql:
        return
    for key in ours.keys() - matched:  # cells that plain SQL does not show are empty
        for i in noisy:
            assert ours[key][i] is None or abs(float(ours[key][i])) < 0.5, (name, key, ours[key])


def test_intervals_hold_the_value_and_shrink_with_the_budget(database, post):
    _made, found = answer(ANSWERED["average_and_sum_share"], database, post)
    for column, index in (("s", 0), ("a", 1), ("n", 2)):
        low, high = found.intervals[column][0]
        assert float(low) - 1e-6 <= float(found.rows[0][index]) <= float(high) + 1e-6
        assert float(high) - float(low) < 10
