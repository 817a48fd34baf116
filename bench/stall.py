"""`python -m bench stall`: how long the event loop of a real gateway stands still while eight heavy queries run.

The gateway runs whole in a process of its own, as `gateway serve` runs it, and is asked over HTTP from this one. A
probe in its loop asks to be woken every millisecond and notes how late it was, and how long the loop's thread was ready
meanwhile and had no processor, as the kernel counts it (Linux: Documentation/scheduler/sched-stats.rst): on a machine
that others use as well, that part is theirs. The rest is the gateway's: work on the loop, calls that block, the lock of
the interpreter.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from rich.table import Table

from gateway.app.clock import SystemClock, SystemRandomness
from gateway.app.roles import starting
from gateway.app.running import run
from gateway.cli.http import Client
from gateway.identity.development import DevelopmentKey
from gateway.settings import Settings
from tests.support import tpch

SCALE = "0.1"
QUERIES = ("01", "05", "09", "12")
BUYERS = 8
EVERY_S = 0.001
P99_MS, LONGEST_MS = 20.0, 100.0
"""What must hold while eight heavy queries run."""


class Probe:
    """Samples of one loop: when (monotonic), how late in ms, and how many ms of it its thread had no processor."""

    def __init__(self) -> None:
        self.samples: list[tuple[float, float, float]] = []
        self._task: asyncio.Task[None] | None = None

    def attach(self, address: str) -> None:
        """Begin to sample the running loop, and say where the gateway listens."""
        self._task = asyncio.get_running_loop().create_task(self._watch())
        print(address, flush=True)

    async def _watch(self) -> None:
        statistics = os.open("/proc/thread-self/schedstat", os.O_RDONLY)  # of the thread that opens it
        last, waited = time.monotonic(), _waited_ms(statistics)
        while True:
            await asyncio.sleep(EVERY_S)
            at, now = time.monotonic(), _waited_ms(statistics)
            self.samples.append((at, (at - last - EVERY_S) * 1000, now - waited))
            last, waited = at, now


def _waited_ms(statistics: int) -> float:
    return int(os.pread(statistics, 100, 0).split()[1]) / 1e6


def serve(folder: Path) -> None:
    """Run the gateway of a folder until SIGTERM, and leave the samples of its loop beside it."""
    probe = Probe()
    settings = Settings(policies=folder / "policies", state=folder / "state", port=0, wait_s=600.0)
    with starting(settings) as workers:
        run(settings, workers, probe.attach)
    (folder / "samples.json").write_text(json.dumps(probe.samples))


def _prepare(folder: Path) -> list[str]:
    """Make a folder with TPC-H and its policy; return a token for each buyer."""
    (folder / "policies").mkdir()
    shutil.copyfile(tpch.ROOT / "policies" / "tpch" / "tpch.yaml", folder / "policies" / "tpch.yaml")
    os.link(tpch.database(SCALE), folder / "policies" / "tpch.duckdb")
    key = DevelopmentKey.open(folder / "state", SystemRandomness())
    return [
        key.issue(replace(tpch.CALLER, subject=f"buyer-{number}"), 3600, SystemClock().now())
        for number in range(BUYERS)
    ]


def _ask(address: str, tokens: list[str]) -> tuple[float, float]:
    """Ask every query for every buyer, eight at a time; return when the first began and the last ended."""
    began = time.monotonic()
    with ThreadPoolExecutor(BUYERS) as pool:
        for name in QUERIES:
            body = {"sql": tpch.QUERIES[name], "dialect": "duckdb"}
            replies = list(pool.map(lambda token, body=body: Client(address, token).post("/v1/query", body), tokens))
            assert all(not reply.json()["privacy"]["stored"] for reply in replies)  # INVARIANT: each was really run
    return began, time.monotonic()


def _row(name: str, values: list[float]) -> tuple[str, str, str, str]:
    ordered = sorted(values)
    return name, *(f"{ordered[int((len(ordered) - 1) * share)]:.1f}" for share in (0.5, 0.99, 1.0))


def measure() -> Table:
    """Return p50, p99 and the longest delay of the loop, in ms, while eight heavy queries run at a time."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tokens = _prepare(folder)
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "bench.stall", name], stdout=subprocess.PIPE, stderr=log, text=True
            )
            try:
                assert process.stdout is not None  # INVARIANT: a pipe of ours
                began, ended = _ask(process.stdout.readline().strip(), tokens)
            finally:
                process.terminate()
                process.wait(60)
        samples = [s for s in json.loads((folder / "samples.json").read_text()) if began <= s[0] <= ended]
    title = f"{BUYERS * len(QUERIES)} TPC-H queries (SF {SCALE}), {BUYERS} at a time, {ended - began:.0f} s, "
    title += f"{len(samples):,} samples; must hold: p99 below {P99_MS:g} ms, longest below {LONGEST_MS:g} ms"
    table = Table("event loop", "p50 ms", "p99 ms", "longest ms", title=title)
    table.add_row(*_row("woken late", [late for _, late, _ in samples]))
    table.add_row(*_row("of that, not for want of a processor", [max(late - out, 0.0) for _, late, out in samples]))
    return table


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
