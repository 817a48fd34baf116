"""`gateway doctor`: every check in its order, each beside the others; one that cannot be made says so."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime

from sqlalchemy import Connection

from gateway.app.clock import SystemClock
from gateway.app.doctor import books, machine, policies
from gateway.app.doctor.finding import Finding, bad
from gateway.errors import GatewayError
from gateway.settings import Settings
from gateway.store.database import open_store
from gateway.store.folder import STORE_NAME

MACHINE: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
    machine.root,
    machine.keys,
    machine.tokens,
    machine.front_door,
    machine.memory,
    machine.witnesses,
)


def examine(settings: Settings) -> tuple[Finding, ...]:
    """Return what was found of a deployment; nothing is changed, and a gateway may run beside it."""
    now = SystemClock().now()
    found = [finding for check in MACHINE for finding in check(settings)]
    if settings.store_url is None and not (settings.state / STORE_NAME).exists():
        return (*found, *policies.look(settings.policies, now.date()))
    try:
        found += asyncio.run(_books(settings, now))
    except GatewayError as error:
        found.append(bad("store", error.detail, error.hint))
    return (*found, *policies.look(settings.policies, now.date()))


async def _books(settings: Settings, now: datetime) -> list[Finding]:
    def work(connection: Connection) -> list[Finding]:
        return [*books.durability(connection), *books.clock(connection, now), *books.fence(connection)]

    store = await open_store(settings.state, settings.store_url)
    try:
        return await store.read(work)
    finally:
        await store.close()
