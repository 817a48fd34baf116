"""Documents and events: the console names them, and hands them over as the API does."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal as D

from support.consoles import HOSTILE, Service, console, signed_in

from gateway.errors import GatewayError
from gateway.metering.invoices import CREDIT_NOTE, INVOICE, Bill, Line, statements
from gateway.metering.issuing import Issued
from gateway.metering.papers import Papers, as_csv, content_security_policy
from gateway.metering.periods import month

PERIOD = month("2026-10", "UTC")
LINE = Line(1, HOSTILE, "g", "plan", "sha256:aa", 3, D("1.5"), D("1234.50"), {HOSTILE: D("1234.50")})
INVOICED = Bill(INVOICE, 7, HOSTILE, "CNY", PERIOD, (LINE,), "sha256:bb", datetime(2026, 11, 1, tzinfo=UTC))
NOTE = replace(INVOICED, kind=CREDIT_NOTE, number=8, corrects=7, reason=HOSTILE)
PAPERS = Papers(PERIOD, (Issued(INVOICED), Issued(NOTE)), statements((INVOICED, NOTE)))


class Billed(Service):
    async def invoices(self, _caller, period):
        assert period == "2026-10"
        return PAPERS


async def test_documents_are_named_with_links_to_their_formats():
    async with console(Billed("billing")) as client:
        await signed_in(client)
        text = await (await client.get("/console/billing?period=2026-10")).text()
        assert HOSTILE not in text
        assert [word in text for word in ("Invoice 7", "Credit note 8", "Statement", "1234.50 CNY")] == [True] * 4
        for form, media in (("csv", "text/csv"), ("html", "text/html"), ("json", "application/json")):
            address = f"/console/billing/invoices?period=2026-10&format={form}"
            assert address.replace("&", "&amp;") in text
            assert (await client.get(address)).content_type == media
        assert await (await client.get("/console/billing/invoices?period=2026-10&format=csv")).text() == as_csv(PAPERS)
        page = await client.get("/console/billing/invoices?period=2026-10&format=html")
        assert page.headers["Content-Security-Policy"] == content_security_policy()


async def test_events_are_a_file_of_json_lines():
    async with console(Billed("billing")) as client:
        await signed_in(client)
        reply = await client.get("/console/billing/events")
        assert reply.headers["Content-Disposition"] == 'attachment; filename="events-1-1.jsonl"'
        assert (await reply.text()).endswith("}\n")


async def test_a_buyer_sees_its_documents_and_no_events():
    async with console(Billed("buyer")) as client:
        await signed_in(client)
        text = await (await client.get("/console/billing?period=2026-10")).text()
    assert "Invoice 7" in text
    assert "<h2>Events</h2>" not in text


async def test_a_buyer_whose_provider_role_is_over_nothing_here_sees_its_documents_all_the_same():
    class Elsewhere(Billed):
        async def latest(self, _caller, _limit):
            raise GatewayError("forbidden", "Meter events are for billing and the provider.")

    async with console(Elsewhere("buyer", "provider")) as client:
        await signed_in(client)
        reply = await client.get("/console/billing?period=2026-10")
        text = await reply.text()
    assert reply.status == 200
    assert "Invoice 7" in text
    assert "<h2>Events</h2>" not in text
