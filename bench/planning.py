"""`python -m bench planning`: the processor time of planning each TPC-H query, by stage; data is never read."""

import gc
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from types import ModuleType
from typing import Any

from rich.table import Table

from gateway import planning, planning_worker, programs
from gateway.errors import GatewayError
from tests.support import tpch

ROUNDS = 15
STAGES = {
    "parse": ("parsed", "at_moment"),
    "resolve": ("resolve", "explain"),
    "analyse": ("analyse", "bound", "accesses"),
    "compile": ("compile_measurement", "compile_read", "compile_derived", "compile_finish"),
    "calibrate": ("calibrate",),
}
"""What planning calls in each stage, by name."""


class Stopwatch:
    """Adds up the processor time of what planning calls, in milliseconds by stage."""

    def __init__(self) -> None:
        self.spent_ms: dict[str, float] = defaultdict(float)

    def timing(self, stage: str, called: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            begin = time.process_time()
            try:
                return called(*arguments)
            finally:
                self.spent_ms[stage] += (time.process_time() - begin) * 1000

        return timed

    def attach(self) -> None:
        """Put the stopwatch around every function of every stage, for as long as this process lives."""
        for stage, module, name in called():
            setattr(module, name, self.timing(stage, getattr(module, name)))


def called() -> list[tuple[str, ModuleType, str]]:
    """Return every function of every stage with its stage and the module that calls it by name."""
    modules = (planning, programs)
    return [
        (stage, module, name)
        for stage, names in STAGES.items()
        for name in names
        for module in modules
        if hasattr(module, name)
    ]


def measure() -> Table:
    """Return the median of each stage and of the whole, and the first plan of a query beside it.

    The first knows nothing of the query yet; later ones find its SQL read back and its noise calibrated.
    """
    dataset = tpch.dataset("0.01")
    for sql in ("SELECT COUNT(*) FROM orders", "SELECT COUNT(*) FROM nation"):  # libraries' first use
        tpch.planned(sql, dataset)
    planning_worker.make({})  # as the planner's process starts
    watch = Stopwatch()
    watch.attach()
    table = Table("query", "first ms", "median ms", *STAGES, title=f"planning TPC-H: medians of {ROUNDS}")
    for name, sql in tpch.QUERIES.items():
        rounds: list[dict[str, float]] = []
        for _ in range(ROUNDS + 1):
            gc.collect()  # as the planner does between two calls
            watch.spent_ms.clear()
            begin = time.process_time()
            try:
                tpch.planned(sql, dataset)
            except GatewayError as refusal:  # three of them show rows of one customer each
                assert refusal.code in ("per_owner_aggregate", "unit_key_released")  # noqa: PT017 - no test
            rounds.append({"all": (time.process_time() - begin) * 1000, **watch.spent_ms})
        first, later = rounds[0]["all"], rounds[1:]
        medians = [statistics.median(one.get(stage, 0.0) for one in later) for stage in ("all", *STAGES)]
        table.add_row(name, *(f"{value:.1f}" for value in (first, *medians)))
    gc.unfreeze()
    return table
