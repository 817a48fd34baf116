"""`make bench`: plain SQL beside the bounded query and the whole gateway, and how long the event loop stands still.

`python -m bench planning`: what planning takes, by stage (bench/planning.py). `python -m bench economy`: what a budget
answers (bench/economy.py). `python -m bench accuracy`: how far answers lie from plain SQL (bench/accuracy.py).
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table

from bench import accuracy, economy, planning
from gateway.app.clock import SystemClock, SystemRandomness
from gateway.app.running import Running, start
from gateway.catalog.model import Dataset
from gateway.cli.demo.stage import Stage, prepare
from gateway.identity.development import DevelopmentKey
from gateway.planning import PlanJob, plan
from gateway.privacy.measurement import Probe
from gateway.request import Caller, Request
from gateway.settings import Settings

ROUNDS = 15
QUERIES = {
    "counts by month": "SELECT date_trunc('month', purchased_on) AS m, COUNT(*) AS n FROM purchases GROUP BY 1",
    "revenue by cohort": "SELECT c.cohort, SUM(p.amount) AS s FROM purchases p JOIN customers c "
    "ON c.customer_id = p.customer_id GROUP BY c.cohort",
    "private baskets": "SELECT basket, COUNT(*) AS n FROM purchases GROUP BY basket",
}


def timed(call: Callable[[], object]) -> float:
    """Return the milliseconds of one call."""
    begin = time.perf_counter()
    call()
    return (time.perf_counter() - begin) * 1000


def _run(connection: duckdb.DuckDBPyConnection, probe: Probe) -> None:
    connection.execute(probe.sql, ["0" * 64] * probe.parameters).fetchall()


def compare(database: Path, dataset: Dataset) -> Table:
    """Return medians of interleaved runs: plain SQL, the bounded query, planning; as ratios to plain."""
    connection = duckdb.connect(str(database), read_only=True, config={"threads": 1})
    table = Table("query", "plain ms", "bounded", "planning ms", title=f"medians of {ROUNDS} interleaved runs")
    for name, sql in QUERIES.items():
        caller = Caller("b", "widget-analytics", purpose="market-research", jurisdiction="CN")
        job = PlanJob(dataset, caller, Request(sql), SystemClock().now(), dataset.grants[0])
        probes = [probe for measurement in plan(job).program.measurements for probe in measurement.probes]
        plain, bounded, planning = [], [], []
        for _ in range(ROUNDS):
            plain.append(timed(lambda q=sql: connection.execute(q).fetchall()))
            bounded.append(timed(lambda run=probes: [_run(connection, probe) for probe in run]))
            planning.append(timed(lambda j=job: plan(j)))
        base = statistics.median(plain)
        ratio = statistics.median(bounded) / base
        table.add_row(name, f"{base:.1f}", f"{ratio:.1f}x", f"{statistics.median(planning):.1f}")
    connection.close()
    return table


async def stalls(running: Running, state: Path) -> str:
    """Return how long the event loop stood still while eight heavy queries ran at a time."""
    key = DevelopmentKey.open(state, SystemRandomness())
    now = SystemClock().now()
    tokens = [key.issue(f"b{i}", "widget-analytics", ["buyer"], "market-research", "CN", 3600, now) for i in range(8)]
    gaps: list[float] = []

    async def watch() -> None:
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0.001)
            at = time.perf_counter()
            gaps.append((at - last) * 1000 - 1)
            last = at

    async def ask(index: int, least: int) -> None:
        measures = "SUM(amount) AS s, AVG(amount) AS a"
        sql = f"SELECT purchased_on, {measures} FROM purchases WHERE quantity > {least} GROUP BY 1"
        request = Request(sql, epsilon=Decimal("0.05"), body_digest=str(index))
        await running.service.answer(request, await running.service.identify(tokens[index]))

    watcher = asyncio.create_task(watch())
    for least in range(4):
        await asyncio.gather(*(ask(i, least) for i in range(8)))
    watcher.cancel()
    gaps.sort()
    return f"event loop while 8 heavy queries run: p99 {gaps[int(len(gaps) * 0.99)]:.1f} ms, longest {gaps[-1]:.1f} ms"


async def main() -> None:
    """Run everything on the demo's data in a folder of its own."""
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(Path(folder))
        prepare(stage)
        async with start(Settings(policies=stage.policies, state=stage.state)) as running:
            console.print(compare(stage.database, running.publisher.datasets["cdnow"]))
            console.print(await stalls(running, stage.state))


if __name__ == "__main__":
    if sys.argv[1:2] == ["planning"]:
        Console().print(planning.measure())
    elif sys.argv[1:2] == ["accuracy"]:
        accuracy.main(sys.argv[2:])
    elif sys.argv[1:2] == ["economy"]:
        economy.main(sys.argv[2:])
    else:
        asyncio.run(main())
