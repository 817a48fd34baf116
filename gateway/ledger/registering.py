"""The life of policies: proposed, submitted, reviewed, published, withdrawn, brought back. Each step is in the log.

A step is one transaction: it looks at the version's state, appends one leaf that says all of it, and does what the leaf
says (registered.py), so that a store that is told its log again has the same rows.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, func, select

from gateway.errors import GatewayError
from gateway.ledger import charging, leaves, registered
from gateway.ledger.paging import FIRST, Listed, Order, Page
from gateway.ledger.registered import Review, Standing, State, Version
from gateway.ports import Clock
from gateway.store.database import Store
from gateway.store.prepared import Prepared
from gateway.store.tables import policy_texts, policy_versions, queries, versions
from gateway.store.upsert import upsert

_ORDER = Order((policy_versions.c.proposed_at_us, policy_versions.c.version))

Mark = tuple[int, int]
"""How far a dataset is: the number of its last declaration of data, and of the last change of its versions."""


# built once: building a statement takes longer than running it, and every question asks this
_OF: BindParameter[str] = bindparam("of")
_MARK = Prepared(
    select(
        func.coalesce(select(func.max(versions.c.number)).where(versions.c.dataset == _OF).scalar_subquery(), 0),
        func.coalesce(
            select(func.max(policy_versions.c.change)).where(policy_versions.c.dataset == _OF).scalar_subquery(), 0
        ),
    )
)


@dataclass(frozen=True, slots=True)
class Draft:
    """A version to be kept: `text` is the policy as its provider wrote it, `manifest` the digest of what is covered."""

    dataset: str
    version: str
    provider: str
    manifest: str
    text: str


def text_digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


class Registry:
    """Every method is one transaction; every process of the store keeps to what stands there.

    `required`: whether a version is published only while a review of the store holds for it.
    """

    def __init__(self, store: Store, clock: Clock, *, required: bool) -> None:
        self._store = store
        self._clock = clock
        self.required = required

    # -- what stands ----------------------------------------------------------------------------------------------

    async def standing(self, dataset: str, manifest: str | None = None) -> Standing:
        """Return what is served of a dataset, and its review."""
        return await self._store.read(lambda connection: registered.standing(connection, dataset, manifest))

    async def mark(self, dataset: str) -> Mark:
        """Return how far a dataset is."""

        def work(connection: Connection) -> Mark:
            (found,) = _MARK.rows(connection, {"of": dataset})
            return found[0], found[1]

        return await self._store.glance(work)

    async def marks(self) -> dict[str, Mark]:
        """Return how far every dataset is that ever was declared or proposed."""
        declared = select(versions.c.dataset, func.max(versions.c.number)).group_by(versions.c.dataset)
        changed = select(policy_versions.c.dataset, func.max(policy_versions.c.change)).group_by(
            policy_versions.c.dataset
        )

        def work(connection: Connection) -> dict[str, Mark]:
            numbers = {str(row[0]): int(row[1]) for row in connection.execute(declared)}
            changes = {str(row[0]): int(row[1]) for row in connection.execute(changed)}
            return {name: (numbers.get(name, 0), changes.get(name, 0)) for name in numbers | changes}

        return await self._store.read(work)

    async def versions(self, dataset: str, page: Page = FIRST) -> Listed[tuple[Version, Review | None]]:
        """Return a page of the versions of a dataset with the review of each, the first proposed first."""
        wanted = select(policy_versions).where(policy_versions.c.dataset == dataset)

        def work(connection: Connection) -> Listed[tuple[Version, Review | None]]:
            rows, cursor = _ORDER.page(connection, wanted, page)
            found = [registered.read(row) for row in rows]
            covered = {one.manifest: registered.review_of(connection, dataset, one.manifest) for one in found}
            return Listed(tuple((one, covered[one.manifest]) for one in found), cursor)

        return await self._store.read(work)

    async def version(self, dataset: str, version: str) -> Version:
        """Return one version. Raises GatewayError `not_found`."""
        return await self._store.read(lambda connection: _found(connection, dataset, version))

    async def review_of(self, dataset: str, manifest: str) -> Review | None:
        """Return the latest review of what some versions of a dataset have in common."""
        return await self._store.read(lambda connection: registered.review_of(connection, dataset, manifest))

    async def text(self, digest: str) -> str | None:
        """Return a policy's text, which has this digest; None where a restored store lacks it."""
        found = select(policy_texts.c.text).where(policy_texts.c.digest == digest)
        text = await self._store.read(lambda connection: connection.execute(found).scalar())
        return text if text is not None and text_digest(text) == digest else None

    # -- the steps of a provider ----------------------------------------------------------------------------------

    async def draft(self, draft: Draft, by: str) -> Version:
        """Keep a version as a draft; one that is there already stays as it is. Returns it."""

        def work(connection: Connection) -> Version:
            known = registered.version_of(connection, draft.dataset, draft.version)
            digest = text_digest(draft.text) if known is None else known.text
            if text_digest(draft.text) == digest:
                upsert(connection, policy_texts, [{"digest": digest, "text": draft.text}])
            if known is not None:
                return known
            content = {
                "dataset": draft.dataset,
                "policy_version": draft.version,
                "provider": draft.provider,
                "manifest": draft.manifest,
                "text": digest,
                "by": by,
            }
            return self._told(connection, "drafted", content)

        return await self._store.run(work)

    async def submit(self, dataset: str, version: str, by: str) -> Version:
        """Hand a draft to reviewers; it is reviewed at once where a review that holds covers it.

        Raises GatewayError `not_found`, `version_state`.
        """

        def work(connection: Connection) -> Version:
            one = _found(connection, dataset, version)
            _refuse_unless(one, "submitted", State.DRAFT)
            review = registered.review_of(connection, dataset, one.manifest)
            covered = review is not None and review.holds(self._clock.now().date())
            state = State.REVIEWED if covered else State.SUBMITTED
            return self._told(connection, "submitted", {**_named(one), "by": by, "state": state.value})

        return await self._store.run(work)

    async def publish(self, dataset: str, version: str, by: str, rights: Mapping[str, Any]) -> Version:
        """Serve a version from now on, on the word of a second person.

        `rights` is what the log says of who holds what in it. Raises GatewayError `not_found`, `version_state`,
        `two_persons`, `compliance_expired`.
        """

        def work(connection: Connection) -> Version:
            one, beside = self._publishable(connection, dataset, version, by)
            return self._register(connection, one, by, beside, rights)

        return await self._store.run(work)

    async def refuse_unpublishable(self, dataset: str, version: str, by: str) -> None:
        """Raise what `publish` would: what is done for a publication before it is not done for one that is refused."""

        def work(connection: Connection) -> None:
            one, _ = self._publishable(connection, dataset, version, by)
            self._refuse_unreviewed(connection, one)

        await self._store.read(work)

    def _publishable(self, connection: Connection, dataset: str, version: str, by: str) -> tuple[Version, str]:
        """Return a version that somebody may publish, and who submitted it."""
        one = _found(connection, dataset, version)
        ready = (State.REVIEWED,) if self.required else (State.SUBMITTED, State.REVIEWED)
        _refuse_unless(one, "published", *ready)
        assert one.submitted is not None  # INVARIANT: no version gets there another way
        if by == one.submitted.by:
            raise _alone()
        return one, one.submitted.by

    async def roll_back(self, dataset: str, version: str, by: str, rights: Mapping[str, Any]) -> Version:
        """Ask for the return of a version that was served before; a second person who asks too brings it back.

        What was spent stays spent: accounts are those of the tables, whatever version is served. Raises GatewayError
        `not_found`, `version_state`, `two_persons`, `compliance_expired`.
        """

        def work(connection: Connection) -> Version:
            one = _found(connection, dataset, version)
            latest = registered.standing(connection, dataset).latest
            if one.state is State.PUBLISHED and latest is not None and latest.version == one.version:
                raise _wrong_state("This version is served.", "Name an earlier one.")
            _refuse_unless(one, "brought back", State.PUBLISHED, State.WITHDRAWN)
            if one.barred:
                raise _wrong_state("A supervisor withdrew this version.", "Propose another.")
            self._refuse_unreviewed(connection, one)
            if one.asked_by is None:
                return self._told(connection, "asked-back", {**_named(one), "by": by})
            if one.asked_by == by:
                raise _alone()
            return self._register(connection, one, by, one.asked_by, rights)

        return await self._store.run(work)

    def _register(
        self, connection: Connection, one: Version, by: str, beside: str, rights: Mapping[str, Any]
    ) -> Version:
        review = self._refuse_unreviewed(connection, one)
        last = select(versions.c.version).where(versions.c.dataset == one.dataset)
        data = connection.execute(last.order_by(versions.c.number.desc()).limit(1)).scalar()
        content = {
            **rights,
            **_named(one),
            "manifest": one.manifest,
            "text": one.text,
            "holder": one.provider,
            "data_version": data,
            "review": rights.get("review") if review is None else _review_said(review),
            "by": by,
            "beside": beside,
        }
        return self._told(connection, "registered", content)

    def _refuse_unreviewed(self, connection: Connection, one: Version) -> Review | None:
        review = registered.review_of(connection, one.dataset, one.manifest)
        today = self._clock.now().date()
        if (review is None and self.required) or (review is not None and not review.holds(today)):
            hint = "Submit it, and have a reviewer of another organisation look at it."
            raise GatewayError("compliance_expired", "No review of this version holds.", hint)
        return review

    # -- the steps of others --------------------------------------------------------------------------------------

    async def review(
        self, dataset: str, version: str, by: str, findings: str, valid_until: date | None
    ) -> tuple[Version, list[str]]:
        """Approve what a version declares until a day, or with None reject it; return it and the queries ended.

        A review of what is served takes the place of the earlier one: a rejection ends what runs. Raises GatewayError
        `not_found`, `version_state`, `bad_request`.
        """

        def work(connection: Connection) -> tuple[Version, list[str]]:
            one, now = _found(connection, dataset, version), self._clock.now()
            _refuse_unless(one, "reviewed", State.SUBMITTED, State.REVIEWED, State.PUBLISHED)
            if valid_until is not None and valid_until < now.date():
                raise GatewayError("bad_request", "The review would have ended before it began.", "Name a later day.")
            served = registered.standing(connection, dataset).served
            ends = valid_until is None and served is not None and served.manifest == one.manifest
            why = f"the review was taken back by {by}"
            ended = charging.stop(connection, (queries.c.dataset == dataset,), why, now) if ends else []
            content = {
                **_named(one),
                "manifest": one.manifest,
                "by": by,
                "approved": valid_until is not None,
                "findings": findings,
                "valid_until": None if valid_until is None else valid_until.isoformat(),
                "ended": len(ended),
            }
            return self._told(connection, "reviewed", content), ended

        return await self._store.run(work)

    async def withdraw(
        self, dataset: str, version: str, by: str, reason: str, *, barred: bool
    ) -> tuple[Version, list[str]]:
        """Serve a dataset no longer, anywhere, and end what runs of it; return the version and the queries ended.

        `barred`: a supervisor does it, and neither the version nor its reviews come back. Raises GatewayError
        `not_found`, `version_state` where another version is served or none.
        """

        def work(connection: Connection) -> tuple[Version, list[str]]:
            one, now = _found(connection, dataset, version), self._clock.now()
            stands = registered.standing(connection, dataset)
            if stands.latest is not None and stands.latest.version != version:
                raise _wrong_state("Another version was published meanwhile.", "Look at the versions again.")
            if one.state is State.WITHDRAWN and (one.barred or not barred):
                raise _wrong_state("The dataset is withdrawn.", "Nothing is served of it.")
            ended = charging.stop(connection, (queries.c.dataset == dataset,), f"withdrawn by {by}", now)
            content = {**_named(one), "by": by, "reason": reason, "barred": barred, "ended": len(ended)}
            return self._told(connection, "withdrawn", content), ended

        return await self._store.run(work)

    async def end_unreviewed(self, dataset: str) -> list[str]:
        """End what runs on a dataset whose review has ended; return the queries."""
        which = (queries.c.dataset == dataset,)
        return await self._store.run(lambda c: charging.stop(c, which, "its review has ended", self._clock.now()))

    def today(self) -> date:
        return self._clock.now().date()

    def _told(self, connection: Connection, kind: str, content: Mapping[str, Any]) -> Version:
        now = self._clock.now()
        leaves.append(connection, kind, now, content)
        registered.settle(connection, {**content, "kind": kind}, now)
        return _found(connection, content["dataset"], content["policy_version"])


def _named(one: Version) -> dict[str, str]:
    return {"dataset": one.dataset, "policy_version": one.version}


def _review_said(review: Review) -> dict[str, object]:
    until = None if review.valid_until is None else review.valid_until.isoformat()
    return {"by": review.reviewer, "valid_until": until}


def _found(connection: Connection, dataset: str, version: str) -> Version:
    one = registered.version_of(connection, dataset, version)
    if one is None:
        hint = "GET /v1/datasets/{name}/versions lists them."
        raise GatewayError("not_found", "The dataset has no such version.", hint)
    return one


def _refuse_unless(one: Version, done: str, *states: State) -> None:
    if one.state not in states:
        wanted = " or ".join(states)
        raise _wrong_state(f"The version is {one.state}.", f"It is {done} while it is {wanted}.")


def _wrong_state(detail: str, hint: str) -> GatewayError:
    return GatewayError("version_state", detail, hint)


def _alone() -> GatewayError:
    hint = "Another person of the provider has to do this."
    return GatewayError("two_persons", "One person cannot publish a version alone.", hint)
