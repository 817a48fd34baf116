"""Invoices, credit notes and statements: a pure fold over charges. Amounts are exact and were rounded once a query.

INVARIANT: each line's income parts sum to its amount, lines to their document's total, and the payees' statements
of a set of documents to the sum of those. Taxes are the billing system's.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from hashlib import sha256
from typing import Any

from gateway.errors import GatewayError
from gateway.ledger.events import timestamp
from gateway.metering.charges import Charged
from gateway.metering.periods import Period
from gateway.metering.prices import apportion, count_units, money

INVOICE, CREDIT_NOTE = "invoice", "credit_note"


@dataclass(frozen=True, slots=True)
class Line:
    """What was charged on one dataset under one grant and one version of a price plan; `number` counts from 1."""

    number: int
    dataset: str
    grant: str
    plan: str
    plan_version: str
    queries: int
    epsilon: Decimal
    amount: Decimal
    income: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Bill:
    """An invoice or a credit note for one organisation in one currency. A draft has no number and no date.

    `digest` is a hash of the ids of all events that are billed, so that anyone who has the events can compare.
    A credit note's amounts are negative; its line numbers are those of the invoice that it `corrects`.
    """

    kind: str
    number: int | None
    organisation: str
    currency: str
    period: Period
    lines: tuple[Line, ...]
    digest: str | None = None
    issued_at: datetime | None = None
    corrects: int | None = None
    reason: str | None = None

    @property
    def total(self) -> Decimal:
        return sum((line.amount for line in self.lines), money(0, self.currency))

    @property
    def income(self) -> dict[str, Decimal]:
        """Each payee's part of the total."""
        parts: dict[str, Decimal] = {}
        for line in self.lines:
            for payee, part in line.income.items():
                parts[payee] = parts.get(payee, Decimal(0)) + part
        return dict(sorted(parts.items()))

    def document(self) -> dict[str, Any]:
        """Return the bill as it is kept, committed to and shown."""
        return {
            "kind": self.kind,
            "number": self.number,
            "organisation": self.organisation,
            "currency": self.currency,
            "period": {
                "name": self.period.name,
                "zone": self.period.zone,
                "from": timestamp(self.period.start),
                "until": timestamp(self.period.end),
            },
            "lines": [_line_document(line) for line in self.lines],
            "total": f"{self.total:f}",
            "income": {payee: f"{part:f}" for payee, part in self.income.items()},
            "events": self.digest,
            "issued_at": timestamp(self.issued_at) if self.issued_at is not None else None,
            "corrects": self.corrects,
            "reason": self.reason,
        }


def _line_document(line: Line) -> dict[str, Any]:
    return {
        "line": line.number,
        "dataset": line.dataset,
        "grant": line.grant,
        "price_plan": line.plan,
        "price_plan_version": line.plan_version,
        "queries": line.queries,
        "epsilon": f"{line.epsilon:f}",
        "amount": f"{line.amount:f}",
        "income": {payee: f"{part:f}" for payee, part in line.income.items()},
    }


def bill_of(document: Mapping[str, Any]) -> Bill:
    """Return a bill from the document that was kept of it."""
    period, issued = document["period"], document["issued_at"]
    lines = tuple(
        Line(
            number=entry["line"],
            dataset=entry["dataset"],
            grant=entry["grant"],
            plan=entry["price_plan"],
            plan_version=entry["price_plan_version"],
            queries=entry["queries"],
            epsilon=Decimal(entry["epsilon"]),
            amount=Decimal(entry["amount"]),
            income={payee: Decimal(part) for payee, part in entry["income"].items()},
        )
        for entry in document["lines"]
    )
    start, end = (datetime.fromisoformat(period[name]) for name in ("from", "until"))
    return Bill(
        kind=document["kind"],
        number=document["number"],
        organisation=document["organisation"],
        currency=document["currency"],
        period=Period(period["name"], period["zone"], start, end),
        lines=lines,
        digest=document["events"],
        issued_at=datetime.fromisoformat(issued) if issued is not None else None,
        corrects=document["corrects"],
        reason=document["reason"],
    )


# -- invoices ---------------------------------------------------------------------------------------------------------


def fold(charges: Iterable[Charged], period: Period) -> tuple[Bill, ...]:
    """Return the period's invoices as drafts: one for each buyer organisation and currency, in that order."""
    groups: dict[tuple[str, str], list[Charged]] = {}
    for charge in charges:
        if charge.priced and period.holds(charge.at):
            groups.setdefault((charge.organisation, charge.currency), []).append(charge)
    return tuple(
        Bill(INVOICE, None, organisation, currency, period, _lines(group), digest_of(charge.id for charge in group))
        for (organisation, currency), group in sorted(groups.items())
    )


def digest_of(ids: Iterable[str]) -> str:
    """Return the hash of a set of events: of their ids in order, a line each."""
    return "sha256:" + sha256("".join(f"{id_}\n" for id_ in sorted(ids)).encode()).hexdigest()


def _lines(charges: Iterable[Charged]) -> tuple[Line, ...]:
    groups: dict[tuple[str, str, str, str], list[Charged]] = {}
    for charge in charges:
        key = (charge.dataset, charge.grant, charge.plan or "", charge.plan_version or "")
        groups.setdefault(key, []).append(charge)
    return tuple(_line(number, key, group) for number, (key, group) in enumerate(sorted(groups.items()), start=1))


def _line(number: int, key: tuple[str, str, str, str], charges: list[Charged]) -> Line:
    income: dict[str, Decimal] = {}
    for charge in charges:
        for payee, part in charge.income.items():
            income[payee] = income.get(payee, Decimal(0)) + part
    amount = sum((charge.amount for charge in charges), Decimal(0))
    assert sum(income.values()) == amount  # INVARIANT: every event's parts sum to its amount
    epsilon = sum((charge.epsilon for charge in charges), Decimal(0))
    return Line(number, *key, len(charges), epsilon, amount, dict(sorted(income.items())))


# -- credit notes -----------------------------------------------------------------------------------------------------


def credit(invoice: Bill, earlier: Iterable[Bill], wanted: Mapping[int, Decimal | None], reason: str) -> Bill:
    """Return a credit note as a draft: for each line number the amount to give back, None for all that is left.

    What was credited `earlier` on the same invoice is gone. Payees give back in proportion to what each still has,
    so that nobody gives back more than it got. The period is that of the invoice; the note's own is its issuer's.
    Raises GatewayError `bad_request` for a line that is not there, or more than is left.
    """
    notes = tuple(earlier)
    lines = tuple(_credited(invoice, notes, number, amount) for number, amount in sorted(wanted.items()))
    if not lines:
        raise GatewayError("bad_request", "The credit note has no line.", "Name a line of the invoice to give back.")
    return Bill(CREDIT_NOTE, None, invoice.organisation, invoice.currency, invoice.period, lines, None, None,
                invoice.number, reason)  # fmt: skip


def _credited(invoice: Bill, notes: tuple[Bill, ...], number: int, amount: Decimal | None) -> Line:
    line = next((line for line in invoice.lines if line.number == number), None)
    if line is None:
        hint = f"Its lines are 1 to {len(invoice.lines)}."
        raise GatewayError("bad_request", f"Invoice {invoice.number} has no line {number}.", hint)
    left = {payee: count_units(part, invoice.currency) for payee, part in line.income.items()}
    for note in notes:
        for given in (given for given in note.lines if given.number == number):
            for payee, part in given.income.items():
                left[payee] += count_units(part, invoice.currency)
    most = sum(left.values())
    try:
        count = most if amount is None else count_units(amount, invoice.currency)
    except ValueError:
        count = 0
    if not 0 < count <= most:
        most_text = f"{money(most, invoice.currency):f} {invoice.currency}"
        hint = f"At most {most_text} of this line is left to give back, in whole smallest units."
        raise GatewayError("bad_request", f"Line {number} cannot be credited with that amount.", hint)
    parts = apportion(count, {payee: Fraction(units) for payee, units in left.items()})
    income = {payee: money(-units, invoice.currency) for payee, units in sorted(parts.items())}
    return replace(line, queries=0, epsilon=Decimal(0), amount=money(-count, invoice.currency), income=income)


# -- statements -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Share:
    """A payee's part of one line of one document."""

    number: int | None
    kind: str
    organisation: str
    line: int
    dataset: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Statement:
    """What one payee is due in one currency, out of a set of documents."""

    payee: str
    currency: str
    shares: tuple[Share, ...]

    @property
    def total(self) -> Decimal:
        return sum((share.amount for share in self.shares), money(0, self.currency))

    def document(self) -> dict[str, Any]:
        """Return the statement as it is shown."""
        shares = [
            {
                "number": share.number,
                "kind": share.kind,
                "organisation": share.organisation,
                "line": share.line,
                "dataset": share.dataset,
                "amount": f"{share.amount:f}",
            }
            for share in self.shares
        ]
        return {"payee": self.payee, "currency": self.currency, "shares": shares, "total": f"{self.total:f}"}


def statements(bills: Iterable[Bill], datasets: frozenset[str] | None = None) -> tuple[Statement, ...]:
    """Return what each payee is due out of documents; of the lines of some datasets alone where they are named."""
    found: dict[tuple[str, str], list[Share]] = {}
    for bill in bills:
        for line in bill.lines:
            if datasets is not None and line.dataset not in datasets:
                continue
            for payee, part in line.income.items():
                share = Share(bill.number, bill.kind, bill.organisation, line.number, line.dataset, part)
                found.setdefault((payee, bill.currency), []).append(share)
    return tuple(Statement(payee, currency, tuple(shares)) for (payee, currency), shares in sorted(found.items()))
