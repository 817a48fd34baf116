"""Plain SQL, a hand-written bounded query, the gateway's engine part and the whole of it over HTTP, in turn."""

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

from bench.performance.engines import Timed
from bench.performance.served import Buyers, serving
from bench.performance.workload import WORKLOAD, Asked
from tests.support import tpch

ROUNDS = 9


@dataclass(frozen=True, slots=True)
class Medians:
    """Medians of one query, in milliseconds."""

    name: str
    plain: float
    hand: float | None
    engine: float
    whole: float
    planning: float

    @property
    def bounded(self) -> float:
        """What the whole is measured against: the hand-written query, or where there is none the engine part."""
        return self.hand if self.hand is not None else self.engine

    @property
    def overhead(self) -> float:
        """What the gateway adds to its own bounded query."""
        return self.whole - self.engine


def milliseconds(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return (time.perf_counter() - begin) * 1000


def measure(engine: Timed, scale: str, rounds: int = ROUNDS) -> list[Medians]:
    """Return the medians of all queries at a scale; each round runs every way of asking once, in an order of its own.

    What a way finds in caches hangs on what ran before it.
    """
    found = []
    with (
        tempfile.TemporaryDirectory() as name,
        serving(Path(name), scale, engine.engine(), **engine.environment) as served,
    ):
        buyers = Buyers(served)
        for asked in WORKLOAD:
            found.append(_timed(asked, engine, buyers, rounds))
            print(found[-1], flush=True)
        buyers.close()
    return found


def _timed(asked: Asked, engine: Timed, buyers: Buyers, rounds: int) -> Medians:
    made = tpch.planned(asked.sql, engine.data)
    few = all(measurement.few(probe) for measurement in made.program.measurements for probe in measurement.probes)
    ways: dict[str, Callable[[], float]] = {
        "plain": lambda: milliseconds(lambda: engine.plain(asked, few=few)),
        "engine": lambda: milliseconds(lambda: engine.bounded(made)),
        "whole": lambda: buyers.ask(asked.sql)[0],
        "planning": lambda: milliseconds(lambda: tpch.planned(asked.sql, engine.data)),
    }
    if (hand := asked.hand) is not None:
        ways["hand"] = lambda: milliseconds(lambda: engine.by_hand(hand, few=few))
    for way in ways.values():
        way()  # once before, for caches that every way of asking has
    times: dict[str, list[float]] = {way: [] for way in ways}
    orders = list(permutations(ways))
    for number in range(rounds):
        for way in orders[number * len(orders) // rounds]:
            times[way].append(ways[way]())
    medians = {way: statistics.median(values) for way, values in times.items()}
    return Medians(
        asked.name, medians["plain"], medians.get("hand"), medians["engine"], medians["whole"], medians["planning"]
    )
