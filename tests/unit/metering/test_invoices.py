"""Invoices: one fold over charged events, exact sums, gapless numbers, corrections by credit notes. On both stores."""

import asyncio
import json
import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.billing import NOVEMBER, OCTOBER, lines_of, priced, trade
from support.stores import Clock, database, ledger_of, meter_of

from gateway.app.clock import SystemRandomness
from gateway.errors import GatewayError
from gateway.ledger.events import canonical
from gateway.ledger.reconcile import reconcile
from gateway.ledger.replaying import Replaying
from gateway.ledger.sealing import commitment
from gateway.metering.charges import charges
from gateway.metering.invoices import INVOICE, Bill, Line, bill_of, credit, fold, statements
from gateway.metering.issuing import Invoices
from gateway.metering.periods import month
from gateway.metering.prices import money
from gateway.store import dump, log
from gateway.store.database import open_store

PERIOD = month("2026-10", "UTC")


@pytest.fixture
def clock():
    return Clock(OCTOBER)


def invoices_of(store, clock, zone="UTC"):
    return Invoices(store, clock, SystemRandomness(), zone)


async def refused(awaitable, code):
    with pytest.raises(GatewayError) as caught:
        await awaitable
    assert caught.value.code == code
    return caught.value


# -- the fold ---------------------------------------------------------------------------------------------------------


async def test_every_charge_is_on_one_line_and_everything_sums(store, clock):
    orders = await trade(store, clock, 60)
    bills = fold(charges(await lines_of(store)), PERIOD)
    assert len(bills) == 6, "three organisations, two currencies"
    for bill in bills:
        mine = [o for o in orders if (o.organisation, o.currency) == (bill.organisation, bill.currency)]
        assert bill.total == sum(o.amount for o in mine)
        assert sum(line.queries for line in bill.lines) == len(mine)
        by_line = Counter()
        for o in mine:
            facts = json.loads(o.facts)
            by_line[facts["dataset"], facts["price_plan"]] += o.amount
        assert {(line.dataset, line.plan): line.amount for line in bill.lines} == dict(by_line)
        for line in bill.lines:
            assert sum(line.income.values()) == line.amount
        assert sum(bill.income.values()) == bill.total
    for currency in ("CNY", "JPY"):
        paid = sum(s.total for s in statements(bills) if s.currency == currency)
        assert paid == sum(bill.total for bill in bills if bill.currency == currency)


async def test_replaying_all_events_ten_times_gives_the_same_invoice(store, clock):
    await trade(store, clock, 40)
    once = await lines_of(store)
    often = once * 10
    random.Random(3).shuffle(often)
    assert fold(charges(often), PERIOD) == fold(charges(once), PERIOD)


async def test_two_events_of_one_id_that_differ_are_not_billed(store, clock):
    await trade(store, clock, 2)
    lines = await lines_of(store)
    event = json.loads(lines[0])
    event["data"]["amount"] = "0.01"
    with pytest.raises(GatewayError) as caught:
        charges([*lines, canonical(event)])
    assert caught.value.code == "meter_conflict"


async def test_what_is_free_refused_or_of_another_month_is_on_no_invoice(store, clock):
    ledger, meter = ledger_of(store, clock), meter_of(store, clock)
    await ledger.charge(priced(1, "1.50"))
    await ledger.charge(priced(2, "0", currency="XXX", plan=None))
    await ledger.replay(priced(3, "0", currency="XXX"), b"again")
    await meter.refuse("R1", json.dumps({"dataset": "shop", "reason": "raw_rows"}))
    clock.at = NOVEMBER
    await ledger.charge(priced(4, "9.00"))
    (bill,) = fold(charges(await lines_of(store)), PERIOD)
    assert (bill.total, [line.queries for line in bill.lines]) == (D("1.50"), [1])


def test_a_month_begins_at_midnight_of_its_zone():
    october = month("2026-10", "Asia/Shanghai")
    assert october.start == datetime(2026, 9, 30, 16, tzinfo=UTC)
    assert october.holds(datetime(2026, 9, 30, 16, tzinfo=UTC))
    assert not october.holds(datetime(2026, 10, 31, 16, tzinfo=UTC))
    assert month("2026-12", "UTC").end == datetime(2027, 1, 1, tzinfo=UTC)
    autumn = month("2026-10", "Europe/Oslo")  # summer time ends within
    assert (autumn.end - autumn.start).total_seconds() == 31 * 86_400 + 3_600
    for name in ("2026-13", "2026-1", "2026-10 ", "٢٠٢٦-10", "0000-01", "9999-12"):
        with pytest.raises(GatewayError, match="bad_request"):
            month(name, "UTC")
    for zone in ("Mars/Olympus", "../UTC", ""):
        with pytest.raises(GatewayError, match="settings_invalid"):
            month("2026-10", zone)


# -- issuing ----------------------------------------------------------------------------------------------------------


async def test_a_period_is_issued_once_with_gapless_numbers_and_leaves(store, clock):
    await trade(store, clock, 30)
    made = invoices_of(store, clock)
    drafts = await made.draft("2026-10")
    await refused(made.issue("2026-10"), "period_open")
    clock.at = datetime(2026, 11, 1, 0, 4, tzinfo=UTC)
    await refused(made.issue("2026-10"), "period_open")
    clock.at = datetime(2026, 11, 1, 0, 5, tzinfo=UTC)
    issued = await made.issue("2026-10")
    assert [i.bill.number for i in issued] == list(range(1, len(drafts) + 1))
    assert [replace(i.bill, number=None, issued_at=None) for i in issued] == [d.bill for d in drafts]
    await refused(made.issue("2026-10"), "already_invoiced")
    assert await made.issued("2026-10") == issued
    assert await made.issued("2026-10", "widgets") == tuple(i for i in issued if i.bill.organisation == "widgets")
    assert await made.issued("2026-09") == ()
    for each in issued:
        leaf = json.loads(await store.read(lambda c, at=each.log_index: log.read_leaf(c, at)))
        assert (leaf["kind"], leaf["number"], leaf["total"]) == ("invoiced", each.bill.number, f"{each.bill.total:f}")
        text = canonical(each.document()["document"])
        assert leaf["document"] == commitment(bytes.fromhex(each.salt), text.encode())
        assert bill_of(json.loads(text)) == each.bill


async def test_no_hour_is_billed_twice_or_never_because_the_zone_was_changed(store, clock):
    await trade(store, clock, 20)
    clock.at = datetime(2026, 10, 31, 20, tzinfo=UTC)  # November in Shanghai, October in UTC
    await ledger_of(store, clock).charge(priced("late", "7.00"))
    clock.at = datetime(2026, 12, 24, tzinfo=UTC)
    await invoices_of(store, clock).issue("2026-10")
    for zone in ("Asia/Shanghai", "America/New_York"):
        error = await refused(invoices_of(store, clock, zone).issue("2026-11"), "settings_invalid")
        assert error.hint.endswith("to UTC.")
    for name in ("2026-11", "2026-12", "2026-09"):
        clock.at = datetime(2027, 2, 1, tzinfo=UTC)
        await invoices_of(store, clock).issue(name)
    assert (await store.read(reconcile)).differences == ()


async def test_a_charge_between_reading_and_issuing_is_billed(store, clock):
    await trade(store, clock, 3)
    made, ledger = invoices_of(store, clock), ledger_of(store, Clock(OCTOBER))
    clock.at = NOVEMBER
    read, late = store.read, []

    async def read_then_charge(work):
        found = await read(work)
        if not late:
            late.append(await ledger.charge(priced("late", "77.00", organisation="latecomer")))
        return found

    store.read = read_then_charge
    issued = await made.issue("2026-10")
    store.read = read
    assert len(late) == 1
    assert [i.bill.total for i in issued if i.bill.organisation == "latecomer"] == [D("77.00")]


async def test_a_period_asked_for_at_once_is_issued_once(store, clock):
    await trade(store, clock, 10)
    clock.at = NOVEMBER
    made = invoices_of(store, clock)
    outcomes = await asyncio.gather(*(made.issue("2026-10") for _ in range(6)), return_exceptions=True)
    assert sum(isinstance(outcome, tuple) for outcome in outcomes) == 1
    numbers = [i.bill.number for i in await made.issued("2026-10")]
    assert numbers == list(range(1, len(numbers) + 1))


# -- credit notes -----------------------------------------------------------------------------------------------------


async def one_invoice(store, clock, *amounts):
    ledger = ledger_of(store, clock)
    for number, amount in enumerate(amounts):
        await ledger.charge(priced(number, amount))
    clock.at = NOVEMBER
    made = invoices_of(store, clock)
    ((issued),) = await made.issue("2026-10")
    return made, issued


async def test_credit_notes_give_back_what_is_left_and_no_more(store, clock):
    made, invoice = await one_invoice(store, clock, "0.07", "9.98")
    (line,) = invoice.bill.lines
    first = await made.credit(1, {1: D("3.33")}, "wrong bounds in the policy")
    assert (first.bill.number, first.bill.corrects, first.bill.period.name) == (2, 1, "2026-11")
    assert first.bill.total == D("-3.33")
    assert sum(first.bill.income.values()) == D("-3.33")
    error = await refused(made.credit(1, {1: D("6.73")}, "more"), "bad_request")
    assert "6.72 CNY" in error.hint
    second = await made.credit(1, {1: None}, "all of it")
    assert second.bill.total == D("-6.72")
    for payee, part in line.income.items():
        assert first.bill.income[payee] + second.bill.income[payee] == -part, "each gives back what it got"
        assert -part <= first.bill.income[payee] <= 0
    await refused(made.credit(1, {1: None}, "again"), "bad_request")
    assert [s.total for s in statements((invoice.bill, first.bill, second.bill))] == [0, 0, 0]
    leaf = json.loads(await store.read(lambda c: log.read_leaf(c, first.log_index)))
    assert (leaf["kind"], leaf["corrects"], leaf["total"]) == ("credited", 1, "-3.33")


@given(st.lists(st.integers(0, 300), min_size=1, max_size=6).filter(any), st.lists(st.integers(1, 90), max_size=12))
def test_credits_of_any_size_never_take_more_than_a_payee_got(parts, asked):
    income = {f"p{number}": money(part, "CNY") for number, part in enumerate(parts)}
    line = Line(1, "shop", "g", "standard", "v", 1, D(1), sum(income.values()), income)
    invoice, notes = Bill(INVOICE, 1, "org", "CNY", PERIOD, (line,)), []
    for cents in asked:
        left = invoice.total + sum(note.total for note in notes)
        if money(cents, "CNY") <= left:
            notes.append(credit(invoice, notes, {1: money(cents, "CNY")}, "some"))
    if invoice.total + sum(note.total for note in notes):
        notes.append(credit(invoice, notes, {1: None}, "the rest"))
    for note in notes:
        assert sum(note.income.values()) == note.total < 0
        assert all(part <= 0 for part in note.income.values())
    assert {s.payee: s.total for s in statements((invoice, *notes))} == dict.fromkeys(income, 0)


async def test_a_credit_note_that_cannot_be(store, clock):
    made, _ = await one_invoice(store, clock, "5.00")
    await refused(made.credit(9, {1: None}, "no such invoice"), "not_found")
    await refused(made.credit(1, {2: None}, "no such line"), "bad_request")
    await refused(made.credit(1, {}, "no line"), "bad_request")
    for amount in ("0", "-1", "1.005", "5.01"):
        await refused(made.credit(1, {1: D(amount)}, "no such amount"), "bad_request")
    note = await made.credit(1, {1: D(1)}, "one")
    assert note.bill.number == 2, "what was refused took no number"
    await refused(made.credit(2, {1: None}, "a note"), "not_found")


async def test_a_providers_statements_are_of_its_datasets(store, clock):
    await trade(store, clock, 30)
    bills = fold(charges(await lines_of(store)), PERIOD)
    mine = statements(bills, frozenset({"shop"}))
    assert {share.dataset for statement in mine for share in statement.shares} == {"shop"}
    rest = statements(bills, frozenset({"flights"}))
    both = sum(s.total for s in (*mine, *rest) if s.currency == "CNY")
    assert both == sum(bill.total for bill in bills if bill.currency == "CNY")


# -- after a restore --------------------------------------------------------------------------------------------------


@pytest.fixture
async def fresh(store_place, tmp_path):
    made = await open_store(tmp_path / "fresh", database() if store_place[1] else None)
    yield made
    await made.close()


async def test_a_restored_store_issues_nothing_twice_and_takes_its_documents_back(store, fresh, clock, tmp_path):
    await trade(store, clock, 6)
    await store.read(lambda c: dump.backup(c, tmp_path / "b.zip"))
    clock.at = OCTOBER
    await ledger_of(store, clock).charge(priced("late", "3.00"))
    clock.at = NOVEMBER
    issued = await invoices_of(store, clock).issue("2026-10")
    number = next(i.bill.number for i in issued if i.bill.organisation == "org" and i.bill.currency == "CNY")
    note = await invoices_of(store, clock).credit(number, {1: None}, "all of it")
    whole = await store.read(lambda c: [log.read_leaf(c, i) for i in range(log.size(c))])
    await fresh.run(lambda c: dump.restore(c, tmp_path / "b.zip"))
    await Replaying(fresh, clock, "gw").replay(whole)
    assert await lines_of(fresh) == await lines_of(store), "the outbox is whole again"
    found = (await fresh.read(reconcile)).differences
    assert {(d.kind, d.subject) for d in found} == {
        ("missing invoice", f"number {n}") for n in range(1, len(issued) + 2)
    }
    made = invoices_of(fresh, clock)
    assert "put-back" in (await refused(made.issue("2026-10"), "already_invoiced")).hint
    await refused(made.credit(number, {1: None}, "again"), "not_found")
    documents = [one.document() for one in (*issued, note)]
    edited = json.loads(json.dumps(documents))
    edited[-1]["document"]["reason"] = "another"
    missing = [{**documents[0], "receipt": {"log_index": 10**6, "salt": "00"}}]
    for wrong in (edited, missing, [{}], [{"document": documents[0]["document"], "receipt": None}]):
        await refused(made.put_back(wrong), "bad_request")
    assert await made.issued("2026-10") == ()
    clock.at = datetime(2026, 12, 2, tzinfo=UTC)
    await ledger_of(fresh, Clock(NOVEMBER)).charge(priced("new", "9.00", accounts=()))
    (new,) = await made.issue("2026-11")
    assert new.bill.number == note.bill.number + 1, "no number is given twice"
    assert await made.put_back(documents) == len(documents)
    assert await made.put_back(documents) == 0
    assert await made.issued("2026-10") == issued
    kinds = {d.kind for d in (await fresh.read(reconcile)).differences}
    assert kinds == set()
