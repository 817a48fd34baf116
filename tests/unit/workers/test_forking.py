"""Workers that are forked: what they share with the process they come from, and what they must not."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.app.roles import FINISHER, PLANNER, engine_role, modules, starting
from gateway.settings import Settings
from gateway.workers.forking import Forking, can_fork
from gateway.workers.pool import Pool
from gateway.workers.role import Role, WorkerDied
from gateway.workers.starting import ENVIRONMENT
from gateway.workers.worker import Worker

pytestmark = pytest.mark.skipif(not can_fork(), reason="this system does not fork workers")
TESTS = str(Path(__file__).resolve().parents[2])
SETTINGS = Settings(policies=Path("policies"), state=Path("state"))
ROLE = Role("test", "support.handlers:make", python_path=(TESTS,), memory_bytes=4096 << 20)


class Lines(list):
    def __call__(self, line):
        self.append(line)


@pytest.fixture(scope="module")
def loaded():
    """What the gateway itself forks from, for all tests of the module."""
    with starting(SETTINGS) as forking:
        yield forking


@pytest.fixture
async def workers(loaded):
    started = []

    async def start(role=ROLE):
        started.append(await Worker.start(role, Lines(), loaded))
        return started[-1]

    yield start
    for worker in started:
        await worker.end()


def status(pid, name):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.split(":")[1].strip() for line in lines if line.startswith(name))


def is_gone(pid):
    """Tell whether a process has ended; one whose parent has ended before it may stay in the table for a while."""
    try:
        return status(pid, "State")[0] == "Z"
    except FileNotFoundError:
        return True


async def test_the_process_that_is_forked_has_one_thread_and_drew_nothing(workers, loaded):
    await workers()
    assert len(os.listdir(f"/proc/{loaded._server.pid}/task")) == 1


async def test_a_worker_that_makes_arrow_loads_no_pandas_for_it(workers):
    said = (await (await workers()).call("arrow", [1, None], 20)).header
    assert said == {"loaded": False, "made": [1, None]}


async def test_two_workers_draw_different_noise(workers):
    drawn = [json.loads((await (await workers()).call("noise", 50, 20)).payload) for _ in range(2)]
    for first, second in zip(*drawn, strict=True):
        assert len(set(first)) > 40, "the scale is large"
        assert not set(first) & set(second)


async def test_two_workers_draw_different_numbers_of_every_other_kind(workers):
    first, second = [(await (await workers()).call("numbers", None, 20)).header for _ in range(2)]
    assert first.keys() == second.keys()
    assert all(first[name] != second[name] for name in first)


@pytest.mark.parametrize("role", [PLANNER, engine_role(SETTINGS), FINISHER], ids=lambda role: role.name)
async def test_each_worker_has_its_own_limits_and_session(workers, role):
    worker = await workers(role)
    limits = Path(f"/proc/{worker.pid}/limits").read_text()
    (line,) = [line for line in limits.splitlines() if line.startswith("Max address space")]
    assert line.split()[3:5] == [str(role.memory_bytes)] * 2
    (line,) = [line for line in limits.splitlines() if line.startswith("Max file size")]
    assert line.split()[3:5] == ["0", "0"]
    assert os.getsid(worker.pid) == worker.pid
    assert os.getpriority(os.PRIO_PROCESS, worker.pid) == os.getpriority(os.PRIO_PROCESS, 0) + role.nice
    assert status(worker.pid, "Name") == f"gw-{role.name}"


async def test_a_worker_holds_no_socket_but_its_own(workers):
    first = await workers()
    for worker in (first, await workers()):
        files = [os.readlink(path) for path in Path(f"/proc/{worker.pid}/fd").iterdir()]
        sockets = {name for name in files if name.startswith("socket:")}
        assert len(sockets) == 2, "the channel and standard error"
        assert not [name for name in files if "pidfd" in name or "epoll" in name]


async def test_a_killed_worker_is_replaced_at_once(loaded):
    pool = Pool(ROLE, 1, 0, Lines(), starting=loaded)
    await pool.start()
    try:
        took = []
        for _ in range(5):
            (before,) = pool.pids
            begin = time.perf_counter()
            os.kill(before, signal.SIGKILL)
            async with asyncio.timeout(20):
                while not pool.pids or pool.pids == (before,):
                    await asyncio.sleep(0.001)
            took.append(time.perf_counter() - begin)
        assert min(took) < 0.2, took
    finally:
        await pool.close()


async def test_when_the_process_to_fork_from_dies_all_die_and_come_again():
    lines = Lines()
    with Forking(()) as forking:
        pool = Pool(ROLE, 2, 0, lines, starting=forking)
        await pool.start()
        before = pool.pids
        call = asyncio.create_task(pool.call("sleep", 60, 60))
        await asyncio.sleep(0.1)
        forking._server.kill()
        with pytest.raises(WorkerDied, match="status -9"):
            await call
        assert (await pool.call("echo", 1, 20)).header["pid"] not in before
        async with asyncio.timeout(20):
            while len(pool.pids) < 2:
                await asyncio.sleep(0.01)
        await pool.close()
    assert all(is_gone(pid) for pid in before)


async def test_a_process_that_cannot_be_loaded_starts_no_worker():
    with Forking(("gateway.there_is_no_such_module",)) as forking, pytest.raises(WorkerDied, match="ended"):
        await Worker.start(ROLE, Lines(), forking)


async def test_a_system_without_room_for_a_process_starts_one_worker_less(monkeypatch):
    monkeypatch.setitem(ENVIRONMENT, "PYTHONPATH", f"{ENVIRONMENT['PYTHONPATH']}:{TESTS}")
    with Forking(("support.crowded",)) as forking:
        first = await Worker.start(ROLE, Lines(), forking)
        with pytest.raises(WorkerDied, match="no process to spare"):
            await Worker.start(ROLE, Lines(), forking)
        assert (await first.call("echo", 1, 20)).header["said"] == 1
        await first.end()


async def test_who_gives_up_waiting_for_a_process_leaves_none(loaded):
    pool = Pool(ROLE, 1, 0, Lines(), starting=loaded)
    start = asyncio.create_task(pool.start())
    await asyncio.sleep(0)
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    other = await Worker.start(ROLE, Lines(), loaded)
    async with asyncio.timeout(5):
        while list(loaded._running) != [other.pid]:
            await asyncio.sleep(0.01)
    await other.end()


def test_what_is_loaded_ends_when_its_gateway_is_killed():
    program = (
        "import sys, time\n"
        "from gateway.workers.forking import Forking\n"
        "forking = Forking(())\n"
        "print(forking._server.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    command = [sys.executable, "-c", program]
    environment = {**os.environ, "PYTHONPATH": ENVIRONMENT["PYTHONPATH"]}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        server = int(process.stdout.readline())
        process.kill()
    deadline = time.monotonic() + 20
    while not is_gone(server):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_modules_are_those_of_the_factories():
    assert modules(PLANNER, FINISHER) == ("gateway.planning_worker", "gateway.engines.finishing")


def test_the_code_of_workers_leaves_alone_what_a_data_frame_user_has_installed():
    """Polars starts threads when it is imported, and a library that finds it may import it: nothing could be forked."""
    named = modules(PLANNER, engine_role(Settings()), FINISHER)
    code = f"import sys, {', '.join(named)}\nprint(*sorted({{'polars', 'pandas', 'IPython'}} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=True)
    assert found.stdout.split() == []
