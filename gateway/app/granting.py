"""Who may ask for a grant, give it, refuse it and take it back; and what is counted of answers that cross a border."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from gateway.app.pacing import Pace
from gateway.app.rights import only
from gateway.app.signing_keys import KeyService
from gateway.app.standing import Held, Published, Unserved, unavailable, unknown_dataset
from gateway.catalog.model import Dataset
from gateway.catalog.terms import Parties, Terms, grant_of_terms, read_limits, read_terms, refuse_wider
from gateway.errors import GatewayError
from gateway.evidence.offline.failure import NotVerified
from gateway.evidence.offline.grants import public_of, verify_terms
from gateway.ledger.crossings import Counted, Crossings
from gateway.ledger.events import canonical, timestamp
from gateway.ledger.granting import GRANTED, REQUESTED, Grants, Signed, StoredGrant
from gateway.ledger.paging import FIRST, Listed, Page
from gateway.ledger.signing_keys import CONFIRMED, SigningKeys
from gateway.orders import buyer_id
from gateway.policy.decide import provides
from gateway.policy.rules.mode import unserved
from gateway.ports import Clock
from gateway.privacy import accounting
from gateway.request import Caller


@dataclass(frozen=True, slots=True)
class GrantBooks:
    """What of the store is written here: grants, the keys that sign them, and what crossed a border."""

    grants: Grants
    keys: SigningKeys
    crossings: Crossings


class GrantService:
    """Satisfies gateway.web.service.Grants."""

    def __init__(
        self,
        books: GrantBooks,
        datasets: Callable[[], Mapping[str, Held]],
        source: str,
        new_id: Callable[[], str],
        clock: Clock,
        pace: Pace,
    ) -> None:
        """Take what it works on: `source` is the gateway's name, which signed terms state."""
        self._books = books
        self._datasets = datasets
        self._source = source
        self._new_id = new_id
        self._clock = clock
        self._pace = pace
        self.keys = KeyService(books.keys, pace)

    # -- by the buyer -----------------------------------------------------------------------------------------------

    async def request(self, caller: Caller, dataset: str, why: str, asked: Mapping[str, Any]) -> dict[str, object]:
        """Ask for a grant to the caller's organisation; it gives nothing before the provider signs."""
        only(caller, "buyer", "Grants are asked for by buyers.")
        self._pace.admit(caller)
        limits = read_limits(asked)
        self._refuse_past(limits.ends)
        _refuse_unserved(limits.mode)
        held = self._datasets().get(dataset)
        if held is None or isinstance(held, Unserved):
            await self._pace.count(caller)  # names are not to be tried out faster than anything else that is free
            raise unknown_dataset(dataset)
        provider = held.file.document.provider.organisation
        text = canonical(limits.model_dump(mode="json"))
        named = (self._new_id(), provider, dataset, caller.organisation)
        self._proposed(Parties(self._source, *named), limits.model_dump(mode="json"))
        await self._pace.take(caller)
        made = await self._books.grants.request(*named, text, why, buyer_id(caller))
        return self._shown(made)

    # -- by the provider --------------------------------------------------------------------------------------------

    async def grant(self, caller: Caller, grant_id: str, terms: Mapping[str, Any], signature: str) -> dict[str, object]:
        """Grant what was asked, by terms that the provider signed and that are no wider.

        Raises GatewayError `grant_not_signed` where the signature does not hold, or is of no confirmed key.
        """
        found = await self._mine(caller, grant_id)
        read = await self._checked(found, read_terms(terms))
        signed = await self._verified(found, terms, signature, read)
        return self._shown(await self._books.grants.grant(grant_id, signed, buyer_id(caller)))

    async def refuse(self, caller: Caller, grant_id: str, reason: str) -> dict[str, object]:
        """Refuse what was asked."""
        await self._mine(caller, grant_id)
        return self._shown(await self._books.grants.refuse(grant_id, reason, buyer_id(caller)))

    async def revoke(self, caller: Caller, grant_id: str, reason: str) -> dict[str, object]:
        """Take a grant back, as its provider or a supervisor; what runs of it is ended, and stays charged."""
        found = await self._seen(caller, grant_id)
        if not (provides(found.provider, caller) or "supervisor" in caller.roles):
            raise _not_yours()
        made, ended = await self._books.grants.revoke(grant_id, reason, buyer_id(caller))
        return {**self._shown(made), "ended": len(ended)}

    # -- for all of them --------------------------------------------------------------------------------------------

    async def grants(self, caller: Caller, page: Page = FIRST) -> Listed[dict[str, object]]:
        """Return a page of what a buyer's organisation asked for, what is asked of a provider, or to a supervisor all.

        Raises GatewayError `forbidden`, `bad_request` for a cursor that is none of ours.
        """
        everything = "supervisor" in caller.roles
        sides = [caller.organisation if role in caller.roles else None for role in ("buyer", "provider")]
        if not everything and sides == [None, None]:
            hint = "Ask with a token whose roles include buyer, provider or supervisor."
            raise GatewayError("forbidden", "Grants are for buyers, providers and supervisors.", hint)
        organisation, provider = (None, None) if everything else sides
        found = await self._books.grants.listed(organisation, provider, page)
        return found.shown(self._shown)

    async def one(self, caller: Caller, grant_id: str) -> dict[str, object]:
        """Return one grant, with what its provider signed or may sign."""
        return self._shown(await self._seen(caller, grant_id))

    async def crossings(self, caller: Caller) -> list[dict[str, object]]:
        """Return how many people's data went where in which year: a provider's own, or to a supervisor all."""
        if not caller.roles & {"provider", "supervisor"}:
            hint = "Ask with a token whose roles include provider or supervisor."
            raise GatewayError("forbidden", "What crosses a border is for providers and supervisors.", hint)
        everything = "supervisor" in caller.roles
        return _summed(await self._books.crossings.of(None if everything else caller.organisation))

    # -- what they share --------------------------------------------------------------------------------------------

    async def _seen(self, caller: Caller, grant_id: str) -> StoredGrant:
        found = await self._books.grants.find(grant_id)
        buys = found is not None and "buyer" in caller.roles and found.organisation == caller.organisation
        if found is None or not (buys or provides(found.provider, caller) or "supervisor" in caller.roles):
            raise _not_yours()
        return found

    async def _mine(self, caller: Caller, grant_id: str) -> StoredGrant:
        """Return a grant that the caller may decide on, as the provider that its dataset has."""
        found = await self._seen(caller, grant_id)
        if not provides(found.provider, caller):
            hint = "Ask with a token of the dataset's provider."
            raise GatewayError("forbidden", "Grants are given and refused by the dataset's provider.", hint)
        return found

    async def _checked(self, found: StoredGrant, terms: Terms) -> Terms:
        """Hold terms to what was asked, and to what the dataset's policy has. Raises GatewayError."""
        if not Parties(self._source, found.grant_id, found.provider, found.dataset, found.organisation).of(terms):
            hint = "Sign the terms that GET /v1/grants/{id} proposes."
            raise GatewayError("bad_request", "The terms are between others, or of something else.", hint)
        refuse_wider(terms, read_limits(json.loads(found.asked)))
        self._refuse_past(terms.ends)
        dataset = self._opened(found)
        if terms.price_plan is not None and all(plan.name != terms.price_plan for plan in dataset.prices):
            hint = "Name a plan of the policy's `prices`."
            raise GatewayError("bad_request", f"The policy has no price plan '{terms.price_plan}'.", hint)
        grant = grant_of_terms(terms, dataset.privacy.budget, dataset.privacy.accounting, "")
        _refuse_unserved(terms.mode)
        if grant.budget is not None:
            privacy, budget = dataset.privacy, grant.budget
            await asyncio.to_thread(accounting.limits, budget.epsilon, budget.delta, privacy.accounting)
        return terms

    def _opened(self, found: StoredGrant) -> Dataset:
        held = self._datasets().get(found.dataset)
        if held is None or held.file.document.provider.organisation != found.provider:
            raise unknown_dataset(found.dataset)
        if not isinstance(held, Published):
            raise unavailable()
        return held.dataset

    async def _verified(self, found: StoredGrant, terms: Mapping[str, Any], signature: str, read: Terms) -> Signed:
        key = await self._books.keys.find(found.provider, read.key)
        hint = "Sign with a key that another person of your organisation has confirmed: gateway grant sign."
        if key is None or key.state != CONFIRMED:
            raise GatewayError("grant_not_signed", "The terms name no confirmed key of the provider.", hint)
        try:
            made = verify_terms(terms, signature, public_of(key.public_key))
        except NotVerified as failure:
            raise GatewayError("grant_not_signed", f"The grant is not signed: {failure}.", hint) from None
        return Signed(canonical(terms), signature, key.key_id, made.digest, read.ends)

    def _refuse_past(self, ends: datetime | None) -> None:
        if ends is not None and ends <= self._clock.now():
            hint = "Name a day or a moment that is to come."
            raise GatewayError("bad_request", "The grant would have ended already.", hint)

    def _proposed(self, parties: Parties, limits: Mapping[str, Any]) -> dict[str, object]:
        """Return the terms that a provider may sign as they are, but for the key. Raises GatewayError `bad_request`."""
        proposed = {**limits, **asdict(parties), "key": None}
        read_terms({**proposed, "key": "0" * 32})  # names that no terms may hold are refused at once
        return proposed

    def _shown(self, found: StoredGrant) -> dict[str, object]:
        over = found.state == GRANTED and found.ends_at is not None and found.ends_at <= self._clock.now()
        document: dict[str, object] = {
            "grant_id": found.grant_id,
            "dataset": found.dataset,
            "provider": found.provider,
            "organisation": found.organisation,
            "state": "expired" if over else found.state,
            "asked": json.loads(found.asked),
            "why": found.why,
            "requested_by": found.requested_by,
            "requested_at": timestamp(found.requested_at),
            "terms": None if found.terms is None else json.loads(found.terms),
            "signature": found.signature,
            "key": None if found.key_id is None else {"key_id": found.key_id, "public_key": found.public_key},
            "digest": found.digest,
            "ends_at": _at(found.ends_at),
            "decided_by": found.decided_by,
            "decided_at": _at(found.decided_at),
            "revoked_by": found.revoked_by,
            "revoked_at": _at(found.revoked_at),
            "reason": found.reason,
        }
        if found.state == REQUESTED:
            parties = Parties(self._source, found.grant_id, found.provider, found.dataset, found.organisation)
            document["proposed"] = self._proposed(parties, json.loads(found.asked))
        return document


def _refuse_unserved(mode: str) -> None:
    refusal = unserved(mode)
    if refusal is not None:
        raise GatewayError(refusal.code, refusal.detail, refusal.hint)


def _at(moment: datetime | None) -> str | None:
    return None if moment is None else timestamp(moment)


def _not_yours() -> GatewayError:
    return GatewayError("not_found", "There is no such grant for you.", "GET /v1/grants lists them.")


def _summed(counted: tuple[Counted, ...]) -> list[dict[str, object]]:
    """Return the sums by provider, country and year, each with the accounts that it is made of."""
    found: dict[tuple[str, str, int], list[Counted]] = {}
    for one in counted:
        found.setdefault((one.provider, one.country, one.year), []).append(one)
    return [
        {
            "provider": provider,
            "country": country,
            "year": year,
            "units": sum(one.units for one in accounts),
            "accounts": [
                {"account": one.account, "units": one.units, "counted_at": timestamp(one.counted_at)}
                for one in accounts
            ],
        }
        for (provider, country, year), accounts in found.items()
    ]
