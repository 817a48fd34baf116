"""Work that blocks runs in threads of its own; whatever ends it is told, and nobody waits for a thread that has gone."""

import asyncio
import sys

import pytest

from gateway.engines.spark_sessions import Failed, in_thread


@pytest.mark.parametrize("end", [lambda: 1 / 0, lambda: sys.exit(-1)], ids=["an error", "an exit"])
def test_a_client_that_fails_or_exits_is_a_failure_at_once(end):
    async def asked():
        async with asyncio.timeout(10):
            return await in_thread(end)

    with pytest.raises(Failed):
        asyncio.run(asked())


def test_what_work_gives_is_returned():
    assert asyncio.run(in_thread(lambda: 7)) == 7
