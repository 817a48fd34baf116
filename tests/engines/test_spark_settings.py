"""Settings of a provider's Spark: whatever its server has, a session of the gateway reads and computes the same."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.spark import VARIABLE, Server

from gateway.catalog.inspection import InspectionOrder
from gateway.engines import spark_sessions
from gateway.engines.spark_engine import SparkEngine
from gateway.engines.spark_settings import PINNED
from gateway.errors import GatewayError
from gateway.ports import Source, Statement

pytestmark = pytest.mark.spark

ORDER = InspectionOrder(("t",), (), (), ())
OPPOSITE = {"true": "false", "false": "true", "CORRECTED": "LEGACY"}
OTHERWISE = {
    "spark.sql.sources.useV1SourceList": "",
    "spark.sql.functionResolution.sessionOrder": "first",
    "spark.sql.optimizer.excludedRules": "",
    "spark.sql.session.timeZone": "Asia/Shanghai",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    "spark.sql.session.collation.default": "UNICODE_CI",
}
MEANT = {
    "(SELECT COUNT(*) FROM (SELECT 1 UNION ALL SELECT 2 INTERSECT SELECT 3)) = 1": "INTERSECT binds before UNION",
    "CAST('x' AS BIGINT) IS NULL": "nothing raises on a row",
    "LENGTH('${spark.app.name}') = 17": "a text is not filled in",
    "DATE_FORMAT(TIMESTAMP_NTZ'2021-01-03 01:02:03.456789', 'SSSSSS') = '456789'": "microseconds are the last six places",
    "DATE_FORMAT(DATE'1500-02-03', 'EEEE') = 'Saturday'": "days before 1582 are of the Gregorian calendar",
    "(SELECT VAR_SAMP(v) FROM (SELECT 1 AS v)) IS NULL": "one row has no variance",
    "DATE'2020-01-02' = '2020-1-2'": "a date and a text are compared as dates",
    "NOT (CAST(NULL AS INT) IN (SELECT x FROM `t` WHERE x < 0))": "nothing, not even NULL, is among no rows",
    "EXISTS(SELECT COUNT(*) FROM `t` AS a WHERE a.x = b.y)": "a count of nothing is a row",
    "(SELECT `a.c` FROM (SELECT 1 AS abc, 2 AS `a.c`)) = 2": "a name is no pattern",
    "(SELECT COUNT(*) FROM `t` WHERE x < 0 GROUP BY GROUPING SETS (())) = 0": "one group of nothing is a row",
    "TYPEOF(CAST(1 AS DECIMAL(5, 2)) * 2) = 'decimal(7,2)'": "a number has the digits that it is written with",
    "CAST(CAST(1 AS DECIMAL(38, 18)) / 3 AS STRING) = '0.333333333333333333'": "places stay",
}  # fmt: skip


@pytest.fixture(scope="module")
def hostile():
    """Return a server on which every setting that matters is another than ours."""
    conf = {name: OTHERWISE.get(name) or OPPOSITE.get(value, "") for name, value in PINNED.items()}
    made = Server(**conf, **{"spark.sql.extensions": "acme.lake.Extensions"})
    yield made
    made.end()


@pytest.fixture
async def reading(hostile, tmp_path):
    folder = tmp_path / "shop"
    (folder / "t").mkdir(parents=True)
    pq.write_table(pa.table({"x": [1, 2, 3]}), folder / "t" / "part-0.parquet")
    source = Source("spark", f"{VARIABLE}/file:{folder}")
    engine = SparkEngine({VARIABLE: hostile.url}.get, 1, 30.0)
    yield engine, source, folder
    await engine.close()


async def test_statements_mean_the_same_whatever_the_servers_settings_are(reading):
    engine, source, _ = reading
    found = await engine.inspect(source, ORDER)
    lease = await engine.lease(source, found.stamp)
    assert await lease._session.call(lambda spark: {n: spark.conf.get(n) for n in PINNED}, 30.0) == PINNED
    columns = tuple((f"c{number}", "BOOLEAN") for number in range(len(MEANT)))
    asked = ", ".join(f"{sql} AS c{number}" for number, sql in enumerate(MEANT))
    rows = await lease.run(Statement(f"SELECT {asked} FROM (SELECT 5 AS y) AS b", columns=columns), 60.0)
    (row,) = rows.table().to_pylist()
    assert [why for why, true in zip(MEANT.values(), row.values(), strict=True) if true is not True] == []
    await lease.close()


async def test_extensions_of_the_server_are_told_to_its_provider(reading):
    engine, source, _ = reading
    (told,) = (await engine.inspect(source, ORDER)).warnings
    assert "acme.lake.Extensions" in told


async def test_a_file_that_cannot_be_read_is_no_shorter_table(reading):
    engine, source, folder = reading
    (folder / "t" / "part-1.parquet").write_bytes(b"PAR1, or was it")
    with pytest.raises(GatewayError) as caught:
        await engine.inspect(source, ORDER)
    assert caught.value.code == "engine_unavailable"


async def test_a_setting_that_no_session_may_have_is_named(reading, monkeypatch):
    _, source, _ = reading
    monkeypatch.setattr(spark_sessions, "PINNED", {**PINNED, "spark.sql.warehouse.dir": "elsewhere"})
    engine = SparkEngine({VARIABLE: reading[0]._sources._addresses(VARIABLE)}.get, 1, 30.0)
    with pytest.raises(GatewayError) as caught:
        await engine.inspect(source, ORDER)
    assert caught.value.code == "engine_unavailable"
    assert "has to let a session set spark.sql.warehouse.dir" in caught.value.hint
    await engine.close()
