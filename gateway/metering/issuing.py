"""Issues invoices and credit notes: gapless numbers, each in one transaction with its leaf of the log."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select
from sqlalchemy.exc import NoResultFound

from gateway.errors import GatewayError
from gateway.ledger import cases, leaves
from gateway.ledger.cases import Case, Refund
from gateway.ledger.charging import microseconds
from gateway.ledger.events import BUYER_VISIBLE, TYPE, canonical
from gateway.ledger.sealing import SALT_BYTES, commitment
from gateway.metering.charges import charges
from gateway.metering.invoices import CREDIT_NOTE, INVOICE, Bill, Line, bill_of, credit, fold
from gateway.metering.periods import Period, month, month_of
from gateway.metering.prices import count_units
from gateway.ports import Clock, Randomness
from gateway.store import epochs, log
from gateway.store.database import Store
from gateway.store.tables import events, invoices

SETTLING = timedelta(minutes=5)
"""How long after its end a period can still get charges: replicas' clocks differ, and a charge waits for its turn."""

_CHARGED = f'"type":"{TYPE}charged"'
"""How every charged event, and no other line, is spelled: lines are canonical, and within a text quotes are escaped."""

PUT_BACK = "Put them back: `gateway bill put-back FILE`, with what `gateway bill show --format json` had printed."

_LEAVES = {INVOICE: "invoiced", CREDIT_NOTE: "credited"}


@dataclass(frozen=True, slots=True)
class Issued:
    """A bill as it stands, with what opens its commitment in the log. A draft has neither salt nor leaf."""

    bill: Bill
    salt: str | None = None
    log_index: int | None = None

    def document(self) -> dict[str, Any]:
        """Return the document, and apart from it the receipt."""
        receipt = {"log_index": self.log_index, "salt": self.salt} if self.salt is not None else None
        return {"document": self.bill.document(), "receipt": receipt}


class Invoices:
    """Every method reads or writes in transactions of the store that holds the meter events."""

    def __init__(self, store: Store, clock: Clock, randomness: Randomness, zone: str) -> None:
        self._store = store
        self._clock = clock
        self._randomness = randomness
        self._zone = zone

    def period(self, name: str) -> Period:
        """Return a month in the billing time zone. Raises GatewayError `bad_request`."""
        return month(name, self._zone)

    async def draft(self, name: str) -> tuple[Issued, ...]:
        """Return what the period's invoices would be if it ended now."""
        period = self.period(name)
        lines = await self._store.read(lambda connection: charged_lines(connection, 0)[0])
        return tuple(Issued(bill) for bill in fold(charges(lines), period))

    async def issue(self, name: str) -> tuple[Issued, ...]:
        """Issue a period's invoices: all of them, once.

        Raises GatewayError `period_open` before it has ended and settled, `already_invoiced` the second time, and
        `settings_invalid` where the zone is another than a neighbouring month was billed in.
        """
        period = self.period(name)
        if self._clock.now() < period.end + SETTLING:
            hint = "Ask with --draft to see what it would be; issue it five minutes after its end."
            raise GatewayError("period_open", f"The period {name} ({period.zone}) has not ended.", hint)
        # folded outside of the writing transaction, which charges wait for; what came meanwhile is folded within
        lines, last = await self._store.read(lambda connection: charged_lines(connection, 0))
        gone = await self._store.read(lost)
        if any((leaf["kind"], leaf["period"]) == (_LEAVES[INVOICE], name) for leaf in gone.values()):
            raise GatewayError("already_invoiced", f"The log has invoices of {name} that this store lacks.", PUT_BACK)

        def work(connection: Connection) -> tuple[Issued, ...]:
            known = select(invoices.c.number).where(invoices.c.kind == INVOICE, invoices.c.period == name)
            if connection.execute(known.limit(1)).first() is not None:
                hint = "Correct it with `gateway bill credit`."
                raise GatewayError("already_invoiced", f"The period {name} has its invoices.", hint)
            _check_neighbours(connection, period)
            late, _last = charged_lines(connection, last)
            bills = fold(charges([*lines, *late]), period)
            now = self._clock.now()
            issued = tuple(self._keep(connection, bill, now, gone) for bill in bills)
            for refund in cases.refunds(connection):  # what was decided before there was an invoice to correct
                mine = next((one.bill for one in issued if _bills(one.bill, refund)), None)
                if mine is not None:
                    self._give_back(connection, mine, refund, now, gone)
            return issued

        return await self._store.run(work)

    async def decide(self, decided: Callable[[Connection], tuple[Case, Refund | None]]) -> Case:
        """Run the decision of a case, and give back in the same transaction what is on an invoice by then.

        What is on none yet is given back when its period is invoiced. Raises what the decision raises, `bad_request`
        where less is left of the invoice's line, and `not_found` where this store lacks the invoice.
        """
        gone = await self._store.read(lost)

        def work(connection: Connection) -> Case:
            case, refund = decided(connection)
            if refund is None:
                return case
            _check_whole(refund)
            wanted = select(invoices).where(invoices.c.kind == INVOICE, invoices.c.organisation == refund.organisation)
            bills = (issued.bill for issued in map(_issued, connection.execute(wanted).all()))
            mine = next((bill for bill in bills if _bills(bill, refund)), None)
            self._refuse_lost(refund, mine, gone)
            if mine is not None:
                self._give_back(connection, mine, refund, self._clock.now(), gone)
            return case

        return await self._store.run(work)

    def _refuse_lost(self, refund: Refund, invoice: Bill | None, gone: Mapping[int, Any]) -> None:
        """Refuse a refund whose invoice, or a correction of it, is in the log alone."""
        if invoice is not None:
            lacks = any(leaf.get("corrects") == invoice.number for leaf in gone.values())
        else:
            period = month_of(refund.charged_at, self._zone).name
            whose = (_LEAVES[INVOICE], refund.organisation, period)
            lacks = any((leaf["kind"], leaf["organisation"], leaf["period"]) == whose for leaf in gone.values())
        if lacks:
            raise GatewayError("not_found", "This store lacks documents of the charge's invoice.", PUT_BACK)

    def _give_back(
        self, connection: Connection, invoice: Bill, refund: Refund, now: datetime, gone: Mapping[int, Any]
    ) -> None:
        """Issue the credit note of a finding."""
        earlier = connection.execute(select(invoices).where(invoices.c.corrects == invoice.number)).all()
        line = next(one for one in invoice.lines if _key(one) == refund.line)
        reason = f"case {refund.case_id}"
        note = credit(invoice, [_issued(row).bill for row in earlier], {line.number: refund.amount}, reason)
        note = replace(note, period=month_of(now, self._zone))
        self._keep(connection, note, now, gone, {"case": refund.case_id})

    async def credit(self, number: int, wanted: Mapping[int, Decimal | None], reason: str) -> Issued:
        """Correct an invoice by a credit note, whose period is the month that it is issued in.

        `wanted` names for each line the amount to give back, None for all that is left of it.
        Raises GatewayError `not_found` or `bad_request`.
        """
        gone = await self._store.read(lost)
        if any(number in (at, leaf.get("corrects")) for at, leaf in gone.items()):
            raise GatewayError("not_found", f"This store lacks documents of invoice {number}.", PUT_BACK)

        def work(connection: Connection) -> Issued:
            rows = connection.execute(
                select(invoices).where((invoices.c.number == number) | (invoices.c.corrects == number))
            )
            bills = {issued.bill.number: issued.bill for issued in map(_issued, rows)}
            invoice = bills.pop(number, None)
            if invoice is None or invoice.kind != INVOICE:
                hint = "`gateway bill show --period` lists the numbers; a credit note is not corrected."
                raise GatewayError("not_found", f"There is no invoice {number}.", hint)
            now = self._clock.now()
            note = credit(invoice, bills.values(), wanted, reason)
            return self._keep(connection, replace(note, period=month_of(now, self._zone)), now, gone)

        return await self._store.run(work)

    def _keep(
        self,
        connection: Connection,
        draft: Bill,
        now: datetime,
        gone: Mapping[int, Any],
        why: Mapping[str, str] = MappingProxyType({}),
    ) -> Issued:
        """Give a bill its number and date, keep it, and append its leaf, which says `why` as well."""
        last = connection.execute(select(func.max(invoices.c.number))).scalar()
        bill = replace(
            draft, number=max(last or 0, *gone, 0) + 1, issued_at=now
        )  # INVARIANT: gapless, writers run one by one
        salt = self._randomness.token_bytes(SALT_BYTES)
        leaf = {
            "number": bill.number,
            "organisation": bill.organisation,
            "currency": bill.currency,
            "period": bill.period.name,
            "total": f"{bill.total:f}",
            "document": commitment(salt, canonical(bill.document()).encode()),
            **({"corrects": bill.corrects} if bill.corrects is not None else {}),
            **why,
        }
        index, _hash = leaves.append(connection, _LEAVES[bill.kind], now, leaf)
        issued = Issued(bill, salt.hex(), index)
        _insert(connection, issued)
        return issued

    async def put_back(self, documents: Sequence[Mapping[str, Any]]) -> int:
        """Keep documents again that a restored store lacks, as `document` and `receipt`; return how many.

        Each has to be the one that its leaf of the log commits to. Raises GatewayError `bad_request`, and keeps none.
        """

        def work(connection: Connection) -> int:
            gone, count = lost(connection), 0
            for kept in documents:
                issued = _verified(connection, kept)
                if issued.bill.number in gone:
                    _insert(connection, issued)
                    count += 1
            return count

        return await self._store.run(work)

    async def issued(self, name: str, organisation: str | None = None) -> tuple[Issued, ...]:
        """Return the documents of a period in the order of their numbers, of one organisation where it is named."""
        self.period(name)
        wanted = select(invoices).where(invoices.c.period == name).order_by(invoices.c.number)
        if organisation is not None:
            wanted = wanted.where(invoices.c.organisation == organisation)
        return await self._store.read(lambda connection: tuple(map(_issued, connection.execute(wanted))))


def _check_whole(refund: Refund) -> None:
    try:
        count_units(refund.amount, refund.currency)
    except ValueError:
        hint = f"Give back whole smallest units of {refund.currency}."
        raise GatewayError("bad_request", "That amount cannot be paid.", hint) from None


def _key(line: Line) -> tuple[str, str, str, str]:
    return line.dataset, line.grant, line.plan, line.plan_version


def _bills(bill: Bill, refund: Refund) -> bool:
    """Tell whether an invoice bills the charge that a refund is of."""
    whose = (bill.organisation, bill.currency) == (refund.organisation, refund.currency)
    return whose and bill.kind == INVOICE and bill.period.holds(refund.charged_at)


def lost(connection: Connection) -> dict[int, Mapping[str, Any]]:
    """Return the leaves of documents that the log has and a restored store lacks, by number; none of another store."""
    if epochs.epoch(connection) == 1:
        return {}
    known = set(connection.execute(select(invoices.c.number)).scalars())
    said = log.read_seldom(connection, set(_LEAVES.values()))
    billed = {leaf["number"]: leaf for _, leaf in said}
    return {number: leaf for number, leaf in billed.items() if number not in known}


def _check_neighbours(connection: Connection, period: Period) -> None:
    """Refuse a month that does not begin where the month before it was billed to, or end where the next one begins.

    In another zone, the hours in between would be on two invoices, or on none.
    """
    before, after = period.start - timedelta(days=3), period.end + timedelta(days=3)
    names = [f"{at.year:04}-{at.month:02}" for at in (before, after)]
    wanted = select(invoices).where(invoices.c.kind == INVOICE, invoices.c.period.in_(names))
    for other in (_issued(row).bill.period for row in connection.execute(wanted)):
        if other.end != period.start and other.start != period.end:
            detail = (
                f"{other.name} was billed in the zone {other.zone}; {period.name} in {period.zone} does not join it."
            )
            hint = f"Set GATEWAY_BILLING_ZONE to {other.zone}."
            raise GatewayError("settings_invalid", detail, hint)


def _verified(connection: Connection, kept: Mapping[str, Any]) -> Issued:
    """Return a document that was kept elsewhere. Raises GatewayError `bad_request` where the log says otherwise."""
    hint = "Put back what `gateway bill show --format json` printed, as it was."
    refusal = GatewayError("bad_request", "A document is not one that the log commits to.", hint)
    try:
        issued = Issued(bill_of(kept["document"]), kept["receipt"]["salt"], kept["receipt"]["log_index"])
        leaf = json.loads(log.read_leaf(connection, kept["receipt"]["log_index"]))
        told = leaf["kind"], leaf["number"], leaf["document"]
        committed = commitment(bytes.fromhex(kept["receipt"]["salt"]), canonical(kept["document"]).encode())
        kind = _LEAVES[issued.bill.kind]
    except (KeyError, TypeError, ValueError, AttributeError, NoResultFound):
        raise refusal from None
    if told != (kind, issued.bill.number, committed):
        raise refusal
    return issued


def _insert(connection: Connection, issued: Issued) -> None:
    bill = issued.bill
    assert bill.issued_at is not None  # INVARIANT: what is kept has its number and date
    row = {
        "number": bill.number,
        "kind": bill.kind,
        "organisation": bill.organisation,
        "currency": bill.currency,
        "period": bill.period.name,
        "corrects": bill.corrects,
        "issued_at_us": microseconds(bill.issued_at),
        "document": canonical(issued.document()),
    }
    connection.execute(insert(invoices).values(**row))


def _issued(row: Row[Any]) -> Issued:
    kept = json.loads(row.document)
    return Issued(bill_of(kept["document"]), kept["receipt"]["salt"], kept["receipt"]["log_index"])


def charged_lines(connection: Connection, after: int) -> tuple[list[str], int]:
    """Return the charged events beyond a sequence number as lines, and the last sequence number that there is."""
    wanted = (
        select(events.c.line)
        .where(events.c.sequence > after, events.c.visibility == BUYER_VISIBLE, events.c.line.contains(_CHARGED))
        .order_by(events.c.sequence)
    )
    last = connection.execute(select(func.max(events.c.sequence))).scalar()
    return list(connection.execute(wanted).scalars()), last or 0
