"""One contract for all engines: the same exact rows, the same charge and the same names of releases, or a refusal.

The rows are those of the neighbour pairs, hostile ones among them, so that the bounds are held to on each engine.
Spark reads one of a pair as it comes, with code that it generates for each statement, and the other without: what both
give is one answer. The generated queries are read without.
"""

from collections import Counter
from decimal import Decimal
from functools import cache, partial

import pytest
from support import tpch
from support.answers import exact_rows, staged
from support.constructs import CONSTRUCTS
from support.generated import query
from support.neighbours import pair, violations
from support.queries import ANSWERED
from support.shop import SHOP, planned
from support.spark import INTERPRETED, OnSpark, on_spark
from support.two_engines import OnPostgres, on_postgres

from gateway.errors import GatewayError
from gateway.privacy.measurement import Derived, Measurement, PublicRead

INTERPRETER = partial(OnSpark, settings=INTERPRETED)
ENGINES = {"postgres": (on_postgres, OnPostgres, OnPostgres), "spark": (on_spark, OnSpark, INTERPRETER)}
"""How a dataset is one of the engine, what serves the tables there, and what serves those of the neighbour."""
EACH = pytest.mark.parametrize("engine", ["postgres", pytest.param("spark", marks=pytest.mark.spark)])

REFUSED = {
    "where_cast": "A CAST of TEXT to INT",
}
"""What no engine but DuckDB computes, of the queries that are answered."""


REFUSED_TPCH = {("spark", "11"): "more than 38 digits"}

GENERATED = 200


@cache
def served_pair(engine):
    without, with_unit = pair(0)
    _, made, made_of_neighbour = ENGINES[engine]
    return made_of_neighbour(without), made(with_unit)


@cache
def interpreted():
    return INTERPRETER(pair(0)[1])


_open = []


@pytest.fixture(scope="module", autouse=True)
def _closed():
    yield
    while _open:
        _open.pop().close()
    for made in (
        served_pair,
        interpreted,
        _tpch,
    ):  # whoever comes back to this module, as a worker does that helps another, opens anew
        made.cache_clear()


def opened(data):
    if data not in _open:
        _open.append(data)
    return data


def plain(value):
    """Return a value in one form: numbers by their value alone."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | Decimal):
        return f"{Decimal(value).normalize():f}"
    return repr(value) if isinstance(value, float) else str(value)


def rows_of(table):
    return [tuple(map(plain, row.values())) for row in table.to_pylist()]


def same_program(ours, theirs):
    """Check that two engines are told the same of a query: nothing but its statements differs."""
    assert (ours.rho, ours.delta, ours.epsilon, ours.notes) == (theirs.rho, theirs.delta, theirs.epsilon, theirs.notes)
    for a, b in zip(ours.program.measurements, theirs.program.measurements, strict=True):
        assert a.primitives == b.primitives
        assert (a.keys, a.groups, a.cells, a.selection) == (b.keys, b.groups, b.cells, b.selection)
    assert ours.program.finish == theirs.program.finish


def same_rows(duck, served, ours, theirs):
    """Check that every statement of a program gives the same rows on two engines, public ones in one order."""
    inputs = staged(duck, ours)
    for a, b in zip(ours.program.steps, theirs.program.steps, strict=True):
        match a:
            case Measurement():
                first, second = exact_rows(duck, a, inputs), exact_rows(served, b, inputs)
                for x, y in zip(first, second, strict=True):
                    assert Counter(rows_of(x)) == Counter(rows_of(y))
            case PublicRead():
                x, y = duck.sql(a.sql).to_arrow_table(), served.sql(b.sql).to_arrow_table()
                assert rows_of(x) == rows_of(y)
                assert x.column_names == y.column_names
            case Derived():
                assert a == b


@EACH
@pytest.mark.parametrize("name", [*ANSWERED, *CONSTRUCTS])
def test_every_answered_query_is_the_same_on_every_engine(name, engine):
    sql = {**ANSWERED, **CONSTRUCTS}[name]
    ours, there = planned(sql), ENGINES[engine][0]
    if name in REFUSED:
        with pytest.raises(GatewayError) as refusal:
            planned(sql, dataset=there(SHOP))
        assert refusal.value.code == "unsupported_on_engine"
        assert REFUSED[name] in refusal.value.detail
        return
    theirs = planned(sql, dataset=there(SHOP))
    same_program(ours, theirs)
    _, with_unit = pair(0)
    before, after = (opened(data).knows(theirs) for data in served_pair(engine))
    same_rows(with_unit, after, ours, theirs)
    assert violations(theirs, before, after) == []


@EACH
@pytest.mark.parametrize("name", tpch.QUERIES)
def test_tpch_is_the_same_on_every_engine(name, engine):
    data, there = tpch.dataset("0.01"), ENGINES[engine][0]
    try:
        ours = tpch.planned(tpch.QUERIES[name], data)
    except GatewayError as error:
        with pytest.raises(GatewayError) as refusal:
            tpch.planned(tpch.QUERIES[name], there(data))
        assert refusal.value.code == error.code
        return
    if (engine, name) in REFUSED_TPCH:
        with pytest.raises(GatewayError, match=REFUSED_TPCH[engine, name]):
            tpch.planned(tpch.QUERIES[name], there(data))
        return
    theirs = tpch.planned(tpch.QUERIES[name], there(data))
    same_program(ours, theirs)
    same_rows(_duck(), opened(_tpch(engine)).knows(theirs), ours, theirs)


@pytest.mark.spark
@pytest.mark.parametrize("part", range(10))
def test_generated_queries_are_the_same_on_spark(part):
    _, with_unit = pair(0)
    served = opened(interpreted())
    same, refused, seed = 0, 0, 1_000 * (part + 1)
    while same < GENERATED // 10:
        seed += 1
        sql = query(seed).sql
        try:
            ours = planned(sql)
        except GatewayError:
            continue
        try:
            theirs = planned(sql, dataset=on_spark(SHOP))
        except GatewayError as error:
            assert error.code == "unsupported_on_engine", sql
            refused += 1
            continue
        same_program(ours, theirs)
        same_rows(with_unit, served.knows(theirs), ours, theirs)
        same += 1
    assert refused < GENERATED // 10


@cache
def _tpch(engine):
    return ENGINES[engine][1](_duck())


@cache
def _duck():
    import duckdb

    return duckdb.connect(str(tpch.database("0.01")), read_only=True)
