"""A provider's database in PostgreSQL, and an engine that reads it by the gateway's own role."""

import asyncio

from gateway.catalog.inspection import InspectionOrder
from gateway.engines.postgres_engine import PostgresEngine
from gateway.ports import Statement
from support.two_engines import ROLE, SOURCE, address, connected, new_database

NUMBER = (("n", "BIGINT"),)
HEAVY = Statement(
    "SELECT COUNT(*) AS n FROM generate_series(1, 100000) AS a CROSS JOIN generate_series(1, 100000) AS b",
    columns=NUMBER,
)
COUNT = Statement("SELECT COUNT(*) AS n FROM public.t", columns=NUMBER)
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


async def at_work(provider, lease):
    """Return the task of a heavy statement, once the server works on it."""
    task = asyncio.create_task(lease.run(HEAVY, 30.0))
    while await running(provider) == 0:
        await asyncio.sleep(0.02)
    return task


async def running(provider):
    return await provider.owner.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE usename = 'gateway_reader' AND datname = $1 AND state = 'active'",
        provider.database,
    )
