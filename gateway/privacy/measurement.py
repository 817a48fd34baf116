"""The program that a query becomes: everything that execute, release and finish need, and nothing of the data.

It is plain data that survives JSON, so that a coordinator of several gateways could carry it.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from gateway.catalog.types import BOOLEAN, INTEGER, Cell, SqlType


class Quantity(StrEnum):
    ROWS = "rows"
    VALUES = "values"
    UNITS = "units"
    SUM = "sum"
    MOMENT = "moment"
    DISTINCT = "distinct"
    TRUTHS = "truths"
    """A count that a yes or no is read from: released beside the least count that its noise leaves in doubt."""
    TREE = "tree"


class Noise(StrEnum):
    """The mechanism: discrete Gaussian over an L2 bound, or discrete Laplace over an L1 bound."""

    GAUSSIAN = "gaussian"
    LAPLACE = "laplace"


FEW_ROWS = 10_000
"""So many rows at most are fetched in the way that is best for few."""


@dataclass(frozen=True, slots=True)
class Key:
    """A group key: `domain` lists its public values in order (NULL among them).

    None: a private key, or one whose values the engine joins in (Measurement.listed).
    """

    name: str
    type: SqlType
    domain: tuple[Cell, ...] | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A bound on one unit's whole vector of a primitive, and the noise that the primitive's rho pays for at it.

    The exact total at this bound, in whole numbers of which `denominator` make one, is
    denominator * (what units within it add) + weight * (what units above it add, scaled down): see Probe. `norm` is L2
    (Gaussian) or L1 (Laplace) in the same units (of a tree: over all its levels), and `scale` the standard deviation
    (Laplace: the scale).
    """

    norm: float
    scale: float
    denominator: int = 1
    weight: int = 0


@dataclass(frozen=True, slots=True)
class Search:
    """The noisy histogram of units over a primitive's candidates, which chooses one. Sensitivity 1.

    `touched` is how many cells one unit is expected to reach; `fallback` the candidate that holds where nothing
    stands out of the histogram's noise. Both from declared figures alone.
    """

    rho: int
    scale: float
    touched: float
    fallback: int


@dataclass(frozen=True, slots=True)
class Tree:
    """A histogram over `leaves` equal steps from `lower` to `upper` (in units of `step`), noised on every level.

    The engine counts in `fine` leaves of `width` steps; release joins `fanout` of them at a time until `leaves` are
    left. `queries` are what is asked of it, in the order of the released columns: `cont` or `disc` and the exact
    fraction (`cont:1/2`), `min` or `max`.
    """

    lower: int
    upper: int
    step: str
    fine: int
    width: int
    leaves: int
    fanout: int
    queries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier release of the same quantity that a draw is combined with.

    `digest` is its name, `together` the rho that both are worth, `bound` the index of the candidate that it was
    released at: what is combined keeps to it, and searches none.
    """

    digest: str
    together: int
    bound: int = 0


@dataclass(frozen=True, slots=True)
class Primitive:
    """One noisy integer for each cell (a tree: one for each node of each cell), released in whole steps.

    Each (unit, key) partial lies in [`lower`, `upper`]; a unit's vector keeps within its candidates' norms: literals
    of the SQL and the only sources of sensitivity. `candidates` ascend by norm; without a `search` there is one.
    `rho` is the draw's charge (in pure accounting: epsilon), the search's apart; `digest` names the draw for storage
    (relation, keys, bounding, argument, versions, cost), `series` what it measures whatever it costs (empty where
    releases are not to be used for one another). `expected_scale` is the noise to expect in steps, from declared
    figures alone. With an `earlier` release, `rho` and the scale are those of the draw that is added to it.
    """

    name: str
    quantity: Quantity
    lower: int
    upper: int
    candidates: tuple[Candidate, ...]
    noise: Noise
    search: Search | None
    rho: int
    digest: str
    expected_scale: float
    tree: Tree | None = None
    series: str = ""
    earlier: Earlier | None = None

    @property
    def worth(self) -> int:
        """What the release is worth in rho units: of the draw and what it is combined with. The search apart."""
        return self.rho if self.earlier is None else self.earlier.together

    @property
    def charge(self) -> int:
        """The rho units (in pure accounting: epsilon units) of the draw and its search."""
        return self.rho + (self.search.rho if self.search is not None else 0)


@dataclass(frozen=True, slots=True)
class Probe:
    """One statement of a measurement and the primitives that it totals.

    Columns: `part` (a primitive's number), `unit`, `bin`, the keys, of a tree `leaf`, then `kept` and `scaled`. A row
    that is not `unit` totals a cell (of a tree: a leaf of a cell) over the units whose least candidate is number `bin`:
    `kept` of their vectors as they are, `scaled` of the same scaled down. A row that is `unit` says in `kept` how many
    units there are in a bin. Rows of part -1 list the cells, where public relations do.
    """

    sql: str
    parameters: int
    primitives: tuple[Primitive, ...]
    inputs: tuple[str, ...] = ()


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
    """A compiled measurement: columns `k0..`, one cell for each combination of keys.

    `groups` is how many cells a unit touches (L0) where the pick chooses them, else None. `listed`: the engine returns
    every cell, as public relations list them. `cells` is a bound on their number, None for private keys. `selection`
    is None where all keys are public; then cells whose noisy count of units (`suppress_by`, a primitive) is below
    `suppress_below` are hidden after the noise. `reasons` say in words how the bounds were chosen.
    """

    name: str
    keys: tuple[Key, ...]
    groups: int | None
    listed: bool
    cells: int | None
    probes: tuple[Probe, ...]
    selection: Selection | None
    suppress_by: str | None
    suppress_below: int
    reasons: tuple[str, ...] = ()

    @property
    def primitives(self) -> tuple[Primitive, ...]:
        return tuple(primitive for probe in self.probes for primitive in probe.primitives)

    def columns(self, probe: Probe) -> tuple[tuple[str, str], ...]:
        """Return the columns of a probe's rows, with their types in words."""
        keys = tuple((key.name, key.type) for key in self.keys)
        leaf = (("leaf", INTEGER),) if any(primitive.tree is not None for primitive in probe.primitives) else ()
        first = (("part", INTEGER), ("unit", BOOLEAN), ("bin", INTEGER))
        columns = (*first, *keys, *leaf, ("kept", INTEGER), ("scaled", INTEGER))
        return tuple((name, str(type_)) for name, type_ in columns)

    def few(self, probe: Probe) -> bool:
        """Tell whether a probe has few rows, with none but public values for keys that are written in the plan."""
        if self.cells is None or self.listed:
            return False
        bins = sum(
            (len(primitive.candidates) + 1) * (1 if primitive.tree is None else primitive.tree.fine)
            for primitive in probe.primitives
        )
        return self.cells * bins <= FEW_ROWS

    @property
    def rho(self) -> int:
        return sum(primitive.charge for primitive in self.primitives)

    @property
    def delta(self) -> int:
        return self.selection.delta if self.selection else 0


@dataclass(frozen=True, slots=True)
class PublicRead:
    """Public rows: the engine's SQL, and the types of its columns under their ids."""

    name: str
    sql: str
    columns: tuple[tuple[str, SqlType], ...]
    kind: Literal["public"] = "public"
    """Steps of the same shape are told apart by it when they come back from JSON."""

    @property
    def returned(self) -> tuple[tuple[str, str], ...]:
        """The columns of its rows, with their types in words."""
        return tuple((name, str(type_)) for name, type_ in self.columns)


@dataclass(frozen=True, slots=True)
class Derived:
    """Released rows made by the finisher's SQL, for the engine to read as a table `name` in a later step."""

    name: str
    sql: str
    columns: tuple[tuple[str, SqlType], ...]
    kind: Literal["derived"] = "derived"


Step = Measurement | PublicRead | Derived

SCORES = tuple(index / 4 for index in range(-16, 17))
"""The normal scores at which a released quantile's curve is known; the value itself is the middle one."""


@dataclass(frozen=True, slots=True)
class NoisyColumn:
    """One released number for each cell: integers (in steps), or a quantile with its curves.

    `scale` is the noise's standard deviation (Laplace: its scale) in the values' units, 0 for quantiles; `bound` the
    index of the candidate that one unit's vector kept within. `curves[i]` are cell i's values at the normal scores
    SCORES of the rank's noise, ascending; none where there is no value.
    """

    name: str
    values: tuple[int, ...] | tuple[float | None, ...]
    scale: float
    noise: Noise
    curves: tuple[tuple[float, ...], ...] | None = None
    bound: int = 0


@dataclass(frozen=True, slots=True)
class NoisyTable:
    """Released cells of one measurement: `keys[i]` beside `columns[..].values[i]`. Quantile columns are `p3_0`, ..

    Beside the counts p4 that a yes or no is read from stands `p4_t`, the least count that is surely above none.
    """

    name: str
    keys: tuple[tuple[Cell, ...], ...]
    columns: tuple[NoisyColumn, ...]


@dataclass(frozen=True, slots=True)
class Direct:
    """Where an answer's column is one noisy column times `factor` (decimal text): its interval has a closed form."""

    measurement: str
    column: str
    factor: str


@dataclass(frozen=True, slots=True)
class OutputColumn:
    """A column of the answer; `direct` where its interval needs no redraw.

    `chosen`: noise chose what it is made of (a maximum, a rank, a sum of the rows over a limit): not a smooth function.
    """

    name: str
    type: SqlType
    noisy: bool
    direct: Direct | None = None
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class Copied:
    """A released column as an answer shows it: as it is, or (an integer) `times` 10**-`scale` as a decimal."""

    column: str
    times: int = 1
    scale: int | None = None


@dataclass(frozen=True, slots=True)
class Sorted:
    """A released column that an answer is sorted by."""

    by: Copied
    descending: bool
    nulls_first: bool


@dataclass(frozen=True, slots=True)
class Plain:
    """A finish that shows the visible cells of one measurement, sorted, then in their order, and computes nothing."""

    measurement: str
    columns: tuple[Copied, ...]
    order: tuple[Sorted, ...] = ()


@dataclass(frozen=True, slots=True)
class Finish:
    """Post-processing: SQL over the noisy tables and public rows in the gateway's own DuckDB.

    `sql` returns the output columns, then `identity` columns that say of which cells a row was made; `redraw_sql` the
    noisy derived columns for redrawn noise: `__draw`, the identity columns, then them in order, with filters, order and
    limits above the last aggregate left out. `plain` says the same as `sql` where that is so little.
    """

    sql: str
    identity: int
    redraw_sql: str | None
    columns: tuple[OutputColumn, ...]
    ordered: bool
    plain: Plain | None = None


@dataclass(frozen=True, slots=True)
class Program:
    """A whole query, ready to run: steps in order, then the finish."""

    steps: tuple[Step, ...]
    finish: Finish

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        return tuple(step for step in self.steps if isinstance(step, Measurement))
