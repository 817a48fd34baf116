"""Exact totals of one measurement as release sees them: the engine's rows by cell. Nothing here leaves the process."""

from collections.abc import Sequence
from dataclasses import dataclass, field
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
class _Rows:
    """The rows of one primitive: `cells` in order of appearance, and in arrays for each row its cell, bin and sums."""

    cells: list[Keys]
    cell: npt.NDArray[np.int64]
    bin: npt.NDArray[np.int64]
    kept: npt.NDArray[np.int64]
    scaled: npt.NDArray[np.int64]
    leaf: npt.NDArray[np.int64] | None

    def added(self, primitive: Primitive, index: int) -> npt.NDArray[Any]:
        """Return what each row adds at a candidate, in 1/denominator; whole numbers of Python where 64 bits are few."""
        candidate = primitive.candidates[index]
        kept, scaled = self.kept, self.scaled
        sums = np.abs(kept.astype(np.float64)).sum(), np.abs(scaled.astype(np.float64)).sum()
        if sums[0] * candidate.denominator + sums[1] * candidate.weight >= LIMIT:
            kept, scaled = kept.astype(object), scaled.astype(object)
        return np.where(self.bin <= index, kept * candidate.denominator, scaled * candidate.weight)


@dataclass(frozen=True, slots=True)
class ExactProbe:
    """The rows of one statement, by cell."""

    measurement: Measurement
    probe: Probe
    table: pa.Table
    _read: dict[str, _Rows] = field(default_factory=dict, compare=False, repr=False)

    def _rows(self, part: int, *, unit: bool) -> pa.Table:
        mask = pc.and_(pc.equal(self.table.column("part"), part), pc.equal(self.table.column("unit"), unit))
        return self.table.filter(mask)

    def _of(self, primitive: Primitive) -> _Rows:
        if primitive.name not in self._read:
            rows = self._rows(number(primitive), unit=False)
            cells, cell = self._cells(rows)
            bins, kept, scaled = (_integers(rows.column(name)) for name in ("bin", "kept", "scaled"))
            leaf = _integers(rows.column("leaf")) if primitive.tree is not None else None
            if leaf is None and rows.num_rows:
                # INVARIANT: the engine grouped, so no bin of a cell comes twice
                assert bins.min() >= 0 and _once(cell * (bins.max() + 1) + bins)  # noqa: PT018
            self._read[primitive.name] = _Rows(cells, cell, bins, kept, scaled, leaf)
        return self._read[primitive.name]

    def _cells(self, rows: pa.Table) -> tuple[list[Keys], npt.NDArray[np.int64]]:
        """Return the cells in some rows, each once, and for each row the place of its cell among them."""
        place, places = np.zeros(rows.num_rows, np.int64), 1
        values: list[list[Cell]] = []
        columns: list[npt.NDArray[np.int64]] = []
        for key in self.measurement.keys:
            encoded = rows.column(key.name).combine_chunks().dictionary_encode("encode")
            values.append([_canonical(value, key.type) for value in encoded.dictionary.to_pylist()])
            indices = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
            size = max(len(values[-1]), 1)
            if places * size > LIMIT:  # numbered anew, so that no product of sizes grows beyond 64 bits
                found, place = np.unique(place, return_inverse=True)
                places = max(len(found), 1)
            place, places = place * size + indices, places * size
            columns.append(indices)
        _, first, place = np.unique(place, return_index=True, return_inverse=True)
        named = [[column[i] for i in indices[first].tolist()] for column, indices in zip(values, columns, strict=True)]
        cells: list[Keys] = list(zip(*named, strict=True)) if named else [()] * len(first)
        return cells, place.astype(np.int64)

    def listed(self) -> list[Keys]:
        """Return every cell that public relations list."""
        return self._cells(self._rows(LISTED, unit=False))[0]

    def cells_of(self, primitive: Primitive) -> list[Keys]:
        """Return the cells in which the engine found something."""
        return self._of(primitive).cells

    def histogram(self, primitive: Primitive) -> list[int]:
        """Return how many units need each candidate; those that none holds need the last."""
        counts = [0] * len(primitive.candidates)
        rows = self._rows(number(primitive), unit=True)
        for place, count in zip(rows.column("bin").to_pylist(), rows.column("kept").to_pylist(), strict=True):
            counts[min(int(place), len(counts) - 1)] += int(count)
        return counts

    def totals(self, primitive: Primitive, index: int) -> dict[Keys, int]:
        """Return a primitive's exact total at a candidate, in 1/denominator, for each cell that the engine found."""
        rows = self._of(primitive)
        added = rows.added(primitive, index)
        sums: npt.NDArray[Any] = np.zeros(len(rows.cells), added.dtype)
        np.add.at(sums, rows.cell, added)
        return {key: max(-LIMIT, min(LIMIT, int(total))) for key, total in zip(rows.cells, sums.tolist(), strict=True)}

    def leaves(self, primitive: Primitive, index: int, cells: Sequence[Keys]) -> npt.NDArray[Any]:
        """Return exact counts (cells, fine leaves) in 1/denominator; cells that are not asked for are left out."""
        tree, rows = primitive.tree, self._of(primitive)
        assert tree is not None and rows.leaf is not None  # noqa: PT018 - INVARIANT: asked of trees
        places = {key: i for i, key in enumerate(cells)}
        place = np.array([places.get(key, -1) for key in rows.cells], np.int64)[rows.cell]
        asked = place >= 0
        added = rows.added(primitive, index)
        counts: npt.NDArray[Any] = np.zeros((len(cells), tree.fine), added.dtype)
        np.add.at(counts, (place[asked], np.clip(rows.leaf, 0, tree.fine - 1)[asked]), added[asked])
        return counts


def _once(numbers: npt.NDArray[np.int64]) -> bool:
    """Tell whether no number comes twice."""
    ordered = np.sort(numbers)
    return bool((ordered[1:] != ordered[:-1]).all())


def _integers(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    found: npt.NDArray[np.int64] = column.cast(pa.int64()).to_numpy()
    assert column.null_count == 0  # INVARIANT: the engine gives a figure in every row
    return found


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
