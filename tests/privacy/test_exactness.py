"""At a huge budget, on data within bounds, every answer equals plain SQL (cells that plain SQL lacks are empty)."""

import math
from datetime import date, datetime
from decimal import Decimal as D

import duckdb
import pytest
from hypothesis import HealthCheck, event, given, settings
from support.answers import answered
from support.constructs import CONSTRUCTS
from support.exactness import compared, leaf, selected, whole_database
from support.generated.answers import CLOSE, EXACT, NAMED, Item
from support.queries import ANSWERED
from support.shop import planned, unlimited
from support.strategies import queries
from support.thinning import one_in

from gateway.catalog.types import TypeKind
from gateway.engines.post import PostProcessor
from gateway.errors import GatewayError

UNITS = 120
WIDE = unlimited(groups=700, rows=40)


@pytest.fixture(scope="module")
def database():
    return whole_database(11, UNITS)


@pytest.fixture(scope="module")
def post():
    return PostProcessor()


def answer(sql, database, post):
    made = planned(sql, dataset=WIDE)
    return made, answered(database, made, post=post, seed=7)


def as_ours(sql):
    """What fails is NULL here: write that into the plain query."""
    return sql.replace("CAST(basket AS INT)", "TRY_CAST(basket AS INT)").replace(
        "1/(quantity-2)", "1/NULLIF(quantity-2, 0)"
    )


def canonical(value):
    if isinstance(value, datetime):  # a moment at midnight is compared as its day
        return value.isoformat().removesuffix("T00:00:00")
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
    noisy = [i for i, c in enumerate(made.program.finish.columns) if c.noisy]
    keys = [i for i, c in enumerate(made.program.finish.columns) if not c.noisy]
    ours = {tuple(_plain(row[i]) for i in keys): row for row in found.rows}
    assert len(ours) == len(found.rows)
    matched = set()
    for row in plain:
        key = tuple(_plain(row[i]) for i in keys)
        if key not in ours and selected(made):
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


@pytest.mark.parametrize("name", one_in(3, CONSTRUCTS))
def test_constructs_equal_plain_sql(name, database, post):
    sql = CONSTRUCTS[name]
    made, found = answer(sql, database, post)
    plain = database.execute(sql).fetchall()
    columns = made.program.finish.columns
    shown = {c.name: next((row[i] for row in plain if row[i] is not None), None) for i, c in enumerate(columns)}
    items = [Item("", c.name, _like(c, shown[c.name])) for c in columns]
    assert plain
    assert compared(items, found.rows, plain, hidden=selected(made), width=leaf(made)) == []


def _like(column, value):
    """Tell how a column compares: noisy names by equality, a count or sum closely, what is made of several by 0.1 %."""
    if not column.noisy:
        return None
    if isinstance(value, str | list | bool):
        return NAMED
    return EXACT if column.direct is not None else CLOSE


def test_intervals_hold_the_value_and_shrink_with_the_budget(database, post):
    _made, found = answer(ANSWERED["average_and_sum_share"], database, post)
    for column, index in (("s", 0), ("a", 1), ("n", 2)):
        low, high = found.intervals[column][0]
        assert float(low) - 1e-6 <= float(found.rows[0][index]) <= float(high) + 1e-6
        assert float(high) - float(low) < 10


# -- the same of generated queries ---------------------------------------------------------------------------------


def tolerance(made, index, rows):
    """Return how far a released value may be from the exact one: rounding of each row to its step, and the noise."""
    column = made.program.finish.columns[index]
    if column.direct is None:
        return 0.05
    measurement = next(m for m in made.program.measurements if m.name == column.direct.measurement)
    primitive = next(p for p in measurement.primitives if p.name == column.direct.column)
    scale = max(candidate.scale / candidate.denominator for candidate in primitive.candidates)
    step = abs(float(column.direct.factor))
    return step * (8 * scale + (rows if column.type.kind is TypeKind.DOUBLE else 0.5)) + 1e-6


def _compare(sql, database, post):
    """Compare an answer with plain SQL; what plain DuckDB raises on is NULL here, and has nothing to be compared with.

    Logarithms and roots of what has none are infinite or no number there and NULL here: the table of functions has its
    own tests of them.
    """
    if any(name in sql for name in ("LN(", "LOG10(", "SQRT(", "POWER(")):
        event("logarithms and roots")
        return
    try:
        made, found = answer(sql, database, post)
    except GatewayError:
        event("refused")
        return
    try:
        plain = [[canonical(v) for v in row] for row in database.execute(sql).fetchall()]
    except duckdb.Error:
        event("plain SQL fails")
        return
    noisy = [i for i, c in enumerate(made.program.finish.columns) if c.noisy]
    keys = [i for i, c in enumerate(made.program.finish.columns) if not c.noisy]
    ours = {tuple(_plain(row[i]) for i in keys): row for row in found.rows}
    for row in plain:
        key = tuple(_plain(row[i]) for i in keys)
        if key not in ours:
            assert selected(made), (sql, key)
            continue
        event("compared")
        for i in noisy:
            theirs, mine = row[i], ours[key][i]
            if theirs is None:
                assert mine is None or abs(float(mine)) < 0.5 + tolerance(made, i, 1), sql
            elif math.isfinite(float(theirs)):
                allowed = tolerance(made, i, UNITS * 5) + 1e-9 * abs(float(theirs))
                assert mine is not None, (sql, key, i)
                assert abs(float(mine) - float(theirs)) <= allowed, (sql, key, i, mine, theirs)


def _plain(value):
    """Return a key in one form: numbers as numbers, dates as days."""
    text = str(value)
    if isinstance(value, bool) or value is None:
        return value
    if text.endswith("T00:00:00"):
        return text[:10]
    try:
        return float(text)
    except ValueError:
        return text


@settings(max_examples=30, suppress_health_check=list(HealthCheck))
@given(queries())
def test_generated_queries_equal_plain_sql(database, post, sql):
    _compare(sql, database, post)


@pytest.mark.long
@settings(max_examples=5_000, suppress_health_check=list(HealthCheck))
@given(queries())
def test_five_thousand_generated_queries_equal_plain_sql(database, post, sql):
    _compare(sql, database, post)
