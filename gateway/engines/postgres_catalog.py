"""What PostgreSQL's catalog says of a policy's tables: types, keys that it enforces, and the mark of all of that.

A fact of shape counts only where the server keeps it on every write: a valid, immediate unique index over columns that
are NOT NULL. What a role would read differently from another (row security), or through another object, is refused.
"""

from collections.abc import Sequence
from typing import Any

import asyncpg

from gateway.catalog.inspection import EngineColumn, EngineTable, Inspection, InspectionOrder
from gateway.catalog.types import Cell, to_cell
from gateway.errors import GatewayError

_TYPES = {
    "boolean": "BOOLEAN",
    "smallint": "SMALLINT",
    "integer": "INTEGER",
    "bigint": "BIGINT",
    "real": "FLOAT",
    "double precision": "DOUBLE",
    "text": "VARCHAR",
    "date": "DATE",
    "uuid": "UUID",
}
_LISTED = ("BOOLEAN", "VARCHAR", "DATE", "TIMESTAMP", "SMALLINT", "INTEGER", "BIGINT")

_COLUMNS = """
SELECT a.attnum, a.attname, format_type(a.atttypid, a.atttypmod) AS type_text, a.atttypid, a.atttypmod,
    a.attnotnull AND NOT EXISTS (
        SELECT FROM pg_constraint n WHERE n.conrelid = a.attrelid AND n.contype = 'n' AND NOT n.convalidated
        AND n.conkey = ARRAY[a.attnum]) AS not_null,
    a.attgenerated::text AS generated, a.attcollation, coalesce(l.collisdeterministic, true) AS deterministic,
    has_column_privilege(a.attrelid, a.attnum, 'SELECT') AS readable
FROM pg_attribute a LEFT JOIN pg_collation l ON l.oid = a.attcollation
WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""

_UNIQUE = """
SELECT (SELECT array_agg(a.attname::text ORDER BY k.place)
    FROM unnest(i.indkey::int2[]) WITH ORDINALITY k(number, place)
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number WHERE k.place <= i.indnkeyatts) AS names
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam
WHERE i.indrelid = $1 AND i.indisunique AND i.indimmediate AND i.indisvalid AND i.indisready AND i.indislive
    AND NOT i.indisexclusion AND i.indpred IS NULL AND i.indexprs IS NULL AND m.amname = 'btree'
ORDER BY i.indexrelid
"""

_REFERENCES = """
SELECT (SELECT array_agg(a.attname::text ORDER BY k.place) FROM unnest(f.conkey) WITH ORDINALITY k(number, place)
    JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.number) AS names, t.relname
FROM pg_constraint f JOIN pg_class t ON t.oid = f.confrelid
WHERE f.conrelid = $1 AND f.contype = 'f' ORDER BY f.oid
"""

_TABLES = """
SELECT c.oid, c.relname, c.relkind::text AS kind, c.relrowsecurity, c.relispartition,
    EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = c.oid) AS child,
    EXISTS (SELECT FROM pg_inherits h WHERE h.inhparent = c.oid) AS parent,
    EXISTS (SELECT FROM pg_partition_tree(c.oid) p JOIN pg_class q ON q.oid = p.relid
        WHERE q.relkind = 'f' OR q.relrowsecurity) AS mixed
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relname = ANY($2::text[]) AND c.relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY c.relname
"""

_SCHEMA = """
SELECT has_schema_privilege(oid, 'USAGE') AS usable, quote_ident(current_user) AS role FROM pg_namespace
WHERE nspname = $1
"""

_COLLATIONS = """
SELECT c.relname, a.attname, quote_ident(s.nspname) || '.' || quote_ident(l.collname) AS collation
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
JOIN pg_collation l ON l.oid = a.attcollation JOIN pg_namespace s ON s.oid = l.collnamespace
WHERE n.nspname = $1 AND c.relname = ANY($2::text[]) AND a.attnum > 0 AND NOT a.attisdropped
    AND l.collprovider <> 'd'
"""

_STAMP = """
WITH t AS (
    SELECT c.oid, c.relname, c.relkind, c.relrowsecurity, c.relhassubclass FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = ANY($2::text[])
), said AS (
    SELECT concat_ws('|', 1, t.oid, t.relname, t.relkind, t.relrowsecurity, t.relhassubclass) AS line FROM t
    UNION ALL
    SELECT concat_ws('|', 2, a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, a.attnotnull, a.attgenerated,
        a.attcollation, coalesce(l.collisdeterministic, true))
    FROM pg_attribute a JOIN t ON t.oid = a.attrelid LEFT JOIN pg_collation l ON l.oid = a.attcollation
    WHERE a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT concat_ws('|', 3, i.indrelid, i.indkey, i.indnkeyatts, i.indimmediate, i.indisvalid, i.indisready,
        i.indislive, i.indisexclusion, i.indpred IS NULL, i.indexprs IS NULL)
    FROM pg_index i JOIN t ON t.oid = i.indrelid WHERE i.indisunique
    UNION ALL
    SELECT concat_ws('|', 4, k.conrelid, k.contype, k.conkey, k.confrelid, k.convalidated)
    FROM pg_constraint k JOIN t ON t.oid = k.conrelid WHERE k.contype IN ('f', 'n')
)
SELECT md5(string_agg(line, E'\\n' ORDER BY line COLLATE "C") || (SELECT d.oid || d.datname FROM pg_database d
    WHERE d.datname = current_database()) || (SELECT system_identifier FROM pg_control_system())) FROM said
"""


_PLACE = """
SELECT (SELECT system_identifier FROM pg_control_system()) || '/' || d.oid FROM pg_database d
WHERE d.datname = current_database()
"""


async def place_of(connection: asyncpg.Connection, schema: str) -> str:
    """Return what names a schema of this database of this server, by whatever address it was reached."""
    return f"{await connection.fetchval(_PLACE)}/{schema}"


async def stamp_of(connection: asyncpg.Connection, schema: str, tables: tuple[str, ...]) -> str:
    """Return the mark of some tables: their columns, types, collations and keys, in this database of this server."""
    return str(await connection.fetchval(_STAMP, schema, list(tables)))


async def inspect(connection: asyncpg.Connection, schema: str, order: InspectionOrder) -> Inspection:
    """Return types, keys and public values of the tables that a policy names.

    Raises GatewayError `policy_invalid` for a table that cannot be read as it stands, and for a declared fact that no
    constraint of the server enforces.
    """
    role = await _role(connection, schema)
    rows = await connection.fetch(_TABLES, schema, list(order.tables))
    found = [await _table(connection, schema, row, order, role) for row in rows]
    tables = {one.name: one for one in found}
    await _comparable(connection, schema, order)
    for name, key in order.unique:
        if name in tables:
            _enforced(schema, tables[name], key)
    for name, column in order.not_null:
        if name in tables:
            _present(schema, tables[name], column)
    distinct = [
        (name, column.name, await _distinct(connection, schema, name, column, order.distinct_limit))
        for name in order.public_tables
        if name in tables and tables[name].kind == "table"
        for column in tables[name].columns
    ]
    stamp = await stamp_of(connection, schema, order.tables)
    return Inspection(
        stamp,
        tuple(found),
        tuple(distinct),
        (),
        await _excess(connection, schema, order),
        live=True,
        place=await place_of(connection, schema),
    )


async def _role(connection: asyncpg.Connection, schema: str) -> str:
    """Return the role's name as SQL. Raises `policy_invalid` where it cannot come to the tables of the schema."""
    row = await connection.fetchrow(_SCHEMA, schema)
    if row is None:
        raise _invalid(f"The database has no schema '{schema}'", "correct `engine.schema`, or the address")
    role = str(row["role"])
    if not row["usable"]:
        raise _invalid(
            f"The role {role} may not use the schema '{schema}'", f"GRANT USAGE ON SCHEMA {_quoted(schema)} TO {role}"
        )
    return role


async def _table(
    connection: asyncpg.Connection, schema: str, row: Any, order: InspectionOrder, role: str
) -> EngineTable:
    name, kind = row["relname"], row["kind"]
    if kind in ("v", "m"):
        return EngineTable(name, "view", (), ())
    _refuse(schema, row)
    listed = await connection.fetch(_COLUMNS, row["oid"])
    _granted(schema, name, listed, order, role)
    columns = []
    for column in listed:
        if not column["readable"]:
            continue
        type_text = type_of(column["type_text"])
        if type_text == "VARCHAR" and not column["deterministic"]:
            fix = f'ALTER TABLE {_name(schema, name)} ALTER COLUMN "{column["attname"]}" TYPE text COLLATE "C"'
            raise _invalid(f"'{name}.{column['attname']}' has a collation in which different texts are equal", fix)
        generated = column["generated"] == "v"  # computed anew by each reader: whatever it calls
        text = f"{type_text} GENERATED" if generated else type_text
        columns.append(EngineColumn(column["attname"], text, not column["not_null"]))
    unique = await connection.fetch(_UNIQUE, row["oid"])
    references = await connection.fetch(_REFERENCES, row["oid"])
    return EngineTable(
        name=name,
        kind="table",
        columns=tuple(columns),
        unique=tuple(tuple(key["names"]) for key in unique if key["names"]),
        references=tuple((tuple(one["names"]), one["relname"]) for one in references),
    )


def _granted(schema: str, name: str, listed: Sequence[Any], order: InspectionOrder, role: str) -> None:
    """Refuse a policy that names columns which are there and which the role may not read."""
    named = {column.casefold() for table, column in order.columns if table == name}
    readable = {column["attname"].casefold() for column in listed if column["readable"]}
    missing = [c["attname"] for c in listed if c["attname"].casefold() in named - readable]
    if missing:
        shown = ", ".join(map(_quoted, missing))
        what = f"The role {role} may not read what the policy names of '{name}': {', '.join(missing)}"
        raise _invalid(what, f"GRANT SELECT ({shown}) ON {_name(schema, name)} TO {role}")


async def _comparable(connection: asyncpg.Connection, schema: str, order: InspectionOrder) -> None:
    """Refuse keys of two collations that are no default: the server does not compare texts of such two at all."""
    rows = await connection.fetch(_COLLATIONS, schema, list(order.tables))
    collations = {(row["relname"], row["attname"].casefold()): row["collation"] for row in rows}
    for table, column, target, key in order.links:
        here, there = collations.get((table, column.casefold())), collations.get((target, key.casefold()))
        if here is not None and there is not None and here != there:
            what = f"'{table}.{column}' has the collation {here}, '{target}.{key}', to which it leads, {there}"
            fix = f"ALTER TABLE {_name(schema, table)} ALTER COLUMN {_quoted(column)} TYPE text COLLATE {there}"
            raise _invalid(what, fix)


def _refuse(schema: str, row: Any) -> None:
    """Refuse tables whose rows are not all their own, or not the same for everyone."""
    name = _name(schema, row["relname"])
    if row["relrowsecurity"] or row["mixed"]:
        raise _invalid(f"{name} has row security, or foreign parts", f"ALTER TABLE {name} DISABLE ROW LEVEL SECURITY")
    if row["kind"] == "f":
        raise _invalid(f"{name} is a foreign table", "load its rows into a table of this database")
    if row["child"] or (row["parent"] and row["kind"] != "p"):
        raise _invalid(f"{name} inherits, or is inherited from", "name the partitioned table, or a plain one")
    if row["relname"].startswith("pg_"):
        raise _invalid(f"{name} has a name of the server's own", "rename the table")


def type_of(text: str) -> str:
    """Return a type as the catalog of the gateway names it; as the server does, where nothing computes with it."""
    if text in _TYPES:
        return _TYPES[text]
    name, _, rest = text.partition("(")
    if name == "character varying":
        return "VARCHAR"
    if name in ("timestamp", "timestamp without time zone") and "with time zone" not in rest:
        return "TIMESTAMP"
    if name == "numeric" and rest:
        digits, scale = (int(part) for part in rest.rstrip(")").split(","))
        if 0 <= scale <= digits <= 38:
            return f"DECIMAL({digits},{scale})"
    return text


def _invalid(what: str, fix: str) -> GatewayError:
    return GatewayError("policy_invalid", f"{what}.", f"{fix[0].upper()}{fix[1:]}.")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _name(schema: str, table: str) -> str:
    return f"{_quoted(schema)}.{_quoted(table)}"


def _enforced(schema: str, table: EngineTable, key: tuple[str, ...]) -> None:
    """Refuse a declared key that no unique index keeps: it would be true of today's rows alone."""
    folded = {column.casefold() for column in key}
    columns = {column.name.casefold(): column for column in table.columns}
    if not folded <= set(columns):
        return  # the policy names a column that there is not, and is told so
    if not any({name.casefold() for name in unique} <= folded for unique in table.unique):
        listed = ", ".join(f'"{columns[name.casefold()].name}"' for name in key)
        what = f"'{table.name}' declares `unique: [{', '.join(key)}]`, which no constraint enforces"
        raise _invalid(what, f"ALTER TABLE {_name(schema, table.name)} ADD UNIQUE ({listed})")
    for name in key:
        _present(schema, table, name)


def _present(schema: str, table: EngineTable, column: str) -> None:
    found = next((one for one in table.columns if one.name.casefold() == column.casefold()), None)
    if found is not None and found.nullable:
        what = f"'{table.name}.{found.name}' is declared to have no NULL, which no constraint enforces"
        raise _invalid(what, f'ALTER TABLE {_name(schema, table.name)} ALTER COLUMN "{found.name}" SET NOT NULL')


async def _distinct(
    connection: asyncpg.Connection, schema: str, table: str, column: EngineColumn, limit: int
) -> tuple[Cell, ...] | None:
    """Return the sorted distinct values of a public column, NULL last; None where there are too many, or floats."""
    decimal = column.type_text.startswith("DECIMAL")
    if column.type_text not in _LISTED and not decimal:
        return None
    name = _quoted(column.name)
    read = f"NULLIF({name}, 'NaN')" if decimal else name
    read = f'CAST({name} AS TEXT) COLLATE "C"' if column.type_text == "VARCHAR" else read
    shown = "CAST(v AS TEXT)" if column.type_text in ("DATE", "TIMESTAMP") else "v"
    rows = await connection.fetch(
        f"SELECT {shown} AS v FROM (SELECT DISTINCT {read} AS v FROM {_name(schema, table)}) AS d "
        f"ORDER BY d.v NULLS LAST LIMIT {limit + 1}"
    )
    cells = tuple(to_cell(row["v"]) for row in rows)
    if column.type_text == "TIMESTAMP":
        cells = tuple(cell.replace(" ", "T") if isinstance(cell, str) else cell for cell in cells)
    return cells if len(rows) <= limit else None


async def _powers(connection: asyncpg.Connection, schema: str) -> list[str]:
    """Return in words what the role may do besides reading."""
    found = []
    role = await connection.fetchrow(
        "SELECT rolsuper OR rolbypassrls AS super, rolcreatedb OR rolcreaterole OR rolreplication AS makes "
        "FROM pg_roles WHERE rolname = current_user"
    )
    if role["super"]:
        found.append("the role is a superuser, or passes by row security: make one by docker/postgres/role.sql")
        return found  # and so may do everything below
    if role["makes"]:
        found.append("the role may make databases or roles, or replicate: ALTER ROLE ... NOCREATEDB NOCREATEROLE")
    others = await connection.fetch(
        "SELECT rolname FROM pg_roles WHERE rolname <> current_user AND pg_has_role(current_user, oid, 'MEMBER') "
        "ORDER BY rolname"
    )
    found += [f"the role is a member of {row['rolname']}: REVOKE it" for row in others]
    written = await connection.fetch(
        "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'f') "
        "AND (has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER') "
        "OR has_any_column_privilege(c.oid, 'INSERT, UPDATE')) ORDER BY c.relname",
        schema,
    )
    found += [f"the role may write to {row['relname']}: REVOKE it" for row in written]
    if await connection.fetchval("SELECT has_schema_privilege($1, 'CREATE')", schema):
        found.append(f"the role has CREATE on the schema {schema}: REVOKE it")
    return found


async def _excess(connection: asyncpg.Connection, schema: str, order: InspectionOrder) -> tuple[str, ...]:
    """Return in words what the role may do beyond reading the policy's columns."""
    found = await _powers(connection, schema)
    named = {(table, column.casefold()) for table, column in order.columns}
    rows = await connection.fetch(
        "SELECT c.relname, a.attname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "JOIN pg_attribute a ON a.attrelid = c.oid WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f') "
        "AND a.attnum > 0 AND NOT a.attisdropped AND has_column_privilege(c.oid, a.attnum, 'SELECT') "
        "ORDER BY c.relname, a.attnum",
        schema,
    )
    beyond = [
        f"{row['relname']}.{row['attname']}"
        for row in rows
        if (row["relname"], row["attname"].casefold()) not in named and row["relname"] not in order.public_tables
    ]
    if beyond:
        more = f" and {len(beyond) - 5} more" if len(beyond) > 5 else ""
        found.append(f"the role may read what no query does: {', '.join(beyond[:5])}{more}: REVOKE it")
    granted = await connection.fetch(
        "SELECT p FROM unnest(ARRAY['TEMPORARY', 'CREATE']) p WHERE has_database_privilege(current_database(), p)"
    )
    found += [f"the role has {row['p']} on the database: REVOKE it" for row in granted]
    return tuple(found)
