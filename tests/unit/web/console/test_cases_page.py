"""The pages of cases: what their forms ask for, where a refusal stands, and that nothing of what was typed is lost."""

import io
import zipfile
from decimal import Decimal

import pytest
from support.consoles import CASE_ID, HOSTILE, OURS, QUERY_ID, Disputes, Service, console, csrf_of, signed_in

from gateway.errors import GatewayError
from gateway.ledger.paging import Listed

HERE = "/console/cases"
CASE = f"{HERE}/{CASE_ID}"


async def sent(client, address, form, page=None):
    """Send a form of a page; return the reply and its text."""
    form = form | {"csrf": await csrf_of(client, page or address)}
    reply = await client.post(address, data=form, headers=OURS, allow_redirects=False)
    return reply, await reply.text()


async def test_a_case_is_opened_with_a_reason_and_shown():
    disputes = Disputes()
    async with console(Service("buyer"), disputes=disputes) as client:
        await signed_in(client)
        reply, _ = await sent(client, HERE, {"query_id": f" {QUERY_ID} ", "reason": "two\r\nlines"})
        assert (reply.status, reply.headers["Location"]) == (303, CASE)
        assert (await client.post(HERE, data={"query_id": QUERY_ID, "reason": "x"}, headers=OURS)).status == 403
    assert disputes.asked == [("open", HOSTILE, QUERY_ID, "two lines")]


@pytest.mark.parametrize(
    ("finding", "asked"), [({"refund": "0.50"}, Decimal("0.50")), ({"refund": " "}, None), ({}, None)]
)
async def test_an_arbiter_decides_with_a_refund_or_without(finding, asked):
    disputes = Disputes()
    async with console(Service("arbiter"), disputes=disputes) as client:
        await signed_in(client)
        reply, _ = await sent(client, CASE, {"finding": "half of it", **finding})
        assert (reply.status, reply.headers["Location"]) == (303, CASE)
    assert disputes.asked == [("decide", HOSTILE, CASE_ID, "half of it", asked)]


NO_QUERY = GatewayError("not_found", "There is no such query of yours.", "Use the query_id of an answer.")
TOO_MUCH = GatewayError("bad_request", "That amount cannot be given back.", "At most 4.50 CNY was charged.")
A_PARTY = GatewayError("forbidden", "Nobody decides a case of its own.", "Ask another arbiter.")


@pytest.mark.parametrize(("role", "address", "form", "refusal", "field"), [
    ("buyer", HERE, {"query_id": "q7", "reason": "odd"}, NO_QUERY, "query_id"),
    ("buyer", HERE, {"query_id": "q7", "reason": ""}, None, "reason"),
    ("arbiter", CASE, {"finding": "odd", "refund": "99"}, TOO_MUCH, "refund"),
    ("arbiter", CASE, {"finding": "odd", "refund": "much"}, None, "refund"),
    ("arbiter", CASE, {"finding": "", "refund": "1"}, None, "finding"),
    ("arbiter", CASE, {"finding": "odd", "refund": "1"}, A_PARTY, "form"),
])  # fmt: skip
async def test_a_refusal_stands_at_its_field_and_what_was_typed_stays(role, address, form, refusal, field):
    disputes = Disputes(refusal=refusal)
    async with console(Service(role), disputes=disputes) as client:
        await signed_in(client)
        reply, text = await sent(client, address, form)
    assert reply.status == (refusal.status if refusal else 400)
    assert f'id="{field}-fault"' in text
    assert text.count("-fault") == (1 if field == "form" else 2)  # the field says where it is described
    assert all(value in text for value in form.values())
    if refusal is not None:
        assert refusal.hint in text
    assert disputes.asked == []


@pytest.mark.parametrize(("role", "state", "forms"), [
    ("buyer", "opened", 0), ("arbiter", "opened", 1), ("arbiter", "decided", 0), ("supervisor", "opened", 0),
])  # fmt: skip
async def test_the_form_of_a_finding_is_there_where_it_does_something(role, state, forms):
    async with console(Service(role), disputes=Disputes(state)) as client:
        await signed_in(client)
        assert (await (await client.get(CASE)).text()).count(f'action="{CASE}"') == forms


async def test_who_is_no_party_opens_none_and_other_roles_see_none():
    disputes = Disputes()
    async with console(Service("arbiter"), disputes=disputes) as client:
        await signed_in(client)
        assert 'name="query_id"' not in await (await client.get(HERE)).text()
        reply, _ = await sent(client, HERE, {"query_id": QUERY_ID, "reason": "x"}, CASE)
        assert reply.status == 403
    async with console(Service("billing", "reviewer"), disputes=disputes) as client:
        await signed_in(client)
        for address in (HERE, CASE, f"{CASE}/evidence", f"{CASE}/evidence.zip"):
            assert (await client.get(address)).status == 403
    assert disputes.asked == []


async def test_a_long_list_goes_on_from_page_to_page():
    class Many(Disputes):
        async def cases(self, _caller, page):
            return Listed((self.one,) * 3, "a/cursor") if page.after is None else Listed((self.one,), None)

    async with console(Service("arbiter"), disputes=Many()) as client:
        await signed_in(client)
        first = await (await client.get(HERE)).text()
        assert first.count(f'href="{CASE}"') == 3
        assert f'href="{HERE}"' + ">" not in first.split("<main")[1]
        last = await (await client.get(f"{HERE}?after=a/cursor")).text()
    assert f'href="{HERE}?after=a/cursor"' in first
    assert last.count(f'href="{CASE}"') == 1
    assert "?after=" not in last


async def test_the_evidence_is_saved_as_the_bundle():
    async with console(Service("arbiter")) as client:
        await signed_in(client)
        reply = await client.get(f"{CASE}/evidence.zip")
        assert reply.headers["Content-Disposition"] == f'attachment; filename="{CASE_ID}.zip"'
        found = zipfile.ZipFile(io.BytesIO(await reply.read()))
    assert found.namelist() == ["event.json", "policy.json", "receipt.json"]
    assert found.read("policy.json").decode() == HOSTILE
