"""Starts the real thing: store, worker pools, service, front door; and the provider's one-off tasks beside it."""

import asyncio
import contextlib
import gc
import logging
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from gateway import pipeline
from gateway.app.clock import SystemClock, SystemRandomness, new_query_id
from gateway.app.delivering import delivering
from gateway.app.publishing import Publisher, source_of
from gateway.app.releasing import WorkerPlanner, WorkerReleaser
from gateway.app.service import GatewayService, Telemetry
from gateway.catalog.document import PolicyDocument
from gateway.catalog.inspection import Inspection, order
from gateway.engines.duckdb_engine import DuckDBEngine
from gateway.errors import GatewayError
from gateway.evidence.keys import open_key
from gateway.evidence.receipts import Evidence
from gateway.identity.development import DevelopmentKey, open_secret
from gateway.identity.keys import from_file, from_url
from gateway.identity.tokens import Tokens
from gateway.ledger.ledger import Ledger
from gateway.ledger.meter import MeterLog
from gateway.ledger.model import Failure
from gateway.ledger.sealing import Sealer
from gateway.ledger.versions import Versions
from gateway.metering.issuing import Invoices
from gateway.metering.periods import zone
from gateway.settings import Settings
from gateway.store.database import Store, open_store
from gateway.store.sqlite import FILE_NAME
from gateway.web.app import build, serve
from gateway.workers.pool import Pool
from gateway.workers.role import Role

log = logging.getLogger("gateway")

MEBIBYTE = 1024 * 1024


def engine_role(settings: Settings) -> Role:
    """Return the role of DuckDB's processes: their address space is the engine's memory and room for libraries."""
    return Role(
        name="engine",
        factory="gateway.engines.duckdb_worker:make",
        config={"memory_mb": settings.engine_memory_mb, "threads": settings.engine_threads},
        memory_bytes=(settings.engine_memory_mb + 3072) * MEBIBYTE,
    )


@dataclass(frozen=True, slots=True)
class Running:
    """A gateway whose parts are up."""

    service: GatewayService
    publisher: Publisher


def tokens(settings: Settings) -> Tokens:
    """Return the checker of the one trusted issuer that the settings name, or of the embedded key."""
    outside = settings.issuer is not None
    keys = None
    if settings.jwks_file is not None:
        keys = from_file(settings.jwks_file)
    elif settings.jwks_url is not None:
        keys = from_url(settings.jwks_url)
    return Tokens(
        SystemClock(),
        settings.audience,
        development=None if outside else DevelopmentKey.open(settings.state, SystemRandomness()),
        issuer=settings.issuer,
        keys=keys,
        secret=settings.hs256_secret,
        max_lifetime_s=settings.max_token_lifetime_s,
        skew_s=settings.clock_skew_s,
    )


@contextlib.asynccontextmanager
async def start(settings: Settings) -> AsyncIterator[Running]:
    """Start every part, publish the policies, and stop all of it afterwards."""
    zone(settings.billing_zone)  # one that there is not stops the start
    store = await open_store(settings.state, settings.store_url)
    clock = SystemClock()
    ledger, meter = _ledger(store, settings), MeterLog(store, clock, settings.source)
    planners = Pool(Role("planner", "gateway.planning_worker:make", memory_bytes=4096 * MEBIBYTE), settings.planners)
    engines = Pool(engine_role(settings), settings.engines)
    finishers = Pool(
        Role("finisher", "gateway.engines.finishing:make", memory_bytes=6144 * MEBIBYTE), settings.finishers
    )
    pools = (planners, engines, finishers)
    try:
        await asyncio.gather(*(pool.start() for pool in pools))
        publisher = Publisher(settings.policies, DuckDBEngine(engines, settings.wait_s), Versions(store, clock))
        await publisher.load()
        parts = pipeline.Parts(
            published=publisher,
            planner=WorkerPlanner(planners, settings.plan_deadline_s, settings.wait_s),
            releaser=WorkerReleaser(finishers, settings.finish_deadline_s),
            book=ledger,
            telemetry=Telemetry(meter, new_query_id),
            clock=clock,
            pause=asyncio.sleep,
            secret=open_secret(settings.state, "pick.key", SystemRandomness()),
            engine_deadline_s=settings.engine_deadline_s,
            new_id=new_query_id,
        )
        evidence = Evidence(store, open_key(settings.state), settings.source)
        gc.collect()
        gc.freeze()  # what starting made stays: a full collection would walk it and hold up the loop
        invoices = Invoices(store, clock, SystemRandomness(), settings.billing_zone)
        service = GatewayService(parts, tokens(settings), publisher, ledger, meter, evidence, invoices, lambda: True)
        async with delivering(store, settings):
            yield Running(service, publisher)
    finally:
        await asyncio.gather(*(pool.close() for pool in pools))
        await store.close()


async def _main(settings: Settings, ready: Callable[[str], None]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with start(settings) as running:
        reloads: set[asyncio.Task[None]] = set()

        def reload() -> None:
            task = asyncio.create_task(_reload(running.publisher))
            reloads.add(task)
            task.add_done_callback(reloads.discard)

        loop.add_signal_handler(signal.SIGHUP, reload)
        app, door = build(running.service, settings)
        await serve(app, door, settings, ready, stop)


async def _reload(publisher: Publisher) -> None:
    """Read the policies anew; a mistake is told to the operator and changes nothing."""
    try:
        await publisher.load()
    except GatewayError as error:
        log.error("policies were not reloaded: %s. %s", error, error.hint)  # noqa: TRY400 - the words, not the stack
    else:
        log.warning("policies reloaded: %s", ", ".join(sorted(publisher.datasets)))


def run(settings: Settings, ready: Callable[[str], None] | None = None) -> int:
    """Serve until SIGTERM; print one line with the address when ready. Returns the exit code 0."""

    def announce(address: str) -> None:
        print(f"listening on {address}", flush=True)  # noqa: T201 - the line that scripts wait for

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    logging.getLogger("aiohttp.server").addFilter(_WithoutBytes())
    asyncio.run(_main(settings, ready or announce))
    return 0


def inspect_policy(document: PolicyDocument, base: Path) -> Inspection:
    """Return what the engine says of a policy's tables, for `gateway policy check`."""

    async def work() -> Inspection:
        pool = Pool(engine_role(Settings()), 1, spares=0)
        await pool.start()
        try:
            source = source_of(document, base)
            return await DuckDBEngine(pool, 30.0).inspect(source, order(document))
        finally:
            await pool.close()

    return asyncio.run(work())


def _ledger(store: Store, settings: Settings) -> Ledger:
    sealer = Sealer(bytes.fromhex(open_secret(settings.state, "text.key", SystemRandomness())), SystemRandomness())
    return Ledger(store, SystemClock(), settings.source, sealer, settings.lease_s)


async def existing_store(settings: Settings) -> Store:
    """Open the store of a gateway that has run. Raises `settings_invalid` rather than make a new one."""
    if settings.store_url is None and not (settings.state / FILE_NAME).exists():
        detail = f"{settings.state} holds no gateway's state."
        raise GatewayError("settings_invalid", detail, "Name the gateway's own folder with --state.")
    return await open_store(settings.state, settings.store_url)


def refresh(settings: Settings, name: str) -> str:
    """Declare a dataset's data as it is now to be a new version; a running gateway on this store sees it at once."""

    async def work() -> str:
        store = await existing_store(settings)
        pool = Pool(engine_role(settings), 1, spares=0)
        try:
            await pool.start()
            engine, versions = DuckDBEngine(pool, settings.wait_s), Versions(store, SystemClock())
            publisher = Publisher(settings.policies, engine, versions)
            await publisher.load()
            return await publisher.refresh(name)
        finally:
            await pool.close()
            await store.close()

    return asyncio.run(work())


def failures(settings: Settings, name: str, excused: str | None) -> tuple[Failure, ...]:
    """Return a dataset's failed queries for its provider; those of the buyer `excused` count no more from here on."""

    async def work() -> tuple[Failure, ...]:
        store = await existing_store(settings)
        try:
            ledger = _ledger(store, settings)
            if await Versions(store, SystemClock()).current(name) is None:
                hint = "Write the dataset's name as it is in its policy, and name the state of its gateway."
                raise GatewayError("unknown_dataset", f"This store knows no dataset '{name}'.", hint)
            found = await ledger.failed(name)
            if excused is not None and await ledger.excuse(excused, name) == 0:
                hint = "Name a buyer of the list, as it is written there: organisation/subject."
                raise GatewayError("bad_request", f"'{excused}' has no failed query on '{name}'.", hint)
            return found
        finally:
            await store.close()

    return asyncio.run(work())


class _WithoutBytes(logging.Filter):
    """Keeps what a caller sent out of the log: a malformed request may hold a token."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Drop the exception of a record, with the bytes that it quotes; keep its type."""
        if record.exc_info and record.exc_info[0] is not None:
            record.msg, record.args = "a request could not be read: %s", (record.exc_info[0].__name__,)
            record.exc_info = record.exc_text = None
        return True
