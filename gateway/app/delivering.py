"""Delivers meter events beside the front door, to the sinks that the settings name."""

import asyncio
import contextlib
import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from gateway.app.clock import SystemClock, SystemRandomness
from gateway.errors import GatewayError
from gateway.identity.development import open_secret
from gateway.metering.delivery import Deliverer, Sink
from gateway.metering.files import FileSink
from gateway.metering.webhook import WebhookSink
from gateway.settings import MIN_SECRET_BYTES, Settings
from gateway.store.database import Store


def sinks(settings: Settings) -> list[Sink]:
    """Return the sinks that the settings name. Raises GatewayError `settings_invalid` for a secret that is none."""
    found: list[Sink] = []
    if settings.meter_files is not None:
        found.append(FileSink(settings.meter_files))
    if settings.meter_webhook is not None:
        secret, attempts = _secret(settings), settings.meter_attempts
        found.append(WebhookSink(settings.meter_webhook, secret, SystemClock(), SystemRandomness(), attempts))
    return found


def _secret(settings: Settings) -> bytes:
    if settings.meter_secret_file is None:
        return (settings.meter_secret or "").encode()
    try:
        secret = settings.meter_secret_file.read_bytes().strip()
    except OSError as error:
        detail = f"The file of GATEWAY_METER_SECRET_FILE cannot be read: {error.strerror}."
        raise GatewayError("settings_invalid", detail, "Name a file that the gateway may read.") from None
    if len(secret) < MIN_SECRET_BYTES:
        detail = f"The secret in GATEWAY_METER_SECRET_FILE is shorter than {MIN_SECRET_BYTES} bytes."
        raise GatewayError("settings_invalid", detail, "Write a longer one.")
    return secret


@contextlib.contextmanager
def _holder(state: Path) -> Iterator[str]:
    """Yield the name that this process holds sinks under, which no other process has at the same time.

    It is kept with the state, so that a gateway that was killed goes on at once and need not wait for its own lease to
    end. Whoever shares the folder with a gateway that runs has a name for once: two of one name would deliver at once.
    """
    own = open_secret(state, "replica.id", SystemRandomness())
    descriptor = os.open(state, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        own = SystemRandomness().token_bytes(32).hex()
    try:
        yield own
    finally:
        os.close(descriptor)  # which lets the lock go, as the end of the process does


@contextlib.asynccontextmanager
async def delivering(store: Store, settings: Settings) -> AsyncIterator[None]:
    """Deliver meter events while the block runs; what is not delivered then waits in the store."""
    wanted = sinks(settings)
    if not wanted:
        yield
        return
    with _holder(settings.state) as holder:
        deliverers = [Deliverer(store, SystemClock(), sink, holder) for sink in wanted]
        tasks = [asyncio.create_task(deliverer.run()) for deliverer in deliverers]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for deliverer in deliverers:
                with contextlib.suppress(GatewayError):
                    await deliverer.release()
