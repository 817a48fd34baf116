"""From an aggregate over owned rows to a bounded group-by: keys, primitives, and what one unit may contribute."""

from dataclasses import dataclass
from math import sqrt

from gateway.catalog.model import Accounting, Dataset
from gateway.errors import GatewayError
from gateway.privacy import norms, partials
from gateway.privacy.keys import BoundedKey, Cells, cells_of
from gateway.privacy.measurement import Noise, Quantity
from gateway.privacy.norms import Clip, Reach
from gateway.privacy.outputs import Builder, Output
from gateway.privacy.ownership import one_row_each
from gateway.privacy.partials import Partial
from gateway.privacy.relations import Factor, Measure, Owned
from gateway.privacy.trees import TreePart, levels_of
from gateway.sql.plan import Plan
from gateway.sql.terms import Term


@dataclass(frozen=True, slots=True)
class Bounded:
    """A bounded group-by, ready to be written for an engine.

    `computed` names what rows hold besides the relation's columns. `parts[i]` becomes the primitive `p<i>`, its norms
    within `clips[i]`. `open` tells that a unit's rows could reach more cells than `groups`: where no norm holds them
    (private keys, distinct values), the engine picks so many by the keyed hash. `factors` list cells that the engine
    joins in; `cells` bounds their number, None for private keys. `single`: a unit has one row. `units` is the index of
    the count of units, if there is one, and `hidden_units` tells that no aggregate asked for it. `declared_units` and
    `declared_rows` are the sizes by declaration, `rows` those of one unit in one cell.
    """

    name: str
    relation: Plan
    owner: str
    keys: tuple[BoundedKey, ...]
    factors: tuple[Factor, ...]
    cells: int | None
    computed: tuple[tuple[str, Term], ...]
    parts: tuple[Partial | TreePart, ...]
    clips: tuple[Clip, ...]
    outputs: tuple[Output, ...]
    groups: int
    open: bool
    single: bool
    units: int | None
    hidden_units: bool
    rows: int
    declared_rows: int
    declared_units: int
    noise: Noise
    inputs: tuple[str, ...]

    @property
    def private_keys(self) -> bool:
        return self.cells is None

    def whole(self, index: int) -> bool:
        """Tell whether part `index` is a tree whose norm is over all its levels together, not over each of them."""
        return isinstance(self.parts[index], TreePart) and self.noise is Noise.GAUSSIAN


def bound(measure: Measure, dataset: Dataset) -> Bounded:
    """Return the bounded form of a measurement.

    Raises GatewayError `unit_key_released`, `float_key`, `type_mismatch`, `too_many_cells`, `no_bounds`,
    `private_keys`, `unsupported_sql`.
    """
    owned, aggregate = measure.owned, measure.aggregate
    cells = cells_of(measure, dataset)
    pure = dataset.privacy.accounting is Accounting.PURE
    if cells.private and pure:
        detail = "Only the data knows the values of this key, and this dataset's accounting has no delta for them."
        hint = "Group by columns with declared values, or name the values: key IN (...)."
        raise GatewayError("private_keys", detail, hint, aggregate.place)
    unit_table = dataset.table(dataset.privacy.unit_table)
    assert unit_table is not None  # INVARIANT: the catalog holds the unit table
    declared_units = max(unit_table.rows, 1)
    builder = Builder(owned, cells.count, declared_units)
    builder.reserve(aggregate.calls)
    outputs = tuple(builder.output(call) for call in aggregate.calls)
    units, hidden = _units(builder, cells, dataset)
    parts = builder.finished()
    single = one_row_each(owned)
    groups = 1 if single or _fixed_by_owner(measure) else owned.groups
    groups = groups if cells.count is None else max(1, min(groups, cells.count))
    noise = Noise.LAPLACE if pure else Noise.GAUSSIAN
    sized = _Sizes(owned, cells, groups, declared_units, single)
    return Bounded(
        name=measure.name,
        relation=owned.plan,
        owner=owned.owner,
        keys=cells.keys,
        factors=cells.factors,
        cells=cells.count,
        computed=builder.computed,
        parts=parts,
        clips=tuple(sized.clip(part, noise) for part in parts),
        outputs=outputs,
        groups=groups,
        open=sized.open,
        single=single,
        units=units,
        hidden_units=hidden,
        rows=owned.rows,
        declared_rows=owned.declared_rows,
        declared_units=declared_units,
        noise=noise,
        inputs=measure.inputs,
    )


def _units(builder: Builder, cells: Cells, dataset: Dataset) -> tuple[int | None, bool]:
    """Return the index of the count of units, and whether it is only there to release keys or to hide small cells."""
    units = builder.find_units()
    wanted = cells.private or (dataset.privacy.min_units > 1 and bool(cells.keys)) or not builder.parts
    if units is None and wanted:
        return builder.add(partials.count_units(None)), True
    return units, False


def _fixed_by_owner(measure: Measure) -> bool:
    """Tell whether declared facts say that a unit has one key only. The norm holds whether or not they are true."""
    return all(key.term.ids <= measure.owned.determined for key in measure.aggregate.keys)


@dataclass(frozen=True, slots=True)
class _Sizes:
    """What one unit is expected to bring, from declared figures alone."""

    owned: Owned
    cells: Cells
    groups: int
    units: int
    single: bool

    @property
    def open(self) -> bool:
        """Whether a unit's rows could reach more cells than `groups`."""
        return not self.single and (not self.cells.exact or self.groups < (self.cells.count or 0))

    @property
    def touched(self) -> float:
        """How many cells one unit is expected to reach."""
        return max(1.0, min(self.groups, self.cells.count or self.groups, self.owned.declared_rows / self.units))

    def clip(self, part: Partial | TreePart, noise: Noise) -> Clip:
        """Return the candidate norms of a primitive."""
        touched = self.touched
        rows = max(1.0, min(self.owned.rows, self.owned.declared_rows / self.units / touched))
        if isinstance(part, Partial) and part.quantity is Quantity.UNITS:
            rows = 1.0
        if isinstance(part, TreePart):
            one, linf, known, per_one = rows, self.owned.rows, True, 1
        else:
            one = (sqrt(rows) if part.cancels else rows) * part.typical
            linf, known, per_one = part.linf, part.known, part.one
        picked = isinstance(part, Partial) and part.quantity is Quantity.DISTINCT
        # what counts in a leaf has no clamp: only the norm holds a tree, whatever the keys are
        enforced = isinstance(part, Partial) and (self.cells.private or picked or not self.open)
        if self.cells.private and isinstance(part, Partial) and part.quantity is Quantity.UNITS:
            # the threshold's delta needs a count of units that no norm has scaled
            single = norms.Level(norms.norm(noise, self.groups, 1))
            return Clip((single,), scaled=False, touched=touched)
        if isinstance(part, TreePart) and noise is Noise.GAUSSIAN:
            return self._tree(part, rows)
        spread = touched if noise is Noise.LAPLACE else sqrt(touched)
        reach = Reach(self.groups, linf, enforced, min(one, linf) * spread, touched, known, per_one)
        return norms.distinct(noise, reach) if picked else norms.clip(noise, reach)

    def _tree(self, part: TreePart, rows: float) -> Clip:
        """Return the candidate L2 norms of a tree's counts on all levels: of one row in each, of those in one node.

        Bounds are wide as a rule: values are expected in a quarter of the nodes of each level.
        """
        sizes = levels_of(part.fine)
        squared = sum(rows + rows**2 / max(1.0, size / 4) for size in sizes)
        typical = sqrt(self.touched * min(squared, len(sizes) * rows**2))
        linf = self.owned.rows
        reach = Reach(self.groups * len(sizes), linf, enforced=False, typical=typical, touched=self.touched)
        return norms.clip(Noise.GAUSSIAN, reach)
