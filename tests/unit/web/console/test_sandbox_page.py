"""The page of the sandbox: what is tried is marked as synthetic, and its text is kept for the true question."""

import json

from support.consoles import ANSWER, OURS, Service, console, csrf_of, signed_in

from gateway.errors import GatewayError, Position

SQL = "SELECT a\nFROM t"
MARK = "Rows that nobody has"


class Trying(Service):
    async def answer(self, request, caller, *, new=False):
        await super().answer(request, caller)
        return json.dumps(ANSWER | {"sandbox": True}).encode()


async def tried(service, sql=SQL):
    async with console(service) as client:
        await signed_in(client)
        form = {"csrf": await csrf_of(client, "/console/sandbox"), "nonce": "0" * 32, "dataset": "shop", "sql": sql}
        reply = await client.post("/console/sandbox", data=form, headers=OURS)
        return reply.status, await reply.text()


async def test_what_is_tried_is_asked_of_the_sandbox_and_marked():
    service = Trying("buyer")
    status, text = await tried(service)
    assert status == 200
    assert [(request.mode, request.sql) for request in service.asked] == [("sandbox", SQL)]
    assert service.asked[0].idempotency_key.startswith("console-" + "0" * 32)
    assert MARK in text
    assert 'class="card synthetic"' in text
    assert f">\n{SQL}</textarea>" in text
    assert 'formaction="/console/quote"' in text


async def test_a_refusal_stands_at_the_text_which_stays():
    service = Service("buyer")
    service.refusal = GatewayError("unknown_table", "There is no such table.", "Look at the dataset.", Position(2, 6))
    status, text = await tried(service)
    assert status == 400
    assert 'data-line="2" data-column="6"' in text
    assert "Look at the dataset." in text
    assert f">\n{SQL}</textarea>" in text


async def test_an_answer_of_the_sandbox_says_so_wherever_it_is_shown():
    class Kept(Service):
        async def query(self, caller, query_id):
            found = await super().query(caller, query_id)
            return found | {"answer": found["answer"] | {"sandbox": True}}

    for service, marked in ((Kept("buyer"), True), (Service("buyer"), False)):
        async with console(service) as client:
            await signed_in(client)
            text = await (await client.get(f"/console/queries/{ANSWER['query_id']}")).text()
        assert (MARK in text) is marked
        assert ("/console/cases?query_id=" in text) is not marked  # what cost nothing is not disputed


async def test_nobody_but_a_buyer_tries():
    service = Service("provider")
    async with console(service) as client:
        await signed_in(client)
        for address in ("/console/sandbox", "/console/sandbox/rows?dataset=shop"):
            assert (await client.get(address)).status == 403
