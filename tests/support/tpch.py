"""TPC-H made on this machine when it is first asked for, and its policy at any scale factor."""

import fcntl
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path

import duckdb

from gateway.catalog.build import build
from gateway.catalog.document import PolicyDocument
from gateway.catalog.inspection import Inspection, order
from gateway.catalog.load import parse
from gateway.catalog.model import Accounting, Column, Dataset, Table
from gateway.engines.duckdb_source import connect, stamp_of
from gateway.engines.duckdb_worker import inspect
from gateway.planning import Planned, plan
from gateway.programs import PlanJob
from gateway.request import Caller, Request

TABLES = ("nation", "region", "part", "supplier", "partsupp", "customer", "orders", "lineitem")
ROOT = Path(__file__).resolve().parent.parent.parent
QUERIES = {path.stem: path.read_text() for path in sorted((ROOT / "tests" / "corpora" / "tpch").glob("*.sql"))}
CALLER = Caller("ana", "widget-analytics", frozenset({"buyer"}), "market-research", "CN")
NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
POLICY_SCALE = Decimal("0.1")
"""The scale factor that policies/tpch/tpch.yaml is written for."""


@lru_cache(maxsize=4)
def database(scale: str) -> Path:
    """Return the DuckDB file of a scale factor, made once for all test processes of this machine."""
    folder = Path(tempfile.gettempdir()) / f"gateway-tpch-{scale}"
    folder.mkdir(exist_ok=True)
    path = folder / "tpch.duckdb"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            _make(scale, folder, path)
    return path


def _make(scale: str, folder: Path, path: Path) -> None:
    generator = Path(sys.executable).with_name("tpchgen-cli")
    subprocess.run([generator, "parquet", "-s", scale, f"--output-dir={folder}"], check=True, capture_output=True)
    unfinished = folder / "unfinished.duckdb"
    unfinished.unlink(missing_ok=True)
    connection = duckdb.connect(str(unfinished))
    for table in TABLES:
        connection.execute(f"CREATE TABLE {table} AS FROM read_parquet('{folder / table}.parquet')")
    connection.close()
    unfinished.rename(path)
    for table in TABLES:
        (folder / f"{table}.parquet").unlink()


def document() -> PolicyDocument:
    return parse((ROOT / "policies" / "tpch" / "tpch.yaml").read_text(), "tpch.yaml")


@lru_cache(maxsize=4)
def _inspection(scale: str) -> Inspection:
    """Look at the file by a name of this process's own: whoever has it open as it is called has it open in its own way."""
    path = database(scale)
    own = path.with_name(f"inspected-{os.getpid()}.duckdb")
    own.hardlink_to(path)
    try:
        connection = connect(str(own), 4000, 1)
        try:
            return inspect(connection, order(document()), stamp_of(str(path)))
        finally:
            connection.close()
    finally:
        own.unlink()


@lru_cache(maxsize=8)
def dataset(scale: str, max_cells: int = 100_000, accounting: Accounting = Accounting.ZCDP) -> Dataset:
    """Return the worked example's dataset with sizes and key bounds of a scale factor, and any epsilon allowed."""
    read = document()
    built = build(read, _inspection(scale), data_version="1", base=database(scale).parent)
    factor = Decimal(scale) / POLICY_SCALE
    privacy = replace(
        built.privacy, max_epsilon=Decimal(10**9), min_units=1, max_cells=max_cells, accounting=accounting
    )
    return replace(built, privacy=privacy, tables=tuple(_scaled(table, factor) for table in built.tables))


def _scaled(table: Table, factor: Decimal) -> Table:
    if table.name in ("nation", "region"):
        return table
    return replace(table, rows=int(table.rows * factor), columns=tuple(_column(c, factor) for c in table.columns))


def _column(column: Column, factor: Decimal) -> Column:
    if column.name not in ("l_partkey", "l_suppkey") or column.bounds is None:
        return column
    return replace(column, bounds=(column.bounds[0], int(Decimal(column.bounds[1]) * factor)))


def planned(sql: str, data: Dataset, epsilon: str = "1") -> Planned:
    request = Request(sql=sql, epsilon=Decimal(epsilon))
    return plan(PlanJob(data, CALLER, request, NOW, data.grants[0]))
