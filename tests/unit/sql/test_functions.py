"""Every row of the table of functions: its example, its page, and hostile values in columns of every type."""

from datetime import date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path

import duckdb
import pytest
from sqlglot import parse_one
from support.functions import TYPES, VALUES, expressions, grid, resolved, violations

from gateway.errors import CODES, GatewayError
from gateway.sql.expressions import ALLOWED, TABLES
from gateway.sql.functions_page import example_term, page
from gateway.sql.parse import parse
from gateway.sql.terms import Term

ROWS = list(dict.fromkeys(row for _, rows in TABLES for row in rows.values()))
EXAMPLES = [(row.written, example) for row in ROWS for example in row.examples]


@cache
def engine() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


def written(value) -> str:
    """Return a value as the table writes it."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


@pytest.mark.parametrize("example", [e for _, e in EXAMPLES], ids=[f"{e.sql} {e.dialect}" for _, e in EXAMPLES])
def test_examples_give_what_they_say(example):
    term = example_term(example)
    value = engine().execute(f"SELECT {term.node.sql('duckdb')}").fetchone()[0]
    assert written(value) == example.value
    assert isinstance(value, date | datetime) == term.type.temporal or value is None


def test_the_page_is_the_table():
    assert Path("docs/functions.md").read_text() == page()


def test_every_row_has_words_and_an_example():
    for row in ROWS:
        assert row.written
        assert row.result
        assert row.examples


@pytest.mark.parametrize("part", [0, *(pytest.param(n, marks=pytest.mark.long) for n in range(1, 5))])
def test_what_is_written_for_the_engine_reads_back_the_same(part):
    """A second reading of the engine's SQL gives the same text: nothing in it is ambiguous to a parser."""
    for sql, term in answered(expressions()[part::5]):
        text = f"SELECT {term.node.sql('duckdb')}"
        assert parse_one(text, dialect="duckdb").sql("duckdb") == text, sql


# -- hostile values ----------------------------------------------------------------------------------------------


def answered(pairs: list[tuple[str, str]]) -> list[tuple[str, Term]]:
    """Return the expressions over the grid that are answered, each refusal checked: a known code and a hint."""
    found = []
    for sql, dialect in pairs:
        try:
            found.append((f"{sql} ({dialect})", resolved(sql, dialect)))
        except GatewayError as error:
            assert CODES[error.code].status < 500
            assert error.hint
    return found


def test_the_grid_names_every_row():
    seen = set()
    for sql, dialect in expressions():
        tree = parse(f"SELECT {sql} FROM grid", dialect)
        seen |= {type(node) for node in tree.walk()}
    missing = {kind.__name__ for kind in ALLOWED} - {kind.__name__ for kind in seen}
    assert missing <= {"Escape", "Localtimestamp", "Boolean", "TimestampAdd", "TryCast"}, missing


PARTS = 8


@pytest.mark.parametrize("part", [0, *(pytest.param(n, marks=pytest.mark.long) for n in range(1, PARTS))])
def test_nothing_raises_and_everything_keeps_to_what_is_known(part):
    pairs = expressions()[part::PARTS]
    connection, mine = grid(), answered(pairs)
    assert len(mine) > 0.97 * len(pairs)
    found = []
    for start in range(0, len(mine), 40):
        batch = mine[start : start + 40]
        columns = ", ".join(f"{term.node.sql('duckdb')} AS c{i}" for i, (_, term) in enumerate(batch))
        result = connection.sql(f"SELECT {columns} FROM grid")
        types = [str(type_) for type_ in result.types]
        for (sql, term), type_, values in zip(batch, types, zip(*result.fetchall(), strict=True), strict=True):
            if type_ != str(term.type) and term.type.kind != "OTHER":
                found.append(f"{type_} for {term.type}: {sql}")
            found += violations(sql, term, list(values))
    assert found == []


@pytest.mark.parametrize("part", [0, *(pytest.param(n, marks=pytest.mark.long) for n in range(1, 24))])
def test_constants_do_not_raise_either(part):
    """An engine computes constants before it asks which branch is taken: each call has to be total by itself."""
    mine = answered(expressions()[part::24])
    for shift in range(6):
        cells = (
            f"CAST({VALUES[name][(shift * 3 + place) % len(VALUES[name])]} AS {TYPES[name]}) AS {name}"
            for place, name in enumerate(TYPES)
        )
        row = ", ".join(cells)
        for sql, term in mine:
            try:
                engine().execute(f"SELECT {term.node.sql('duckdb')} FROM (SELECT {row}) grid").fetchall()
            except duckdb.Error as error:
                pytest.fail(f"{sql}: {error}")


@pytest.mark.parametrize(
    "sql",
    ["make_date(9, 99, 1)", "make_date(5000000, 1, 1)", "make_date(2001, 2, 30)", "DATE '2000-01-01' + 9000000", "TIMESTAMP '9999-12-31' + INTERVAL '9' DAY",
     "DATE '2000-01-01' + INTERVAL (2147483648) MONTH", "TIMESTAMP '2000-01-01' + INTERVAL (9223372036854775807) SECOND"],
)  # fmt: skip
def test_dates_of_constants_that_are_none_are_null(sql):
    assert engine().execute(f"SELECT {resolved(sql).node.sql('duckdb')}").fetchone() == (None,)
