"""A gateway over a provider's PostgreSQL, in processes of their own and over real HTTP."""

import asyncio
import json
import os
import re
from concurrent.futures import ThreadPoolExecutor

import asyncpg
import duckdb
import pytest
from support.classifying import command, confirmed
from support.gateways import POLICY, Gateway, eventually
from support.shop import empty_database, fill
from support.starting import ended
from support.two_engines import SHOP_KEYS, address, copy_tables, end, kill, own_server, provided, run

ON_POSTGRES = re.sub(r"engine: \{.*\}", "engine: {kind: postgres, dsn_env: SHOP_DATA}", POLICY)


@pytest.fixture(scope="module")
def rows():
    connection = empty_database()
    fill(connection, 3, 200)
    return connection


@pytest.fixture(scope="module")
def gateway(tmp_path_factory, rows: duckdb.DuckDBPyConnection):
    database = run(provided(rows, *SHOP_KEYS))
    made = Gateway(
        tmp_path_factory.mktemp("gateway"),
        ON_POSTGRES,
        SHOP_DATA=address(database, "gateway_reader"),
        SAME_DATA=address(database, "gateway_reader") + "&application_name=another",
    ).start()
    yield made
    assert made.stop() == 0


def test_counts_and_sums_of_a_provider_on_postgres(gateway, rows):
    sql = "SELECT cohort, COUNT(*) AS n, SUM(amount) AS s FROM purchases JOIN customers USING (customer_id) GROUP BY 1"
    status, answer = gateway.ask(sql, epsilon=2)
    assert status == 200
    exact = {cohort: (n, float(s)) for cohort, n, s in rows.execute(sql).fetchall()}
    assert {row[0] for row in answer["rows"]} == set(exact)
    for cohort, n, s in answer["rows"]:  # the noise is a few rows, and a few hundreds of the sum
        assert abs(n - exact[cohort][0]) < 60
        assert abs(float(s) - exact[cohort][1]) < 6_000


def test_what_postgres_does_not_compute_is_refused_by_name_and_costs_nothing(gateway):
    before = gateway.spent()
    status, problem = gateway.ask("SELECT COUNT(*) AS n FROM purchases WHERE regexp_matches(basket, '^s')")
    assert (status, problem["code"]) == (400, "unsupported_on_engine")
    assert "REGEXP_MATCHES" in problem["detail"]
    assert "LIKE" in problem["hint"]
    assert problem["position"]["line"] == 1
    assert gateway.spent() == before


def test_a_policy_is_proposed_for_a_database(gateway, tmp_path):
    policy = tmp_path / "shop.yaml"
    arguments = ("classify", "--postgres-env", "SHOP_DATA", "--values", "--name", "shop", "--organisation", "acme")
    done = command(*arguments, "--out", policy, **gateway.environment)
    assert done.returncode == 0, done.stderr
    text = policy.read_text()
    assert "engine: {kind: postgres, dsn_env: SHOP_DATA, schema: public}" in text
    assert "unit: {table: customers, key: customer_id}" in text
    assert "unit_path: {customer_id: customers.customer_id}" in text
    assert "amount: {class: important, use: [aggregate], bounds: [0, 100], granularity: 0.01}" in text
    assert "nullable: false" not in text.replace("write nullable: false", ""), (
        "no promise that the server does not keep"
    )
    policy.write_text(confirmed(text))
    checked = command("policy", "check", policy, **gateway.environment)
    assert checked.returncode == 0, checked.stderr
    away = command(*arguments, SHOP_DATA="postgresql://nobody:secret-word@127.0.0.1:1/none")
    assert away.returncode == 5
    assert "secret-word" not in away.stderr
    assert "Traceback" not in away.stderr


def test_a_check_reads_the_database_and_warns_of_what_the_role_may_do(gateway):
    policy = gateway.policies / "shop.yaml"
    command = ["policy", "check", str(policy)]
    environment = {**os.environ, **gateway.environment, "COLUMNS": "200"}
    told = ended(command, environment)
    assert told.returncode == 0, told.stderr
    assert "is well formed" in told.stdout
    assert "lines.price" in told.stdout, "a table beyond the policy that the role may read"
    away = {**environment, "SHOP_DATA": ""}
    told = ended(command, away)
    assert told.returncode != 0
    assert "environment variable" in told.stdout + told.stderr


def test_another_address_of_the_same_database_wins_no_budget_back(gateway):
    again = ON_POSTGRES.replace("dataset: shop", "dataset: again").replace("SHOP_DATA", "SAME_DATA")
    again = again.replace("privacy:\n", "privacy:\n  account: fresh\n").replace("grants:\n", "grants: []\nunused:\n")
    again = again[: again.index("grants: []")] + "grants: []\n"
    file = gateway.policies / "again.yaml"
    file.write_text(again)
    try:
        provider = gateway.token("erika", "acme", ("provider",), None)
        status, body = gateway.call("POST", "/v1/datasets/again/refresh", {}, token=provider)
        assert (status, json.loads(body)["code"]) == (400, "policy_invalid"), body
        assert "is charged to the account" in json.loads(body)["detail"]
    finally:
        file.unlink()


def test_writers_go_on_and_a_refresh_declares_new_data(gateway, rows):
    sql = "SELECT COUNT(*) AS n FROM customers"
    provider = gateway.token("erika", "acme", ("provider",), None)
    _, before = gateway.ask(sql, epsilon=1)
    run(_more_customers(gateway.environment["SHOP_DATA"].replace("gateway_reader", "postgres"), 5_000))
    _, stored = gateway.ask(sql, epsilon=1)
    assert (stored["rows"], stored["privacy"]["stored"]) == (before["rows"], True)
    assert gateway.call("POST", "/v1/datasets/shop/refresh", {}, token=provider)[0] == 200
    _, after = gateway.ask(sql, epsilon=1)
    assert after["versions"]["data"] != before["versions"]["data"]
    assert after["privacy"]["stored"] is False
    assert after["rows"][0][0] > before["rows"][0][0] + 4_000


async def _more_customers(place, many):
    owner = await asyncpg.connect(place)
    await owner.execute(f"INSERT INTO customers SELECT g + 10000, '1997-01' FROM generate_series(1, {many}) g")
    await owner.close()


class Own:
    """A gateway over a PostgreSQL of this test's own, which it may kill; `held` has a table to itself."""

    def __init__(self, folder, rows):
        self.server = own_server()
        self.loop = asyncio.new_event_loop()
        self.held = self.loop.run_until_complete(asyncpg.connect(self.server.get_uri()))
        self.loop.run_until_complete(copy_tables(rows, self.held))
        for statement in SHOP_KEYS:
            self.loop.run_until_complete(self.held.execute(statement))
        self.gateway = Gateway(folder, ON_POSTGRES, SHOP_DATA=self.server.get_uri()).start()

    def lock(self):
        self.loop.run_until_complete(self.held.execute("BEGIN; LOCK TABLE purchases IN ACCESS EXCLUSIVE MODE"))

    def close(self):
        self.held.terminate()
        self.loop.run_until_complete(asyncio.sleep(0.05))  # for the connection to see its end
        self.loop.close()
        if self.gateway.process.poll() is None:
            self.gateway.stop()
        end(self.server)


@pytest.fixture
def own(tmp_path, rows):
    made = Own(tmp_path, rows)
    yield made
    made.close()


def test_a_server_that_is_killed_costs_what_was_begun_and_nothing_else(own):
    gateway = own.gateway
    stored = "SELECT cohort, COUNT(*) AS n FROM customers GROUP BY 1"
    assert gateway.ask(stored, epsilon=0.1)[0] == 200
    before = gateway.spent()
    own.lock()  # what is asked of purchases now is charged, and waits in the engine

    def ask(number):
        sql = f"SELECT COUNT(*) AS n FROM purchases WHERE quantity < {number + 2}"
        return gateway.ask(sql, epsilon=0.1, key=f"key-{number}", token=gateway.token(subject=f"buyer-{number}"))

    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(ask, number) for number in range(3)]
        assert eventually(lambda: gateway.spent() > before * 3.9)
        charged = gateway.spent()
        kill(own.server)
        answers = [one.result(timeout=30) for one in asked]
    assert [(status, body["code"]) for status, body in answers] == [(500, "query_failed")] * 3
    # while it is away nothing is charged, and what was stored is still answered
    for _ in range(2):
        status, body = gateway.ask("SELECT SUM(quantity) AS s FROM purchases", epsilon=0.1)
        assert (status, body["code"]) == (503, "engine_unavailable")
    assert gateway.ask(stored, epsilon=0.1)[0] == 200
    # the same key is the same failure, not another charge
    assert [(status, body["code"]) for status, body in map(ask, range(3))] == [(500, "query_failed")] * 3
    assert gateway.spent() == charged
    own.server.ensure_postgres_running()
    assert eventually(lambda: gateway.ask("SELECT SUM(quantity) AS s FROM purchases", epsilon=0.1)[0] == 200)
    assert gateway.spent() > charged
