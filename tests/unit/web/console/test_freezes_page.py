"""The page of freezes: what its forms ask for, and nothing that a form adds."""

from urllib.parse import urlencode

import pytest
from support.consoles import HOSTILE, OURS, Service, Supervision, console, csrf_of, signed_in

from gateway.errors import GatewayError


@pytest.mark.parametrize(
    ("form", "asked"),
    [
        ({"scope": "buyer", "organisation": "widgets", "subject": " ana "}, ("buyer", "widgets/ana")),
        ({"scope": "all", "organisation": "left over", "dataset": ""}, ("all", "")),
        ({"scope": "dataset", "dataset": "shop", "query_id": "left over"}, ("dataset", "shop")),
    ],
)
async def test_a_form_freezes_what_its_scope_names(form, asked):
    supervision = Supervision()
    async with console(Service("supervisor"), supervision=supervision) as client:
        await signed_in(client)
        sent = {**form, "reason": "an alert", "csrf": await csrf_of(client, "/console/freezes")}
        reply = await client.post("/console/freeze", data=sent, headers=OURS, allow_redirects=False)
        assert (reply.status, reply.headers["Location"]) == (303, "/console/freezes")
    assert supervision.asked == [("freeze", *asked, "an alert")]


@pytest.mark.parametrize(
    "form", [{"scope": "buyer", "organisation": "widgets"}, {"scope": "galaxy"}, {"scope": "all", "reason": " "}]
)
async def test_a_form_that_names_nothing_is_refused(form):
    supervision = Supervision()
    async with console(Service("supervisor"), supervision=supervision) as client:
        await signed_in(client)
        sent = {"reason": "an alert", **form, "csrf": await csrf_of(client, "/console/freezes")}
        assert (await client.post("/console/freeze", data=sent, headers=OURS)).status == 400
        assert (await client.post("/console/unfreeze", data=sent | {"scope": "x"}, headers=OURS)).status == 400
    assert supervision.asked == []


async def test_a_freeze_is_lifted_with_a_reason():
    supervision = Supervision()
    async with console(Service("supervisor"), supervision=supervision) as client:
        await signed_in(client)
        mark = await csrf_of(client, "/console/freezes")
        sent = {"scope": "all", "name": "", "reason": "looked at", "csrf": mark}
        reply = await client.post("/console/unfreeze", data=sent, headers=OURS, allow_redirects=False)
        assert reply.status == 303
        for missing in ("csrf", "reason"):
            left = {name: value for name, value in sent.items() if name != missing}
            assert (await client.post("/console/unfreeze", data=left, headers=OURS)).status in (400, 403)
    assert supervision.asked == [("unfreeze", "all", "", "looked at")]


@pytest.mark.parametrize("held", [{"name": "a\0b"}, {"reason": "a\0b"}, {"a\0b": "x"}])
async def test_a_nul_reaches_no_store(held):
    supervision = Supervision()
    async with console(Service("supervisor"), supervision=supervision) as client:
        await signed_in(client)
        form = {"scope": "query", "name": "q", "reason": "r", **held, "csrf": await csrf_of(client, "/console/freezes")}
        sent, media = urlencode(form), {"Content-Type": "application/x-www-form-urlencoded"}
        reply = await client.post("/console/unfreeze", data=sent, headers=OURS | media, allow_redirects=False)
        assert reply.status == 400
    assert supervision.asked == []


@pytest.mark.parametrize(("form", "field"), [
    ({"scope": "buyer", "organisation": "widgets"}, "subject"), ({"scope": "buyer", "subject": "ana"}, "organisation"),
    ({"scope": "dataset", "dataset": "x" * 129}, "dataset"), ({"scope": "all", "reason": "r" * 501}, "reason"),
])  # fmt: skip
async def test_a_refusal_stands_at_its_field_and_what_was_typed_stays(form, field):
    async with console(Service("supervisor"), supervision=Supervision()) as client:
        await signed_in(client)
        sent = {"reason": "an alert", **form, "csrf": await csrf_of(client, "/console/freezes")}
        reply = await client.post("/console/freeze", data=sent, headers=OURS)
        text = await reply.text()
        assert reply.status == 400
        assert f'id="{field}-fault"' in text
        assert "Value error" not in text
        assert all(f'value="{sent[name]}"' in text for name in sent if name != "csrf")
        reply = await client.get("/console/freeze", allow_redirects=False)
        assert (reply.status, reply.headers["Location"]) == (303, "/console/freezes")


@pytest.mark.parametrize("reason", ["r" * 501, "two\nlines", "a\x1b[2Jb"])
async def test_a_lift_has_the_reason_that_was_written_or_none(reason):
    supervision = Supervision()
    async with console(Service("supervisor"), supervision=supervision) as client:
        await signed_in(client)
        sent = {"scope": "all", "name": "", "reason": reason, "csrf": await csrf_of(client, "/console/freezes")}
        reply = await client.post("/console/unfreeze", data=sent, headers=OURS, allow_redirects=False)
        assert (reply.status, 'id="lift-fault"' in await reply.text()) == (400, True)
    assert supervision.asked == []


async def test_a_lift_that_is_refused_keeps_its_reason_where_it_was_written():
    class Lifted(Supervision):
        async def unfreeze(self, _caller, _scope, _name, _reason):
            raise GatewayError("not_found", "It is not frozen.", "Look again.")

    async with console(Service("supervisor"), supervision=Lifted()) as client:
        await signed_in(client)
        mark = await csrf_of(client, "/console/freezes")
        for name, value in ((HOSTILE, 1), ("another", 0)):
            sent = {"scope": "buyer", "name": name, "reason": "looked at", "csrf": mark}
            reply = await client.post("/console/unfreeze", data=sent, headers=OURS)
            text = await reply.text()
            assert (reply.status, text.count('value="looked at"'), text.count('id="lift-fault"')) == (404, value, 1)
