"""What operators ask of a process: whether it would answer a query now, and its figures."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractContextManager

from sqlalchemy import Connection, text

from gateway.app.publishing import Publisher
from gateway.app.standing import Published, Unopened
from gateway.errors import GatewayError
from gateway.observability.observer import Observer, Seen
from gateway.policy.decide import provides
from gateway.request import Caller
from gateway.store.database import Store
from gateway.workers.pool import Pool

PATIENCE_S = 2.0
"""A store that takes longer to answer is taken to be away."""


class Operations:
    """Satisfies gateway.web.service.Operations.

    Ready is a process whose store and workers are there, with data behind them. One dataset that is shut does not take
    a gateway with others out of service; all of them do.
    """

    def __init__(self, store: Store, pools: Sequence[Pool], publisher: Publisher, observer: Observer) -> None:
        self._store = store
        self._pools = pools
        self._publisher = publisher
        self._observer = observer

    async def ready(self) -> dict[str, object]:
        """Return how the parts stand, without names. Raises GatewayError `not_ready`, which says what is missing."""
        store, workers = await self._store_answers(), all(pool.pids for pool in self._pools)
        held = self._publisher.held.values()
        opened = sum(isinstance(one, Published) for one in held)
        shut = sum(isinstance(one, Unopened) for one in held)
        missing = [
            words
            for words, there in (
                ("the store does not answer", store),
                ("a kind of worker process is missing", workers),
                ("no dataset is open", opened > 0 or not shut),
            )
            if not there
        ]
        if missing:
            raise GatewayError("not_ready", f"Not ready: {'; '.join(missing)}.", "Ask again in a moment.")
        return {"store": "ok", "workers": "ok", "datasets": {"open": opened, "shut": shut}}

    def refuse_figures(self, caller: Caller) -> None:
        """Refuse figures to anybody but a supervisor and the provider of every dataset here.

        They are sums over all datasets: engine times would tell one provider of another's data. They begin with the
        process: what was here since counts, whatever became of it. Raises `forbidden`.
        """
        if "supervisor" in caller.roles:
            return
        held = {one.file.document.provider.organisation for one in self._publisher.held.values()}
        if not held or not all(provides(one, caller) for one in held | self._publisher.opened_of):
            hint = "Ask with a supervisor's token, or at the operator's own address (GATEWAY_METRICS_PORT)."
            raise GatewayError("forbidden", "The figures are of all datasets, and not all are yours.", hint)

    def figures(self) -> bytes:
        """Return the process's figures in Prometheus' text format."""
        return self._observer.metrics.exposition()

    def request(self, method: str, route: str) -> AbstractContextManager[Seen]:
        """Time a request at a route's pattern."""
        return self._observer.request(method, route)

    async def _store_answers(self) -> bool:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._store.read(_one)
        except (GatewayError, TimeoutError):
            return False
        return True


def _one(connection: Connection) -> None:
    connection.execute(text("SELECT 1"))
