"""The log's evidence wired to a store, and the one-off tasks on it: keys, copies, bundles, filings."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, func, select

from gateway.app.clock import SystemClock
from gateway.app.effective import Known, every, of_store
from gateway.app.offline import existing
from gateway.app.policies import PolicyFile, read_folder, read_policies
from gateway.catalog.load import canonical_text, policy_version
from gateway.errors import GatewayError
from gateway.evidence import archives, exporting, rotation
from gateway.evidence.filing import Period, Policy, pack
from gateway.evidence.keys import KeyRing
from gateway.evidence.marks import MarkFile
from gateway.evidence.offline import bundles
from gateway.evidence.offline.failure import NotVerified
from gateway.evidence.offline.logs import write_lines
from gateway.evidence.offline.notes import WITNESS_TYPE, Key, read_key
from gateway.evidence.opening import check_mark
from gateway.evidence.receipts import Evidence
from gateway.ledger.charging import FAILED
from gateway.ledger.leaves import refuse_fenced
from gateway.ledger.model import MAX_FAILURES
from gateway.ledger.paging import all_of
from gateway.ledger.registering import Registry
from gateway.settings import Settings
from gateway.store.database import Store
from gateway.store.tables import queries

Result = TypeVar("Result")

UNREAD = {
    "unavailable": "the text of its policy is not in the store",
    "unreadable": "this gateway does not read the text of its policy in the store",
    "removed": "its data were declared here, and no policy of it is in the folder or the store",
}
"""Why a filing cannot show a dataset that the store knows."""


async def open_evidence(store: Store, settings: Settings) -> Evidence:
    """Return the evidence of a store, once it is known to be no older than what was signed, and marked.

    A head of a fenced store, signed now, would be a rollback to whoever has seen a later one, and the mark of it would
    hide what is missing. Raises GatewayError `store_rolled_back`, `store_fenced` or `settings_invalid`.
    """
    mark, ring = MarkFile(settings.state), KeyRing(settings.state)
    await check_mark(store, mark)
    await store.read(refuse_fenced)
    await rotation.settle(store, ring, settings.source)
    evidence = Evidence(store, ring, settings.source, mark, witnesses(settings.witnesses))
    await evidence.checkpoint()
    return evidence


def witnesses(words: str) -> tuple[Key, ...]:
    """Return the keys of a setting's words. Raises GatewayError `settings_invalid`."""
    try:
        return tuple(read_key(word, "", WITNESS_TYPE) for word in words.replace(",", " ").split())
    except NotVerified as failure:
        hint = "Write the keys that `gateway witness` prints, with spaces between them."
        raise GatewayError("settings_invalid", f"GATEWAY_WITNESSES cannot be used: {failure}.", hint) from None


def _on_store(settings: Settings, work: Callable[[Store, Evidence], Awaitable[Result]]) -> Result:
    async def main() -> Result:
        store = await existing(settings)
        try:
            return await work(store, await open_evidence(store, settings))
        finally:
            await store.close()

    return asyncio.run(main())


def _policies(folder: Path | None) -> dict[str, PolicyFile]:
    return {} if folder is None else read_policies(folder)


def export(settings: Settings, query_id: str, policies: Path | None, *, salt: bool) -> bytes:
    """Return a query's bundle for arbitration, as a zip. Raises GatewayError `not_found`."""
    texts = {name: (file.version, canonical_text(file.document)) for name, file in _policies(policies).items()}

    async def work(store: Store, evidence: Evidence) -> dict[str, bytes]:
        files = await exporting.bundle(evidence, query_id, texts, salt=salt)
        if policies is not None and bundles.POLICY not in files:
            files |= await _published_text(store, json.loads(json.loads(files[bundles.RECEIPT])["leaf"]))
        return files

    return archives.archive(_on_store(settings, work))


async def _published_text(store: Store, decision: dict[str, Any]) -> dict[str, bytes]:
    """Return the canonical text of the version that a decision was made under, where the store has published it."""
    named, version = decision.get("dataset"), decision.get("policy_version")
    registry = Registry(store, SystemClock(), required=False)
    for one, _ in await all_of(lambda page: registry.versions(str(named), page)):
        text = await registry.text(one.text) if one.version == version else None
        if text is not None:
            read = await of_store(text, str(named))  # None where another version of the gateway kept it
            if read is None or policy_version(read[0]) != version:
                return {}
            return {bundles.POLICY: canonical_text(read[0])}
    return {}


def copy(settings: Settings) -> bytes:
    """Return the whole log as one file of JSON lines."""
    checkpoint, public_key, words, leaves = _on_store(settings, lambda _, evidence: evidence.whole())
    return write_lines(checkpoint, public_key, words, leaves)


def filing(settings: Settings, policies: Path, period: Period) -> dict[str, object]:
    """Return the data-security filing pack of a store and its policies, in a folder of files or in the store itself."""

    async def work(store: Store, evidence: Evidence) -> dict[str, object]:
        registry = Registry(store, SystemClock(), required=settings.members_required)
        known = await every(registry, read_folder(policies).whole(), policies)
        if not known:
            read_policies(policies)  # which says that there is none
        checkpoint, public_key, _, leaves = await evidence.whole()
        stopped = await store.read(suspensions)
        made_at = SystemClock().now().isoformat(timespec="seconds").replace("+00:00", "Z")
        held = [policy for one in known if (policy := _filed(one)) is not None]
        unread = [{"dataset": one.name, "why": UNREAD[one.unserved or ""]} for one in known if one.file is None]
        return pack(held, unread, (checkpoint, public_key, leaves), stopped, period, made_at)

    return _on_store(settings, work)


def _filed(known: Known) -> Policy | None:
    """Return a dataset's policy as the filing has it; None where nobody has its text."""
    file, review = known.file, known.compliance
    if file is None or review is None:
        return None
    return Policy(file.version, file.document, review, known.unserved or "served", known.stored)


def suspensions(connection: Connection) -> list[dict[str, object]]:
    """Return the buyers that wait, on each dataset, until its provider has looked at their failed queries."""
    count = func.count()
    found = (
        select(queries.c.dataset, queries.c.buyer, count)
        .where(queries.c.state == FAILED)
        .group_by(queries.c.dataset, queries.c.buyer)
        .having(count >= MAX_FAILURES)
        .order_by(queries.c.dataset, queries.c.buyer)
    )
    return [{"dataset": d, "buyer": b, "failures": n} for d, b, n in connection.execute(found)]


def rotate_key(settings: Settings) -> tuple[str, int]:
    """Replace the log's key; return the new one (hex) and the leaf that says so."""

    async def work(store: Store, _: Evidence) -> tuple[str, int]:
        return await rotation.rotate(store, KeyRing(settings.state), settings.source, SystemClock().now())

    return _on_store(settings, work)


def retire_key(settings: Settings) -> bool:
    """Stop signing with the key that was replaced; False where there is none."""

    async def work(_store: Store, _evidence: Evidence) -> bool:
        return KeyRing(settings.state).retire()

    return _on_store(settings, work)
