"""A real gateway on TPC-H of some scale, in a process of its own, asked over HTTP by any number of buyers."""

import http.client
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import count
from pathlib import Path

from bench.performance.engines import ON_DUCKDB, THREADS
from gateway.app.clock import SystemClock, SystemRandomness
from gateway.identity.development import DevelopmentKey
from tests.support import tpch

_FIXED = ("nation", "region")


def policy(scale: str, engine: str) -> str:
    """Return the worked example's policy at a scale factor, with a budget that no run exhausts."""
    text = (tpch.ROOT / "policies" / "tpch" / "tpch.yaml").read_text()
    factor = Decimal(scale) / tpch.POLICY_SCALE

    def sized(found: re.Match[str]) -> str:
        rows = int(int(found[3].replace("_", "")) * factor)
        return f"{found[1]}{found[2]}{rows if found[1].strip().rstrip(':') not in _FIXED else found[3]}"

    text = re.sub(r"(\n  \w+:)(\s+(?:\{public: true, )?rows: )([\d_]+)", sized, text)
    for column, most in (("l_partkey", 20_000), ("l_suppkey", 1_000)):
        text = re.sub(rf"({column}:[^\n]*bounds: \[1, )\d+", rf"\g<1>{int(most * factor)}", text)
    text = text.replace("max_cells: 100_000", "max_cells: 1_000_000")
    text = text.replace("{epsilon: 100, delta: 1.0e-6}", "{epsilon: 1.0e+9, delta: 1.0e-6}")
    text = re.sub(r"\nengine: [^\n]*", f"\nengine: {engine}", text)
    return text.replace("default_epsilon: 0.2, max_epsilon: 9", "default_epsilon: 1, max_epsilon: 9")


@dataclass(slots=True)
class Served:
    """Where a gateway listens and who may ask it; every buyer is a new one, so that nothing is answered from before."""

    address: str
    key: DevelopmentKey
    process: subprocess.Popen[str]

    def token(self, name: str) -> str:
        caller = replace(tpch.CALLER, subject=name)
        return self.key.issue(caller, 6 * 3600, SystemClock().now())


@contextmanager
def serving(folder: Path, scale: str, engine: str = ON_DUCKDB, **settings: str) -> Iterator[Served]:
    """Serve TPC-H of a scale from a folder until the block ends."""
    policies, state = folder / "policies", folder / "state"
    policies.mkdir(parents=True)
    (policies / "tpch.yaml").write_text(policy(scale, engine))
    os.link(tpch.database(scale), policies / "tpch.duckdb")
    environment = {"GATEWAY_ENGINE_THREADS": str(THREADS), "GATEWAY_ENGINE_MEMORY_MB": "4000", **settings}
    command = [sys.executable, "-m", "gateway", "serve", "--policies", str(policies), "--state", str(state)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, **environment},  # noqa: TID251 - handed on to the process that is measured
        )
    assert process.stdout is not None  # INVARIANT: a pipe of ours
    try:
        line = process.stdout.readline()
        if not line:
            raise RuntimeError((folder / "log").read_text()[-2000:])
        address = line.split()[-1].removeprefix("http://")
        yield Served(address, DevelopmentKey.open(state, SystemRandomness()), process)
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()


def worded(sql: str, number: int) -> str:
    """Return a question in words of its own: no plan of it is kept."""
    return f"{sql} -- {number}"


class Buyers:
    """Asks over HTTP, each question on a connection of its own, in words of its own and as somebody new."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._connection = http.client.HTTPConnection(served.address, timeout=600)
        self._numbers = count()

    def ask(self, sql: str) -> tuple[float, dict[str, object]]:
        """Return the milliseconds of one question as a buyer sees them, and the answer."""
        number = next(self._numbers)
        body = json.dumps({"sql": worded(sql, number), "dialect": "duckdb", "dataset": "tpch"})
        headers = {
            "Authorization": f"Bearer {self._served.token(f'buyer-{number}')}",
            "Content-Type": "application/json",
        }
        self._connection.close()  # the gateway lets idle connections go; what is timed opens its own
        begin = time.perf_counter()
        self._connection.request("POST", "/v1/query", body, headers)
        response = self._connection.getresponse()
        payload = response.read()
        took = (time.perf_counter() - begin) * 1000
        assert response.status == 200, payload  # INVARIANT: what is timed was answered
        return took, json.loads(payload)

    def close(self) -> None:
        self._connection.close()
