"""Serves until it is told to stop: signals, reloads, the one line that says where it listens."""

import asyncio
import logging
import signal
from collections.abc import Callable

from gateway.app.clock import SystemRandomness
from gateway.app.composing import started
from gateway.app.publishing import Publisher
from gateway.errors import GatewayError
from gateway.identity.development import open_secret
from gateway.observability.logs import configure
from gateway.settings import Settings
from gateway.web.app import build, serve
from gateway.web.console.sessions import Sessions
from gateway.web.operations import beside
from gateway.workers.starting import Starting

log = logging.getLogger("gateway")


async def _main(settings: Settings, workers: Starting, ready: Callable[[str], None]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with started(settings, workers) as (behind, publisher):
        reloads: set[asyncio.Task[None]] = set()

        def reload() -> None:
            task = asyncio.create_task(_reload(publisher))
            reloads.add(task)
            task.add_done_callback(reloads.discard)

        loop.add_signal_handler(signal.SIGHUP, reload)
        # a key that replicas share already: a session that one begins holds at all
        secret = bytes.fromhex(open_secret(settings.state, "text.key", SystemRandomness()))
        sessions = Sessions(secret, SystemRandomness())
        app = build(behind, settings, sessions)
        async with beside(settings, behind.operations, behind.service):
            await serve(app, behind.questions, settings, ready, stop)


async def _reload(publisher: Publisher) -> None:
    """Read the policies anew; a mistake is told to the operator and changes nothing."""
    try:
        await publisher.load()
    except GatewayError as error:
        log.error("policies were not reloaded: %s. %s", error, error.hint)  # noqa: TRY400 - the words, not the stack
    else:
        log.warning("policies reloaded; open: %s", ", ".join(sorted(publisher.datasets)) or "none")


def run(settings: Settings, workers: Starting, ready: Callable[[str], None] | None = None) -> int:
    """Serve until SIGTERM; print one line with the address when ready. Returns the exit code 0."""

    def announce(address: str) -> None:
        print(f"listening on {address}", flush=True)  # noqa: T201 - the line that scripts wait for

    configure(settings.log_format)
    logging.getLogger("aiohttp.server").addFilter(_WithoutBytes())
    asyncio.run(_main(settings, workers, ready or announce))
    return 0


class _WithoutBytes(logging.Filter):
    """Keeps what a caller sent out of the log: a malformed request may hold a token."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Drop the exception of a record, with the bytes that it quotes; keep its type."""
        if record.exc_info and record.exc_info[0] is not None:
            record.msg, record.args = "a request could not be read: %s", (record.exc_info[0].__name__,)
            record.exc_info = record.exc_text = None
        return True
