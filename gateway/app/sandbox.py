"""The sandbox's data: each dataset's twin of synthetic rows, made when it is first asked for, beside the store."""

import asyncio
import pickle
import subprocess
import sys
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from gateway.catalog.model import Dataset
from gateway.engines.marks import mark
from gateway.engines.synthetic_rows import name_of, synthetic
from gateway.errors import GatewayError
from gateway.ports import Engine, Lease, Source

DATA_VERSION = "synthetic"

SHOWN_ROWS = 5
"""How many rows of a table are shown."""

MAKING_S = 60.0
"""How long the rows of one dataset may take to be made."""


class Twins:
    """Satisfies gateway.parts.Synthetic."""

    def __init__(self, folder: Path, engine: Engine) -> None:
        self._folder = folder
        self._engine = engine
        self._known: dict[str, tuple[Dataset, Dataset]] = {}
        """By name, a dataset and its twin: planners know the same twin by its identity."""
        self._making = asyncio.Lock()

    async def twin(self, dataset: Dataset) -> Dataset:
        """Return the dataset over synthetic rows in a DuckDB file, under the same policy.

        Raises GatewayError `engine_unavailable` where they cannot be made.
        """
        async with self._making:
            known = self._known.get(dataset.name)
            path, stamp = await asyncio.to_thread(_made, dataset, self._folder)
            if known is not None and known[0] is dataset and known[1].stamp == stamp:
                return known[1]
            found = replace(dataset, source=Source("duckdb", path), stamp=stamp, data_version=DATA_VERSION)
            self._known[dataset.name] = (dataset, found)
            return found

    async def lease(self, dataset: Dataset, party: str) -> Lease:
        """Hold a worker with a twin's rows open."""
        return await self._engine.lease(dataset.source, dataset.stamp, party)


def shown(dataset: Dataset, columns: Mapping[str, Collection[str]]) -> list[dict[str, object]]:
    """Return the first synthetic rows of each table, of the columns that are named by table: cells as texts."""
    found: list[dict[str, object]] = []
    for made in synthetic(dataset, SHOWN_ROWS):
        kept = [at for at, (name, _) in enumerate(made.columns) if name in columns.get(made.table.name, ())]
        rows = zip(*(made.cells[at] for at in kept), strict=True)
        found.append(
            {
                "table": made.table.name,
                "columns": [made.columns[at][0] for at in kept],
                "rows": [list(row) for row in rows],
            }
        )
    return found


def _made(dataset: Dataset, folder: Path) -> tuple[str, str]:
    """Return the path and mark of a dataset's file, made by a process of its own where it is not there."""
    path = folder / name_of(dataset)
    try:
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            command = [sys.executable, "-m", "gateway.engines.synthetic_file"]
            given = pickle.dumps((dataset, path))
            subprocess.run(command, input=given, stdout=subprocess.DEVNULL, check=True, timeout=MAKING_S)  # noqa: S603
        return str(path), mark(path.stat())
    except (OSError, subprocess.SubprocessError):
        hint = "Nothing was charged. Ask again later."
        raise GatewayError("engine_unavailable", "The synthetic rows cannot be made now.", hint) from None
