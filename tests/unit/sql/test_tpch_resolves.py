"""The 22 queries of TPC-H become plans, quickly, in the shapes that the later stages are built on."""

import re
from datetime import date, timedelta
from pathlib import Path

import pytest
from support.tpch_catalog import TPCH

from gateway.sql.explain import explain
from gateway.sql.parse import parse
from gateway.sql.plan import Aggregate, Join, JoinKind, Plan
from gateway.sql.select import resolve
from gateway.sql.weight import inputs

FOLDER = Path(__file__).parents[2] / "corpora" / "tpch"


def tpch(number: int) -> str:
    """A query with its intervals worked out and NOT LIKE as NOT ... LIKE: functions have tests of their own."""
    text = (FOLDER / f"{number:02}.sql").read_text()
    text = re.sub(r"date '([\d-]+)' ([+-]) interval '(\d+)' (\w+)", _moved, text)
    return re.sub(r"(\w+)\s+not like", r"not \1 like", text)


def _moved(found: re.Match) -> str:
    day, count = date.fromisoformat(found[1]), int(found[3]) * (1 if found[2] == "+" else -1)
    if found[4] == "day":
        return f"date '{day + timedelta(days=count)}'"
    months = day.year * 12 + day.month - 1 + count * (12 if found[4] == "year" else 1)
    return f"date '{day.replace(year=months // 12, month=months % 12 + 1)}'"


def nodes(plan: Plan) -> list[Plan]:
    found, pending = {}, [plan]
    while pending:
        node = pending.pop()
        if id(node) not in found:
            found[id(node)] = node
            pending += inputs(node)
    return list(found.values())


@pytest.mark.parametrize("number", range(1, 23))
def test_resolves_the_same_each_time(number):
    sql = tpch(number)
    first, second = (explain(resolve(parse(sql, "duckdb"), TPCH)) for _ in range(2))
    assert first == second != ""


@pytest.mark.parametrize("number", range(1, 23))
def test_every_inner_join_has_an_equality(number):
    plan = resolve(parse(tpch(number), "duckdb"), TPCH)
    inner = [node for node in nodes(plan) if isinstance(node, Join) and node.kind is JoinKind.INNER]
    assert all(join.equalities for join in inner)


@pytest.mark.parametrize(
    ("number", "kinds"),
    [
        (2, [JoinKind.LEFT]),
        (4, [JoinKind.SEMI]),
        (11, [JoinKind.LEFT]),
        (13, [JoinKind.LEFT]),
        (15, [JoinKind.LEFT]),
        (16, [JoinKind.ANTI]),
        (17, [JoinKind.LEFT]),
        (18, [JoinKind.SEMI]),
        (20, [JoinKind.SEMI, JoinKind.SEMI, JoinKind.LEFT]),
        (21, [JoinKind.SEMI, JoinKind.ANTI]),
        (22, [JoinKind.ANTI, JoinKind.LEFT]),
    ],
)
def test_subqueries_are_joins(number, kinds):
    plan = resolve(parse(tpch(number), "duckdb"), TPCH)
    found = [node.kind for node in nodes(plan) if isinstance(node, Join) and node.kind is not JoinKind.INNER]
    assert sorted(found) == sorted(kinds)


@pytest.mark.parametrize(("number", "keys"), [(2, 1), (17, 1), (20, 2)])
def test_a_correlated_aggregate_says_which_keys_are_wanted(number, keys):
    plan = resolve(parse(tpch(number), "duckdb"), TPCH)
    (aggregate,) = [node for node in nodes(plan) if isinstance(node, Aggregate) and node.wanted is not None]
    assert len(aggregate.wanted.columns) == len(aggregate.keys) == keys
    columns = {f.id for f in aggregate.wanted.plan.fields}
    assert columns.issuperset(aggregate.wanted.columns)
    (join,) = [node for node in nodes(plan) if isinstance(node, Join) and node.right is aggregate]
    matched = zip(aggregate.wanted.columns, (key.field.id for key in aggregate.keys), strict=True)
    assert join.equalities == tuple(matched)


def test_an_uncorrelated_scalar_joins_its_one_row_without_a_condition():
    plan = resolve(parse(tpch(22), "duckdb"), TPCH)
    (join,) = [node for node in nodes(plan) if isinstance(node, Join) and node.kind is JoinKind.LEFT]
    assert join.condition == ()


def test_keys_know_their_values_from_where():
    domains = {22: ("13", "31", "23", "29", "30", "18", "17"), 12: ("MAIL", "SHIP")}
    for number, expected in domains.items():
        plan = resolve(parse(tpch(number), "duckdb"), TPCH)
        (top,) = [node for node in nodes(plan) if isinstance(node, Aggregate) and node.keys]
        assert top.keys[0].term.domain == expected
    seven = resolve(parse(tpch(7), "duckdb"), TPCH)
    (top,) = [node for node in nodes(seven) if isinstance(node, Aggregate)]
    assert [set(key.term.domain) for key in top.keys[:2]] == [{"FRANCE", "GERMANY"}] * 2
    assert (top.keys[2].term.range.lo, top.keys[2].term.range.hi) == (1995, 1996)
