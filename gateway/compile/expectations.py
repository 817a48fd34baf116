"""Which noisy columns of an answer have an error that is known beforehand, and what it is made of."""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

from gateway.catalog.types import SqlType, TypeKind
from gateway.compile.lineage import Leaf, trace
from gateway.privacy.bounding import Bounded
from gateway.privacy.expected import Expected, Mean, Multiple, Unpredicted
from gateway.privacy.measurement import Direct, Finish, Quantity
from gateway.privacy.outputs import Average, Output
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
    direct = trace(root.plan, {name: _whole(leaf) for name, leaf in leaves.items()})[id(root.plan)].direct
    found = []
    for field, column in zip(root.plan.fields, finish.columns, strict=True):
        if not column.noisy:
            continue
        source = direct.get(field.id)
        of: Multiple | Mean | Unpredicted
        if column.direct is not None:
            of = _multiple(column.direct, bounded, sizes, column.type)
        elif source is None:
            of = _COMPUTED
        else:
            output = outputs[source.measurement, source.column]
            of = _other(source.measurement, output, bounded[source.measurement], sizes[source.measurement])
        found.append(Expected(column.name, of))
    return tuple(found)


def _whole(leaf: Leaf) -> Leaf:
    """Return a leaf whose every aggregate is followed as one, whatever it is computed of."""
    outputs = tuple(replace(output, primitive=output.column, factor="1") for output in leaf.outputs)
    return replace(leaf, outputs=outputs, direct=frozenset(output.column for output in outputs))


def _multiple(
    direct: Direct, bounded: Mapping[str, Bounded], sizes: Mapping[str, Declared], type_: SqlType
) -> Multiple:
    part = bounded[direct.measurement].parts[int(direct.column[1:])]
    assert isinstance(part, Partial)  # INVARIANT: a tree's columns are no multiple of one integer
    factor = abs(float(Fraction(direct.factor)))
    size, unsized = _size(part, sizes[direct.measurement])
    whole = type_.kind is TypeKind.INTEGER
    scaled = None if size is None else size * factor
    return Multiple(direct.measurement, direct.column, factor, whole, scaled, unsized)


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


def _other(measurement: str, output: Output, bounded: Bounded, cell: Declared) -> Mean | Unpredicted:
    average = output.average
    if average is None or cell.rows is None:
        return _SPREAD
    return _mean(measurement, average, bounded, cell.rows)


def _mean(measurement: str, average: Average, bounded: Bounded, rows: float) -> Mean:
    total = bounded.parts[int(average.total[1:])]
    assert isinstance(total, Partial)  # INVARIANT: a mean is made of a sum
    step = float(Fraction(average.step))
    return Mean(measurement, average.total, average.count, step, total.typical, max(rows, 1.0), average.typical * step)
