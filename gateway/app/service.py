"""What the front door may ask: queries through the pipeline, and the catalogue, budget, meter and receipts."""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from gateway import pipeline
from gateway.app.publishing import Publisher, is_granted, unknown_dataset
from gateway.catalog.describe import describe
from gateway.catalog.model import Dataset
from gateway.errors import GatewayError
from gateway.evidence.receipts import Evidence
from gateway.identity.tokens import Tokens
from gateway.ledger.ledger import Ledger
from gateway.ledger.meter import MeterLog
from gateway.ledger.model import Balance, Charge, QueryRow
from gateway.metering.invoices import statements
from gateway.metering.issuing import Invoices
from gateway.metering.papers import Papers
from gateway.orders import accounts, buyer_id
from gateway.policy.decide import admit
from gateway.policy.model import Refusal
from gateway.ports import EngineCost
from gateway.privacy.units import budget_of_epsilon
from gateway.request import Caller, Request

provider_log = logging.getLogger("gateway.provider")


class Telemetry:
    """The provider's eyes: engine cost as `measured` events, failures in the provider's own log."""

    def __init__(self, meter: MeterLog, new_id: Callable[[], str]) -> None:
        self._meter = meter
        self._new_id = new_id

    async def measured(self, charge: Charge, statement: int, cost: EngineCost) -> None:
        """Write the true engine cost of a query's statement, for the provider alone."""
        figures = {
            "wall_ms": round(cost.wall_ms, 3),
            "cpu_ms": round(cost.cpu_ms, 3),
            "rows": cost.rows,
            "peak_memory_bytes": cost.peak_memory_bytes,
        }
        await self._meter.measured(charge, statement, figures)

    def failed(self, query_id: str, error: BaseException) -> None:
        """Tell the provider why a charged query failed."""
        provider_log.error("query %s failed: %s: %s", query_id, type(error).__name__, error)

    async def refused(self, dataset: Dataset, caller: Caller, error: GatewayError) -> None:
        """Write a refusal as a free meter event: code and place, no SQL."""
        facts = {
            "organisation": caller.organisation,
            "buyer": caller.subject,
            "dataset": dataset.name,
            "policy_version": dataset.policy_version,
            "decision": "refused",
            "reason": error.code,
            "amount": "0",
        }
        await self._meter.refuse(self._new_id(), json.dumps(facts, sort_keys=True, separators=(",", ":")))


class GatewayService:
    """Satisfies gateway.web.service.Service."""

    def __init__(
        self,
        parts: pipeline.Parts,
        tokens: Tokens,
        publisher: Publisher,
        ledger: Ledger,
        meter: MeterLog,
        evidence: Evidence,
        invoices: Invoices,
        ready: Callable[[], bool],
    ) -> None:
        self._parts = parts
        self._tokens = tokens
        self._publisher = publisher
        self._ledger = ledger
        self._meter = meter
        self._evidence = evidence
        self._invoices = invoices
        self._ready = ready

    async def answer(self, request: Request, caller: Caller) -> bytes:
        """Return the exact stored bytes of an answer."""
        return await pipeline.answer(self._parts, request, caller)

    async def quote(self, request: Request, caller: Caller) -> dict[str, object]:
        """Return what a query would cost."""
        return await pipeline.quote(self._parts, request, caller)

    async def identify(self, token: str) -> Caller:
        """Return who holds a token."""
        return await self._tokens.identify(token)

    async def datasets(self, caller: Caller) -> list[dict[str, object]]:
        """Return the datasets that the caller has a grant on."""
        return [
            {"name": d.name, "title": d.title, "provider": d.provider, "data_version": d.data_version}
            for d in self._granted(caller)
        ]

    def _granted(self, caller: Caller) -> list[Dataset]:
        return [d for d in self._publisher.datasets.values() if is_granted(d, caller) or _provides(d, caller)]

    async def dataset(self, caller: Caller, name: str) -> dict[str, object]:
        """Return what may be asked of a dataset, from its policy alone."""
        found = next((d for d in self._granted(caller) if d.name == name), None)
        if found is None:
            raise unknown_dataset(name)
        plans = [found.plan_of(g) for g in found.grants if g.organisation == caller.organisation]
        return describe(found, next((plan for plan in plans if plan is not None), None))

    async def budget(self, caller: Caller) -> list[dict[str, object]]:
        """Return limits, what is spent and left of every dataset the caller may use."""
        return [await self._budget_of(d, caller) for d in self._granted(caller) if is_granted(d, caller)]

    async def _budget_of(self, dataset: Dataset, caller: Caller) -> dict[str, object]:
        permit = admit(dataset, caller, caller.purpose, self._parts.clock.now().date())
        grant = dataset.grants[0] if isinstance(permit, Refusal) else permit.grant
        refs = accounts(dataset, caller, grant, self._parts.clock.now())
        balances = [b for b in map(_limited, await self._ledger.balances(refs)) if b is not None]
        last = await self._ledger.last_cost(buyer_id(caller), dataset.name)
        asked = budget_of_epsilon(dataset.privacy.default_epsilon, dataset.privacy.accounting)
        rho_each = last[0] if last is not None and last[0] > 0 else asked
        left = min(b.rho_left for b in balances)
        levels = [b.document() for b in balances]
        return {
            "dataset": dataset.name,
            "levels": levels,
            "share_left": float(min(b.share_left for b in balances)),
            "queries_left": left // rho_each,
            "counted_with": "the last query" if last is not None else "the default epsilon",
        }

    async def events(self, caller: Caller, after: str | None, limit: int) -> list[tuple[str, str]]:
        """Return meter events after a cursor: billing reads the buyer-visible ones, a provider its own datasets'."""
        provided = frozenset(d.name for d in self._publisher.datasets.values() if _provides(d, caller))
        billing = "billing" in caller.roles
        if not (billing or provided):
            hint = "Ask with a token whose roles include billing, or provider of a dataset here."
            raise GatewayError("forbidden", "Meter events are for billing and the provider.", hint)
        return await self._meter.events(after, limit, billing=billing, provided=provided)

    async def invoices(self, caller: Caller, period: str) -> Papers:
        """Return a period's documents: all to billing, its organisation's to a buyer, statements to a provider."""
        provided = frozenset(d.name for d in self._publisher.datasets.values() if _provides(d, caller))
        everything, buys = "billing" in caller.roles, "buyer" in caller.roles
        if not (everything or buys or provided):
            hint = "Ask with a token whose roles include billing or buyer, or provider of a dataset here."
            raise GatewayError("forbidden", "Invoices are for billing, their buyer and the provider.", hint)
        within = self._invoices.period(period)
        issued = await self._invoices.issued(period)
        mine = tuple(one for one in issued if everything or one.bill.organisation == caller.organisation)
        paid = statements((one.bill for one in issued), None if everything else provided)
        return Papers(within, mine if everything or buys else None, paid if everything or provided else None)

    async def receipt(self, caller: Caller, query_id: str) -> dict[str, object]:
        """Return the signed receipt of the caller's own query, or of any for those who watch."""
        await self._seen(caller, query_id)
        return await self._evidence.receipt(query_id)

    async def query(self, caller: Caller, query_id: str) -> dict[str, object]:
        """Return the state of a query; its answer, once it is stored, to its buyer alone."""
        row = await self._seen(caller, query_id)
        document: dict[str, object] = {"query_id": query_id, "state": row.state.upper()}
        if row.answer is not None and row.buyer == buyer_id(caller):
            document["answer"] = json.loads(row.answer)
        return document

    async def _seen(self, caller: Caller, query_id: str) -> QueryRow:
        row = await self._ledger.query(query_id)
        watching = caller.roles & {"billing", "supervisor", "arbiter"}
        if row is None or not (row.buyer == buyer_id(caller) or watching):
            raise GatewayError("not_found", "There is no such query of yours.", "Use the query_id of an answer.")
        return row

    async def checkpoint(self) -> str:
        """Return the signed head of the log."""
        return await self._evidence.checkpoint()

    async def refresh(self, caller: Caller, name: str) -> dict[str, object]:
        """Declare a new data version, for the dataset's provider."""
        found = next((d for d in self._publisher.datasets.values() if d.name == name), None)
        if found is None or not _provides(found, caller):
            raise unknown_dataset(name)
        return {"dataset": name, "data_version": await self._publisher.refresh(name)}

    async def ready(self) -> bool:
        """Tell whether queries would be taken now."""
        return self._ready()


def _provides(dataset: Dataset, caller: Caller) -> bool:
    return "provider" in caller.roles and caller.organisation == dataset.provider


@dataclass(frozen=True, slots=True)
class _Level:
    """A balance whose account has limits of its own, in ledger units."""

    level: str
    rho: tuple[int, int]
    delta: tuple[int, int]

    @property
    def rho_left(self) -> int:
        return max(self.rho[0] - self.rho[1], 0)

    @property
    def share_left(self) -> Decimal:
        return Decimal(self.rho_left) / Decimal(max(self.rho[0], 1))

    def document(self) -> dict[str, object]:
        """Return limit, spent and left in rho and delta."""
        parts = {"rho": (self.rho, 1e12), "delta": (self.delta, 1e18)}
        return {"level": self.level} | {
            name: {"limit": limit / unit, "spent": spent / unit, "left": max(limit - spent, 0) / unit}
            for name, ((limit, spent), unit) in parts.items()
        }


def _limited(balance: Balance) -> _Level | None:
    if balance.rho_limit is None or balance.delta_limit is None:
        return None
    rho, delta = (balance.rho_limit, balance.rho_spent), (balance.delta_limit, balance.delta_spent)
    return _Level(balance.key.partition("/")[0], rho, delta)
