"""The composition root: every part of a serving gateway is made and joined here, and stopped again."""

import asyncio
import contextlib
import gc
import logging
from collections.abc import AsyncIterator, Mapping
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
from gateway.app.standing import Held
from gateway.app.statements import StatementService
from gateway.app.supervision import SupervisionService
from gateway.app.telemetry import Telemetry
from gateway.app.tracking import Tracker
from gateway.app.warning import WarningService
from gateway.app.watching import Watcher
from gateway.engines.by_kind import Engines
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


@dataclass(frozen=True, slots=True)
class _Base:
    """What the parts of a gateway are made of."""

    settings: Settings
    store: Store
    evidence: Evidence
    kept: Books
    pools: _Pools
    engine: Engines
    planner: WorkerPlanner
    releaser: WorkerReleaser
    observer: Observer
    clock: Clock
    pace: Pace

    async def close(self) -> None:
        """End the workers, then all connections, and close the store."""
        await asyncio.gather(*(pool.close() for pool in self.pools.every), self.engine.close())
        await self.observer.close()
        await self.store.close()


async def _base(settings: Settings, workers: Starting) -> _Base:
    store, evidence = await _opened(settings)
    clock = SystemClock()
    kept = books(store, settings)
    pools = _pools(settings, workers)
    observer = observing(settings)
    observer.metrics.watch({"planner": pools.planners, "engine": pools.engines, "finisher": pools.finishers})
    return _Base(
        settings, store, evidence, kept, pools,
        engine=engines(settings, pools.engines),
        planner=WorkerPlanner(pools.planners, settings.plan_deadline_s, settings.wait_s),
        releaser=WorkerReleaser(pools.finishers, settings.finish_deadline_s),
        observer=observer,
        clock=clock,
        pace=Pace(settings.free_per_minute, clock, kept.meter),
    )  # fmt: skip


@contextlib.asynccontextmanager
async def started(settings: Settings, workers: Starting) -> AsyncIterator[tuple[Behind, Publisher]]:
    """Start every part, publish the policies, and stop all of it afterwards."""
    base = await _base(settings, workers)
    tasks: list[asyncio.Task[None]] = []
    try:
        await asyncio.gather(*(pool.start() for pool in base.pools.every))
        opening = Opening(base.engine, base.kept.versions, base.kept.bindings)
        publisher = Publisher(settings.policies, opening, base.kept.versions, base.kept.registry, base.kept.granted)
        await publisher.load()
        tasks.append(asyncio.create_task(publisher.keep_up()))
        checked = tokens(settings, base.kept.revocations)
        entrance = _entrance(base, checked)
        service = _service(base, publisher, entrance)
        tracker = Tracker(service.answer, base.kept.ledger, settings.max_in_flight)
        accounts = AccountService(
            base.kept, checked, lambda: publisher.datasets, publisher.providers, new_query_id, base.pace
        )
        _settle()
        tasks += [asyncio.create_task(work) for work in (base.observer.listen(), tracker.watch())]
        async with _beside(base, accounts, publisher):
            yield _behind(base, publisher, entrance, service, tracker, accounts), publisher
        with contextlib.suppress(GatewayError):  # the store may be away by now
            await base.evidence.checkpoint()  # the mark of the last leaf
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await base.close()


def _service(base: _Base, publisher: Publisher, entrance: Entrance) -> GatewayService:
    settings, kept, clock = base.settings, base.kept, base.clock
    parts = Parts(
        published=publisher,
        synthetic=Twins(settings.state / "sandbox", base.engine),
        planner=base.planner,
        releaser=base.releaser,
        book=kept.ledger,
        telemetry=Telemetry(kept.meter, new_query_id, base.observer),
        free=base.pace,
        repeats=Repeats(),
        clock=clock,
        pause=asyncio.sleep,
        secret=open_secret(settings.state, "pick.key", SystemRandomness()),
        engine_deadline_s=settings.engine_deadline_s,
        new_id=new_query_id,
    )
    return GatewayService(
        parts, entrance, publisher, kept.ledger, kept.meter, base.evidence, _invoices(base), _statements(base)
    )


def _behind(
    base: _Base,
    publisher: Publisher,
    entrance: Entrance,
    service: GatewayService,
    tracker: Tracker,
    accounts: AccountService,
) -> Behind:
    kept, clock, pace = base.kept, base.clock, base.pace
    rehearsal = Rehearsal(base.planner, publisher.granted, pace, kept.kept, clock)

    def held() -> Mapping[str, Held]:
        return publisher.held

    return Behind(
        service=service,
        questions=tracker,
        running=RunningQueries(kept.ledger, held, tracker.working, clock),
        accounts=accounts,
        supervision=SupervisionService(kept.freezes, kept.ledger, held),
        members=MembershipService(kept.members, entrance, pace, new_query_id),
        registration=RegistrationService(kept.registry, publisher, base.evidence, rehearsal, pace),
        disputes=DisputeService(
            kept.cases, kept.ledger, base.evidence, _invoices(base), held, pace, clock, new_query_id
        ),
        grants=GrantService(kept.granting, held, base.settings.source, new_query_id, clock, pace),
        warnings=WarningService(kept.alerts, held),
        operations=Operations(base.store, base.pools.every, publisher, base.observer),
    )


def _invoices(base: _Base) -> Invoices:
    return Invoices(base.store, base.clock, SystemRandomness(), base.settings.billing_zone)


def _entrance(base: _Base, checked: Tokens) -> Entrance:
    strangers = StrangerPace(STRANGERS_PER_MINUTE, STRANGERS_OF_ONE, base.clock)
    return Entrance(checked, base.kept.members, strangers, required=base.settings.members_required)


def _statements(base: _Base) -> StatementService:
    pace = StatementPace(base.settings.statements_per_minute, base.clock)
    secret = open_secret(base.settings.state, "text.key", SystemRandomness())
    return StatementService(base.planner, base.releaser, pace, new_query_id, secret)


@contextlib.asynccontextmanager
async def _beside(base: _Base, accounts: AccountService, publisher: Publisher) -> AsyncIterator[None]:
    """Watch, deliver and purge while the block runs."""
    with holder(base.settings.state) as name:
        watcher = Watcher(base.store, base.clock, base.kept, lambda: publisher.held, name)
        tasks = [asyncio.create_task(work) for work in (_purge(accounts, watcher), watcher.run())]
        try:
            async with delivering(base.store, base.settings, name):
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
