"""Where alerts and meter events go: whether anybody gets them, over what, and can be reached. Nothing is posted."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator, Sequence
from urllib.parse import urlsplit

from gateway.app.delivering import sinks
from gateway.app.doctor.finding import Finding, bad, good, warning
from gateway.errors import GatewayError
from gateway.metering.delivery import Progress
from gateway.settings import Settings

PATIENCE_S = 5.0
MANY = 1000
"""So many events that wait are no pause of a receiver any more."""


async def reached(settings: Settings) -> list[Finding]:
    """Look at the webhooks that the settings name: each is connected to, and nothing is sent."""
    try:
        sinks(settings)
    except GatewayError as error:
        return [bad("sinks", error.detail, error.hint)]
    return [finding async for finding in _webhooks(settings)]


async def _webhooks(settings: Settings) -> AsyncIterator[Finding]:
    if settings.alert_webhook is None:
        fix = "Set GATEWAY_ALERT_WEBHOOK and GATEWAY_ALERT_SECRET_FILE, or have somebody look: gateway alerts."
        yield warning("alerts", "they go nowhere: whoever does not ask for them learns of none", fix)
    for name, url in (("alerts", settings.alert_webhook), ("meter events", settings.meter_webhook)):
        if url is not None:
            yield await _connected(name, url)


async def _connected(name: str, url: str) -> Finding:
    address = urlsplit(url)
    tls = address.scheme == "https"
    where = f"{address.hostname}:{address.port or (443 if tls else 80)}"
    try:
        async with asyncio.timeout(PATIENCE_S):
            context = ssl.create_default_context() if tls else None
            port = address.port or (443 if tls else 80)
            _, writer = await asyncio.open_connection(address.hostname, port, ssl=context)
            writer.close()
    except (OSError, TimeoutError) as error:
        why = "its certificate is not trusted" if isinstance(error, ssl.SSLError) else "nobody answers there"
        fix = f"Start what listens at {where}, or correct the webhook's address; what waits is delivered then."
        return bad(name, f"{where} cannot be reached: {why}", fix)
    return good(name, f"{where} is there, over {'TLS' if tls else 'this machine alone'}")


def delivered(progress: Sequence[Progress]) -> Iterator[Finding]:
    """Look at what sinks have taken so far."""
    for one in progress:
        if one.dead:
            fix = "gateway bill deliveries shows them; correct the receiver."
            yield bad(f"sink {one.sink}", f"{len(one.dead)} events were refused for good", fix)
        elif one.waiting > MANY:
            yield warning(f"sink {one.sink}", f"{one.waiting:,} events wait", "Look at the receiver, and at the log.")
