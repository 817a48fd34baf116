"""Who may open a case, see it and its evidence, and decide it."""

import asyncio
from collections.abc import Callable, Mapping
from decimal import Decimal

from sqlalchemy import Connection

from gateway.app.pacing import Pace
from gateway.app.rights import only
from gateway.app.standing import Held
from gateway.catalog.load import canonical_text
from gateway.errors import GatewayError
from gateway.evidence import exporting
from gateway.evidence.receipts import Evidence
from gateway.ledger import cases
from gateway.ledger.cases import Case, Cases, Dispute, Finding, Refund, unknown
from gateway.ledger.events import timestamp
from gateway.ledger.ledger import Ledger
from gateway.ledger.paging import FIRST, Listed, Page
from gateway.metering.issuing import Invoices
from gateway.orders import buyer_id
from gateway.policy.decide import provides
from gateway.ports import Clock
from gateway.request import Caller

WATCHING = frozenset({"arbiter", "supervisor"})
"""Roles that see every case."""

TOLD = ("kind", "scope", "time")
"""What the parties are told of a freeze: not by whom, nor why."""


class DisputeService:
    """Satisfies gateway.web.service.Disputes."""

    def __init__(
        self,
        cases: Cases,
        queries: Ledger,
        evidence: Evidence,
        invoices: Invoices,
        datasets: Callable[[], Mapping[str, Held]],
        pace: Pace,
        clock: Clock,
        new_id: Callable[[], str],
    ) -> None:
        self._cases = cases
        self._queries = queries
        self._evidence = evidence
        self._invoices = invoices
        self._datasets = datasets
        self._pace = pace
        self._clock = clock
        self._new_id = new_id

    async def open(self, caller: Caller, query_id: str, reason: str) -> dict[str, object]:
        """Open a case of a query: for its buyer, the provider of its dataset, or a supervisor.

        Raises GatewayError `not_found`, also for a query of somebody else, `case_conflict`, `too_many_requests`.
        """
        self._pace.admit(caller)
        row = await self._queries.query(query_id)
        if row is None or not (
            row.buyer == buyer_id(caller) or self._provides(caller, row.dataset) or "supervisor" in caller.roles
        ):
            raise GatewayError("not_found", "There is no such query of yours.", "Use the query_id of an answer.")
        await self._pace.take(caller)
        dispute = Dispute(query_id, row.buyer, row.organisation, row.dataset, self._provider(row.dataset))
        made = await self._cases.open(self._new_id(), dispute, reason, buyer_id(caller))
        return _shown(made)

    async def cases(self, caller: Caller, page: Page = FIRST) -> Listed[dict[str, object]]:
        """Return a page of the cases that a caller sees, the latest first. Raises `bad_request`."""
        if caller.roles & WATCHING:
            return (await self._cases.listed(page)).shown(_shown)
        provider = caller.organisation if "provider" in caller.roles else None
        return (await self._cases.listed(page, buyer=buyer_id(caller), provider=provider)).shown(_shown)

    async def case(self, caller: Caller, case_id: str) -> dict[str, object]:
        """Return one case. Raises `not_found`."""
        return _shown(await self._seen(caller, case_id))

    async def evidence(self, caller: Caller, case_id: str) -> dict[str, object]:
        """Return the evidence of a case: the bundle's files by name, and what froze the query or set it free.

        No result is in it. The salt, with which a guess of the SQL can be checked, is for the query's buyer alone; the
        policy, which names every other buyer, the engine and what is hidden, for its provider and those who watch.
        Raises `not_found`, `too_many_requests`: a head is signed each time.
        """
        self._pace.admit(caller)
        one = await self._seen(caller, case_id)
        await self._pace.take(caller)
        held, watching = self._datasets().get(one.dispute.dataset), bool(caller.roles & WATCHING)
        texts = {}
        if held is not None and (watching or self._provides(caller, one.dispute.dataset)):
            text = await asyncio.to_thread(canonical_text, held.file.document)  # a policy may be a megabyte
            texts[one.dispute.dataset] = (held.file.version, text)
        mine = one.dispute.buyer == buyer_id(caller)
        files = await exporting.bundle(self._evidence, one.dispute.query_id, texts, salt=mine)
        stops = [
            {"log_index": at, **(leaf if watching else {name: leaf.get(name) for name in TOLD})}
            for at, leaf in await self._cases.stops(one)
        ]
        bundle = {name: content.decode() for name, content in files.items()}
        return {"case": _shown(one), "bundle": bundle, "stops": stops}

    async def decide(self, caller: Caller, case_id: str, finding: str, refund: Decimal | None) -> dict[str, object]:
        """Decide a case, as an arbiter of neither party; money that is given back becomes a credit note."""
        only(caller, "arbiter", "Cases are decided by an arbiter.")
        by = buyer_id(caller)

        def decided(connection: Connection) -> tuple[Case, Refund | None]:
            found = Finding(finding, by, self._clock.now(), refund)
            return cases.decide(connection, case_id, caller.organisation, found)

        return _shown(await self._invoices.decide(decided))

    async def _seen(self, caller: Caller, case_id: str) -> Case:
        one = await self._cases.find(case_id)
        if one is None or not self._sees(caller, one):
            raise unknown()
        return one

    def _sees(self, caller: Caller, one: Case) -> bool:
        provider = "provider" in caller.roles and one.dispute.provider == caller.organisation
        return bool(caller.roles & WATCHING) or provider or one.dispute.buyer == buyer_id(caller)

    def _provider(self, dataset: str) -> str | None:
        held = self._datasets().get(dataset)
        return None if held is None else held.file.document.provider.organisation

    def _provides(self, caller: Caller, dataset: str) -> bool:
        provider = self._provider(dataset)
        return provider is not None and provides(provider, caller)


def _shown(one: Case) -> dict[str, object]:
    """Return a case as a document."""
    found = one.finding
    return {
        "case_id": one.case_id,
        "query_id": one.dispute.query_id,
        "dataset": one.dispute.dataset,
        "buyer": one.dispute.buyer,
        "provider": one.dispute.provider,
        "reason": one.reason,
        "opened_by": one.opened_by,
        "opened_at": timestamp(one.opened_at),
        "charged": {"amount": f"{one.amount:f}", "currency": one.currency},
        "state": one.state.value,
        "decision": None
        if found is None
        else {
            "finding": found.text,
            "by": found.by,
            "at": timestamp(found.at),
            "refund": None if found.refund is None else f"{found.refund:f}",
        },
    }
