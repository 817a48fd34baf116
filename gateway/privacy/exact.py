"""Exact totals of one measurement as release sees them: the engine's rows by cell. Nothing here leaves the process."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gateway.catalog.types import Cell, SqlType, TypeKind, to_cell
from gateway.privacy.measurement import Candidate, Measurement, Primitive, Probe, Tree

Keys = tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class ExactProbe:
    """The rows of one statement: cells (of a tree, leaves of cells), and units by the candidate that they need."""

    probe: Probe
    rows: pa.Table
    cells: tuple[Keys, ...]
    searched: pa.Table

    def total(self, candidate: Candidate) -> dict[Keys, int]:
        """Return a primitive's exact total for each cell that the engine found, in 1/denominator."""
        values = self.rows.column(candidate.column).to_pylist()
        found = {key: int(value) for key, value in zip(self.cells, values, strict=True)}
        assert len(found) == len(self.cells)  # INVARIANT: the engine grouped, so no cell comes twice
        return found

    def histogram(self, primitive: Primitive) -> list[int]:
        """Return how many units need each candidate."""
        counts = [0] * len(primitive.candidates)
        places = self.searched.column("s").to_pylist()
        for place, count in zip(places, self.searched.column(primitive.candidates[0].column).to_pylist(), strict=True):
            if count:  # rows of other primitives' bins count nothing here
                counts[int(place)] += int(count)
        return counts

    def leaves(self, tree: Tree, candidate: Candidate, cells: Sequence[Keys]) -> npt.NDArray[np.int64]:
        """Return the exact counts (cells, fine leaves) in 1/denominator; cells that are not asked for are left out."""
        counts = np.zeros((len(cells), tree.fine), np.int64)
        index = {key: i for i, key in enumerate(cells)}
        leaves = self.rows.column("leaf").to_pylist()
        for key, leaf, value in zip(self.cells, leaves, self.rows.column(candidate.column).to_pylist(), strict=True):
            if key in index and leaf is not None:
                assert 0 <= leaf < tree.fine  # INVARIANT: values are clamped to the tree's range
                counts[index[key], int(leaf)] += int(value)
        return counts


def exact_of(measurement: Measurement, probe: Probe, table: pa.Table) -> ExactProbe:
    """Return the rows of a probe by cell, their keys canonical."""
    is_cell = pc.is_null(table.column("s"))
    rows = table.filter(is_cell)
    keys = [[_canonical(v, key.type) for v in rows.column(key.name).to_pylist()] for key in measurement.keys]
    cells = tuple(zip(*keys, strict=True)) if keys else ((),) * rows.num_rows
    return ExactProbe(probe, rows, cells, table.filter(pc.invert(is_cell)))


def _canonical(value: object, type_: SqlType) -> Cell:
    if value is None:
        return None
    if type_.kind is TypeKind.INTEGER:
        return int(str(value))
    if type_.kind is TypeKind.DECIMAL:
        return f"{Decimal(str(value)):.{type_.scale}f}"
    return to_cell(value)  # type: ignore[arg-type]


def order(key: Keys) -> tuple[tuple[bool, str, int, str], ...]:
    """Return a total order of cells that depends on nothing but the keys: NULL last, numbers by size, text by code."""
    return tuple(
        (cell is None, type(cell).__name__, int(cell) if isinstance(cell, int) else 0, str(cell)) for cell in key
    )
