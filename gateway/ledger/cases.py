"""Cases: what the buyer or the provider of a query complains of, and what an arbiter of neither finds.

A finding may give money back (metering/issuing.py makes the credit note). Privacy never comes back: what was learned
stays learned. Rows follow from leaves alone (ledger/retelling.py).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, insert, or_, select, update

from gateway.errors import GatewayError
from gateway.ledger import leaves
from gateway.ledger.charging import microseconds, moment
from gateway.ledger.paging import FIRST, Listed, Order, Page
from gateway.ports import Clock
from gateway.store import log
from gateway.store.database import Store
from gateway.store.tables import cases, queries

KINDS = frozenset({"case-opened", "case-decided"})
"""The leaves that make this table."""


_ORDER = Order((cases.c.opened_at_us, cases.c.case_id), latest_first=True)


class Progress(StrEnum):
    """How far a case is. Its evidence is there from its opening on."""

    OPENED = "opened"
    DECIDED = "decided"


@dataclass(frozen=True, slots=True)
class Dispute:
    """What a case is of: a query, and whose it is. `provider` is None where nobody serves its dataset any more."""

    query_id: str
    buyer: str
    organisation: str
    dataset: str
    provider: str | None


@dataclass(frozen=True, slots=True)
class Finding:
    """What an arbiter decided, and the money that is given back; None where none is."""

    text: str
    by: str
    at: datetime
    refund: Decimal | None


@dataclass(frozen=True, slots=True)
class Case:
    """A case as it stands. `amount` is what the query was charged."""

    case_id: str
    dispute: Dispute
    reason: str
    opened_by: str
    opened_at: datetime
    amount: Decimal
    currency: str
    state: Progress
    finding: Finding | None


@dataclass(frozen=True, slots=True)
class Refund:
    """Money that a finding gives back of one charge, and the line of the invoice that the charge is on."""

    case_id: str
    organisation: str
    currency: str
    amount: Decimal
    charged_at: datetime
    line: tuple[str, str, str, str]
    """Dataset, grant, price plan and its version."""


class Cases:
    """Every method is one transaction."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def open(self, case_id: str, dispute: Dispute, reason: str, by: str) -> Case:
        """Open a case. Raises GatewayError `not_found`, `case_conflict` where one of the query is open."""

        def work(connection: Connection) -> Case:
            row = connection.execute(select(queries).where(queries.c.query_id == dispute.query_id)).one_or_none()
            if row is None:
                raise GatewayError("not_found", "There is no such query of yours.", "Use the query_id of an answer.")
            still = (cases.c.query_id == dispute.query_id, cases.c.state == Progress.OPENED.value)
            if connection.execute(select(cases.c.case_id).where(*still)).first() is not None:
                raise GatewayError("case_conflict", "A case of this query is open.", "GET /v1/cases shows it.")
            content = {
                "case_id": case_id,
                "query_id": dispute.query_id,
                "buyer": dispute.buyer,
                "organisation": dispute.organisation,
                "dataset": dispute.dataset,
                "provider": dispute.provider,
                "amount": row.amount,
                "currency": row.currency,
                "decision_index": row.log_index,
                "reason": reason,
                "by": by,
            }
            _tell(connection, "case-opened", self._clock.now(), content)
            return _case(_by_id(connection, case_id))

        return await self._store.run(work)

    async def find(self, case_id: str) -> Case | None:
        """Return one case."""

        def work(connection: Connection) -> Case | None:
            row = connection.execute(select(cases).where(cases.c.case_id == case_id)).one_or_none()
            return None if row is None else _case(row)

        return await self._store.read(work)

    async def listed(
        self, page: Page = FIRST, *, buyer: str | None = None, provider: str | None = None
    ) -> Listed[Case]:
        """Return a page of the cases of a buyer and of a provider, the latest first; with neither, of all."""
        sides = [
            column == name
            for column, name in ((cases.c.buyer, buyer), (cases.c.provider, provider))
            if name is not None
        ]
        wanted = select(cases).where(or_(*sides)) if sides else select(cases)

        def work(connection: Connection) -> Listed[Case]:
            rows, cursor = _ORDER.page(connection, wanted, page)
            return Listed(tuple(map(_case, rows)), cursor)

        return await self._store.read(work)

    async def stops(self, case: Case) -> list[tuple[int, dict[str, Any]]]:
        """Return the leaves, with their places, that froze or freed what the query is of since it was decided."""

        def work(connection: Connection) -> list[tuple[int, dict[str, Any]]]:
            begin = _by_id(connection, case.case_id).decision_index
            found = log.read_seldom(connection, _STOPPING, begin)
            return [(at, leaf) for at, leaf in found if _stops(leaf, case.dispute)]

        return await self._store.read(work)


_STOPPING = frozenset({"frozen", "unfrozen", "member-suspended", "member-verified"})
"""The leaves of freezes and suspensions, and of their ends."""


def _stops(leaf: Mapping[str, Any], of: Dispute) -> bool:
    """Tell whether a leaf is of a freeze, or a suspension, that covers a query, or of its end."""
    if leaf["kind"] in ("member-suspended", "member-verified"):
        return str(leaf["name"]) in (of.buyer, of.buyer.partition("/")[0])
    named = {"query": of.query_id, "buyer": of.buyer, "organisation": of.organisation, "dataset": of.dataset, "all": ""}
    return named[str(leaf["scope"])] == str(leaf["name"])


# -- what a decision does, within one transaction ----------------------------------------------------------------------


def decide(connection: Connection, case_id: str, organisation: str, finding: Finding) -> tuple[Case, Refund | None]:
    """Decide a case for an arbiter of `organisation`; return it and what is to be given back.

    Raises GatewayError `not_found`, `forbidden` for a party, `case_conflict` where it is decided or money has been
    given back of this query, `bad_request` for more than was charged.
    """
    row = _by_id(connection, case_id)
    if organisation in _sides(connection, row) or finding.by == row.opened_by:
        hint = "Ask an arbiter of another organisation."
        raise GatewayError("forbidden", "Nobody decides a case of its own, or of its organisation.", hint)
    if row.state != Progress.OPENED:
        raise GatewayError("case_conflict", "The case is decided.", "GET /v1/cases/{id} says how.")
    if finding.refund is not None:
        _check_refund(connection, row, finding.refund)
    content = {
        "case_id": case_id,
        "query_id": row.query_id,
        "finding": finding.text,
        "by": finding.by,
        "refund": None if finding.refund is None else f"{finding.refund:f}",
        "currency": row.currency,
    }
    _tell(connection, "case-decided", finding.at, content)
    decided = _by_id(connection, case_id)
    return _case(decided), _refund(connection, decided)


def _sides(connection: Connection, row: Row[Any]) -> set[str]:
    """Return the organisations of both parties, and whoever was paid: the provider then may have been another."""
    paid = _decision(connection, row).get("income_split") or {}
    return {row.organisation, *paid, *((row.provider,) if row.provider is not None else ())}


def _check_refund(connection: Connection, row: Row[Any], refund: Decimal) -> None:
    if not 0 < refund <= Decimal(row.amount):
        hint = f"At most {row.amount} {row.currency} was charged."
        raise GatewayError("bad_request", "That amount cannot be given back.", hint)
    given = (cases.c.query_id == row.query_id, cases.c.refund.is_not(None))
    if connection.execute(select(cases.c.case_id).where(*given)).first() is not None:
        hint = "Decide without a refund; GET /v1/cases shows the earlier case."
        raise GatewayError("case_conflict", "Money has been given back of this query already.", hint)


def refunds(connection: Connection) -> list[Refund]:
    """Return what findings have given back, in the order in which they were decided."""
    wanted = select(cases).where(cases.c.refund.is_not(None)).order_by(cases.c.decided_at_us, cases.c.case_id)
    made = (_refund(connection, row) for row in connection.execute(wanted).all())
    return [one for one in made if one is not None]


def _refund(connection: Connection, row: Row[Any]) -> Refund | None:
    if row.refund is None:
        return None
    leaf = _decision(connection, row)
    line = (leaf["dataset"], leaf["grant"], leaf["price_plan"] or "", leaf["price_plan_version"] or "")
    at = datetime.fromisoformat(leaf["time"])
    return Refund(row.case_id, row.organisation, row.currency, Decimal(row.refund), at, line)


def _decision(connection: Connection, row: Row[Any]) -> dict[str, Any]:
    """Return the leaf of the query's decision."""
    leaf: dict[str, Any] = json.loads(log.read_leaf(connection, row.decision_index))
    return leaf


# -- the rows ---------------------------------------------------------------------------------------------------------


def settle(connection: Connection, content: Mapping[str, Any], at: datetime) -> None:
    """Do to the table what one leaf of KINDS says."""
    if content["kind"] == "case-opened":
        told = {name: content[name] for name in _OPENED}
        opened = {"opened_by": content["by"], "opened_at_us": microseconds(at), "state": Progress.OPENED.value}
        connection.execute(insert(cases).values(**told, **opened))
        return
    decided = {"finding": content["finding"], "refund": content["refund"], "decided_by": content["by"]}
    decided |= {"decided_at_us": microseconds(at), "state": Progress.DECIDED.value}
    connection.execute(update(cases).where(cases.c.case_id == content["case_id"]).values(**decided))


_OPENED = (
    "case_id", "query_id", "buyer", "organisation", "dataset", "provider", "amount", "currency", "decision_index",
    "reason",
)  # fmt: skip


def _tell(connection: Connection, kind: str, now: datetime, content: Mapping[str, Any]) -> None:
    """Append a leaf and do what it says."""
    leaves.append(connection, kind, now, content)
    settle(connection, {"kind": kind, **content}, now)


def _by_id(connection: Connection, case_id: str) -> Row[Any]:
    row = connection.execute(select(cases).where(cases.c.case_id == case_id)).one_or_none()
    if row is None:
        raise unknown()
    return row


def unknown() -> GatewayError:
    """Return the refusal of a case that is not there, or not this caller's to see."""
    return GatewayError("not_found", "There is no such case for you.", "GET /v1/cases lists them.")


def _case(row: Row[Any]) -> Case:
    finding = None
    if row.decided_at_us is not None:
        refund = None if row.refund is None else Decimal(row.refund)
        finding = Finding(row.finding, row.decided_by, moment(row.decided_at_us), refund)
    dispute = Dispute(row.query_id, row.buyer, row.organisation, row.dataset, row.provider)
    opened = (row.reason, row.opened_by, moment(row.opened_at_us))
    money = (Decimal(row.amount), row.currency)
    return Case(row.case_id, dispute, *opened, *money, Progress(row.state), finding)
