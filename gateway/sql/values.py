"""Rows that are written in the query: VALUES, and the one row of a SELECT without FROM."""

from dataclasses import replace

from sqlglot import exp

from gateway.errors import GatewayError
from gateway.sql.conditionals import choose, one_type
from gateway.sql.parse import dialect_of, place, refuse_other_parts
from gateway.sql.plan import Field, Values
from gateway.sql.scope import Scope
from gateway.sql.stages import Catalog, Names
from gateway.sql.terms import Term

MAX_ROWS = 1_000

_NAMES = {"duckdb": "col{0}", "trino": "_col{0}", "postgres": "column{1}", "spark": "col{1}"}
"""What dialects call the columns of VALUES, counted from 0 or from 1."""


def one_row() -> Values:
    """Return what a SELECT without FROM reads: one row of no columns."""
    return Values(((),), (), None)


def values(catalog: Catalog, node: exp.Values) -> Values:
    """Return VALUES as a relation. Raises `unsupported_sql` for a cell that is no constant."""
    refuse_other_parts(node, "expressions", "alias")
    names = Names(catalog=catalog, scope=Scope(()))
    rows = [[_cell(cell, names) for cell in _cells(row)] for row in node.expressions]
    if len(rows) > MAX_ROWS:
        detail = f"VALUES has more than {MAX_ROWS:,} rows."
        raise GatewayError("sql_too_long", detail, "Join a public table that holds the list.", place(node))
    if not rows or any(len(row) != len(rows[0]) for row in rows):
        raise GatewayError(
            "sql_syntax", "The rows of VALUES differ in length.", "Write as many cells in each.", place(node)
        )
    columns = [one_type(node, list(column)) for column in zip(*rows, strict=True)]
    fields = tuple(_field(catalog, node, column, index) for index, column in enumerate(columns))
    return Values(tuple(zip(*columns, strict=True)), fields, place(node))


def _cells(row: exp.Expr) -> list[exp.Expr]:
    return row.expressions if isinstance(row, exp.Tuple) else [row]


def _cell(node: exp.Expr, names: Names) -> Term:
    term = names(node)
    if term.ids or (term.literal is None and not isinstance(node.unnest(), exp.Null)):
        hint = "Write numbers, texts, dates, TRUE, FALSE or NULL."
        raise GatewayError("unsupported_sql", "VALUES takes literals.", hint, place(node))
    return term


def _field(catalog: Catalog, node: exp.Values, column: list[Term], index: int) -> Field:
    name = _NAMES[dialect_of(node)].format(index, index + 1)
    chosen = choose(column, [], column[0].node, nullable=any(t.nullable for t in column))
    return Field(name, replace(chosen.reference(catalog.ids.next()), granularity=None))
