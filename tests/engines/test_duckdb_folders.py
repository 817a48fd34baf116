"""A folder of Parquet files as DuckDB's source: its tables, its doors, and files that come, go and change."""

from collections import Counter

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.answers import exact_rows, staged
from support.duckdb_files import run
from support.queries import ANSWERED
from support.shop import empty_database, fill, planned
from support.stores import refused
from support.thinning import one_in
from test_two_engines import rows_of

from gateway.catalog.inspection import InspectionOrder
from gateway.engines.duckdb_source import connect, stamp_of
from gateway.errors import GatewayError
from gateway.ports import Source
from gateway.privacy.measurement import Measurement


def write(file, rows):
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"x": pa.array(rows, pa.int64())}), file)


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "lake" / "t" / "part-0.parquet", [1, 2])
    write(tmp_path / "lake" / "t" / "more" / "part-1.parquet", [3])
    write(tmp_path / "lake" / "u.parquet", [4])
    (tmp_path / "lake" / "t" / "_SUCCESS").touch()
    return tmp_path / "lake"


async def test_files_of_a_table_are_read_together(engine, folder):
    table, cost = await run(engine, folder, "SELECT SUM(x) AS s, (SELECT SUM(x) FROM u) AS v FROM t")
    assert table.to_pylist() == [{"s": 6, "v": 4}]
    assert sum(rows for _, rows in cost.scanned) == 4
    assert cost.read_bytes > 0


CHANGES = {
    "a new file": lambda folder: write(folder / "t" / "part-2.parquet", [9]),
    "a file less": lambda folder: (folder / "u.parquet").unlink(),
    "another in its place": lambda folder: write(folder / "t" / "part-0.parquet", [1, 7]),
    "a new table": lambda folder: write(folder / "w" / "part-0.parquet", [1]),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_what_changed_has_to_be_declared(engine, folder, change):
    before = stamp_of(str(folder))
    CHANGES[change](folder)
    await refused(run(engine, folder, "SELECT COUNT(*) AS n FROM t", stamp=before), "refresh_needed")
    await run(engine, folder, "SELECT COUNT(*) AS n FROM t")


async def test_files_that_change_between_opening_and_reading_fail_the_query(engine, folder):
    lease = await engine.lease(Source("duckdb", str(folder)), stamp_of(str(folder)))
    write(folder / "t" / "part-0.parquet", [1, 7])
    from gateway.ports import Statement

    await refused(lease.run(Statement("SELECT SUM(x) AS s FROM t"), 20.0), "query_failed")
    await lease.close()


UNLIKE = {
    "another column": pa.table({"y": pa.array(["a"])}),
    "a column more": pa.table({"x": pa.array([9], pa.int64()), "y": pa.array(["a"])}),
    "numbers that would be rounded": pa.table({"x": pa.array([2.7])}),
    "numbers that may not fit": pa.table({"x": pa.array([9], pa.decimal128(38, 0))}),
    "texts that may be no numbers": pa.table({"x": pa.array(["9"])}),
}


@pytest.mark.parametrize("unlike", UNLIKE)
async def test_files_of_one_table_that_are_not_alike_are_no_source(engine, folder, unlike):
    pq.write_table(UNLIKE[unlike], folder / "t" / "part-9.parquet")
    await refused(run(engine, folder, "SELECT COUNT(*) AS s FROM t"), "engine_unavailable")
    with pytest.raises(GatewayError) as caught:
        await engine.inspect(Source("duckdb", str(folder)), InspectionOrder(("t",), (), (), ()))
    assert caught.value.code == "engine_unavailable"


async def test_a_text_that_is_not_utf8_is_found_before_a_query_comes_across_it(engine, folder):
    raw = pa.array([b"good", b"\xff\xfe"], pa.binary())
    texts = pa.Array.from_buffers(pa.string(), len(raw), raw.buffers())
    pq.write_table(pa.table({"x": [1, 2], "s": texts}), folder / "w.parquet", row_group_size=1)
    assert (await run(engine, folder, "SELECT MAX(s) AS s FROM w WHERE x = 1"))[0].to_pylist() == [{"s": "good"}]
    await refused(run(engine, folder, "SELECT MAX(s) AS s FROM w WHERE x = 2"), "query_failed")
    source = Source("duckdb", str(folder))
    await engine.inspect(source, InspectionOrder(("t",), (), (), ()))
    await refused(engine.inspect(source, InspectionOrder(("t", "w"), (), (), ())), "policy_invalid")


async def test_columns_in_another_order_are_the_same_columns(engine, folder):
    (folder / "v").mkdir()
    pq.write_table(pa.table({"a": [1], "b": [20]}), folder / "v" / "part-0.parquet")
    pq.write_table(pa.table({"b": [30], "a": [2]}), folder / "v" / "part-1.parquet")
    table, _ = await run(engine, folder, "SELECT SUM(a) AS a, SUM(b) AS b FROM v")
    assert table.to_pylist() == [{"a": 3, "b": 50}]


@pytest.mark.parametrize("name", ["part-[0].parquet", "part-?.parquet", "*.parquet"])
async def test_a_name_that_reads_as_a_pattern_is_no_source(engine, folder, name):
    write(folder / "t" / name, [100])  # as a pattern it is part-0, a second time
    await refused(run(engine, folder, "SELECT SUM(x) AS s FROM t"), "engine_unavailable")


@pytest.mark.parametrize(
    "place", ["t/_temporary/0/part-0.parquet", "t/.part-1.parquet", "t/_delta_log/0.json", "_u.parquet"]
)
async def test_what_is_by_custom_no_data_is_refused_and_not_read(engine, folder, place):
    write(folder / place, [100])
    await refused(run(engine, folder, "SELECT SUM(x) AS s FROM t"), "engine_unavailable")


@pytest.mark.parametrize("path", ["empty", "missing"])
async def test_nothing_to_read_is_no_source(engine, tmp_path, path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(GatewayError) as caught:
        stamp_of(str(tmp_path / path))
    assert caught.value.code == "engine_unavailable"


def test_nothing_but_its_files_can_be_opened(folder, tmp_path):
    write(tmp_path / "other.parquet", [5])
    write(folder / "late.parquet", [5])
    connection = connect(str(folder), 64, 1)
    (folder / "later.parquet").write_bytes((tmp_path / "other.parquet").read_bytes())
    for file in (tmp_path / "other.parquet", folder / "later.parquet", "/etc/passwd"):
        with pytest.raises(duckdb.Error):
            connection.execute(f"SELECT * FROM read_parquet('{file}')").fetchall()
        with pytest.raises(duckdb.Error):
            connection.execute(f"SELECT * FROM read_csv('{file}')").fetchall()
    for setting in ("enable_external_access = true", "allowed_paths = ['/etc/passwd']"):
        with pytest.raises(duckdb.Error):
            connection.execute(f"SET {setting}")


async def test_a_provider_is_told_of_its_tables_and_broken_facts(engine, folder):
    write(folder / "t" / "part-2.parquet", [3])
    order = InspectionOrder(("t", "u"), ("u",), (("t", ("x",)), ("u", ("x",))), ())
    found = await engine.inspect(Source("duckdb", str(folder)), order)
    assert [(t.name, t.kind, [c.type_text for c in t.columns], t.unique) for t in found.tables] == [
        ("t", "table", ["BIGINT"], ()),
        ("u", "table", ["BIGINT"], ()),
    ]
    assert found.distinct == (("u", "x", (4,)),)
    assert found.broken_facts == ("t.unique[x]",)


@pytest.fixture(scope="module")
def shop_in_two_forms(tmp_path_factory):
    """The shop as a database, and the same rows as several Parquet files for each table."""
    database, folder = empty_database(), tmp_path_factory.mktemp("shop")
    fill(database, 3, 60)
    for (name,) in database.execute("SELECT table_name FROM duckdb_tables()").fetchall():
        rows = database.sql(f'SELECT * FROM "{name}"').to_arrow_table()
        (folder / name).mkdir()
        half = rows.num_rows // 2
        for part, of in enumerate((rows.slice(0, half), rows.slice(half))):
            pq.write_table(of, folder / name / f"part-{part}.parquet")
    return database, connect(str(folder), 512, 2)


@pytest.mark.parametrize("name", one_in(3, ANSWERED))
def test_a_query_is_the_same_on_files(shop_in_two_forms, name):
    database, files = shop_in_two_forms
    made = planned(ANSWERED[name])
    inputs = staged(database, made)
    for step in made.program.steps:
        if isinstance(step, Measurement):
            for one, other in zip(exact_rows(database, step, inputs), exact_rows(files, step, inputs), strict=True):
                assert Counter(rows_of(one)) == Counter(rows_of(other))
