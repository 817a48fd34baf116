"""Pools of real processes: deadlines, deaths, limits, and who waits for whom."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from gateway.errors import GatewayError, Interrupted, Position
from gateway.workers.forking import Forking, can_fork
from gateway.workers.pool import Pool
from gateway.workers.role import Role, WorkerDied, WorkerFailed, WorkerTimeout
from gateway.workers.starting import Fresh

TESTS = str(Path(__file__).resolve().parents[2])


def role(**known):
    return Role("test", "support.handlers:make", python_path=(TESTS,), **known)


class Lines(list):
    def __call__(self, line):
        self.append(line)


@pytest.fixture(params=["fresh", "forked"])
def starting(request):
    """Every case holds for both ways to start a process."""
    if request.param == "fresh":
        yield Fresh()
        return
    if not can_fork():
        pytest.skip("this system does not fork workers")
    with Forking(()) as forking:
        yield forking


@pytest.fixture
async def pools(starting):
    opened = []

    async def open_pool(size=1, spares=0, share=None, **known):
        lines = Lines()
        pool = Pool(role(**known), size, spares, lines, starting=starting, share=share)
        await pool.start()
        opened.append(pool)
        return pool, lines

    yield open_pool
    for pool in opened:
        await pool.close()


async def test_a_call_is_answered_by_another_process(pools):
    pool, _ = await pools()
    reply = await pool.call("echo", ["x", 1], 10)
    assert reply.header["said"] == ["x", 1]
    assert reply.payload == b"bytes"
    assert reply.header["pid"] in pool.pids
    assert reply.header["pid"] != os.getpid()


@pytest.mark.parametrize(("method", "argument"), [("sleep", 60), ("spin", None)])
async def test_what_overruns_its_deadline_is_killed_and_the_next_call_is_answered(pools, method, argument):
    pool, _ = await pools()
    (before,) = pool.pids
    with pytest.raises(WorkerTimeout):
        await pool.call(method, argument, 0.3)
    reply = await pool.call("echo", 1, 20)
    assert reply.header["pid"] != before
    with pytest.raises(ProcessLookupError):
        os.kill(before, 0)


async def test_a_killed_worker_is_an_error_of_its_call_alone(pools):
    pool, _ = await pools(size=2)
    victim = await pool.acquire(5)
    pending = asyncio.create_task(victim.call("sleep", 60, 30))
    await asyncio.sleep(0.1)
    os.kill(victim.pid, signal.SIGKILL)
    with pytest.raises(WorkerDied):
        await pending
    victim.release()
    assert (await pool.call("echo", 1, 20)).header["said"] == 1


async def test_a_call_is_interrupted_by_its_closing_pool_and_by_nothing_else(pools):
    pool, _ = await pools(size=2)
    held = await pool.acquire(5)
    pending = asyncio.create_task(held.call("sleep", 60, 30))
    died = await pool.acquire(5)
    with pytest.raises(WorkerDied, match="status 3"):
        await died.call("end", None, 30)
    await pool.close()
    with pytest.raises(Interrupted):
        await pending


async def test_a_worker_that_says_it_was_interrupted_is_not_believed(pools):
    pool, _ = await pools()
    with pytest.raises(GatewayError) as caught:
        await pool.call("refuse", Interrupted(), 20)
    assert caught.value.code == "shutting_down"
    assert not isinstance(caught.value, Interrupted)


async def test_an_idle_worker_that_dies_is_replaced(pools):
    pool, _ = await pools()
    (before,) = pool.pids
    os.kill(before, signal.SIGKILL)
    async with asyncio.timeout(20):
        while not pool.pids or pool.pids == (before,):
            await asyncio.sleep(0.02)
    assert (await pool.call("echo", 1, 20)).header["pid"] != before


async def test_the_worker_that_was_at_work_last_is_next_and_of_what_is_open_the_oldest_goes(pools):
    pool, _ = await pools(size=3)
    first, second, third = [await pool.acquire(5) for _ in range(3)]
    for worker, tag in ((second, "shop"), (first, "shop"), (third, "bank")):
        worker.tag = tag
        worker.release()
    last = await pool.acquire(5)
    assert last is third, "nothing is preferred"
    last.release()
    warm = await pool.acquire(5, prefer="shop")
    assert warm is first, "of two that have it open the last"
    warm.release()
    assert await pool.acquire(5, prefer="new") is second, "what nobody has open takes the place of what is missed least"


async def test_who_waits_too_long_is_told_overloaded(pools):
    pool, _ = await pools()
    held = await pool.acquire(5)
    with pytest.raises(GatewayError) as caught:
        await pool.call("echo", 1, 5, wait_s=0.1)
    assert caught.value.code == "overloaded"
    held.release()
    assert (await pool.call("echo", 1, 5)).header["said"] == 1


async def test_who_gives_up_waiting_leaves_the_place_to_the_next(pools):
    pool, _ = await pools()
    held = await pool.acquire(5)
    first = asyncio.create_task(pool.acquire(30))
    second = asyncio.create_task(pool.acquire(30))
    await asyncio.sleep(0)
    first.cancel()
    held.release()
    worker = await second
    assert (await worker.call("echo", 1, 5)).header["said"] == 1
    worker.release()
    assert pool.busy == 0
    assert pool.waiting == 0


async def test_a_cancelled_call_kills_its_worker(pools):
    pool, _ = await pools()
    (before,) = pool.pids
    call = asyncio.create_task(pool.call("sleep", 60, 60))
    await asyncio.sleep(0.2)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert (await pool.call("echo", 1, 20)).header["pid"] != before


async def test_first_come_first_served(pools):
    pool, _ = await pools()
    held = await pool.acquire(5)
    order = []

    async def ask(number):
        await pool.call("echo", number, 5)
        order.append(number)

    asks = [asyncio.create_task(ask(number)) for number in range(5)]
    await asyncio.sleep(0.05)
    held.release()
    await asyncio.gather(*asks)
    assert order == [0, 1, 2, 3, 4]


async def test_parties_take_turns_however_much_one_of_them_asks(pools):
    pool, _ = await pools()
    held = await pool.acquire(5, party="ana")
    order = []

    async def ask(party):
        await pool.call("echo", party, 5, party=party)
        order.append(party)

    asks = [asyncio.create_task(ask(party)) for party in ("ana", "ana", "ana", "ben", "ben", "eve")]
    await asyncio.sleep(0.05)
    held.release()
    await asyncio.gather(*asks)
    assert order == ["ben", "eve", "ana", "ben", "ana", "ana"]


async def test_a_party_holds_no_more_than_its_share(pools):
    pool, _ = await pools(size=2, share=1)
    held = await pool.acquire(5, party="ana")
    more = asyncio.create_task(pool.acquire(5, party="ana"))
    other = await pool.acquire(1, party="ben")
    other.release()
    assert not more.done()
    held.release()
    (await more).release()
    assert (pool.busy, pool.waiting) == (0, 0)


async def test_too_much_memory_ends_the_worker_and_not_the_parent(pools):
    pool, lines = await pools(memory_bytes=2 << 30)
    with pytest.raises(WorkerDied):
        await pool.call("allocate", 4 << 30, 20)
    assert (await pool.call("allocate", 1 << 20, 20)).header["size"] == 1 << 20
    assert any("out of memory" in line for line in lines)


async def test_too_much_processor_time_ends_the_worker(pools):
    pool, _ = await pools(cpu_s=1)
    with pytest.raises(WorkerDied):
        await pool.call("spin", None, 30)


async def test_a_refusal_arrives_as_it_was_raised(pools):
    pool, _ = await pools()
    with pytest.raises(GatewayError) as caught:
        await pool.call("refuse", None, 5)
    error = caught.value
    assert (error.code, error.detail, error.hint, error.position) == ("raw_rows", "detail", "hint", Position(2, 3))


async def test_a_fault_of_the_handler_is_no_answer_and_the_worker_lives(pools):
    pool, _ = await pools()
    with pytest.raises(WorkerFailed, match="a secret value"):
        await pool.call("fail", None, 5)
    before = pool.pids
    assert (await pool.call("echo", 1, 5)).header["pid"] in before


@pytest.mark.parametrize("method", ["end", "nan"])
async def test_what_is_no_answer_is_an_error(pools, method):
    pool, _ = await pools()
    with pytest.raises((WorkerDied, WorkerFailed)):
        await pool.call(method, None, 5)
    assert (await pool.call("echo", 1, 20)).header["said"] == 1


async def test_what_a_library_prints_is_no_answer(pools):
    pool, lines = await pools()
    assert (await pool.call("print", None, 5)).header == {"said": "printed"}
    async with asyncio.timeout(5):
        while not any("xxx" in line for line in lines):
            await asyncio.sleep(0.01)


async def test_a_reply_larger_than_allowed_is_not_read(pools):
    pool, _ = await pools(max_reply_bytes=1_000)
    assert len((await pool.call("reply", 1_000, 5)).payload) == 1_000
    with pytest.raises(WorkerDied, match="larger than allowed"):
        await pool.call("reply", 1_001, 5)


async def test_a_worker_has_nothing_of_the_parent_s_environment(pools, monkeypatch):
    monkeypatch.setenv("GATEWAY_HS256_SECRET", "s" * 40)
    pool, _ = await pools()
    names = (await pool.call("environment", None, 5)).header["names"]
    assert "GATEWAY_HS256_SECRET" not in names
    assert "AWS_SECRET_ACCESS_KEY" not in names
    assert not [name for name in names if name.startswith("GATEWAY")]


async def test_a_worker_writes_no_file(pools, tmp_path):
    pool, _ = await pools()
    with pytest.raises((WorkerFailed, WorkerDied)):
        await pool.call("write", str(tmp_path / "x"), 5)
    assert not (tmp_path / "x").exists() or (tmp_path / "x").stat().st_size == 0


async def test_a_role_that_cannot_be_made_does_not_start(starting):
    pool = Pool(Role("test", "support.handlers:broken", python_path=(TESTS,)), 1, 0, Lines(), starting=starting)
    with pytest.raises(WorkerFailed, match="cannot be made"):
        await pool.start()


async def test_a_closed_pool_refuses_and_leaves_no_process(pools):
    pool, _ = await pools(size=2)
    pids = pool.pids
    held = await pool.acquire(5)
    waiting = [asyncio.create_task(pool.acquire(5)) for _ in range(2)]
    await asyncio.sleep(0)
    await pool.close()
    with pytest.raises(GatewayError) as caught:
        await pool.acquire(1)
    assert caught.value.code == "shutting_down"
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert any(isinstance(o, GatewayError) and o.code == "shutting_down" for o in outcomes)
    held.release()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
