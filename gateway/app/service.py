"""What the front door may ask: queries through the pipeline, and the catalogue, budget, meter and receipts."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from gateway import pipeline
from gateway.app.membership import Entrance
from gateway.app.publishing import Publisher
from gateway.app.sandbox import shown
from gateway.app.standing import Held, Published, Unopened, Unserved, unavailable, unknown_dataset
from gateway.app.statements import StatementService
from gateway.catalog.describe import describe, described
from gateway.catalog.model import Dataset, Grant, PricePlan
from gateway.errors import GatewayError, Quota
from gateway.evidence.receipts import Evidence
from gateway.identity.tokens import Identified
from gateway.ledger.charging import EARLY, ended_early, told
from gateway.ledger.events import timestamp
from gateway.ledger.ledger import Ledger
from gateway.ledger.meter import MeterLog
from gateway.ledger.model import Account, Balance, Looked, QueryRow
from gateway.metering.invoices import statements
from gateway.metering.issuing import Invoices
from gateway.metering.papers import Papers
from gateway.models.asked import Model
from gateway.orders import accounts, buyer_id, data_account
from gateway.parts import Parts
from gateway.policy.decide import admit, grants_of, provides
from gateway.policy.model import Refusal
from gateway.privacy.units import budget_of_epsilon
from gateway.request import Caller, Request
from gateway.stages import Stage
from gateway.standards.odcs import contract

WATCHING = frozenset({"billing", "supervisor", "arbiter"})
"""Roles that see every decision, though no result."""

ABANDONED_AFTER = timedelta(seconds=15)
"""How long after the end of its lease a running query is called abandoned: a slow store ends no lease."""


class GatewayService:
    """Satisfies gateway.web.service.Service."""

    def __init__(
        self,
        parts: Parts,
        entrance: Entrance,
        publisher: Publisher,
        ledger: Ledger,
        meter: MeterLog,
        evidence: Evidence,
        invoices: Invoices,
        statements: StatementService,
    ) -> None:
        self._parts = parts
        self._entrance = entrance
        self._publisher = publisher
        self._ledger = ledger
        self._meter = meter
        self._evidence = evidence
        self._invoices = invoices
        self.statements = statements

    async def answer(self, request: Request, caller: Caller, *, new: bool = False) -> bytes:
        """Return the exact stored bytes of an answer. `new`: the door has just found nothing of its key."""
        return await pipeline.answer(self._parts, request, caller, new=new)

    async def quote(self, request: Request, caller: Caller) -> dict[str, object]:
        """Return what a query would cost."""
        return await pipeline.quote(self._parts, request, caller)

    async def compose(self, model: Model, request: Request, caller: Caller) -> Request:
        """Return the question whose answer a model is fitted from."""
        return await pipeline.compose(self._parts, model, request, caller)

    async def stored(self, request: Request, caller: Caller) -> bytes | None:
        """Return what is stored under the idempotency key of a request, if anything is."""
        return await pipeline.stored(self._parts, request, caller)

    async def given(self, request: Request, caller: Caller) -> Looked:
        """Return the stored answer of a request by its idempotency key, or whether nothing is known of it."""
        return await pipeline.given(self._parts, request, caller)

    def quota(self, caller: Caller) -> Quota:
        """Return what is left of the free decisions that a caller has in a minute."""
        return self._parts.free.quota(caller)

    async def identify(self, token: str) -> Caller:
        """Return who holds a token and is let in."""
        with self._parts.telemetry.stage(Stage.IDENTIFY):
            return await self._entrance.admit(token)

    async def examine(self, token: str) -> Identified:
        """Return who holds a token, let in or not."""
        return await self._entrance.examine(token)

    async def datasets(self, caller: Caller) -> list[dict[str, object]]:
        """Return the datasets that the caller has a grant on or provides, and how each stands."""
        return [
            {**_named(one.held), "data_version": one.held.data_version, "state": one.held.state}
            for one in await self._visible(caller)
        ]

    async def _visible(self, caller: Caller) -> list["_Visible"]:
        stored = await self._publisher.store_grants(caller)
        found = [
            _Visible(one, (*grants_of(one.grants, caller), *(g for g in stored.get(name, ()) if g.ended is None)))
            for name, one in self._publisher.held.items()
        ]
        return [
            one for one in found
            if (one.grants and not isinstance(one.held, Unserved)) or _provides(one.held, caller)
        ]  # fmt: skip

    async def _one(self, caller: Caller, name: str) -> "_Visible":
        """Return one of the datasets that a caller sees. Raises `unknown_dataset`."""
        visible = next((one for one in await self._visible(caller) if one.held.file.name == name), None)
        if visible is None:
            raise unknown_dataset(name)
        return visible

    async def dataset(self, caller: Caller, name: str) -> dict[str, object]:
        """Return what may be asked of a dataset, from its policy alone; to its provider also why it is shut.

        Raises `unknown_dataset`, and `engine_unavailable` to those who only have a grant on one that is not open.
        """
        visible = await self._one(caller, name)
        held = visible.held
        told: dict[str, object] = {"state": held.state}
        if _provides(held, caller):
            told["reason"] = held.reason
        elif isinstance(held, Unopened):
            raise unavailable()
        if isinstance(held, Unopened | Unserved):
            versions = {"policy": held.file.version, "data": held.data_version}
            return {**_named(held), "versions": versions, **told}
        found = held.dataset
        return {**describe(found, _plan_of(found, visible.grants)), **told}

    async def synthetic(self, caller: Caller, name: str) -> list[dict[str, object]]:
        """Return the first synthetic rows of a dataset's tables, of the columns that `dataset` describes.

        They are made of the policy alone. Raises `unknown_dataset`, `engine_unavailable` for one that is not open.
        """
        held = (await self._one(caller, name)).held
        if isinstance(held, Unopened | Unserved):
            raise unavailable()
        return await asyncio.to_thread(shown, held.dataset, described(held.dataset))

    async def contract(self, caller: Caller, name: str) -> dict[str, object]:
        """Return a dataset as a data contract, to those who see it.

        Raises `unknown_dataset`, and `engine_unavailable` for one that is not open: its types are not known.
        """
        visible = await self._one(caller, name)
        if isinstance(visible.held, Unopened | Unserved):
            raise unavailable()
        return contract(visible.held.dataset, _plan_of(visible.held.dataset, visible.grants))

    async def budget(self, caller: Caller) -> list[dict[str, object]]:
        """Return limits, what is spent and left of every open dataset that the caller may use or provides.

        A provider sees the data's own account; a buyer also the quotas within it.
        """
        found = []
        for one in await self._visible(caller):
            if isinstance(one.held, Published):
                dataset = one.held.dataset
                if one.grants:
                    found.append(await self._budget_of(dataset, caller, one.grants))
                else:
                    found.append(await self._budget(dataset, (data_account(dataset, self._parts.clock.now()),), None))
        return found

    async def _budget_of(self, dataset: Dataset, caller: Caller, grants: Sequence[Grant]) -> dict[str, object]:
        permit = admit(dataset, caller, caller.purpose, self._parts.clock.now().date(), granted=grants)
        grant = grants[0] if isinstance(permit, Refusal) else permit.grant
        last = await self._ledger.last_cost(buyer_id(caller), dataset.name)
        return await self._budget(dataset, accounts(dataset, caller, grant, self._parts.clock.now()), last)

    async def _budget(
        self, dataset: Dataset, refs: tuple[Account, ...], last: tuple[int, int] | None
    ) -> dict[str, object]:
        balances = [b for b in map(_limited, await self._ledger.balances(refs)) if b is not None]
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
        billing, provided = self._metered(caller)
        return await self._meter.events(after, limit, billing=billing, provided=provided)

    async def latest(self, caller: Caller, limit: int) -> list[str]:
        """Return the newest meter events as lines, newest first, to those who may read events."""
        billing, provided = self._metered(caller)
        return await self._meter.latest(limit, billing=billing, provided=provided)

    def _metered(self, caller: Caller) -> tuple[bool, frozenset[str]]:
        """Return whether a caller is billing, and the datasets that it provides. Raises `forbidden` for others."""
        billing, provided = "billing" in caller.roles, self._provided(caller)
        if not (billing or provided):
            hint = "Ask with a token whose roles include billing, or provider of a dataset here."
            raise GatewayError("forbidden", "Meter events are for billing and the provider.", hint)
        return billing, provided

    def _provided(self, caller: Caller) -> frozenset[str]:
        return frozenset(name for name, held in self._publisher.held.items() if _provides(held, caller))

    async def failures(self, caller: Caller) -> list[dict[str, object]]:
        """Return the charged queries that failed on the caller's datasets and that nobody has looked at.

        `note` may hold what an engine says of the data: it is its provider's alone.
        """
        return [
            {"dataset": name, "query_id": one.query_id, "buyer": one.buyer, "at": timestamp(one.charged_at),
             "note": one.note}
            for name in sorted(self._provided(caller))
            for one in await self._ledger.failed(name)
        ]  # fmt: skip

    async def invoices(self, caller: Caller, period: str) -> Papers:
        """Return a period's documents: all to billing, its organisation's to a buyer, statements to a provider."""
        provided = self._provided(caller)
        everything, buys = "billing" in caller.roles, "buyer" in caller.roles
        if not (everything or buys or provided):
            hint = "Ask with a token whose roles include billing or buyer, or provider of a dataset here."
            raise GatewayError("forbidden", "Invoices are for billing, their buyer and the provider.", hint)
        within = self._invoices.period(period)
        issued = await self._invoices.issued(period)
        mine = tuple(one for one in issued if everything or one.bill.organisation == caller.organisation)
        paid = statements((one.bill for one in issued), None if everything else provided)
        return Papers(within, mine if everything or buys else None, paid if everything or provided else None)

    async def receipt(self, caller: Caller, query_id: str, since: int | None) -> dict[str, object]:
        """Return the signed receipt of the caller's own query, or of any for those who watch.

        `since`: with the proof that the log extends what it was at so many leaves.
        """
        row = await self._ledger.query(query_id)
        mine = row is not None and row.buyer == buyer_id(caller)
        if not mine and not caller.roles & WATCHING:
            raise _not_yours()
        return await self._evidence.receipt(query_id, owner=mine, any_decision=not mine, since=since)

    async def query(self, caller: Caller, query_id: str) -> dict[str, object]:
        """Return the state of a query; its answer, once it is stored, to its buyer alone.

        `abandoned`: it was charged, and whatever worked on it is gone; `code`: why it was ended early.
        """
        row = await self._seen(caller, query_id)
        document: dict[str, object] = {"query_id": query_id, "state": told(row.state)}
        if row.state in EARLY:
            document["code"] = ended_early(query_id, row.state).code
        if row.lease_until is not None and row.lease_until + ABANDONED_AFTER < self._parts.clock.now():
            document["abandoned"] = True
        if row.answer is not None and row.buyer == buyer_id(caller):
            await self._ledger.refuse_frozen_query(query_id)
            document["answer"] = json.loads(row.answer)
        return document

    async def refuse_frozen(self, query_id: str) -> None:
        """Raise `frozen` where nothing of a query is to be given."""
        await self._ledger.refuse_frozen_query(query_id)

    async def _seen(self, caller: Caller, query_id: str) -> QueryRow:
        row = await self._ledger.query(query_id)
        if row is None or not (row.buyer == buyer_id(caller) or caller.roles & WATCHING):
            raise _not_yours()
        return row

    async def checkpoint(self, *, witnessed: bool = False) -> str:
        """Return the signed head of the log, or the largest that a witness has signed; anyone may ask."""
        return await (self._evidence.witnessed() if witnessed else self._evidence.checkpoint())

    async def tile(self, caller: Caller, path: str) -> bytes:
        """Return hashes or leaves of the log, for those who watch: leaves name organisations, buyers and prices."""
        self._watching(caller)
        return await self._evidence.tile(path)

    async def cosign(self, caller: Caller, tree_size: int, line: str) -> None:
        """Keep a witness's signature under a checkpoint."""
        self._watching(caller)
        await self._evidence.cosign(tree_size, line)

    def _watching(self, caller: Caller) -> None:
        if not caller.roles & WATCHING and not any(_provides(held, caller) for held in self._publisher.held.values()):
            hint = "Ask with a token whose roles include billing, supervisor, arbiter, or provider of a dataset here."
            raise GatewayError("forbidden", "The log's leaves are for billing, supervisors and providers.", hint)

    async def refresh(self, caller: Caller, name: str) -> dict[str, object]:
        """Declare a new data version, for the dataset's provider; a file that is new in the folder is published."""
        held = self._publisher.held.get(name)
        if held is not None:
            allowed = _provides(held, caller)
        else:
            file = await self._publisher.in_folder(name)
            allowed = file is not None and provides(file.document.provider.organisation, caller)
        if not allowed:
            raise unknown_dataset(name)
        return {"dataset": name, "data_version": await self._publisher.refresh(name)}


@dataclass(frozen=True, slots=True)
class _Visible:
    """A dataset that a caller may know of, with the caller's grants on it: the policy's first, then the store's."""

    held: Held
    grants: tuple[Grant, ...]


def _plan_of(dataset: Dataset, grants: Sequence[Grant]) -> PricePlan | None:
    """Return the price plan of the first grant that has one."""
    return next((plan for plan in map(dataset.plan_of, grants) if plan is not None), None)


def _not_yours() -> GatewayError:
    return GatewayError("not_found", "There is no such query of yours.", "Use the query_id of an answer.")


def _provides(held: Held, caller: Caller) -> bool:
    return provides(held.file.document.provider.organisation, caller)


def _named(held: Held) -> dict[str, object]:
    document = held.file.document
    return {"name": held.file.name, "title": document.title, "provider": document.provider.organisation}


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
