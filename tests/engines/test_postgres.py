"""PostgreSQL by the gateway's own role, for real: what it may do, what is inspected, deadlines, cancels and restarts."""

import asyncio
import time

import asyncpg
import pyarrow as pa
import pytest
from support.two_engines import ROLE, SOURCE, address, connected, end, kill, new_database, own_server

from gateway.catalog.inspection import InspectionOrder
from gateway.engines.postgres_engine import PostgresEngine
from gateway.engines.postgres_sessions import Working, pinned
from gateway.errors import GatewayError
from gateway.ports import InputTable, Source, Statement

NUMBER = (("n", "BIGINT"),)
HEAVY = Statement(
    "SELECT COUNT(*) AS n FROM generate_series(1, 100000) AS a CROSS JOIN generate_series(1, 100000) AS b",
    columns=NUMBER,
)
COUNT = Statement("SELECT COUNT(*) AS n FROM t", columns=NUMBER)
ORDER = InspectionOrder(("t",), (), ((("t", ("x",))),), (), columns=(("t", "x"), ("t", "name")))
TABLE = "CREATE TABLE t (x bigint PRIMARY KEY, name text NOT NULL, kept text)"


class Provider:
    """A database of this test's own, and an engine that reads it by the gateway's role."""

    def __init__(self):
        self.database = new_database()
        self.engine = PostgresEngine({"DATA_DSN": address(self.database, "gateway_reader")}.get, 2, 5.0, 20.0)

    async def made(self, *statements):
        self.owner = await connected(self.database)
        await self.owner.execute(ROLE)
        await self.owner.execute("GRANT USAGE ON SCHEMA public TO gateway_reader")
        for statement in statements or (
            TABLE,
            "INSERT INTO t SELECT g, 'a' FROM generate_series(1, 3) g",
            "GRANT SELECT (x, name) ON t TO gateway_reader",
        ):
            await self.owner.execute(statement)
        return self

    async def inspect(self, order=ORDER):
        return await self.engine.inspect(SOURCE, order)

    async def lease(self):
        return await self.engine.lease(SOURCE, (await self.inspect()).stamp)

    async def close(self):
        await self.engine.close()
        await self.owner.close()


@pytest.fixture
async def provider():
    made = await Provider().made()
    yield made
    await made.close()


async def fails(awaitable, code):
    with pytest.raises(GatewayError) as caught:
        await awaitable
    assert caught.value.code == code
    return caught.value


async def running(provider):
    return await provider.owner.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE usename = 'gateway_reader' AND datname = $1 AND state = 'active'",
        provider.database,
    )


# -- statements -------------------------------------------------------------------------------------------------------


async def test_rows_come_in_the_types_that_are_asked_for(provider):
    columns = (("d", "DECIMAL(5,2)"), ("f", "DOUBLE"), ("t", "VARCHAR"), ("b", "BOOLEAN"), ("u", "UUID"))
    moments = (("day", "DATE"), ("at", "TIMESTAMP"), ("last", "DATE"), ("first", "TIMESTAMP"))
    sql = (
        "SELECT CAST(1.5 AS NUMERIC(5, 2)) AS d, CAST('NaN' AS FLOAT8) AS f, 'ä' AS t, TRUE AS b, "
        "CAST('00000000-0000-0000-0000-000000000001' AS UUID) AS u, DATE '2000-02-29' AS day, "
        "TIMESTAMP '1969-12-31 23:59:59.999999' AS at, DATE 'infinity' AS last, TIMESTAMP '-infinity' AS first"
    )
    lease = await provider.lease()
    table = (await lease.read(Statement(sql, columns=columns + moments), 5.0)).ipc
    await lease.close()
    table = pa.ipc.open_stream(table).read_all()
    assert [str(field.type) for field in table.schema] == [
        "decimal128(5, 2)", "double", "string", "bool", "string", "date32[day]", "timestamp[us]", "date32[day]", "timestamp[us]",
    ]  # fmt: skip
    assert table.column("day").cast(pa.int32()).to_pylist() == [11016]
    assert table.column("at").cast(pa.int64()).to_pylist() == [-1]
    assert table.column("last").cast(pa.int32()).to_pylist() == [2**31 - 1]
    assert table.column("first").cast(pa.int64()).to_pylist() == [-(2**63 - 1)]
    assert [str(v) for v in table.column("d").to_pylist()] == ["1.50"]
    assert table.column("u").to_pylist() == ["00000000-0000-0000-0000-000000000001"]


async def test_released_rows_are_read_as_arrays(provider):
    given = pa.table({"c1": pa.array([1, 3, None], pa.int64()), "c2": pa.array([11016, 2**31 - 1, None], pa.date32())})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, given.schema) as writer:
        writer.write_table(given)
    sql = (
        'WITH "__s" AS (SELECT c1, c2 FROM UNNEST(CAST($2 AS BIGINT[]), CAST($3 AS DATE[])) AS t(c1, c2)) '
        'SELECT COUNT(*) AS n FROM t JOIN "__s" AS s ON s.c1 = t.x '
        "WHERE c2 IN (DATE '2000-02-29', DATE 'infinity') AND CAST($1 AS TEXT) = 'secret'"
    )
    inputs = (InputTable("__s", sink.getvalue().to_pybytes()),)
    lease = await provider.lease()
    rows = await lease.run(Statement(sql, ("secret",), inputs, columns=NUMBER), 5.0)
    await lease.close()
    assert rows.table().to_pylist() == [{"n": 2}]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT kept AS n FROM t",
        "SELECT 1 AS n; SELECT 2 AS n",
        "INSERT INTO t VALUES (9, 'b', NULL)",
        "CREATE TEMP TABLE u AS SELECT 1 AS n",
        "SELECT lo_create(0) AS n",
        "SELECT pg_advisory_lock(1) AS n",
        "SELECT query_to_xml('SELECT 1', true, true, '') AS n",
        "SELECT CAST('secret value' AS INT) AS n",
        "not SQL at all",
    ],
)
async def test_what_the_role_may_not_do_fails_in_the_same_words(provider, sql):
    lease = await provider.lease()
    error = await fails(lease.run(Statement(sql, columns=NUMBER), 5.0), "query_failed")
    assert (error.detail, error.hint, error.__cause__) == ("The engine could not finish the query.", "", None)
    await lease.close()
    lease = await provider.lease()
    assert (await lease.run(COUNT, 5.0)).table().to_pylist() == [{"n": 3}]
    await lease.close()


async def test_every_setting_is_pinned(provider):
    lease = await provider.lease()
    wanted = pinned("public", 20.0)
    for name, value in wanted.items():
        sql = f"SELECT CAST(current_setting('{name}') AS TEXT) AS v"
        (row,) = (await lease.run(Statement(sql, columns=(("v", "VARCHAR"),)), 5.0)).table().to_pylist()
        shown = row["v"].replace("s", "000") if "timeout" in name else row["v"]
        assert shown == value or ("timeout" in name and row["v"].rstrip("smin").isdigit()), name
    (row,) = (
        (await lease.run(Statement("SELECT CAST(current_setting('transaction_read_only') AS TEXT) AS v", columns=(("v", "VARCHAR"),)), 5.0)).table().to_pylist()
    )  # fmt: skip
    assert row == {"v": "on"}
    await lease.close()


async def test_a_lease_reads_one_moment_of_the_data(provider):
    lease = await provider.lease()
    await provider.owner.execute("INSERT INTO t VALUES (4, 'b', NULL)")  # writers are not held up
    assert (await lease.run(COUNT, 5.0)).table().to_pylist() == [{"n": 3}]
    await lease.close()
    lease = await provider.lease()
    assert (await lease.run(COUNT, 5.0)).table().to_pylist() == [{"n": 4}]
    await lease.close()


# -- deadlines and restarts -------------------------------------------------------------------------------------------


async def test_a_query_over_its_deadline_is_cancelled_within_a_second(provider):
    lease = await provider.lease()
    started = time.monotonic()
    await fails(lease.run(HEAVY, 0.3), "query_failed")
    await lease.close()
    assert time.monotonic() - started < 1.3
    assert await running(provider) == 0
    lease = await provider.lease()
    assert (await lease.run(COUNT, 5.0)).table().to_pylist() == [{"n": 3}]
    await lease.close()


async def test_a_task_that_is_cancelled_takes_its_statement_along(provider):
    lease = await provider.lease()
    task = asyncio.create_task(lease.run(HEAVY, 30.0))
    while await running(provider) == 0:
        await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await lease.close()
    for _ in range(50):
        if await running(provider) == 0:
            break
        await asyncio.sleep(0.02)
    assert await running(provider) == 0


async def test_what_a_statement_is_at_is_told_while_it_runs(provider):
    lease = await provider.lease()
    assert await lease.progress() is None
    task = asyncio.create_task(lease.run(HEAVY, 30.0))
    while await running(provider) == 0:
        await asyncio.sleep(0.02)
    found = await lease.progress()
    assert found.elapsed_ms > 0
    assert found.processes == 1, "functions that make rows are not read in parallel"
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await lease.progress() is None
    await lease.close()


async def test_however_often_it_is_asked_the_server_has_one_connection_more(provider, monkeypatch):
    lease = await provider.lease()
    task = asyncio.create_task(lease.run(HEAVY, 30.0))
    while await running(provider) == 0:
        await asyncio.sleep(0.02)
    connect, there, most = lease._sessions._connect, 0, 0

    class Counted:
        def __init__(self, connection):
            self.connection, self.fetchrow = connection, connection.fetchrow

        def terminate(self):
            nonlocal there
            there -= 1
            self.connection.terminate()

    async def counted():
        nonlocal there, most
        made = Counted(await connect())
        there, most = there + 1, max(most, there + 1)
        return made

    monkeypatch.setattr(lease._sessions, "_connect", counted)
    found = await asyncio.gather(*(lease.progress() for _ in range(8)))
    assert found[0].processes == 1
    assert (most, there) == (1, 0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await lease.close()


async def test_of_a_statement_that_ended_while_it_was_asked_nothing_is_told(provider, monkeypatch):
    """Its connection may be another query's by then: of another dataset, and another provider."""
    lease = await provider.lease()
    task = asyncio.create_task(lease.run(HEAVY, 30.0))
    while await running(provider) == 0:
        await asyncio.sleep(0.02)
    working, sessions = lease._sessions.working, lease._sessions

    async def late(pid):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await lease.close()
        return await working(pid) or Working(7, None)

    monkeypatch.setattr(sessions, "working", late)
    assert await lease.progress() is None


async def test_a_statement_that_waits_says_what_for(provider):
    holder = await connected(provider.database)
    try:
        async with holder.transaction():
            lease = await provider.lease()
            await holder.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
            task = asyncio.create_task(lease.run(COUNT, 4.0))
            while (found := await lease.progress()) is None or found.waits_for is None:
                await asyncio.sleep(0.02)
        assert found.waits_for == "Lock: relation"
        assert (await task).table().to_pylist() == [{"n": 3}]
        await lease.close()
    finally:
        await holder.close()


async def test_more_leases_than_connections_wait_and_are_told(provider):
    stamp = (await provider.inspect()).stamp
    engine = PostgresEngine({"DATA_DSN": address(provider.database, "gateway_reader")}.get, 1, 0.3, 20.0)
    engine._tables = dict(provider.engine._tables)
    held = await engine.lease(SOURCE, stamp)
    await fails(engine.lease(SOURCE, stamp), "overloaded")
    await held.close()
    await held.close()  # a second time gives nothing back
    await (await engine.lease(SOURCE, stamp)).close()
    await engine.close()


async def test_nothing_is_known_of_a_variable_that_is_not_set(provider):
    await fails(provider.engine.lease(Source("postgres", "OTHER/public"), "x"), "engine_unavailable")


async def soon(engine, stamp):
    """Return a lease as soon as there is one, within ten seconds."""
    started = time.monotonic()
    while True:
        try:
            return await engine.lease(SOURCE, stamp)
        except GatewayError as error:
            assert error.code == "engine_unavailable"
            assert time.monotonic() - started < 10
            await asyncio.sleep(0.1)


async def test_a_server_that_is_killed_is_read_again_within_seconds():
    own = await asyncio.to_thread(own_server)
    try:
        place = own.get_uri()
        owner = await asyncpg.connect(place)
        await owner.execute(TABLE)
        await owner.execute("INSERT INTO t SELECT g, 'a' FROM generate_series(1, 3) g")
        engine = PostgresEngine({"DATA_DSN": place}.get, 3, 5.0, 20.0)
        stamp = (await engine.inspect(SOURCE, ORDER)).stamp
        leases = [await engine.lease(SOURCE, stamp) for _ in range(2)]
        tasks = [asyncio.create_task(lease.run(HEAVY, 60.0)) for lease in leases]
        await asyncio.sleep(0.3)
        kill(own)
        done = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 20)
        assert [getattr(error, "code", error) for error in done] == ["query_failed"] * 2
        for lease in leases:
            await lease.close()
        await fails(engine.lease(SOURCE, stamp), "engine_unavailable")
        started = time.monotonic()
        await fails(engine.lease(SOURCE, stamp), "engine_unavailable")  # within the pause: at once
        assert time.monotonic() - started < 0.1
        owner.terminate()
        await asyncio.to_thread(own.ensure_postgres_running)
        lease = await soon(engine, stamp)
        assert (await lease.run(COUNT, 5.0)).table().to_pylist() == [{"n": 3}]
        await lease.close()
        await engine.close()
    finally:
        end(own)


# -- what is inspected ------------------------------------------------------------------------------------------------


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
        error = await fails(provider.inspect(), "policy_invalid")
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
    await fails(provider.inspect(InspectionOrder(("p1",), (), (), ())), "policy_invalid")


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
        await fails(provider.engine.lease(SOURCE, stamp), "refresh_needed")


async def test_what_the_role_may_do_beyond_the_policy_is_told(provider):
    assert (await provider.inspect()).warnings == ()
    await provider.owner.execute("CREATE TABLE secrets (a int); GRANT SELECT ON t, secrets TO gateway_reader")
    await provider.owner.execute(f'GRANT TEMPORARY ON DATABASE "{provider.database}" TO gateway_reader')
    told = " ".join((await provider.inspect()).warnings)
    assert "secrets.a" in told
    assert "t.kept" in told
    assert "TEMPORARY" in told
    owner = PostgresEngine({"DATA_DSN": address(provider.database)}.get, 1, 5.0, 20.0)
    assert "superuser" in " ".join((await owner.inspect(SOURCE, ORDER)).warnings)
    await owner.close()


@pytest.mark.parametrize(
    ("granted", "taken", "told"),
    [
        ("GRANT UPDATE (name) ON t TO gateway_reader", "", "write to t"),
        ("GRANT DELETE ON t TO gateway_reader", "", "write to t"),
        ("GRANT CREATE ON SCHEMA public TO gateway_reader", "", "CREATE on the schema"),
        ("ALTER ROLE gateway_reader CREATEDB", "ALTER ROLE gateway_reader NOCREATEDB", "make databases"),
        ("GRANT pg_read_all_data TO gateway_reader", "REVOKE pg_read_all_data FROM gateway_reader", "pg_read_all_data"),
    ],
)
async def test_a_role_that_may_do_more_than_read_is_told(provider, granted, taken, told):
    try:
        await provider.owner.execute(granted)
        assert told in " ".join((await provider.inspect()).warnings)
    finally:
        if taken:  # roles are the whole server's
            await provider.owner.execute(taken)


async def test_a_long_statement_tells_what_the_server_expected_to_read(provider):
    await provider.owner.execute("INSERT INTO t SELECT g, 'a' FROM generate_series(4, 30000) g")
    await provider.owner.execute("ANALYZE t")
    lease = await provider.lease()
    try:
        slow = "SELECT COUNT(*) AS n FROM t AS a JOIN t AS b ON a.x <> b.x AND a.x < 400 WHERE b.name <> $1"
        cost = (await lease.run(Statement(slow, ("z",), columns=NUMBER), 20.0)).cost
        quick = (await lease.run(COUNT, 20.0)).cost
    finally:
        await lease.close()
    assert cost.estimated
    assert [name for name, _ in cost.scanned] == ["t", "t"]
    assert max(rows for _, rows in cost.scanned) == pytest.approx(30_000, rel=0.1)
    assert quick.scanned == () or quick.estimated
