"""Released tables as an answer shows them: only the cells that are visible, with intervals that need no redraw."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from gateway.catalog.types import TypeKind
from gateway.engines.bars import Bars
from gateway.engines.rendering import bars_around
from gateway.privacy.intervals import half_width
from gateway.privacy.measurement import Finish, Measurement, NoisyTable
from gateway.privacy.release import visible

Rows = list[tuple[object, ...]]
MAX_ROWS = 1_000_000


@dataclass(frozen=True, slots=True)
class FinishedRows:
    """Rows of the answer as JSON-safe values, and intervals by column."""

    rows: list[list[object]]
    intervals: Bars
    truncated: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """A measurement and its visible noisy table."""

    measurement: Measurement
    table: NoisyTable


def shown_of(tables: Sequence[NoisyTable], measurements: Sequence[Measurement]) -> list[Shown]:
    """Return each measurement with its table."""
    pairs = list(zip(measurements, tables, strict=True))
    assert all(m.name == t.name for m, t in pairs)  # INVARIANT: one table for each measurement, in order
    return [Shown(m, visible(m, t)) for m, t in pairs]


def limit_of(row_limit: int | None) -> int:
    """Return how many rows an answer may have."""
    return min(row_limit or MAX_ROWS, MAX_ROWS)


def direct(columns: Sequence[Sequence[object]], finish: Finish, shown: Sequence[Shown]) -> Bars:
    """Return closed-form intervals of the columns that are a multiple of one noisy integer. `columns`: the finish's."""
    noise = {(s.table.name, column.name): column for s in shown for column in s.table.columns}
    found: Bars = {}
    for index, column in enumerate(finish.columns):
        if column.direct is None:
            continue
        source = noise[column.direct.measurement, column.direct.column]
        width = half_width(source.scale, source.noise) * abs(float(Fraction(column.direct.factor)))
        whole = column.type.kind is TypeKind.INTEGER
        found[column.name] = bars_around(columns[index], width, whole=whole)
    return found
