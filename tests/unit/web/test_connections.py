"""Slow and superfluous connections on a real socket: let go in time, while others are answered."""

import asyncio

from support.operations import behind

from gateway.settings import Settings
from gateway.web.app import build, serve


class Service:
    """Nothing is asked of it."""


async def served(work, **settings):
    parts = behind(Service())
    app = build(parts, Settings(port=0, **settings))
    stop, address = asyncio.Event(), asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(app, parts.questions, Settings(port=0, **settings), address.set_result, stop))
    try:
        host, port = (await address).removeprefix("http://").split(":")
        await work(host, int(port))
    finally:
        stop.set()
        await task


async def healthy(host, port):
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    return answer.startswith(b"HTTP/1.1 200")


async def test_a_head_that_does_not_end_is_let_go():
    async def work(host, port):
        readers = []
        for sent in (b"", b"GET /healthz HTTP/1.1\r\nHost:"):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(sent)
            readers.append((reader, writer))
        assert await healthy(host, port)
        for reader, writer in readers:
            assert await asyncio.wait_for(reader.read(), 5) == b""
            writer.close()

    await served(work, head_timeout_s=0.4)


async def test_connections_beyond_the_most_are_closed_and_the_others_answered():
    async def work(host, port):
        held = [await asyncio.open_connection(host, port) for _ in range(4)]
        reader, writer = await asyncio.open_connection(host, port)
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        for _, kept in held[:2]:
            kept.close()
        await asyncio.sleep(0.1)
        assert await healthy(host, port)
        for _, kept in held[2:]:
            kept.close()

    await served(work, max_connections=4)


async def test_an_idle_connection_may_ask_again_within_the_time():
    async def work(host, port):
        reader, writer = await asyncio.open_connection(host, port)
        for _ in range(3):
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
            assert head.startswith(b"HTTP/1.1 200")
            size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(size)
            await asyncio.sleep(0.3)
        writer.close()

    await served(work, head_timeout_s=1.0)
