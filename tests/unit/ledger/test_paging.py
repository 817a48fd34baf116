"""Listings a page at a time on both stores: each row once, in one order, whatever is added meanwhile; cursors of ours alone."""

import base64
import json

import pytest
from support.stores import code_of

from gateway.ledger.cases import Cases
from gateway.ledger.granting import Grants
from gateway.ledger.members import Application, Members, Shown
from gateway.ledger.paging import Listed, Page, all_of
from gateway.ledger.registering import Draft, Registry
from gateway.store.tables import cases as case_rows

SEEN = (Shown("register", "x"),)


async def pages(ask, limit, between=None):
    """Return what each page has, one after another; what is done between the first and the second may add rows."""
    found, after = [], None
    while True:
        listed = await ask(Page(limit, after))
        found.append(list(listed))
        if listed.cursor is None:
            return found
        after = listed.cursor
        if between is not None and len(found) == 1:
            await between()


def case(number, at, buyer="org/ana", provider="acme"):
    return {
        "case_id": f"C{number:02}", "query_id": f"Q{number}", "buyer": buyer, "organisation": "org", "dataset": "shop",
        "provider": provider, "amount": "1", "currency": "CNY", "decision_index": 0, "reason": "r", "opened_by": buyer,
        "opened_at_us": at, "state": "opened",
    }  # fmt: skip


async def test_cases_the_latest_first_of_those_who_may_see_them(store, clock):
    book = Cases(store, clock)
    sides = [("org/ana", "acme"), ("org/ana", None), ("lab/liu", "acme"), ("lab/liu", "others")]
    rows = [case(number, at=7 - number // 3, buyer=b, provider=p) for number, (b, p) in enumerate(sides * 2)]
    await store.run(lambda c: c.execute(case_rows.insert(), rows))

    async def later():
        await store.run(lambda c: c.execute(case_rows.insert(), [case(99, at=99)]))

    found = await pages(book.listed, 3, later)
    assert [[one.case_id for one in page] for page in found] == [
        ["C02", "C01", "C00"], ["C05", "C04", "C03"], ["C07", "C06"],
    ], "what comes meanwhile is before the first page"  # fmt: skip
    mine = await all_of(lambda page: book.listed(page, buyer="org/ana", provider="others"))
    assert [one.case_id for one in mine] == ["C99", "C01", "C00", "C05", "C04", "C03", "C07"]
    assert [len(page) for page in await pages(book.listed, 9)] == [9]


async def test_grants_members_and_versions(store, clock):
    grants, members = Grants(store, clock), Members(store, clock)
    registry = Registry(store, clock, required=False)
    for number in range(5):
        clock.pass_(number % 2)
        await grants.request(f"G{number}", "acme", "shop", "org" if number != 2 else "lab", "{}", "why", "org/ana")
        await registry.draft(Draft("shop", f"v{number}", "acme", "m", f"text {number}"), "acme/eve")
    for name, issuer in (("Öl", ""), ("a/b", "x"), ("a/b", "y"), ("a", ""), ("B", "")):
        subject = None if issuer == "" else "b"
        asked = Application(name.partition("/")[0], subject, issuer, "n", "c", SEEN)
        await members.apply(f"M{name}{issuer}", asked, "org/ana")

    whole = [one.grant_id for one in await grants.listed(None, None)]
    assert whole == ["G4", "G3", "G2", "G1", "G0"]
    for limit in (1, 2, 5):
        found = await pages(lambda page: grants.listed(None, None, page), limit)
        assert [one.grant_id for page in found for one in page] == whole
        assert {len(page) for page in found[:-1]} <= {limit}
        found = await pages(lambda page: registry.versions("shop", page), limit)
        assert [one.version for page in found for one, _ in page] == [f"v{number}" for number in range(5)]
        found = await pages(members.listed, limit)
        assert sorted(one.member_id for page in found for one in page) == ["MB", "Ma", "Ma/bx", "Ma/by", "MÖl"]
        of = await pages(lambda page: members.listed(page, organisation="a", state="applied"), limit)
        assert [one.member_id for page in of for one in page] == ["Ma", "Ma/bx", "Ma/by"]
    assert [one.grant_id for one in await grants.listed("lab", None)] == ["G2"]
    assert [one.member_id for one in await members.listed(organisation="a", subject="c")] == ["Ma"]
    assert not await members.listed(state="suspended")


def cursor(place, text=None):
    return base64.urlsafe_b64encode((text or json.dumps(place, separators=(",", ":"))).encode()).decode().rstrip("=")


@pytest.mark.parametrize("after", [
    "", "x", "ä", "!!!!", "A" * 3000, cursor({}), cursor(7), cursor([]), cursor(["C1", 7]), cursor([7]), cursor([7, 8]),
    cursor([7, "C1", 1]), cursor([True, "C1"]), cursor([7.0, "C1"]), cursor([2**63, "C1"]), cursor([7, "\0"]),
    cursor([7, "\ud800"]), cursor(None, '[7, "C1"]'), cursor([7, "C1"]) + "=", cursor(None, "[" * 1200),
])  # fmt: skip
async def test_what_is_no_cursor_of_ours_is_refused(store, clock, after):
    assert await code_of(Cases(store, clock).listed(Page(1, after))) == "bad_request"


async def test_a_cursor_of_what_is_gone_continues_after_its_place(store, clock):
    rows = [case(number, at=9) for number in range(4)]
    await store.run(lambda c: c.execute(case_rows.insert(), rows))
    first = await Cases(store, clock).listed(Page(2))
    await store.run(lambda c: c.execute(case_rows.delete().where(case_rows.c.case_id == "C02")))
    assert [one.case_id for one in await Cases(store, clock).listed(Page(2, first.cursor))] == ["C01", "C00"]


def test_a_page_is_a_sequence_and_a_document():
    page = Listed(({"n": 1}, {"n": 2}), "more")
    assert (len(page), page[1], list(page[1:]), {"n": 2} in page) == (2, {"n": 2}, [{"n": 2}], True)
    assert page.document("cases") == {"cases": [{"n": 1}, {"n": 2}], "cursor": "more"}
