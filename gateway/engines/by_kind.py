"""The engines of a gateway, one for each kind of source; the policy says which holds a dataset."""

from typing import Protocol

from gateway.catalog.inspection import Inspection, InspectionOrder
from gateway.engines.duckdb_engine import DuckDBEngine
from gateway.engines.postgres_engine import PostgresEngine
from gateway.engines.spark_engine import SparkEngine
from gateway.ports import Engine, Lease, Source


class Inspecting(Engine, Protocol):
    """An engine as its provider needs it: one that also tells of tables. May raise GatewayError."""

    async def inspect(self, source: Source, order: InspectionOrder) -> Inspection:
        """Return what the engine says of a policy's tables."""
        ...


class Engines:
    """All engines behind one."""

    def __init__(self, duckdb: DuckDBEngine, postgres: PostgresEngine, spark: SparkEngine) -> None:
        self._duckdb = duckdb
        self._postgres = postgres
        self._spark = spark

    def _of(self, source: Source) -> Inspecting:
        match source.kind:
            case "postgres":
                return self._postgres
            case "spark":
                return self._spark
            case _:
                return self._duckdb

    async def lease(self, source: Source, stamp: str, party: str | None = None) -> Lease:
        """Hold an engine with the declared data open. Raises `refresh_needed`, `engine_unavailable`, `overloaded`."""
        return await self._of(source).lease(source, stamp, party)

    async def inspect(self, source: Source, order: InspectionOrder) -> Inspection:
        """Return what the engine says of a policy's tables."""
        return await self._of(source).inspect(source, order)

    async def close(self) -> None:
        """Let the connections go; processes are their pool's to end."""
        await self._postgres.close()
        await self._spark.close()
