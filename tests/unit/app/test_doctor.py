"""`gateway doctor` on deployments with one thing wrong each: it names the thing and how to mend it."""

import json
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import duckdb
import pytest
from support.gateways import POLICY
from support.inspected import inspected_here
from support.shop import empty_database, fill
from support.stores import synced
from support.two_engines import SHOP_KEYS, address, connected, provided
from typer.testing import CliRunner

from gateway.app.clock import SystemRandomness
from gateway.app.doctor import books, machine, policies
from gateway.app.doctor.examining import examine
from gateway.app.doctor.finding import Verdict
from gateway.app.policies import read_folder
from gateway.cli.main import app
from gateway.identity.development import open_secret
from gateway.settings import Settings
from gateway.store.database import open_store

GOOD, WARNING, BAD = Verdict.GOOD, Verdict.WARNING, Verdict.BAD


@pytest.fixture
def state(tmp_path):
    folder = tmp_path / "state"
    for name in ("pick.key", "text.key"):
        open_secret(folder, name, SystemRandomness())
    return folder


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "policies"
    made.mkdir()
    (made / "shop.yaml").write_text(POLICY.replace("epsilon: 50,", "epsilon: 5,"))
    empty_database(made / "shop.duckdb").close()
    return made


def verdicts(findings):
    return {finding.check: finding.verdict for finding in findings}


def test_a_deployment_as_it_should_be(state, folder):
    found = examine(Settings(policies=folder, state=state))
    assert not [finding for finding in found if finding.verdict is BAD]
    assert verdicts(found)["key strength"] is GOOD
    assert verdicts(found)["policy of shop"] is GOOD


def test_a_key_that_is_open_or_a_word_is_found(state):
    settings = Settings(state=state)
    (state / "keys" / "pick.key").chmod(0o644)
    (state / "keys" / "text.key").write_text("password" * 8)
    found = list(machine.keys(settings))
    assert verdicts(found) == {"state folder": BAD, "key strength": BAD}
    told = " ".join(f"{finding.told} {finding.fix}" for finding in found)
    assert "pick.key" in told
    assert "chmod go-rwx" in told
    assert "text.key" in told
    assert "passwordpassword" not in told  # a secret is never shown


@pytest.mark.parametrize(
    ("settings", "verdict"),
    [
        ({}, WARNING),
        ({"issuer": "i", "jwks_url": "http://issuer.example/keys"}, BAD),
        ({"issuer": "i", "hs256_secret": "secret" * 8}, BAD),
        ({"issuer": "i", "hs256_secret": "0123456789abcdef" * 4}, GOOD),
        ({"issuer": "i", "jwks_url": "https://issuer.example/keys"}, GOOD),
    ],
)
def test_who_signs_tokens(settings, verdict):
    assert verdicts(machine.tokens(Settings(**settings)))["token issuer"] is verdict


def test_an_address_that_others_reach_needs_a_proxy():
    assert verdicts(machine.front_door(Settings()))["front door"] is GOOD
    opened = Settings(host="192.0.2.1", metrics_host="192.0.2.1", metrics_port=9464)
    assert verdicts(machine.front_door(opened)) == {"front door": WARNING, "figures": WARNING}


def test_engines_may_not_take_more_than_there_is():
    assert verdicts(machine.memory(Settings()))["memory"] is GOOD
    assert verdicts(machine.memory(Settings(engine_memory_mb=10_000_000)))["memory"] is WARNING


def test_data_that_others_write_or_a_writer_holds(folder):
    data = folder / "shop.duckdb"
    data.chmod(0o444)
    assert verdicts(machine.data_file(data, "shop"))["data of shop"] is GOOD
    wal = folder / "shop.duckdb.wal"
    wal.touch()
    assert verdicts(machine.data_file(data, "shop"))["data of shop"] is BAD
    wal.unlink()
    data.chmod(0o666)
    assert verdicts(machine.data_file(data, "shop"))["data of shop"] is BAD
    data.unlink()
    assert verdicts(machine.data_file(data, "shop"))["data of shop"] is BAD


@pytest.mark.parametrize(("change", "told"), [
    ("DROP TABLE calendar", "calendar"),
    ("CREATE OR REPLACE TABLE customers AS (FROM customers UNION ALL FROM customers)", "does not hold: customers.unique[customer_id]"),
])  # fmt: skip
def test_data_that_are_not_as_the_policy_declares_are_found(folder, change, told):
    at = datetime(2026, 12, 1, tzinfo=UTC).date()
    with duckdb.connect(str(folder / "shop.duckdb")) as connection:
        fill(connection, 1, 5)
        connection.execute(change)
    found = [finding for finding in policies.look(folder, at) if finding.check == "data of shop"]
    assert found[-1].verdict is BAD
    assert told in found[-1].told


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        (("2099-12-31", "2026-01-01"), BAD),
        (("2099-12-31", "2026-12-20"), WARNING),
        (("epsilon: 5,", "epsilon: 50,"), WARNING),
        (("dataset: shop", "dataset: [shop]"), BAD),
    ],
)
def test_a_policy_that_stops_soon_or_promises_little(folder, monkeypatch, change, verdict):
    monkeypatch.setattr(policies, "inspect_policy", inspected_here)
    file = folder / "shop.yaml"
    assert change[0] in file.read_text()
    file.write_text(file.read_text().replace(*change))
    found = list(policies.look(folder, datetime(2026, 12, 1, tzinfo=UTC).date()))
    assert found[0].verdict is verdict
    assert found[0].fix


@pytest.fixture
async def lasting(store_place):
    with synced():
        made = await open_store(*store_place)
        yield made
        await made.close()


async def test_both_stores_keep_what_they_commit(lasting):
    store = lasting
    assert verdicts(await store.read(lambda c: list(books.durability(c))))["store durability"] is GOOD
    assert verdicts(await store.read(lambda c: list(books.clock(c, datetime.now(UTC)))))["clock"] is GOOD
    assert verdicts(await store.read(lambda c: list(books.fence(c))))["fence"] is GOOD


async def test_a_server_that_syncs_nothing_is_named(store_place, request):
    store = await open_store(*store_place)
    found = await store.read(lambda c: list(books.durability(c)))
    await store.close()
    synced_alone = request.node.callspec.params["store_place"] == "sqlite"
    assert verdicts(found)["store durability"] is (GOOD if synced_alone else BAD)


async def test_a_clock_that_went_back_is_found(tmp_path):
    from sqlalchemy import insert

    from gateway.store.tables import events

    store = await open_store(tmp_path / "state")
    now = datetime.now(UTC)
    line = json.dumps({"time": (now + timedelta(hours=1)).isoformat()})
    await store.run(lambda c: c.execute(insert(events).values(visibility="buyer", dataset="shop", line=line)))
    found = await store.read(lambda c: list(books.clock(c, now)))
    await store.close()
    assert verdicts(found)["clock"] is BAD


async def test_a_damaged_store_is_found(tmp_path, state):
    await (await open_store(state)).close()
    connection = sqlite3.connect(state / "gateway.sqlite3")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.execute("PRAGMA journal_mode=DELETE")
    connection.close()
    held = (state / "gateway.sqlite3").read_bytes()
    assert len(held) > 20_000
    (state / "gateway.sqlite3").write_bytes(held[:8192] + b"\xff" * 4096 + held[12288:])
    import asyncio

    found = await asyncio.to_thread(examine, Settings(state=state, policies=tmp_path))
    assert any(finding.verdict is BAD and finding.check.startswith("store") for finding in found)


def test_the_command_says_what_is_wrong_and_exits_with_one(state, folder, monkeypatch):
    run = CliRunner().invoke(app, ["doctor", "--state", str(state), "--policies", str(folder), "--json"])
    assert run.exit_code == 0
    assert verdicts_of(run.stdout)["policy of shop"] == "good"
    (folder / "shop.duckdb").unlink()
    run = CliRunner().invoke(app, ["doctor", "--state", str(state), "--policies", str(folder)])
    assert run.exit_code == 1
    assert "bad" in run.stdout
    assert "dataset refresh" in run.stdout


def verdicts_of(text):
    return {finding["check"]: finding["verdict"] for finding in json.loads(text)}


def test_a_postgres_role_that_may_do_too_much_is_bad_and_the_one_of_role_sql_is_good(folder, monkeypatch):
    import asyncio

    connection = empty_database()
    database = asyncio.run(provided(connection, *SHOP_KEYS))
    text = (folder / "shop.yaml").read_text()
    engine = "engine: {kind: postgres, dsn_env: SHOP_DATA, schema: public}"
    (folder / "shop.yaml").write_text(text.replace("engine: {kind: duckdb, path: shop.duckdb}", engine))
    at = datetime(2026, 12, 1, tzinfo=UTC).date()
    assert verdicts(policies.look(folder, at))["data of shop"] is BAD  # nothing says where it is
    monkeypatch.setenv("SHOP_DATA", address(database, "gateway_reader"))
    found = [finding for finding in policies.look(folder, at) if finding.check == "data of shop"]
    assert any("may read what no query does" in finding.told for finding in found)  # every column was granted
    assert all(finding.verdict is BAD for finding in found)
    monkeypatch.setenv("SHOP_DATA", address(database))
    assert any("superuser" in finding.told for finding in policies.look(folder, at))
    secret = folder / "dsn"
    secret.write_text(address(database, "gateway_reader") + "\n")
    monkeypatch.delenv("SHOP_DATA")
    monkeypatch.setenv("SHOP_DATA_FILE", str(secret))
    asyncio.run(only_the_policys_columns(database))
    found = [finding for finding in policies.look(folder, at) if finding.check == "data of shop"]
    assert [finding.verdict for finding in found] == [GOOD], found


@pytest.mark.parametrize(("broken", "warnings", "found"), [
    ((), (), {GOOD: "all declared keys hold"}),
    (("customers.unique[customer_id]",), (), {BAD: "does not hold: customers.unique[customer_id]"}),
    ((), ("the server's extensions",), {WARNING: "the server's extensions"}),
])  # fmt: skip
def test_what_spark_finds_of_declared_facts_is_told(folder, monkeypatch, broken, warnings, found):
    (file,) = read_folder(folder).files.values()
    inspected = replace(inspected_here(file.document, folder), broken_facts=broken, warnings=warnings)
    monkeypatch.setattr(policies, "inspect_policy", lambda _document, _base: inspected)
    text = (folder / "shop.yaml").read_text()
    engine = "engine: {kind: spark, url_env: SHOP_DATA, parquet: 'file:/data/shop'}"
    (folder / "shop.yaml").write_text(text.replace("engine: {kind: duckdb, path: shop.duckdb}", engine))
    at = datetime(2026, 12, 1, tzinfo=UTC).date()
    told = [finding for finding in policies.look(folder, at) if finding.check == "data of shop"]
    assert [finding.verdict for finding in told] == list(found)
    assert all(words in finding.told for words, finding in zip(found.values(), told, strict=True))


async def only_the_policys_columns(database):
    owner = await connected(database)
    await owner.execute("REVOKE SELECT ON ALL TABLES IN SCHEMA public FROM gateway_reader")
    for columns in (
        "customer_id, cohort) ON customers",
        "customer_id, purchased_on, quantity, basket, amount) ON purchases",
    ):
        await owner.execute(f"GRANT SELECT ({columns} TO gateway_reader")
    await owner.execute("GRANT SELECT ON calendar TO gateway_reader")
    await owner.close()
