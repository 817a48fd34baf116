"""The one object that the path and the door tell what they do: figures always, spans where a collector is named."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

from gateway.errors import GatewayError
from gateway.observability.metrics import Metrics
from gateway.observability.tracing import Tracing
from gateway.stages import Stage

LAG_EVERY_S = 0.25

_METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"})


@dataclass(slots=True)
class Seen:
    """What becomes of a request."""

    status: int = 500


class Observer:
    """Times and counts, and traces where `tracing` is given."""

    def __init__(self, metrics: Metrics, tracing: Tracing | None = None) -> None:
        self.metrics = metrics
        self._tracing = tracing

    def _span(self, name: str, **attributes: str) -> AbstractContextManager[object]:
        return nullcontext() if self._tracing is None else self._tracing.span(name, attributes)

    @contextmanager
    def request(self, method: str, route: str) -> Iterator[Seen]:
        """Time a request; whoever handles it writes its status down. `route` is a pattern, never a path."""
        method = method if method in _METHODS else "other"
        seen, began = Seen(), time.perf_counter()
        with self._span(f"{method} {route}", **{"http.request.method": method, "http.route": route}):
            try:
                yield seen
            finally:
                self.metrics.request(method, route, seen.status, time.perf_counter() - began)

    @contextmanager
    def query(self, query_id: str) -> Iterator[None]:
        """Count what becomes of a question."""
        outcome = "interrupted"
        with self._span("query", **{"gateway.query_id": query_id}):
            try:
                yield
                outcome = "answered"
            except GatewayError as error:
                outcome = error.code
                raise
            finally:
                self.metrics.query(outcome)

    @contextmanager
    def stage(self, stage: Stage) -> Iterator[None]:
        """Time a stage, also one that fails."""
        began = time.perf_counter()
        with self._span(stage.value):
            try:
                yield
            finally:
                self.metrics.stage(stage, time.perf_counter() - began)

    async def listen(self) -> None:
        """Measure, until cancelled, how late the event loop is."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + LAG_EVERY_S
            await asyncio.sleep(LAG_EVERY_S)
            self.metrics.lag(max(loop.time() - due, 0.0))

    async def close(self) -> None:
        if self._tracing is not None:
            await asyncio.to_thread(self._tracing.close)
