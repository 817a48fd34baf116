"""A compiled measurement: everything that execute, release and finish need, and nothing of the data.

It is plain data that survives JSON, so that a coordinator of several gateways could carry it.
"""

from dataclasses import dataclass
from enum import StrEnum

from gateway.catalog.types import Cell, SqlType


class Quantity(StrEnum):
    ROWS = "rows"
    VALUES = "values"
    UNITS = "units"
    SUM = "sum"


@dataclass(frozen=True, slots=True)
class Key:
    """A group key: `domain` lists its public values in order (NULL among them); None is a private key."""

    name: str
    type: SqlType
    domain: tuple[Cell, ...] | None


@dataclass(frozen=True, slots=True)
class Primitive:
    """One noisy integer for each cell.

    Each (unit, key) partial lies in [`lower`, `upper`]: the clamp's own literals, and the only source of
    sensitivity: |partial| <= max(-lower, upper). `scale` is the Gaussian's standard deviation in integer units,
    `rho` the charge in rho units; `digest` names it for storage (relation, keys, bounding, argument, versions, cost).
    """

    name: str
    quantity: Quantity
    lower: int
    upper: int
    scale: float
    rho: int
    digest: str

    @property
    def bound(self) -> int:
        """The largest absolute contribution of one unit to one cell (Linf)."""
        return max(-self.lower, self.upper)


@dataclass(frozen=True, slots=True)
class Selection:
    """Partition selection: keys are released by a noisy count of units over a threshold.

    `primitive` names the count of units; keys with a noisy bounded count below `min_units` never appear; `threshold`
    is what the count less (min_units - 1) must reach; `delta` is charged in delta units.
    """

    primitive: str
    threshold: int
    min_units: int
    delta: int


@dataclass(frozen=True, slots=True)
class Measurement:
    """A bounded group-by over owned rows: columns `k0..`, then `p0..`, one row for each cell.

    A unit touches at most `groups` cells (L0). `selection` is None where all keys are public; then cells whose
    noisy count of units (`suppress_by`, a primitive's name) is below `suppress_below` are hidden after the noise.
    `sql` is for the engine, with `parameters` positional placeholders that all take the secret of the keyed hash.
    """

    name: str
    keys: tuple[Key, ...]
    groups: int
    primitives: tuple[Primitive, ...]
    selection: Selection | None
    suppress_by: str | None
    suppress_below: int
    sql: str
    parameters: int

    @property
    def rho(self) -> int:
        return sum(primitive.rho for primitive in self.primitives)

    @property
    def delta(self) -> int:
        return self.selection.delta if self.selection else 0

    def cells(self) -> int | None:
        """Return the number of public cells, or None for private keys."""
        count = 1
        for key in self.keys:
            if key.domain is None:
                return None
            count *= len(key.domain)
        return count


@dataclass(frozen=True, slots=True)
class NoisyTable:
    """Released cells of one measurement: `keys[i]` and the noisy integers `values[i]`, in the primitives' order."""

    name: str
    keys: tuple[tuple[Cell, ...], ...]
    values: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class OutputColumn:
    """A column of the answer. A direct one is `primitive * factor` (decimal text), with a closed-form interval."""

    name: str
    type: SqlType
    noisy: bool
    primitive: str | None = None
    factor: str = "1"


@dataclass(frozen=True, slots=True)
class Finish:
    """Post-processing: SQL over the noisy tables in the gateway's own DuckDB.

    `sql` returns the output columns and a last column `__cell`; `bootstrap_sql` the derived noisy columns for
    redrawn noise (columns `__draw`, `__cell`, then them in order), with filters, order and limits left out.
    """

    sql: str
    bootstrap_sql: str | None
    columns: tuple[OutputColumn, ...]
    ordered: bool
