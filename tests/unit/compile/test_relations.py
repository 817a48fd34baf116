"""Relations below measurements as DuckDB SQL: what is needed and no more, read back as written, total on any rows."""

import contextlib
import math
from decimal import Decimal
from fractions import Fraction

import duckdb
import pytest
import sqlglot
from sqlglot import exp
from support.released_plans import computed, fld, term

from gateway.catalog.model import Table
from gateway.catalog.types import BOOLEAN, DATE, DOUBLE, INTEGER, TEXT, TIMESTAMP, UUID, decimal
from gateway.compile.finishing import compile_read
from gateway.compile.relations import select
from gateway.errors import GatewayError
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
    Window,
    WindowCall,
    WindowKind,
)
from gateway.sql.terms import Origin, Term

MONEY = decimal(38, 2)
TYPES = {"i": INTEGER, "x": DOUBLE, "m": MONEY, "t": TEXT, "d": DATE, "b": BOOLEAN, "ts": TIMESTAMP, "u": UUID}

HOSTILE = """
CREATE TABLE hostile (i BIGINT, x DOUBLE, m DECIMAL(38,2), t VARCHAR, d DATE, b BOOLEAN, ts TIMESTAMP, u UUID);
INSERT INTO hostile VALUES
 (9223372036854775807, 1e308, 999999999999999999999999999999999999.99, '', 'infinity', TRUE, 'infinity', NULL),
 (9223372036854775807, -1e308, 999999999999999999999999999999999999.99, 'a''b', '290000-01-01', FALSE, '290000-01-01', uuid()),
 (-9223372036854775808, 'nan', -999999999999999999999999999999999999.99, chr(0), '-infinity', NULL, '-infinity', NULL),
 (0, 'inf', 0, 'é', '2020-02-29', TRUE, '2020-02-29 23:59:59.999999', NULL),
 (1, '-inf', 0.01, NULL, '0001-01-01 (BC)', FALSE, NULL, NULL),
 (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE orders (okey BIGINT, ckey BIGINT, total INTEGER);
INSERT INTO orders VALUES (1, 10, 5), (2, 10, 7), (3, NULL, 9), (4, 20, 1);
CREATE TABLE lines (okey BIGINT, price DECIMAL(12,2));
INSERT INTO lines VALUES (1, 2.50), (1, 3.50), (2, NULL), (3, 9.99), (NULL, 1.00);
"""


@pytest.fixture(scope="module")
def engine():
    with duckdb.connect() as connection:
        connection.execute(HOSTILE)
        yield connection


def declared(name: str, **known) -> Table:
    facts = {"name": name, "public": True, "owner": None, "hop": None, "columns": (), "unique": (), "rows": 10}
    table = object.__new__(Table)
    for field in Table.__dataclass_fields__:
        object.__setattr__(table, field, {**facts, **known}.get(field))
    return table


def scan(name: str, ids: dict[str, tuple[str, object]], **known) -> Scan:
    fields = tuple(
        Field(column, Term(exp.column(new), type_, nullable=True, origin=Origin(name, column)))
        for new, (column, type_) in ids.items()
    )
    return Scan(declared(name), fields, None, **known)


def hostile() -> Scan:
    return scan("hostile", {f"c_{c}": (c, t) for c, t in TYPES.items()})


def text_of(query: exp.Select) -> str:
    """Return a SELECT's text. INVARIANT of what an engine is given: it reads back as it was written."""
    text = query.sql("duckdb")
    assert sqlglot.parse_one(text, read="duckdb").sql("duckdb") == text
    return text


def rows(engine, plan, *names: str):
    query = exp.select(*names).from_(select(plan, names).subquery("q"))
    return engine.execute(text_of(query)).fetchall()


# -- what is read ------------------------------------------------------------------------------------------------------


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


# -- total on any rows -------------------------------------------------------------------------------------------------

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


FRAMES = (
    None,
    "ROWS BETWEEN 1 PRECEDING AND CURRENT ROW",
    "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
    "GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING",
    "RANGE BETWEEN 1 PRECEDING AND 1 FOLLOWING",
)


def frame(text: str | None) -> exp.WindowSpec | None:
    if text is None:
        return None
    return sqlglot.parse_one(f"SELECT SUM(x) OVER (ORDER BY y {text})", read="duckdb").find(exp.WindowSpec)


WINDOWED = (
    *WindowKind,
    AggregateKind.COUNT_ROWS,
    AggregateKind.COUNT,
    AggregateKind.SUM,
    AggregateKind.AVG,
    AggregateKind.MIN,
    AggregateKind.MAX,
)


@pytest.mark.parametrize("kind", WINDOWED)
@pytest.mark.parametrize("spec", FRAMES)
def test_every_window_is_total(engine, kind, spec):
    for column in ("i", "x", "m"):
        type_ = TYPES[column]
        value_ = (term(f"c_{column}", type_),)
        match kind:
            case WindowKind.NTILE:
                arguments, type_ = (term("c_i", INTEGER),), INTEGER
            case WindowKind.LAG | WindowKind.LEAD | WindowKind.NTH_VALUE:
                arguments = (*value_, term("c_i", INTEGER))
            case WindowKind.FIRST_VALUE | WindowKind.LAST_VALUE:
                arguments = value_
            case WindowKind.PERCENT_RANK | WindowKind.CUME_DIST:
                arguments, type_ = (), DOUBLE
            case AggregateKind.COUNT:
                arguments, type_ = value_, INTEGER
            case AggregateKind.SUM | AggregateKind.AVG | AggregateKind.MIN | AggregateKind.MAX:
                arguments, type_ = value_, DOUBLE if kind is AggregateKind.AVG else type_
            case _:
                arguments, type_ = (), INTEGER
        for down in (False, True):
            key = SortKey(term(f"c_{column}", TYPES[column]), down, nulls_first=True)
            call = WindowCall(
                kind, arguments, None, (term("c_b", BOOLEAN),), (key,), frame(spec), fld("w", type_), None
            )
            plan = Window(hostile(), (call,), None)
            if spec is not None and "RANGE" in spec and column == "m":
                with pytest.raises(GatewayError, match="unsupported_sql"):  # 38 digits and 1 more
                    select(plan, ["w"])
                continue
            assert len(rows(engine, plan, "w")) == 6


def test_range_frames_count_as_they_should(engine):
    engine.execute("CREATE OR REPLACE TEMP TABLE steps AS SELECT unnest([1, 2, 2, 4, 9]) AS i")
    plan = scan("steps", {"c": ("i", INTEGER)})
    key = SortKey(term("c", INTEGER), False, nulls_first=False)
    call = WindowCall(AggregateKind.COUNT_ROWS, (), None, (), (key,), frame(FRAMES[-1]), fld("w", INTEGER), None)
    assert sorted(rows(engine, Window(plan, (call,), None), "c", "w")) == [(1, 3), (2, 3), (2, 3), (4, 1), (9, 1)]


def test_ntile_of_no_buckets_is_null(engine):
    key = SortKey(term("c", INTEGER), False, nulls_first=False)
    plan = scan("hostile", {"c": ("i", INTEGER)})
    for text, wanted in (("0 - 1", None), ("1", 1)):
        call = WindowCall(WindowKind.NTILE, (term(text, INTEGER),), None, (), (key,), None, fld("w", INTEGER), None)
        assert {row[0] for row in rows(engine, Window(plan, (call,), None), "w")} == {wanted}


def test_a_filter_on_a_rank_is_refused():
    call = WindowCall(WindowKind.RANK, (), term("c_b", BOOLEAN), (), (), None, fld("w", INTEGER), None)
    with pytest.raises(GatewayError, match="unsupported_sql"):
        select(Window(hostile(), (call,), None))
