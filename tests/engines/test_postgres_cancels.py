"""Statements on PostgreSQL that end before they are done: deadlines, cancels, leases that wait, a server that is killed."""

import asyncio
import time

import asyncpg
import pytest
from support.postgres import COUNT, HEAVY, ORDER, TABLE, at_work, running
from support.stores import refused
from support.two_engines import SOURCE, address, end, kill, own_server

from gateway.engines.postgres_engine import PostgresEngine
from gateway.errors import GatewayError
from gateway.ports import Source


async def test_a_query_over_its_deadline_is_cancelled_within_a_second(provider):
    lease = await provider.lease()
    started = time.monotonic()
    await refused(lease.run(HEAVY, 0.3), "query_failed")
    await lease.close()
    assert time.monotonic() - started < 1.3
    assert await running(provider) == 0
    lease = await provider.lease()
    assert (await lease.run(COUNT, 5.0)).table().to_pylist() == [{"n": 3}]
    await lease.close()


async def test_a_task_that_is_cancelled_takes_its_statement_along(provider):
    lease = await provider.lease()
    task = await at_work(provider, lease)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await lease.close()
    for _ in range(50):
        if await running(provider) == 0:
            break
        await asyncio.sleep(0.02)
    assert await running(provider) == 0


async def test_more_leases_than_connections_wait_and_are_told(provider):
    stamp = (await provider.inspect()).stamp
    engine = PostgresEngine({"DATA_DSN": address(provider.database, "gateway_reader")}.get, 1, 0.3, 20.0)
    engine._tables = dict(provider.engine._tables)
    held = await engine.lease(SOURCE, stamp)
    await refused(engine.lease(SOURCE, stamp), "overloaded")
    await held.close()
    await held.close()  # a second time gives nothing back
    await (await engine.lease(SOURCE, stamp)).close()
    await engine.close()


async def test_nothing_is_known_of_a_variable_that_is_not_set(provider):
    await refused(provider.engine.lease(Source("postgres", "OTHER/public"), "x"), "engine_unavailable")


async def soon(engine, stamp):
    """Return a lease as soon as there is one, within ten seconds."""
    started = time.monotonic()
    while True:
        try:
            return await engine.lease(SOURCE, stamp)
        except GatewayError as error:
            assert error.code == "engine_unavailable"
            assert time.monotonic() - started < 10
            await asyncio.sleep(0.1)


async def test_a_server_that_is_killed_is_read_again_within_seconds():
    own = await asyncio.to_thread(own_server)
    try:
        place = own.get_uri()
        owner = await asyncpg.connect(place)
        await owner.execute(TABLE)
        await owner.execute("INSERT INTO t SELECT g, 'a' FROM generate_series(1, 3) g")
        engine = PostgresEngine({"DATA_DSN": place}.get, 3, 5.0, 20.0)
        stamp = (await engine.inspect(SOURCE, ORDER)).stamp
        leases = [await engine.lease(SOURCE, stamp) for _ in range(2)]
        tasks = [asyncio.create_task(lease.run(HEAVY, 60.0)) for lease in leases]
        await asyncio.sleep(0.3)
        kill(own)
        done = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 20)
        assert [getattr(error, "code", error) for error in done] == ["query_failed"] * 2
        for lease in leases:
            await lease.close()
        await refused(engine.lease(SOURCE, stamp), "engine_unavailable")
        started = time.monotonic()
        await refused(engine.lease(SOURCE, stamp), "engine_unavailable")  # within the pause: at once
        assert time.monotonic() - started < 0.1
        owner.terminate()
        await asyncio.to_thread(own.ensure_postgres_running)
        lease = await soon(engine, stamp)
        assert (await lease.run(COUNT, 5.0)).table().to_pylist() == [{"n": 3}]
        await lease.close()
        await engine.close()
    finally:
        end(own)
