"""What a gateway counts and times, for its operator alone: engine times would tell of the data.

Labels are of fixed sets (routes, stages, codes, names of worker roles): never SQL, never a caller, never a value.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from gateway.stages import Stage

CONTENT_TYPE = CONTENT_TYPE_LATEST

_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_LAGS_S = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1)


class Workers(Protocol):
    """A pool of worker processes, as far as it is counted."""

    @property
    def busy(self) -> int: ...
    @property
    def waiting(self) -> int: ...
    @property
    def pids(self) -> tuple[int, ...]: ...


class _Pools(Collector):
    """Reads the pools when it is asked."""

    def __init__(self, pools: Mapping[str, Workers]) -> None:
        self._pools = pools

    def collect(self) -> Iterable[Metric]:
        """Yield how many workers of each role live and work, and how many callers wait for one."""
        figures: dict[str, tuple[str, Callable[[Workers], int]]] = {
            "gateway_workers_alive": ("Worker processes that live.", lambda pool: len(pool.pids)),
            "gateway_workers_busy": ("Worker processes that are in use.", lambda pool: pool.busy),
            "gateway_workers_waited_for": ("Callers that wait for a worker.", lambda pool: pool.waiting),
        }
        for name, (told, read) in figures.items():
            family = GaugeMetricFamily(name, told, labels=["role"])
            for role, pool in self._pools.items():
                family.add_metric([role], read(pool))
            yield family


class Metrics:
    """The counters and histograms of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = Histogram(
            "gateway_request_seconds",
            "From a request's head to its answer's bytes.",
            ["method", "route", "status"],
            buckets=_BUCKETS_S,
            registry=self.registry,
        )
        stages = Histogram(
            "gateway_stage_seconds",
            "Time in one stage of a query's path.",
            ["stage"],
            buckets=_BUCKETS_S,
            registry=self.registry,
        )
        self._queries = Counter(
            "gateway_queries",
            "Questions by what became of them: answered, or the code of the refusal or failure.",
            ["outcome"],
            registry=self.registry,
        )
        self._engine_wall = Counter(
            "gateway_engine_wall_seconds", "Time that engines took for statements.", registry=self.registry
        )
        self._engine_cpu = Counter(
            "gateway_engine_cpu_seconds", "Processor time of engines, where they tell it.", registry=self.registry
        )
        self._lag = Histogram(
            "gateway_loop_lag_seconds",
            "How much later than asked for the event loop wakes a sleeper.",
            buckets=_LAGS_S,
            registry=self.registry,
        )
        self._by_stage = {stage: stages.labels(stage.value) for stage in Stage}  # shown from the first scrape on
        # of fixed sets, as the labels are: to look a child up by its labels takes longer than to count there
        self._by_request: dict[tuple[str, str, int], Histogram] = {}
        self._by_outcome: dict[str, Counter] = {}

    def watch(self, pools: Mapping[str, Workers]) -> None:
        """Show pools of workers by role."""
        self.registry.register(_Pools(pools))

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        key = (method, route, status)
        found = self._by_request.get(key)
        if found is None:
            found = self._by_request[key] = self._requests.labels(method, route, str(status))
        found.observe(seconds)

    def stage(self, stage: Stage, seconds: float) -> None:
        self._by_stage[stage].observe(seconds)

    def query(self, outcome: str) -> None:
        """Count a question: `answered`, or a code of docs/errors.md."""
        found = self._by_outcome.get(outcome)
        if found is None:
            found = self._by_outcome[outcome] = self._queries.labels(outcome)
        found.inc()

    def engine(self, wall_ms: float, cpu_ms: float) -> None:
        self._engine_wall.inc(wall_ms / 1000)
        self._engine_cpu.inc(cpu_ms / 1000)

    def lag(self, seconds: float) -> None:
        self._lag.observe(seconds)

    def exposition(self) -> bytes:
        """Return all figures in Prometheus' text format."""
        return generate_latest(self.registry)
