"""Alerts: what deserves a look by a dataset's provider and by the supervisor, and by nobody else.

No leaf tells of one: a leaf moves the index in the next receipt, which its buyer reads (docs/decisions/0023).
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any

from sqlalchemy import ColumnElement, Connection, insert, select, update

from gateway.errors import GatewayError
from gateway.ledger.charging import microseconds, moment
from gateway.ledger.events import canonical, timestamp
from gateway.ports import Clock
from gateway.store import epochs
from gateway.store.database import Store
from gateway.store.prepared import Found
from gateway.store.tables import alerts

EXCHANGE = ""
"""In the place of a dataset: it concerns the gateway itself, and the supervisor alone."""

EVENT_TYPE = "gateway.alert.raised"


class Kind(StrEnum):
    """What an alert is about."""

    BUDGET = "budget"
    DIFFERENCING = "differencing"
    AVERAGING = "averaging"
    REFUSALS = "refusals"
    HOURS = "unusual_hours"
    COLUMNS = "unusual_columns"
    ENGINE = "engine"
    CLOCK = "clock"
    LOG = "log"


class Severity(StrEnum):
    NOTICE = "notice"
    WARNING = "warning"
    ALARM = "alarm"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a watcher has found. Findings of one kind, dataset and `name` are one alert, whoever raises it first.

    `subjects` are the buyers whom it is about; `figures` are numbers, ids and names of columns, never a literal.
    """

    kind: Kind
    dataset: str
    name: str
    severity: Severity
    words: str
    subjects: tuple[str, ...] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)

    @property
    def alert_id(self) -> str:
        return sha256(canonical({"of": [self.kind, self.dataset, self.name]}).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert that was raised, and who has seen it."""

    sequence: int
    alert_id: str
    kind: str
    dataset: str
    subjects: tuple[str, ...]
    severity: str
    words: str
    figures: Mapping[str, Any]
    at: datetime
    seen_by: str | None
    seen_at: datetime | None

    def document(self) -> dict[str, Any]:
        """Return what its readers are shown."""
        return {
            "alert_id": self.alert_id,
            "kind": self.kind,
            "dataset": self.dataset or None,
            "subjects": list(self.subjects),
            "severity": self.severity,
            "words": self.words,
            "figures": dict(self.figures),
            "at": timestamp(self.at),
            "seen_by": self.seen_by,
            "seen_at": None if self.seen_at is None else timestamp(self.seen_at),
        }

    def event(self, source: str) -> str:
        """Return the CloudEvent that a webhook gets, whose id is the alert's."""
        told = {name: value for name, value in self.document().items() if not name.startswith("seen_")}
        return canonical(
            {
                "specversion": "1.0",
                "id": self.alert_id,
                "source": f"urn:gateway:{source}",
                "type": EVENT_TYPE,
                "subject": self.alert_id,
                "time": timestamp(self.at),
                "datacontenttype": "application/json",
                "data": told,
            }
        )


def _alert(row: Found) -> Alert:
    return Alert(
        row.sequence,
        row.alert_id,
        row.kind,
        row.dataset,
        tuple(json.loads(row.subjects)),
        row.severity,
        row.words,
        json.loads(row.figures),
        moment(row.raised_at_us),
        row.seen_by,
        None if row.seen_at_us is None else moment(row.seen_at_us),
    )


def beyond(connection: Connection, after: int, most: int) -> list[Alert]:
    """Return the alerts after a sequence number, in order."""
    found = select(alerts).where(alerts.c.sequence > after).order_by(alerts.c.sequence).limit(most)
    return [_alert(row) for row in connection.execute(found)]


class Alerts:
    """Every method is one transaction."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def raise_all(self, findings: Iterable[Finding]) -> list[str]:
        """Raise each finding that is not raised yet; return the ids of those that are new."""
        wanted = {one.alert_id: one for one in findings}
        if not wanted:
            return []

        def work(connection: Connection) -> list[str]:
            there = set(connection.execute(select(alerts.c.alert_id).where(alerts.c.alert_id.in_(wanted))).scalars())
            now = microseconds(self._clock.now())
            rows = [_row(one, now) for alert_id, one in wanted.items() if alert_id not in there]
            if rows:
                connection.execute(insert(alerts), rows)
            return [str(row["alert_id"]) for row in rows]

        return await self._store.run(work)

    async def shown(
        self, datasets: Collection[str] | None, after: str | None, limit: int
    ) -> tuple[list[Alert], str | None]:
        """Return alerts of some datasets (None: all), and where the next begin.

        After a cursor they come oldest first; without one the newest come, the latest first, and the cursor is that of
        the latest. Raises GatewayError `bad_request` for a cursor that is none.
        """

        def work(connection: Connection) -> tuple[list[Alert], str | None]:
            epoch = epochs.epoch(connection)
            mine: list[ColumnElement[bool]] = [] if datasets is None else [alerts.c.dataset.in_(datasets)]
            found = select(alerts).where(*mine).limit(limit)
            if after is None:
                found = found.order_by(alerts.c.sequence.desc())
            else:
                found = found.where(alerts.c.sequence > _place(after, epoch)).order_by(alerts.c.sequence)
            rows = [_alert(row) for row in connection.execute(found)]
            last = max((row.sequence for row in rows), default=None)
            return rows, after if last is None else f"{epoch}-{last}"

        return await self._store.read(work)

    async def seen(self, alert_id: str, by: str, datasets: Collection[str] | None) -> Alert | None:
        """Note who has seen an alert first; None where there is no such alert of these datasets."""

        def work(connection: Connection) -> Alert | None:
            mine: list[ColumnElement[bool]] = [] if datasets is None else [alerts.c.dataset.in_(datasets)]
            where = (alerts.c.alert_id == alert_id, *mine)
            noted = {"seen_by": by, "seen_at_us": microseconds(self._clock.now())}
            connection.execute(update(alerts).where(*where, alerts.c.seen_by.is_(None)).values(noted))
            row = connection.execute(select(alerts).where(*where)).one_or_none()
            return None if row is None else _alert(row)

        return await self._store.run(work)


def _row(one: Finding, now: int) -> dict[str, object]:
    return {
        "alert_id": one.alert_id,
        "kind": one.kind.value,
        "dataset": one.dataset,
        "subjects": json.dumps(sorted(one.subjects)),
        "severity": one.severity.value,
        "words": one.words,
        "figures": canonical(one.figures),
        "raised_at_us": now,
    }


def _place(cursor: str, epoch: int) -> int:
    of, dash, at = cursor.partition("-")
    if not (dash and all(part.isascii() and part.isdigit() and len(part) <= 18 for part in (of, at))):
        raise GatewayError("bad_request", "The cursor is not one of ours.", "Use the `cursor` of the last reply.")
    return int(at) if int(of) == epoch else 0  # a store that was restored begins anew; ids tell what is known
