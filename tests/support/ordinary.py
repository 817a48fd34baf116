"""What buyers ask in a day, as early warning sees it: planned for real, each draw observed once for each buyer."""

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.app.suspecting import Suspecting
from gateway.catalog.model import AlertLimits
from gateway.errors import GatewayError
from gateway.ledger.model import Account
from gateway.ledger.observing import Observation
from gateway.orders import drawn_anew, draws
from gateway.planning import plan
from gateway.privacy.populations import drawn
from gateway.programs import PlanJob
from gateway.request import Caller, Request

CORPUS = Path(__file__).resolve().parent.parent / "corpora" / "ordinary"
DAY = datetime(2026, 11, 24, tzinfo=UTC)


@dataclass(frozen=True)
class Ask:
    """One question of a day: by whom, when."""

    buyer: str
    at: datetime
    sql: str


def day(name, at=DAY):
    """Return the questions of one file of the corpus in the order of time, a minute and a half after each other."""
    found, buyer, now = [], "", at
    text = (CORPUS / f"{name}.sql").read_text()
    for part in re.split(r"(?m)^(-- (?:buyer|at) .*)$", text):
        if part.startswith("-- buyer "):
            buyer, now = part.removeprefix("-- buyer ").strip(), at
        elif part.startswith("-- at "):
            hours, minutes = part.removeprefix("-- at ").split(":")
            now = at + timedelta(hours=int(hours), minutes=int(minutes))
        else:
            for statement in filter(None, (piece.strip() for piece in part.split(";"))):
                found.append(Ask(buyer, now, statement))
                now += timedelta(seconds=90)
    return sorted(found, key=lambda ask: ask.at)


@dataclass
class Day:
    """A dataset's early warning, told of each question as the ledger would tell it."""

    dataset: object
    limits: AlertLimits = field(default_factory=AlertLimits)
    epsilon: object = None
    found: list = field(default_factory=list)
    charged: int = 0
    free: int = 0
    refused: list = field(default_factory=list)
    _stored: set = field(default_factory=set)

    def __post_init__(self):
        self.suspecting = Suspecting(self.dataset.name)

    def ask(self, sql, buyer="widget-analytics/ana", at=DAY, epsilon=None):
        """Ask one question; return what it gave reason to warn of."""
        organisation, _, subject = buyer.partition("/")
        caller = Caller(subject, organisation, frozenset({"buyer"}), "market-research", "CN")
        request = Request(sql, epsilon=epsilon or self.epsilon)
        try:
            planned = plan(PlanJob(self.dataset, caller, request, at, self.dataset.grants[0]))
        except GatewayError as error:
            self.refused.append((sql, error.code))
            return []
        due = {(buyer, digest) for digest in draws(planned)} - self._stored
        if not due:
            self.free += 1
            return []
        self._stored |= due
        self.charged += 1
        anew = drawn_anew(planned, {digest for _, digest in due})
        columns = tuple(sorted({f"{access.table}.{access.column}" for access in planned.accesses}))
        number = self.charged
        seen = Observation(
            number, f"Q{number}", self.dataset.name, buyer, at, drawn(planned.populations, anew), columns, ()
        )
        found = self.suspecting.charged(seen, self.limits)
        self.found += [(one, sql) for one in found]
        return found

    def all(self, asks):
        for one in asks:
            self.ask(one.sql, one.buyer, one.at)
        return self


def accounts(*limits):
    return tuple(Account(key, rho, delta) for key, rho, delta in limits)


def kinds(found):
    return {one.kind.value for one in found}


def told(found):
    return json.dumps([[one.words, dict(one.figures)] for one in found])
