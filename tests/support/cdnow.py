"""The purchases of the demo, with its policy, as the planner sees them."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from gateway.catalog.build import build
from gateway.catalog.inspection import order
from gateway.catalog.load import parse
from gateway.catalog.model import Dataset
from gateway.cli.demo.stage import POLICY_NAME, Stage, prepare
from gateway.engines.duckdb_source import connect, stamp_of
from gateway.engines.duckdb_worker import inspect


def cdnow(folder: Path) -> tuple[Path, Dataset]:
    """Return the demo's database, made in a folder, and its dataset with any epsilon allowed."""
    stage = Stage(folder)
    prepare(stage)
    document = parse((stage.policies / POLICY_NAME).read_text(encoding="utf-8"), POLICY_NAME)
    connection = connect(str(stage.database), 1000, 1)
    inspection = inspect(connection, order(document), stamp_of(str(stage.database)))
    connection.close()
    built = build(document, inspection, data_version="1", base=stage.policies)
    return stage.database, replace(built, privacy=replace(built.privacy, max_epsilon=Decimal(10)))
