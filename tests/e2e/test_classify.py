"""From a database to a served policy with `gateway classify`: it proposes, its provider confirms, a buyer asks."""

from pathlib import Path

import duckdb
import pytest
from support.classifying import command, confirmed
from support.gateways import POLICY, Gateway
from support.thinning import one_in
from support.tpch import database

from gateway.cli.demo.database import build


def flights(path):
    """Tables in the shape of nycflights13: no declared key, planes to protect, airlines to look up."""
    connection = duckdb.connect(str(path))
    connection.execute(
        "CREATE TABLE airlines AS SELECT * FROM (VALUES ('AA', 'American'), ('UA', 'United')) t(carrier, name)"
    )
    connection.execute(
        "CREATE TABLE airports AS SELECT * FROM (VALUES ('JFK', 'Kennedy', 40.6, -73.8, 13, -5, 'A'), "
        "('LGA', 'La Guardia', 40.8, -73.9, 22, -5, 'A')) t(faa, name, lat, lon, alt, tz, dst)"
    )
    connection.execute(
        "CREATE TABLE planes AS SELECT 'N' || lpad(CAST(i AS VARCHAR), 5, '0') AS tailnum, 1990 + i % 20 AS year, "
        "CASE WHEN i % 3 = 0 THEN 'AIRBUS' ELSE 'BOEING' END AS manufacturer, 100 + i % 90 AS seats FROM range(600) t(i)"
    )
    connection.execute(
        "CREATE TABLE flights AS SELECT 2013 AS year, 1 + i % 12 AS month, 1 + i % 28 AS day, i % 60 - 10 AS dep_delay, "
        "CASE WHEN i % 2 = 0 THEN 'AA' ELSE 'UA' END AS carrier, CASE WHEN i % 50 = 0 THEN NULL ELSE "
        "'N' || lpad(CAST(i % 600 AS VARCHAR), 5, '0') END AS tailnum, CASE WHEN i % 5 = 0 THEN 'JFK' ELSE 'LGA' END AS origin, "
        "200 + i % 2000 AS distance, TIMESTAMP '2013-01-01' + INTERVAL (i) HOUR AS time_hour FROM range(6000) t(i)"
    )
    connection.close()


SOURCES = {
    "cdnow": (
        lambda path: build(_compact(), path),
        "SELECT c.cohort, COUNT(*) AS n, SUM(p.amount) AS s FROM purchases p JOIN customers c USING (customer_id) GROUP BY 1",
        {"1997-01", "1997-02", "1997-03"},
        "SELECT amount, COUNT(*) AS n FROM purchases GROUP BY 1",
    ),
    "nycflights13": (
        flights,
        "SELECT f.origin, COUNT(*) AS n, AVG(f.dep_delay) AS late FROM flights f JOIN airlines a ON a.carrier = f.carrier GROUP BY 1",
        {"JFK", "LGA"},
        "SELECT tailnum, COUNT(*) AS n FROM flights GROUP BY 1",
    ),
    "tpch": (
        lambda path: path.hardlink_to(database("0.01")),
        ("SELECT l_returnflag, SUM(l_quantity) AS s FROM lineitem l JOIN orders o ON l.l_orderkey = o.o_orderkey "
        "JOIN customer c ON c.c_custkey = o.o_custkey JOIN nation n ON n.n_nationkey = c.c_nationkey GROUP BY 1"),
        {"A", "N", "R"},
        "SELECT c_phone, COUNT(*) AS n FROM customer GROUP BY 1",
    ),
}  # fmt: skip


def _compact():
    return Path(__file__).parents[2] / "policies" / "data" / "cdnow.csv.xz"


@pytest.mark.parametrize("name", one_in(3, SOURCES))
def test_a_proposal_is_checked_confirmed_and_served(tmp_path, name):
    make, sql, keys, refused = SOURCES[name]
    gateway = Gateway(tmp_path)
    (gateway.policies / "shop.yaml").unlink()
    path, policy = gateway.policies / "data.duckdb", gateway.policies / "shop.yaml"
    make(path)
    done = command(
        "classify", "--duckdb", path, "--values", "--name", "shop", "--organisation", "acme", "--out", policy
    )
    assert done.returncode == 0, done.stderr
    assert "write what everybody may know" in done.stderr
    unconfirmed = command("policy", "check", policy)
    assert unconfirmed.returncode == 2
    assert "nobody has confirmed privacy.unit" in unconfirmed.stderr
    again = command("classify", "--duckdb", path, "--out", policy)
    assert (again.returncode, "is there already" in again.stderr) == (2, True), "what was edited is not lost"
    policy.write_text(confirmed(policy.read_text()))
    checked = command("policy", "check", policy)
    assert checked.returncode == 0, checked.stderr
    assert "NOBODY CAN ASK" not in checked.stdout
    gateway.start()
    try:
        status, answer = gateway.ask(sql)
        assert status == 200, answer
        assert {row[0] for row in answer["rows"]} >= keys
        status, problem = gateway.ask(refused)
        assert status in {400, 403}, problem
    finally:
        assert gateway.stop() == 0


@pytest.mark.long
def test_names_alone_make_a_policy_too(tmp_path):
    path, policy = tmp_path / "cdnow.duckdb", tmp_path / "cdnow.yaml"
    build(_compact(), path)
    done = command("classify", "--duckdb", path, "--out", policy)
    assert done.returncode == 0, done.stderr
    text = policy.read_text()
    assert "from values" not in text
    assert "bounds" not in text.replace("its bounds, values", ""), "no bound is known of names"
    assert "23570" not in text.replace("_", "")
    policy.write_text(confirmed(text))
    assert command("policy", "check", policy).returncode == 0


def test_the_engine_of_a_policy_that_there_is(tmp_path):
    policy = tmp_path / "shop.yaml"
    build(_compact(), tmp_path / "shop.duckdb")
    policy.write_text(POLICY)
    done = command("classify", "--policy", policy)
    assert done.returncode == 0, done.stderr
    assert "dataset: shop\n" in done.stdout
    assert "provider: {organisation: acme}" in done.stdout
    assert "path: shop.duckdb" in done.stdout


WRONG = {
    "no source": ((), "It takes one source."),
    "two sources": (("--duckdb", "a", "--postgres-env", "B"), "It takes one source."),
    "no file": (("--duckdb", "nothing.duckdb"), "There is nothing at nothing.duckdb."),
    "no variable": (("--postgres-env", "NO_SUCH_DSN"), "The environment has no NO_SUCH_DSN."),
    "no name of a variable": (("--postgres-env", "no such"), "The variable or the schema has no name that is one."),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_opened_is_said(tmp_path, name):
    arguments, words = WRONG[name]
    done = command("classify", *arguments)
    assert done.returncode in {2, 5}
    assert words in done.stderr
    assert "Traceback" not in done.stderr
