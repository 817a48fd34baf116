"""The gateway's own role on PostgreSQL, for real: what it may not do, what is pinned, and what it may do too much."""

import pytest
from support.postgres import COUNT, NUMBER, ORDER
from support.stores import refused
from support.two_engines import SOURCE, address

from gateway.engines.postgres_engine import PostgresEngine
from gateway.engines.postgres_sessions import pinned
from gateway.ports import Statement


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT kept AS n FROM public.t",
        "SELECT 1 AS n; SELECT 2 AS n",
        "INSERT INTO public.t VALUES (9, 'b', NULL)",
        "CREATE TEMP TABLE u AS SELECT 1 AS n",
        "SELECT lo_create(0) AS n",
        "SELECT pg_advisory_lock(1) AS n",
        "SELECT query_to_xml('SELECT 1', true, true, '') AS n",
        "SELECT CAST('secret value' AS INT) AS n",
        "not SQL at all",
    ],
)
async def test_what_the_role_may_not_do_fails_in_the_same_words(provider, sql):
    lease = await provider.lease()
    error = await refused(lease.run(Statement(sql, columns=NUMBER), 5.0), "query_failed")
    assert (error.detail, error.hint, error.__cause__) == ("The engine could not finish the query.", "", None)
    await lease.close()
    lease = await provider.lease()
    assert (await lease.run(COUNT, 5.0)).table().to_pylist() == [{"n": 3}]
    await lease.close()


async def test_every_setting_is_pinned(provider):
    lease = await provider.lease()
    wanted = pinned(20.0)
    for name, value in wanted.items():
        sql = f"SELECT CAST(current_setting('{name}') AS TEXT) AS v"
        (row,) = (await lease.run(Statement(sql, columns=(("v", "VARCHAR"),)), 5.0)).table().to_pylist()
        shown = row["v"].replace("s", "000") if "timeout" in name else row["v"]
        assert shown == value or ("timeout" in name and row["v"].rstrip("smin").isdigit()), name
    (row,) = (
        (await lease.run(Statement("SELECT CAST(current_setting('transaction_read_only') AS TEXT) AS v", columns=(("v", "VARCHAR"),)), 5.0)).table().to_pylist()
    )  # fmt: skip
    assert row == {"v": "on"}
    await lease.close()


async def test_what_the_role_may_do_beyond_the_policy_is_told(provider):
    assert (await provider.inspect()).warnings == ()
    await provider.owner.execute("CREATE TABLE secrets (a int); GRANT SELECT ON t, secrets TO gateway_reader")
    await provider.owner.execute(f'GRANT TEMPORARY ON DATABASE "{provider.database}" TO gateway_reader')
    told = " ".join((await provider.inspect()).warnings)
    assert "secrets.a" in told
    assert "t.kept" in told
    assert "TEMPORARY" in told
    owner = PostgresEngine({"DATA_DSN": address(provider.database)}.get, 1, 5.0, 20.0)
    assert "superuser" in " ".join((await owner.inspect(SOURCE, ORDER)).warnings)
    await owner.close()


@pytest.mark.parametrize(
    ("granted", "taken", "told"),
    [
        ("GRANT UPDATE (name) ON t TO gateway_reader", "", "write to t"),
        ("GRANT DELETE ON t TO gateway_reader", "", "write to t"),
        ("GRANT CREATE ON SCHEMA public TO gateway_reader", "", "CREATE on the schema"),
        ("ALTER ROLE gateway_reader CREATEDB", "ALTER ROLE gateway_reader NOCREATEDB", "make databases"),
        ("GRANT pg_read_all_data TO gateway_reader", "REVOKE pg_read_all_data FROM gateway_reader", "pg_read_all_data"),
    ],
)
async def test_a_role_that_may_do_more_than_read_is_told(provider, granted, taken, told):
    try:
        await provider.owner.execute(granted)
        assert told in " ".join((await provider.inspect()).warnings)
    finally:
        if taken:  # roles are the whole server's
            await provider.owner.execute(taken)
