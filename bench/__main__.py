"""`make bench`: plain SQL beside the bounded query and the whole gateway, and how long the event loop stands still.

`python -m bench planning`: what planning takes, by stage (bench/planning.py). `python -m bench economy`: what a budget
answers (bench/economy.py). `python -m bench accuracy`: how far answers lie from plain SQL (bench/accuracy.py).
`python -m bench charges`: charges a second on both stores (bench/charges.py). `python -m bench stall`: how long the
loop of a whole gateway stands still (bench/stall.py).
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table

from bench import accuracy, charges, economy, planning, stall
from gateway.app.clock import SystemClock
from gateway.app.running import start
from gateway.catalog.model import Dataset
from gateway.cli.demo.stage import Stage, prepare
from gateway.planning import plan
from gateway.privacy.measurement import Probe
from gateway.programs import PlanJob
from gateway.request import Caller, Request
from gateway.settings import Settings
from gateway.workers.starting import Fresh

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


async def compared() -> Table:
    """Return the comparison on the demo's data, in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(Path(folder))
        prepare(stage)
        settings = Settings(policies=stage.policies, state=stage.state)
        async with start(settings, Fresh()) as running:
            return compare(stage.database, running.publisher.datasets["cdnow"])


if __name__ == "__main__":
    if sys.argv[1:2] == ["planning"]:
        Console().print(planning.measure())
    elif sys.argv[1:2] == ["charges"]:
        Console().print(charges.compare())
    elif sys.argv[1:2] == ["stall"]:
        Console().print(stall.measure())
    elif sys.argv[1:2] == ["accuracy"]:
        accuracy.main(sys.argv[2:])
    elif sys.argv[1:2] == ["economy"]:
        economy.main(sys.argv[2:])
    else:
        Console().print(asyncio.run(compared()))
        Console().print(stall.measure())
