"""The provider's eyes on the path: engine costs as events, failures in its own log, times as figures and spans."""

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from gateway.app.tracking import CURRENT, Held
from gateway.catalog.model import Dataset, Grant
from gateway.errors import GatewayError
from gateway.ledger.meter import MeterLog
from gateway.ledger.model import Charge, Spent
from gateway.observability.observer import Observer
from gateway.orders import granted
from gateway.ports import EngineCost, Lease
from gateway.request import Caller
from gateway.stages import Stage

provider_log = logging.getLogger("gateway.provider")


class Telemetry:
    """Satisfies gateway.parts.Telemetry."""

    def __init__(self, meter: MeterLog, new_id: Callable[[], str], observer: Observer) -> None:
        self._meter = meter
        self._new_id = new_id
        self._observer = observer
        self._spent: dict[str, list[Spent]] = {}

    def query(self, query_id: str) -> AbstractContextManager[None]:
        """Count what becomes of a question."""
        question = CURRENT.get()
        if question is not None:
            question.named(query_id)
        return self._observer.query(query_id)

    def stage(self, stage: Stage) -> AbstractContextManager[None]:
        """Time a stage of the path, and tell whoever follows the question."""
        question = CURRENT.get()
        if question is not None:
            question.enter(stage)
        return self._observer.stage(stage)

    @contextmanager
    def engine(self, dataset: Dataset, lease: Lease) -> Iterator[None]:
        """Let the dataset's provider see how far the engine is, while the block runs."""
        question = CURRENT.get()
        if question is not None:
            question.engine = Held(dataset.name, lease)
        try:
            yield
        finally:
            if question is not None:
                question.engine = None

    def charged(self, query_id: str) -> None:
        """Tell whoever waits that a question is charged, under this id."""
        question = CURRENT.get()
        if question is not None:
            question.paid(query_id)

    def measured(self, charge: Charge, statement: int, cost: EngineCost) -> None:
        """Hold the true engine cost of a query's statement, for the provider alone, until its answer is recorded."""
        figures: dict[str, object] = {
            "wall_ms": round(cost.wall_ms, 3),
            "cpu_ms": round(cost.cpu_ms, 3),
            "rows": cost.rows,
            "peak_memory_bytes": cost.peak_memory_bytes,
        }
        if cost.scanned:
            figures["scanned"] = [{"node": node, "rows": rows} for node, rows in cost.scanned]
            figures["scanned_is_estimate"] = cost.estimated
        if cost.read_bytes:
            figures["read_bytes"] = cost.read_bytes
        self._observer.metrics.engine(cost.wall_ms, cost.cpu_ms)
        self._spent.setdefault(charge.query_id, []).append(Spent(statement, figures))

    def spent(self, query_id: str) -> Sequence[Spent]:
        """Return the costs of a query that are not written yet."""
        return tuple(self._spent.get(query_id, ()))

    def written(self, query_id: str) -> None:
        """Let the costs of a query go: they are written with its answer."""
        self._spent.pop(query_id, None)

    async def settled(self, charge: Charge) -> None:
        """Write the costs of a query that has no answer; what cannot be is told in the log, and fails nothing."""
        spent = self._spent.pop(charge.query_id, None)
        if not spent:
            return
        try:
            await self._meter.measured(charge, spent)
        except Exception as error:  # noqa: BLE001 - whatever it is, the query's own outcome stands
            provider_log.error("what query %s cost is not written: %s", charge.query_id, error)

    def failed(self, query_id: str, why: str) -> None:
        """Tell the provider why a charged query failed: it may hold what an engine says of the data."""
        provider_log.error("query %s failed: %s", query_id, why)

    async def refused(self, dataset: Dataset, caller: Caller, grant: Grant | None, error: GatewayError) -> None:
        """Write a refusal as a free meter event: its code, and the SQL's fingerprint where it could be read."""
        facts = {
            "organisation": caller.organisation,
            "buyer": caller.subject,
            "dataset": dataset.name,
            "jurisdiction": caller.jurisdiction,
            "policy_version": dataset.policy_version,
            **granted(grant),
            "fingerprint": error.fingerprint,
            "decision": "refused",
            "reason": error.code,
            "rho": "0",
            "delta": "0",
            "amount": "0",
        }
        await self._meter.refuse(self._new_id(), json.dumps(facts, sort_keys=True, separators=(",", ":")))
