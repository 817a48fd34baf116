"""Steps 9 to 11 as the pipeline sees them: noise and post-processing in worker processes, results as plain data."""

import asyncio
from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence

from pydantic import TypeAdapter

from gateway.answer import Finished, Known
from gateway.errors import GatewayError
from gateway.planning import Planned
from gateway.planning_worker import PLANNED
from gateway.ports import ExactRows
from gateway.privacy.measurement import Derived, Finish, Measurement, NoisyTable
from gateway.privacy.release import from_stored, to_stored
from gateway.programs import PlanJob
from gateway.workers.pool import Pool
from gateway.workers.role import Reply, WorkerDied, WorkerTimeout

NOISY = TypeAdapter(NoisyTable)
FINISHED = TypeAdapter(Finished)


KEPT_PLANS = 512

QUOTED = 3
"""A quote plans its question at three budgets, and coarser ones beside it: it has so many times the deadline."""


def _decides(job: PlanJob) -> Hashable:
    """Return everything that decides a plan: what is asked, of which data under which policy, by whom and when.

    A dataset's versions name its content; its stamp and a suspension may change under them. Grants begin and end on
    days; a plan of one moment is not kept at all.
    """
    dataset, caller, request = job.dataset, job.caller, job.request
    return (
        (
            request.sql,
            request.dialect,
            request.epsilon,
            request.accuracy,
            request.row_limit,
            request.purpose,
            job.quote,
        ),
        (dataset.name, dataset.policy_version, dataset.data_version, dataset.stamp, dataset.suspended),
        (caller.organisation, caller.subject, caller.roles, caller.purpose, caller.jurisdiction),
        job.grant,
        job.now.date(),
    )


class WorkerPlanner:
    """Plans in a killable process, and keeps the latest plans: the same question has the same plan. No refusal is."""

    def __init__(self, pool: Pool, deadline_s: float, wait_s: float) -> None:
        self._pool, self._deadline_s, self._wait_s = pool, deadline_s, wait_s
        self._kept: OrderedDict[Hashable, Planned] = OrderedDict()

    async def plan(self, job: PlanJob) -> Planned:
        """Return the plan. Raises GatewayError, `sql_too_complex` where the deadline passes or the process dies."""
        key = _decides(job)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        planned = await self._made(job)
        if not planned.momentary:
            self._kept[key] = planned
            if len(self._kept) > KEPT_PLANS:
                self._kept.popitem(last=False)
        return planned

    async def _made(self, job: PlanJob) -> Planned:
        try:
            deadline_s = self._deadline_s * (QUOTED if job.quote else 1)
            reply = await self._pool.call("plan", job, deadline_s, self._wait_s, job.caller.organisation)
        except (WorkerTimeout, WorkerDied):
            hint = "Split the question, or name parts of it in WITH."
            raise GatewayError("sql_too_complex", "The SQL takes too long to plan.", hint) from None
        return PLANNED.validate_json(reply.payload)


def _fresh(
    measurement: Measurement, payload: bytes, stored: Mapping[str, bytes]
) -> tuple[NoisyTable, dict[str, bytes]]:
    noisy = NOISY.validate_json(payload)
    return noisy, {digest: value for digest, value in to_stored(measurement, noisy).items() if digest not in stored}


WAITED = 3
"""Who is charged waits so many deadlines for a finisher: another's long answers are no failure of theirs."""


class WorkerReleaser:
    """Draws noise and finishes answers in a process that keeps nothing, each organisation in its turn."""

    def __init__(self, pool: Pool, deadline_s: float) -> None:
        self._pool, self._deadline_s = pool, deadline_s

    async def recall(self, measurement: Measurement, stored: Mapping[str, bytes]) -> NoisyTable | None:
        """Return a measurement from stored releases alone, or None where one is missing."""
        return await asyncio.to_thread(from_stored, measurement, stored)

    async def release(
        self, measurement: Measurement, exact: Sequence[ExactRows], stored: Mapping[str, bytes], party: str
    ) -> tuple[NoisyTable, dict[str, bytes]]:
        """Return the noisy table, and what to store of each primitive that was drawn now. `exact`: one a probe."""
        probes = [rows.ipc for rows in exact]
        reply = await self._call("release", (measurement, probes, dict(stored)), party)
        return await asyncio.to_thread(_fresh, measurement, reply.payload, stored)

    async def derive(self, known: Known, derived: Derived, party: str) -> bytes:
        """Return released rows for a later measurement, as an Arrow IPC stream."""
        argument = (known.tables, known.reads, known.measurements, derived)
        reply = await self._call("derive", argument, party)
        return reply.payload

    async def finish(self, known: Known, finish: Finish, seed: int, row_limit: int | None, party: str) -> Finished:
        """Return the rows of the answer with their intervals. Holds noisy tables and public rows alone."""
        argument = (known.tables, known.reads, known.measurements, finish, seed, row_limit)
        reply = await self._call("finish", argument, party)
        return FINISHED.validate_json(reply.payload)

    async def _call(self, method: str, argument: object, party: str) -> Reply:
        return await self._pool.call(method, argument, self._deadline_s, WAITED * self._deadline_s, party)
