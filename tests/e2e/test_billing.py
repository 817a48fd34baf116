"""Billing over HTTP: who may read which documents, in which form; meter events arrive in files."""

import asyncio
import json
import re
import time
from datetime import UTC, datetime

import pytest
from support.billing import priced
from support.stores import Clock, ledger_of
from typer.testing import CliRunner

from gateway.cli.main import app
from gateway.store.database import open_store

OCTOBER = datetime(2024, 10, 3, 8, 0, tzinfo=UTC)


@pytest.fixture
def billed(own, tmp_path):
    """A gateway whose store has an earlier month, invoiced."""
    gateway = own(GATEWAY_METER_FILES=str(tmp_path / "meter"))

    async def plant():
        store = await open_store(gateway.state)
        ledger = ledger_of(store, Clock(OCTOBER))
        await ledger.charge(priced(1, "1.50", organisation="widgets"))
        await ledger.charge(priced(2, "2.25", organisation="gadgets"))
        await ledger.charge(priced(3, "4.00", organisation="gadgets", dataset="another's"))
        await store.close()

    asyncio.run(plant())
    done = CliRunner().invoke(app, ["bill", "issue", "--period", "2024-10", "--state", str(gateway.state)])
    assert done.exit_code == 0, done.output
    return gateway


def invoices(gateway, *roles, organisation="acme", query="period=2024-10"):
    token = gateway.token("clerk", organisation, roles, None)
    return gateway.call("GET", f"/v1/invoices?{query}", token=token)


def test_documents_over_http_and_events_in_files(billed, tmp_path):
    gateway = billed
    status, body = invoices(gateway, "billing", organisation="exchange")
    assert status == 200
    content = json.loads(body)
    totals = {one["document"]["organisation"]: one["document"]["total"] for one in content["invoices"]}
    assert totals == {"widgets": "1.50", "gadgets": "6.25"}
    assert sum(float(one["total"]) for one in content["statements"]) == 7.75
    # a buyer sees its own, and no statements
    content = json.loads(invoices(gateway, "buyer", organisation="widgets")[1])
    assert [one["document"]["organisation"] for one in content["invoices"]] == ["widgets"]
    assert "statements" not in content
    assert json.loads(invoices(gateway, "buyer", organisation="strangers")[1])["invoices"] == []
    # a provider sees what its datasets brought in, and nobody's invoices
    content = json.loads(invoices(gateway, "provider")[1])
    assert "invoices" not in content
    assert {share["dataset"] for one in content["statements"] for share in one["shares"]} == {"shop"}
    assert sum(float(one["total"]) for one in content["statements"]) == 3.75
    for roles, organisation in ((("provider",), "widgets"), (("supervisor",), "acme"), ((), "acme")):
        assert invoices(gateway, *roles, organisation=organisation)[0] == 403
    for query in ("period=", "", "period=2024-13", "period=2024-10&format=pdf"):
        assert invoices(gateway, "billing", query=query)[0] == 400
    # the query of a real buyer is in the files, as billing reads it over HTTP
    assert gateway.ask("SELECT COUNT(*) AS n FROM purchases")[0] == 200
    events = gateway.events("billing")
    until = time.monotonic() + 30
    while len(written := lines(tmp_path / "meter")) < len(events) and time.monotonic() < until:
        time.sleep(0.1)
    assert [json.loads(line) for line in written] == events
    (charged,) = [e for e in events if e["data"]["organisation"] == "widgets" and e["time"] > "2025"]
    assert charged["data"]["tables"] == ["purchases"]
    done = CliRunner().invoke(app, ["audit", "reconcile", "--state", str(gateway.state)])
    assert done.exit_code == 0, done.output


def lines(folder):
    return [line for path in sorted(folder.glob("*.jsonl")) for line in path.read_text().splitlines()]


def test_a_page_comes_with_its_own_policy_and_csv_as_a_file(billed):
    import urllib.request

    def get(form):
        request = urllib.request.Request(f"{billed.url}/v1/invoices?period=2024-10&format={form}")
        request.add_header("Authorization", f"Bearer {billed.token('clerk', 'acme', ('billing',), None)}")
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.headers, reply.read().decode()

    headers, page = get("html")
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert re.fullmatch(
        r"default-src 'none'; style-src 'sha256-[^']+'; .*frame-ancestors 'none'", headers["Content-Security-Policy"]
    )
    assert headers["Cache-Control"] == "no-store"
    assert "gadgets" in page
    headers, table = get("csv")
    assert headers["Content-Disposition"] == 'attachment; filename="invoices-2024-10.csv"'
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; frame-ancestors")
    assert len(table.splitlines()) == 4


def test_a_price_knows_nothing_of_the_data(own):
    gateway = own()
    body = {"sql": "SELECT cohort, COUNT(*) AS n FROM customers GROUP BY cohort"}
    quoted = json.loads(gateway.call("POST", "/v1/quote", body)[1])["price"]
    gateway.make_data(seed=9, units=20, path=gateway.folder / "new.duckdb")
    (gateway.folder / "new.duckdb").rename(gateway.data)
    provider = gateway.token("paul", "acme", ("provider",), None)
    assert gateway.call("POST", "/v1/datasets/shop/refresh", {}, token=provider)[0] == 200
    assert json.loads(gateway.call("POST", "/v1/quote", body)[1])["price"] == quoted
    assert gateway.ask(body["sql"])[1]["price"] == quoted
    assert gateway.events("billing")[-1]["data"]["amount"] == quoted["amount"]
