"""Versions of policies as the store has them: their states, what leaves make of them, what is served and reviewed.

What is served of a dataset is what was published or withdrawn last. Nothing here commits.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, and_, bindparam, func, insert, select, update

from gateway.errors import GatewayError
from gateway.ledger.charging import microseconds, moment
from gateway.ledger.model import Order
from gateway.store.prepared import Found, Prepared
from gateway.store.tables import policy_versions, reviews
from gateway.store.upsert import upsert


class State(StrEnum):
    """What a version of a policy is."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    REVIEWED = "reviewed"
    PUBLISHED = "published"
    WITHDRAWN = "withdrawn"


KINDS = frozenset({"drafted", "submitted", "reviewed", "asked-back", "registered", "withdrawn"})
"""The leaves that make these tables."""


@dataclass(frozen=True, slots=True)
class Step:
    """Who did one thing to a version, and when."""

    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a dataset's policy. `serving`: the change that published or withdrew it last, None: never."""

    dataset: str
    version: str
    state: State
    provider: str
    manifest: str
    text: str
    proposed: Step
    submitted: Step | None
    reviewed: Step | None
    published: Step | None
    withdrawn: Step | None
    barred: bool
    asked_by: str | None
    serving: int | None


@dataclass(frozen=True, slots=True)
class Review:
    """The latest review of what a review covers."""

    manifest: str
    reviewer: str
    approved: bool
    findings: str
    valid_until: date | None
    at: datetime

    def holds(self, today: date) -> bool:
        return self.approved and (self.valid_until is None or today <= self.valid_until)


@dataclass(frozen=True, slots=True)
class Standing:
    """What the store says of a dataset: the version that was published or withdrawn last, and the review of it.

    `change` counts what happened to the dataset's versions; 0 where nothing did.
    """

    change: int
    latest: Version | None
    review: Review | None

    @property
    def served(self) -> Version | None:
        return self.latest if self.latest is not None and self.latest.state is State.PUBLISHED else None


_HERE = policy_versions.c.dataset == bindparam("of")
_OF_ONE = select(policy_versions).where(_HERE, policy_versions.c.version == bindparam("version_"))
_LATEST = (
    select(policy_versions)
    .where(_HERE, policy_versions.c.serving.is_not(None))
    .order_by(policy_versions.c.serving.desc())
    .limit(1)
)
_CHANGE = select(func.max(policy_versions.c.change)).where(_HERE)
_REVIEW = select(reviews).where(reviews.c.dataset == bindparam("of"), reviews.c.manifest == bindparam("manifest_"))
_DECISIVE = Prepared(
    select(
        policy_versions.c.version, policy_versions.c.state, reviews.c.approved, reviews.c.valid_until
    )
    .select_from(
        policy_versions.outerjoin(
            reviews,
            and_(
                reviews.c.dataset == policy_versions.c.dataset, reviews.c.manifest == policy_versions.c.manifest
            ),
        )
    )
    .where(_HERE, policy_versions.c.serving.is_not(None))
    .order_by(policy_versions.c.serving.desc())
    .limit(1)
)  # fmt: skip


def version_of(connection: Connection, dataset: str, version: str) -> Version | None:
    """Return one version of a dataset."""
    row = connection.execute(_OF_ONE, {"of": dataset, "version_": version}).one_or_none()
    return None if row is None else read(row)


def standing(connection: Connection, dataset: str, manifest: str | None = None) -> Standing:
    """Return how a dataset stands; the review is that of its latest version, without one that of `manifest`."""
    row = connection.execute(_LATEST, {"of": dataset}).one_or_none()
    latest = None if row is None else read(row)
    covered = latest.manifest if latest is not None else manifest
    found = None if covered is None else review_of(connection, dataset, covered)
    return Standing(connection.execute(_CHANGE, {"of": dataset}).scalar() or 0, latest, found)


def review_of(connection: Connection, dataset: str, manifest: str) -> Review | None:
    """Return the latest review of what some versions of a dataset have in common."""
    row = connection.execute(_REVIEW, {"of": dataset, "manifest_": manifest}).one_or_none()
    if row is None:
        return None
    until = date.fromisoformat(row.valid_until) if row.valid_until is not None else None
    return Review(row.manifest, row.reviewer, bool(row.approved), row.findings, until, moment(row.reviewed_at_us))


def read(row: Found) -> Version:
    """Return a row as a version."""

    def step(by: str | None, at_us: int | None) -> Step | None:
        return None if by is None or at_us is None else Step(by, moment(at_us))

    return Version(
        row.dataset, row.version, State(row.state), row.provider, row.manifest, row.text,
        Step(row.proposed_by, moment(row.proposed_at_us)),
        step(row.submitted_by, row.submitted_at_us), step(row.reviewed_by, row.reviewed_at_us),
        step(row.published_by, row.published_at_us), step(row.withdrawn_by, row.withdrawn_at_us),
        bool(row.barred), row.asked_by, row.serving,
    )  # fmt: skip


# -- at a charge ------------------------------------------------------------------------------------------------------


def refuse_unserved(connection: Connection, order: Order, today: date, *, required: bool) -> None:
    """Refuse an order on what is no longer served or reviewed, in the charge's own transaction.

    Raises GatewayError `unknown_dataset` where the dataset was withdrawn, `policy_replaced` where another version of
    its policy is served by now, `compliance_expired`.
    """
    refuse(decisive(connection, order.dataset), order, today, required=required)


def decisive(connection: Connection, dataset: str) -> Found | None:
    """Return what a charge reads of a dataset's versions; None where none was ever published or withdrawn."""
    return _DECISIVE.one_or_none(connection, {"of": dataset})


def refuse(row: Found | None, order: Order, today: date, *, required: bool) -> None:
    """Raise as `refuse_unserved`, of what was read."""
    if order.reviewed_until is not None and today > order.reviewed_until:
        raise _unreviewed()
    if row is None:
        if required:
            raise _withdrawn(order.dataset)
        return
    if row.state != State.PUBLISHED:
        raise _withdrawn(order.dataset)
    if row.version != order.policy_version:
        hint = "Nothing was charged. Ask again: the price and the bounds may be others."
        raise GatewayError("policy_replaced", "Another version of the dataset's policy is served by now.", hint)
    if row.approved is None and not required:
        return
    if not row.approved or (row.valid_until is not None and today > date.fromisoformat(row.valid_until)):
        raise _unreviewed()


def _withdrawn(dataset: str) -> GatewayError:
    hint = "GET /v1/datasets lists those that you have a grant on."
    return GatewayError("unknown_dataset", f"There is no dataset '{dataset}' for you.", hint)


def _unreviewed() -> GatewayError:
    hint = "The provider has to have the dataset reviewed again."
    return GatewayError("compliance_expired", "The review of the dataset does not hold any longer.", hint)


# -- what leaves make -------------------------------------------------------------------------------------------------


def settle(connection: Connection, content: dict[str, Any], at: datetime) -> None:
    """Do to the tables what a leaf of KINDS says: when it happens, and when a restored store is told of it."""
    _SETTLES[content["kind"]](connection, content, microseconds(at))


def _next(connection: Connection, dataset: str) -> int:
    return (connection.execute(_CHANGE, {"of": dataset}).scalar() or 0) + 1


def _set(connection: Connection, content: Mapping[str, Any], values: Mapping[str, Any], *, serving: bool) -> None:
    change = _next(connection, content["dataset"])
    served = {"serving": change} if serving else {}
    one = (policy_versions.c.dataset == content["dataset"], policy_versions.c.version == content["policy_version"])
    connection.execute(update(policy_versions).where(*one).values(**values, **served, change=change))


def _drafted(connection: Connection, content: Mapping[str, Any], at_us: int) -> None:
    row = {
        "dataset": content["dataset"],
        "version": content["policy_version"],
        "state": State.DRAFT.value,
        "provider": content["provider"],
        "manifest": content["manifest"],
        "text": content["text"],
        "proposed_by": content["by"],
        "proposed_at_us": at_us,
        "barred": 0,
        "change": _next(connection, content["dataset"]),
    }
    connection.execute(insert(policy_versions).values(**row))


def _submitted(connection: Connection, content: Mapping[str, Any], at_us: int) -> None:
    values = {"state": content["state"], "submitted_by": content["by"], "submitted_at_us": at_us}
    _set(connection, content, values, serving=False)


def _reviewed(connection: Connection, content: Mapping[str, Any], at_us: int) -> None:
    row = {
        "dataset": content["dataset"],
        "manifest": content["manifest"],
        "reviewer": content["by"],
        "approved": int(content["approved"]),
        "findings": content["findings"],
        "valid_until": content["valid_until"],
        "reviewed_at_us": at_us,
    }
    upsert(connection, reviews, [row])
    who = {"reviewed_by": content["by"], "reviewed_at_us": at_us}
    _set(connection, content, who, serving=False)
    waiting = (policy_versions.c.dataset == content["dataset"], policy_versions.c.state == State.SUBMITTED.value)
    if content["approved"]:  # every version that waits for this review has it
        which = (*waiting, policy_versions.c.manifest == content["manifest"])
        connection.execute(update(policy_versions).where(*which).values(state=State.REVIEWED.value, **who))
    else:
        which = (*waiting, policy_versions.c.version == content["policy_version"])
        connection.execute(update(policy_versions).where(*which).values(state=State.DRAFT.value))


def _asked_back(connection: Connection, content: Mapping[str, Any], _at_us: int) -> None:
    _set(connection, content, {"asked_by": content["by"]}, serving=False)


def _registered(connection: Connection, content: Mapping[str, Any], at_us: int) -> None:
    values = {"state": State.PUBLISHED.value, "published_by": content["by"], "published_at_us": at_us}
    _set(connection, content, values, serving=True)
    _forget_asked(connection, content)


def _withdraw(connection: Connection, content: Mapping[str, Any], at_us: int) -> None:
    values = {
        "state": State.WITHDRAWN.value,
        "withdrawn_by": content["by"],
        "withdrawn_at_us": at_us,
        "barred": int(content["barred"]),
    }
    _set(connection, content, values, serving=True)
    _forget_asked(connection, content)
    if content["barred"]:  # whoever reviewed it has to look again
        ended = update(reviews).where(reviews.c.dataset == content["dataset"]).values(approved=0)
        connection.execute(ended)


def _forget_asked(connection: Connection, content: Mapping[str, Any]) -> None:
    here = policy_versions.c.dataset == content["dataset"]
    connection.execute(update(policy_versions).where(here).values(asked_by=None))


_SETTLES: dict[str, Callable[[Connection, Mapping[str, Any], int], None]] = {
    "drafted": _drafted,
    "submitted": _submitted,
    "reviewed": _reviewed,
    "asked-back": _asked_back,
    "registered": _registered,
    "withdrawn": _withdraw,
}
