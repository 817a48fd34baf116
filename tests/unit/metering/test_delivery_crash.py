"""kill -9 while events are charged and delivered: every event arrives, and folded by id each is billed once."""

import asyncio
import contextlib
import json
import random
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from support.billing import NOVEMBER, lines_of
from support.stores import Clock

from gateway.app.clock import SystemRandomness
from gateway.ledger.reconcile import reconcile
from gateway.metering.charges import charges
from gateway.metering.delivery import Deliverer, Undelivered
from gateway.metering.files import FileSink
from gateway.metering.invoices import fold
from gateway.metering.periods import month
from gateway.metering.webhook import WebhookSink
from gateway.store.database import open_store

TESTS = Path(__file__).resolve().parents[2]
SECRET = b"a secret of the receiver, long enough"
WORKER = """
import asyncio, itertools, sys
from pathlib import Path
from support.billing import NOVEMBER, priced
from support.stores import Clock, ledger_of
from gateway.app.clock import SystemClock, SystemRandomness
from gateway.metering.delivery import Deliverer
from gateway.metering.files import FileSink
from gateway.metering.webhook import WebhookSink
from gateway.store.database import open_store

async def quickly(seconds):
    await asyncio.sleep(min(seconds, 0.002))

async def main(state, address, files, hook, run):
    store = await open_store(Path(state), address or None)
    ledger = ledger_of(store, Clock(NOVEMBER))
    webhook = WebhookSink(hook, b"a secret of the receiver, long enough", SystemClock(), SystemRandomness(), 3, quickly)
    sinks = (FileSink(Path(files), max_bytes=20_000), webhook)
    tasks = [asyncio.create_task(Deliverer(store, SystemClock(), sink, "one", quickly).run()) for sink in sinks]
    for number in itertools.count():
        await ledger.charge(priced(f"{run}-{number}"))
        print("charged", f"Q{run}-{number}", flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
def receiver():
    """A webhook in threads: now and then it takes a batch and is gone before it says so."""
    draw, taken = random.Random(5), []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            taken.append([json.dumps(event) for event in json.loads(body)])
            if draw.random() < 0.2:
                self.close_connection = True
                return
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    server.taken, server.url = taken, f"http://127.0.0.1:{server.server_address[1]}/"
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def crash(place, files, hook, run, draw):
    state, address = place
    command = [sys.executable, "-c", WORKER, str(state), address or "", str(files), hook, str(run)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=TESTS, env={"PYTHONPATH": f"{TESTS}:{TESTS.parent}"}
    )
    said = [process.stdout.readline() for _ in range(draw.randint(1, 60))]
    time.sleep(draw.random() * 0.03)
    process.send_signal(signal.SIGKILL)
    rest, _ = process.communicate(timeout=30)
    return [line.split()[1] for line in [*said, *rest.splitlines()] if line.startswith("charged Q")]


async def crashes(place, folder, receiver, count):
    draw, said, files = random.Random(11), [], folder / "meter"
    for run in range(count):
        said += await asyncio.to_thread(crash, place, files, receiver.url, run, draw)
        store = await open_store(*place)
        found = await store.read(reconcile)
        await store.close()
        assert found.differences == ()
        assert found.charges == found.events >= len(said)
    store = await open_store(*place)
    clock, randomness = Clock(NOVEMBER), SystemRandomness()

    async def quickly(_seconds):
        await asyncio.sleep(0.001)

    for sink in (FileSink(files), WebhookSink(receiver.url, SECRET, clock, randomness, 3, quickly)):
        arrived = False
        while not arrived:
            with contextlib.suppress(Undelivered):
                await Deliverer(store, clock, sink, "one", quickly).drain()
                arrived = True
    kept = await lines_of(store)
    await store.close()
    written = [line for path in sorted(files.glob("*.jsonl")) for line in path.read_text().splitlines()]
    assert len(said) > count
    assert {f"{name}" for name in said} <= {json.loads(line)["subject"] for line in kept}
    assert written == kept, "in files each event stands once, in order"
    pushed = [line for batch in receiver.taken for line in batch]
    assert len(pushed) > len(kept), "some came more than once"
    first = list(dict.fromkeys(json.loads(line)["id"] for line in pushed))
    assert first == [json.loads(line)["id"] for line in kept], "each came, first in order"
    period = month("2026-11", "UTC")
    assert fold(charges(pushed), period) == fold(charges(kept), period), "folded by id, each is billed once"


@pytest.mark.parametrize("count", [2, pytest.param(4, marks=pytest.mark.long)])
async def test_a_few_crashes(store_place, tmp_path, receiver, count):
    await crashes(store_place, tmp_path, receiver, count)


@pytest.mark.long
async def test_sixty_crashes(store_place, tmp_path, receiver):
    await crashes(store_place, tmp_path, receiver, 60)
