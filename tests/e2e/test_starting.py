"""How a gateway starts, and how it says that it cannot, in a folder of an operator's own; one is started as typed."""

import subprocess
import sys
from pathlib import Path

import pytest
from support.starting import ended, typed

COUNT = "SELECT COUNT(*) AS n FROM purchases"


@pytest.mark.long
def test_a_relative_policies_folder_serves_and_refreshes(own, monkeypatch):
    gateway = own()
    gateway.stop()
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))
    monkeypatch.chdir(gateway.folder)
    gateway.policies, absolute = Path("policies"), gateway.policies
    gateway.start(typed)
    gateway.policies = absolute
    status, answer = gateway.ask(COUNT)
    assert status == 200, answer
    refresh = ("dataset", "refresh", "shop", "--policies", "policies", "--state", "state")
    refreshed = subprocess.run(
        [sys.executable, "-m", "gateway", *refresh], capture_output=True, text=True, timeout=90, check=False
    )  # fmt: skip
    assert refreshed.stdout.strip() == answer["versions"]["data"], refreshed.stderr


def test_a_refresh_reads_the_policy_and_a_running_gateway_follows(own):
    gateway = own()
    assert gateway.ask(COUNT, epsilon=1.5)[0] == 200
    version = gateway.ask(COUNT, epsilon=1.5)[1]["versions"]["data"]
    policy = gateway.policies / "shop.yaml"
    policy.write_text(policy.read_text().replace("max_epsilon: 2", "max_epsilon: 1"))
    where = ("--policies", str(gateway.policies), "--state", str(gateway.state))
    refreshed = ended(["dataset", "refresh", "shop", *where])
    assert refreshed.stdout.strip() == version, "the data are the same"
    assert gateway.ask(COUNT, epsilon=1.5)[1].get("code") == "epsilon_too_large"
    policy.write_text(policy.read_text().replace("max_epsilon: 1", "max_epsilon: 3"))
    provider = gateway.token("pat", "acme", ("provider",), None)
    assert gateway.call("POST", "/v1/datasets/shop/refresh", token=provider)[0] == 200
    assert gateway.ask(COUNT, epsilon=2.5)[0] == 200
    policy.write_bytes(b"\xff\xfe")
    refused = ended(["dataset", "refresh", "shop", *where])
    assert refused.returncode == 2
    assert "shop.yaml is not UTF-8" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert gateway.ask(COUNT, epsilon=2.4)[0] == 200


def test_a_port_in_use_or_out_of_range_is_one_error(gateway):
    where = ("--policies", str(gateway.policies), "--state", str(gateway.state))
    for port in (gateway.url.rpartition(":")[2], "70000"):
        refused = ended(["serve", *where, "--port", port])
        assert refused.returncode == 2
        assert "settings_invalid" in refused.stderr
        assert "Traceback" not in refused.stderr
