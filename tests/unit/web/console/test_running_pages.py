"""A question that takes its time: the page of its stages, its end, and what a form that is refused keeps."""

import asyncio

from support.consoles import OURS, QUERY_ID, Service, console, csrf, signed_in

from gateway.app.tracking import CURRENT
from gateway.errors import GatewayError, Position
from gateway.stages import Stage


class Slow(Service):
    """Charges at once, and answers when it is let."""

    def __init__(self):
        super().__init__()
        self.let = asyncio.Event()

    async def answer(self, request, caller, *, new=False):
        question = CURRENT.get()
        question.paid(QUERY_ID)
        question.enter(Stage.EXECUTE)
        await self.let.wait()
        return await super().answer(request, caller)


async def ask(client, **form):
    sent = {"csrf": await csrf(client), "sql": "SELECT 1 FROM t"} | form
    return await client.post("/console/ask", data=sent, headers=OURS, allow_redirects=False)


async def test_a_charged_question_is_followed_stage_by_stage():
    service = Slow()
    async with console(service) as client:
        await signed_in(client)
        reply = await ask(client)
        assert reply.headers["Location"] == f"/console/queries/{QUERY_ID}"
        page = await (await client.get(f"/console/queries/{QUERY_ID}")).text()
        assert '<li class="now" aria-current="step">Execute</li>' in page
        assert '<noscript><meta http-equiv="refresh" content="2"></noscript>' in page
        part = await client.get(f"/console/queries/{QUERY_ID}/progress")
        assert "HX-Refresh" not in part.headers
        service.let.set()
        await asyncio.sleep(0.05)
        part = await client.get(f"/console/queries/{QUERY_ID}/progress")
        assert part.headers["HX-Refresh"] == "true"


async def test_cancelling_ends_the_work():
    service = Slow()
    async with console(service) as client:
        await signed_in(client)
        await ask(client)
        form = {"csrf": await csrf(client)}
        address = f"/console/queries/{QUERY_ID}/cancel"
        reply = await client.post(address, data=form, headers=OURS, allow_redirects=False)
        assert (reply.status, reply.headers["Location"]) == (303, f"/console/queries/{QUERY_ID}")
    assert service.asked == []


async def test_what_is_refused_stays_in_the_form():
    service = Service()
    service.refusal = GatewayError("unknown_column", "No such column.", "Look.", Position(1, 8))
    async with console(service) as client:
        await signed_in(client)
        reply = await ask(client, sql="SELECT b FROM t", aim="epsilon", amount="0.5", dialect="trino", purpose="p")
        page = await reply.text()
    assert reply.status == 400
    for kept in (">\nSELECT b FROM t</textarea>", 'value="0.5"', '<option value="epsilon" selected>', "<option selected>trino",
                 'value="p"', "<mark>b</mark>"):  # fmt: skip
        assert kept in page


async def test_a_receipt_that_does_not_verify_is_not_called_verified():
    async with console(Service()) as client:
        await signed_in(client)
        for address in (f"/console/queries/{QUERY_ID}", f"/console/queries/{QUERY_ID}/receipt"):
            page = await (await client.get(address)).text()
            assert "not verified" in page
            assert "✓" not in page


async def test_an_answer_and_a_receipt_are_files_of_their_query():
    async with console(Service()) as client:
        await signed_in(client)
        for form in ("json", "ndjson", "csv", "arrow"):
            reply = await client.get(f"/console/queries/{QUERY_ID}/answer?format={form}")
            assert reply.headers["Content-Disposition"] == f'attachment; filename="{QUERY_ID}.{form}"'
        reply = await client.get(f"/console/queries/{QUERY_ID}/receipt.json")
        assert reply.headers["Content-Disposition"] == f'attachment; filename="{QUERY_ID}.receipt.json"'
        assert (await client.get(f"/console/queries/{QUERY_ID}/answer?format=xlsx")).status == 400
        assert (await client.get("/console/queries/%22%0d%0aX:y/receipt.json")).status == 404
        strange = await client.get("/console/queries/%22X:y/receipt.json")
        assert strange.headers["Content-Disposition"] == 'attachment; filename="Xy.receipt.json"'
