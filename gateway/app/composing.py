"""The composition root: every part of a serving gateway is made and joined here, and stopped again."""

import asyncio
import contextlib
import gc
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass

from gateway.app.accounts import AccountService
from gateway.app.clock import SystemClock, SystemRandomness, new_query_id
from gateway.app.delivering import delivering, holder
from gateway.app.disputes import DisputeService
from gateway.app.evidencing import open_evidence
from gateway.app.granting import GrantService
from gateway.app.keyring import hold_keys
from gateway.app.membership import Entrance, MembershipService
from gateway.app.opening import Opening
from gateway.app.operations import Operations
from gateway.app.pacing import Pace, StatementPace, StrangerPace
from gateway.app.parts import Books, books, engines, tokens
from gateway.app.planners import WorkerPlanner
from gateway.app.publishing import Publisher
from gateway.app.registering import RegistrationService
from gateway.app.rehearsing import Rehearsal
from gateway.app.releasing import WorkerReleaser
from gateway.app.roles import FINISHER, PLANNER, engine_role
from gateway.app.running_queries import RunningQueries
from gateway.app.sandbox import Twins
from gateway.app.service import GatewayService
from gateway.app.statements import StatementService
from gateway.app.supervision import SupervisionService
from gateway.app.telemetry import Telemetry
from gateway.app.tracking import Tracker
from gateway.app.warning import WarningService
from gateway.app.watching import Watcher
from gateway.errors import GatewayError
from gateway.evidence.receipts import Evidence
from gateway.identity.development import open_secret
from gateway.identity.tokens import Tokens
from gateway.metering.issuing import Invoices
from gateway.metering.periods import zone
from gateway.observability.metrics import Metrics
from gateway.observability.observer import Observer
from gateway.observability.tracing import Tracing, exporter
from gateway.parts import Parts
from gateway.ports import Clock
from gateway.repeats import Repeats
from gateway.settings import Settings
from gateway.store.database import Store, open_store
from gateway.web.service import Behind
from gateway.workers.pool import Pool
from gateway.workers.starting import Starting

log = logging.getLogger("gateway")

PURGE_EVERY_S = 3600.0

STRANGERS_PER_MINUTE, STRANGERS_OF_ONE = 60, 12
"""Of how many who are no members the log is told in a minute: in all, and of one organisation."""

YOUNG_OBJECTS = 50_000
"""How many new objects are made between two collections: of 700, as by default, a long answer is walked many times."""


@dataclass(frozen=True, slots=True)
class _Pools:
    """The worker processes of a gateway by what they do."""

    planners: Pool
    engines: Pool
    finishers: Pool

    @property
    def every(self) -> tuple[Pool, ...]:
        return (self.planners, self.engines, self.finishers)


def _pools(settings: Settings, workers: Starting) -> _Pools:
    # of several workers one organisation never holds all: quotes and what is computed of releases cost it nothing
    planned, finished = max(1, settings.planners - 1), max(1, settings.finishers - 1)
    return _Pools(
        planners=Pool(PLANNER, settings.planners, starting=workers, share=planned),
        engines=Pool(engine_role(settings), settings.engines, starting=workers),
        finishers=Pool(FINISHER, settings.finishers, starting=workers, share=finished),
    )


def observing(settings: Settings) -> Observer:
    """Return what the path is timed and counted with; spans are made only where they are sent."""
    tracing = None
    if settings.traces_url is not None:
        tracing = Tracing(exporter(settings.traces_url), settings.source, new_query_id(), settings.traces_share)
    return Observer(Metrics(), tracing)


async def _opened(settings: Settings) -> tuple[Store, Evidence]:
    """Open a store that may be served, once its log and its keys are known to be those that it was used with."""
    zone(settings.billing_zone)  # one that there is not stops the start
    store = await open_store(settings.state, settings.store_url)
    try:
        evidence = await open_evidence(store, settings)
        await hold_keys(store, settings)
    except BaseException:
        await store.close()
        raise
    return store, evidence


def _settle() -> None:
    """Take what starting made for good: a full collection would walk it and hold up the loop."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)


@contextlib.asynccontextmanager
async def started(settings: Settings, workers: Starting) -> AsyncIterator[tuple[Behind, Publisher]]:
    """Start every part, publish the policies, and stop all of it afterwards."""
    store, evidence = await _opened(settings)
    clock = SystemClock()
    kept = books(store, settings)
    pace = Pace(settings.free_per_minute, clock, kept.meter)
    pools = _pools(settings, workers)
    observer = observing(settings)
    observer.metrics.watch({"planner": pools.planners, "engine": pools.engines, "finisher": pools.finishers})
    engine = engines(settings, pools.engines)
    tasks: list[asyncio.Task[None]] = []
    try:
        await asyncio.gather(*(pool.start() for pool in pools.every))
        opening = Opening(engine, kept.versions, kept.bindings)
        publisher = Publisher(settings.policies, opening, kept.versions, kept.registry, kept.granted)
        await publisher.load()
        tasks.append(asyncio.create_task(publisher.keep_up()))
        planner = WorkerPlanner(pools.planners, settings.plan_deadline_s, settings.wait_s)
        releaser = WorkerReleaser(pools.finishers, settings.finish_deadline_s)
        parts = Parts(
            published=publisher,
            synthetic=Twins(settings.state / "sandbox", engine),
            planner=planner,
            releaser=releaser,
            book=kept.ledger,
            telemetry=Telemetry(kept.meter, new_query_id, observer),
            free=pace,
            repeats=Repeats(),
            clock=clock,
            pause=asyncio.sleep,
            secret=open_secret(settings.state, "pick.key", SystemRandomness()),
            engine_deadline_s=settings.engine_deadline_s,
            new_id=new_query_id,
        )
        _settle()
        checked = tokens(settings, kept.revocations)
        invoices = Invoices(store, clock, SystemRandomness(), settings.billing_zone)
        entrance = _entrance(settings, clock, checked, kept)
        service = GatewayService(
            parts, entrance, publisher, kept.ledger, kept.meter, evidence, invoices,
            _statements(settings, clock, planner, releaser),
        )  # fmt: skip
        operations = Operations(store, pools.every, publisher, observer)
        accounts = AccountService(kept, checked, lambda: publisher.datasets, publisher.providers, new_query_id, pace)
        tracker = Tracker(service.answer, kept.ledger, settings.max_in_flight)
        tasks += [asyncio.create_task(work) for work in (observer.listen(), tracker.watch())]
        async with _beside(store, settings, kept, accounts, publisher):
            yield (
                Behind(
                    service=service,
                    questions=tracker,
                    running=RunningQueries(kept.ledger, lambda: publisher.held, tracker.working, clock),
                    accounts=accounts,
                    supervision=SupervisionService(kept.freezes, kept.ledger, lambda: publisher.held),
                    members=MembershipService(kept.members, entrance, pace, new_query_id),
                    registration=RegistrationService(
                        kept.registry,
                        publisher,
                        evidence,
                        Rehearsal(planner, publisher.granted, pace, kept.kept, clock),
                        pace,
                    ),
                    disputes=DisputeService(
                        kept.cases, kept.ledger, evidence, invoices, lambda: publisher.held, pace, clock, new_query_id
                    ),
                    grants=GrantService(
                        kept.granting, lambda: publisher.held, settings.source, new_query_id, clock, pace
                    ),
                    warnings=WarningService(kept.alerts, lambda: publisher.held),
                    operations=operations,
                ),
                publisher,
            )
        with contextlib.suppress(GatewayError):  # the store may be away by now
            await evidence.checkpoint()  # the mark of the last leaf
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(pool.close() for pool in pools.every), engine.close())
        await observer.close()
        await store.close()


def _entrance(settings: Settings, clock: Clock, checked: Tokens, kept: Books) -> Entrance:
    strangers = StrangerPace(STRANGERS_PER_MINUTE, STRANGERS_OF_ONE, clock)
    return Entrance(checked, kept.members, strangers, required=settings.members_required)


def _statements(settings: Settings, clock: Clock, planner: WorkerPlanner, releaser: WorkerReleaser) -> StatementService:
    pace = StatementPace(settings.statements_per_minute, clock)
    secret = open_secret(settings.state, "text.key", SystemRandomness())
    return StatementService(planner, releaser, pace, new_query_id, secret)


@contextlib.asynccontextmanager
async def _beside(
    store: Store, settings: Settings, kept: Books, accounts: AccountService, publisher: Publisher
) -> AsyncIterator[None]:
    """Watch, deliver and purge while the block runs."""
    with holder(settings.state) as name:
        watcher = Watcher(store, SystemClock(), kept, lambda: publisher.held, name)
        tasks = [asyncio.create_task(work) for work in (_purge(accounts, watcher), watcher.run())]
        try:
            async with delivering(store, settings, name):
                yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with contextlib.suppress(GatewayError):
                await watcher.release()


async def _purge(accounts: AccountService, watcher: Watcher) -> None:
    """Delete, now and each hour, what the policies keep no longer. A store that is away is tried again."""
    while True:
        try:
            await accounts.purge()
            await watcher.purge()
        except GatewayError as error:
            log.warning("nothing was purged: %s", error)
        await asyncio.sleep(PURGE_EVERY_S)
