"""The parties of an exchange as the store has them: members, keys, grants, crossings, and what is stopped. Pure."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.app.doctor.finding import Finding, bad, good, warning
from gateway.app.doctor.policies import SOON
from gateway.app.effective import Known
from gateway.app.granted import verified
from gateway.catalog.entries import compliance
from gateway.errors import GatewayError
from gateway.evidence.offline.failure import NotVerified
from gateway.ledger.crossings import Counted
from gateway.ledger.freezing import Freeze
from gateway.ledger.granting import GRANTED, StoredGrant
from gateway.ledger.members import REVIEWERS, Member
from gateway.ledger.signing_keys import CONFIRMED, REGISTERED, REVOKED, SigningKey
from gateway.ledger.standing import State
from gateway.policy.rules.mode import unserved

NEARLY = 0.8
"""Of a year's threshold: from here on it is told."""


@dataclass(frozen=True, slots=True)
class Parties:
    """What the store knows of those who take part, and what is stopped."""

    members: Sequence[Member]
    keys: Sequence[SigningKey]
    grants: Sequence[StoredGrant]
    crossings: Sequence[Counted]
    freezes: Sequence[Freeze]
    waiting: Sequence[Mapping[str, object]]
    """Buyers whose questions failed too often, as `evidencing.suspensions` tells them."""


# -- members ----------------------------------------------------------------------------------------------------------


def members(parties: Parties, known: Sequence[Known], issuer: str, *, required: bool) -> Iterator[Finding]:
    """Look whether enough verified persons are there for every step that takes two, or somebody from elsewhere.

    Which roles somebody has stands in tokens and not in the store: what is looked at is who could have them at most.
    """
    for one in parties.members:
        if one.state is State.SUSPENDED:
            fix = "gateway members verify, by two reviewers, once the reason is gone."
            yield warning("members", f"{one.application.name} is suspended", fix)
    if not required:
        yield good("members", "everybody whom the issuer names is let in")
        return
    persons = _persons(parties.members, issuer)
    if sum(persons.values()) < REVIEWERS:
        fix = "gateway members found, for one more reviewer of another organisation."
        yield bad("members", f"{sum(persons.values())} persons can verify others, and it takes {REVIEWERS}", fix)
    strangers = sum(
        one.state is State.VERIFIED and one.application.issuer not in ("", issuer) for one in parties.members
    )
    if strangers:
        fix = f"Have them apply again with a token of {issuer}, or set GATEWAY_ISSUER back."
        yield warning("members", f"{strangers} persons were verified under another issuer and are not let in", fix)
    yield from _short(persons, sorted({one.file.document.provider.organisation for one in known if one.file}))
    if sum(persons.values()) >= REVIEWERS:
        yield good("members", f"{sum(persons.values())} verified persons of {len(persons)} organisations")


def _persons(found: Sequence[Member], issuer: str) -> Counter[str]:
    """Return how many persons of each organisation are let in: they and their organisation are verified."""
    whole = {one.application.organisation for one in found if _verified(one) and one.application.subject is None}
    return Counter(
        one.application.organisation
        for one in found
        if _verified(one)
        and one.application.subject is not None
        and one.application.issuer == issuer
        and one.application.organisation in whole
    )


def _verified(one: Member) -> bool:
    return one.state is State.VERIFIED


def _short(persons: Counter[str], providers: Sequence[str]) -> Iterator[Finding]:
    """Look whether every provider can publish: two persons of its own, and a reviewer of another organisation."""
    for provider in providers:
        if persons[provider] < REVIEWERS:
            fix = "Have another person of it apply, and two reviewers verify it: gateway members."
            told = f"{provider} has {persons[provider]} verified persons: it takes two to publish and to confirm a key"
            yield bad("members", told, fix)
        if sum(persons.values()) == persons[provider]:
            fix = "Have a reviewer of another organisation apply: gateway members."
            yield bad("members", f"nobody outside {provider} is verified: nobody can review its policies", fix)


# -- keys and grants --------------------------------------------------------------------------------------------------


def keys(parties: Parties) -> Iterator[Finding]:
    """Look at the keys that providers sign grants with."""
    if not parties.keys:
        return
    for key in parties.keys:
        if key.state == REGISTERED:
            fix = f"gateway grant key confirm {key.key_id}, by another person than {key.registered_by}."
            yield warning("signing keys", f"a key of {key.organisation} waits for its second person", fix)
    signing = {key.organisation for key in parties.keys if key.state == CONFIRMED}
    for organisation in sorted({key.organisation for key in parties.keys} - signing):
        fix = "gateway grant key make and register, then confirm by another person."
        yield warning("signing keys", f"{organisation} has no key that may sign: it can give no grant", fix)
    if signing:
        yield good("signing keys", f"{len(signing)} providers may sign grants")


def grants(parties: Parties, known: Sequence[Known], source: str, now: datetime) -> Iterator[Finding]:
    """Look at the grants of the store that have not ended: which have no effect, and which end soon."""
    policies = {one.name: one for one in known}
    revoked = {(key.organisation, key.key_id) for key in parties.keys if key.state == REVOKED}
    held = 0
    for grant in parties.grants:
        if grant.state != GRANTED or (grant.ends_at is not None and grant.ends_at <= now):
            continue
        check = f"grant {grant.grant_id}"
        found = _ineffective(grant, policies.get(grant.dataset), source)
        if found is not None:
            yield bad(check, f"to {grant.organisation} on {grant.dataset} has no effect: {found[0]}", found[1])
            continue
        held += 1
        if (grant.provider, grant.key_id) in revoked:
            fix = f"Look whether you know it: gateway grant show {grant.grant_id}; else gateway grant revoke."
            yield warning(check, "the key that signed it was revoked since; it stands until it is revoked itself", fix)
        elif grant.ends_at is not None and grant.ends_at <= now + SOON:
            fix = "Its buyer asks for another: gateway grant request."
            yield warning(check, f"to {grant.organisation} on {grant.dataset} ends at {grant.ends_at.isoformat()}", fix)
    if held:
        yield good("grants of the store", f"{held} hold")


def _ineffective(grant: StoredGrant, known: Known | None, source: str) -> tuple[str, str] | None:
    """Return why nothing can be asked under a grant, and how to mend it; None where something can."""
    anew = "Revoke it and give another: gateway grant revoke, request, sign."
    try:
        terms = verified(grant)
    except (NotVerified, GatewayError, ValueError):
        return "it is not what its provider signed", anew
    if terms.gateway != source:
        return f"it is of the gateway {terms.gateway}", "Set GATEWAY_SOURCE to the name that grants were signed for."
    refusal = unserved(terms.mode)
    if refusal is not None:
        return refusal.detail, refusal.hint
    if known is None or known.file is None or known.unserved is not None:
        return "nothing is served of the dataset", "Publish a version of its policy, or revoke the grant."
    document = known.file.document
    if document.provider.organisation != grant.provider:
        return "the dataset has another provider", anew
    if terms.price_plan is not None and terms.price_plan not in document.prices:
        fix = "Publish a version with the plan, or give another grant."
        return f"the policy has no price plan {json.dumps(terms.price_plan)}", fix
    return None


# -- borders, and what is stopped -------------------------------------------------------------------------------------


def crossings(parties: Parties, known: Sequence[Known], year: int) -> Iterator[Finding]:
    """Compare this year's counts of people abroad with the least that a policy of their provider lets go."""
    least = _thresholds(known)
    people: Counter[tuple[str, str]] = Counter()
    for counted in parties.crossings:
        if counted.year == year:
            people[counted.provider, counted.country] += counted.units
    for (provider, country), units in sorted(people.items()):
        if provider not in least:
            continue
        check, told = f"people abroad of {provider}", f"{units:,} of {least[provider]:,} to {country} in {year}"
        if units >= least[provider]:
            fix = "Have more assessed and raise cross_border.threshold; until then nobody else's data go there."
            yield bad(check, told, fix)
        elif units >= NEARLY * least[provider]:
            yield warning(check, told, "Have more assessed before cross_border refuses questions from there.")
        else:
            yield good(check, told)


def _thresholds(known: Sequence[Known]) -> dict[str, int]:
    """Return the least threshold of people abroad that the policies served of each provider have."""
    least: dict[str, int] = {}
    for document in [one.file.document for one in known if one.file is not None and one.unserved is None]:
        rule, provider = compliance(document).cross_border, document.provider.organisation
        if rule is not None:
            least[provider] = min(rule.threshold, least.get(provider, rule.threshold))
    return least


def stopped(parties: Parties) -> Iterator[Finding]:
    """Tell what is frozen, and who waits until a provider has looked at failures."""
    for freeze in parties.freezes:
        target = f"{freeze.target.scope.value} {freeze.target.name}".strip()
        fix = "gateway unfreeze, by who froze it or a supervisor, once the reason is gone."
        yield warning("frozen", f"{target} by {freeze.by} since {freeze.at.isoformat(timespec='seconds')}", fix)
    for row in parties.waiting:
        fix = f"gateway dataset failures {row['dataset']}, then --excuse {row['buyer']}."
        yield warning("suspended", f"{row['buyer']} on {row['dataset']} after {row['failures']} failed queries", fix)
