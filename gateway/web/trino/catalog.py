"""The rows of tables about tables: what the policies say to this caller, and nothing of any data."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.catalog.listing import Cell, Listing
from gateway.errors import GatewayError
from gateway.sql.expressions import TABLES
from gateway.sql.plan import WindowKind
from gateway.sql.trino.lookups import SERVER_VERSION
from gateway.sql.trino.model import CATALOG, INFORMATION_SCHEMA, SYSTEM
from gateway.web.trino.session import PROPERTIES
from gateway.web.trino.shapes import SHAPES
from gateway.web.trino.types import UNBOUNDED, named

Rows = Iterator[tuple[Cell, ...]]

NULLABLE, NOT_NULLABLE = 1, 0
SEARCHABLE = 3

_JDBC = {
    "boolean": (16, None, None),
    "bigint": (-5, 19, 10),
    "double": (8, 53, 2),
    "decimal": (3, 38, 10),
    "varchar": (12, UNBOUNDED, None),
    "date": (91, 14, None),
    "timestamp": (93, 26, None),
    "uuid": (2000, None, None),
}
"""Of each type: its number in java.sql.Types, its size, the radix of that."""

AGGREGATES = (
    "approx_distinct", "avg", "bool_and", "bool_or", "corr", "count", "covar_pop", "covar_samp", "every", "max", "min",
    "regr_intercept", "regr_slope", "stddev", "stddev_pop", "stddev_samp", "sum", "var_pop", "var_samp", "variance",
)  # fmt: skip
"""Trino's names of the aggregates that are answered; a test plans each."""

_CALLED = re.compile(r"\b([A-Za-z_]\w*)\(([^()]*)\)(?: \(([a-z, ]+)\))?")
"""A call as the table of functions writes it, with the dialects behind it where it is not of all."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column as it is shown: Trino's name of its type, and in words what may be done with it."""

    name: str
    type: str
    nullable: bool
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    catalog: str
    schema: str
    name: str
    columns: tuple[Column, ...]
    comment: str = ""

    @property
    def place(self) -> tuple[str, str, str]:
        return self.catalog, self.schema, self.name


@dataclass(frozen=True, slots=True)
class Shown:
    """What a caller is shown: datasets by name (those that are shut without tables), past queries, session values."""

    user: str
    datasets: Mapping[str, Mapping[str, Any]]
    queries: Sequence[Mapping[str, Any]] = ()
    properties: Mapping[str, str] | None = None

    def tables(self) -> Iterator[Table]:
        """Yield every table: those of datasets, then those about tables."""
        for name, document in self.datasets.items():
            for table in document.get("tables", ()):
                columns = tuple(_column(column) for column in table["columns"])
                yield Table(CATALOG, name, table["name"], columns, _comment(table))
        for full, shape in SHAPES.items():
            catalog, schema, name = full.split(".")
            yield Table(catalog, schema, name, tuple(Column(c, named(type_), nullable=True) for c, type_ in shape))

    def schemas(self) -> Iterator[tuple[str, str]]:
        """Yield (catalogue, schema)."""
        yield from ((CATALOG, name) for name in self.datasets)
        yield from dict.fromkeys(tuple(full.split(".")[:2]) for full in SHAPES)  # type: ignore[misc]


def listing(full: str, shown: Shown) -> Listing:
    """Return a table about tables. Raises GatewayError `unknown_table`."""
    if full not in SHAPES:
        raise GatewayError("unknown_table", f"There is no table {full!r}.", "SHOW TABLES lists those of a schema.")
    catalog, schema, name = full.split(".")
    rows = _INFORMATION[name](shown, catalog) if schema == INFORMATION_SCHEMA else _SYSTEM[f"{schema}.{name}"](shown)
    return Listing(SHAPES[full], tuple(rows))


def _column(column: Mapping[str, Any]) -> Column:
    said = [f"use: {', '.join(column['use'])}"]
    if "bounds" in column:
        said.append("bounds: {} to {}".format(*column["bounds"]))
    if "values" in column:
        said.append(f"{len(column['values'])} declared values")
    return Column(column["name"], named(column["type"]), column["nullable"], "; ".join(said))


def _comment(table: Mapping[str, Any]) -> str:
    if table["public"]:
        return "public"
    per = table["per_unit"]
    return f"private: of one unit at most {per['rows']} rows in {per['groups']} groups count"


def _nothing(*_: object) -> Rows:
    return iter(())


def _schemata(shown: Shown, catalog: str) -> Rows:
    yield from ((within, schema) for within, schema in shown.schemas() if within == catalog)


def _tables(shown: Shown, catalog: str) -> Rows:
    yield from ((*t.place, "BASE TABLE", t.comment) for t in shown.tables() if t.catalog == catalog)


def _columns(shown: Shown, catalog: str) -> Rows:
    for table in shown.tables():
        for at, column in enumerate(table.columns, 1):
            if table.catalog == catalog:
                nullable = "YES" if column.nullable else "NO"
                said = column.comment or None
                yield (*table.place, column.name, at, None, nullable, column.type, said, "", said)


def _privileges(shown: Shown, catalog: str) -> Rows:
    for table in shown.tables():
        if table.catalog == catalog:
            yield (None, None, shown.user, "USER", *table.place, "SELECT", "NO", None)


_INFORMATION: dict[str, Callable[[Shown, str], Rows]] = {
    "schemata": _schemata,
    "tables": _tables,
    "columns": _columns,
    "views": _nothing,
    "table_privileges": _privileges,
    "roles": _nothing,
    "applicable_roles": _nothing,
    "enabled_roles": _nothing,
}


def _catalogs(_shown: Shown) -> Rows:
    yield from ((catalog,) for catalog in (CATALOG, SYSTEM))


def _jdbc_schemas(shown: Shown) -> Rows:
    yield from ((schema, catalog) for catalog, schema in shown.schemas())


def _jdbc_tables(shown: Shown) -> Rows:
    nothing = (None,) * 5
    yield from (
        (
            *t.place,
            "SYSTEM TABLE" if t.schema == INFORMATION_SCHEMA or t.catalog == SYSTEM else "TABLE",
            t.comment,
            *nothing,
        )
        for t in shown.tables()
    )


def _jdbc_columns(shown: Shown) -> Rows:
    for table in shown.tables():
        for at, column in enumerate(table.columns, 1):
            number, size, digits, radix = _of_type(column.type)
            nullable = NULLABLE if column.nullable else NOT_NULLABLE
            yield (
                *(*table.place, column.name, number, column.type, size, None, digits, radix, nullable),
                *(column.comment or None, None, None, None, size if column.type == "varchar" else None, at),
                *("YES" if column.nullable else "NO", None, None, None, None, None, None),
            )


def _of_type(type_: str) -> tuple[int, int | None, int | None, int | None]:
    """Return number, size, digits behind the point and radix of a type."""
    name, _, parts = type_.partition("(")
    number, size, radix = _JDBC.get(name, _JDBC["uuid"])
    if name == "decimal":
        precision, scale = parts.rstrip(")").split(",")
        return number, int(precision), int(scale), radix
    return number, size, {"bigint": 0, "timestamp": 6}.get(name), radix


def _jdbc_types(_shown: Shown) -> Rows:
    for name, (number, size, radix) in _JDBC.items():
        nothing = (None, None, None)
        yield (
            *(name, number, size, *nothing, NULLABLE, False, SEARCHABLE, None, False, None, None),
            *(0, 38 if name == "decimal" else 0, None, None, radix),
        )


def _table_types(_shown: Shown) -> Rows:
    yield from (("SYSTEM TABLE",), ("TABLE",))


def _metadata_catalogs(_shown: Shown) -> Rows:
    yield from ((catalog, catalog, catalog, "OPERATIONAL") for catalog in (CATALOG, SYSTEM))


def _comments(shown: Shown) -> Rows:
    yield from ((*table.place, table.comment or None) for table in shown.tables())


def _nodes(_shown: Shown) -> Rows:
    yield ("gateway", None, SERVER_VERSION, True, "active")


def _queries(shown: Shown) -> Rows:
    for query in shown.queries:
        yield (query["query_id"], query["state"], shown.user, None, None, query["charged_at"])


def _functions(_shown: Shown) -> Rows:
    for _, table in TABLES:
        for row in dict.fromkeys(table.values()):
            for name, arguments, dialects in _CALLED.findall(row.written):
                if not dialects or "trino" in dialects:
                    yield (name.lower(), row.result, arguments, "scalar", True, row.watch)
    yield from ((name, "", "", "aggregate", True, "") for name in AGGREGATES)
    yield from ((kind.value.lower(), "", "", "window", True, "") for kind in WindowKind)


def _properties(shown: Shown) -> Rows:
    values = shown.properties or {}
    for name, one in PROPERTIES.items():
        yield (name, values.get(name, one.default), one.default, one.type, one.says)


def _definitions(shown: Shown) -> Rows:
    yield from ((*table.place, _definition(table)) for table in shown.tables())


def _definition(table: Table) -> str:
    """Return a table as CREATE TABLE writes it, with what its policy says as comments."""
    lines = []
    for column in table.columns:
        said = " COMMENT '{}'".format(column.comment.replace("'", "''")) if column.comment else ""
        lines.append(f"   {column.name} {column.type}{'' if column.nullable else ' NOT NULL'}{said}")
    said = "\nCOMMENT '{}'".format(table.comment.replace("'", "''")) if table.comment else ""
    return f"CREATE TABLE {'.'.join(table.place)} (\n" + ",\n".join(lines) + f"\n){said}"


_SYSTEM: dict[str, Callable[[Shown], Rows]] = {
    "jdbc.catalogs": _catalogs,
    "jdbc.schemas": _jdbc_schemas,
    "jdbc.tables": _jdbc_tables,
    "jdbc.columns": _jdbc_columns,
    "jdbc.types": _jdbc_types,
    "jdbc.table_types": _table_types,
    "jdbc.attributes": _nothing,
    "jdbc.procedures": _nothing,
    "jdbc.procedure_columns": _nothing,
    "jdbc.pseudo_columns": _nothing,
    "jdbc.super_tables": _nothing,
    "jdbc.super_types": _nothing,
    "jdbc.udts": _nothing,
    "metadata.catalogs": _metadata_catalogs,
    "metadata.table_comments": _comments,
    "metadata.materialized_views": _nothing,
    "metadata.schema_properties": _nothing,
    "metadata.table_properties": _nothing,
    "metadata.column_properties": _nothing,
    "metadata.analyze_properties": _nothing,
    "metadata.materialized_view_properties": _nothing,
    "runtime.nodes": _nodes,
    "runtime.queries": _queries,
    "gateway.functions": _functions,
    "gateway.session_properties": _properties,
    "gateway.definitions": _definitions,
}
