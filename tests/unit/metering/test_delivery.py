"""Delivery on both stores: files and a real webhook, in order, at least once; refusals, outages, replicas."""

import asyncio
import hashlib
import hmac
import json
from datetime import UTC, datetime

import pytest
from aiohttp import web
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from sqlalchemy import update
from support.billing import OCTOBER, lines_of, priced
from support.stores import Clock, ledger_of, meter_of

from gateway.app.clock import SystemRandomness
from gateway.ledger.model import Spent
from gateway.metering import delivery
from gateway.metering.delivery import Deliverer, Undelivered, progress
from gateway.metering.files import FileSink
from gateway.metering.webhook import WebhookSink, signature
from gateway.store import epochs
from gateway.store.tables import deliveries

SECRET = b"a secret of the receiver, long enough"


@pytest.fixture
def clock():
    return Clock(OCTOBER)


async def charge(store, clock, *numbers):
    for number in numbers:
        await ledger_of(store, clock).charge(priced(number))


def deliverer(store, clock, sink, holder="one"):
    return Deliverer(store, clock, sink, holder, pause=quickly)


async def quickly(_seconds):
    await asyncio.sleep(0)


def read(folder):
    files = sorted(folder.glob("*.jsonl"))
    return {path.name: path.read_text() for path in files}


# -- files ------------------------------------------------------------------------------------------------------------


async def test_files_hold_every_event_once_in_order(store, clock, tmp_path):
    await charge(store, clock, *range(120))
    sink = deliverer(store, clock, FileSink(tmp_path / "meter"))
    await sink.drain()
    await charge(store, clock, "last")
    await sink.drain()
    (text,) = read(tmp_path / "meter").values()
    assert text.splitlines() == await lines_of(store)
    assert await sink.confirmed() == 121


async def test_what_only_the_provider_may_read_is_not_delivered(store, clock, tmp_path):
    done = await ledger_of(store, clock).charge(priced(1))
    await meter_of(store, clock).measured(done, [Spent(1, {"rows": 3})])
    await deliverer(store, clock, FileSink(tmp_path)).drain()
    assert [json.loads(line)["type"] for line in "".join(read(tmp_path).values()).splitlines()] == [
        "gateway.query.charged"
    ]


async def test_files_end_with_their_day_and_their_size(store, clock, tmp_path):
    await charge(store, clock, 1, 2)
    clock.at = datetime(2026, 10, 4, 0, 0, tzinfo=UTC)
    await charge(store, clock, 3)
    clock.at = datetime(2026, 10, 3, 23, 59, tzinfo=UTC)  # a replica's clock is behind
    await charge(store, clock, 4, 5)
    lines = await lines_of(store)
    two = len(lines[0]) + len(lines[1]) + 2
    await deliverer(store, clock, FileSink(tmp_path, max_bytes=two + 10)).drain()
    assert read(tmp_path) == {
        "meter-2026-10-03-0001.jsonl": f"{lines[0]}\n{lines[1]}\n",
        "meter-2026-10-04-0002.jsonl": f"{lines[2]}\n{lines[3]}\n",
        "meter-2026-10-04-0003.jsonl": f"{lines[4]}\n",
    }


async def test_a_line_longer_than_a_file_may_be_has_one_for_itself(store, clock, tmp_path):
    await charge(store, clock, 1, 2)
    await deliverer(store, clock, FileSink(tmp_path, max_bytes=10)).drain()
    assert [len(text.splitlines()) for text in read(tmp_path).values()] == [1, 1]


async def test_what_a_crash_left_beyond_the_cursor_is_written_again_alike(store, clock, tmp_path):
    await charge(store, clock, 1, 2, 3)
    lines = await lines_of(store)
    sink = FileSink(tmp_path, max_bytes=len(lines[0]) + 1)
    await deliverer(store, clock, sink).drain()
    whole = read(tmp_path)
    cursor = json.loads((tmp_path / "cursor.json").read_text())
    first = {"epoch": 1, "sequence": 1, "day": "2026-10-03", "number": 1, "size": len(lines[0]) + 1}
    assert cursor == {**first, "sequence": 3, "number": 3}
    # killed after the lines were written, some of one torn, and before the cursor was
    (tmp_path / "cursor.json").write_text(json.dumps(first))
    (tmp_path / "meter-2026-10-03-0001.jsonl").write_text(f"{lines[0]}\n{lines[1][:40]}")
    again = deliverer(store, clock, FileSink(tmp_path, max_bytes=len(lines[0]) + 1))
    await again.drain()
    assert read(tmp_path) == whole


async def test_finished_files_may_be_taken_away(store, clock, tmp_path):
    await charge(store, clock, 1, 2)
    await deliverer(store, clock, FileSink(tmp_path)).drain()
    (tmp_path / "meter-2026-10-03-0001.jsonl").unlink()
    await charge(store, clock, 3)
    await deliverer(store, clock, FileSink(tmp_path)).drain()
    lines = await lines_of(store)
    assert read(tmp_path) == {"meter-2026-10-03-0002.jsonl": f"{lines[2]}\n"}
    (tmp_path / "cursor.json").unlink()
    (tmp_path / "meter-notes.jsonl").touch()
    await charge(store, clock, 4)
    await deliverer(store, clock, FileSink(tmp_path)).drain()
    lines = await lines_of(store)
    assert read(tmp_path)["meter-2026-10-03-0003.jsonl"] == f"{lines[3]}\n", "the store knows how far it was"


async def test_after_a_restore_numbers_of_before_mean_nothing(store, clock, tmp_path):
    await charge(store, clock, 1, 2)
    await deliverer(store, clock, FileSink(tmp_path)).drain()
    cursor = json.loads((tmp_path / "cursor.json").read_text())
    # the folder is ahead of the store that came back
    (tmp_path / "cursor.json").write_text(json.dumps({**cursor, "sequence": 99}))
    await store.run(lambda connection: epochs.begin(connection, "restored"))
    await store.run(lambda connection: connection.execute(update(deliveries).values(sequence=1)))
    await deliverer(store, clock, FileSink(tmp_path)).drain()
    lines = await lines_of(store)
    assert read(tmp_path) == {
        "meter-2026-10-03-0001.jsonl": f"{lines[0]}\n{lines[1]}\n",
        "meter-2026-10-03-0002.jsonl": f"{lines[1]}\n",
    }


# -- the webhook ------------------------------------------------------------------------------------------------------


class Receiver:
    """A billing system of the test's own: answers what `answer` says, and keeps what it took."""

    def __init__(self):
        self.requests, self.taken = [], []
        self.answer = lambda events: 204

    async def receive(self, request):
        body = await request.read()
        events = json.loads(body)
        status = self.answer(events)
        self.requests.append((dict(request.headers), body, status))
        if 200 <= status < 300:
            self.taken += [event["subject"] for event in events]
        return web.Response(status=status, headers={"Location": "/elsewhere"})


@pytest.fixture
async def receiver():
    made = Receiver()
    app = web.Application()
    app.router.add_post("/events", made.receive)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/events"
    yield made
    await runner.cleanup()


def webhook(receiver, clock, attempts=3, pause=quickly):
    return WebhookSink(receiver.url, SECRET, clock, SystemRandomness(), attempts, pause)


async def test_a_webhook_gets_signed_batches_in_order(store, clock, receiver):
    await charge(store, clock, *range(120))
    await deliverer(store, clock, webhook(receiver, clock)).drain()
    assert receiver.taken == [f"Q{number}" for number in range(120)]
    assert [len(json.loads(body)) for _, body, _ in receiver.requests] == [100, 20]
    headers, body, _ = receiver.requests[0]
    assert headers["Content-Type"].startswith("application/cloudevents-batch+json")
    seconds = int(clock.now().timestamp())
    code = hmac.new(SECRET, f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
    assert headers["Gateway-Signature"] == f"t={seconds},v1={code}"
    event = JSONFormat().read(CloudEvent, json.dumps(json.loads(body)[0]))
    assert event.get_data()["amount"] == "1.50"


def test_a_signature_is_of_the_time_the_body_and_the_secret():
    made = {
        signature(s, datetime(2026, 1, d, tzinfo=UTC), b)
        for s in (SECRET, b"x")
        for d in (1, 2)
        for b in (b"[]", b"[1]")
    }
    assert len(made) == 8


@pytest.mark.parametrize("status", [500, 503, 429, 404, 401, 302])
async def test_an_outage_is_waited_out_and_nothing_is_given_up(store, clock, receiver, status):
    await charge(store, clock, 1, 2, 3)
    waits = []

    async def pause(seconds):
        waits.append(seconds)

    receiver.answer = lambda events: status if len(receiver.requests) < 12 else 200
    sink = deliverer(store, clock, webhook(receiver, clock, attempts=2, pause=pause))
    for _ in range(12):
        with pytest.raises(Undelivered, match=f"HTTP {status}"):
            await sink.drain()
    await sink.drain()
    assert receiver.taken == ["Q1", "Q2", "Q3"]
    assert len(waits) == 12
    for number, wait in enumerate(waits):
        longest = min(0.5 * 2**number, 60)
        assert longest / 2 <= wait <= longest
    assert len({wait / min(0.5 * 2**number, 60) for number, wait in enumerate(waits)}) == 12, "no two waits in step"
    assert (await store.read(progress))[0].dead == ()


async def test_a_receiver_that_is_not_there_is_waited_for(store, clock, receiver):
    await charge(store, clock, 1)
    gone = WebhookSink("http://127.0.0.1:9/events", SECRET, clock, SystemRandomness(), 3, quickly)
    with pytest.raises(Undelivered):
        await deliverer(store, clock, gone).drain()
    await deliverer(store, clock, webhook(receiver, clock)).drain()
    assert receiver.taken == ["Q1"]


@pytest.mark.parametrize("refused", [{"Q3"}, {"Q1"}, {"Q7"}, {"Q2", "Q3", "Q6"}])
async def test_an_event_that_is_refused_is_a_dead_letter_and_the_others_arrive(store, clock, receiver, refused, caplog):
    await charge(store, clock, *range(1, 8))
    receiver.answer = lambda events: 422 if any(event["subject"] in refused for event in events) else 200
    sink = deliverer(store, clock, webhook(receiver, clock, attempts=3))
    last = await sink.drain()
    assert receiver.taken == [f"Q{number}" for number in range(1, 8) if f"Q{number}" not in refused]
    (state,) = await store.read(progress)
    assert (state.sink, state.confirmed, state.waiting) == ("webhook", last, 0)
    by_sequence = {letter.sequence: letter for letter in state.dead}
    assert {f"Q{sequence}" for sequence in by_sequence} == refused
    assert all(letter.reason == "HTTP 422, 3 times" for letter in state.dead)
    alone = [
        json.loads(body)[0]["subject"]
        for _, body, status in receiver.requests
        if status == 422 and len(json.loads(body)) == 1
    ]
    assert {name: alone.count(name) for name in refused} == dict.fromkeys(refused, 3)
    assert caplog.text.count("for good") == len(refused)


async def test_an_event_that_is_taken_at_last_is_no_dead_letter(store, clock, receiver):
    await charge(store, clock, 1)
    receiver.answer = lambda events: 400 if len(receiver.requests) < 2 else 200
    await deliverer(store, clock, webhook(receiver, clock, attempts=3)).drain()
    assert receiver.taken == ["Q1"]
    assert (await store.read(progress))[0].dead == ()


# -- replicas ---------------------------------------------------------------------------------------------------------


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def stop(task):
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_one_replica_delivers_and_another_takes_over(store, clock, receiver):
    first = deliverer(store, clock, webhook(receiver, clock), "first")
    second = deliverer(store, clock, webhook(receiver, clock), "second")
    await charge(store, clock, 1)
    one = asyncio.create_task(first.run())
    await until(lambda: receiver.taken == ["Q1"])
    two = asyncio.create_task(second.run())
    await charge(store, clock, *range(2, 30))
    await until(lambda: len(receiver.taken) >= 29)
    assert receiver.taken == [f"Q{number}" for number in range(1, 30)], "once each: the second one waits"
    await stop(one)
    await second.release()  # not its own to give up
    await charge(store, clock, 30)
    await asyncio.sleep(0.1)
    assert len(receiver.taken) == 29, "the lease of one that is gone has to end first"
    clock.pass_(61)
    await until(lambda: receiver.taken[-1] == "Q30")
    await stop(two)
    await second.release()
    three = asyncio.create_task(first.run())
    await charge(store, clock, 31)
    await until(lambda: receiver.taken[-1] == "Q31")
    await stop(three)


async def test_who_has_lost_the_lease_stops(store, clock, receiver, monkeypatch):
    monkeypatch.setattr(delivery, "LEASE_S", 0.3)
    first = deliverer(store, clock, webhook(receiver, clock), "first")
    second = deliverer(store, clock, webhook(receiver, clock), "second")
    one = asyncio.create_task(first.run())
    await charge(store, clock, 1)
    await until(lambda: receiver.taken == ["Q1"])
    clock.pass_(1)  # the first one was held up: its lease ends, and the second one's begins
    assert await second._lease()
    await asyncio.sleep(0.3)
    await charge(store, clock, 2)
    await asyncio.sleep(0.3)
    assert receiver.taken == ["Q1"]
    clock.pass_(1)
    await until(lambda: receiver.taken == ["Q1", "Q2"])
    await stop(one)


async def test_a_deliverer_outlives_a_sink_that_fails(store, clock, receiver, caplog):
    receiver.answer = lambda events: 500 if len(receiver.requests) < 3 else 200
    await charge(store, clock, 1)
    task = asyncio.create_task(deliverer(store, clock, webhook(receiver, clock)).run())
    await until(lambda: receiver.taken == ["Q1"])
    await stop(task)
    assert "meter events wait for webhook: the webhook does not take events (HTTP 500, 1 times in a row)" in caplog.text
    assert "Q1" not in caplog.text


async def test_a_deliverer_outlives_a_folder_that_cannot_be_written(store, clock, tmp_path, caplog):
    await charge(store, clock, 1)
    (tmp_path / "meter").write_text("in the way")
    waits = []

    async def pause(seconds):
        waits.append(seconds)
        await asyncio.sleep(0.001)

    task = asyncio.create_task(Deliverer(store, clock, FileSink(tmp_path / "meter"), "one", pause).run())
    await until(lambda: len(waits) > 8)
    assert waits[:8] == [2, 4, 8, 16, 32, 60, 60, 60]
    (tmp_path / "meter").unlink()
    await until((tmp_path / "meter" / "cursor.json").exists)
    await stop(task)
    assert len(read(tmp_path / "meter")) == 1
    assert "meter events wait for files" in caplog.text
