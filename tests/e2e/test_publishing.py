"""Datasets that cannot be opened, files that come and go: one provider's trouble is not everybody's."""

import json
import signal
import subprocess
import sys
import time

import pytest
from support.gateways import POLICY, eventually
from support.starting import ended
from support.thinning import one_in

COUNT = "SELECT COUNT(*) AS n FROM purchases"
GARDEN = (
    POLICY.replace("dataset: shop", "dataset: garden")
    .replace("path: shop.duckdb", "path: garden.duckdb")
    .replace("organisation: acme", "organisation: green")
)


@pytest.fixture
def beside(own):
    """Start a gateway with a second dataset, of another provider, whose data are not there."""
    gateway = own(beside=[("garden.yaml", GARDEN)])
    yield gateway
    if gateway.process.poll() is None:
        assert gateway.stop() == 0


def code(gateway, dataset, **options):
    status, reply = gateway.ask(COUNT, dataset=dataset, **options)
    return status, reply.get("code")


def shown(gateway, name, *who):
    status, body = gateway.call("GET", f"/v1/datasets/{name}", token=gateway.token(*who, None))
    return status, json.loads(body)


PROVIDER = ("pat", "green", ("provider",))


def test_data_that_are_missing_shut_their_own_dataset_alone(beside):
    assert code(beside, "shop") == (200, None)
    assert code(beside, "garden") == (503, "engine_unavailable")
    assert code(beside, "garden", token=beside.token("eve", "elsewhere")) == (404, "unknown_dataset")
    status, told = shown(beside, "garden", "ana", "widgets", ("buyer",))
    assert (status, told["code"]) == (503, "engine_unavailable")
    assert "duckdb" not in str(told)
    status, told = shown(beside, "garden", *PROVIDER)
    assert (status, told["state"]) == (200, "unavailable")
    assert str(beside.policies / "garden.duckdb") in told["reason"]
    assert "in its place" in told["reason"]
    assert shown(beside, "garden", "pat", "acme", ("provider",))[0] == 404, "another provider's"
    listed = json.loads(beside.call("GET", "/v1/datasets")[1])["datasets"]
    assert {entry["name"]: entry["state"] for entry in listed} == {"shop": "published", "garden": "unavailable"}
    assert f"dataset garden at {beside.policies / 'garden.duckdb'}" in (beside.folder / "log").read_text()
    beside.make_data(path=beside.policies / "draft")
    (beside.policies / "draft").rename(beside.policies / "garden.duckdb")
    assert eventually(lambda: code(beside, "garden") == (200, None)), "it comes up by itself"
    assert shown(beside, "garden", *PROVIDER)[1]["state"] == "published"


@pytest.mark.long
@pytest.mark.parametrize("by", ["command", "provider"])
def test_a_refresh_opens_what_was_shut_at_once(beside, by):
    time.sleep(3.5)  # the pauses have grown: what opens it now is the refresh
    beside.make_data(path=beside.policies / "garden.duckdb")
    refreshed(beside, "garden", by)
    assert code(beside, "garden") == (200, None)


def refreshed(gateway, name, by="command", provider="green"):
    if by == "provider":
        token = gateway.token("pat", provider, ("provider",), None)
        assert gateway.call("POST", f"/v1/datasets/{name}/refresh", token=token)[0] == 200
        return
    where = ("--policies", str(gateway.policies), "--state", str(gateway.state))
    ended(["dataset", "refresh", name, *where]).check_returncode()


@pytest.mark.long
def test_a_file_held_by_a_writer_shuts_its_dataset_until_it_lets_go(own):
    gateway = own()
    assert gateway.ask(COUNT)[0] == 200
    gateway.stop()
    hold = f"import duckdb, sys; c = duckdb.connect({str(gateway.data)!r}); print('held', flush=True); sys.stdin.read()"
    writer = subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        writer.stdout.readline()
        gateway.start()
        spent = [gateway.ask(COUNT)[1].get("code"), gateway.ask(COUNT, dataset="shop")[1].get("code")]
        assert spent == ["engine_unavailable"] * 2
        assert "close it" in shown(gateway, "shop", "pat", "acme", ("provider",))[1]["reason"]
    finally:
        writer.stdin.close()
        writer.wait(timeout=20)
        writer.stdout.close()
    assert eventually(lambda: gateway.ask(COUNT + " WHERE quantity > 1")[0] == 200)


def test_a_reload_keeps_what_it_cannot_open_under_the_same_policy_and_shuts_it_under_another(beside):
    beside.make_data(path=beside.policies / "garden.duckdb")
    assert eventually(lambda: code(beside, "garden") == (200, None))
    (beside.policies / "garden.duckdb").rename(beside.policies / "away")
    reload(beside)
    assert code(beside, "garden") == (200, None), "what is stored is still answered"
    (beside.policies / "garden.yaml").write_text(GARDEN.replace("organisation: widgets", "organisation: others"))
    reload(beside)
    assert code(beside, "garden") == (404, "unknown_dataset"), "a withdrawn grant does not wait for the data"
    assert code(beside, "garden", token=beside.token("oli", "others")) == (503, "engine_unavailable")


def reload(gateway):
    before = (gateway.folder / "log").read_text().count("policies reloaded")
    gateway.process.send_signal(signal.SIGHUP)
    assert eventually(lambda: (gateway.folder / "log").read_text().count("policies reloaded") > before)


def test_a_policy_that_does_not_hold_refuses_the_whole_start_with_file_and_line(own):
    gateway = own()
    gateway.stop()
    wrong = GARDEN.replace("max_epsilon: 2}", "max_epsilon: 51}")
    for text, words in ((wrong, "privacy.per_query.max_epsilon"), ("dataset: [broken", "line 1"), (GARDEN, None)):
        (gateway.policies / "garden.yaml").write_text(text)
        if words is None:
            break
        where = ("--policies", str(gateway.policies), "--state", str(gateway.state), "--port", "0")
        started = ended(["serve", *where])
        assert started.returncode == 2
        assert "garden.yaml" in started.stderr
        assert words in started.stderr
        assert "line " in started.stderr


def test_two_accounts_over_one_table_are_refused_also_where_the_data_are_missing(own):
    gateway = own()
    gateway.stop()
    gateway.data.unlink()
    twice = POLICY.replace("dataset: shop", "dataset: twice").replace("organisation: acme", "organisation: other")
    (gateway.policies / "twice.yaml").write_text(twice)
    where = ("--policies", str(gateway.policies), "--state", str(gateway.state), "--port", "0")
    started = ended(["serve", *where])
    assert started.returncode == 2
    assert "two accounts" in started.stderr


def test_a_start_that_is_refused_binds_no_table_to_a_mistaken_account(own):
    gateway = own()
    assert gateway.stop() == 0
    gateway.make_data(path=gateway.policies / "garden.duckdb")
    named = GARDEN.replace("privacy:\n", "privacy:\n  account: people\n", 1)
    other = named.replace("dataset: garden", "dataset: orchard")
    (gateway.policies / "garden.yaml").write_text(named.replace("account: people", "account: mistaken"))
    (gateway.policies / "orchard.yaml").write_text(other)
    where = ("--policies", str(gateway.policies), "--state", str(gateway.state), "--port", "0")
    started = ended(["serve", *where])
    assert (started.returncode, "two accounts" in started.stderr) == (2, True)
    (gateway.policies / "garden.yaml").write_text(named)
    gateway.start()
    assert [code(gateway, name) for name in ("garden", "orchard")] == [(200, None), (200, None)]


@pytest.mark.parametrize("by", one_in(2, ("provider", "command")))
def test_a_new_file_is_published_by_a_refresh_and_a_removed_one_withdrawn_by_a_reload(own, by):
    gateway = own()
    (gateway.policies / "garden.yaml").write_text(GARDEN)
    gateway.make_data(path=gateway.policies / "garden.duckdb")
    assert code(gateway, "garden") == (404, "unknown_dataset")
    stranger = gateway.token("pat", "acme", ("provider",), None)
    assert gateway.call("POST", "/v1/datasets/garden/refresh", token=stranger)[0] == 404, "not its provider"
    refreshed(gateway, "garden", by)
    assert code(gateway, "garden") == (200, None)
    before = gateway.ask(COUNT, dataset="garden")[1]
    (gateway.policies / "garden.yaml").unlink()
    reload(gateway)
    assert code(gateway, "garden") == (404, "unknown_dataset")
    time.sleep(1.5)  # its old declaration does not bring it back
    assert code(gateway, "garden") == (404, "unknown_dataset")
    (gateway.policies / "garden.yaml").write_text(GARDEN)
    reload(gateway)
    again = gateway.ask(COUNT, dataset="garden")[1]
    assert again["rows"] == before["rows"], "accounts and releases are those of before"
    assert again["privacy"]["stored"]


@pytest.mark.long
def test_a_broken_file_of_another_provider_holds_up_nobodys_refresh(beside):
    acme = beside.token("pat", "acme", ("provider",), None)
    green = beside.token("pat", "green", ("provider",), None)

    def refresh(name, token):
        status, body = beside.call("POST", f"/v1/datasets/{name}/refresh", token=token)
        return status, body.decode()

    shop, garden = beside.policies / "shop.yaml", beside.policies / "garden.yaml"
    beside.make_data(path=beside.policies / "garden.duckdb")
    rival = POLICY.replace("dataset: shop", "dataset: rival").replace("organisation: acme", "organisation: other")
    for broken in ("dataset: garden\ntitle: [", GARDEN.replace("max_epsilon: 2}", "max_epsilon: 51}"), "\xff"):
        garden.write_bytes(broken.encode("latin-1"))
        (beside.policies / "rival.yaml").write_text(rival)  # claims the shop's own table for another account
        assert refresh("shop", acme)[0] == 200
        status, told = refresh("garden", green)
        assert (status, "garden.yaml" in told) == (400, True), "its own provider hears of it"
    assert "the policy file garden.yaml is left out" in (beside.folder / "log").read_text()
    assert refresh("rival", beside.token("pat", "other", ("provider",), None))[0] == 400
    garden.write_text(GARDEN)
    (beside.policies / "double.yaml").write_text(shop.read_text())
    status, told = refresh("shop", acme)
    assert (status, "another policy file" in told) == (400, True), "two files of one name: neither is taken"
    assert refresh("garden", green)[0] == 200
    assert code(beside, "shop") == (200, None), "it is served as it was"


def test_data_that_changed_undeclared_and_no_longer_fit_shut_their_dataset_alone(beside):
    path = beside.policies / "garden.duckdb"
    beside.make_data(path=path)
    assert eventually(lambda: code(beside, "garden") == (200, None))
    beside.stop()
    path.unlink()
    import duckdb

    duckdb.connect(str(path)).close()
    beside.start()
    assert code(beside, "shop") == (200, None)
    assert code(beside, "garden") == (503, "engine_unavailable")
    reason = shown(beside, "garden", *PROVIDER)[1]["reason"]
    assert "refresh_needed" in reason
    assert "no such table" in reason


@pytest.mark.long
def test_a_provider_reads_the_account_of_its_own_data(beside):
    beside.ask(COUNT, dataset="shop")
    _, body = beside.call("GET", "/v1/budget", token=beside.token("pat", "acme", ("provider",), None))
    (entry,) = json.loads(body)["datasets"]
    assert entry["dataset"] == "shop"
    assert [level["level"] for level in entry["levels"]] == ["data"]
    assert abs(entry["levels"][0]["rho"]["spent"] - 0.02) < 1e-9


def test_a_declared_fact_that_does_not_hold_suspends_and_its_provider_reads_which(own):
    gateway = own()
    gateway.stop()
    policy = gateway.policies / "shop.yaml"
    policy.write_text(POLICY.replace("    rows: 1000\n", "    rows: 1000\n    unique: [[customer_id]]\n"))
    gateway.start()
    assert code(gateway, "shop") == (503, "dataset_suspended")
    refused = gateway.events()[-1]["data"]
    assert (refused["reason"], refused["grant"]) == ("dataset_suspended", "widgets")
    _, told = shown(gateway, "shop", "pat", "acme", ("provider",))
    assert (told["state"], "purchases.unique[customer_id]" in told["reason"]) == ("suspended", True)
    assert "reason" not in shown(gateway, "shop", "ana", "widgets", ("buyer",))[1]
