"""How a gateway starts, and how it says that it cannot: as an operator types it, in a folder of their own."""

import os
import subprocess
import sys
from pathlib import Path

COUNT = "SELECT COUNT(*) AS n FROM purchases"


def command(folder, *arguments, **environment):
    """Run one command to its end, with `folder` as the working folder."""
    home = str(Path(__file__).resolve().parents[2])
    environment = {**os.environ, "PYTHONPATH": home, **environment}
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip


def test_a_relative_policies_folder_serves_and_refreshes(own, monkeypatch):
    gateway = own()
    gateway.stop()
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))
    monkeypatch.chdir(gateway.folder)
    gateway.policies, absolute = Path("policies"), gateway.policies
    gateway.start()
    gateway.policies = absolute
    status, answer = gateway.ask(COUNT)
    assert status == 200, answer
    refreshed = command(gateway.folder, "dataset", "refresh", "shop", "--policies", "policies", "--state", "state")
    assert refreshed.stdout.strip() == answer["versions"]["data"], refreshed.stderr
