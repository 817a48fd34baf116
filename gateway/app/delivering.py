"""Delivers meter events and alerts beside the front door, to the sinks that the settings name."""

import asyncio
import contextlib
import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from sqlalchemy import Connection

from gateway.app.clock import SystemClock, SystemRandomness
from gateway.errors import GatewayError
from gateway.identity.development import open_secret
from gateway.ledger.alerts import beyond
from gateway.metering.delivery import ALERTS, BATCH, Deliverer, Entry, Outbox, Sink
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
        secret = _secret("METER", settings.meter_secret, settings.meter_secret_file)
        found.append(_webhook(settings, settings.meter_webhook, secret, "webhook"))
    if settings.alert_webhook is not None:
        secret = _secret("ALERT", settings.alert_secret, settings.alert_secret_file)
        found.append(_webhook(settings, settings.alert_webhook, secret, ALERTS))
    return found


def _webhook(settings: Settings, url: str, secret: bytes, name: str) -> WebhookSink:
    return WebhookSink(url, secret, SystemClock(), SystemRandomness(), settings.meter_attempts, name=name)


def _alerts(source: str) -> Outbox:
    """Return what reads the alerts as a webhook gets them."""

    def outbox(connection: Connection, after: int) -> list[Entry]:
        return [Entry(alert.sequence, alert.event(source)) for alert in beyond(connection, after, BATCH)]

    return outbox


def _secret(kind: str, own: str | None, file: Path | None) -> bytes:
    if file is None:
        return (own or "").encode()
    try:
        secret = file.read_bytes().strip()
    except OSError as error:
        detail = f"The file of GATEWAY_{kind}_SECRET_FILE cannot be read: {error.strerror}."
        raise GatewayError("settings_invalid", detail, "Name a file that the gateway may read.") from None
    if len(secret) < MIN_SECRET_BYTES:
        detail = f"The secret in GATEWAY_{kind}_SECRET_FILE is shorter than {MIN_SECRET_BYTES} bytes."
        raise GatewayError("settings_invalid", detail, "Write a longer one.")
    return secret


@contextlib.contextmanager
def holder(state: Path) -> Iterator[str]:
    """Yield the name that this process holds sinks and the watch under, which no other process has at the same time.

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
async def delivering(store: Store, settings: Settings, name: str) -> AsyncIterator[None]:
    """Deliver meter events and alerts while the block runs; what is not delivered then waits in the store."""
    deliverers = [
        Deliverer(store, SystemClock(), sink, name, outbox=_alerts(settings.source) if sink.name == ALERTS else None)
        for sink in sinks(settings)
    ]
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
