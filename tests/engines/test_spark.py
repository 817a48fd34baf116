"""Spark over a real server: which files are read, what is inspected, deadlines, cancels, kills and restarts."""

import asyncio
import importlib.util
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.answers import ipc_of
from support.spark import VARIABLE, Server, new_folder, server

from gateway.catalog.inspection import InspectionOrder
from gateway.engines import spark_sessions
from gateway.engines.spark_engine import SparkEngine
from gateway.errors import GatewayError
from gateway.ports import InputTable, Source, Statement

pytestmark = pytest.mark.spark

NUMBER = (("n", "BIGINT"),)
COUNT = Statement("SELECT COUNT(*) AS n FROM `t`", query_id="Q1", columns=NUMBER)
HEAVY = Statement(
    "SELECT COUNT(*) AS n FROM range(1000000000000) AS r WHERE (r.id * r.id) % 7 = 3",
    query_id="Q2",
    columns=NUMBER,
)
ORDER = InspectionOrder(("t",), (), ((("t", ("x",))),), (("t", "x"),), columns=(("t", "x"), ("t", "name")))
ROWS = 600


def rows(start=0, count=ROWS):
    numbers = range(start, start + count)
    return pa.table({"x": pa.array(numbers, pa.int64()), "name": [f"n{i}" for i in numbers]})


class Provider:
    """A folder of this test's own, written by several workers, and an engine that reads it."""

    def __init__(self, url=None):
        self.folder = new_folder()
        self.source = Source("spark", f"{VARIABLE}/file:{self.folder}")
        self.engine = SparkEngine({VARIABLE: url or server().url}.get, 2, 30.0)
        for worker in range(3):
            self.write("t", worker, rows(worker * 200, 200))

    def write(self, table, worker, found):
        (self.folder / table).mkdir(exist_ok=True)
        pq.write_table(found, self.folder / table / f"part-{worker}.parquet")

    async def inspect(self, order=ORDER):
        return await self.engine.inspect(self.source, order)

    async def lease(self):
        return await self.engine.lease(self.source, (await self.inspect()).stamp)


@pytest.fixture
async def provider():
    made = Provider()
    yield made
    await made.engine.close()


async def fails(awaitable, code):
    with pytest.raises(GatewayError) as caught:
        await awaitable
    assert caught.value.code == code
    return caught.value


async def count(lease):
    return (await lease.run(COUNT, 30.0)).table().to_pylist()[0]["n"]


# -- what is read -----------------------------------------------------------------------------------------------------


async def test_a_lease_reads_what_several_workers_wrote_and_tells_what_it_scanned(provider):
    lease = await provider.lease()
    found = await lease.run(COUNT, 30.0)
    assert found.table().to_pylist() == [{"n": ROWS}]
    ((node, scanned),) = found.cost.scanned
    assert node.startswith("Scan parquet")
    assert scanned == ROWS
    assert found.cost.wall_ms > 0
    await lease.close()


async def test_files_that_change_have_to_be_declared(provider):
    stamp = (await provider.inspect()).stamp
    lease = await provider.engine.lease(provider.source, stamp)
    assert await count(lease) == ROWS
    await lease.close()
    provider.write("t", 3, rows(600, 5))
    await fails(provider.engine.lease(provider.source, stamp), "refresh_needed")
    declared = (await provider.inspect()).stamp
    assert declared != stamp
    lease = await provider.engine.lease(provider.source, declared)
    assert await count(lease) == ROWS + 5
    await lease.close()
    (provider.folder / "t" / "part-3.parquet").unlink()
    await fails(provider.engine.lease(provider.source, declared), "refresh_needed")
    lease = await provider.engine.lease(provider.source, stamp)  # the very files of before
    assert await count(lease) == ROWS
    await lease.close()


async def test_what_is_written_behind_a_lease_is_not_read_and_what_is_overwritten_is_no_answer(provider, caplog):
    lease = await provider.lease()
    assert await count(lease) == ROWS
    provider.write("t", 2, rows(400, 100))
    await fails(lease.run(COUNT, 30.0), "query_failed")
    assert "query Q1" in caplog.text
    await lease.close()


async def test_a_folder_that_is_gone_has_to_be_declared(provider):
    stamp = (await provider.inspect()).stamp
    for file in (provider.folder / "t").iterdir():
        file.unlink()
    (provider.folder / "t").rmdir()
    await fails(provider.engine.lease(provider.source, stamp), "refresh_needed")
    assert (await provider.inspect()).tables == ()


async def test_released_rows_are_read_as_they_are_and_the_secret_is_bound(provider):
    moment = datetime(1066, 10, 14, 9, 0, 0, 1)
    released = pa.table({
        "k": pa.array([1, None], pa.int64()), "t": ["it's \\ ${x}", None], "d": [Decimal("12.50"), None],
        "f": [0.1, float("nan")], "b": [True, None], "day": [date(1500, 2, 28), None],
        "moment": pa.array([moment, None], pa.timestamp("us")),
    })  # fmt: skip
    statement = Statement(
        "SELECT k, t, d, f, b, day, moment, MD5(CAST(? AS STRING) || t) AS m FROM `__released` ORDER BY k NULLS LAST",
        ("secret",),
        (InputTable("__released", ipc_of(released)),),
        "Q3",
        (("k", "BIGINT"), ("t", "VARCHAR"), ("d", "DECIMAL(4,2)"), ("f", "DOUBLE"), ("b", "BOOLEAN"), ("day", "DATE"),
         ("moment", "TIMESTAMP"), ("m", "VARCHAR")),
    )  # fmt: skip
    lease = await provider.lease()
    found = (await lease.run(statement, 30.0)).table()
    await fails(lease.run(statement.__class__("SELECT k AS n FROM `__released`", columns=NUMBER), 30.0), "query_failed")
    await lease.close()
    import hashlib

    first, second = found.to_pylist()
    assert [first[name] for name in ("k", "t", "d", "f", "b", "day", "moment")] == [
        1, "it's \\ ${x}", Decimal("12.50"), 0.1, True, date(1500, 2, 28), moment,
    ]  # fmt: skip
    assert first["m"] == hashlib.md5(usedforsecurity=False, string=b"secretit's \\ ${x}").hexdigest()
    assert second["f"] != second["f"]
    assert second["moment"] is None


async def test_a_statement_and_the_files_behind_it_are_one_round_trip_each(provider, monkeypatch):
    lease = await provider.lease()
    client, asked = lease._session._spark.client, []
    for name in ("_analyze", "config", "execute_command", "_execute_and_fetch"):
        made = getattr(client, name)
        monkeypatch.setattr(client, name, lambda *a, name=name, made=made, **k: (asked.append(name), made(*a, **k))[1])
    assert await count(lease) == ROWS
    assert asked == ["_execute_and_fetch"] * 2
    await lease.close()


async def test_an_exists_over_a_union_is_computed(provider):
    lease = await provider.lease()
    both = "SELECT x FROM `t` UNION ALL SELECT x + 1 AS x FROM `t`"
    mark = "EXISTS(SELECT 1 FROM (SELECT x AS y, name FROM `t`) AS b WHERE y = x AND name = 'n7')"
    sql = f"SELECT COUNT(*) AS n FROM (SELECT x, {mark} AS e FROM ({both}) AS a) AS r WHERE x > 590 OR e"
    assert (await lease.run(Statement(sql, columns=NUMBER), 30.0)).table().to_pylist() == [{"n": 9 + 10 + 2}]
    await lease.close()


# -- what is inspected ------------------------------------------------------------------------------------------------


async def test_types_values_and_facts_are_those_of_the_files(provider):
    utc = pa.timestamp("us", "UTC")
    for worker in range(2):
        provider.write("u", worker, pa.table({
            "a": pa.array([worker], pa.int16()), "b": pa.array([1], pa.int32()), "c": pa.array([1.5], pa.float32()),
            "d": [2.5], "e": [Decimal("1.50")], "g": ["x"], "i": [date(2000, 1, 1 + worker)],
            "j": pa.array([datetime(2000, 1, 1)], pa.timestamp("us")), "k": pa.array([datetime(2000, 1, 1)], utc),
            "l": [True], "m": [b"raw"], "n": [[1]],
        }))  # fmt: skip
    order = InspectionOrder(
        ("t", "u", "missing"), ("u",), (("u", ("b",)), ("t", ("x",)), ("u", ("a", "i"))), (("t", "x"),)
    )
    found = await provider.inspect(order)
    t, u = found.tables
    assert [(c.name, c.type_text, c.nullable) for c in t.columns] == [("x", "BIGINT", True), ("name", "VARCHAR", True)]
    assert [c.type_text for c in u.columns] == [
        "SMALLINT", "INTEGER", "FLOAT", "DOUBLE", "DECIMAL(3,2)", "VARCHAR", "DATE", "TIMESTAMP", "timestamp",
        "BOOLEAN", "binary", "array<bigint>",
    ]  # fmt: skip
    assert found.broken_facts == ("u.unique[b]",)
    cells = {column: values for _, column, values in found.distinct}
    assert cells["a"] == (0, 1)
    assert cells["e"] == ("1.50",)
    assert cells["i"] == ("2000-01-01", "2000-01-02")
    assert cells["c"] is None
    assert found.place == f"file:{provider.folder}"
    assert not found.live


async def test_a_null_in_a_column_that_is_declared_to_have_none_is_told(provider):
    provider.write("t", 3, pa.table({"x": pa.array([None], pa.int64()), "name": ["n"]}))
    assert (await provider.inspect()).broken_facts == ("t.not_null[x]",)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda folder: (folder / "t" / "more.csv").write_text("x\n1\n"), "more.csv"),
        (lambda folder: ((folder / "t" / "p=1").mkdir(), pq.write_table(rows(), folder / "t" / "p=1" / "a.parquet")), "folders below"),
        (lambda folder: pq.write_table(rows(), folder / "t" / "part-[9].parquet"), "patterns"),
        (lambda folder: ((folder / "t" / "_delta_log").mkdir(), (folder / "t" / "_delta_log" / "00.json").write_text("{}")), "_delta_log"),
        (lambda folder: ((folder / "t" / ".hoodie").mkdir(), (folder / "t" / ".hoodie" / "hoodie.properties").write_text("a=b")), ".hoodie"),
        (lambda folder: ((folder / "t" / "_temporary" / "0" / "task_1").mkdir(parents=True),
            pq.write_table(rows(), folder / "t" / "_temporary" / "0" / "task_1" / "part-9.parquet")), "_temporary"),
        (lambda folder: pq.write_table(
            pa.table({"x": pa.array([9999], pa.int64()), "name": pa.array([b"\xff\xfe"]).view(pa.utf8())}),
            folder / "t" / "part-9.parquet"), "UTF-8"),
    ],
)  # fmt: skip
async def test_what_is_no_plain_table_is_refused_by_name(provider, make, told):
    make(provider.folder)
    error = await fails(provider.inspect(), "policy_invalid")
    assert told in error.detail


async def test_what_spark_itself_writes_beside_its_files_is_no_table_format(provider):
    for name in ("_SUCCESS", "._SUCCESS.crc", "_started"):
        (provider.folder / "t" / name).write_bytes(b"")
    (provider.folder / "t" / "_temporary").mkdir()
    lease = await provider.lease()
    assert await count(lease) == ROWS
    await lease.close()


@pytest.mark.parametrize("order", [
    InspectionOrder(("t",), (), (("t", ("x", "raw")),), ()), InspectionOrder(("t",), (), (), (("t", "raw"),)),
])  # fmt: skip
async def test_what_is_declared_of_a_column_that_nothing_computes_with_is_refused(provider, order):
    for worker in range(3):
        file = provider.folder / "t" / f"part-{worker}.parquet"
        found = pq.read_table(file)
        pq.write_table(found.append_column("raw", pa.array([None] * found.num_rows, pa.binary())), file)
    error = await fails(provider.inspect(order), "policy_invalid")
    assert "'raw'" in error.detail
    assert "binary" in error.detail


async def test_files_of_several_schemas_are_one_table_only_where_they_agree(provider):
    provider.write("t", 3, pa.table({"x": ["a text"], "name": ["n"]}))
    await fails(provider.inspect(), "engine_unavailable")


# -- deadlines, cancels, the way to the server ------------------------------------------------------------------------


async def test_a_statement_ends_at_its_deadline_and_its_session_goes_on(provider):
    lease = await provider.lease()
    await count(lease)
    started = time.monotonic()
    await fails(lease.run(HEAVY, 1.0), "query_failed")
    assert time.monotonic() - started < 2.0
    await lease.close()
    started = time.monotonic()
    lease = await provider.lease()
    assert await count(lease) == ROWS
    assert time.monotonic() - started < 10
    await lease.close()


async def test_a_statement_ends_with_its_caller(provider):
    lease = await provider.lease()
    task = asyncio.create_task(lease.run(HEAVY, 60.0))
    await asyncio.sleep(1.0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    started = time.monotonic()
    await lease.close()  # waits for the end on the server
    assert time.monotonic() - started < 2.5
    lease = await provider.lease()
    assert await count(lease) == ROWS
    await lease.close()


async def test_the_tasks_of_a_statement_are_told_while_it_runs(provider):
    lease = await provider.lease()
    assert await lease.progress() is None
    task = asyncio.create_task(lease.run(HEAVY, 60.0))
    found = None
    while found is None or found.tasks is None:
        await asyncio.sleep(0.1)
        found = await lease.progress()
    done, known = found.tasks
    assert 0 <= done < known
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await lease.close()


async def test_sessions_are_bounded(provider):
    stamp = (await provider.inspect()).stamp
    engine = SparkEngine({VARIABLE: server().url}.get, 1, 0.2)
    await engine.inspect(provider.source, ORDER)
    lease = await engine.lease(provider.source, stamp)
    await fails(engine.lease(provider.source, stamp), "overloaded")
    await lease.close()
    await (await engine.lease(provider.source, stamp)).close()
    await engine.close()


async def test_the_words_of_the_engine_are_the_providers_alone(provider, caplog):
    lease = await provider.lease()
    error = await fails(
        lease.run(Statement("SELECT secret_column AS n FROM `t`", query_id="Q9", columns=NUMBER), 30.0), "query_failed"
    )
    assert "secret_column" not in f"{error.detail} {error.hint}"
    assert error.__cause__ is None
    told = [record for record in caplog.records if record.name == "gateway.provider"]
    assert "query Q9" in told[-1].getMessage()
    assert "secret_column" in told[-1].getMessage()
    assert {record.name for record in caplog.records if record.levelno >= logging.WARNING} == {"gateway.provider"}
    await lease.close()


async def test_a_server_that_is_killed_ends_every_lease_and_is_found_again():
    own = Server()
    try:
        provider = Provider(own.url)
        stamp = (await provider.inspect()).stamp
        leases = [await provider.engine.lease(provider.source, stamp) for _ in range(2)]
        tasks = [asyncio.create_task(lease.run(HEAVY, 60.0)) for lease in leases]
        await asyncio.sleep(1.0)
        own.kill()
        done = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
        assert [getattr(error, "code", error) for error in done] == ["query_failed"] * 2
        for lease in leases:
            await lease.close()
        await fails(provider.engine.lease(provider.source, stamp), "engine_unavailable")
        started = time.monotonic()
        await fails(provider.engine.lease(provider.source, stamp), "engine_unavailable")  # within the pause: at once
        assert time.monotonic() - started < 0.2
        await asyncio.to_thread(own.start)
        until = time.monotonic() + 40
        while True:
            try:
                lease = await provider.engine.lease(provider.source, stamp)
                break
            except GatewayError as error:
                assert error.code == "engine_unavailable"
                assert time.monotonic() < until
                await asyncio.sleep(0.2)
        assert await count(lease) == ROWS
        await lease.close()
        await provider.engine.close()
    finally:
        own.end()


async def test_a_server_that_takes_a_call_and_says_nothing_keeps_no_thread(provider, monkeypatch):
    import grpc

    asked, over = threading.Event(), threading.Event()

    class Silent(grpc.GenericRpcHandler):
        def service(self, _call):
            asked.set()
            return grpc.unary_unary_rpc_method_handler(lambda *_: over.wait(30))

    silent = grpc.server(ThreadPoolExecutor(2), handlers=[Silent()])
    port = silent.add_insecure_port("127.0.0.1:0")
    silent.start()
    monkeypatch.setattr(spark_sessions, "CONNECT_S", 5.0)
    engine = SparkEngine({VARIABLE: f"sc://127.0.0.1:{port}"}.get, 1, 1.0)
    before = set(threading.enumerate())
    try:
        await fails(engine.inspect(provider.source, ORDER), "engine_unavailable")
        assert asked.is_set()
        for thread in {one for one in threading.enumerate() if one.name.startswith("spark")} - before:
            await asyncio.to_thread(thread.join, 10)
            assert not thread.is_alive()
    finally:
        over.set()
        silent.stop(None)
        await engine.close()


async def test_what_is_missing_is_named_to_the_provider(provider, caplog, monkeypatch):
    engine = SparkEngine({}.get, 1, 1.0)
    error = await fails(engine.inspect(provider.source, ORDER), "engine_unavailable")
    assert "environment variable" in error.hint
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert not spark_sessions.installed()
    error = await fails(engine.inspect(provider.source, ORDER), "engine_unavailable")
    assert "extra `spark`" in error.hint
    assert "controlled-query-gateway[spark]" in caplog.text
