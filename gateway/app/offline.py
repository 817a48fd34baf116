"""A provider's one-off tasks beside the server, on the same store: each opens what it needs and closes it again."""

import asyncio
from pathlib import Path

from gateway.app.clock import SystemClock, new_query_id
from gateway.app.opening import Opening
from gateway.app.parts import books, engines
from gateway.app.policies import read_folder, source_of
from gateway.app.publishing import Publisher
from gateway.app.roles import engine_role
from gateway.catalog.document import PolicyDocument
from gateway.catalog.inspection import Inspection, order
from gateway.errors import GatewayError
from gateway.evidence.marks import MarkFile
from gateway.evidence.opening import check_mark
from gateway.identity.development import ISSUER
from gateway.ledger.members import Application, Member, Members, Shown
from gateway.ledger.model import Failure
from gateway.settings import Settings
from gateway.store.database import Store, open_store
from gateway.store.folder import STORE_NAME
from gateway.workers.pool import Pool


def inspect_policy(document: PolicyDocument, base: Path) -> Inspection:
    """Return what the engine says of a policy's tables, for `gateway policy check`.

    Raises GatewayError `engine_unavailable`, which names the file: only its provider reads it.
    """
    source = source_of(document, base)
    found = source.kind != "duckdb" or Path(source.path).exists()

    async def work() -> Inspection:
        pool = Pool(engine_role(Settings()), 1, spares=0)
        if source.kind == "duckdb":  # the others need no process
            await pool.start()
        engine = engines(Settings(), pool)
        try:
            return await engine.inspect(source, order(document))
        except GatewayError as error:
            if error.code != "engine_unavailable":
                raise
            there = "" if found else " There is no such file; `engine.path` starts from the policy's folder."
            raise GatewayError(error.code, f"{source.path}: {error.detail}{there}", error.hint) from None
        finally:
            await asyncio.gather(pool.close(), engine.close())

    return asyncio.run(work())


async def existing(settings: Settings) -> Store:
    """Open the store of a gateway that has run. Raises GatewayError, `settings_invalid` rather than make a new one."""
    if settings.store_url is None and not (settings.state / STORE_NAME).exists():
        detail = f"{settings.state} holds no gateway's state."
        raise GatewayError("settings_invalid", detail, "Name the gateway's own folder with --state.")
    store = await open_store(settings.state, settings.store_url)
    try:
        await check_mark(store, MarkFile(settings.state))
    except BaseException:
        await store.close()
        raise
    return store


def found(
    settings: Settings, organisation: str, subject: str, names: tuple[str, str], contact: str, reason: str
) -> tuple[Member, ...]:
    """Make an organisation and a person of it verified members, so that somebody can verify the others.

    `names` are their legal ones. Raises GatewayError `forbidden` once two persons are there to verify.
    """
    issuer = settings.issuer or ISSUER
    shown = (Shown("founding", reason),)
    both = (
        Application(organisation, None, "", names[0], contact, shown),
        Application(organisation, subject, issuer, names[1], contact, shown),
    )

    async def work() -> tuple[Member, ...]:
        store = await existing(settings)
        try:
            members = Members(store, SystemClock())
            return tuple(await members.found([(new_query_id(), one) for one in both], reason))
        finally:
            await store.close()

    return asyncio.run(work())


def refresh(settings: Settings, name: str) -> str:
    """Declare a dataset's data as it is now to be a new version; a running gateway on this store sees it at once."""

    async def work() -> str:
        store = await existing(settings)
        pool = Pool(engine_role(settings), 1, spares=0)
        engine = engines(settings, pool)
        try:
            await pool.start()
            kept = books(store, settings)
            opening = Opening(engine, kept.versions, kept.bindings)
            publisher = Publisher(settings.policies, opening, kept.versions, kept.registry, kept.granted)
            folder = read_folder(settings.policies)
            if folder.of(name) is None and folder.broken:  # whose it is cannot be read; an operator may see it
                raise folder.broken[0].error
            return await publisher.refresh(name)
        finally:
            await asyncio.gather(pool.close(), engine.close())
            await store.close()

    return asyncio.run(work())


def failures(settings: Settings, name: str, excused: str | None) -> tuple[Failure, ...]:
    """Return a dataset's failed queries for its provider; those of the buyer `excused` count no more from here on."""

    async def work() -> tuple[Failure, ...]:
        store = await existing(settings)
        try:
            kept = books(store, settings)
            if await kept.versions.current(name) is None:
                hint = "Write the dataset's name as it is in its policy, and name the state of its gateway."
                raise GatewayError("unknown_dataset", f"This store knows no dataset '{name}'.", hint)
            found = await kept.ledger.failed(name)
            if excused is not None and await kept.ledger.excuse(excused, name) == 0:
                hint = "Name a buyer of the list, as it is written there: organisation/subject."
                raise GatewayError("bad_request", f"'{excused}' has no failed query on '{name}'.", hint)
            return found
        finally:
            await store.close()

    return asyncio.run(work())
