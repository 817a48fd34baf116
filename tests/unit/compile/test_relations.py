"""Relations below measurements as DuckDB SQL: what is needed and no more, read back as written."""

from decimal import Decimal

import pytest
from sqlglot import exp
from support.hostile import declared, hostile, rows, scan, text_of
from support.released_plans import computed, fld, term

from gateway.catalog.types import BOOLEAN, DOUBLE, INTEGER, TEXT, decimal
from gateway.compile.finishing import compile_read
from gateway.compile.relations import select
from gateway.sql.plan import (
    Aggregate,
    AggregateCall,
    AggregateKind,
    Field,
    Filter,
    Join,
    JoinKind,
    Limit,
    Link,
    Project,
    Read,
    Scan,
    SetKind,
    SetOperation,
    Sort,
    SortKey,
    Staged,
    Values,
)
from gateway.sql.terms import Term


def orders(prefix: str = "o") -> Scan:
    return scan("orders", {f"{prefix}{c}": (c, INTEGER) for c in ("okey", "ckey", "total")})


def lines() -> Scan:
    owner = fld("ckey", INTEGER)
    owner = Field("ckey", Term(exp.column("lowner"), INTEGER, nullable=False))
    plan = scan("lines", {"lokey": ("okey", INTEGER), "lprice": ("price", decimal(12, 2))})
    return Scan(plan.table, plan.fields, None, owner, (Link("okey", declared("orders"), "okey"),))


def test_only_needed_columns_are_read(engine):
    plan = Filter(orders(), (term("ototal > 5", BOOLEAN),), orders().fields, None)
    text = text_of(select(plan, ["ockey"]))
    assert "ototal" in text
    assert "okey" not in text
    assert rows(engine, plan, "ockey") == [(10,), (None,)]


def test_an_owner_is_found_over_its_chain_and_rows_without_one_are_dropped(engine):
    assert sorted(rows(engine, lines(), "lowner", "lprice"), key=str) == [
        (10, Decimal("2.50")),
        (10, Decimal("3.50")),
        (10, None),
    ]
    assert len(rows(engine, lines(), "lprice")) == 3  # also where the owner is not asked for


def test_rows_are_counted_where_no_column_is_needed(engine):
    count = AggregateCall(AggregateKind.COUNT_ROWS, (), None, fld("n", INTEGER), None)
    for below in (orders(), Project(orders(), (), None), Values(((),), (), None)):
        assert rows(engine, Aggregate(below, (), (count,), None), "n") == [(1 if isinstance(below, Values) else 4,)]


def test_an_aggregate_whose_calls_are_not_needed_is_still_one_row(engine):
    count = AggregateCall(AggregateKind.COUNT_ROWS, (), None, fld("n", INTEGER), None)
    one = Project(Aggregate(orders(), (), (count,), None), (computed("one", "1", INTEGER),), None)
    assert rows(engine, one, "one") == [(1,)]


def test_a_relation_that_is_read_twice_is_written_once(engine):
    total = AggregateCall(AggregateKind.SUM, (term("ototal", INTEGER),), None, fld("s", INTEGER), None)
    shared = Aggregate(orders(), (computed("g", "ockey", INTEGER),), (total,), None)
    sides = [Project(shared, (computed(f"g{i}", "g", INTEGER), computed(f"s{i}", "s", INTEGER)), None) for i in (1, 2)]
    join = Join(JoinKind.INNER, *sides, (term("g1 = g2", BOOLEAN),), (), (*sides[0].fields, *sides[1].fields), None)
    text = text_of(select(join))
    assert text.count('"orders"') == 1
    assert sorted(rows(engine, join, "g1", "s1", "s2")) == [(10, 12, 12), (20, 1, 1)]


def test_doubling_a_relation_again_and_again_stays_small():
    plan = orders()
    for level in range(30):
        sides = [Project(plan, (computed(f"c{level}_{i}", plan.fields[0].id, INTEGER),), None) for i in (1, 2)]
        on = (term(f"c{level}_1 = c{level}_2", BOOLEAN),)
        plan = Join(JoinKind.INNER, *sides, on, (), (*sides[0].fields, *sides[1].fields), None)
    assert len(select(plan).sql("duckdb")) < 20_000


def test_a_literal_key_is_a_key(engine):
    count = AggregateCall(AggregateKind.COUNT_ROWS, (), None, fld("n", INTEGER), None)
    keys = (computed("k", "CAST(1 AS BIGINT)", INTEGER), computed("l", "'x'", TEXT))
    assert rows(engine, Aggregate(orders(), keys, (count,), None), "k", "l", "n") == [(1, "x", 4)]


JOINS = {
    JoinKind.INNER: [(1, 2.5), (1, 3.5), (2, None), (3, 9.99)],
    JoinKind.LEFT: [(1, 2.5), (1, 3.5), (2, None), (3, 9.99), (4, None)],
    JoinKind.RIGHT: [(1, 2.5), (1, 3.5), (2, None), (3, 9.99), (None, 1.0)],
    JoinKind.FULL: [(1, 2.5), (1, 3.5), (2, None), (3, 9.99), (4, None), (None, 1.0)],
}


@pytest.mark.parametrize("kind", JOINS)
def test_joins(engine, kind):
    left, right = orders(), scan("lines", {"lokey": ("okey", INTEGER), "lprice": ("price", decimal(12, 2))})
    plan = Join(kind, left, right, (term("ookey = lokey", BOOLEAN),), (), (*left.fields, *right.fields), None)
    got = [(k, None if p is None else float(p)) for k, p in rows(engine, plan, "ookey", "lprice")]
    assert sorted(got, key=str) == sorted(JOINS[kind], key=str)


def test_semi_anti_and_mark_joins_are_never_null(engine):
    left, right = orders(), scan("lines", {"lokey": ("okey", INTEGER)})
    null_aware = (term("ookey = lokey OR ookey IS NULL OR lokey IS NULL", BOOLEAN),)
    plain = (term("ookey = lokey", BOOLEAN),)
    mark = fld("found", BOOLEAN)

    def join(kind, condition):
        fields = (*left.fields, mark) if kind is JoinKind.MARK else left.fields
        return Join(kind, left, right, condition, (), fields, None, mark if kind is JoinKind.MARK else None)

    assert sorted(rows(engine, join(JoinKind.SEMI, plain), "ookey")) == [(1,), (2,), (3,)]
    assert rows(engine, join(JoinKind.ANTI, plain), "ookey") == [(4,)]
    assert rows(engine, join(JoinKind.ANTI, null_aware), "ookey") == []  # NOT IN over a NULL keeps nothing
    assert sorted(rows(engine, join(JoinKind.MARK, plain), "ookey", "found")) == [
        (1, True),
        (2, True),
        (3, True),
        (4, False),
    ]
    assert len(rows(engine, join(JoinKind.MARK, plain), "ookey")) == 4
    assert len(rows(engine, join(JoinKind.SEMI, ()), "ookey")) == 4


def test_sets_take_columns_by_their_place(engine):
    left = Project(orders("a"), (computed("p", "aokey", INTEGER), computed("q", "ackey", INTEGER)), None)
    right = Project(orders("b"), (computed("v", "bokey", INTEGER), computed("w", "btotal", INTEGER)), None)
    fields = (fld("x", INTEGER), fld("y", INTEGER))
    union = SetOperation(SetKind.UNION_ALL, left, right, fields, None)
    assert sorted(rows(engine, union, "y"), key=str) == sorted(
        [(10,), (10,), (None,), (20,), (5,), (7,), (9,), (1,)], key=str
    )
    twice = SetOperation(
        SetKind.EXCEPT, left, Filter(left, (term("q = 10", BOOLEAN),), left.fields, None), fields, None
    )
    assert sorted(rows(engine, twice, "x")) == [(3,), (4,)]


def test_staged_rows_are_read_by_name_in_their_types(engine):
    engine.execute("CREATE OR REPLACE TEMP TABLE staged0 AS SELECT '7' AS c9, 1.5 AS c8")
    staged = Staged("staged0", orders(), (fld("c9", INTEGER), fld("c8", DOUBLE)), None)
    assert rows(engine, staged, "c9") == [(7,)]
    assert "c8" not in text_of(select(staged, ["c9"]))


def test_a_limit_takes_the_same_rows_in_any_order_of_the_table(engine):
    for order in ("okey", "okey DESC"):
        engine.execute(f"CREATE OR REPLACE TEMP TABLE many AS SELECT * FROM orders, range(500) ORDER BY {order}")
        many = scan("many", {"mokey": ("okey", INTEGER), "mtotal": ("total", INTEGER)})
        assert rows(engine, Limit(many, 2, 0, many.fields, None), "mokey", "mtotal") == [(1, 5), (1, 5)]
        sort = Sort(many, (SortKey(term("mtotal", INTEGER), True, nulls_first=False),), many.fields, None)
        assert set(rows(engine, Limit(sort, 3, 1, many.fields, None), "mokey")) == {(3,)}


def test_public_rows_are_read_in_one_order(engine):
    read = Read("t0", hostile(), hostile().fields, None)
    compiled = compile_read(read)
    assert [name for name, _ in compiled.columns] == [f.id for f in hostile().fields]
    assert len(engine.execute(compiled.sql).fetchall()) == 6
    assert compiled.sql.count("ORDER BY") == 1
