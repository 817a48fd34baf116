"""Early warning beside the front door: one of all replicas reads what was charged and refused, and raises alerts.

Nothing of it is on the path of a query: what a buyer is told, charged, or made to wait does not hang on it.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import Connection, func, select

from gateway.app.parts import Books
from gateway.app.standing import Held, Unopened, Unserved
from gateway.app.suspecting import Suspecting
from gateway.catalog.entries import alert_limits
from gateway.catalog.model import AlertLimits
from gateway.errors import GatewayError
from gateway.ledger import leases
from gateway.ledger.alerts import EXCHANGE, Finding, Kind, Severity
from gateway.ledger.charging import FAILED
from gateway.ledger.events import BUYER_VISIBLE
from gateway.ledger.model import Account, Balance, buyer_name
from gateway.ledger.observing import Observation
from gateway.ports import Clock
from gateway.store import epochs
from gateway.store import log as leaves
from gateway.store.database import Store
from gateway.store.tables import events, queries

log = logging.getLogger("gateway.warning")

LOOK_S = 1.0
LEASE_S = 15.0
"""How long after its last sign of life another replica takes the watcher's place."""

LEASE = "watching"
BATCH = 50
"""Charges that are judged before others have their turn on the loop."""

REMEMBERED = 5_000
"""Charges, and events, that a watcher that begins reads again."""

BACK_S = 5.0
"""How far a clock may be behind what was written before, of another replica's clock."""


class Watcher:
    """Watches until it is cancelled. What it knows it has read from the store, and would find again."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        books: Books,
        held: Callable[[], Mapping[str, Held]],
        holder: str,
    ) -> None:
        self._store = store
        self._clock = clock
        self._ledger, self._observations, self._alerts = books.ledger, books.observations, books.alerts
        self._held = held
        self._holder = holder
        self._holds = False
        self._asked_at: datetime | None = None
        self._forget()

    def _forget(self) -> None:
        self._known: dict[str, Suspecting] = {}
        self._observed: int | None = None
        self._event: int | None = None
        self._size = 0

    async def run(self) -> None:
        """Watch for ever; a store that is away is tried again."""
        while True:
            try:
                await self.look()
            except GatewayError as error:
                log.warning("early warning waits: %s", error)
            except Exception:
                log.exception("early warning waits")
            await asyncio.sleep(LOOK_S)

    async def look(self) -> list[str]:
        """Look once at everything that is new, if no other replica does; return the ids of alerts that were raised."""
        if not await self._held_by_me():
            return []
        found = [*await self._charges(), *await self._refusals(), *self._engines(), *await self._failures()]
        found += await self._store_itself()
        raised = await self._alerts.raise_all(found)
        for one in found:
            if one.alert_id in raised:
                log.warning("alert %s: %s of %s", one.alert_id, one.kind.value, one.dataset or "the gateway")
        return raised

    async def _held_by_me(self) -> bool:
        """Tell whether this is the one that watches; its lease is taken and prolonged in a third of its time."""
        now = self._clock.now()
        if self._asked_at is None or not timedelta(0) <= now - self._asked_at < timedelta(seconds=LEASE_S / 3):
            mine = await self._store.run(lambda connection: leases.take(connection, LEASE, self._holder, now, LEASE_S))
            if mine and not self._holds:
                self._forget()
            self._holds, self._asked_at = mine, now
        return self._holds

    async def release(self) -> None:
        """Let another replica watch at once."""
        self._holds, self._asked_at = False, None
        await self._store.run(lambda connection: leases.give_up(connection, LEASE, self._holder))

    # -- charges and refusals -------------------------------------------------------------------------------------

    async def _charges(self) -> list[Finding]:
        if self._observed is None:
            self._observed = await self._observations.oldest_of(REMEMBERED)
        found: list[Finding] = []
        debited: dict[str, dict[str, Account]] = {}
        while True:
            batch, last = await self._observations.after(self._observed, BATCH)
            if last is None:
                break
            found += await asyncio.to_thread(self._judged, batch)  # many are compared: the loop goes on meanwhile
            for seen in batch:
                debited.setdefault(seen.dataset, {}).update({account.key: account for account in seen.accounts})
            self._observed = last
        for dataset, accounts in debited.items():
            found += await self._spent(dataset, tuple(accounts.values()))
        return found

    def _judged(self, batch: Sequence[Observation]) -> list[Finding]:
        return [found for seen in batch for found in self._of(seen.dataset).charged(seen, self._limits(seen.dataset))]

    def _of(self, dataset: str) -> Suspecting:
        if dataset not in self._known:
            self._known[dataset] = Suspecting(dataset)
        return self._known[dataset]

    def _limits(self, dataset: str) -> AlertLimits:
        held = self._held().get(dataset)
        return AlertLimits() if held is None else alert_limits(held.file.document)

    async def _spent(self, dataset: str, accounts: tuple[Account, ...]) -> list[Finding]:
        found = []
        for balance in await self._ledger.balances(accounts):
            spent = max(_share(balance.rho_spent, balance.rho_limit), _share(balance.delta_spent, balance.delta_limit))
            passed = [share for share in self._limits(dataset).budget if spent >= share]
            if passed:
                found.append(_budget(dataset, balance, passed[-1], spent))
        return found

    async def _refusals(self) -> list[Finding]:
        if self._event is None:
            newest = select(func.max(events.c.sequence))
            last = await self._store.read(lambda connection: connection.execute(newest).scalar() or 0)
            self._event = max(0, last - REMEMBERED)
        found: list[Finding] = []
        while lines := await self._lines(self._event):
            for sequence, line in lines:
                self._event = sequence
                if ".refused" not in line:  # of nearly every line that says enough
                    continue
                event = json.loads(line)
                if event["type"].endswith(".refused"):
                    found += self._refusal(event)
            await asyncio.sleep(0)
        return found

    def _refusal(self, event: Mapping[str, object]) -> list[Finding]:
        data = event["data"]
        assert isinstance(data, dict)  # INVARIANT: the meter wrote it
        buyer, dataset = buyer_name(data["organisation"], data["buyer"]), str(data["dataset"])
        at = datetime.fromisoformat(str(event["time"]))
        return self._of(dataset).refused(buyer, at, self._limits(dataset))

    async def _lines(self, after: int) -> list[tuple[int, str]]:
        wanted = (
            select(events.c.sequence, events.c.line)
            .where(events.c.sequence > after, events.c.visibility == BUYER_VISIBLE)
            .order_by(events.c.sequence)
            .limit(BATCH)
        )
        rows = await self._store.read(lambda connection: connection.execute(wanted).all())
        return [(row.sequence, row.line) for row in rows]

    # -- engines, clock and log -----------------------------------------------------------------------------------

    def _engines(self) -> Iterator[Finding]:
        today = self._clock.now().date().isoformat()
        for name, held in self._held().items():
            if isinstance(held, Unopened):
                words = "The dataset cannot be opened: nobody is answered. GET /v1/datasets/{name} says why."
                figures = {"code": held.error.code}
                yield Finding(Kind.ENGINE, name, f"shut {today}", Severity.ALARM, words, figures=figures)
            elif not isinstance(held, Unserved) and held.dataset.suspended is not None:
                words = "The dataset is suspended: a declared fact does not hold."
                version = held.dataset.data_version
                yield Finding(Kind.ENGINE, name, f"suspended {version}", Severity.ALARM, words)

    async def _store_itself(self) -> list[Finding]:
        now = self._clock.now()

        def work(connection: Connection) -> tuple[str | None, int, int, str | None]:
            newest = select(events.c.line).order_by(events.c.sequence.desc()).limit(1)
            line = connection.execute(newest).scalar()
            return epochs.fenced(connection), epochs.epoch(connection), leaves.size(connection), line

        fenced, epoch, size, line = await self._store.read(work)
        found = []
        if fenced is not None:
            words = "The store was restored and stands behind its fence: nothing is charged until it has caught up."
            found.append(Finding(Kind.LOG, EXCHANGE, f"fenced {epoch}", Severity.ALARM, words))
        if size < self._size:
            words = "The log is shorter than it was."
            figures = {"size": size, "was": self._size}
            found.append(Finding(Kind.LOG, EXCHANGE, f"shorter {epoch} {size}", Severity.ALARM, words, (), figures))
        self._size = size
        behind = 0.0 if line is None else (datetime.fromisoformat(json.loads(line)["time"]) - now).total_seconds()
        if behind > BACK_S:
            words = "The clock is behind what was written before: it was set back, or a replica's is wrong."
            figures = {"behind_s": round(behind)}
            found.append(
                Finding(Kind.CLOCK, EXCHANGE, f"back {now.date().isoformat()}", Severity.WARNING, words, (), figures)
            )
        return found

    async def _failures(self) -> list[Finding]:
        """Return a finding for each failed query that no provider has looked at."""
        wanted = (
            select(queries.c.query_id, queries.c.dataset, queries.c.buyer)
            .where(queries.c.state == FAILED)
            .order_by(queries.c.charged_at_us.desc())
            .limit(BATCH)
        )
        rows = await self._store.read(lambda connection: connection.execute(wanted).all())
        words = "A charged query failed in the engine: its provider's log says why."
        return [
            Finding(
                Kind.ENGINE, row.dataset, row.query_id, Severity.WARNING, words, (row.buyer,), {"query": row.query_id}
            )
            for row in rows
        ]

    async def purge(self) -> None:
        """Delete observations that the policies keep no longer."""
        for name in self._held():
            await self._observations.purge(name, timedelta(days=self._limits(name).keep_days))


def _share(spent: int, limit: int | None) -> float:
    return spent / limit if limit else 0.0


def _budget(dataset: str, balance: Balance, passed: Decimal, spent: float) -> Finding:
    account = balance.key
    level = account.partition("/")[0]
    percent = f"{passed * 100:f}".rstrip("0").rstrip(".")
    words = f"An account of level '{level}' has spent more than {percent} % of its budget."
    severity = Severity.ALARM if passed >= Decimal("0.95") else Severity.WARNING if spent >= 0.8 else Severity.NOTICE
    figures = {"account": account, "passed": float(passed), "spent": round(spent, 6)}
    # a top-up raises the limit: the shares are passed anew
    name = f"{account} {passed:f} {balance.rho_limit} {balance.delta_limit}"
    subjects = () if level == "data" else ("/".join(account.split("/")[2:]),)
    return Finding(Kind.BUDGET, dataset, name, severity, words, subjects, figures)
