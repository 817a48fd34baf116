"""Exact totals of one measurement as release sees them: the engine's rows by cell. Nothing here leaves the process."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import repeat
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gateway.catalog.types import Cell, SqlType, TypeKind, to_cell
from gateway.privacy.measurement import Measurement, Primitive, Probe

Keys = tuple[Cell, ...]
Places = npt.NDArray[np.int64]
LIMIT = 2**62
"""Totals are clamped here before they meet 64-bit noise: what one unit adds is not made larger by it."""

LISTED = -1

DENSE = 8
"""Numbers of rows are told apart by a table where that has no more than so many entries a row, else by sorting them."""


@dataclass(frozen=True, slots=True)
class FoundCells:
    """Cells that the engine found, each once: of each key its `values`, and for each cell the place of its value there.

    They are arrays until a cell is asked for by name: most of many private keys never are.
    """

    count: int
    values: tuple[tuple[Cell, ...], ...]
    places: tuple[Places, ...]

    def named(self, which: Places) -> list[Keys]:
        """Return some of the cells by their keys."""
        columns = [
            [values[place] for place in places[which].tolist()]
            for values, places in zip(self.values, self.places, strict=True)
        ]
        return list(zip(*columns, strict=True)) if columns else [()] * len(which)

    def all(self) -> list[Keys]:
        """Return every cell by its keys."""
        return self.named(np.arange(self.count))

    def inside(self, domains: Sequence[tuple[Cell, ...] | None]) -> npt.NDArray[np.bool_]:
        """Tell of each cell whether its keys lie in their domains; None holds every value."""
        found = np.ones(self.count, np.bool_)
        for domain, values, places in zip(domains, self.values, self.places, strict=True):
            if domain is not None:
                held = frozenset(domain)
                found &= np.array([value in held for value in values], np.bool_)[places]
        return found

    def among(self, asked: Sequence[Keys]) -> Places:
        """Return for each cell its place among those that are asked for, which differ; -1 where it is not asked for."""
        held = np.ones(len(asked), np.bool_)
        joined, sizes = [], []
        columns = zip(*asked, strict=True) if asked else ((),) * len(self.values)
        for column, values, places in zip(columns, self.values, self.places, strict=True):
            known = {value: place for place, value in enumerate(values)}
            wanted = np.fromiter(map(known.get, column, repeat(-1)), np.int64, len(asked))
            held &= wanted >= 0
            joined.append(np.concatenate((places, np.maximum(wanted, 0))))
            sizes.append(len(values))
        numbers, _ = _numbered(joined, sizes, self.count + len(asked))
        mine, theirs, which = numbers[: self.count], numbers[self.count :][held], np.flatnonzero(held)
        if not len(theirs):
            return np.full(self.count, -1, np.int64)
        ordered = np.argsort(theirs)
        nearest = ordered[np.minimum(np.searchsorted(theirs, mine, sorter=ordered), len(theirs) - 1)]
        return np.where(theirs[nearest] == mine, which[nearest], -1)


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of one primitive: their cells, and in arrays for each row its cell, bin and sums."""

    cells: FoundCells
    cell: Places
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
        parts, units = (self.table.column(name).to_numpy() for name in ("part", "unit"))
        asked = (parts == part) & (units == unit)
        return self.table if asked.all() else self.table.filter(pa.array(asked))

    def _of(self, primitive: Primitive) -> _Rows:
        if primitive.name not in self._read:
            rows = self._rows(number(primitive), unit=False)
            cells, cell = self._cells(rows)
            bins, kept, scaled = (_integers(rows.column(name)) for name in ("bin", "kept", "scaled"))
            leaf = _integers(rows.column("leaf")) if primitive.tree is not None else None
            if leaf is None and rows.num_rows:
                # INVARIANT: the engine grouped, so no bin of a cell comes twice
                many = int(bins.max()) + 1
                assert bins.min() >= 0 and _once(cell * many + bins, cells.count * many)  # noqa: PT018
            self._read[primitive.name] = _Rows(cells, cell, bins, kept, scaled, leaf)
        return self._read[primitive.name]

    def _cells(self, rows: pa.Table) -> tuple[FoundCells, Places]:
        """Return the cells in some rows, each once, and for each row the place of its cell among them."""
        values: list[tuple[Cell, ...]] = []
        columns: list[Places] = []
        for key in self.measurement.keys:
            named, indices = _encoded(rows.column(key.name), key.type)
            values.append(named)
            columns.append(indices)
        one, cell = _distinct(*_numbered(columns, [len(named) for named in values], rows.num_rows))
        return FoundCells(len(one), tuple(values), tuple(indices[one] for indices in columns)), cell

    def listed(self) -> list[Keys]:
        """Return every cell that public relations list."""
        return self._cells(self._rows(LISTED, unit=False))[0].all()

    def found(self, primitive: Primitive) -> FoundCells:
        """Return the cells in which the engine found something."""
        return self._of(primitive).cells

    def histogram(self, primitive: Primitive) -> list[int]:
        """Return how many units need each candidate; those that none holds need the last."""
        counts = [0] * len(primitive.candidates)
        rows = self._rows(number(primitive), unit=True)
        for place, count in zip(rows.column("bin").to_pylist(), rows.column("kept").to_pylist(), strict=True):
            counts[min(int(place), len(counts) - 1)] += int(count)
        return counts

    def sums(self, primitive: Primitive, index: int) -> npt.NDArray[np.int64]:
        """Return a primitive's exact total at a candidate, in 1/denominator, for each cell that the engine found."""
        rows = self._of(primitive)
        added = rows.added(primitive, index)
        sums: npt.NDArray[Any] = np.zeros(rows.cells.count, added.dtype)
        np.add.at(sums, rows.cell, added)
        return clamped(sums)

    def totals_of(self, primitive: Primitive, index: int, cells: Sequence[Keys]) -> npt.NDArray[np.int64]:
        """Return the exact total of each of some cells: 0 where the engine found nothing."""
        place = self.found(primitive).among(cells)
        totals = np.zeros(len(cells), np.int64)
        totals[place[place >= 0]] = self.sums(primitive, index)[place >= 0]
        return totals

    def leaves(self, primitive: Primitive, index: int, cells: Sequence[Keys]) -> npt.NDArray[Any]:
        """Return exact counts (cells, fine leaves) in 1/denominator; cells that are not asked for are left out."""
        tree, rows = primitive.tree, self._of(primitive)
        assert tree is not None and rows.leaf is not None  # noqa: PT018 - INVARIANT: asked of trees
        place = rows.cells.among(cells)[rows.cell]
        asked = place >= 0
        added = rows.added(primitive, index)
        counts: npt.NDArray[Any] = np.zeros((len(cells), tree.fine), added.dtype)
        np.add.at(counts, (place[asked], np.clip(rows.leaf, 0, tree.fine - 1)[asked]), added[asked])
        return counts


def clamped(totals: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return exact totals, of 64 bits or of Python's, held within LIMIT."""
    held: npt.NDArray[np.int64] = np.clip(totals, -LIMIT, LIMIT).astype(np.int64)
    return held


def _encoded(column: pa.ChunkedArray, type_: SqlType) -> tuple[tuple[Cell, ...], Places]:
    """Return the canonical values in a key's column, each once, and for each row the place of its value."""
    encoded = column.combine_chunks().dictionary_encode("encode")
    indices = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    raw = encoded.dictionary.to_pylist()
    if type_.kind is TypeKind.INTEGER and pa.types.is_integer(encoded.dictionary.type):
        return tuple(raw), indices
    known: dict[Cell, int] = {}
    same = [known.setdefault(_canonical(value, type_), len(known)) for value in raw]
    return tuple(known), np.array(same, np.int64)[indices]


def _numbered(columns: Sequence[Places], sizes: Sequence[int], rows: int) -> tuple[Places, int]:
    """Return a number for each row of columns, the same for rows that are alike alone, and what all are below."""
    numbers, below = np.zeros(rows, np.int64), 1
    for places, values in zip(columns, sizes, strict=True):
        size = max(values, 1)
        if below * size > LIMIT:  # numbered anew, so that no product of sizes grows beyond 64 bits
            found, numbers = np.unique(numbers, return_inverse=True)
            below = max(len(found), 1)
        numbers, below = numbers * size + places, below * size
    return numbers, below


def _distinct(numbers: Places, below: int) -> tuple[Places, Places]:
    """Return a row of each number that comes, by size, and for each row the place of its number among those."""
    if below > DENSE * len(numbers):
        _, one, place = np.unique(numbers, return_index=True, return_inverse=True)
        return one, place.astype(np.int64)
    row_of = np.full(below, -1, np.int64)
    row_of[numbers] = np.arange(len(numbers))
    present = np.flatnonzero(row_of >= 0)
    place_of = np.empty(below, np.int64)
    place_of[present] = np.arange(len(present))
    return row_of[present], place_of[numbers]


def _once(numbers: Places, below: int) -> bool:
    """Tell whether no number comes twice."""
    return len(_distinct(numbers, below)[0]) == len(numbers)


def _integers(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    assert column.null_count == 0  # INVARIANT: the engine gives a figure in every row
    whole = column if column.type == pa.int64() else column.cast(pa.int64())
    found: npt.NDArray[np.int64] = whole.to_numpy()
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
