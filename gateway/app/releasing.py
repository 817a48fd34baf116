"""Steps 10 and 11 as the pipeline sees them: noise and post-processing in worker processes, results as bytes.

What a worker writes for the store or for a buyer is not read here: of a long answer that would hold up all others.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from pydantic import TypeAdapter

from gateway.answer import Known
from gateway.catalog.listing import Listing, LookedUp
from gateway.engines.encoded import Encoded, encoded, is_one
from gateway.engines.plain import plain_rows
from gateway.errors import GatewayError
from gateway.ports import ExactRows
from gateway.privacy.measurement import Derived, Finish, Measurement
from gateway.privacy.release import recalled, released_tables
from gateway.workers.pool import Pool
from gateway.workers.role import Reply, WorkerError


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a worker says of what it drew: digests with the length of each content."""

    drawn: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a worker says of the rows that it finished: see `Encoded`."""

    rows_bytes: int
    truncated: bool
    reached: dict[str, float | None] | None


DRAWN = TypeAdapter(Drawn)
FACTS = TypeAdapter(Facts)
LOOKED_UP = TypeAdapter(LookedUp)

SMALL_BYTES = 64 * 1024
"""Releases that are no larger are read here, as they may be all that is shown: to ask a worker takes longer."""


def _contents(reply: Reply) -> dict[str, bytes]:
    """Return what was drawn, by digest."""
    drawn = DRAWN.validate_python(reply.header).drawn
    ends = pairwise(accumulate((length for _, length in drawn), initial=0))
    found = {digest: reply.payload[start:end] for (digest, _), (start, end) in zip(drawn, ends, strict=True)}
    assert sum(map(len, found.values())) == len(reply.payload)  # INVARIANT: each content once, and nothing beside them
    return found


def _rows(reply: Reply) -> Encoded:
    facts = FACTS.validate_python(reply.header)
    rows, intervals = reply.payload[: facts.rows_bytes], reply.payload[facts.rows_bytes :]
    # INVARIANT: what a worker wrote is two members of an answer, and says nothing beside them
    assert rows.startswith(b"[") and is_one(rows)  # noqa: PT018
    assert intervals.startswith(b"{") and is_one(intervals)  # noqa: PT018
    return Encoded(rows, intervals, facts.truncated, facts.reached)


WAITED = 3
"""Who is charged waits so many deadlines for a finisher: another's long answers are no failure of theirs."""


LOOK_UP_S = 5.0
"""The deadline of a question of the catalogue: it is free, and holds a finisher meanwhile."""


class WorkerReleaser:
    """Draws noise and finishes answers in a process that keeps nothing, each organisation in its turn."""

    def __init__(self, pool: Pool, deadline_s: float) -> None:
        self._pool, self._deadline_s = pool, deadline_s

    async def release(
        self, measurement: Measurement, exact: Sequence[ExactRows], stored: Mapping[str, bytes], party: str
    ) -> tuple[dict[str, bytes], dict[str, bytes]]:
        """Return the releases that a measurement is made of, and those that were drawn now. `exact`: one a probe."""
        probes = [rows.ipc for rows in exact]
        known = _of(measurement, stored)
        drawn = _contents(await self._call("release", (measurement, probes, known), party))
        releases = recalled(measurement, {**known, **drawn})
        # INVARIANT: what was asked was drawn, once, and nothing else
        assert releases is not None
        assert drawn.keys() == releases.keys() - known.keys()
        return releases, drawn

    async def derive(self, known: Known, derived: Derived, party: str) -> bytes:
        """Return released rows for a later measurement, as an Arrow IPC stream."""
        argument = (known.releases, known.reads, known.measurements, derived)
        reply = await self._call("derive", argument, party)
        return reply.payload

    async def finish(
        self, known: Known, finish: Finish, seed: int, row_limit: int | None, confidence: float | None, party: str
    ) -> Encoded:
        """Return the rows of the answer with their intervals. Holds releases and public rows alone.

        A few cells that are shown as they were released need no worker.
        """
        few = None if known.reads else _few(known, finish, row_limit, confidence)
        if few is not None:
            return few
        argument = (known.releases, known.reads, known.measurements, finish, seed, row_limit, confidence)
        reply = await self._call("finish", argument, party)
        if len(reply.payload) <= SMALL_BYTES:
            return _rows(reply)
        return await asyncio.to_thread(_rows, reply)

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


def _of(measurement: Measurement, stored: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the stored releases that a measurement's draws are or are combined with."""
    named = {primitive.digest for primitive in measurement.primitives}
    named |= {primitive.earlier.digest for primitive in measurement.primitives if primitive.earlier is not None}
    return {digest: content for digest, content in stored.items() if digest in named}


def _few(known: Known, finish: Finish, row_limit: int | None, confidence: float | None) -> Encoded | None:
    """Return the answer where it shows few cells as they were released."""
    if finish.plain is None or sum(len(one) for own in known.releases for one in own.values()) > SMALL_BYTES:
        return None
    tables = released_tables(known.measurements, known.releases)
    finished = plain_rows(tables, known.measurements, finish, row_limit)
    return None if finished is None else encoded(finished, finish, tables, confidence)
