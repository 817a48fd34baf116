"""The demo's data: the compact copy is what its provenance says, and the database is made of nothing else."""

import csv
import hashlib
import importlib.util
import lzma
from collections import Counter
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from gateway.cli.demo.database import build, read_source
from gateway.cli.demo.stage import Stage, held, prepare
from gateway.errors import GatewayError

DATA = Path(__file__).resolve().parents[3] / "policies" / "data"
COMPACT = DATA / "cdnow.csv.xz"


@pytest.fixture(scope="module")
def source():
    return list(csv.DictReader(lzma.decompress(COMPACT.read_bytes()).decode("ascii").splitlines()))


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    path = tmp_path_factory.mktemp("demo") / "cdnow.duckdb"
    build(COMPACT, path)
    connection = duckdb.connect(str(path), read_only=True)
    yield connection
    connection.close()


def band(quantity, amount):
    """Say what a basket is called, worked out apart from the SQL: price bands of one CD, upper ends left out."""
    many = "1 CD" if quantity == 1 else f"{quantity} CDs"
    many = many if quantity <= 10 else "11-20 CDs" if quantity <= 20 else "over 20 CDs"
    if amount == 0:
        return f"{many}, free"
    ends = [(8, "bargain"), (12, "low price"), (14, "mid price"), (16, "standard price"), (20, "high price")]
    return f"{many}, " + next((name for end, name in ends if amount / quantity < end), "premium")


def test_the_copy_is_the_one_that_the_provenance_names(source):
    text = lzma.decompress(COMPACT.read_bytes())
    assert hashlib.sha256(text).hexdigest() in (DATA / "PROVENANCE.md").read_text()
    assert len(source) == 69_659
    assert len({row["customer_id"] for row in source}) == 23_570


def test_a_short_copy_is_not_taken(tmp_path):
    short = tmp_path / "short.xz"
    short.write_bytes(lzma.compress(b"customer_id,purchased_on,quantity,amount\n1,1997-01-01,1,11.77\n"))
    with pytest.raises(AssertionError, match="not complete"):
        read_source(short)


def test_every_purchase_is_there_as_it_was(database, source):
    rows = database.execute(
        "SELECT purchase_id, customer_id, CAST(purchased_on AS VARCHAR), quantity, CAST(amount AS VARCHAR) "
        "FROM purchases ORDER BY purchase_id"
    ).fetchall()
    assert rows == [
        (number, int(row["customer_id"]), row["purchased_on"], int(row["quantity"]), row["amount"])
        for number, row in enumerate(source, start=1)
    ]


def test_baskets_are_functions_of_the_purchase(database, source):
    expected = Counter(band(int(row["quantity"]), Decimal(row["amount"])) for row in source)
    assert dict(database.execute("SELECT basket, COUNT(*) FROM purchases GROUP BY basket").fetchall()) == expected
    assert len(expected) == 72
    assert max(expected.values()) == 8588


def test_cohorts_are_the_month_of_the_first_purchase(database, source):
    first = {}
    for row in source:
        first[row["customer_id"]] = min(first.get(row["customer_id"], "9"), row["purchased_on"][:7])
    assert dict(database.execute("SELECT cohort, COUNT(*) FROM customers GROUP BY 1").fetchall()) == Counter(
        first.values()
    )


def test_the_calendar_is_public_and_whole(database):
    rows = database.execute("SELECT * FROM calendar ORDER BY day").fetchall()
    assert len(rows) == 365 + 181
    assert [str(part) for part in rows[0]] == ["1997-01-01", "1997-01", "1997-Q1", "3"]  # a Wednesday
    assert [str(part) for part in rows[-1]] == ["1998-06-30", "1998-06", "1998-Q2", "2"]  # a Tuesday


def test_keys_and_not_null_are_declared_to_the_engine(database):
    keys = database.execute(
        "SELECT table_name, constraint_type, constraint_column_names FROM duckdb_constraints() "
        "WHERE constraint_type IN ('PRIMARY KEY', 'FOREIGN KEY') ORDER BY ALL"
    ).fetchall()
    assert keys == [
        ("calendar", "PRIMARY KEY", ["day"]),
        ("customers", "PRIMARY KEY", ["customer_id"]),
        ("purchases", "FOREIGN KEY", ["customer_id"]),
        ("purchases", "PRIMARY KEY", ["purchase_id"]),
    ]
    assert database.execute("SELECT COUNT(*) FROM duckdb_columns() WHERE is_nullable AND NOT internal").fetchone() == (
        0,
    )


def test_nothing_but_the_database_is_left_behind(tmp_path):
    build(COMPACT, tmp_path / "new" / "x.duckdb")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["x.duckdb"]


def test_rebuilding_keeps_the_source_s_facts():
    spec = importlib.util.spec_from_file_location("rebuild", DATA / "rebuild.py")
    rebuild = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(rebuild)
    text = (
        " customer_id  date number_of_cds  dollar_value\r\n 00001 19970101  1   11.77\r\n 23570 19970325  2   25.74\r\n"
    )
    assert rebuild.compact(text) == (
        "customer_id,purchased_on,quantity,amount\n1,1997-01-01,1,11.77\n23570,1997-03-25,2,25.74\n"
    )


def test_the_demo_removes_only_what_a_demo_made(tmp_path):
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(GatewayError, match="no demo made"):
        prepare(Stage(tmp_path))
    assert (tmp_path / "precious.txt").read_text() == "mine"


def test_the_demo_starts_anew(tmp_path):
    stage = Stage(tmp_path / "demo")
    prepare(stage)
    (stage.state / "old").write_text("")
    prepare(stage)
    assert stage.ready
    assert list(stage.state.iterdir()) == []
    assert (stage.policies / "cdnow.yaml").read_text() == (DATA.parent / "cdnow.yaml").read_text()


def test_a_stage_is_held_by_one_demo(tmp_path):
    stage = Stage(tmp_path / "demo")
    with held(stage):
        with pytest.raises(GatewayError) as caught, held(stage):
            pass
        assert "running" in caught.value.detail
    with held(stage):
        prepare(stage)
        (stage.state / "left").write_text("from an earlier run")
        prepare(stage)  # the folder stays, and with it the lock
        assert not (stage.state / "left").exists()
        with pytest.raises(GatewayError), held(stage):
            pass
