"""DuckDB in its own process, on real files: shut doors, deadlines, memory, and files that change or are held."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from gateway.catalog.inspection import InspectionOrder
from gateway.engines.duckdb_engine import DuckDBEngine, DuckDBLease
from gateway.engines.duckdb_source import connect, stamp_of
from gateway.errors import GatewayError
from gateway.ports import InputTable, Source, Statement
from gateway.workers.pool import Pool
from gateway.workers.role import Role
from gateway.workers.worker import Worker

HEAVY = "SELECT COUNT(*) AS n FROM range(100000) a, range(100000) b WHERE (a.range * b.range) % 7 = 3"


def make(path, rows=3):
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"CREATE TABLE t AS SELECT range AS x FROM range({rows})")
        connection.execute("CHECKPOINT")
    return path


@pytest.fixture
def file(tmp_path):
    return make(tmp_path / "data.duckdb")


@pytest.fixture
async def engine():
    role = Role("engine", "gateway.engines.duckdb_worker:make", {"memory_mb": 64, "threads": 1})
    pool = Pool(role, 1, 0, lambda _line: None)
    await pool.start()
    yield DuckDBEngine(pool, 20.0)
    await pool.close()


async def run(engine, file, sql, stamp=None, deadline_s=20.0, parameters=(), *, few=False):
    lease = await engine.lease(Source("duckdb", str(file)), stamp or stamp_of(str(file)))
    try:
        rows = await lease.run(Statement(sql, parameters, few=few), deadline_s)
    finally:
        await lease.close()
    return pa.ipc.open_stream(rows.ipc).read_all(), rows.cost


async def fails(awaitable, code):
    with pytest.raises(GatewayError) as caught:
        await awaitable
    assert caught.value.code == code
    return caught.value


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


async def test_a_query_over_its_deadline_is_killed_and_the_next_one_runs(engine, file):
    error = await fails(run(engine, file, HEAVY, deadline_s=0.4), "query_failed")
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
    error = await fails(run(engine, file, too_much, deadline_s=60), "query_failed")
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
        error = await fails(lease.run(Statement("SELECT error('secret value')", query_id="Q42"), 20), "query_failed")
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
    error = await fails(run(engine, file, sql), "query_failed")
    assert (error.detail, error.hint) == ("The engine could not finish the query.", "")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM '/etc/passwd'",
        "COPY t TO '/tmp/never.csv'",
        "ATTACH '/tmp/never.duckdb' AS other",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET memory_limit = '10GB'",
        "RESET lock_configuration",
        "PRAGMA threads = 8",
        "CREATE TABLE u AS SELECT 1",
        "UPDATE t SET x = 1",
        "DROP TABLE t",
        "EXPORT DATABASE '/tmp/never'",
    ],
)
def test_the_doors_of_a_connection_are_shut(file, sql):
    connection = connect(str(file), 64, 1)
    with pytest.raises(duckdb.Error):
        connection.execute(sql).fetchall()
    assert connection.execute("SELECT COUNT(*) FROM t").fetchall() == [(3,)]
    connection.close()


SHUT = {
    "access_mode": "read_only",
    "enable_external_access": False,
    "autoload_known_extensions": False,
    "autoinstall_known_extensions": False,
    "allow_community_extensions": False,
    "allow_unsigned_extensions": False,
    "python_enable_replacements": False,
    "threads": 1,
    "temp_directory": "",
    "max_temp_directory_size": "0 bytes",
    "max_expression_depth": 1000,
    "TimeZone": "UTC",
    "lock_configuration": True,
}


def test_every_setting_that_shuts_a_connection_is_there(file):
    connection = connect(str(file), 64, 1)
    found = {name: connection.execute(f"SELECT current_setting('{name}')").fetchall()[0][0] for name in SHUT}
    connection.close()
    assert found == SHUT


def test_a_variable_of_ours_is_not_read_as_a_table(file):
    secret = pa.table({"x": [1]})
    connection = connect(str(file), 64, 1)
    with pytest.raises(duckdb.Error):
        connection.execute("SELECT * FROM secret").fetchall()
    connection.close()
    assert secret.num_rows == 1


async def test_a_file_renamed_into_place_is_not_read_before_it_is_declared(engine, file, tmp_path):
    old = stamp_of(str(file))
    assert (await run(engine, file, "SELECT COUNT(*) AS n FROM t", old))[0].to_pylist() == [{"n": 3}]
    os.replace(make(tmp_path / "new.duckdb", rows=9), file)
    await fails(run(engine, file, "SELECT COUNT(*) AS n FROM t", old), "refresh_needed")
    new = stamp_of(str(file))
    assert new != old
    assert (await run(engine, file, "SELECT COUNT(*) AS n FROM t", new))[0].to_pylist() == [{"n": 9}]


async def test_a_lease_goes_on_with_the_file_that_it_opened(engine, file, tmp_path):
    lease = await engine.lease(Source("duckdb", str(file)), stamp_of(str(file)))
    os.replace(make(tmp_path / "new.duckdb", rows=9), file)
    rows = await lease.run(Statement("SELECT COUNT(*) AS n FROM t", ()), 20)
    await lease.close()
    assert pa.ipc.open_stream(rows.ipc).read_all().to_pylist() == [{"n": 3}]


async def test_a_worker_that_has_the_file_open_is_not_asked_to_open_it_and_else_each_time(
    monkeypatch, engine, file, tmp_path
):
    asked, call = [], Worker.call
    monkeypatch.setattr(Worker, "call", lambda self, method, *rest: asked.append(method) or call(self, method, *rest))
    for _ in range(3):
        await run(engine, file, "SELECT COUNT(*) AS n FROM t")
    assert asked == ["open", "run", "run", "run"]
    old = stamp_of(str(file))
    make(tmp_path / "new", 5).rename(file)
    asked.clear()
    await fails(run(engine, file, "SELECT COUNT(*) AS n FROM t", old), "refresh_needed")
    await fails(run(engine, file, "SELECT COUNT(*) AS n FROM t", old), "refresh_needed")
    assert asked == ["open", "open"], "what has changed since is opened before it is charged"
    assert (await run(engine, file, "SELECT COUNT(*) AS n FROM t"))[0].to_pydict() == {"n": [5]}
    file.unlink()
    await fails(run(engine, file, "SELECT COUNT(*) AS n FROM t", "another"), "engine_unavailable")
    assert asked == ["open", "open", "open", "run", "open"]


def runs(pid):
    """Tell whether any thread of a process is left, but for what waits to be reaped."""
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        return len(threads) > 1 or Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


async def test_a_worker_that_has_just_died_with_the_file_open_is_no_engine(engine, file):
    await run(engine, file, "SELECT COUNT(*) AS n FROM t")
    (pid,) = engine._pool.pids
    os.kill(pid, signal.SIGKILL)
    while runs(pid):
        time.sleep(0.001)  # the loop does not hear of it meanwhile
    await fails(engine.lease(Source("duckdb", str(file)), stamp_of(str(file))), "engine_unavailable")


async def test_a_file_that_a_writer_holds_is_unavailable(engine, file):
    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout.readline() == "open\n"
        error = await fails(run(engine, file, "SELECT COUNT(*) AS n FROM t"), "engine_unavailable")
        assert "writer" in error.hint
        assert str(writer.pid) not in error.detail + error.hint
        writer.stdin.close()
        writer.wait(timeout=20)
    assert (await run(engine, file, "SELECT COUNT(*) AS n FROM t"))[0].to_pylist() == [{"n": 3}]


async def test_an_unfinished_write_ahead_log_is_unavailable(engine, file):
    wal = file.with_name(file.name + ".wal")
    wal.write_bytes(b"")
    error = await fails(run(engine, file, "SELECT COUNT(*) AS n FROM t"), "engine_unavailable")
    assert "CHECKPOINT" in error.hint
    wal.unlink()
    assert (await run(engine, file, "SELECT COUNT(*) AS n FROM t"))[0].to_pylist() == [{"n": 3}]


@pytest.mark.parametrize("content", [None, b"", b"not a database" * 1000])
async def test_a_file_that_is_none(engine, tmp_path, content):
    path = tmp_path / "data.duckdb"
    if content is None:
        stamp = "1:2:3"
    else:
        path.write_bytes(content)
        stamp = stamp_of(str(path))
    error = await fails(run(engine, path, "SELECT 1 AS x", stamp), "engine_unavailable")
    assert str(tmp_path) not in error.detail + error.hint


def stream(table):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


async def test_released_tables_stand_beside_the_file_for_one_statement(engine, file):
    lease = await engine.lease(Source("duckdb", str(file)), stamp_of(str(file)))
    given = InputTable("__staged0", stream(pa.table({"c1": [1, 2, 7]})))
    sql = 'SELECT COUNT(*) AS n FROM t JOIN "__staged0" s ON s.c1 = t.x'
    rows = await lease.run(Statement(sql, (), (given,)), 20)
    assert rows.table().to_pylist() == [{"n": 2}]
    with pytest.raises(GatewayError):  # gone with the statement
        await lease.run(Statement(sql), 20)
    # a table of the same name in the file is neither read nor lost
    shadow = InputTable("t", stream(pa.table({"x": [5]})))
    rows = await lease.read(Statement("SELECT * FROM t", (), (shadow,)), 20)
    assert pa.ipc.open_stream(rows.ipc).read_all().to_pylist() == [{"x": 5}]
    rows = await lease.read(Statement("SELECT COUNT(*) AS n FROM t"), 20)
    assert pa.ipc.open_stream(rows.ipc).read_all().to_pylist() == [{"n": 3}]
    await lease.close()


async def test_released_tables_go_when_the_statement_fails(engine, file):
    lease = await engine.lease(Source("duckdb", str(file)), stamp_of(str(file)))
    given = InputTable("given", stream(pa.table({"a": [1]})))
    for _ in range(2):  # a second time: the first left nothing behind
        with pytest.raises(GatewayError):
            await lease.run(Statement("SELECT error('x') FROM given", (), (given,)), 20)
    rows = await lease.run(Statement("SELECT a FROM given", (), (given,)), 20)
    assert rows.table().to_pylist() == [{"a": 1}]
    with pytest.raises(GatewayError):
        await lease.run(Statement("SELECT 1", (), (InputTable("broken", b"no stream"),)), 20)
    await lease.close()


async def test_a_file_that_a_worker_has_open_is_inspected_by_it_and_leased_again(engine, file):
    for _ in range(2):
        assert (await run(engine, file, "SELECT COUNT(*) AS n FROM t"))[0].to_pydict() == {"n": [3]}
        found = await engine.inspect(Source("duckdb", str(file)), InspectionOrder(("t",), (), (), ()))
        assert (found.stamp, [table.name for table in found.tables]) == (stamp_of(str(file)), ["t"])


async def test_an_inspection_names_foreign_keys(engine, tmp_path):
    path = tmp_path / "data.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE people (id INTEGER PRIMARY KEY)")
        connection.execute("CREATE TABLE notes (who INTEGER REFERENCES people (id), text VARCHAR)")
        connection.execute("CHECKPOINT")
    found = await engine.inspect(Source("duckdb", str(path)), InspectionOrder(("Notes", "people"), (), (), ()))
    assert [table.references for table in found.tables] == [((("who",), "people"),), ()]


async def test_an_inspection_finds_what_a_policy_declares_in_vain(engine, tmp_path):
    path = tmp_path / "data.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE once AS SELECT * FROM (VALUES (1, 'a'), (2, 'b'), (2, NULL)) t(id, name)")
        connection.execute("CREATE TABLE listed AS SELECT range AS n FROM range(5)")
        connection.execute("CHECKPOINT")
    facts = ((("once", ("id",)), ("once", ("id", "name"))), (("once", "name"), ("once", "id")))
    for limit, cells in ((5, (0, 1, 2, 3, 4)), (4, None)):
        order = InspectionOrder(("once", "listed"), ("listed",), *facts, limit)
        found = await engine.inspect(Source("duckdb", str(path)), order)
        assert found.broken_facts == ("once.unique[id]", "once.not_null[name]")
        assert found.distinct == (("listed", "n", cells),), "a list that is cut short is no list"


async def test_a_collation_is_refused(engine, tmp_path):
    path = tmp_path / "data.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE people (id INTEGER, name VARCHAR COLLATE NOCASE)")
        connection.execute("CHECKPOINT")
    error = await fails(
        engine.inspect(Source("duckdb", str(path)), InspectionOrder(("people",), (), (), ())), "policy_invalid"
    )
    assert "COLLATE" in error.hint


async def test_a_lease_that_is_closed_twice_gives_back_nobody_elses_worker():
    given = []

    class Handed:
        def release(self):
            given.append(self)

    lease = DuckDBLease(Handed())
    await lease.close()
    await lease.close()
    assert len(given) == 1
