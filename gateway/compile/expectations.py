"""Which noisy columns of an answer have an error that is known beforehand, and what it is made of."""

from collections.abc import Mapping
from fractions import Fraction

from gateway.catalog.types import SqlType, TypeKind
from gateway.compile.lineage import Leaf
from gateway.compile.slopes import source
from gateway.privacy.bounding import Bounded
from gateway.privacy.expected import Expected, Mean, Multiple, Unpredicted
from gateway.privacy.measurement import Finish, Quantity
from gateway.privacy.outputs import Output
from gateway.privacy.partials import Partial
from gateway.privacy.relations import Released
from gateway.privacy.sizes import Declared

_COMPUTED = Unpredicted(
    "it is computed of noisy values after they are released",
    "Select the counts, sums and averages that it is made of, and compute it from the answer; or ask with `epsilon`.",
)
_SPREAD = Unpredicted(
    "it depends on how the values are spread",
    "Ask with `epsilon`: the answer carries the interval. COUNT, SUM and AVG of declared bounds can be asked this way.",
)


def expectations(
    root: Released,
    leaves: Mapping[str, Leaf],
    finish: Finish,
    bounded: Mapping[str, Bounded],
    sizes: Mapping[str, Declared],
) -> tuple[Expected, ...]:
    """Return what the error of each noisy column is made of, in the order of the answer."""
    outputs = {(name, output.column): output for name, leaf in leaves.items() for output in leaf.outputs}
    found = []
    for field, column in zip(root.plan.fields, finish.columns, strict=True):
        if not column.noisy:
            continue
        of: Multiple | Mean | Unpredicted = _COMPUTED
        traced = source(root.plan, field.id) if column.type.numeric and not column.chosen else None
        if traced is not None and traced[:2] in outputs:
            name, slope = traced[0], abs(traced[2])
            of = _of(name, outputs[traced[:2]], slope, bounded[name], sizes[name], column.type)
        assert column.direct is None or isinstance(of, Multiple)  # INVARIANT: a closed form is known beforehand
        found.append(Expected(column.name, of))
    return tuple(found)


def _of(
    name: str, output: Output, slope: float, bounded: Bounded, cell: Declared, type_: SqlType
) -> Multiple | Mean | Unpredicted:
    """Return what an aggregate's error is made of, times `slope`."""
    part = bounded.parts[int(output.primitive[1:])] if output.primitive is not None else None
    if isinstance(part, Partial) and output.primitive is not None:
        factor = abs(float(Fraction(output.factor))) * slope
        size, unsized = _size(part, cell)
        whole = type_.kind is TypeKind.INTEGER
        return Multiple(name, output.primitive, factor, whole, None if size is None else size * factor, unsized)
    average = output.average
    if average is None or cell.rows is None:
        return _SPREAD
    if type_.kind is TypeKind.INTEGER:  # what is cut off may be more than the noise
        return _COMPUTED
    total = bounded.parts[int(average.total[1:])]
    assert isinstance(total, Partial)  # INVARIANT: a mean is made of a sum
    step = float(Fraction(average.step)) * slope
    return Mean(name, average.total, average.count, step, total.typical, max(cell.rows, 1.0), average.typical * step)


def _size(part: Partial, cell: Declared) -> tuple[float | None, str]:
    """Return the declared magnitude of a primitive in one cell, in steps; else why there is none."""
    if not part.known:
        return None, "nothing declared bounds it, so its bound is found privately"
    if cell.rows is None or cell.units is None:
        return None, "the values of its group keys are not declared, so a cell has no declared size"
    if part.quantity is Quantity.DISTINCT:
        return None, "how many distinct values there are is not declared"
    if part.quantity is Quantity.UNITS:
        return cell.units, ""
    return cell.rows * part.typical, ""
