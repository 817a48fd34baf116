"""The page of members: forms for whoever may verify or suspend, and what they ask for."""

import pytest
from support.consoles import HOSTILE, OURS, Members, Service, console, csrf_of, signed_in

from gateway.errors import GatewayError


@pytest.mark.parametrize(("role", "state", "deeds"), [
    ("reviewer", "applied", {"verify"}), ("reviewer", "verified", set()), ("reviewer", "suspended", {"verify"}),
    ("supervisor", "applied", {"suspend"}), ("supervisor", "suspended", set()),
])  # fmt: skip
async def test_a_form_is_there_where_it_does_something(role, state, deeds):
    async with console(Service(role), members=Members(state)) as client:
        await signed_in(client)
        text = await (await client.get("/console/members")).text()
    assert {deed for deed in ("verify", "suspend") if f'action="/console/members/{deed}"' in text} == deeds


async def test_forms_verify_and_suspend_with_a_reason():
    members = Members()
    async with console(Service("reviewer", "supervisor"), members=members) as client:
        await signed_in(client)
        sent = {"member_id": "M1", "reason": " a complaint ", "csrf": await csrf_of(client, "/console/members")}
        for deed in ("verify", "suspend"):
            reply = await client.post(f"/console/members/{deed}", data=sent, headers=OURS, allow_redirects=False)
            assert (reply.status, reply.headers["Location"]) == (303, "/console/members")
            assert (await client.post(f"/console/members/{deed}", data=sent | {"csrf": ""}, headers=OURS)).status == 403
        reply = await client.post("/console/members/suspend", data=sent | {"reason": " "}, headers=OURS)
        assert reply.status == 400
    assert members.asked == [("verify", HOSTILE, "M1"), ("suspend", HOSTILE, "M1", "a complaint")]


@pytest.mark.parametrize(("deed", "field"), [("verify", "verify"), ("suspend", "reason")])
@pytest.mark.parametrize(("member_id", "kept"), [("M1", 1), ("M2", 0)])
async def test_a_refusal_stands_at_the_member_and_the_reason_stays(deed, field, member_id, kept):
    class Refusing(Members):
        async def verify(self, _caller, _member_id):
            raise GatewayError("two_persons", "You have verified it.", "Ask another reviewer.")

        async def suspend(self, _caller, _member_id, _reason):
            raise GatewayError("member_conflict", "It is suspended.", "Look again.")

    async with console(Service("reviewer", "supervisor"), members=Refusing()) as client:
        await signed_in(client)
        sent = {"member_id": member_id, "reason": "a complaint", "csrf": await csrf_of(client, "/console/members")}
        reply = await client.post(f"/console/members/{deed}", data=sent, headers=OURS)
        text = await reply.text()
        assert reply.status in (403, 409)
        assert (text.count(f'id="{field}-fault"'), text.count('value="a complaint"')) == (1, kept)
        reply = await client.get(f"/console/members/{deed}", allow_redirects=False)
        assert (reply.status, reply.headers["Location"]) == (303, "/console/members")
