"""How time and memory grow: with the size of the data, with groups, with buyers at once, and for stored answers."""

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import aiohttp

from bench.performance.bare import bare
from bench.performance.served import Buyers, Served, serving, worded
from bench.performance.workload import WORKLOAD

SCALES = ("0.1", "1", "3")
GROUPS = (10, 100, 1_000, 10_000, 100_000, 1_000_000)
AT_ONCE = (1, 4, 16, 64)
SIZED = ("W2", "W3", "W8")
LASTS_S = 6.0


@dataclass(frozen=True, slots=True)
class Point:
    """One figure of a sweep: at `x`, milliseconds (median, p99), requests a second, mebibytes of all processes."""

    x: float
    p50_ms: float
    p99_ms: float = 0.0
    per_second: float = 0.0
    peak_mb: float = 0.0


def by_size(rounds: int = 3) -> dict[str, list[Point]]:
    """Return time and peak memory of the gateway's processes against the scale factor."""
    found: dict[str, list[Point]] = {name: [] for name in SIZED}
    for scale in SCALES:
        with tempfile.TemporaryDirectory() as folder, serving(Path(folder), scale) as served:
            buyers = Buyers(served)
            for asked in WORKLOAD:
                if asked.name in SIZED:
                    buyers.ask(asked.sql)
                    times = [buyers.ask(asked.sql)[0] for _ in range(rounds)]
                    peak = peak_mb(served.process.pid)
                    found[asked.name].append(Point(float(scale), statistics.median(times), peak_mb=peak))
            buyers.close()
    return found


def peak_mb(pid: int) -> float:
    """Return the largest memory that each process of a tree has held, added up, in mebibytes (Linux)."""
    total, waiting = 0.0, [pid]
    while waiting:
        one = waiting.pop()
        try:
            status = Path(f"/proc/{one}/status").read_text()
            waiting += [int(child) for child in Path(f"/proc/{one}/task/{one}/children").read_text().split()]
        except OSError:
            continue
        held = [line for line in status.splitlines() if line.startswith("VmHWM:")]
        total += int(held[0].split()[1]) / 1024 if held else 0.0
    return total


def by_groups(rounds: int = 3, scale: str = "1") -> list[Point]:
    """Return the time of a count against its number of cells: as many steps of a price as there are to be cells."""
    found = []
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), scale) as served:
        buyers = Buyers(served)
        for groups in GROUPS:
            step = 800_001 / groups  # the policy's bounds are 0 to 800,000
            sql = f"SELECT CAST(floor(o_totalprice / {step}) AS BIGINT) AS g, COUNT(*) AS n FROM orders GROUP BY 1"
            buyers.ask(sql)
            times = [buyers.ask(sql)[0] for _ in range(rounds if groups < GROUPS[-1] else 1)]
            found.append(Point(groups, statistics.median(times), peak_mb=peak_mb(served.process.pid)))
            print(found[-1], flush=True)
        buyers.close()
    return found


def by_buyers() -> list[Point]:
    """Return requests a second and their times against buyers at once, each question new to the gateway."""
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), "0.1") as served:
        names, words = count(), count()

        def fresh() -> str:
            return served.token(f"b{next(names)}")

        def body() -> str:
            return _body(worded(WORKLOAD[0].sql, next(words)))

        asyncio.run(_loaded(_query(served, served.token("first")), 1, 1.0))
        return [asyncio.run(_loaded(_new(served, fresh, body), at_once, LASTS_S)) for at_once in AT_ONCE]


FREE, KEYED, BARE = "a free repeat", "the same idempotency key", "a bare handler"


def stored() -> dict[str, list[Point]]:
    """Return the same for an answer that is stored, in both ways to ask for it, and for a bare handler.

    The bare one checks the token as the gateway does, but for what only the store knows.
    """
    pace = {"GATEWAY_FREE_PER_MINUTE": str(10**9)}  # what costs nothing has a pace, which is not what is measured here
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), "0.1", **pace) as served:
        token = served.token("ana")
        with bare(served) as address:
            ways = {
                FREE: _query(served, token),
                KEYED: _query(served, token, "a-key"),
                BARE: _query(replace(served, address=address), token),
            }
            found: dict[str, list[Point]] = {way: [] for way in ways}
            for ask in ways.values():
                asyncio.run(_loaded(ask, 1, 1.0))
            for at_once in AT_ONCE:
                for way, ask in ways.items():
                    found[way].append(asyncio.run(_loaded(ask, at_once, LASTS_S)))
    return found


Ask = Callable[[aiohttp.ClientSession], Awaitable[None]]


def _body(sql: str) -> str:
    return json.dumps({"sql": sql, "dialect": "duckdb", "dataset": "tpch"})


def _query(served: Served, token: str, key: str | None = None) -> Ask:
    body = _body(WORKLOAD[0].sql)
    return _new(served, lambda: token, lambda: body, key)


def _new(served: Served, token: Callable[[], str], body: Callable[[], str], key: str | None = None) -> Ask:
    url = f"http://{served.address}/v1/query"
    known = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key is not None else {})

    async def ask(session: aiohttp.ClientSession) -> None:
        headers = {"Authorization": f"Bearer {token()}", **known}
        async with session.post(url, data=body(), headers=headers) as response:
            payload = await response.read()
            assert response.status == 200, payload  # INVARIANT: what is timed was answered

    return ask


async def _loaded(ask: Ask, at_once: int, lasts_s: float) -> Point:
    """Ask from so many tasks for so long; each waits for its answer before it asks again."""
    times: list[float] = []
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        ends = time.perf_counter() + lasts_s

        async def buyer() -> None:
            while (begin := time.perf_counter()) < ends:
                await ask(session)
                times.append((time.perf_counter() - begin) * 1000)

        began = time.perf_counter()
        await asyncio.gather(*(buyer() for _ in range(at_once)))
        took = time.perf_counter() - began
    ordered = sorted(times)
    middle, last = (ordered[int((len(ordered) - 1) * share)] for share in (0.5, 0.99))
    return Point(at_once, middle, last, len(times) / took)
