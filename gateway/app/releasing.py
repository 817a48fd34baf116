"""Steps 10 and 11 as the pipeline sees them: noise and post-processing in worker processes, results as plain data."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import ParamSpec, TypeVar

from pydantic import TypeAdapter

from gateway.answer import Finished, Known
from gateway.catalog.listing import Listing, LookedUp
from gateway.engines.plain import plain_rows
from gateway.errors import GatewayError
from gateway.ports import ExactRows
from gateway.privacy.measurement import Derived, Finish, Measurement, NoisyTable
from gateway.privacy.release import from_stored, to_stored
from gateway.workers.pool import Pool
from gateway.workers.role import Reply, WorkerError

P = ParamSpec("P")
Result = TypeVar("Result")

NOISY = TypeAdapter(NoisyTable)
FINISHED = TypeAdapter(Finished)
LOOKED_UP = TypeAdapter(LookedUp)


def _fresh(
    measurement: Measurement, payload: bytes, stored: Mapping[str, bytes]
) -> tuple[NoisyTable, dict[str, bytes]]:
    noisy = NOISY.validate_json(payload)
    return noisy, {digest: value for digest, value in to_stored(measurement, noisy).items() if digest not in stored}


SMALL_BYTES = 64 * 1024
"""What is no larger is read where it came: to wake a thread takes longer."""


async def _beside(size_bytes: int, read: Callable[P, Result], *args: P.args, **named: P.kwargs) -> Result:
    """Return what `read` makes of so many bytes; many are read on a thread, beside the loop."""
    if size_bytes <= SMALL_BYTES:
        return read(*args, **named)
    return await asyncio.to_thread(read, *args, **named)


WAITED = 3
"""Who is charged waits so many deadlines for a finisher: another's long answers are no failure of theirs."""


LOOK_UP_S = 5.0
"""The deadline of a question of the catalogue: it is free, and holds a finisher meanwhile."""


class WorkerReleaser:
    """Draws noise and finishes answers in a process that keeps nothing, each organisation in its turn."""

    def __init__(self, pool: Pool, deadline_s: float) -> None:
        self._pool, self._deadline_s = pool, deadline_s

    async def recall(self, measurement: Measurement, stored: Mapping[str, bytes]) -> NoisyTable | None:
        """Return a measurement from stored releases alone, or None where one is missing."""
        if any(primitive.digest not in stored for primitive in measurement.primitives):
            return None
        content = sum(len(stored[primitive.digest]) for primitive in measurement.primitives)
        return await _beside(content, from_stored, measurement, stored)

    async def release(
        self, measurement: Measurement, exact: Sequence[ExactRows], stored: Mapping[str, bytes], party: str
    ) -> tuple[NoisyTable, dict[str, bytes]]:
        """Return the noisy table, and what to store of each primitive that was drawn now. `exact`: one a probe."""
        probes = [rows.ipc for rows in exact]
        reply = await self._call("release", (measurement, probes, dict(stored)), party)
        return await _beside(len(reply.payload), _fresh, measurement, reply.payload, stored)

    async def derive(self, known: Known, derived: Derived, party: str) -> bytes:
        """Return released rows for a later measurement, as an Arrow IPC stream."""
        argument = (known.tables, known.reads, known.measurements, derived)
        reply = await self._call("derive", argument, party)
        return reply.payload

    async def finish(self, known: Known, finish: Finish, seed: int, row_limit: int | None, party: str) -> Finished:
        """Return the rows of the answer with their intervals. Holds noisy tables and public rows alone.

        A few cells that are shown as they were released need no worker.
        """
        few = None if known.reads else plain_rows(known.tables, known.measurements, finish, row_limit)
        if few is not None:
            return Finished(few.rows, few.intervals, few.truncated)
        argument = (known.tables, known.reads, known.measurements, finish, seed, row_limit)
        reply = await self._call("finish", argument, party)
        return FINISHED.validate_json(reply.payload)

    async def look_up(self, sql: str, listings: Mapping[str, Listing], party: str) -> LookedUp:
        """Return the rows of a question over listings. Raises `sql_too_complex` at the deadline or out of memory."""
        try:
            reply = await self._pool.call("look_up", (sql, dict(listings)), LOOK_UP_S, self._deadline_s, party)
        except WorkerError:
            hint = "Filter what is joined, or write LIMIT."
            raise GatewayError("sql_too_complex", "This question of the catalogue takes too long.", hint) from None
        return LOOKED_UP.validate_json(reply.payload)

    async def _call(self, method: str, argument: object, party: str) -> Reply:
        return await self._pool.call(method, argument, self._deadline_s, WAITED * self._deadline_s, party)
