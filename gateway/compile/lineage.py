"""Which released columns carry noise, which rows were chosen by it, and which cells are one noisy number unchanged.

It follows a plan over released tables from its leaves up. It decides error bars alone, never what may be released.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from gateway.compile.columns import of, ordering, upward
from gateway.privacy.bounding import Output
from gateway.privacy.measurement import Direct, Measurement
from gateway.sql.plan import (
    Aggregate,
    Filter,
    Join,
    JoinKind,
    Limit,
    Measured,
    Plan,
    Project,
    Read,
    Scan,
    SetKind,
    SetOperation,
    Sort,
    Staged,
    Values,
    Window,
)
from gateway.sql.terms import Term


@dataclass(frozen=True, slots=True)
class Leaf:
    """The noisy table of a measurement as a plan sees it: its key columns, and how each aggregate is made of it.

    `direct` names the noisy integers, whose intervals have a closed form (a quantile has a curve instead).
    """

    keys: tuple[str, ...]
    outputs: tuple[Output, ...]
    direct: frozenset[str] = frozenset()

    @staticmethod
    def of(measurement: Measurement, outputs: tuple[Output, ...]) -> "Leaf":
        """Return the leaf of a compiled measurement."""
        keys = tuple(key.name for key in measurement.keys)
        plain = frozenset(p.name for p in measurement.primitives if p.tree is None)
        return Leaf(keys, outputs, plain)


@dataclass(frozen=True, slots=True)
class Lineage:
    """What noise did to one relation: the ids that carry it, whether it chose rows, and columns with a closed form."""

    noisy: frozenset[str] = frozenset()
    rows: bool = False
    direct: Mapping[str, Direct] = field(default_factory=lambda: MappingProxyType({}))

    def touches(self, terms: Iterable[Term]) -> bool:
        """Tell whether any of some terms over this relation carries noise."""
        return bool(of(terms) & self.noisy)


def trace(root: Plan, leaves: Mapping[str, Leaf]) -> dict[int, Lineage]:
    """Return the lineage of every node of a plan, by the node's identity."""
    found: dict[int, Lineage] = {}
    for plan in upward(root):
        found[id(plan)] = _lineage(plan, found, leaves)
    return found


def _lineage(plan: Plan, found: Mapping[int, Lineage], leaves: Mapping[str, Leaf]) -> Lineage:
    match plan:
        case Measured():
            return _measured(plan, leaves[plan.name])
        case Scan() | Values() | Read() | Staged():
            return Lineage()
        case Filter():
            below = found[id(plan.input)]
            return replace(below, rows=below.rows or below.touches(plan.condition))
        case Project():
            return _project(plan, found[id(plan.input)])
        case Join():
            return _join(plan, found[id(plan.left)], found[id(plan.right)])
        case Aggregate():
            return _aggregate(plan, found[id(plan.input)])
        case Window():
            return _window(plan, found[id(plan.input)])
        case SetOperation():
            return _set(plan, found[id(plan.left)], found[id(plan.right)])
        case Sort():
            return found[id(plan.input)]
        case Limit():
            below = found[id(plan.input)]
            keys = [key.term for key in ordering(plan.input)]
            return replace(below, rows=below.rows or below.touches(keys))


def _measured(plan: Measured, leaf: Leaf) -> Lineage:
    direct = {
        output.column: Direct(plan.name, output.primitive, output.factor)
        for output in leaf.outputs
        if output.primitive is not None and output.primitive in leaf.direct
    }
    return Lineage(frozenset(output.column for output in leaf.outputs), direct=direct)


def _project(plan: Project, below: Lineage) -> Lineage:
    noisy = frozenset(column.field.id for column in plan.columns if column.term.ids & below.noisy)
    direct = {
        column.field.id: below.direct[source]
        for column in plan.columns
        if (source := column.term.id) is not None and source in below.direct
    }
    return Lineage(noisy, below.rows, direct)


def _join(plan: Join, left: Lineage, right: Lineage) -> Lineage:
    both = Lineage(left.noisy | right.noisy, direct={**left.direct, **right.direct})
    chosen = right.rows or both.touches(plan.condition)
    match plan.kind:
        case JoinKind.SEMI | JoinKind.ANTI:
            return replace(left, rows=left.rows or chosen)
        case JoinKind.MARK:
            assert plan.mark is not None  # INVARIANT: a mark join has its mark
            return replace(left, noisy=left.noisy | ({plan.mark.id} if chosen else set()))
        case JoinKind.INNER:
            return replace(both, rows=left.rows or chosen)
        case JoinKind.LEFT | JoinKind.RIGHT | JoinKind.FULL:
            noisy = both.noisy
            if chosen and plan.kind is not JoinKind.RIGHT:  # a match that noise may take away
                noisy |= {f.id for f in plan.right.fields}
            if (left.rows or both.touches(plan.condition)) and plan.kind is not JoinKind.LEFT:
                noisy |= {f.id for f in plan.left.fields}
            return replace(both, noisy=noisy, rows=left.rows or chosen)


def _aggregate(plan: Aggregate, below: Lineage) -> Lineage:
    keys = frozenset(key.field.id for key in plan.keys if below.touches([key.term]))
    calls = frozenset(
        call.field.id
        for call in plan.calls
        if below.rows or keys or below.touches([*call.arguments, *([call.filter] if call.filter is not None else [])])
    )
    return Lineage(keys | calls, rows=bool(keys) or (below.rows and bool(plan.keys)))


def _window(plan: Window, below: Lineage) -> Lineage:
    calls = frozenset(
        call.field.id
        for call in plan.calls
        if below.rows
        or below.touches(
            [
                *call.arguments,
                *call.partition,
                *(key.term for key in call.order),
                *([call.filter] if call.filter is not None else []),
            ]
        )
    )
    return replace(below, noisy=below.noisy | calls)


def _set(plan: SetOperation, left: Lineage, right: Lineage) -> Lineage:
    noisy = frozenset(
        field.id
        for field, a, b in zip(plan.fields, plan.left.fields, plan.right.fields, strict=True)
        if a.id in left.noisy or b.id in right.noisy
    )
    rows = left.rows or right.rows or (plan.kind is not SetKind.UNION_ALL and bool(noisy))
    return Lineage(noisy, rows)
