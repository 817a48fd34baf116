"""Exact totals of one measurement as release sees them: the engine's rows by cell. Nothing here leaves the process."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gateway.catalog.types import Cell, SqlType, TypeKind, to_cell
from gateway.privacy.measurement import Measurement, Primitive, Probe

Keys = tuple[Cell, ...]
LIMIT = 2**62
"""Totals are clamped here before they meet 64-bit noise: what one unit adds is not made larger by it."""

LISTED = -1


@dataclass(frozen=True, slots=True)
class ExactProbe:
    """The rows of one statement, by cell."""

    measurement: Measurement
    probe: Probe
    table: pa.Table

    def _rows(self, part: int, *, unit: bool) -> pa.Table:
        mask = pc.and_(pc.equal(self.table.column("part"), part), pc.equal(self.table.column("unit"), unit))
        return self.table.filter(mask)

    def _cells(self, rows: pa.Table) -> list[Keys]:
        keys = self.measurement.keys
        columns = [[_canonical(v, key.type) for v in rows.column(key.name).to_pylist()] for key in keys]
        return list(zip(*columns, strict=True)) if columns else [()] * rows.num_rows

    def listed(self) -> list[Keys]:
        """Return every cell that public relations list."""
        return self._cells(self._rows(LISTED, unit=False))

    def cells_of(self, primitive: Primitive) -> list[Keys]:
        """Return the cells in which the engine found something."""
        return list(dict.fromkeys(self._cells(self._rows(number(primitive), unit=False))))

    def histogram(self, primitive: Primitive) -> list[int]:
        """Return how many units need each candidate; those that none holds need the last."""
        counts = [0] * len(primitive.candidates)
        rows = self._rows(number(primitive), unit=True)
        for place, count in zip(rows.column("bin").to_pylist(), rows.column("kept").to_pylist(), strict=True):
            counts[min(int(place), len(counts) - 1)] += int(count)
        return counts

    def totals(self, primitive: Primitive, index: int) -> dict[Keys, int]:
        """Return a primitive's exact total at a candidate, in 1/denominator, for each cell that the engine found."""
        rows, candidate = self._rows(number(primitive), unit=False), primitive.candidates[index]
        found: dict[Keys, int] = {}
        seen: set[tuple[Keys, int]] = set()
        columns = (rows.column(name).to_pylist() for name in ("bin", "kept", "scaled"))
        for key, place, kept, scaled in zip(self._cells(rows), *columns, strict=True):
            assert (key, place) not in seen  # INVARIANT: the engine grouped, so no bin of a cell comes twice
            seen.add((key, place))
            added = kept * candidate.denominator if place <= index else scaled * candidate.weight
            found[key] = found.get(key, 0) + int(added)
        return {key: max(-LIMIT, min(LIMIT, value)) for key, value in found.items()}

    def leaves(self, primitive: Primitive, index: int, cells: Sequence[Keys]) -> npt.NDArray[Any]:
        """Return exact counts (cells, fine leaves) in 1/denominator; cells that are not asked for are left out."""
        tree, candidate = primitive.tree, primitive.candidates[index]
        assert tree is not None  # INVARIANT: asked of trees
        rows = self._rows(number(primitive), unit=False)
        places = {key: i for i, key in enumerate(cells)}
        counts: npt.NDArray[Any] = np.zeros((len(cells), tree.fine), np.int64)
        total = 0.0
        columns = (rows.column(name).to_pylist() for name in ("leaf", "bin", "kept", "scaled"))
        for key, leaf, place, kept, scaled in zip(self._cells(rows), *columns, strict=True):
            if key not in places:
                continue
            added = kept * candidate.denominator if place <= index else scaled * candidate.weight
            total += added
            if total >= LIMIT and counts.dtype != object:  # beyond 64 bits sums would wrap round
                counts = counts.astype(object)
            counts[places[key], min(max(leaf, 0), tree.fine - 1)] += added
        return counts


def number(primitive: Primitive) -> int:
    """Return a primitive's number among those of its measurement: 3 of p3."""
    return int(primitive.name[1:])


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
