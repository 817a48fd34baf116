"""A gateway over a provider's Spark, in processes of their own and over real HTTP."""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.gateways import POLICY, Gateway, eventually
from support.shop import empty_database, fill
from support.spark import Server, new_folder, server, write_tables

pytestmark = pytest.mark.spark


def on_spark(folder):
    return re.sub(r"engine: \{.*\}", f"engine: {{kind: spark, url_env: SHOP_DATA, parquet: 'file:{folder}'}}", POLICY)


@pytest.fixture(scope="module")
def rows():
    connection = empty_database()
    fill(connection, 3, 200)
    return connection


@pytest.fixture(scope="module")
def gateway(tmp_path_factory, rows):
    folder = new_folder()
    write_tables(rows, folder, workers=3)
    made = Gateway(tmp_path_factory.mktemp("gateway"), on_spark(folder), SHOP_DATA=server().url)
    made.parquet = folder
    made.start()
    yield made
    assert made.stop() == 0


def test_what_several_workers_wrote_is_answered_and_what_each_node_scanned_is_metered(gateway, rows):
    sql = "SELECT cohort, COUNT(*) AS n, SUM(amount) AS s FROM purchases JOIN customers USING (customer_id) GROUP BY 1"
    assert len(list((gateway.parquet / "purchases").iterdir())) == 3
    status, answer = gateway.ask(sql, epsilon=2)
    assert status == 200, answer
    exact = {cohort: (n, float(s)) for cohort, n, s in rows.execute(sql).fetchall()}
    assert {row[0] for row in answer["rows"]} == set(exact)
    for cohort, n, s in answer["rows"]:  # the noise is a few rows, and a few hundreds of the sum
        assert abs(n - exact[cohort][0]) < 60
        assert abs(float(s) - exact[cohort][1]) < 6_000
    measured = [e["data"] for e in gateway.events("provider") if e["type"].endswith("measured")]
    nodes = [node for data in measured for node in data["scanned"]]
    assert {node["node"].rpartition(" ")[0] for node in nodes} == {"Scan parquet"}
    sizes = {table: rows.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in ("purchases", "customers")}
    assert set(sizes.values()) <= {node["rows"] for node in nodes}, "each table was read by a node of its own"
    assert "scanned" not in str(answer)
    assert "scanned" not in str(gateway.events("billing"))


def test_what_spark_does_not_compute_is_refused_by_name_and_costs_nothing(gateway):
    before = gateway.spent()
    status, problem = gateway.ask("SELECT COUNT(*) AS n FROM purchases WHERE regexp_matches(basket, '^s')")
    assert (status, problem["code"]) == (400, "unsupported_on_engine")
    assert "REGEXP_MATCHES is not answered on Spark" in problem["detail"]
    assert gateway.spent() == before


def test_a_check_reads_the_files(gateway):
    command = [sys.executable, "-m", "gateway", "policy", "check", str(gateway.policies / "shop.yaml")]
    environment = {**os.environ, **gateway.environment, "COLUMNS": "200"}
    told = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=90)
    assert told.returncode == 0, told.stderr
    assert "is well formed" in told.stdout
    told = subprocess.run(command, capture_output=True, text=True, env={**environment, "SHOP_DATA": ""}, timeout=60)
    assert told.returncode != 0
    assert "environment variable" in told.stdout + told.stderr


def test_files_that_are_added_have_to_be_declared(gateway, rows):
    sql = "SELECT COUNT(*) AS n FROM customers"
    assert gateway.ask(sql, epsilon=1)[0] == 200
    file = gateway.parquet / "customers" / "part-9.parquet"
    rows.execute(
        f"COPY (SELECT (g + 10000)::INTEGER AS customer_id, '1997-01' AS cohort FROM range(5000) r(g)) TO '{file}'"
    )
    before = gateway.spent()
    status, problem = gateway.ask("SELECT COUNT(*) AS n FROM customers WHERE cohort = '1997-01'", epsilon=0.1)
    assert (status, problem["code"]) == (503, "refresh_needed"), problem
    assert gateway.spent() == before
    provider = gateway.token("erika", "acme", ("provider",), None)
    assert gateway.call("POST", "/v1/datasets/shop/refresh", {}, token=provider)[0] == 200
    status, after = gateway.ask(sql, epsilon=1)
    assert status == 200, after
    assert after["rows"][0][0] > 4_000


def test_a_server_that_is_killed_costs_what_was_begun_and_nothing_else(tmp_path, rows):
    own, folder = Server(**{"spark.sql.adaptive.enabled": "true"}), new_folder()
    write_tables(rows, folder)
    gateway = Gateway(tmp_path, on_spark(folder), SHOP_DATA=own.url).start()
    try:
        stored = "SELECT cohort, COUNT(*) AS n FROM customers GROUP BY 1"
        assert gateway.ask(stored, epsilon=0.1)[0] == 200
        before = gateway.spent()
        own.stop()  # what is asked of it from here on waits, with its lease taken or not

        def ask(number):
            sql = f"SELECT COUNT(*) AS n FROM purchases WHERE quantity < {number + 2}"
            return gateway.ask(sql, epsilon=0.1, key=f"key-{number}", token=gateway.token(subject=f"buyer-{number}"))

        with ThreadPoolExecutor(3) as pool:
            asked = [pool.submit(ask, number) for number in range(3)]
            own.go_on()
            assert eventually(lambda: gateway.spent() > before)
            own.stop()
            own.kill()
            answers = [one.result(timeout=40) for one in asked]
        # each was answered, or failed after its charge, or was refused before it
        told = [(status, body.get("code")) for status, body in answers]
        assert set(told) <= {(200, None), (500, "query_failed"), (503, "engine_unavailable")}
        charged = sum(status != 503 for status, _ in told)
        assert gateway.spent() == before * (1 + charged)
        # while it is away nothing is charged, and what was stored is still answered
        spent = gateway.spent()
        for _ in range(2):
            status, body = gateway.ask("SELECT SUM(quantity) AS s FROM purchases", epsilon=0.1)
            assert (status, body["code"]) == (503, "engine_unavailable")
        assert gateway.ask(stored, epsilon=0.1)[0] == 200
        # the same key is the same failure, or the same answer, and not another charge
        for number, (status, _) in enumerate(answers):
            if status != 503:
                assert ask(number)[0] == status
        assert gateway.spent() == spent
        own.start()
        sql = "SELECT SUM(quantity) AS s FROM purchases"
        assert eventually(lambda: gateway.ask(sql, epsilon=0.1)[0] == 200, seconds=40)
        assert gateway.spent() > spent
    finally:
        assert gateway.stop() == 0
        own.end()
