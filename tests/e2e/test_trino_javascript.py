"""Trino's client for JavaScript at a real gateway. It drops what a first reply holds: nothing may be in it."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

CLIENT = Path(__file__).parents[1] / "clients" / "trino-js"

STATEMENTS = [
    "SELECT cohort, COUNT(*) AS n FROM customers GROUP BY cohort ORDER BY cohort",
    "SELECT cohort, COUNT(*) AS n FROM customers GROUP BY cohort ORDER BY cohort",
    "SHOW TABLES",
    "SELECT amount FROM purchases",
    "SET SESSION epsilon = 0.3",
    "SHOW SESSION LIKE 'epsilon'",
    "PREPARE p FROM SELECT COUNT(*) AS n FROM customers WHERE cohort = ?",
    "EXECUTE p USING '1997-01'",
    "USE gateway.shop",
    "SHOW FUNCTIONS LIKE 'a%'",
    "SELECT a.column_name, b.table_name FROM system.jdbc.columns a, system.jdbc.tables b",
]

pytestmark = pytest.mark.skipif(shutil.which("npm") is None, reason="there is no npm here")


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    folder = tmp_path_factory.mktemp("client") / "trino-js"
    shutil.copytree(CLIENT, folder)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--cache", str(folder.parent / "cache")]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    return folder


def run(client, gateway, statements):
    command = ["node", "ask.js", gateway.url, gateway.token()]
    done = subprocess.run(
        command, cwd=client, input=json.dumps(statements), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_every_kind_of_statement_arrives(client, gateway):
    found = run(client, gateway, STATEMENTS)
    charged, free, tables, refused, _, shown, _, executed, _, functions, large = found
    assert [row[0] for row in charged["rows"]] == ["1997-01", "1997-02", "1997-03"]
    assert free["rows"] == charged["rows"]
    assert tables["rows"] == [["calendar"], ["customers"], ["purchases"]]
    assert (refused["error"], refused["rows"]) == ("PERMISSION_DENIED", [])
    assert shown["rows"][0][:2] == ["epsilon", "0.3"]
    assert len(executed["rows"]) == 1
    assert functions["rows"]
    assert (large["error"], large["rows"]) == ("QUERY_REJECTED", []), "nothing is dropped in silence"
    assert all("error" not in one for one in found if one not in (refused, large))
