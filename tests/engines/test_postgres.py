"""Statements on PostgreSQL by the gateway's own role, for real: their types, their moment and what they cost."""

import asyncio

import pyarrow as pa
import pytest
from support.postgres import COUNT, NUMBER

from gateway.engines import postgres_engine
from gateway.ports import InputTable, Statement


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
        'SELECT COUNT(*) AS n FROM public.t JOIN "__s" AS s ON s.c1 = t.x '
        "WHERE c2 IN (DATE '2000-02-29', DATE 'infinity') AND CAST($1 AS TEXT) = 'secret'"
    )
    inputs = (InputTable("__s", sink.getvalue().to_pybytes()),)
    lease = await provider.lease()
    rows = await lease.run(Statement(sql, ("secret",), inputs, columns=NUMBER), 5.0)
    await lease.close()
    assert rows.table().to_pylist() == [{"n": 2}]


async def test_a_lease_reads_one_moment_of_the_data(provider):
    lease = await provider.lease()
    await provider.owner.execute("INSERT INTO t VALUES (4, 'b', NULL)")  # writers are not held up
    assert (await lease.run(COUNT, 5.0)).table().to_pylist() == [{"n": 3}]
    await lease.close()
    lease = await provider.lease()
    assert (await lease.run(COUNT, 5.0)).table().to_pylist() == [{"n": 4}]
    await lease.close()


async def test_a_long_statement_tells_what_the_server_expected_to_read(provider):
    await provider.owner.execute("INSERT INTO t SELECT g, 'a' FROM generate_series(4, 30000) g")
    await provider.owner.execute("ANALYZE t")
    lease = await provider.lease()
    try:
        slow = (
            "SELECT COUNT(*) AS n FROM public.t AS a JOIN public.t AS b ON a.x <> b.x AND a.x < 400 WHERE b.name <> $1"
        )
        cost = (await lease.run(Statement(slow, ("z",), columns=NUMBER), 20.0)).cost
        quick = (await lease.run(COUNT, 20.0)).cost
    finally:
        await lease.close()
    assert cost.estimated
    assert [name for name, _ in cost.scanned] == ["t", "t"]
    assert max(rows for _, rows in cost.scanned) == pytest.approx(30_000, rel=0.1)
    assert quick.scanned == () or quick.estimated


async def test_rows_that_are_there_are_the_answer_where_nothing_is_known_of_what_was_read(provider, monkeypatch):
    monkeypatch.setattr(postgres_engine, "WORTH_MS", 0.0)
    await provider.owner.execute(
        "CREATE FUNCTION held() RETURNS boolean VOLATILE SECURITY DEFINER LANGUAGE plpgsql "
        "AS $f$ BEGIN PERFORM pg_advisory_xact_lock(7); RETURN TRUE; END $f$"
    )
    lease = await provider.lease()
    try:
        await provider.owner.execute("SELECT pg_advisory_lock(7)")
        held = Statement("SELECT COUNT(*) AS n FROM public.t WHERE x > 0 AND public.held()", columns=NUMBER)
        task = asyncio.create_task(lease.run(held, 20.0))
        while not await provider.owner.fetchval(
            "SELECT COUNT(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        ):
            await asyncio.sleep(0.01)
        await provider.owner.execute("REVOKE SELECT (x) ON t FROM gateway_reader")  # looked at as a statement begins
        await provider.owner.execute("SELECT pg_advisory_unlock(7)")
        found = await task
        assert found.table().to_pylist() == [{"n": 3}]
        assert found.cost.scanned == ()
        assert not found.cost.estimated
        await provider.owner.execute("GRANT SELECT (x) ON t TO gateway_reader")
        assert (await lease.run(COUNT, 5.0)).table().to_pylist() == [{"n": 3}]  # in the same snapshot
    finally:
        await lease.close()


async def test_a_server_that_takes_long_to_say_what_it_expects_costs_no_answer(provider, monkeypatch):
    monkeypatch.setattr(postgres_engine, "EXPECT_S", 0.5)
    await provider.owner.execute(
        "CREATE FUNCTION planned_slowly() RETURNS bigint IMMUTABLE SECURITY DEFINER LANGUAGE plpgsql "
        "AS $f$ BEGIN PERFORM pg_sleep(1.5); RETURN 9; END $f$"  # worked out each time that a plan is made
    )
    lease = await provider.lease()
    try:
        slow = Statement("SELECT COUNT(*) AS n FROM public.t WHERE x < public.planned_slowly()", columns=NUMBER)
        found = await lease.run(slow, 20.0)
        assert found.table().to_pylist() == [{"n": 3}]
        assert found.cost.wall_ms > 1400
        assert found.cost.scanned == ()
        assert (await lease.run(COUNT, 5.0)).table().to_pylist() == [{"n": 3}]
    finally:
        await lease.close()
