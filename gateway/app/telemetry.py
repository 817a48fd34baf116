"""The provider's eyes on the path: engine costs as events, failures in its own log, times as figures and spans."""

import asyncio
import json
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager

from gateway.app.tracking import CURRENT
from gateway.catalog.model import Dataset, Grant
from gateway.errors import GatewayError
from gateway.ledger.meter import MeterLog
from gateway.ledger.model import Charge
from gateway.observability.observer import Observer
from gateway.orders import granted
from gateway.ports import EngineCost
from gateway.request import Caller
from gateway.stages import Stage

provider_log = logging.getLogger("gateway.provider")


class Telemetry:
    """Satisfies gateway.parts.Telemetry."""

    def __init__(self, meter: MeterLog, new_id: Callable[[], str], observer: Observer) -> None:
        self._meter = meter
        self._new_id = new_id
        self._observer = observer
        self._writing: dict[str, list[asyncio.Task[None]]] = {}

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

    def charged(self, query_id: str) -> None:
        """Tell whoever waits that a question is charged, under this id."""
        question = CURRENT.get()
        if question is not None:
            question.paid(query_id)

    def measured(self, charge: Charge, statement: int, cost: EngineCost) -> None:
        """Write the true engine cost of a query's statement, for the provider alone, while the query goes on."""
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
        writing = asyncio.create_task(self._meter.measured(charge, statement, figures))
        self._writing.setdefault(charge.query_id, []).append(writing)

    async def settled(self, query_id: str) -> None:
        """Return when the costs of a query are written; one that cannot be is told in the log, and fails nothing."""
        written = await asyncio.gather(*self._writing.pop(query_id, ()), return_exceptions=True)
        for error in written:
            if isinstance(error, BaseException):
                provider_log.error("what query %s cost is not written: %s", query_id, error)

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
