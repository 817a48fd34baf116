"""What Spark says of a policy's tables: types, public values, and whether declared facts hold of the files there are.

Parquet enforces nothing. Files do not change under a mark, so what holds of all of them when they are declared holds
for every query.
"""

from collections.abc import Iterator
from typing import Any

from gateway.catalog.inspection import EngineColumn, EngineTable, Inspection, InspectionOrder
from gateway.catalog.types import Cell, to_cell
from gateway.engines.spark_files import Folder, Table, files_of, quoted, read_table, show, stamp_of, understood
from gateway.engines.spark_frames import rows
from gateway.errors import GatewayError


def inspect(spark: Any, uri: str, order: InspectionOrder) -> tuple[Inspection, Folder]:
    """Return types, public values and broken facts of the tables that a policy names, and the tables themselves.

    Raises GatewayError `policy_invalid` for files that are not plain tables, and texts that are none.
    """
    read = {name: read_table(spark, uri, name) for name in order.tables}
    folder = {name: table for name, table in read.items() if table is not None}
    show(spark, folder)
    _texts(spark, folder, order)
    distinct = tuple(
        (name, column, _distinct(spark, name, column, type_text, order.distinct_limit))
        for name in order.public_tables
        if name in folder
        for column, type_text in folder[name].columns
    )
    tables = tuple(
        EngineTable(name, "table", tuple(EngineColumn(c, t, nullable=True) for c, t in table.columns), ())
        for name, table in folder.items()
    )
    found = Inspection(
        stamp_of(folder), tables, distinct, _broken(spark, folder, order), tuple(_beyond(spark)), place=_place(folder)
    )
    return found, folder


def _beyond(spark: Any) -> Iterator[str]:
    """Yield in words what of the server may change a statement, and what no session can set."""
    extensions = spark.conf.get("spark.sql.extensions", None)
    if extensions:
        yield f"the server's extensions may read or compute a statement in ways of their own: {extensions}"


def _place(folder: Folder) -> str:
    """Return where the folder is, as the file system itself names it."""
    files = files_of(folder)
    return files[0][0].rpartition("/")[0].rpartition("/")[0] if files else ""


def _texts(spark: Any, folder: Folder, order: InspectionOrder) -> None:
    """Refuse texts that are not UTF-8: to Spark they are bytes, and no other engine would have taken them."""
    named = {(table, column.casefold()) for table, column in order.columns}
    for name, table in folder.items():
        texts = [c for c, type_text in table.columns if type_text == "VARCHAR"]
        if name not in order.public_tables:
            texts = [c for c in texts if (name, c.casefold()) in named]
        if not texts:
            continue
        parts = ", ".join(f"COUNT_IF(NOT IS_VALID_UTF8({quoted(c)})) AS {quoted(c)}" for c in texts)
        (row,) = rows(spark, f"SELECT {parts} FROM {quoted(name)}").to_pylist()
        for column, wrong in row.items():
            if wrong:
                detail = f"'{name}.{column}' holds texts that are not UTF-8."
                raise GatewayError("policy_invalid", detail, "Write the column as UTF-8, or as bytes.")


def _distinct(spark: Any, table: str, column: str, type_text: str, limit: int) -> tuple[Cell, ...] | None:
    """Return the sorted distinct values of a public column, NULL last; None where there are too many, or floats."""
    plain = type_text in ("BOOLEAN", "VARCHAR", "DATE", "TIMESTAMP") or "INT" in type_text
    if not (plain or type_text.startswith("DECIMAL(")):
        return None
    name = quoted(column)
    found = rows(spark, f"SELECT DISTINCT {name} AS v FROM {quoted(table)} ORDER BY v NULLS LAST LIMIT {limit + 1}")
    if found.num_rows > limit:
        return None
    try:
        return tuple(to_cell(value) for value in found.column("v").to_pylist())
    except (OverflowError, ValueError):  # a day that Python does not know, beyond the year 9999
        return None


def _broken(spark: Any, folder: Folder, order: InspectionOrder) -> tuple[str, ...]:
    broken: list[str] = []
    for name, key in order.unique:
        columns = _columns(folder.get(name), key)
        if columns is None:
            continue
        names = ", ".join(map(quoted, columns))
        found = rows(spark, f"SELECT 1 FROM {quoted(name)} GROUP BY {names} HAVING COUNT(*) > 1 LIMIT 1")
        if found.num_rows:
            broken.append(f"{name}.unique[{', '.join(key)}]")
    for name, column in order.not_null:
        columns = _columns(folder.get(name), (column,))
        if columns is None:
            continue
        found = rows(spark, f"SELECT 1 FROM {quoted(name)} WHERE {quoted(columns[0])} IS NULL LIMIT 1")
        if found.num_rows:
            broken.append(f"{name}.not_null[{column}]")
    return tuple(broken)


def _columns(table: Table | None, names: tuple[str, ...]) -> list[str] | None:
    """Return a key's columns as the files spell them; None where one is not there: the policy is told so elsewhere.

    Raises GatewayError `policy_invalid` for a column of a type that nothing is computed with: nothing would be checked.
    """
    if table is None:
        return None
    spelled = {column.casefold(): (column, type_text) for column, type_text in table.columns}
    found = [spelled[name.casefold()] for name in names if name.casefold() in spelled]
    for column, type_text in found:
        if not understood(type_text):
            detail = f"What is declared of '{column}' cannot be checked: nothing is computed with the type {type_text}."
            raise GatewayError(
                "policy_invalid", detail, "Take it out of `unique` and `nullable`, or write another type."
            )
    return [column for column, _ in found] if len(found) == len(names) else None
