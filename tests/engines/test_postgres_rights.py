"""What a provider of PostgreSQL forgot, or set in another way: told before a query fails of it."""

import pytest
import sqlglot
from support.shop import SHOP, planned
from support.two_engines import ROLE, SOURCE, address, connected, new_database, on_postgres

from gateway.catalog.inspection import InspectionOrder
from gateway.engines.postgres_engine import PostgresEngine
from gateway.engines.postgres_sessions import Sessions
from gateway.errors import GatewayError
from gateway.ports import Source, Statement

NUMBER = (("n", "BIGINT"),)
COUNT = Statement("SELECT COUNT(*) AS n FROM public.t", columns=NUMBER)
ORDER = InspectionOrder(("t",), (), ((("t", ("x",))),), (), columns=(("t", "x"), ("t", "name")))


class Reading:
    """A database of this test's own, its owner's connection, and an engine that reads it by the gateway's role."""

    def __init__(self, database, owner):
        self.database, self.owner = database, owner
        self.engine = PostgresEngine({"DATA_DSN": address(database, "gateway_reader")}.get, 2, 5.0, 20.0)

    async def inspect(self, order=ORDER):
        return await self.engine.inspect(SOURCE, order)

    async def count(self, statement, order=ORDER):
        lease = await self.engine.lease(SOURCE, (await self.inspect(order)).stamp)
        try:
            return (await lease.run(statement, 5.0)).table().to_pylist()[0]["n"]
        finally:
            await lease.close()


@pytest.fixture
async def reading():
    database = new_database()
    owner = await connected(database)
    await owner.execute(
        f"{ROLE}; GRANT USAGE ON SCHEMA public TO gateway_reader; CREATE TABLE t (x bigint PRIMARY KEY, name text NOT NULL);"
        "INSERT INTO t SELECT g, 'a' FROM generate_series(1, 3) g; GRANT SELECT (x, name) ON t TO gateway_reader"
    )
    made = Reading(database, owner)
    yield made
    await made.engine.close()
    await owner.close()


async def told(awaitable):
    with pytest.raises(GatewayError) as caught:
        await awaitable
    assert caught.value.code == "policy_invalid"
    return caught.value


LINKED = InspectionOrder(("t", "o"), (), (("t", ("name",)),), (), links=(("o", "who", "t", "name"),))


async def test_keys_of_two_collations_are_refused_before_they_fail_every_query(reading):
    await reading.owner.execute(
        'ALTER TABLE t ALTER COLUMN name TYPE text COLLATE "C"; DELETE FROM t WHERE x > 1; ALTER TABLE t ADD UNIQUE (name);'
        "CREATE TABLE o (who text COLLATE \"POSIX\"); INSERT INTO o VALUES ('a'); GRANT SELECT ON o TO gateway_reader"
    )
    error = await told(reading.inspect(LINKED))
    assert "'o.who' has the collation pg_catalog.\"POSIX\"" in error.detail
    await reading.owner.execute(error.hint.rstrip("."))
    joined = Statement("SELECT COUNT(*) AS n FROM public.o JOIN public.t ON o.who = t.name", columns=NUMBER)
    for collation in ("C", "default"):
        await reading.owner.execute(f'ALTER TABLE o ALTER COLUMN who TYPE text COLLATE "{collation}"')
        assert await reading.count(joined, LINKED) == 1


@pytest.mark.parametrize(
    ("done", "granted"),
    [
        (
            "REVOKE USAGE ON SCHEMA public FROM gateway_reader, PUBLIC",
            'GRANT USAGE ON SCHEMA "public" TO gateway_reader.',
        ),
        ("REVOKE SELECT (name) ON t FROM gateway_reader", 'GRANT SELECT ("name") ON "public"."t" TO gateway_reader.'),
    ],
)
async def test_a_role_that_lacks_a_right_is_told_which_before_a_query_fails(reading, done, granted):
    await reading.owner.execute(done)
    error = await told(reading.inspect())
    assert error.hint == granted
    await reading.owner.execute(granted.rstrip("."))
    assert await reading.count(COUNT) == 3


async def test_a_schema_that_is_not_there_is_named(reading):
    error = await told(reading.engine.inspect(Source("postgres", "DATA_DSN/shop"), ORDER))
    assert "no schema 'shop'" in error.detail


async def test_nothing_equals_null_whatever_the_server_is_set_to(reading):
    await reading.owner.execute(f'ALTER DATABASE "{reading.database}" SET transform_null_equals = on')
    sql = "SELECT COUNT(*) AS n FROM public.t WHERE NULLIF(name, 'a') = NULL"
    assert await reading.count(Statement(sql, columns=NUMBER)) == 0


async def test_a_double_has_all_its_digits_whatever_the_server_is_set_to(reading):
    await reading.owner.execute(f'ALTER DATABASE "{reading.database}" SET extra_float_digits = -9')
    sql = "SELECT COUNT(*) AS n FROM public.t WHERE CAST(x / CAST(3 AS FLOAT8) AS TEXT) = '0.6666666666666666'"
    assert await reading.count(Statement(sql, columns=NUMBER)) == 1


async def test_an_index_gives_every_row_whatever_the_server_is_set_to(reading):
    await reading.owner.execute(
        "CREATE TABLE o (x int PRIMARY KEY, tags int[]); INSERT INTO o SELECT g, '{1}' FROM generate_series(1, 5000) g;"
        "CREATE INDEX ON o USING gin (tags) WITH (fastupdate = off); GRANT SELECT ON o TO gateway_reader; ANALYZE o;"
        f'ALTER DATABASE "{reading.database}" SET gin_fuzzy_search_limit = 10;'
        f'ALTER DATABASE "{reading.database}" SET enable_seqscan = off'
    )
    order = InspectionOrder(("o",), (), (), ())
    assert (
        await reading.count(Statement("SELECT COUNT(*) AS n FROM public.o WHERE tags @> '{1}'", columns=NUMBER), order)
        == 5000
    )


@pytest.mark.parametrize("setting", ["zero_damaged_pages", "ignore_checksum_failure"])
async def test_a_server_that_passes_over_broken_pages_is_refused(reading, setting):
    await reading.owner.execute(f'ALTER DATABASE "{reading.database}" SET {setting} = on')
    with pytest.raises(GatewayError) as caught:
        await reading.inspect()
    assert caught.value.code == "engine_unavailable"
    assert f"has to have {setting} off" in caught.value.hint


async def test_broken_pages_are_asked_about_again_on_a_connection_that_was_kept(reading):
    sessions = Sessions(SOURCE, address(reading.database), 1, 5.0)
    connection = await sessions.acquire(5.0)
    await sessions.begin(connection)
    await connection.execute("ROLLBACK; SET zero_damaged_pages = on")
    with pytest.raises(GatewayError) as caught:
        await sessions.begin(connection)
    sessions.release(connection, whole=False)
    assert "zero_damaged_pages off" in caught.value.hint


@pytest.mark.parametrize(
    "taken",
    ["REVOKE SELECT (name) ON t FROM gateway_reader", "REVOKE USAGE ON SCHEMA public FROM gateway_reader, PUBLIC"],
)
async def test_a_right_that_is_taken_back_fails_one_query_and_no_other(reading, taken):
    stamp = (await reading.inspect()).stamp
    await reading.owner.execute(taken)
    lease = await reading.engine.lease(SOURCE, stamp)
    with pytest.raises(GatewayError) as caught:
        await lease.run(Statement("SELECT COUNT(name) AS n FROM public.t", columns=NUMBER), 5.0)
    await lease.close()
    assert caught.value.code == "query_failed"
    with pytest.raises(GatewayError) as caught:
        await reading.engine.lease(SOURCE, stamp)
    assert caught.value.code == "refresh_needed"
    assert "GRANT" in (await told(reading.inspect())).hint


async def test_nothing_of_the_schema_is_called_in_place_of_the_servers_own(reading):
    await reading.owner.execute(
        "CREATE FUNCTION times(numeric, int) RETURNS numeric LANGUAGE sql AS 'SELECT 1.0';"
        "CREATE OPERATOR * (LEFTARG = numeric, RIGHTARG = int, FUNCTION = times);"
        "CREATE FUNCTION concat_ws(text, text, text) RETURNS text LANGUAGE sql AS $$SELECT 'another'$$;"
    )
    sql = "SELECT COUNT(*) AS n FROM public.t WHERE CONCAT_WS('-'::text, name, name) = 'a-a' AND 2.0::numeric * 3::int = 6"
    assert await reading.count(Statement(sql, columns=NUMBER)) == 3


async def test_every_table_of_a_question_is_named_with_its_schema(reading):
    made = planned("SELECT COUNT(*) AS n FROM purchases JOIN customers USING (customer_id)", dataset=on_postgres(SHOP))
    ours = {table.name for table in SHOP.tables}
    for probe in made.program.measurements[0].probes:
        named = list(sqlglot.parse_one(probe.sql, read="postgres").find_all(sqlglot.exp.Table))
        assert {one.db for one in named if one.name in ours} == {"public"}
