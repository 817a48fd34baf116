"""Work that blocks runs in threads of its own; whatever ends it is told, and nobody waits for a thread that has gone."""

import asyncio
import sys
import threading

import pytest

from gateway.engines.spark_sessions import Failed, in_thread


class Unheard(BaseException):
    """What a compiled library raises of itself: no Exception."""


def raises():
    raise Unheard


@pytest.mark.parametrize("end", [lambda: 1 / 0, lambda: sys.exit(-1), raises], ids=["an error", "an exit", "any other"])
def test_a_client_that_fails_or_exits_is_a_failure_at_once(end):
    async def asked():
        async with asyncio.timeout(10):
            return await in_thread(end)

    with pytest.raises(Failed):
        asyncio.run(asked())


def test_what_work_gives_is_returned():
    assert asyncio.run(in_thread(lambda: 7)) == 7


def test_a_system_without_threads_is_a_failure(monkeypatch):
    def refused(self):
        raise RuntimeError("can't start new thread")

    async def asked():
        monkeypatch.setattr(threading.Thread, "start", refused)
        await in_thread(lambda: 7)

    with pytest.raises(Failed):
        asyncio.run(asked())


def test_work_that_ends_behind_its_loop_tells_nobody():
    begun, go, told = threading.Event(), threading.Event(), []

    def work():
        begun.set()
        go.wait(10)
        told.append(threading.current_thread())

    async def asked():
        waiting = asyncio.ensure_future(in_thread(work))
        await asyncio.to_thread(begun.wait, 10)
        waiting.cancel()

    asyncio.run(asked())
    go.set()
    for thread in threading.enumerate():
        if thread.name == "spark":
            thread.join(10)
    assert len(told) == 1
