"""`gateway bill` and `gateway audit` on both stores: what a clerk, a provider and an auditor type."""

import asyncio
import json
from datetime import UTC, datetime

import pytest
from sqlalchemy import update
from support.billing import priced, trade
from support.stores import Clock, ledger_of, meter_of
from typer.testing import CliRunner

from gateway.cli.main import app
from gateway.ledger.events import TYPE
from gateway.ledger.model import Spent
from gateway.metering.delivery import Deliverer
from gateway.metering.files import FileSink
from gateway.store.database import open_store
from gateway.store.tables import accounts

RUNNER = CliRunner()
OCTOBER_2024 = datetime(2024, 10, 3, 8, 0, tzinfo=UTC)
POLICY = """
dataset: shop
provider: {organisation: acme}
engine: {kind: duckdb, path: shop.duckdb}
compliance: {source: own, legal_basis: contract, reviewed_by: reviewer, valid_until: 2099-12-31}
privacy:
  unit: {table: customers, key: customer_id}
  budget: {epsilon: 50, delta: 1.0e-6}
  per_query: {default_epsilon: 0.2, max_epsilon: 2}
  min_units: 2
tables: {customers: {rows: 300}}
prices:
  dear: {currency: CNY, per_query: 5}
"""


@pytest.fixture
def place(store_place, tmp_path, monkeypatch):
    """Return the options of a store with a month of trade."""
    folder, address = store_place
    if address is not None:
        monkeypatch.setenv("GATEWAY_STORE_URL", address)

    async def plant():
        store = await open_store(*store_place)
        clock = Clock()
        await trade(store, clock, 12, at=OCTOBER_2024)
        clock.at = OCTOBER_2024
        charge = await ledger_of(store, clock).charge(priced("m", "8.00", organisation="measured"))
        await meter_of(store, clock).measured(
            charge, [Spent(1, {"cpu_ms": 500.0, "wall_ms": 600.0, "rows": 3, "peak_memory_bytes": 9})]
        )
        await Deliverer(store, clock, FileSink(tmp_path / "meter"), "one").drain()
        await store.close()

    asyncio.run(plant())
    return ["--state", str(folder)]


def run(*arguments, code=0):
    result = RUNNER.invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result.stdout if code == 0 else result.stderr + result.stdout


def test_a_month_from_draft_to_correction(place, tmp_path):
    month = ["--period", "2024-10", *place]
    draft = json.loads(run("bill", "issue", *month, "--draft", "--format", "json"))
    assert {one["document"]["number"] for one in draft["invoices"]} == {None}
    issued = json.loads(run("bill", "issue", *month, "--format", "json"))
    assert [one["document"]["number"] for one in issued["invoices"]] == list(range(1, len(issued["invoices"]) + 1))
    assert "already_invoiced" in run("bill", "issue", *month, code=2)
    assert "period_open" in run("bill", "issue", "--period", "2999-01", *place, code=2)
    assert "bad_request" in run("bill", "show", "--period", "October", *place, code=2)
    mine = next(one["document"] for one in issued["invoices"] if one["document"]["organisation"] == "measured")
    assert mine["total"] == "8.00"
    credit = ["bill", "credit", mine["number"], *place, "--reason", "as agreed"]
    note = json.loads(run(*credit, "--line", "1=3.50", "--format", "json"))["invoices"][0]["document"]
    assert (note["total"], note["corrects"], note["reason"]) == ("-3.50", mine["number"], "as agreed")
    for wrong in ("9", "1=4.51", "x", "1=nan", "1=1.001"):
        assert "bad_request" in run(*credit, "--line", wrong, code=2)
    assert "bad_request" in run(*credit, "--line", "1", "--line", "1=1", code=2)
    assert json.loads(run("bill", "show", *month, "--format", "json")) == issued
    assert run("bill", "show", *month, "--format", "html").startswith("<!doctype html>")
    assert run("bill", "show", *month, "--format", "csv").startswith("kind,number,")
    (tmp_path / "october.json").write_text(json.dumps(issued))
    assert run("bill", "put-back", tmp_path / "october.json", *place) == "0 documents put back\n"
    (tmp_path / "october.json").write_text("[]")
    assert "bad_request" in run("bill", "put-back", tmp_path / "october.json", *place, code=2)
    text = run("bill", "show", *month)
    assert "without taxes" in text
    assert "8.00 CNY" in text
    assert "labeller-coop" in text
    assert run("audit", "reconcile", *place).startswith("all agree: ")


def test_what_if(place, tmp_path):
    month = ["--period", "2024-10", *place]
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "shop.yaml").write_text(POLICY)
    policies = ["--policies", tmp_path / "policies"]
    rows = json.loads(run("bill", "simulate", "--plan", "dear", *month, *policies, "--dataset", "shop", "--json"))
    (mine,) = [row for row in rows if row["organisation"] == "measured"]
    assert (mine["charged"], mine["would_be"], mine["difference"]) == ("8.00", "5.00", "-3.00")
    assert {row["dataset"] for row in rows} == {"shop"}
    (tmp_path / "cheap.yaml").write_text("currency: CNY\nper_query: 0.10\nper_epsilon: 10\n")
    text = run("bill", "simulate", "--plan", tmp_path / "cheap.yaml", *month)
    assert "1.10 CNY" in text
    assert "-6.90" in text
    assert "bad_request" in run("bill", "simulate", "--plan", "none", *month, *policies, code=2)
    for content in ("currency: yuan\n", "currency: [", "currency: CNY\nper_mile: 3\n", ""):
        (tmp_path / "wrong.yaml").write_text(content)
        assert "policy_invalid" in run("bill", "simulate", "--plan", tmp_path / "wrong.yaml", *month, code=2)
    assert "policy_invalid" in run("bill", "simulate", "--plan", tmp_path / "absent.yaml", *month, code=2)


def test_exports_reports_and_deliveries(place):
    lago = [
        json.loads(line) for line in run("bill", "export", "--for", "lago", "--period", "2024-10", *place).splitlines()
    ]
    assert len(lago) == 13
    assert all(event["timestamp"].startswith("17") for event in lago)
    openmeter = [json.loads(line) for line in run("bill", "export", "--for", "openmeter", *place).splitlines()]
    assert {event["type"] for event in openmeter} == {f"{TYPE}charged"}
    assert [event["id"] for event in openmeter] == [event["transaction_id"] for event in lago]
    assert run("bill", "export", "--for", "lago", "--period", "2024-09", *place) == ""
    made = json.loads(run("bill", "report", "--dataset", "shop", *place, "--json"))
    assert made["cost"]["cpu_ms"] == "500.0"
    text = run("bill", "report", "--dataset", "shop", "--period", "2024-10", *place)
    assert "purchases.quantity" in text
    assert "per CPU second" in text
    state = json.loads(run("bill", "deliveries", *place, "--json"))
    assert state == {"sinks": [{"sink": "files", "confirmed": 13, "waiting": 0}], "dead_letters": []}
    assert "files" in run("bill", "deliveries", *place)


def test_a_difference_is_named_and_ends_in_an_exit_code(place, store_place):
    async def edit():
        store = await open_store(*store_place)
        await store.run(
            lambda c: c.execute(update(accounts).where(accounts.c.key == "data/shop").values(rho_spent="1"))
        )
        await store.close()

    found = json.loads(run("audit", "reconcile", *place, "--json"))
    assert (found["charges"], found["differences"]) == (13, [])
    asyncio.run(edit())
    text = run("audit", "reconcile", *place, code=1)
    assert "changed balance" in text
    assert "data/shop" in text
    result = RUNNER.invoke(app, ["audit", "reconcile", *place, "--json"])
    assert result.exit_code == 1
    assert [one["kind"] for one in json.loads(result.stdout)["differences"]] == ["changed balance"]


def test_a_state_folder_that_is_none(tmp_path, monkeypatch):
    monkeypatch.delenv("GATEWAY_STORE_URL", raising=False)
    assert "settings_invalid" in run("audit", "reconcile", "--state", tmp_path / "none", code=2)
    assert not (tmp_path / "none").exists()


def test_a_billing_zone_that_is_none(place, monkeypatch):
    monkeypatch.setenv("GATEWAY_BILLING_ZONE", "Mars/Olympus")
    assert "Mars/Olympus" in run("bill", "show", "--period", "2024-10", *place, code=2)


def test_nothing_is_said_in_words(store_place, monkeypatch):
    folder, address = store_place
    if address is not None:
        monkeypatch.setenv("GATEWAY_STORE_URL", address)

    async def plant():
        await (await open_store(*store_place)).close()

    asyncio.run(plant())
    place = ["--state", str(folder)]
    assert run("bill", "issue", "--period", "2024-10", *place) == "no documents for 2024-10 (UTC)\n"
    assert "no sink" in run("bill", "deliveries", *place)
