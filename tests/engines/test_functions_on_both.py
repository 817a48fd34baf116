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

from gateway.catalog.types import INTEGER, TypeKind
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
        assert theirs == [both.duck.execute(f"SELECT {name}(?)", [text]).fetchone()[0] for text in texts]


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
