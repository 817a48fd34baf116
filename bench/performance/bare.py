"""A bare handler of the same server library: it checks the token as the gateway does, and answers fixed bytes."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from bench.performance.served import Served
from gateway.app.clock import SystemClock
from gateway.identity.development import DevelopmentKey
from gateway.identity.tokens import Lifetimes, Tokens

ANSWER = b"{" + b" " * 1500 + b"}"
"""As long as the answer that it stands beside."""


@contextmanager
def bare(served: Served) -> Iterator[str]:
    """Serve the bare handler in a process of its own; yield its address."""
    command = [sys.executable, "-m", "bench.performance.bare", served.key.secret]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None  # INVARIANT: a pipe of ours
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


async def _serve(secret: str) -> None:
    tokens = Tokens(
        SystemClock(),
        "controlled-query-gateway",
        development=DevelopmentKey(secret),
        issuer=None,
        keys=None,
        secret=None,
        lifetimes=Lifetimes(86_400, 30),
    )

    async def answer(request: web.Request) -> web.Response:
        await tokens.identify(request.headers["Authorization"].removeprefix("Bearer "))
        await request.read()
        return web.Response(body=ANSWER, content_type="application/json")

    app = web.Application()
    app.router.add_post("/v1/query", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert runner.addresses  # INVARIANT: it listens
    print(f"127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1]))
