"""Reconciliation on both stores: what was done the regular way agrees, and every kind of edit is named."""

import json

import pytest
import pytest_asyncio
from sqlalchemy import delete, insert, select, update
from support.billing import NOVEMBER, OCTOBER, priced
from support.books import differences, event_of, kept, named, one
from support.stores import database

from gateway.ledger import charging
from gateway.ledger import leaves as log_leaves
from gateway.ledger.events import canonical
from gateway.ledger.reconcile import reconcile
from gateway.store.database import open_store
from gateway.store.tables import (
    account_tables,
    accounts,
    caps,
    events,
    freezes,
    invoices,
    leaves,
    member_verifications,
    members,
    nodes,
    policy_versions,
    queries,
    reviews,
    spendings,
    topups,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(
    scope="module", loop_scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.long)]
)
async def books(request, tmp_path_factory):
    address = database() if request.param == "postgres" else None
    store = await open_store(tmp_path_factory.mktemp("books"), address)
    await kept(store)
    yield store
    await store.close()


async def test_what_was_done_the_regular_way_agrees(books):
    found = await books.read(reconcile)
    assert found.differences == ()
    assert (found.charges, found.events) == (16, 18)
    assert found.leaves == len(await books.read(lambda c: c.execute(select(leaves.c.position)).all()))
    assert found.invoices == len(await books.read(lambda c: c.execute(select(invoices.c.number)).all())) > 2


async def test_an_empty_store_agrees(store_place):
    store = await open_store(*store_place)
    assert await differences(store) == ()
    await store.close()


@pytest.mark.parametrize(("column", "value"), [("rho_spent", "1"), ("delta_spent", "1"), ("uses", 1)])
async def test_an_edited_balance(books, column, value):
    (found,) = await differences(books, update(accounts).where(accounts.c.key == "data/shop").values({column: value}))
    assert (found.kind, found.subject) == ("changed balance", "account data/shop")
    assert found.detail.startswith(column.removesuffix("_spent"))


async def test_a_balance_that_no_charge_made_and_one_that_is_gone(books):
    ghost = insert(accounts).values(key="data/ghost", rho_spent="1", delta_spent="0", uses=0)
    assert await named(books, ghost, delete(accounts).where(accounts.c.key == "data/flights")) == {
        ("changed balance", "account data/ghost"),
        ("changed balance", "account data/flights"),
    }


async def test_edited_money(books):
    row = await one(books, select(spendings).where(spendings.c.account.like("purse/%"), spendings.c.period == "total"))
    mine = (spendings.c.account == row.account, spendings.c.period == "total", spendings.c.currency == row.currency)
    assert await named(books, update(spendings).where(*mine).values(amount="0.01")) == {
        ("changed balance", f"money of {row.account}")
    }


async def test_a_freeze_that_was_taken_away_by_hand_and_one_that_nobody_ordered(books):
    row = {"reason": "none", "frozen_by": "reg/sun", "frozen_at_us": 1}
    ghost = insert(freezes).values(scope="dataset", name="old", **row)
    assert await named(books, ghost, delete(freezes).where(freezes.c.name == "elsewhere")) == {
        ("changed state", "freezes dataset old"),
        ("changed state", "freezes organisation elsewhere"),
    }


async def test_a_member_that_was_let_in_by_hand_and_a_reviewer_who_was_not_there(books):
    let_in = update(members).where(members.c.member_id == "M-ana").values(state="verified")
    made = member_verifications.c
    swapped = update(member_verifications).where(made.member_id == "M-None", made.reviewer == "r2/rae")
    free = delete(freezes).where(freezes.c.scope == "person")
    assert await named(books, let_in, free, swapped.values(reviewer="r3/ghost")) == {
        ("changed state", "freezes person far/ana"),
        ("changed state", "members M-ana"),
        ("changed state", "member_verifications M-None 1 r2/rae"),
        ("changed state", "member_verifications M-None 1 r3/ghost"),
    }


async def test_an_edited_version_and_an_edited_review(books):
    second = (policy_versions.c.version == "v2",)
    edits = (
        (update(policy_versions).where(*second).values(state="published", serving=9), "policy_versions garden v2"),
        (update(policy_versions).where(policy_versions.c.version == "v1").values(asked_by=None),
         "policy_versions garden v1"),
        (delete(policy_versions).where(*second), "policy_versions garden v2"),
        (update(reviews).values(valid_until="2099-12-31"), "reviews garden m1"),
        (update(reviews).values(reviewer="green/pat"), "reviews garden m1"),
    )  # fmt: skip
    for edit, subject in edits:
        assert await named(books, edit) == {("changed state", subject)}


async def test_a_lost_event(books):
    event = await event_of(books, "Qfree")
    assert await named(books, delete(events).where(events.c.sequence == event.sequence)) == {
        ("lost event", "query Qfree")
    }


async def test_a_lost_event_of_an_invoiced_charge_is_missed_by_the_invoice_too(books):
    event = await event_of(books, "Qm")
    kinds = [d.kind for d in await differences(books, delete(events).where(events.c.sequence == event.sequence))]
    assert kinds[0] == "lost event"
    assert set(kinds[1:]) == {"changed invoice"}


def event(line):
    return insert(events).values(visibility="billing", dataset="shop", line=line)


async def test_an_extra_event_and_a_doubled_one(books):
    kept = await event_of(books, "Qfree")
    ghost = canonical({**json.loads(kept.line), "subject": "ghost", "id": "ghost"})
    assert await named(books, event(kept.line), event(ghost)) == {
        ("doubled event", "query Qfree"),
        ("extra event", "query ghost"),
    }


async def test_a_second_event_of_one_query_under_another_id(books):
    twin = canonical({**json.loads((await event_of(books, "Qfree")).line), "id": "twin"})
    assert {d.kind for d in await differences(books, event(twin))} == {"extra event", "changed event"}


@pytest.mark.parametrize("name", ["amount", "income_split", "epsilon", "rho", "delta", "organisation", "added"])
async def test_a_changed_event(books, name):
    event = await event_of(books, "Qf")
    raw = json.loads(event.line)
    raw["data"][name] = {"acme": "1.00"} if name == "income_split" else "0.77"
    found = await differences(
        books, update(events).where(events.c.sequence == event.sequence).values(line=canonical(raw))
    )
    assert (found[0].kind, found[0].subject) == ("changed event", "query Qf")
    assert found[0].detail.startswith(name)
    assert {d.kind for d in found[1:]} <= {"changed invoice", "unbilled event"}


@pytest.mark.parametrize(
    ("name", "value"), [("time", "2026-10-04T00:00:00.000000Z"), ("id", "x"), ("type", "gateway.query.refused")]
)
async def test_an_event_of_another_time_id_or_type(books, name, value):
    event = await event_of(books, "Qfree")
    line = canonical({**json.loads(event.line), name: value})
    assert await named(books, update(events).where(events.c.sequence == event.sequence).values(line=line)) == {
        ("changed event", "query Qfree")
    }


async def test_an_event_that_is_none(books):
    event = await event_of(books, "Qfree")
    assert await named(books, update(events).where(events.c.sequence == event.sequence).values(line="{")) == {
        ("changed event", f"event {event.sequence}"),
        ("lost event", "query Qfree"),
    }


async def test_a_missing_leaf(books):
    row = await one(books, select(queries).where(queries.c.query_id == "Qfree"))
    found = await named(books, delete(leaves).where(leaves.c.position == row.log_index))
    assert {
        ("missing leaf", f"leaf {row.log_index}"),
        ("missing leaf", "query Qfree"),
        ("extra event", "query Qfree"),
    } <= found
    assert {kind for kind, _ in found} == {"missing leaf", "extra event", "changed balance"}


@pytest.mark.parametrize("raw", [b"{}", b"[]", b"\xff", b'{"kind":"charged"'])
async def test_a_leaf_that_is_no_longer_one(books, raw):
    row = await one(books, select(queries).where(queries.c.query_id == "Qfree"))
    edit = update(leaves).where(leaves.c.position == row.log_index).values(leaf=raw)
    assert ("changed leaf", f"leaf {row.log_index}") in await named(books, edit)


async def test_a_leaf_that_says_something_else(books):
    row = await one(books, select(queries).where(queries.c.query_id == "Qfree"))
    leaf = json.loads((await one(books, select(leaves).where(leaves.c.position == row.log_index))).leaf)
    cheap = canonical({**leaf, "rho": "0.5"}).encode()
    found = await differences(books, update(leaves).where(leaves.c.position == row.log_index).values(leaf=cheap))
    assert {d.kind for d in found} == {"changed leaf", "changed query", "changed balance", "changed event"}
    assert {d.subject for d in found if d.kind == "changed query"} == {"query Qfree"}


async def test_a_tree_that_is_not_of_its_leaves(books):
    found = await differences(
        books,
        update(nodes).where(nodes.c.level == 1, nodes.c.position == 2).values(hash=bytes(32)),
        delete(nodes).where(nodes.c.level == 1, nodes.c.position == 0),
    )
    assert {d.subject for d in found} == {
        "node 2 of level 1", "node 1 of level 2", "node 0 of level 2", "node 0 of level 1"
    }  # fmt: skip
    assert {d.kind for d in found} == {"changed tree"}


async def test_a_doubled_charge(books):
    row = await one(books, select(queries).where(queries.c.query_id == "Qfree"))
    leaf = json.loads((await one(books, select(leaves).where(leaves.c.position == row.log_index))).leaf)
    kind = leaf.pop("kind")
    leaf.pop("time")
    again = await named(books, lambda c: log_leaves.append(c, kind, OCTOBER, leaf))
    assert again == {("doubled charge", "query Qfree")}


async def test_a_restored_store_need_not_have_the_queries_that_it_took_from_a_log(books):
    row = await one(books, select(queries).where(queries.c.query_id == "Qf"))
    last = (await one(books, select(leaves.c.position).order_by(leaves.c.position.desc()))).position
    gone = delete(queries).where(queries.c.query_id == "Qf")

    def replayed(count):
        return lambda c: log_leaves.append(c, "epoch", NOVEMBER, {"epoch": 2, "why": "restored", "replayed": count})

    assert await named(books, gone, replayed(last - row.log_index)) == {("missing query", "query Qf")}
    assert await named(books, gone, replayed(last - row.log_index + 1)) == set()


async def test_a_query_without_a_row_and_a_row_without_a_leaf(books):
    row = await one(books, select(queries).where(queries.c.query_id == "Qf"))
    ghost = {**row._mapping, "query_id": "Qghost", "idempotency_key": "ghost", "state": "running"}
    assert await named(books, delete(queries).where(queries.c.query_id == "Qf"), insert(queries).values(**ghost)) == {
        ("missing query", "query Qf"),
        ("missing leaf", "query Qghost"),
    }


@pytest.mark.parametrize("column", ["amount", "rho", "delta", "currency", "leaf_hash", "organisation", "dataset"])
async def test_an_edited_query(books, column):
    (found,) = await differences(books, update(queries).where(queries.c.query_id == "Qm").values({column: "7"}))
    assert (found.kind, found.subject) == ("changed query", "query Qm")
    assert found.detail.startswith(f"{column} is 7")


@pytest.mark.parametrize(("query", "values", "named_so"), [
    ("Qm", {"answer": b"better"}, {("changed answer", "query Qm")}),
    ("Qm", {"answer": None}, set()),  # an answer may be forgotten when its retention ends
    ("Qfree", {"state": "finished"}, {("missing leaf", "query Qfree")}),
    ("Qfree", {"state": "failed"}, {("missing leaf", "query Qfree")}),
    ("Qfree", {"state": "excused"}, {("missing leaf", "query Qfree"), ("changed query", "query Qfree")}),
    ("Qfree", {"state": "cancelled"}, {("missing leaf", "query Qfree"), ("changed query", "query Qfree")}),
    ("Qc", {"state": "failed"}, {("changed query", "query Qc")}),
    ("Qc", {"state": "excused"}, {("changed query", "query Qc")}),
])  # fmt: skip
async def test_an_answer_that_is_another_or_a_state_that_no_leaf_says(books, query, values, named_so):
    assert await named(books, update(queries).where(queries.c.query_id == query).values(**values)) == named_so


@pytest.mark.parametrize(
    ("edit", "subject"),
    [
        (update(topups).where(topups.c.topup_id == "T2").values(state="approved", decided_by="acme/bob"), "topups T2"),
        (update(topups).where(topups.c.topup_id == "T1").values(rho="41"), "topups T1"),
        (delete(topups).where(topups.c.topup_id == "T1"), "topups T1"),
        (insert(caps).values(buyer="org/bob", currency="CNY", per="day", amount="1"), "caps org/bob CNY day"),
        (update(caps).values(amount="900000001"), "caps org/ana CNY month"),
        (update(account_tables).values(account="fresh"), "account_tables duckdb:/data/shop customers"),
        (delete(account_tables), "account_tables duckdb:/data/shop customers"),
    ],
)
async def test_an_edited_limit(books, edit, subject):
    assert await named(books, edit) == {("changed limit", subject)}


async def test_a_limit_whose_leaf_was_edited(books):
    rows = await books.read(lambda c: c.execute(select(leaves)).all())
    row = [row for row in rows if b'"T2"' in row.leaf][-1]
    for raw in (b'{"kind":"topped-up"}', row.leaf.replace(b'"rho":"0.00000000004"', b'"rho":"much"')):
        edit = update(leaves).where(leaves.c.position == row.position).values(leaf=raw)
        assert ("changed leaf", "limits") in await named(books, edit)


async def document(store, number):
    row = await one(store, select(invoices).where(invoices.c.number == number))
    return json.loads(row.document)


async def test_an_edited_invoice(books):
    kept = await document(books, 1)
    line = kept["document"]["lines"][0]
    line["amount"] = "0.01"
    found = await differences(books, update(invoices).where(invoices.c.number == 1).values(document=canonical(kept)))
    assert {(d.kind, d.subject) for d in found} == {("changed invoice", "number 1")}
    found = [d.detail for d in found]
    assert any("commits to" in text for text in found)
    assert any("line 1 bills" in text for text in found)
    assert any("its total" in text for text in found)


@pytest.mark.parametrize(("path", "value", "says"), [
    ("events", "sha256:0", "not those that it bills"),
    ("lines", [], "it has no line for"),
    ("income", {"acme": "0"}, "does not sum to it"),
    ("organisation", "other", "lists it as another"),
])  # fmt: skip
async def test_an_invoice_that_is_not_of_its_events(books, path, value, says):
    number = (
        await one(
            books, select(invoices.c.number).where(invoices.c.kind == "invoice", invoices.c.organisation == "org")
        )
    ).number
    kept = await document(books, number)
    if path == "income":
        kept["document"]["lines"][-1]["income"] = value
    else:
        kept["document"][path] = value
    found = await differences(
        books, update(invoices).where(invoices.c.number == number).values(document=canonical(kept))
    )
    assert {d.kind for d in found} <= {"changed invoice", "unbilled event"}
    assert any(says in d.detail for d in found)


async def test_an_invoice_that_is_gone_or_that_nothing_stands_behind(books):
    found = await named(books, delete(invoices).where(invoices.c.number == 1))
    assert ("missing invoice", "number 1") in found
    assert {kind for kind, _ in found} <= {"missing invoice", "unbilled event"}
    last = (await one(books, select(invoices.c.number).order_by(invoices.c.number.desc()))).number
    kept = await document(books, last)
    kept["document"]["number"] = last + 1
    row = await one(books, select(invoices).where(invoices.c.number == last))
    ghost = {**row._mapping, "number": last + 1, "document": canonical(kept)}
    assert ("missing leaf", f"number {last + 1}") in await named(books, insert(invoices).values(**ghost))


async def test_a_last_invoice_that_is_gone_is_missed_by_the_log(books):
    last = (await one(books, select(invoices.c.number).order_by(invoices.c.number.desc()))).number
    found = await named(books, delete(invoices).where(invoices.c.number == last))
    assert found == {("missing invoice", f"number {last}")}


async def test_an_invoice_that_cannot_be_read(books):
    edit = update(invoices).where(invoices.c.number == 1).values(document="{}")
    assert ("changed invoice", "number 1") in await named(books, edit)


async def test_an_invoice_that_bills_what_another_bills(books):
    row = await one(books, select(invoices).where(invoices.c.number == 1))
    again = {**row._mapping, "number": 99, "document": row.document.replace('"number":1,', '"number":99,')}
    assert ("doubled invoice", "number 99") in await named(books, insert(invoices).values(**again))


async def test_a_charge_that_came_after_its_period_was_invoiced(books):
    late = priced("late", "1.00", organisation="late", accounts=(), currency="EUR")
    commit = {"sql": "c"}

    def charge(connection):
        leaf = log_leaves.decided(connection, "gw", "charged", late, OCTOBER, commit)
        charging.open_query(connection, late, OCTOBER, charging.Opening("running", b"", leaf, 1))

    found = await named(books, charge)
    assert ("unbilled event", "query Qlate") in found
    assert {kind for kind, _ in found} == {"unbilled event", "changed balance"}, "its purse was left out here"
