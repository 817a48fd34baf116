"""A gateway over a provider's PostgreSQL, in processes of their own and over real HTTP."""

import re

import duckdb
import pytest
from support.gateways import POLICY, Gateway
from support.shop import empty_database, fill
from support.two_engines import SHOP_KEYS, address, provided, run

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
        tmp_path_factory.mktemp("gateway"), ON_POSTGRES, SHOP_DATA=address(database, "gateway_reader")
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
    status, problem = gateway.ask("SELECT COUNT(*) AS n FROM purchases WHERE basket ILIKE 'S%'")
    assert (status, problem["code"]) == (400, "unsupported_on_engine")
    assert "ILIKE" in problem["detail"]
    assert "LIKE" in problem["hint"]
    assert gateway.spent() == before
