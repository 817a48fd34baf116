"""Cases on both stores: who decides, what money comes back and when, and that log, invoices and cases agree."""

import json
from decimal import Decimal as D

import pytest
from sqlalchemy import delete, select, update
from support.billing import NOVEMBER, OCTOBER, priced
from support.stores import Clock, code_of, ledger_of

from gateway.app.clock import SystemRandomness
from gateway.ledger import cases as decisions
from gateway.ledger import retelling
from gateway.ledger.cases import Cases, Dispute, Finding, Progress
from gateway.ledger.freezing import Freezes, Scope, Target
from gateway.ledger.reconcile import reconcile
from gateway.metering.issuing import Invoices
from gateway.store import epochs
from gateway.store.tables import cases as rows
from gateway.store.tables import invoices, leaves


def dispute(number, provider="acme"):
    return Dispute(f"Q{number}", "org/ana", "org", "shop", provider)


@pytest.fixture
def clock():
    return Clock(OCTOBER)


@pytest.fixture
def cases(store, clock):
    return Cases(store, clock)


@pytest.fixture
def books(store, clock):
    return Invoices(store, clock, SystemRandomness(), "UTC")


@pytest.fixture
async def charged(store, clock):
    """Charge four queries in October: two of a plan, one of another, one without."""
    ledger = ledger_of(store, clock)
    for number, amount, plan in ((1, "3.00", "standard"), (2, "1.01", "standard"), (3, "5.00", "bulk")):
        await ledger.charge(priced(number, amount, plan=plan, draws=(f"d{number}",)))
    await ledger.charge(priced(4, "0", currency="XXX", plan=None, draws=("d4",)))


def deciding(case_id, refund=None, by="court/jo", clock=None):
    def decided(connection):
        finding = Finding("the answer was of no use", by, clock.now(), None if refund is None else D(refund))
        return decisions.decide(connection, case_id, by.partition("/")[0], finding)

    return decided


async def agree(store):
    return (await store.read(reconcile)).differences == ()


async def leaves_of(store, *kinds):
    every = [json.loads(row.leaf) for row in await store.read(lambda c: c.execute(select(leaves)).all())]
    return [leaf for leaf in every if leaf["kind"] in kinds]


async def test_money_of_an_invoiced_charge_comes_back_at_once_as_a_credit_note(charged, cases, books, clock, store):
    made = await cases.open("C1", dispute(2), "it was of no use", "org/ana")
    assert (made.state, made.amount, made.currency, made.finding) == (Progress.OPENED, D("1.01"), "CNY", None)
    clock.at = NOVEMBER
    (invoice,) = await books.issue("2026-10")
    found = await books.decide(deciding("C1", "0.51", clock=clock))
    assert (found.state, found.finding.refund, found.finding.by) == (Progress.DECIDED, D("0.51"), "court/jo")
    (note,) = await books.issued("2026-11")
    line = next(line for line in invoice.bill.lines if line.plan == "standard")
    assert (note.bill.kind, note.bill.corrects, note.bill.reason) == ("credit_note", invoice.bill.number, "case C1")
    assert (note.bill.total, [one.number for one in note.bill.lines]) == (D("-0.51"), [line.number])
    assert sum(note.bill.income.values()) == D("-0.51")
    (leaf,) = await leaves_of(store, "credited")
    assert leaf["case"] == "C1"
    assert await agree(store)


async def test_money_of_a_charge_that_is_on_no_invoice_comes_back_when_its_period_is_invoiced(
    charged, cases, books, clock, store
):
    for number, refund in ((1, "3.00"), (2, "0.01"), (3, None)):
        await cases.open(f"C{number}", dispute(number), "it was of no use", "org/ana")
        await books.decide(deciding(f"C{number}", refund, clock=clock))
    assert await agree(store)
    assert await books.issued("2026-10") == ()
    (draft,) = await books.draft("2026-10")
    assert draft.bill.total == D("9.01"), "an invoice is what was charged"
    clock.at = NOVEMBER
    (invoice,) = await books.issue("2026-10")
    notes = await books.issued("2026-11")
    assert [(n.bill.number, n.bill.corrects, n.bill.total, n.bill.reason) for n in notes] == [
        (invoice.bill.number + 1, invoice.bill.number, D("-3.00"), "case C1"),
        (invoice.bill.number + 2, invoice.bill.number, D("-0.01"), "case C2"),
    ]
    assert await agree(store)


async def test_no_privacy_comes_back(charged, cases, books, clock, store):
    async def balances():
        return await ledger_of(store, clock).balances(priced(1).accounts)

    before = await balances()
    await cases.open("C1", dispute(1), "it was of no use", "org/ana")
    await books.decide(deciding("C1", "3.00", clock=clock))
    assert await balances() == before


@pytest.mark.parametrize(("number", "refund", "code"), [
    (1, "3.01", "bad_request"), (1, "0.005", "bad_request"), (4, "0.01", "bad_request"), (1, "-1", "bad_request"),
])  # fmt: skip
async def test_more_than_was_charged_and_parts_of_a_cent_stay(charged, cases, books, clock, number, refund, code):
    await cases.open("C1", dispute(number), "it was of no use", "org/ana")
    assert await code_of(books.decide(deciding("C1", refund, clock=clock))) == code
    assert (await cases.find("C1")).state is Progress.OPENED, "nothing of the decision stands"


async def test_money_comes_back_once_and_a_case_is_decided_once(charged, cases, books, clock, store):
    await cases.open("C1", dispute(1), "it was of no use", "org/ana")
    assert await code_of(cases.open("C2", dispute(1), "twice", "acme/eve")) == "case_conflict"
    await books.decide(deciding("C1", "1.00", clock=clock))
    assert await code_of(books.decide(deciding("C1", "1.00", clock=clock))) == "case_conflict"
    await cases.open("C2", dispute(1), "more of it", "org/ana")
    assert await code_of(books.decide(deciding("C2", "1.00", clock=clock))) == "case_conflict"
    assert (await books.decide(deciding("C2", clock=clock))).state is Progress.DECIDED
    assert await code_of(books.decide(deciding("C9", clock=clock))) == "not_found"
    assert await code_of(cases.open("C3", dispute(9), "none", "org/ana")) == "not_found"
    assert await agree(store)


async def test_what_was_credited_by_hand_is_not_given_back_again(charged, cases, books, clock, store):
    clock.at = NOVEMBER
    (invoice,) = await books.issue("2026-10")
    line = next(line for line in invoice.bill.lines if line.plan == "bulk")
    await books.credit(invoice.bill.number, {line.number: D("4.00")}, "the engine failed")
    await cases.open("C1", dispute(3), "it was of no use", "org/ana")
    assert await code_of(books.decide(deciding("C1", "1.01", clock=clock))) == "bad_request"
    await books.decide(deciding("C1", "1.00", clock=clock))
    assert await agree(store)


@pytest.mark.parametrize("lost", ["invoice", "credit_note"])
async def test_a_restored_store_gives_nothing_back_before_its_documents_are_there(
    charged, cases, books, clock, store, lost
):
    clock.at = NOVEMBER
    (invoice,) = await books.issue("2026-10")
    await books.credit(invoice.bill.number, {1: D("1.00")}, "the engine failed")
    await cases.open("C1", dispute(1), "it was of no use", "org/ana")

    def restored(connection):
        connection.execute(delete(invoices).where(invoices.c.kind == lost))
        epochs.begin(connection, "restored")
        epochs.lift(connection)

    await store.run(restored)
    assert await code_of(books.decide(deciding("C1", "1.00", clock=clock))) == "not_found"
    assert (await books.decide(deciding("C1", clock=clock))).state is Progress.DECIDED


@pytest.mark.parametrize("by", ["org/bob", "acme/eve"])
async def test_nobody_decides_a_case_of_its_own_organisation(charged, cases, books, clock, by):
    await cases.open("C1", dispute(1), "it was of no use", "reg/sun")
    assert await code_of(books.decide(deciding("C1", by=by, clock=clock))) == "forbidden"
    assert await code_of(books.decide(deciding("C1", by="reg/sun", clock=clock))) == "forbidden", "who opened it"


@pytest.mark.parametrize("provider", ["acme", "its successor", None])
async def test_whoever_was_paid_is_a_party_whoever_provides_the_dataset_by_then(charged, cases, books, clock, provider):
    await cases.open("C1", dispute(1, provider=provider), "it was of no use", "org/ana")
    assert await code_of(books.decide(deciding("C1", by="labeller-coop/li", clock=clock))) == "forbidden"
    assert (await books.decide(deciding("C1", clock=clock))).state is Progress.DECIDED


async def test_what_stopped_a_query_is_told_and_nothing_else(charged, cases, store, clock):
    freezes = Freezes(store, clock)
    await freezes.freeze(Target(Scope.DATASET, "elsewhere"), "another", "reg/sun")
    await freezes.freeze(Target(Scope.BUYER, "org/ana"), "an alert", "reg/sun")
    await freezes.freeze(Target(Scope.ALL), '"kind":"frozen"', "reg/sun")
    await freezes.unfreeze(Target(Scope.BUYER, "org/ana"), "over", "reg/sun")
    made = await cases.open("C1", dispute(1), 'it says "kind":"frozen"', "org/ana")
    told = await cases.stops(made)
    assert [(leaf["kind"], leaf["scope"]) for _, leaf in told] == [
        ("frozen", "buyer"), ("frozen", "all"), ("unfrozen", "buyer"),
    ]  # fmt: skip
    assert [at for at, _ in told] == sorted(at for at, _ in told)


async def test_what_was_changed_by_hand_is_named(charged, cases, books, clock, store):
    await cases.open("C1", dispute(1), "it was of no use", "org/ana")
    clock.at = NOVEMBER
    await books.issue("2026-10")
    await books.decide(deciding("C1", "1.00", clock=clock))

    def edited(edit):
        def work(connection):
            assert connection.execute(edit).rowcount == 1
            found = {(d.kind, d.subject) for d in reconcile(connection).differences}
            connection.rollback()
            return found

        return work

    more = update(rows).where(rows.c.case_id == "C1").values(refund="2.00")
    assert await store.run(edited(more)) == {("changed state", "cases C1"), ("changed refund", "case C1")}
    none = update(rows).where(rows.c.case_id == "C1").values(refund=None)
    assert await store.run(edited(none)) == {("changed state", "cases C1"), ("changed refund", "case C1")}
    gone = delete(invoices).where(invoices.c.kind == "credit_note")
    assert ("changed refund", "case C1") in await store.run(edited(gone))
    contents = await leaves_of(store, *retelling.KINDS)
    kept = await store.read(lambda c: {t.name: (k, w) for t, k, w in retelling.states(c, contents)})
    assert kept["cases"][0] == kept["cases"][1] != {}
