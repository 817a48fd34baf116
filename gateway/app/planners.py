"""Steps 3 to 6 as the pipeline sees them: plans made in killable processes, and the latest of them kept."""

from collections import OrderedDict
from collections.abc import Hashable
from weakref import WeakKeyDictionary

from gateway.catalog.model import Dataset
from gateway.errors import GatewayError
from gateway.models.asked import Model
from gateway.planning import Planned
from gateway.planning_worker import MEANT, PLANNED, Asked, Composed
from gateway.programs import PlanJob
from gateway.sql.trino.model import Meant, Statement
from gateway.workers.pool import Pool
from gateway.workers.role import WorkerDied, WorkerTimeout
from gateway.workers.worker import Worker

KNOWN_DATASETS = 32
"""How many datasets one process knows at once, over all their versions."""

KEPT_PLANS = 512

QUOTED = 3
"""A quote plans its question at three budgets, and coarser ones beside it: it has so many times the deadline."""


class WorkerPlanner:
    """Plans in a killable process, and keeps the latest plans: the same question has the same plan. No refusal is.

    Who of an organisation asks is not told to the process, and decides no plan: colleagues share what is kept.
    """

    def __init__(self, pool: Pool, deadline_s: float, wait_s: float) -> None:
        self._pool, self._deadline_s, self._wait_s = pool, deadline_s, wait_s
        self._kept: OrderedDict[Hashable, Planned] = OrderedDict()
        self._told: WeakKeyDictionary[Worker, list[Dataset]] = WeakKeyDictionary()
        """The datasets that each process knows, by number: to send one takes longer than to plan most questions."""

    async def plan(self, job: PlanJob) -> Planned:
        """Return the plan. Raises GatewayError, `sql_too_complex` where the deadline passes or the process dies."""
        key = job.planned_by
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
            return kept
        planned = await self._made(job)
        if not planned.momentary:
            self._kept[key] = planned
            if len(self._kept) > KEPT_PLANS:
                self._kept.popitem(last=False)
        return planned

    async def _made(self, job: PlanJob) -> Planned:
        deadline_s = self._deadline_s * (QUOTED if job.quote else 1)
        worker = await self._pool.acquire(self._wait_s, prefer=job.dataset.name, party=job.caller.organisation)
        try:
            number = await self._known(worker, job.dataset)
            asked = Asked(number, job.asker, job.request, job.now, job.grant, job.quote)
            reply = await worker.call("plan", asked, deadline_s)
        except (WorkerTimeout, WorkerDied):
            raise _too_complex() from None
        finally:
            worker.release()
        return PLANNED.validate_json(reply.payload)

    async def compose(self, dataset: Dataset, model: Model, party: str) -> str:
        """Return the SQL that a model is fitted from. Raises as `plan`."""
        worker = await self._pool.acquire(self._wait_s, prefer=dataset.name, party=party)
        try:
            number = await self._known(worker, dataset)
            reply = await worker.call("compose", Composed(number, model), self._deadline_s)
        except (WorkerTimeout, WorkerDied):
            raise _too_complex() from None
        finally:
            worker.release()
        return reply.payload.decode()

    async def read(self, statement: Statement, party: str) -> Meant:
        """Return what a statement of Trino's door means. Raises as `plan`."""
        try:
            reply = await self._pool.call("read", statement, self._deadline_s, self._wait_s, party)
        except (WorkerTimeout, WorkerDied):
            raise _too_complex() from None
        return MEANT.validate_json(reply.payload)

    async def _known(self, worker: Worker, dataset: Dataset) -> int:
        """Return under which number a process knows a dataset, which it is told where it does not."""
        known = self._told.setdefault(worker, [])
        for number, one in enumerate(known):
            if one is dataset:
                return number
        number = len(known) if len(known) < KNOWN_DATASETS else 0
        if number == 0:
            known.clear()
        await worker.call("learn", (number, dataset), self._deadline_s)
        known.append(dataset)
        worker.tag = dataset.name
        return number


def _too_complex() -> GatewayError:
    hint = "Split the question, or name parts of it in WITH."
    return GatewayError("sql_too_complex", "The SQL takes too long to plan.", hint)
