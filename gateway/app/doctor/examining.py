"""`gateway doctor`: every check in its order, each beside the others; one that cannot be made says so.

Policies are looked at as a gateway on this folder and store would serve them (app/effective.py). Nothing is changed.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from gateway.app.clock import SystemClock
from gateway.app.doctor import books, exchange, machine, policies, sinks
from gateway.app.doctor.exchange import Parties
from gateway.app.doctor.finding import Finding, bad
from gateway.app.effective import Known, every
from gateway.app.evidencing import suspensions
from gateway.app.policies import read_folder
from gateway.errors import GatewayError
from gateway.identity.development import ISSUER
from gateway.ledger.crossings import Crossings
from gateway.ledger.freezing import Freezes
from gateway.ledger.granting import Grants
from gateway.ledger.members import Members
from gateway.ledger.paging import all_of
from gateway.ledger.registering import Registry
from gateway.ledger.signing_keys import SigningKeys
from gateway.metering.delivery import progress
from gateway.settings import Settings
from gateway.store.database import Store, open_store
from gateway.store.folder import STORE_NAME

MACHINE: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
    machine.root,
    machine.keys,
    machine.tokens,
    machine.front_door,
    machine.memory,
    machine.witnesses,
)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one look into the store gave: findings, and the datasets as they stand."""

    findings: Sequence[Finding]
    known: Sequence[Known]


def examine(settings: Settings) -> tuple[Finding, ...]:
    """Return what was found of a deployment; nothing is changed, and a gateway may run beside it."""
    now = SystemClock().now()
    found = [finding for check in MACHINE for finding in check(settings)]
    found += asyncio.run(sinks.reached(settings))
    if settings.store_url is None and not (settings.state / STORE_NAME).exists():
        return (*found, *policies.look(settings.policies, now.date()))
    try:
        seen = asyncio.run(_store(settings, now))
    except GatewayError as error:
        found.append(bad("store", error.detail, error.hint))
        return (*found, *policies.look(settings.policies, now.date()))
    found += seen.findings
    return (*found, *policies.look_at(seen.known, read_folder(settings.policies), now.date()))


async def _store(settings: Settings, now: datetime) -> _Seen:
    def work(connection: Connection) -> list[Finding]:
        return [
            *books.durability(connection),
            *books.clock(connection, now),
            *books.fence(connection),
            *sinks.delivered(progress(connection)),
        ]

    store = await open_store(settings.state, settings.store_url)
    try:
        found = await store.read(work)
        registry = Registry(store, SystemClock(), required=settings.members_required)
        known = await every(registry, read_folder(settings.policies).files, settings.policies.resolve())
        return _Seen([*found, *_parties(await _asked(store), known, settings, now)], known)
    finally:
        await store.close()


async def _asked(store: Store) -> Parties:
    clock = SystemClock()
    return Parties(
        members=await all_of(Members(store, clock).listed),
        keys=await SigningKeys(store, clock).of(None),
        grants=await all_of(lambda page: Grants(store, clock).listed(None, None, page)),
        crossings=await Crossings(store).of(None),
        freezes=await Freezes(store, clock).held(),
        waiting=await store.read(suspensions),
    )


def _parties(parties: Parties, known: Sequence[Known], settings: Settings, now: datetime) -> Iterator[Finding]:
    issuer = settings.issuer or ISSUER
    yield from exchange.members(parties, known, issuer, required=settings.members_required)
    yield from exchange.keys(parties)
    yield from exchange.grants(parties, known, settings.source, now)
    yield from exchange.crossings(parties, known, now.year)
    yield from exchange.stopped(parties)
