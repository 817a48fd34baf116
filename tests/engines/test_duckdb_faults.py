"""DuckDB where its file, or DuckDB itself, is not what it was: nothing wrong is answered, and the next query is."""

import os

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gateway.catalog.inspection import InspectionOrder
from gateway.catalog.scalars import sql_type
from gateway.catalog.types import TypeKind
from gateway.engines.duckdb_source import stamp_of
from gateway.errors import GatewayError
from gateway.ports import Source, Statement


async def fails(awaitable):
    with pytest.raises(GatewayError) as caught:
        await awaitable
    assert caught.value.code == "query_failed"


def made_of(path, seed, rows):
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            f"CREATE TABLE t AS SELECT CAST(hash(range * {seed}) % 1000 AS INTEGER) AS x, "
            f"CAST(hash(range + {seed}) % 1000 AS INTEGER) AS y, hash(range)::VARCHAR AS text FROM range({rows})"
        )
    return path


async def test_a_file_that_is_written_over_amid_a_lease_is_no_answer(engine, tmp_path):
    path, other = made_of(tmp_path / "data.duckdb", 1, 100_000), made_of(tmp_path / "other.duckdb", 7, 100_000)
    lease = await engine.lease(Source("duckdb", str(path)), stamp_of(str(path)))
    await lease.run(Statement("SELECT SUM(x) AS n FROM t", ()), 20)
    with path.open("r+b") as file:
        file.write(other.read_bytes())
    # x of the one file is in memory, y would be the other's
    await fails(lease.run(Statement("SELECT SUM(x) AS n, SUM(y) AS m FROM t", ()), 20))
    await lease.close()


async def test_a_fault_of_the_engine_itself_is_not_the_next_querys(engine, tmp_path):
    path, other = made_of(tmp_path / "data.duckdb", 1, 100_000), made_of(tmp_path / "other.duckdb", 7, 150_000)
    stamp, times, whole = stamp_of(str(path)), path.stat(), path.read_bytes()
    lease = await engine.lease(Source("duckdb", str(path)), stamp)
    path.write_bytes(other.read_bytes())  # what is read now breaks what DuckDB asserts of a file
    await fails(lease.run(Statement("SELECT MAX(text) AS n FROM t", ()), 20))
    await lease.close()
    path.write_bytes(whole)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    lease = await engine.lease(Source("duckdb", str(path)), stamp)
    rows = await lease.run(Statement("SELECT COUNT(*) AS n FROM t", ()), 20)
    await lease.close()
    assert rows.table().to_pylist() == [{"n": 100_000}]


async def test_nothing_computes_with_what_is_generated_as_it_is_read(engine, tmp_path):
    path = tmp_path / "data.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE people (id INTEGER, luck DOUBLE AS (random()), twice INTEGER AS (2 * id))")
        connection.execute("INSERT INTO people VALUES (1); CHECKPOINT")
    found = await engine.inspect(Source("duckdb", str(path)), InspectionOrder(("people",), ("people",), (), ()))
    (people,) = found.tables
    assert [column.type_text for column in people.columns] == ["INTEGER", "DOUBLE GENERATED", "INTEGER GENERATED"]
    assert [sql_type(column.type_text).kind for column in people.columns[1:]] == [TypeKind.OTHER] * 2
    assert found.distinct == (("people", "id", (1,)), ("people", "luck", None), ("people", "twice", None))


@pytest.mark.parametrize("other", ["orders.parquet", "Orders/part-0.parquet"])
async def test_two_tables_of_one_name_are_told_as_such(engine, tmp_path, other):
    for place in ("orders/part-0.parquet", other):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        pq.write_table(pa.table({"x": [1]}), tmp_path / place)
    with pytest.raises(GatewayError) as caught:
        await engine.lease(Source("duckdb", str(tmp_path)), stamp_of(str(tmp_path)))
    assert caught.value.code == "engine_unavailable"
    assert "one folder" in caught.value.hint
