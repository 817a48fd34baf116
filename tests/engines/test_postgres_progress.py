"""What a statement on PostgreSQL is at is told while it runs, over one connection more, and of nobody else's."""

import asyncio

import pytest
from support.postgres import COUNT, at_work
from support.two_engines import connected

from gateway.engines.postgres_sessions import Working


async def test_what_a_statement_is_at_is_told_while_it_runs(provider):
    lease = await provider.lease()
    assert await lease.progress() is None
    task = await at_work(provider, lease)
    found = await lease.progress()
    assert found.elapsed_ms > 0
    assert found.processes == 1, "functions that make rows are not read in parallel"
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await lease.progress() is None
    await lease.close()


async def test_however_often_it_is_asked_the_server_has_one_connection_more(provider, monkeypatch):
    lease = await provider.lease()
    task = await at_work(provider, lease)
    connect, there, most = lease._sessions._connect, 0, 0

    class Counted:
        def __init__(self, connection):
            self.connection, self.fetchrow = connection, connection.fetchrow

        def terminate(self):
            nonlocal there
            there -= 1
            self.connection.terminate()

    async def counted():
        nonlocal there, most
        made = Counted(await connect())
        there, most = there + 1, max(most, there + 1)
        return made

    monkeypatch.setattr(lease._sessions, "_connect", counted)
    found = await asyncio.gather(*(lease.progress() for _ in range(8)))
    assert found[0].processes == 1
    assert (most, there) == (1, 0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await lease.close()


async def test_of_a_statement_that_ended_while_it_was_asked_nothing_is_told(provider, monkeypatch):
    """Its connection may be another query's by then: of another dataset, and another provider."""
    lease = await provider.lease()
    task = await at_work(provider, lease)
    working, sessions = lease._sessions.working, lease._sessions

    async def late(pid):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await lease.close()
        return await working(pid) or Working(7, None)

    monkeypatch.setattr(sessions, "working", late)
    assert await lease.progress() is None


async def test_a_statement_that_waits_says_what_for(provider):
    holder = await connected(provider.database)
    try:
        async with holder.transaction():
            lease = await provider.lease()
            await holder.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
            task = asyncio.create_task(lease.run(COUNT, 4.0))
            while (found := await lease.progress()) is None or found.waits_for is None:
                await asyncio.sleep(0.02)
        assert found.waits_for == "Lock: relation"
        assert (await task).table().to_pylist() == [{"n": 3}]
        await lease.close()
    finally:
        await holder.close()
