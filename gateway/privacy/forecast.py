"""What a quote foretells: other levels of error and their cost, how many cells can be of use, and a coarser key.

All of it follows from policy and SQL: it is the same for every database that the policy fits.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from statistics import NormalDist

from gateway.privacy.expected import Expected, Multiple, primitives_of, width
from gateway.privacy.measurement import Measurement, Primitive
from gateway.privacy.sizes import Declared
from gateway.request import Accuracy

USEFUL = 0.5
"""A cell is of use where the half-width of its best column is at most this share of what it holds by declaration."""

MOST = 0.5
"""A key is of use where at least this share of its plausible cells is expected to be shown."""


@dataclass(frozen=True, slots=True)
class Cells:
    """What to expect of a measurement's cells were all alike.

    `keys` is the number of plausible cells, `units` and `rows` those of one, None where no domain is declared;
    `fewest` counts the keys that are declared.
    `least` is what a cell's noisy count of units must reach to be shown, None where all are. `full` is how many cells
    can hold that many units, however they are spread; `shown` how many are expected to pass. `relative` is the
    half-width of the best column as a share of the declared size of a cell. `useful` is None where too little is
    declared to say.
    """

    measurement: str
    private: bool
    keys: int | None
    fewest: int
    units: float | None
    rows: float | None
    least: int | None
    full: int | None
    shown: int | None
    relative: float | None

    @property
    def useful(self) -> bool | None:
        if self.full is not None and self.full < MOST * self.fewest:
            return False
        if self.keys is None:
            return None
        enough = self.shown is None or self.shown >= MOST * self.keys
        return enough and (self.relative is None or self.relative <= USEFUL)

    @property
    def merit(self) -> float:
        """How good a key is among others that are not good enough: more is better."""
        shown = 1.0 if self.shown is None or not self.keys else self.shown / self.keys
        return shown / (1.0 + (self.relative or 0.0))


@dataclass(frozen=True, slots=True)
class Level:
    """The same question at another error: what to ask with (an epsilon or an accuracy), and what that makes.

    `measurements` are those of the plan at this level, so that what it costs is what would be charged.
    """

    asked: bool
    ask: Decimal | Accuracy
    epsilon: Decimal
    measurements: tuple[Measurement, ...]
    half_widths: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A coarser question: its SQL, what was changed in words, and what to expect of its cells at the same cost."""

    sql: str
    change: str
    cells: tuple[Cells, ...]
    half_widths: tuple[tuple[str, float | None], ...]


@dataclass(frozen=True, slots=True)
class Forecast:
    """Levels from the most error to the least, the cells of each measurement with keys, and a proposal where poor."""

    levels: tuple[Level, ...]
    cells: tuple[Cells, ...]
    proposal: Proposal | None


def cells_of(measurement: Measurement, declared: Declared, columns: Iterable[Expected]) -> Cells:
    """Return what to expect of a measurement's cells."""
    least, counted = _least(measurement)
    shown = None
    if counted is not None and declared.keys is not None and declared.units is not None and least is not None:
        shown = round(declared.keys * _passing(declared.units, counted.expected_scale, least))
    return Cells(
        measurement=measurement.name,
        private=measurement.selection is not None,
        keys=declared.keys,
        fewest=declared.fewest,
        units=declared.units,
        rows=declared.rows,
        least=least,
        full=None if least is None else _full(declared, least),
        shown=shown,
        relative=_relative(measurement, columns),
    )


def _least(measurement: Measurement) -> tuple[int | None, Primitive | None]:
    """Return what the noisy count of units of a cell must reach, and this count."""
    by_name = {primitive.name: primitive for primitive in measurement.primitives}
    if measurement.selection is not None:
        chosen = measurement.selection
        # the mechanism runs at one more than the threshold, on the count less (min_units - 1)
        return chosen.threshold + chosen.min_units, by_name[chosen.primitive]
    if measurement.suppress_by is not None:
        return measurement.suppress_below, by_name[measurement.suppress_by]
    return None, None


def _full(declared: Declared, least: int) -> int:
    most = declared.pairs // max(least, 1)
    return most if declared.keys is None else min(most, declared.keys)


def _passing(units: float, deviation: float, least: int) -> float:
    """Return the chance that a cell passes: units fall into it like a Poisson count, then noise is added."""
    spread = math.hypot(deviation, math.sqrt(units))
    return 1 - NormalDist().cdf((least - 0.5 - units) / spread)


def _relative(measurement: Measurement, columns: Iterable[Expected]) -> float | None:
    """Return the least relative error of the columns that are counts or sums of this measurement."""
    primitives = primitives_of((measurement,))
    found = []
    for column in columns:
        of = column.of
        if isinstance(of, Multiple) and of.measurement == measurement.name and of.size:
            wide = width(column, primitives, 0.95)
            assert wide is not None  # INVARIANT: a multiple's error is known
            found.append(wide / of.size)
    return min(found, default=None)
