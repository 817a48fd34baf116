"""Plain SQL, a hand-written bounded query, the gateway's engine part and the whole of it over HTTP, in turn."""

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb

from bench.performance.served import THREADS, Buyers, serving
from bench.performance.workload import WORKLOAD, Asked
from gateway.catalog.model import Dataset
from tests.support import tpch

ROUNDS = 9


@dataclass(frozen=True, slots=True)
class Timed:
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


def measure(scale: str, rounds: int = ROUNDS) -> list[Timed]:
    """Return the medians of all queries at a scale; each round runs every way of asking once, one after the other."""
    data, found = tpch.dataset(scale), []
    with tempfile.TemporaryDirectory() as name, serving(Path(name), scale) as served:
        buyers = Buyers(served)
        connection = duckdb.connect(str(tpch.database(scale)), read_only=True, config={"threads": THREADS})
        for asked in WORKLOAD:
            found.append(_timed(asked, data, connection, buyers, rounds))
            print(found[-1], flush=True)
        connection.close()
        buyers.close()
    return found


def _timed(asked: Asked, data: Dataset, connection: duckdb.DuckDBPyConnection, buyers: Buyers, rounds: int) -> Timed:
    made = tpch.planned(asked.sql, data)
    probes = [probe for measurement in made.program.measurements for probe in measurement.probes]

    def engine() -> None:
        for probe in probes:
            connection.sql(probe.sql, params=["0" * 64] * probe.parameters or None).to_arrow_table()

    ways: dict[str, Callable[[], float]] = {
        "plain": lambda: milliseconds(lambda: connection.sql(asked.sql).to_arrow_table()),
        "engine": lambda: milliseconds(engine),
        "whole": lambda: buyers.ask(asked.sql)[0],
        "planning": lambda: milliseconds(lambda: tpch.planned(asked.sql, data)),
    }
    if (hand := asked.hand) is not None:
        ways["hand"] = lambda: milliseconds(lambda: connection.sql(hand).to_arrow_table())
    for way in ways.values():
        way()  # once before, for caches that every way of asking has
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, run in ways.items():
            times[way].append(run())
    medians = {way: statistics.median(values) for way, values in times.items()}
    return Timed(
        asked.name, medians["plain"], medians.get("hand"), medians["engine"], medians["whole"], medians["planning"]
    )
