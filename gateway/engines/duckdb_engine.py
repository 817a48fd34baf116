"""DuckDB from the gateway's side: leases of worker processes, and the provider's own look at a file."""

import logging
import time

from gateway.catalog.inspection import EngineColumn, EngineTable, Inspection, InspectionOrder
from gateway.engines.marks import is_marked
from gateway.errors import GatewayError
from gateway.ports import EngineCost, EngineProgress, ExactRows, PublicRows, Source, Statement
from gateway.workers.pool import Pool
from gateway.workers.role import WorkerError
from gateway.workers.usage import Usage, usage
from gateway.workers.worker import Worker

log = logging.getLogger("gateway.provider")

OPEN_S = 10.0
INSPECT_S = 300.0

_PLAIN = frozenset({"BOOLEAN", "BIGINT", "VARCHAR", "DATE"})
"""Types of columns of which few rows come by way of NumPy: for others the statement would be run twice."""


class DuckDBLease:
    """A worker with the declared data open, until `close`."""

    def __init__(self, worker: Worker) -> None:
        self._worker: Worker | None = worker
        self._running: tuple[float, Usage | None] | None = None
        """Since when a statement runs, and what the process had used by then."""

    async def run(self, statement: Statement, deadline_s: float) -> ExactRows:
        """Run one statement. Raises GatewayError `query_failed` for whatever goes wrong in the engine."""
        return ExactRows(*await self._rows(statement, deadline_s))

    async def read(self, statement: Statement, deadline_s: float) -> PublicRows:
        """Run one statement over public tables alone. Raises GatewayError `query_failed` as well."""
        return PublicRows(*await self._rows(statement, deadline_s))

    async def _rows(self, statement: Statement, deadline_s: float) -> tuple[bytes, EngineCost]:
        inputs = tuple((table.name, table.ipc) for table in statement.inputs)
        argument = (statement.sql, statement.parameters, inputs, statement.query_id)
        way = "few" if statement.few and all(type_ in _PLAIN for _, type_ in statement.columns) else "run"
        assert self._worker is not None  # INVARIANT: nothing is run on what was given back
        self._running = (time.perf_counter(), usage(self._worker.pid))
        try:
            reply = await self._worker.call(way, argument, deadline_s)
        except GatewayError:
            self._worker.tag = ""  # whether it still has the data open is asked before the next lease
            raise
        except WorkerError as error:
            raise GatewayError("query_failed", "The engine could not finish the query.", "") from error
        finally:
            self._running = None
        figures = reply.header
        cost = EngineCost(
            float(figures["wall_ms"]),
            float(figures["cpu_ms"]),
            int(figures["rows"]),
            int(figures["peak_memory_bytes"]),
            tuple((str(node), int(rows)) for node, rows in figures["scanned"]),
            int(figures["read_bytes"]),
        )
        return reply.payload, cost

    async def progress(self) -> EngineProgress | None:
        """Return what the process has used for the statement that it runs."""
        if self._worker is None or self._running is None:
            return None
        since, before = self._running
        elapsed_ms, now = (time.perf_counter() - since) * 1000, usage(self._worker.pid)
        if before is None or now is None:
            return EngineProgress(elapsed_ms)
        read = now.read_bytes - before.read_bytes
        return EngineProgress(elapsed_ms, now.cpu_ms - before.cpu_ms, now.memory_bytes, read)

    async def close(self) -> None:
        """Give the worker back, once: by a second call it may be somebody else's."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.release()


class DuckDBEngine:
    """The engine port over a pool of DuckDB processes."""

    def __init__(self, pool: Pool, wait_s: float) -> None:
        self._pool = pool
        self._wait_s = wait_s

    async def lease(self, source: Source, stamp: str, party: str | None = None) -> DuckDBLease:
        """Return a worker with the data open as it was at `stamp`, in `party`'s turn.

        Raises GatewayError `refresh_needed`, `engine_unavailable` or `overloaded`.
        """
        tag = f"{stamp} {source.path}"
        worker = await self._pool.acquire(self._wait_s, prefer=tag, party=party)
        if worker.tag == tag and worker.present and is_marked(source.path, stamp):
            return DuckDBLease(worker)  # it would answer that it has the very file open
        worker.tag = ""
        try:
            await worker.call("open", (source.path, stamp), OPEN_S)
        except WorkerError as error:
            log.error("%s cannot be opened: %s", source.path, error)  # noqa: TRY400 - words, no stack
            worker.release()
            raise _unavailable() from None
        except BaseException:
            worker.release()
            raise
        worker.tag = tag
        return DuckDBLease(worker)

    async def inspect(self, source: Source, order: InspectionOrder) -> Inspection:
        """Return what the file says of a policy's tables, for its provider."""
        worker = await self._pool.acquire(self._wait_s, prefer=source.path)  # no tag is a path: the one idle longest
        worker.tag = ""  # it closes what it has open
        try:
            reply = await worker.call("inspect", (source.path, order), INSPECT_S)
        except WorkerError as error:
            log.error("%s cannot be inspected: %s", source.path, error)  # noqa: TRY400 - words, no stack
            raise _unavailable() from None
        finally:
            worker.release()
        found = reply.header["inspection"]
        return Inspection(
            stamp=str(found["stamp"]),
            tables=tuple(
                EngineTable(
                    name,
                    kind,
                    tuple(EngineColumn(c, t, bool(n)) for c, t, n in columns),
                    tuple(tuple(key) for key in unique),
                    tuple((tuple(columns_from), target) for columns_from, target in references),
                )
                for name, kind, columns, unique, references in found["tables"]
            ),
            distinct=tuple((t, c, None if cells is None else tuple(cells)) for t, c, cells in found["distinct"]),
            broken_facts=tuple(found["broken_facts"]),
        )


def _unavailable() -> GatewayError:
    return GatewayError("engine_unavailable", "The data cannot be opened now.", "Ask again in a moment.")
