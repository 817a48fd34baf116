"""kill -9 at any moment, on both stores: what was said to be durable stands, and nothing half done is there."""

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
from support.stores import START, ledger_of

from gateway.ledger.model import Account
from gateway.ports import FixedClock
from gateway.store import log, merkle
from gateway.store.database import open_store
from gateway.store.tables import events, leaves, queries, spendings

TESTS = Path(__file__).resolve().parents[2]
BUYERS = 32
CHARGER = f"""
import asyncio, itertools, sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from gateway.ledger.model import Account, Release
from gateway.ports import FixedClock
from gateway.store.database import open_store
from support.stores import START, ledger_of, order

def say(*words):
    print(*words, flush=True)

async def buyer(ledger, run, who):
    for number in itertools.count():
        name = f"Q{{run}}-{{who}}-{{number}}"
        wanted = order(name, query_id=name, buyer=f"org/{{who}}", draws=(name,), rho=7, delta=3,
                       accounts=(Account("data/a", 10**12, 10**12), Account(f"buyer/a/org/{{who}}", None, None)))
        charge = await ledger.charge(wanted)
        say("charged", name)
        if number % 2:
            await ledger.record(charge, name.encode(), {{name: Release(b"drawn")}})
            say("answered", name)

async def main(folder, url, run):
    ledger = ledger_of(await open_store(Path(folder), url or None), FixedClock(START))
    await asyncio.gather(*(buyer(ledger, run, who) for who in range({BUYERS})))

asyncio.run(main(*sys.argv[1:]))
"""


def crash(place, run, draw):
    """Let 32 buyers charge in a process of its own until it is killed; return what it had said by then."""
    folder, url = place
    command = [sys.executable, "-c", CHARGER, str(folder), url or "", str(run)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=TESTS, env={"PYTHONPATH": f"{TESTS}:{TESTS.parent}"}
    )
    said = [process.stdout.readline() for _ in range(draw.randint(1, 80))]
    time.sleep(draw.random() * 0.01)
    process.send_signal(signal.SIGKILL)
    rest, _ = process.communicate(timeout=20)
    lines = [line.split() for line in [*said, *rest.splitlines()]]
    return [tuple(line) for line in lines if len(line) == 2]


async def crashes(place, count, seed):
    draw = random.Random(seed)
    said = []
    for run in range(count):
        said += crash(place, run, draw)
        store = await open_store(*place)
        await check(store, said)
        await store.close()
    assert len(said) > count


async def check(store, said):
    """No charge lost, none doubled, no answer without its charge; log, ledger, money and meter agree."""

    def work(connection):
        rows = connection.execute(select(queries)).mappings().all()
        size = log.size(connection)
        positions = list(connection.execute(select(leaves.c.position).order_by(leaves.c.position)).scalars())
        lines = list(connection.execute(select(events.c.line)).scalars())
        money = {(m.account, m.period): m.amount for m in connection.execute(select(spendings))}
        found = [log.read_leaf(connection, i) for i in range(size)]
        count = connection.execute(select(func.count()).select_from(events)).scalar_one()
        return rows, size, positions, lines, count, money, found, merkle.root(size, log.node_reader(connection))

    rows, size, positions, lines, count, money, found, root = await store.run(work)
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
    kinds = Counter((leaf["kind"], leaf["query_id"]) for leaf in map(json.loads, found))
    answered = [row["query_id"] for row in rows if row["answer"] is not None]
    assert kinds == Counter([("charged", i) for i in by_id] + [("answered", i) for i in answered])
    assert count == len(rows) == len([line for line in lines if json.loads(line)["type"].endswith(".charged")])
    ledger = ledger_of(store, FixedClock(START))
    account = Account("data/a", 10**12, 10**12)
    (balance,) = await ledger.balances((account,))
    assert (balance.rho_spent, balance.delta_spent, balance.uses) == (7 * len(rows), 3 * len(rows), len(rows))
    by_buyer = Counter(row["buyer"] for row in rows)
    for buyer, paid in by_buyer.items():
        assert money[f"purse/{buyer}", "total"] == f"{paid * 1.5:.2f}"


@pytest.mark.parametrize("count", [2, pytest.param(6, marks=pytest.mark.long)])
async def test_a_few_crashes(store_place, count):
    await crashes(store_place, count, 5)


@pytest.mark.long
async def test_two_hundred_crashes(store_place):
    await crashes(store_place, 200, 6)
