"""The charged queries that run on a dataset, and how far its engine is: for its provider's eyes alone."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

from gateway.app.service import ABANDONED_AFTER
from gateway.app.standing import Held, unknown_dataset
from gateway.ledger.events import timestamp
from gateway.ledger.model import Running
from gateway.policy.decide import provides
from gateway.ports import Clock, EngineProgress, Lease
from gateway.request import Caller


class Charged(Protocol):
    """The ledger, as far as running queries are read in it."""

    async def running(self, dataset: str) -> tuple[Running, ...]: ...


class RunningQueries:
    """Satisfies gateway.web.service.RunningQueries. `working` gives the engines that work in this process, by query."""

    def __init__(
        self,
        ledger: Charged,
        datasets: Callable[[], Mapping[str, Held]],
        working: Callable[[str], Mapping[str, Lease]],
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._datasets = datasets
        self._working = working
        self._clock = clock

    async def running(self, caller: Caller, name: str) -> list[dict[str, object]]:
        """Return the running queries of a dataset, the oldest first, to its provider. Raises `unknown_dataset`.

        `engine` is there where this process's engine works on the query now; another replica tells of its own.
        """
        held = self._datasets().get(name)
        if held is None or not provides(held.file.document.provider.organisation, caller):
            raise unknown_dataset(name)
        rows, working = await self._ledger.running(name), self._working(name)
        here = [row.query_id for row in rows if row.query_id in working]
        told = dict(zip(here, await asyncio.gather(*(working[one].progress() for one in here)), strict=True))
        return [self._document(row, told.get(row.query_id)) for row in rows]

    def _document(self, row: Running, progress: EngineProgress | None) -> dict[str, object]:
        document: dict[str, object] = {
            "query_id": row.query_id,
            "buyer": row.buyer,
            "charged_at": timestamp(row.charged_at),
            "abandoned": row.lease_until + ABANDONED_AFTER < self._clock.now(),
        }
        return document if progress is None else {**document, "engine": _figures(progress)}


def _figures(progress: EngineProgress) -> dict[str, object]:
    """Return what an engine tells; what it does not is left out."""
    tasks = progress.tasks
    figures = {
        "elapsed_ms": round(progress.elapsed_ms, 1),
        "cpu_ms": progress.cpu_ms,
        "memory_bytes": progress.memory_bytes,
        "read_bytes": progress.read_bytes,
        "tasks": None if tasks is None else {"done": tasks[0], "known": tasks[1]},
        "processes": progress.processes,
        "waits_for": progress.waits_for,
    }
    return {name: figure for name, figure in figures.items() if figure is not None}
