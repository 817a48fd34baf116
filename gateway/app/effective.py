"""Which policy is in effect for a dataset: the file of its folder, or the version that the store says is served.

Once a version of a dataset was published or withdrawn through the store, and from the beginning where members are
required, the store alone decides; the file then is a draft, and says where the paths of the engine start from
(docs/decisions/0022).
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from gateway.app.policies import PolicyFile, Told
from gateway.catalog import entries
from gateway.catalog.document import PolicyDocument
from gateway.catalog.load import PolicyErrors, PolicyLines, read
from gateway.catalog.manifest import manifest_digest
from gateway.catalog.model import Compliance
from gateway.ledger.paging import all_of
from gateway.ledger.registered import Standing
from gateway.ledger.registering import Draft, Registry

log = logging.getLogger("gateway.provider")

FOLDER = "folder"
"""Who drafts what stands in the folder: nobody's name, so that two persons have to stand behind it."""


@dataclass(frozen=True, slots=True)
class Known:
    """A dataset as the folder and the store have it together.

    `file` is the policy in effect, or what comes nearest where none is served: `unserved` says why (draft, withdrawn,
    unavailable, unreadable, removed). It is None where no text of it is in the folder or the store, or none that this
    gateway reads. `filed`: the folder has a
    file of it, without which no gateway of the folder serves it; `stored`: the text is the store's.
    """

    name: str
    file: PolicyFile | None
    unserved: str | None
    filed: bool
    stored: bool

    @property
    def compliance(self) -> Compliance | None:
        """The review that counts: the store's where it has one, else what the policy states."""
        if self.file is None:
            return None
        told = self.file.told.compliance
        return entries.compliance(self.file.document) if told is None else told


async def every(registry: Registry, files: Mapping[str, PolicyFile], folder: Path) -> tuple[Known, ...]:
    """Return every dataset of a folder's files, and every one that the store alone knows, by name."""
    found = []
    for name, file in files.items():
        effective, unserved = await in_effect(registry, file)
        stored = effective.document is not file.document
        found.append(Known(name, effective, unserved, filed=True, stored=stored))
    for name, (_, change) in (await registry.marks()).items():
        if name not in files:
            removed = Known(name, None, "removed", filed=False, stored=False)
            found.append(await _of_store(registry, name, folder) if change else removed)
    return tuple(sorted(found, key=lambda known: known.name))


async def _of_store(registry: Registry, name: str, folder: Path) -> Known:
    """Return a dataset that has no file here: what was published or withdrawn last, else what was proposed last."""
    latest = (await registry.standing(name)).latest
    one = latest if latest is not None else (await all_of(lambda page: registry.versions(name, page)))[-1][0]
    text = await registry.text(one.text)
    if text is None:
        return Known(name, None, "unavailable", filed=False, stored=True)
    found = await of_store(text, name)
    if found is None:
        return Known(name, None, "unreadable", filed=False, stored=True)
    document, lines = found
    file = PolicyFile(document, one.version, folder, lines, text)
    effective, unserved = await in_effect(registry, file)
    return Known(name, effective, unserved if latest is not None else "draft", filed=False, stored=True)


async def in_effect(registry: Registry, file: PolicyFile) -> tuple[PolicyFile, str | None]:
    """Return the policy that is in effect for a file's dataset, and why nothing is served, or None.

    A restored store may lack the text of what is served, and another version of the gateway may have kept one that this
    one does not read: nothing is served of the dataset until it is proposed again.
    """
    covered = manifest_digest(file.document)
    stands = await registry.standing(file.name, covered)
    if stands.latest is None:
        told = Told(stands.change, _compliance(stands, file, required=registry.required))
        return replace(file, told=told), "draft" if registry.required else None
    served = stands.served
    if served is None:
        told = Told(stands.change, _compliance(stands, file, required=registry.required))
        return replace(file, told=told), "withdrawn"
    text = await registry.text(served.text)
    if text is None:
        log.error("the text of %s, version %s, is not in the store: propose it again", file.name, served.version)
        return replace(file, told=Told(stands.change)), "unavailable"
    found = await of_store(text, file.lines.name)
    if found is None:
        return replace(file, told=Told(stands.change)), "unreadable"
    document, lines = found
    # the name that it was proposed under stays, whatever keys later gateways add to the canonical form
    stored = PolicyFile(document, served.version, file.folder, lines, text)
    told = Told(stands.change, _compliance(stands, stored, required=registry.required))
    return replace(stored, told=told), None


async def of_store(text: str, name: str) -> tuple[PolicyDocument, PolicyLines] | None:
    """Return a text of the store as a policy; None where this gateway does not read it."""
    try:
        return await asyncio.to_thread(read, text, name)
    except PolicyErrors as error:
        log.error("the text of %s in the store is not read: %s", name, error.detail)  # noqa: TRY400 - words, no stack
        return None


def _compliance(stands: Standing, file: PolicyFile, *, required: bool) -> Compliance | None:
    """Return the review that takes the place of what the file states; None where the file's own counts."""
    review = stands.review
    own = entries.compliance(file.document)  # what crosses a border is counted whoever reviews
    nobody = replace(own, reviewed_by=None, valid_until=None, by_owner=False)
    if review is None:
        return nobody if required else None
    if not review.approved:
        return nobody
    days = [day for day in (review.valid_until, own.valid_until) if day is not None]
    return replace(nobody, reviewed_by=review.reviewer, valid_until=min(days, default=None))


def ended(compliance: Compliance, today: date) -> bool:
    """Tell whether a review is over, or was taken back."""
    over = compliance.valid_until is not None and today > compliance.valid_until
    return over or compliance.reviewed_by is None


def draft_of(file: PolicyFile) -> Draft:
    """Return a policy as a version to be kept."""
    document = file.document
    provider = document.provider.organisation
    return Draft(file.name, file.version, provider, manifest_digest(document), file.text)
