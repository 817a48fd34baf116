"""The one object that the path and the door tell what they do: figures always, spans where a collector is named."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Self, TypeVar

from gateway.errors import GatewayError
from gateway.observability.metrics import Metrics
from gateway.observability.tracing import Tracing
from gateway.stages import Stage

LAG_EVERY_S = 0.25

_METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"})


Timed = TypeVar("Timed")


# classes, not generators: every request enters several, and a generator takes three times as long
@dataclass(slots=True)
class Seen:
    """A request while it is handled; whoever handles it writes its status down."""

    metrics: Metrics
    method: str
    route: str
    status: int = 500
    _began: float = field(default_factory=time.perf_counter)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.metrics.request(self.method, self.route, self.status, time.perf_counter() - self._began)


@dataclass(slots=True)
class _Query:
    metrics: Metrics

    def __enter__(self) -> None:
        pass

    def __exit__(self, _type: object, error: BaseException | None, _stack: object) -> None:
        if error is None:
            self.metrics.query("answered")
        else:
            self.metrics.query(error.code if isinstance(error, GatewayError) else "interrupted")


@dataclass(slots=True)
class _Stage:
    metrics: Metrics
    stage: Stage
    _began: float = field(default_factory=time.perf_counter)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self.metrics.stage(self.stage, time.perf_counter() - self._began)


class Observer:
    """Times and counts, and traces where `tracing` is given."""

    def __init__(self, metrics: Metrics, tracing: Tracing | None = None) -> None:
        self.metrics = metrics
        self._tracing = tracing

    def request(self, method: str, route: str) -> AbstractContextManager[Seen]:
        """Time a request; whoever handles it writes its status down. `route` is a pattern, never a path."""
        method = method if method in _METHODS else "other"
        seen = Seen(self.metrics, method, route)
        if self._tracing is None:
            return seen
        return _within(
            self._tracing.span(f"{method} {route}", {"http.request.method": method, "http.route": route}), seen
        )

    def query(self, query_id: str) -> AbstractContextManager[None]:
        """Count what becomes of a question."""
        counted = _Query(self.metrics)
        if self._tracing is None:
            return counted
        return _within(self._tracing.span("query", {"gateway.query_id": query_id}), counted)

    def stage(self, stage: Stage) -> AbstractContextManager[None]:
        """Time a stage, also one that fails."""
        timed = _Stage(self.metrics, stage)
        return timed if self._tracing is None else _within(self._tracing.span(stage.value, {}), timed)

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


@contextmanager
def _within(span: AbstractContextManager[object], timed: AbstractContextManager[Timed]) -> Iterator[Timed]:
    """Time what is done inside of a span."""
    with span, timed as seen:
        yield seen
