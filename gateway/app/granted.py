"""Grants of the store as admission sees them: each is read anew, and counts only while its signature holds."""

import asyncio
import json
import logging
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import replace

from gateway.app.standing import Held, Published
from gateway.catalog.model import Grant, Privacy
from gateway.catalog.terms import Terms, grant_of_terms, read_terms
from gateway.errors import GatewayError
from gateway.evidence.offline.failure import NotVerified
from gateway.evidence.offline.grants import public_of, verify_terms
from gateway.ledger.events import timestamp
from gateway.ledger.granting import REVOKED, Grants, StoredGrant
from gateway.ports import Clock
from gateway.privacy import accounting
from gateway.request import Caller

log = logging.getLogger("gateway")

KEPT = 4096
"""How many verified terms one process remembers: a signature that held holds."""


class StoreGrants:
    """What the store grants to a caller, made into the grants that every rule knows."""

    def __init__(self, grants: Grants, clock: Clock, source: str) -> None:
        self._grants = grants
        self._clock = clock
        self._source = source
        self._verified: OrderedDict[Hashable, Terms] = OrderedDict()

    async def of(self, caller: Caller, held: Mapping[str, Held]) -> dict[str, tuple[Grant, ...]]:
        """Return what was granted to a caller's organisation by dataset, what holds first; revoked ones are `ended`.

        What is not signed, or not by the dataset's provider, is left out.
        """
        found: dict[str, list[Grant]] = {}
        for stored in await self._grants.ever_granted(caller.organisation):
            dataset = held.get(stored.dataset)
            if dataset is None or dataset.file.document.provider.organisation != stored.provider:
                continue
            terms = self._terms(stored)
            if terms is not None and terms.subject in (None, caller.subject):
                found.setdefault(stored.dataset, []).append(await self._grant(stored, terms, _privacy(dataset)))
        return {name: tuple(grants) for name, grants in found.items()}

    def _terms(self, stored: StoredGrant) -> Terms | None:
        """Return the terms of a stored grant, None where they are not what its provider signed."""
        # INVARIANT: all that `verified` looks at
        key = (
            stored.grant_id, stored.dataset, stored.provider, stored.organisation, stored.terms, stored.signature,
            stored.key_id, stored.public_key, stored.digest, stored.ends_at,
        )  # fmt: skip
        if key in self._verified:
            self._verified.move_to_end(key)
            return self._verified[key]
        try:
            terms = verified(stored)
        except (NotVerified, GatewayError, ValueError) as failure:
            log.error("grant %s has no effect: %s", stored.grant_id, failure)  # noqa: TRY400 - words, no stack
            return None
        if terms.gateway != self._source:
            log.error("grant %s has no effect: it is of another gateway", stored.grant_id)
            return None
        self._verified[key] = terms
        if len(self._verified) > KEPT:
            self._verified.popitem(last=False)
        return terms

    async def _grant(self, stored: StoredGrant, terms: Terms, privacy: Privacy) -> Grant:
        digest = stored.digest
        assert digest is not None  # INVARIANT: it was verified
        grant = grant_of_terms(terms, privacy.budget, privacy.accounting, digest)
        if grant.budget is not None:  # converted once, beside the event loop; the result is kept
            budget = grant.budget
            await asyncio.to_thread(accounting.limits, budget.epsilon, budget.delta, privacy.accounting)
        if stored.state == REVOKED:
            return replace(grant, ended="The grant was revoked.")
        if grant.ends_at is not None and self._clock.now() >= grant.ends_at:
            return replace(grant, ended=f"The grant ended at {timestamp(grant.ends_at)}.")
        return grant


def verified(stored: StoredGrant) -> Terms:
    """Return the terms of a stored grant, as its provider signed them. Raises NotVerified or GatewayError."""
    found = verify_terms(json.loads(stored.terms or "null"), stored.signature, public_of(stored.public_key))
    terms = read_terms(found.terms)
    own = (stored.grant_id, stored.dataset, stored.provider, stored.organisation, stored.digest, stored.key_id)
    if own != (terms.grant, terms.dataset, terms.provider, terms.organisation, found.digest, terms.key):
        raise NotVerified("the signed terms are those of another grant")
    if stored.ends_at != terms.ends:
        raise NotVerified("its end is not the one that was signed")
    return terms


def _privacy(held: Held) -> Privacy:
    return held.dataset.privacy if isinstance(held, Published) else held.file.member().privacy
