"""A real gateway in a process of its own, on a small real DuckDB file, asked over real HTTP."""

import contextlib
import functools
import json
import os
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

from gateway.app.clock import SystemClock, SystemRandomness
from gateway.identity.development import DevelopmentKey
from gateway.request import Caller
from support.shop import empty_database, fill
from support.starting import Forked
from support.stores import migrated

POLICY = """
dataset: shop
title: A shop
provider: {organisation: acme}
engine: {kind: duckdb, path: shop.duckdb}
compliance: {source: own, legal_basis: contract, reviewed_by: reviewer, valid_until: 2099-12-31}
privacy:
  unit: {table: customers, key: customer_id}
  budget: {epsilon: 50, delta: 1.0e-6}
  per_query: {default_epsilon: 0.2, max_epsilon: 2}
  min_units: 2
tables:
  customers:
    rows: 300
    unique: [[customer_id]]
    columns:
      cohort: {use: [group, filter], values: ["1997-01", "1997-02", "1997-03"], nullable: false}
  purchases:
    rows: 1000
    unit_path: {customer_id: customers.customer_id}
    per_unit: {rows: 5, groups: 6}
    columns:
      purchased_on: {use: [group, filter, join], bounds: [1997-01-01, 1998-06-30]}
      quantity: {use: [group, filter, aggregate], bounds: [0, 50]}
      basket: {use: [group, filter]}
      amount: {class: important, use: [aggregate], bounds: [0, 500], granularity: 0.01}
  calendar: {public: true, rows: 546, unique: [[day]]}
grants:
  - {to: {organisation: widgets}, purposes: [research], price_plan: standard}
prices:
  standard: {currency: CNY, per_query: 0.50, per_epsilon: 20.00}
"""


@functools.cache
def _data(seed: int, units: int) -> bytes:
    """Return a database file: what each test copies takes a quarter of a second to make."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shop.duckdb"
        connection = empty_database(path)
        fill(connection, seed, units)
        connection.execute("CHECKPOINT")
        connection.close()
        return path.read_bytes()


class Gateway:
    def __init__(self, folder: Path, policy: str = POLICY, **environment: str):
        self.folder, self.state, self.policies = folder, folder / "state", folder / "policies"
        self.policies.mkdir(parents=True, exist_ok=True)
        (self.policies / "shop.yaml").write_text(policy)
        self.environment = environment
        self.process = None
        self.url = ""

    @property
    def data(self) -> Path:
        return self.policies / "shop.duckdb"

    def make_data(self, seed=3, units=200, path=None):
        with (path or self.data).open("xb") as file:
            file.write(_data(seed, units))

    def start(self, begun=Forked):
        if not self.state.exists() and "GATEWAY_STORE_URL" not in self.environment:
            migrated(self.state, "sqlite")
        arguments = ["serve", "--policies", str(self.policies), "--state", str(self.state), "--port", "0"]
        self.process = begun(arguments, {**os.environ, **self.environment}, self.folder / "log")
        self.url = self.process.stdout.readline().split()[-1]
        return self

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=20)
        self.process.stdout.close()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(timeout=40)
        self.process.stdout.close()
        return code

    def token(self, subject="ana", organisation="widgets", roles=("buyer",), purpose="research", jurisdiction=None):
        key = DevelopmentKey.open(self.state, SystemRandomness())
        return key.issue(
            Caller(subject, organisation, frozenset(roles), purpose, jurisdiction), 3600, SystemClock().now()
        )

    def call(self, method, path, body=None, *, token=None, headers=None, raw=None):
        data = raw if raw is not None else (json.dumps(body).encode() if body is not None else None)
        request = urllib.request.Request(self.url + path, data=data, method=method)
        request.add_header("Authorization", f"Bearer {token or self.token()}")
        request.add_header("Content-Type", "application/json")
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return reply.status, reply.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def ask(self, sql, *, key=None, token=None, **options):
        headers = {"Idempotency-Key": key} if key else None
        status, body = self.call("POST", "/v1/query", {"sql": sql, **options}, token=token, headers=headers)
        return status, json.loads(body)

    def spent(self):
        _, body = self.call("GET", "/v1/budget")
        return json.loads(body)["datasets"][0]["levels"][0]["rho"]["spent"]

    def events(self, *roles):
        _, body = self.call(
            "GET", "/v1/meter/events?limit=1000", token=self.token("clerk", "acme", roles or ("billing",), None)
        )
        return [json.loads(line) for line in body.decode().splitlines()]

    def together(self, calls):
        """Run calls in threads, all at once; return their results in order."""
        results = [None] * len(calls)
        barrier = threading.Barrier(len(calls))

        def run(index, call):
            barrier.wait()
            results[index] = call()

        threads = [threading.Thread(target=run, args=item) for item in enumerate(calls)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=120)
        return results


def eventually(check, seconds=15):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if check():
            return True
        time.sleep(0.1)
    return False


def playing(gateway, role):
    """Return the processes of a gateway that play a role, by the name that it gives them."""
    found = [pid for pid in below(gateway.process.pid) if Path(f"/proc/{pid}/comm").read_text() == f"gw-{role}\n"]
    assert found
    return found


def releasing(gateway):
    """Return the processes of a gateway that draw noise and finish answers."""
    return playing(gateway, "finisher")


def releasing_or_none(gateway):
    try:
        return releasing(gateway)
    except (AssertionError, FileNotFoundError):
        return []


@contextlib.contextmanager
def held_up(gateway, role="finisher"):
    """Hold every answer of a gateway up between its charge and its noise, or wherever else `role` plays."""
    stopped = playing(gateway, role)
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in stopped:
            with contextlib.suppress(ProcessLookupError):  # ended with the question that it worked on
                os.kill(pid, signal.SIGCONT)


def below(pid):
    """Return the processes that a process has started, and those that they have."""
    started = subprocess.run(["pgrep", "-P", str(pid)], text=True, capture_output=True).stdout.split()
    return [other for child in map(int, started) for other in (child, *below(child))]


def states(gateway):
    connection = sqlite3.connect(gateway.state / "gateway.sqlite3", timeout=5)
    try:
        return sorted(state for (state,) in connection.execute("SELECT state FROM queries"))
    finally:
        connection.close()
