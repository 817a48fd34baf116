"""A DuckDB file of synthetic rows: written once for what it is made of, and read by the ordinary workers.

A process of its own writes it (`python -m gateway.engines.synthetic_file`, with a pickle of dataset and path on its
input): workers may write nothing, and the gateway's own process loads no DuckDB.
"""

import os
import pickle
import sys
from pathlib import Path

import duckdb
import pyarrow as pa

from gateway.catalog.model import Dataset
from gateway.engines.duckdb_source import quoted
from gateway.engines.synthetic_rows import synthetic


def make(dataset: Dataset, path: Path) -> None:
    """Write the file of a dataset's synthetic rows; files of its other versions go."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.draft")
    draft.unlink(missing_ok=True)
    with duckdb.connect(str(draft)) as connection:
        for rows in synthetic(dataset):
            columns = ", ".join(f"{quoted(name)} {kind}" for name, kind in rows.columns)
            table = quoted(rows.table.name)
            connection.execute(f"CREATE TABLE {table} ({columns})")
            cells = [pa.array(cells, pa.string()) for cells in rows.cells]
            connection.register("made", pa.table(cells, names=[f"c{i}" for i in range(len(cells))]))
            read = ", ".join(f"TRY_CAST(c{i} AS {kind})" for i, (_, kind) in enumerate(rows.columns))
            connection.execute(f"INSERT INTO {table} SELECT {read} FROM made")
            connection.unregister("made")
    draft.chmod(0o600)
    draft.replace(path)
    for other in path.parent.glob(f"{path.name.partition('-')[0]}-*.duckdb"):
        if other != path:
            other.unlink(missing_ok=True)


if __name__ == "__main__":
    make(*pickle.load(sys.stdin.buffer))  # noqa: S301 - from the process that started this one
