"""kill -9 at any moment: what was said to be durable stands, and nothing half done is there."""

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import func, select
from support.shop import NOW

from gateway.ledger.ledger import Ledger
from gateway.ledger.model import Account
from gateway.ports import FixedClock
from gateway.store import log, merkle
from gateway.store.database import Store
from gateway.store.tables import events, leaves, queries

TESTS = Path(__file__).resolve().parents[2]
CHARGER = """
import asyncio, itertools, json, sys
from decimal import Decimal
from pathlib import Path
from gateway.ledger.ledger import Ledger
from gateway.ledger.model import Account, Allowance, Order, Release
from gateway.ports import FixedClock
from gateway.store.database import Store
from support.shop import NOW

async def main(folder, run):
    ledger = Ledger(Store(Path(folder)), FixedClock(NOW), "gw")
    for number in itertools.count():
        name = f"Q{run}-{number}"
        order = Order(name, "org/ana", "org", "shop", name, "body", name, (name,), (Account("data/a", 10**12, 10**12),),
                      Allowance("shop/g", None, None, None), 7, 3, Decimal("1.50"), "CNY", json.dumps({"dataset": "shop"}))
        charge = await ledger.charge(order)
        print("charged", name, flush=True)
        if number % 2:
            await ledger.record(charge, name.encode(), {name: Release(b"drawn")})
            print("answered", name, flush=True)

asyncio.run(main(sys.argv[1], sys.argv[2]))
"""


def crash(folder, run, draw):
    """Charge in a process of its own until it is killed; return what it had said by then."""
    command = [sys.executable, "-c", CHARGER, str(folder), str(run)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=TESTS, env={"PYTHONPATH": f"{TESTS}:{TESTS.parent}"}
    )
    said = [process.stdout.readline() for _ in range(draw.randint(1, 12))]
    time.sleep(draw.random() * 0.01)
    process.send_signal(signal.SIGKILL)
    rest, _ = process.communicate(timeout=20)
    lines = [line.split() for line in [*said, *rest.splitlines()]]
    return [tuple(line) for line in lines if len(line) == 2]


async def crashes(folder, count, seed):
    draw = random.Random(seed)
    said = []
    for run in range(count):
        said += crash(folder, run, draw)
        store = Store(folder)
        await check(store, said)
        store.close()
    assert len(said) > count


async def check(store, said):
    def work(connection):
        rows = connection.execute(select(queries)).mappings().all()
        size = log.size(connection)
        positions = list(connection.execute(select(leaves.c.position).order_by(leaves.c.position)).scalars())
        lines = list(connection.execute(select(events.c.line)).scalars())
        sequence = connection.execute(select(func.max(events.c.sequence))).scalar()
        found = [log.read_leaf(connection, i) for i in range(size)]
        return rows, size, positions, lines, sequence, found, merkle.root(size, log.node_reader(connection))

    rows, size, positions, lines, sequence, found, root = await store.run(work)
    by_id = {row["query_id"]: row for row in rows}
    for word, name in said:
        assert name in by_id, f"{name} was {word} and is gone"
        if word == "answered":
            assert by_id[name]["answer"] == name.encode()
    assert positions == list(range(size))
    grown = {}
    for position, leaf in enumerate(found):
        for level, at, value in merkle.new_nodes(position, leaf, lambda lv, p: grown[lv, p]):
            grown[level, at] = value
    assert root == merkle.root(size, lambda lv, p: grown[lv, p])
    charged = Counter(json.loads(leaf)["query_id"] for leaf in found)
    assert charged == Counter(list(by_id)), "each charge has one leaf in the log"
    assert sequence == len(lines)
    charges = [event for event in map(json.loads, lines) if event["type"].endswith(".charged")]
    assert len(charges) == len(rows)
    ledger = Ledger(store, FixedClock(NOW), "gw")
    (balance,) = await ledger.balances((Account("data/a", 10**12, 10**12),))
    assert (balance.rho_spent, balance.delta_spent) == (7 * len(rows), 3 * len(rows))


async def test_eight_crashes(tmp_path):
    await crashes(tmp_path / "state", 8, 5)


@pytest.mark.long
async def test_a_hundred_crashes(tmp_path):
    await crashes(tmp_path / "state", 100, 6)
