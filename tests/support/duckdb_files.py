"""DuckDB files of a few rows, and one statement over a lease of one."""

import duckdb
import pyarrow as pa

from gateway.engines.duckdb_source import stamp_of
from gateway.ports import Source, Statement


def make(path, rows=3):
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"CREATE TABLE t AS SELECT range AS x FROM range({rows})")
        connection.execute("CHECKPOINT")
    return path


async def run(engine, file, sql, stamp=None, deadline_s=20.0, parameters=(), *, few=False):
    lease = await engine.lease(Source("duckdb", str(file)), stamp or stamp_of(str(file)))
    try:
        rows = await lease.run(Statement(sql, parameters, few=few), deadline_s)
    finally:
        await lease.close()
    return pa.ipc.open_stream(rows.ipc).read_all(), rows.cost
