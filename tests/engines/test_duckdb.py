"""Statements in DuckDB's own process, on real files: rows and their cost, deadlines, memory, released tables, failures."""

import asyncio

import pyarrow as pa
import pytest
from support.answers import ipc_of
from support.duckdb_files import make, run
from support.stores import refused

from gateway.engines.duckdb_engine import DuckDBEngine, DuckDBLease
from gateway.engines.duckdb_source import stamp_of
from gateway.errors import GatewayError
from gateway.ports import InputTable, Source, Statement
from gateway.workers.pool import Pool
from gateway.workers.role import Role

HEAVY = "SELECT COUNT(*) AS n FROM range(100000) a, range(100000) b WHERE (a.range * b.range) % 7 = 3"


async def test_what_a_statement_read_is_told_beside_released_rows(engine, file):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, pa.schema([("o1", pa.int64())])) as writer:
        writer.write_table(pa.table({"o1": pa.array([1, 2], pa.int64())}))
    lease = await engine.lease(Source("duckdb", str(file)), stamp_of(str(file)))
    inputs = (InputTable("__staged0", sink.getvalue().to_pybytes()),)
    sql = "SELECT COUNT(*) AS n FROM t, __staged0 WHERE CAST(x AS VARCHAR) <> CAST(o1 AS VARCHAR)"
    found = await lease.run(Statement(sql, inputs=inputs), 20.0)
    await lease.close()
    assert dict(found.cost.scanned) == {"t": 3, "__staged0": 2}


@pytest.mark.parametrize("few", [False, True])
async def test_rows_and_their_cost(engine, file, few):
    table, cost = await run(
        engine, file, "SELECT COUNT(*) AS n FROM t WHERE CAST(x AS VARCHAR) <> ?", parameters=("1",), few=few
    )
    assert table.to_pylist() == [{"n": 2}]
    assert cost.rows == 1
    assert cost.wall_ms > 0
    assert cost.peak_memory_bytes > 0
    assert cost.scanned == (("t", 3),)
    assert not cost.estimated


@pytest.mark.parametrize("type_", ["DECIMAL(9,2)", "TIMESTAMP", "BIGINT"])
async def test_what_few_rows_took_from_disk_is_told_whatever_their_types(engine, tmp_path, type_):
    """A statement that is run twice takes twice the time, and the second time finds in memory what it reads."""
    path = make(tmp_path / "data.duckdb", 300_000)
    value = {"DECIMAL(9,2)": "1.5", "TIMESTAMP": "'2026-01-01'", "BIGINT": "1"}[type_]
    columns = (("k0", type_), ("n", "BIGINT"))
    sql = f"SELECT CAST({value} AS {type_}) AS k0, COUNT(*) AS n FROM t WHERE CAST(x AS VARCHAR) <> '1' GROUP BY 1"
    lease = await engine.lease(Source("duckdb", str(path)), stamp_of(str(path)))
    found = await lease.run(Statement(sql, columns=columns, few=True), 20.0)
    await lease.close()
    assert pa.ipc.open_stream(found.ipc).read_all().column("n").to_pylist() == [299_999]
    assert found.cost.read_bytes > 100_000


async def test_many_rows_arrive_whole_in_fewer_bytes_than_they_are(engine, file):
    lease = await engine.lease(Source("duckdb", str(file)), stamp_of(str(file)))
    try:
        rows = await lease.run(Statement("SELECT range % 7 AS x, range AS y FROM range(200000)"), 20.0)
    finally:
        await lease.close()
    table = pa.ipc.open_stream(rows.ipc).read_all()
    assert table.equals(pa.table({"x": [i % 7 for i in range(200_000)], "y": range(200_000)}))
    assert len(rows.ipc) < table.nbytes * 3 / 4


async def test_a_query_over_its_deadline_is_killed_and_the_next_one_runs(engine, file):
    error = await refused(run(engine, file, HEAVY, deadline_s=0.4), "query_failed")
    assert error.detail == "The engine could not finish the query."
    table, _ = await run(engine, file, "SELECT COUNT(*) AS n FROM t")
    assert table.to_pylist() == [{"n": 3}]


async def test_what_a_statement_has_used_is_told_while_it_runs(engine, file):
    lease = await engine.lease(Source("duckdb", str(file)), stamp_of(str(file)))
    assert await lease.progress() is None
    task = asyncio.create_task(lease.run(Statement(HEAVY), 20.0))
    while (first := await lease.progress()) is None or first.cpu_ms == 0:
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.1)
    later = await lease.progress()
    assert later.elapsed_ms > first.elapsed_ms
    assert later.cpu_ms >= first.cpu_ms > 0
    assert later.memory_bytes > 1_000_000
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await lease.close()
    assert await lease.progress() is None


async def test_a_query_over_its_memory_fails_in_the_same_words(engine, file):
    too_much = "SELECT string_agg(md5(CAST(range AS VARCHAR)), '') AS s FROM range(20000000)"
    error = await refused(run(engine, file, too_much, deadline_s=60), "query_failed")
    assert error.detail == "The engine could not finish the query."
    table, _ = await run(engine, file, "SELECT COUNT(*) AS n FROM t")
    assert table.to_pylist() == [{"n": 3}]


async def test_what_the_engine_says_goes_to_the_log_with_the_query_alone(file):
    said = []
    pool = Pool(
        Role("engine", "gateway.engines.duckdb_worker:make", {"memory_mb": 64, "threads": 1}), 1, 0, said.append
    )
    await pool.start()
    try:
        lease = await DuckDBEngine(pool, 20.0).lease(Source("duckdb", str(file)), stamp_of(str(file)))
        error = await refused(lease.run(Statement("SELECT error('secret value')", query_id="Q42"), 20), "query_failed")
        await lease.close()
    finally:
        await pool.close()
    assert "secret" not in f"{error} {error.hint}"
    (line,) = [line for line in said if "secret value" in line]
    assert "query Q42:" in line


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT CAST('secret value' AS INTEGER) AS x",
        "SELECT x FROM missing_table",
        "SELECT error('secret value') AS x",
        "SELECT 1 AS a; SELECT 2 AS b",
        "INSERT INTO t VALUES (1)",
        "CREATE TEMP TABLE kept AS SELECT 1 AS x",
        "EXPLAIN SELECT 1",
        "not SQL at all",
    ],
)
async def test_every_failure_has_the_same_words(engine, file, sql):
    error = await refused(run(engine, file, sql), "query_failed")
    assert (error.detail, error.hint) == ("The engine could not finish the query.", "")


async def test_released_tables_stand_beside_the_file_for_one_statement(engine, file):
    lease = await engine.lease(Source("duckdb", str(file)), stamp_of(str(file)))
    given = InputTable("__staged0", ipc_of(pa.table({"c1": [1, 2, 7]})))
    sql = 'SELECT COUNT(*) AS n FROM t JOIN "__staged0" s ON s.c1 = t.x'
    rows = await lease.run(Statement(sql, (), (given,)), 20)
    assert rows.table().to_pylist() == [{"n": 2}]
    with pytest.raises(GatewayError):  # gone with the statement
        await lease.run(Statement(sql), 20)
    # a table of the same name in the file is neither read nor lost
    shadow = InputTable("t", ipc_of(pa.table({"x": [5]})))
    rows = await lease.read(Statement("SELECT * FROM t", (), (shadow,)), 20)
    assert pa.ipc.open_stream(rows.ipc).read_all().to_pylist() == [{"x": 5}]
    rows = await lease.read(Statement("SELECT COUNT(*) AS n FROM t"), 20)
    assert pa.ipc.open_stream(rows.ipc).read_all().to_pylist() == [{"n": 3}]
    await lease.close()


async def test_released_tables_go_when_the_statement_fails(engine, file):
    lease = await engine.lease(Source("duckdb", str(file)), stamp_of(str(file)))
    given = InputTable("given", ipc_of(pa.table({"a": [1]})))
    for _ in range(2):  # a second time: the first left nothing behind
        with pytest.raises(GatewayError):
            await lease.run(Statement("SELECT error('x') FROM given", (), (given,)), 20)
    rows = await lease.run(Statement("SELECT a FROM given", (), (given,)), 20)
    assert rows.table().to_pylist() == [{"a": 1}]
    with pytest.raises(GatewayError):
        await lease.run(Statement("SELECT 1", (), (InputTable("broken", b"no stream"),)), 20)
    await lease.close()


async def test_a_lease_that_is_closed_twice_gives_back_nobody_elses_worker():
    given = []

    class Handed:
        def release(self):
            given.append(self)

    lease = DuckDBLease(Handed())
    await lease.close()
    await lease.close()
    assert len(given) == 1
