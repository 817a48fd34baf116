"""DuckDB files that change, are held, are none, or are inspected."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from support.duckdb_files import make, run
from support.stores import refused

from gateway.catalog.inspection import InspectionOrder
from gateway.engines.duckdb_source import stamp_of
from gateway.ports import Source, Statement
from gateway.workers.worker import Worker


async def test_a_file_renamed_into_place_is_not_read_before_it_is_declared(engine, file, tmp_path):
    old = stamp_of(str(file))
    assert (await run(engine, file, "SELECT COUNT(*) AS n FROM t", old))[0].to_pylist() == [{"n": 3}]
    os.replace(make(tmp_path / "new.duckdb", rows=9), file)
    await refused(run(engine, file, "SELECT COUNT(*) AS n FROM t", old), "refresh_needed")
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
    await refused(run(engine, file, "SELECT COUNT(*) AS n FROM t", old), "refresh_needed")
    await refused(run(engine, file, "SELECT COUNT(*) AS n FROM t", old), "refresh_needed")
    assert asked == ["open", "open"], "what has changed since is opened before it is charged"
    assert (await run(engine, file, "SELECT COUNT(*) AS n FROM t"))[0].to_pydict() == {"n": [5]}
    file.unlink()
    await refused(run(engine, file, "SELECT COUNT(*) AS n FROM t", "another"), "engine_unavailable")
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
    await refused(engine.lease(Source("duckdb", str(file)), stamp_of(str(file))), "engine_unavailable")


async def test_a_file_that_a_writer_holds_is_unavailable(engine, file):
    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout.readline() == "open\n"
        error = await refused(run(engine, file, "SELECT COUNT(*) AS n FROM t"), "engine_unavailable")
        assert "writer" in error.hint
        assert str(writer.pid) not in error.detail + error.hint
        writer.stdin.close()
        writer.wait(timeout=20)
    assert (await run(engine, file, "SELECT COUNT(*) AS n FROM t"))[0].to_pylist() == [{"n": 3}]


async def test_an_unfinished_write_ahead_log_is_unavailable(engine, file):
    wal = file.with_name(file.name + ".wal")
    wal.write_bytes(b"")
    error = await refused(run(engine, file, "SELECT COUNT(*) AS n FROM t"), "engine_unavailable")
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
    error = await refused(run(engine, path, "SELECT 1 AS x", stamp), "engine_unavailable")
    assert str(tmp_path) not in error.detail + error.hint


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
    error = await refused(
        engine.inspect(Source("duckdb", str(path)), InspectionOrder(("people",), (), (), ())), "policy_invalid"
    )
    assert "COLLATE" in error.hint
