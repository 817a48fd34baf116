"""The whole table of functions on both engines: the same value to the last bit, or a refusal that the table tells of.

The rows are NULLs, infinities, what is no number, extremes, odd texts and the ends of time, in columns of every type.
"""

import asyncio
import math
import re

import asyncpg
import duckdb
import pyarrow as pa
import pytest
from sqlglot import exp
from support import functions
from support.two_engines import address, new_database

from gateway.catalog.types import DOUBLE, INTEGER, TypeKind
from gateway.compile.leaves import _widened
from gateway.compile.statements import listing, more, named, sub, table
from gateway.dialects import letters
from gateway.dialects.model import Tables
from gateway.dialects.writing import write
from gateway.engines.postgres_rows import packed, unpacked
from gateway.errors import GatewayError
from gateway.sql.expressions import ALLOWED, TABLES
from gateway.sql.functions_page import example_term
from gateway.sql.parse import parse
from gateway.sql.terms import Term, cast, clamp, data_type, whole

COLUMNS = {f.name: f.term.type for f in functions.FIELDS}
GRID = Tables({"grid": {**COLUMNS, "place": INTEGER}}, {})
HELD = """NOT contains(coalesce(t, ''), chr(0)) AND NOT contains(coalesce(s, ''), chr(0))
    AND (day IS NULL OR NOT isfinite(day) OR day BETWEEN '4712-01-01 (BC)'::DATE AND '294247-01-10'::DATE)
    AND (moment IS NULL OR NOT isfinite(moment) OR moment < '294000-01-01'::TIMESTAMP)"""
"""Of the grid, the rows that PostgreSQL can hold, and dates that are timestamps as well.

Beyond those DuckDB compares a date with a timestamp by one rule or another as its optimizer likes.
"""

TOGETHER = 25
"""Expressions of one statement."""

EVERY = 12
"""Of the expressions, so many are left out between two that are tried in every run."""


def _type(name):
    return {"DOUBLE": "float8", "VARCHAR": "text"}.get(functions.TYPES[name], functions.TYPES[name])


def _spelled(text):
    """Return a moment before the year 1 as PostgreSQL spells it."""
    return re.sub(r"^(\S+) \(BC\)(.*)$", r"\1\2 BC", text) if text is not None else None


async def filled(duck: duckdb.DuckDBPyConnection, target: asyncpg.Connection) -> None:
    columns = ", ".join(f'"{name}" {_type(name)}' for name in COLUMNS)
    await target.execute(f"CREATE TABLE grid (place bigint, {columns})")
    shown = ", ".join(f'CAST("{name}" AS VARCHAR)' for name in COLUMNS)
    rows = duck.execute(f"SELECT place, {shown} FROM grid").fetchall()
    cells = ", ".join(f"CAST(CAST(${i + 2} AS text) AS {_type(name)})" for i, name in enumerate(COLUMNS))
    await target.executemany(
        f"INSERT INTO grid VALUES ($1, {cells})", [(row[0], *map(_spelled, row[1:])) for row in rows]
    )


def _counted(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return moments as the numbers that they are: no Python value holds the ends of time."""
    counts = {"date32[day]": pa.int32(), "timestamp[us]": pa.int64()}
    return column.cast(counts[str(column.type)]) if str(column.type) in counts else column


class Both:
    """The grid in both engines."""

    def __init__(self):
        self.duck = functions.grid()
        self.duck.execute("CREATE TABLE kept AS SELECT row_number() OVER () AS place, * FROM grid")
        self.duck.execute("DROP TABLE grid")
        self.duck.execute(f"CREATE TABLE grid AS SELECT * FROM kept WHERE {HELD}")
        self.loop = asyncio.new_event_loop()
        self.pg = self.loop.run_until_complete(self._connected())

    async def _connected(self):
        pg = await asyncpg.connect(address(new_database()), server_settings={"TimeZone": "UTC", "jit": "off"})
        await filled(self.duck, pg)
        return pg

    def of_duck(self, query) -> list[list]:
        found = self.duck.sql(write(query, "duckdb", GRID).sql).to_arrow_table()
        return [_counted(column).to_pylist() for column in found.columns]

    def of_postgres(self, query, terms) -> list[list]:
        columns = [(f"x{i}", str(term.type)) for i, term in enumerate(terms)]
        sql = packed(write(query, "postgres", GRID).sql, columns)
        found = unpacked(self.loop.run_until_complete(self.pg.fetchrow(sql)), columns)
        return [(_counted(column)).to_pylist() for column in found.columns]

    def close(self):
        self.loop.run_until_complete(self.pg.close())
        self.loop.close()


@pytest.fixture(scope="module")
def both():
    made = Both()
    yield made
    made.close()


def query_of(terms):
    """Return a statement of some expressions over the grid, in the order of its rows."""
    inner = listing(named(exp.column("place", "t"), "place"), source=table("grid", "t"))
    for field in functions.FIELDS:
        column = exp.column(exp.to_identifier(field.name, quoted=True), "t")
        more(inner, named(_widened(column, field.term), field.name))
    query = listing(*(named(t.node.copy(), f"x{i}") for i, t in enumerate(terms)), source=sub(inner, "r"))
    return query.order_by(exp.Ordered(this=exp.column("place"), desc=False, nulls_first=False), copy=False)


def same(a, b):
    if isinstance(a, float) and isinstance(b, float):
        return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))
    return a == b and type(a) is type(b)


def told_rows(sql, dialect):
    """Return the rows of the table of functions that an expression is made of."""
    nodes = parse(f"SELECT {sql} FROM grid", dialect).expressions[0].walk()
    return [ALLOWED[type(node)] for node in nodes if type(node) in ALLOWED]


def checked(both, expressions):
    """Check expressions, and return how many are the same and how many refused."""
    terms = []
    refused = 0
    for sql, dialect in expressions:
        try:
            term = functions.resolved(sql, dialect)
        except GatewayError:
            continue
        try:
            write(query_of([term]), "postgres", GRID)
        except GatewayError as error:
            assert error.code == "unsupported_on_engine"
            assert any(row.postgres for row in told_rows(sql, dialect)), f"{sql}: {error.detail}"
            assert error.hint
            refused += 1
        else:
            terms.append((sql, term))
    for start in range(0, len(terms), TOGETHER):
        part = terms[start : start + TOGETHER]
        terms_ = [term for _, term in part]
        query = query_of(terms_)
        theirs_ = both.of_postgres(query, terms_)
        for (sql, _), ours, theirs in zip(part, both.of_duck(query.copy()), theirs_, strict=True):
            wrong = [(a, b) for a, b in zip(ours, theirs, strict=True) if not same(a, b)]
            assert wrong == [], sql
    return len(terms), refused


def test_functions_give_the_same_value_on_both_engines(both):
    equal, refused = checked(both, functions.expressions()[::EVERY])
    assert equal > 150
    assert refused < equal / 3


@pytest.mark.long
@pytest.mark.parametrize("part", functions.PARTS, ids=lambda part: part.__name__)
def test_every_function_gives_the_same_value_on_both_engines(both, part):
    made = functions._Made()
    part(made.add)
    equal, _ = checked(both, list(dict.fromkeys(made.found)))
    assert equal > 0


ROWS = [(title, row) for title, rows in TABLES for row in dict.fromkeys(rows.values()) if row.examples]


@pytest.mark.parametrize(("title", "row"), ROWS, ids=lambda one: getattr(one, "written", one)[:30])
@pytest.mark.parametrize("engine", ["postgres", "spark"])
def test_the_table_says_what_an_engine_refuses(title, row, engine):
    refused, says = [], row.postgres if engine == "postgres" else row.on_spark
    for example in row.examples:
        term = example_term(example)
        if term.type.kind is TypeKind.OTHER:
            continue
        try:
            write(query_of([term]), engine, GRID)
        except GatewayError as error:
            assert error.code == "unsupported_on_engine"
            refused.append(example.sql)
    if says == "refused":
        assert len(refused) == len(row.examples)
    elif not says:
        assert refused == [], title


def test_every_letter_changes_its_case_as_in_duckdb(both):
    for name, runs in (("lower", letters.LOWERED), ("upper", letters.RAISED)):
        old, new = letters.pairs(runs)
        changed = both.duck.execute(
            f"SELECT chr(n::INT), {name}(chr(n::INT)) FROM range(128, 1114112) r(n) "
            f"WHERE n NOT BETWEEN 55296 AND 57343 AND {name}(chr(n::INT)) <> chr(n::INT)"
        ).fetchall()
        assert dict(zip(old, new, strict=True)) == dict(changed)
        texts = [f"aB{sign}-{sign}Z" for sign in (*old, *new, "日", "'", "\\")]
        term = functions.resolved(f"{name}(t)")
        theirs = both.loop.run_until_complete(_of_texts(both.pg, write(query_of([term]), "postgres", GRID).sql, texts))
        assert theirs == [both.duck.execute(f"SELECT {name}(?)", [text]).fetchall()[0][0] for text in texts]


# -- what PostgreSQL computes by functions of its own -------------------------------------------------------------------


def compared(both, *terms):
    """Check terms over the grid on both engines; return PostgreSQL's text."""
    query = query_of(terms)
    theirs = both.of_postgres(query, terms)
    for term, ours, other in zip(terms, both.of_duck(query.copy()), theirs, strict=True):
        wrong = [(a, b) for a, b in zip(ours, other, strict=True) if not same(a, b)]
        assert wrong == [], term.node.sql("duckdb")
    return write(query_of(terms), "postgres", GRID).sql


def ended(column, low, high):
    """Return a column of the grid, or a number made of one, between two ends of its type."""
    node = exp.column(column) if isinstance(column, str) else column
    type_ = next(COLUMNS[found.name] for found in node.find_all(exp.Column))
    ends = [cast(exp.Literal.string(end), type_) if isinstance(end, str) else whole(end) for end in (low, high)]
    return Term(clamp(node, *ends), type_, nullable=True)


HUGE = exp.Cast(this=exp.column("i"), to=data_type("HUGEINT"))


@pytest.mark.parametrize(
    ("column", "low", "high", "name"),
    [
        ("i", 0, 50, "INT8"),
        ("i", -(2**63) + 1, 2**63 - 2, "INT8"),
        ("d", "0.0000", "1.5000", "NUMERIC_"),
        ("wide", "-2.5", "9999999999999999999999999999.9999999999", "NUMERIC_"),
        ("f", "0.0", "1.0", "FLOAT8"),
        ("f", "-1.0", "-0.0", "FLOAT8"),
        ("f", "-1e308", "1e308", "FLOAT8"),
        ("day", "0001-01-01", "9999-12-31", "DATE_"),
        ("moment", "1970-01-01", "2000-02-29 23:59:59.999999", "TIMESTAMP_"),
    ],
)
def test_a_clamp_is_the_same_by_functions_that_read_their_value_once(both, column, low, high, name):
    sql = compared(both, ended(column, low, high))
    assert f"{name}SMALLER(" in sql
    assert "CASE" not in sql


MINUS_ZERO = exp.Coalesce(this=exp.column("f"), expressions=[cast(exp.Literal.string("-0.0"), DOUBLE)])
"""The grid's floating point numbers, with -0.0 in place of NULL."""


def test_a_clamp_keeps_minus_zero_beside_zero(both):
    compared(both, ended(MINUS_ZERO, "0.0", "1.0"), ended(MINUS_ZERO, "-1.0", "0.0"))


def test_minus_zero_rounded_to_a_single_number_keeps_its_sign(both):
    single = exp.TryCast(this=MINUS_ZERO.copy(), to=data_type("REAL"))
    compared(both, Term(MINUS_ZERO, DOUBLE, nullable=False), Term(cast(single, DOUBLE), DOUBLE, nullable=True))


def test_a_clamp_of_sums_ends_in_64_bits(both):
    term = ended(HUGE.copy(), -(2**62), 2**62)
    sql = compared(both, Term(cast(term.node, INTEGER), INTEGER, nullable=True))
    assert "NUMERIC_LARGER(" in sql


def test_clamps_of_clamps_read_their_value_once(both):
    inner = ended("d", "-1.5000", "1.5000")
    sql = compared(both, ended(exp.paren(ended(exp.paren(inner.node), "0.0000", "1.0000").node), "0.5000", "2.0000"))
    assert sql.count("LARGER(") == 3


@pytest.mark.parametrize(
    ("column", "low", "high"), [("i", 50, 0), ("f", "1.0", "0.0"), ("day", "9999-12-31", "2000-01-01")]
)
def test_ends_that_are_not_in_order_stay_a_case(both, column, low, high):
    sql = compared(both, ended(column, low, high))
    assert "CASE" in sql


def placed(node, limits, first=0):
    """Return a number's place among limits, as a CASE."""
    ifs = [
        exp.If(this=exp.LTE(this=node.copy(), expression=whole(limit)), true=whole(first + place))
        for place, limit in enumerate(limits)
    ]
    return Term(exp.Case(ifs=ifs, default=whole(first + len(limits))), INTEGER, nullable=False)


@pytest.mark.parametrize(
    ("column", "limits"),
    [
        ("i", [0, 1, 7, 11, 12, 2999999, 3000000]),
        ("i", [0, 1, 2147483648, 2**63 - 2, 2**63 - 1]),
        ("i", [1, 12, 2**63, 2**64]),
        (HUGE, [1, 7, 4611686018427387903, 4611686018427387904, 2**64]),
    ],
)
def test_a_place_among_limits_is_the_same_by_a_search(both, column, limits):
    sql = compared(both, placed(exp.column(column) if isinstance(column, str) else column, limits))
    assert "WIDTH_BUCKET(" in sql
    assert "CASE" not in sql


@pytest.mark.parametrize(
    ("column", "limits", "first"),
    [("d", [0, 1, 2, 3], 0), ("i", [0, 1], 0), ("i", [7, 1, 12, 13], 0), ("i", [0, 1, 2, 3], 1)],
)
def test_what_is_no_place_among_rising_limits_stays_a_case(both, column, limits, first):
    sql = compared(both, placed(exp.column(column), limits, first))
    assert "WIDTH_BUCKET(" not in sql


@pytest.mark.parametrize(("most", "small"), [(50, True), (9_223_372, True), (9_223_373, False), (2**62, False)])
def test_a_sum_of_small_numbers_is_the_same_in_64_bits(both, most, small):
    value = cast(ended("i", -most, most).node, INTEGER)
    total = Term(exp.Sum(this=value), INTEGER, nullable=True)
    rows = sub(listing(named(exp.column("i", "t"), "i"), source=table("grid", "t")), "r")
    query = listing(named(total.node, "x0"), source=rows)
    sql = write(query.copy(), "postgres", GRID).sql
    assert ("AS INT)" in sql) is small
    ((ours,),) = both.duck.execute(write(query, "duckdb", GRID).sql).fetchall()
    assert int(both.loop.run_until_complete(both.pg.fetchval(sql))) == ours


async def _of_texts(pg, sql, texts):
    """Return a statement's values where the grid holds some texts instead."""
    transaction = pg.transaction()
    await transaction.start()
    try:
        await pg.execute("DELETE FROM grid")
        await pg.executemany("INSERT INTO grid (place, t) VALUES ($1, $2)", list(enumerate(texts)))
        return [row[0] for row in await pg.fetch(sql)]
    finally:
        await transaction.rollback()
