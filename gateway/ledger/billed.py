"""Whether meter events and invoices say what the log says: the second half of an audit."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Row, select

from gateway.ledger import cases
from gateway.ledger.agreement import Audit, Leaf, in_pieces
from gateway.ledger.cases import Refund
from gateway.ledger.events import SOURCE, TYPE, canonical, event_of_leaf
from gateway.ledger.sealing import commitment
from gateway.store.tables import events, invoices

NO_CURRENCY = "XXX"


@dataclass(frozen=True, slots=True)
class Event:
    """One meter event as it is kept: `type` without the gateway's prefix."""

    id: str
    type: str
    source: str
    subject: str
    time: str
    data: Mapping[str, Any]


def compare_events(connection: Connection, audit: Audit) -> tuple[Event, ...]:
    """Compare each decision with its event; return the events of decisions, those that agree and those that do not."""
    found: dict[str, Event] = {}
    for row in in_pieces(connection, select(events.c.sequence, events.c.line).order_by(events.c.sequence)):
        event = _read(row.line)
        if event is None:
            audit.report("changed event", f"event {row.sequence}", "it is no event of this gateway")
        elif event.id in found:
            audit.report("doubled event", f"query {event.subject}", f"events with the id {event.id} stand twice")
        else:
            found[event.id] = event
    decisions = {event.subject: event for event in found.values() if event.type != "measured"}
    for event in found.values():
        leaf = audit.decided.get(event.subject)
        if leaf is None or (event.type != "measured" and decisions[event.subject] is not event):
            audit.report("extra event", f"query {event.subject}", f"no leaf stands behind its event '{event.type}'")
        elif event.type != "measured":
            _compare_event(audit, event, leaf)
    for query_id, leaf in audit.decided.items():
        if query_id not in decisions:
            audit.report("lost event", f"query {query_id}", f"leaf {leaf.index} says that it was {leaf.kind}")
    return tuple(decisions.values())


def _read(line: str) -> Event | None:
    try:
        raw = json.loads(line)
        source, type_ = raw["source"].removeprefix(SOURCE), raw["type"].removeprefix(TYPE)
        return Event(raw["id"], type_, source, raw["subject"], raw["time"], raw["data"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _compare_event(audit: Audit, event: Event, leaf: Leaf) -> None:
    """Compare an event with the one that its leaf makes, and name what differs."""
    made = _read(event_of_leaf(event.source, leaf.index, leaf.content))
    assert made is not None  # INVARIANT: what the ledger makes can be read
    is_, wanted = ({"id": one.id, "type": one.type, "time": one.time, **one.data} for one in (event, made))
    for name in sorted(is_.keys() | wanted.keys()):
        if is_.get(name) != wanted.get(name):
            detail = f"{name} is {is_.get(name)}; leaf {leaf.index} says {wanted.get(name)}"
            audit.report("changed event", f"query {event.subject}", detail)


# -- invoices ---------------------------------------------------------------------------------------------------------


def compare_invoices(connection: Connection, audit: Audit, found: tuple[Event, ...]) -> int:
    """Compare every document with its leaf, and every invoice with the events of its period; return how many."""
    documents: dict[int, Mapping[str, Any]] = {}
    for row in connection.execute(select(invoices).order_by(invoices.c.number)):
        for gap in range(len(documents) + 1, row.number):
            if gap not in documents:
                audit.report("missing invoice", f"number {gap}", "the numbers have a gap here")
        documents[row.number] = _compare_document(audit, row)
    for number, leaf in audit.billed.items():
        if number not in documents:
            audit.report("missing invoice", f"number {number}", f"leaf {leaf.index} says that it was {leaf.kind}")
    charged = tuple(event for event in found if event.type == "charged" and event.data["currency"] != NO_CURRENCY)
    _compare_periods(audit, documents, charged)
    _compare_refunds(connection, audit, documents)
    return len(documents)


def _compare_document(audit: Audit, row: Row[Any]) -> Mapping[str, Any]:
    """Compare a document with the commitment to it; return it, or nothing of one that cannot be read."""
    leaf, name = audit.billed.get(row.number), f"number {row.number}"
    try:
        kept = json.loads(row.document)
        document: Mapping[str, Any] = kept["document"]
        salt = bytes.fromhex(kept["receipt"]["salt"])
    except (ValueError, KeyError, TypeError):
        audit.report("changed invoice", name, "it cannot be read")
        return {}
    if leaf is None:
        audit.report("missing leaf", name, "no leaf of the log says that it was issued")
    elif commitment(salt, canonical(document).encode()) != leaf.content["document"]:
        audit.report("changed invoice", name, f"it is not the document that leaf {leaf.index} commits to")
    columns = (row.kind, row.organisation, row.currency, row.period, row.corrects)
    if columns != (*(document[key] for key in ("kind", "organisation", "currency")), document["period"]["name"],
                   document["corrects"]):  # fmt: skip
        audit.report("changed invoice", name, "the table lists it as another than it is")
    return document


def _compare_periods(audit: Audit, documents: Mapping[int, Mapping[str, Any]], charged: tuple[Event, ...]) -> None:
    """Fold the charged events of every invoiced period once more, and compare."""
    by_buyer: dict[tuple[str, str], list[tuple[datetime, Event]]] = {}
    for event in charged:
        whose = event.data["organisation"], event.data["currency"]
        by_buyer.setdefault(whose, []).append((datetime.fromisoformat(event.time), event))
    periods: set[tuple[datetime, datetime]] = set()
    billed: dict[str, int] = {}
    for number, document in documents.items():
        if not document or document["kind"] != "invoice":
            continue
        start, end = (datetime.fromisoformat(document["period"][name]) for name in ("from", "until"))
        periods.add((start, end))
        of_buyer = by_buyer.get((document["organisation"], document["currency"]), [])
        mine = [event for at, event in of_buyer if start <= at < end]
        twice = {billed[event.id] for event in mine if event.id in billed}
        for other in sorted(twice):
            audit.report("doubled invoice", f"number {number}", f"it bills charges that number {other} bills as well")
        billed |= {event.id: number for event in mine}
        _compare_invoice(audit, number, document, mine)
    for at, event in (entry for entries in by_buyer.values() for entry in entries):
        for start, end in periods:
            if event.id not in billed and start <= at < end:
                detail = f"its period from {start.isoformat()} has been invoiced without it"
                audit.report("unbilled event", f"query {event.subject}", detail)


def _compare_refunds(connection: Connection, audit: Audit, documents: Mapping[int, Mapping[str, Any]]) -> None:
    """Compare what findings give back, once it is invoiced, with the credit notes that name their cases."""
    notes: dict[str, list[int]] = {}
    for number, leaf in audit.billed.items():
        if "case" in leaf.content:
            notes.setdefault(leaf.content["case"], []).append(number)
    invoiced = [document for document in documents.values() if document and document["kind"] == "invoice"]
    for refund in cases.refunds(connection):
        numbers, name = notes.pop(refund.case_id, []), f"case {refund.case_id}"
        billed = any(_holds(document, refund) for document in invoiced)
        given = sum((Decimal(documents[number]["total"]) for number in numbers if documents.get(number)), Decimal(0))
        if len(numbers) > 1 or -given != (refund.amount if billed else 0):
            detail = f"its finding gives {refund.amount:f} back; its credit notes {-given:f}"
            audit.report("changed refund", name, detail)
    for case_id in sorted(notes):
        audit.report("changed refund", f"case {case_id}", "a credit note names it, and no finding gives anything back")


def _holds(document: Mapping[str, Any], refund: Refund) -> bool:
    start, end = (datetime.fromisoformat(document["period"][name]) for name in ("from", "until"))
    whose = (document["organisation"], document["currency"]) == (refund.organisation, refund.currency)
    return whose and start <= refund.charged_at < end


def _compare_invoice(audit: Audit, number: int, document: Mapping[str, Any], mine: list[Event]) -> None:
    name = f"number {number}"
    ids = sha256("".join(f"{event_id_}\n" for event_id_ in sorted(event.id for event in mine)).encode()).hexdigest()
    if document["events"] != f"sha256:{ids}":
        audit.report("changed invoice", name, "the events of its period are not those that it bills")
    sums: dict[tuple[Any, ...], list[Decimal]] = {}
    for event in mine:
        data = event.data
        key = (data["dataset"], data["grant"], data["price_plan"], data["price_plan_version"])
        total = sums.setdefault(key, [Decimal(0), Decimal(0)])
        total[0] += 1
        total[1] += Decimal(data["amount"])
    lines = {
        (line["dataset"], line["grant"], line["price_plan"], line["price_plan_version"]): line
        for line in document["lines"]
    }
    for key in sorted(sums.keys() | lines.keys(), key=str):
        line, (count, amount) = lines.get(key), sums.get(key, [Decimal(0), Decimal(0)])
        if line is None:
            audit.report("changed invoice", name, f"it has no line for {' / '.join(map(str, key))}")
        elif (line["queries"], Decimal(line["amount"])) != (count, amount):
            detail = f"line {line['line']} bills {line['queries']} queries for {line['amount']}"
            audit.report("changed invoice", name, f"{detail}; the events add up to {count} for {amount:f}")
        elif sum(map(Decimal, line["income"].values())) != amount:
            audit.report("changed invoice", name, f"the income of line {line['line']} does not sum to it")
    if Decimal(document["total"]) != sum((Decimal(line["amount"]) for line in document["lines"]), Decimal(0)):
        audit.report("changed invoice", name, "its lines do not sum to its total")
