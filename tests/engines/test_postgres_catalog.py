"""PostgreSQL's catalog by the gateway's own role: what is inspected, what is refused, what has to be declared."""

import asyncpg
import pytest
from support.postgres import TABLE, Provider
from support.stores import refused
from support.two_engines import SOURCE

from gateway.catalog.inspection import InspectionOrder


async def test_types_keys_and_references_are_the_catalogs(provider):
    await provider.owner.execute(
        "CREATE TABLE u (a smallint, b int, c real, d double precision, e numeric(10, 2), f numeric, g varchar(5), "
        "h char(3), i date, j timestamp(3), k timestamptz, l boolean, m uuid, n jsonb, o int GENERATED ALWAYS AS "
        "(a + 1) VIRTUAL, x bigint REFERENCES t)"
    )
    await provider.owner.execute("GRANT SELECT ON u TO gateway_reader")
    found = await provider.inspect(InspectionOrder(("t", "u", "missing"), (), (), ()))
    t, u = found.tables
    assert [(c.name, c.type_text, c.nullable) for c in t.columns] == [
        ("x", "BIGINT", False),
        ("name", "VARCHAR", False),
    ]
    assert t.unique == (("x",),)
    assert [c.type_text for c in u.columns] == [
        "SMALLINT", "INTEGER", "FLOAT", "DOUBLE", "DECIMAL(10,2)", "numeric", "VARCHAR", "character(3)", "DATE",
        "TIMESTAMP", "timestamp with time zone", "BOOLEAN", "UUID", "jsonb", "INTEGER GENERATED", "BIGINT",
    ]  # fmt: skip
    assert u.references == ((("x",), "t"),)


REFUSED = {
    "no key": ("CREATE TABLE t (x bigint NOT NULL, name text)", "ADD UNIQUE"),
    "a deferrable key": ("CREATE TABLE t (x bigint NOT NULL UNIQUE DEFERRABLE, name text)", "ADD UNIQUE"),
    "a key of some rows": (
        "CREATE TABLE t (x bigint NOT NULL, name text); CREATE UNIQUE INDEX ON t (x) WHERE x > 0",
        "ADD UNIQUE",
    ),
    "a wider key": ("CREATE TABLE t (x bigint NOT NULL, name text NOT NULL, UNIQUE (x, name))", "ADD UNIQUE"),
    "a key that may be NULL": ("CREATE TABLE t (x bigint UNIQUE, name text)", "SET NOT NULL"),
    "row security": (f"{TABLE}; ALTER TABLE t ENABLE ROW LEVEL SECURITY", "DISABLE ROW LEVEL SECURITY"),
    "a parent": (f"{TABLE}; CREATE TABLE c () INHERITS (t)", "partitioned"),
    "a collation that is not of bytes": (
        """CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
        CREATE TABLE t (x bigint PRIMARY KEY, name text COLLATE ci)""",
        'COLLATE "C"',
    ),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_cannot_be_relied_on_is_refused_with_its_remedy(name):
    sql, remedy = REFUSED[name]
    provider = await Provider().made()
    try:
        await provider.owner.execute("DROP TABLE t")
        try:
            await provider.owner.execute(sql)
        except asyncpg.FeatureNotSupportedError:
            pytest.skip("this server is built without ICU")
        await provider.owner.execute("GRANT SELECT ON t TO gateway_reader")
        error = await refused(provider.inspect(), "policy_invalid")
        assert remedy in error.hint
    finally:
        await provider.close()


async def test_a_view_is_named_as_one_and_a_partitioned_table_is_plain(provider):
    await provider.owner.execute(
        "CREATE VIEW v AS SELECT x FROM t; CREATE TABLE p (x bigint PRIMARY KEY, name text NOT NULL) "
        "PARTITION BY RANGE (x); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (9); "
        "GRANT SELECT ON v, p TO gateway_reader"
    )
    found = await provider.inspect(InspectionOrder(("v", "p"), (), (("p", ("x",)),), ()))
    assert [(table.name, table.kind, table.unique) for table in found.tables] == [
        ("p", "table", (("x",),)),
        ("v", "view", ()),
    ]
    await refused(provider.inspect(InspectionOrder(("p1",), (), (), ())), "policy_invalid")


async def test_public_values_are_listed_by_code_point(provider):
    await provider.owner.execute(
        "CREATE TABLE k (t text, d numeric(5, 2), day date); GRANT SELECT ON k TO gateway_reader;"
        "INSERT INTO k VALUES ('b', 1.5, '2000-01-01'), ('B', 'NaN', NULL), ('ä', 1.50, '1999-12-31'), ('b', 2, NULL)"
    )
    found = await provider.inspect(InspectionOrder(("k",), ("k",), (), ()))
    assert found.distinct == (
        ("k", "t", ("B", "b", "ä")),
        ("k", "d", ("1.50", "2.00", None)),
        ("k", "day", ("1999-12-31", "2000-01-01", None)),
    )
    found = await provider.inspect(InspectionOrder(("k",), ("k",), (), (), distinct_limit=2))
    assert found.distinct[0] == ("k", "t", None), "a list that is cut short is no list"


async def test_what_changes_the_tables_has_to_be_declared_and_writes_have_not(provider):
    stamp = (await provider.inspect()).stamp
    await provider.owner.execute("INSERT INTO t VALUES (7, 'z', NULL); ANALYZE t; CREATE INDEX ON t (name)")
    await (await provider.engine.lease(SOURCE, stamp)).close()
    for change in (
        "ALTER TABLE t ADD COLUMN more int",
        "ALTER TABLE t ALTER COLUMN name DROP NOT NULL",
        'ALTER TABLE t ALTER COLUMN name TYPE text COLLATE "POSIX"',
        "ALTER TABLE t DROP CONSTRAINT t_pkey",
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
    ):
        stamp = (
            await provider.owner.fetchval("SELECT 1")
            and (await provider.inspect(InspectionOrder(("t",), (), (), ()))).stamp
        )
        await provider.owner.execute(change)
        await refused(provider.engine.lease(SOURCE, stamp), "refresh_needed")
