"""What one statement of a DuckDB connection gives, as Arrow, and what the engine read for it.

A relation is bound when it is made and planned anew when it is read; a statement that is executed is planned once. But
Arrow is made of what was executed by a second query, which has a profile of its own. So few rows of plain types come by
way of NumPy, many rows or other types as a relation: there what a second plan takes is little.
"""

import json
from collections.abc import Mapping
from typing import Any

import duckdb
import pyarrow as pa
from numpy import ma

_PLAIN = {
    "BOOLEAN": pa.bool_(),
    "INTEGER": pa.int32(),
    "BIGINT": pa.int64(),
    "VARCHAR": pa.string(),
    "DATE": pa.date32(),
}
"""Types whose values NumPy holds exactly (a date: within 290,000 years), as the engine gives them in Arrow."""


Rows = tuple[pa.Table, dict[str, Any]]
"""All rows of a statement, and the figures of what was read for them."""


def few_rows(connection: duckdb.DuckDBPyConnection, sql: str, parameters: tuple[str, ...]) -> Rows:
    """Return the rows of a statement that is planned once, or by way of a relation where a type is not plain.

    Raises what the engine raises.
    """
    connection.execute(_only(connection, sql), list(parameters) or None)
    types = [(str(name), _PLAIN.get(str(type_))) for name, type_, *_ in connection.description or ()]
    if any(type_ is None for _, type_ in types):
        connection.abort()  # nothing else is run on a connection that has rows left
        return any_rows(connection, sql, parameters)
    columns = connection.fetchnumpy()
    profile = connection.get_profiling_information("json")  # the next statement has its own
    return pa.table({name: _arrow(columns[name], type_) for name, type_ in types}), read_of(profile)


def any_rows(connection: duckdb.DuckDBPyConnection, sql: str, parameters: tuple[str, ...]) -> Rows:
    """Return the rows of a statement, of whatever types, however many. Raises what the engine raises."""
    table = connection.sql(_only(connection, sql), params=list(parameters) or None).to_arrow_table()
    return table, read_of(connection.get_profiling_information("json"))


def _only(connection: duckdb.DuckDBPyConnection, sql: str) -> duckdb.Statement:
    """Return the one statement of a text, which is good for one run."""
    statements = connection.extract_statements(sql)
    assert len(statements) == 1  # INVARIANT: one statement, written by us
    assert statements[0].type == duckdb.StatementType.SELECT
    return statements[0]


def _arrow(column: Any, type_: pa.DataType | None) -> pa.Array:
    missing = ma.getmaskarray(column) if isinstance(column, ma.MaskedArray) else None
    values = ma.getdata(column)
    if type_ == pa.date32():
        values = values.astype("datetime64[D]")
    return pa.array(values, type_, mask=missing)


def read_of(profile: str) -> dict[str, Any]:
    """Return what each scan of a statement read, in rows, and what came from disk, in bytes, out of its JSON profile.

    A statement that is answered out of figures kept beside a table reads nothing, and has no profile.
    """
    found: Mapping[str, Any] = json.loads(profile)
    scanned: list[tuple[str, int]] = []
    pending = list(found.get("operator", []))
    while pending:
        node = pending.pop()
        pending += node.get("children", [])
        if "rows_scanned" in node:
            name = node["extra_info"].get("Table") or node["extra_info"].get("Function") or node["type"]
            scanned.append((str(name).rpartition(".")[2], int(node["rows_scanned"])))
    return {"scanned": sorted(scanned), "read_bytes": int(found.get("io", {}).get("total_bytes_read", 0))}
