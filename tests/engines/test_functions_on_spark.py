"""The table of functions on Spark: the same value to the last bit as in DuckDB, or a refusal that the table tells of.

The rows are those of test_functions_on_both.py that Parquet holds: no date is infinite there.
"""

import pytest
from support import functions
from support.spark import OnSpark
from test_functions_on_both import EVERY, GRID, _counted, query_of, same, told_rows

from gateway.dialects.writing import write
from gateway.errors import GatewayError
from gateway.ports import Statement

pytestmark = pytest.mark.spark

HELD = """(day IS NULL OR (isfinite(day) AND day <= '294247-01-10'::DATE)) AND (bought IS NULL OR isfinite(bought))
    AND (moment IS NULL OR isfinite(moment)) AND (seen IS NULL OR isfinite(seen))"""
TOGETHER = 6
"""Expressions of one statement: what Spark makes of many long ones takes more than their number of times as long."""


class Both:
    """The grid in DuckDB, and as Parquet in Spark."""

    def __init__(self):
        self.duck = functions.grid()
        self.duck.execute("CREATE TABLE kept AS SELECT row_number() OVER () AS place, * FROM grid")
        self.duck.execute("DROP TABLE grid")
        self.duck.execute(f"CREATE TABLE grid AS SELECT * FROM kept WHERE {HELD}")
        self.duck.execute("DROP TABLE kept")
        self.served = OnSpark(self.duck)

    def of_duck(self, query) -> list[list]:
        found = self.duck.sql(write(query, "duckdb", GRID).sql).to_arrow_table()
        return [_counted(column).to_pylist() for column in found.columns]

    def of_spark(self, query, terms) -> list[list]:
        columns = tuple((f"x{i}", str(term.type)) for i, term in enumerate(terms))
        statement = Statement(write(query, "spark", GRID).sql, (), (), "test", columns)
        return [_counted(column).to_pylist() for column in self.served.table(statement).columns]


@pytest.fixture(scope="module")
def both():
    made = Both()
    yield made
    made.served.close()


def checked(both, expressions):
    """Check expressions, and return how many are the same and how many refused."""
    terms, refused = [], 0
    for sql, dialect in expressions:
        try:
            term = functions.resolved(sql, dialect)
        except GatewayError:
            continue
        try:
            write(query_of([term]), "spark", GRID)
        except GatewayError as error:
            assert error.code == "unsupported_on_engine"
            assert any(row.on_spark for row in told_rows(sql, dialect)), f"{sql}: {error.detail}"
            assert error.hint
            refused += 1
        else:
            terms.append((sql, term))
    for start in range(0, len(terms), TOGETHER):
        part = terms[start : start + TOGETHER]
        terms_ = [term for _, term in part]
        query = query_of(terms_)
        theirs_ = both.of_spark(query, terms_)
        for (sql, _), ours, theirs in zip(part, both.of_duck(query.copy()), theirs_, strict=True):
            wrong = [(a, b) for a, b in zip(ours, theirs, strict=True) if not same(a, b)]
            assert wrong == [], sql
    return len(terms), refused


def test_functions_give_the_same_value_on_spark(both):
    equal, refused = checked(both, functions.expressions()[::EVERY])
    assert equal > 150
    assert refused < equal / 3


@pytest.mark.long
@pytest.mark.parametrize("part", functions.PARTS, ids=lambda part: part.__name__)
def test_every_function_gives_the_same_value_on_spark(both, part):
    made = functions._Made()
    part(made.add)
    equal, _ = checked(both, list(dict.fromkeys(made.found)))
    assert equal > 0
