"""Which policy is in effect for a dataset: the file of its folder, or the version that the store says is served.

Once a version of a dataset was published or withdrawn through the store, and from the beginning where members are
required, the store alone decides; the file then is a draft, and says where the paths of the engine start from
(docs/decisions/0022).
"""

import asyncio
import logging
from dataclasses import replace
from datetime import date

from gateway.app.policies import PolicyFile, Told
from gateway.catalog import entries
from gateway.catalog.load import read
from gateway.catalog.manifest import manifest_digest
from gateway.catalog.model import Compliance
from gateway.ledger.registered import Standing
from gateway.ledger.registering import Draft, Registry

log = logging.getLogger("gateway.provider")

FOLDER = "folder"
"""Who drafts what stands in the folder: nobody's name, so that two persons have to stand behind it."""


async def in_effect(registry: Registry, file: PolicyFile) -> tuple[PolicyFile, str | None]:
    """Return the policy that is in effect for a file's dataset, and why nothing is served, or None.

    A restored store may lack the text of what is served: the dataset is unavailable until it is proposed again.
    """
    covered = manifest_digest(file.document)
    stands = await registry.standing(file.name, covered)
    if stands.latest is None:
        told = Told(stands.change, _compliance(stands, file, required=registry.required))
        return replace(file, told=told), "draft" if registry.required else None
    served = stands.served
    if served is None:
        return replace(file, told=Told(stands.change)), "withdrawn"
    text = await registry.text(served.text)
    if text is None:
        log.error("the text of %s, version %s, is not in the store: propose it again", file.name, served.version)
        return replace(file, told=Told(stands.change)), "unavailable"
    document, lines = await asyncio.to_thread(read, text, file.lines.name)
    # the name that it was proposed under stays, whatever keys later gateways add to the canonical form
    stored = PolicyFile(document, served.version, file.folder, lines, text)
    told = Told(stands.change, _compliance(stands, stored, required=registry.required))
    return replace(stored, told=told), None


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
