"""Which released columns carry noise, which rows were chosen by it, and which cells are one noisy number unchanged.

It follows a plan over released tables from its leaves up. It decides error bars alone, never what may be released.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from sqlglot import exp

from gateway.compile.columns import of, ordering
from gateway.privacy.measurement import Direct, Measurement
from gateway.privacy.outputs import Output
from gateway.sql.plan import (
    Aggregate,
    AggregateKind,
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
from gateway.sql.walk import upward
from gateway.sql.writing import named_in

_PICKING = {
    AggregateKind.MIN,
    AggregateKind.MAX,
    AggregateKind.QUANTILE_CONT,
    AggregateKind.QUANTILE_DISC,
    AggregateKind.BOOL_AND,
    AggregateKind.BOOL_OR,
    AggregateKind.MODE,
    AggregateKind.APPROX_TOP_K,
    AggregateKind.COUNT_DISTINCT,
}


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
    """What noise did to one relation: the ids that carry it, whether it chose rows, and columns with a closed form.

    `chosen` are noisy ids whose value noise picked among others, or summed over rows that it picked.
    """

    noisy: frozenset[str] = frozenset()
    rows: bool = False
    chosen: frozenset[str] = frozenset()
    direct: Mapping[str, Direct] = field(default_factory=lambda: MappingProxyType({}))

    def touches(self, terms: Iterable[Term]) -> bool:
        """Tell whether any of some terms over this relation carries noise."""
        return bool(of(terms) & self.noisy)

    def picks(self, terms: Iterable[Term]) -> bool:
        """Tell whether noise chose any of some terms: in what they are made of, or in a choice of their own."""
        return any(term.ids & self.chosen or any(map(self._picked, _choices(term.node))) for term in terms)

    def _picked(self, choice: tuple[exp.Expr, list[exp.Expr]]) -> bool:
        """Tell whether noise picks a value. One noisy value beside constants is held or left out, not picked."""
        node, values = choice
        return bool(_ids(node) & self.noisy) and sum(bool(_ids(value) & self.noisy) for value in values) != 1


def _ids(node: exp.Expr) -> set[str]:
    return set(named_in(node))


def _choices(node: exp.Expr) -> Iterator[tuple[exp.Expr, list[exp.Expr]]]:
    """Return every expression that chooses among values, and these. COALESCE and NULLIF choose by NULL alone."""
    for found in node.find_all(exp.Case, exp.If, exp.Greatest, exp.Least):
        match found:
            case exp.Case():
                values = [*(branch.args["true"] for branch in found.args["ifs"]), found.args.get("default")]
            case exp.If():
                if isinstance(found.parent, exp.Case):
                    continue
                values = [found.args["true"], found.args.get("false")]
            case _:
                values = [found.this, *found.expressions]
        yield found, [value for value in values if value is not None]


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
    noisy = frozenset(output.column for output in leaf.outputs)
    return Lineage(noisy, direct=direct)


def _project(plan: Project, below: Lineage) -> Lineage:
    noisy = frozenset(column.field.id for column in plan.columns if column.term.ids & below.noisy)
    direct = {
        column.field.id: below.direct[source]
        for column in plan.columns
        if (source := column.term.id) is not None and source in below.direct
    }
    chosen = frozenset(column.field.id for column in plan.columns if below.picks([column.term])) & noisy
    return Lineage(noisy, below.rows, chosen, direct)


def _join(plan: Join, left: Lineage, right: Lineage) -> Lineage:
    direct = {**left.direct, **right.direct}
    both = Lineage(left.noisy | right.noisy, chosen=left.chosen | right.chosen, direct=direct)
    chosen = right.rows or both.touches(plan.condition)
    match plan.kind:
        case JoinKind.SEMI | JoinKind.ANTI:
            return replace(left, rows=left.rows or chosen)
        case JoinKind.MARK:
            assert plan.mark is not None  # INVARIANT: a mark join has its mark
            mark = frozenset({plan.mark.id} if chosen else ())
            return replace(left, noisy=left.noisy | mark, chosen=left.chosen | mark)
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
    picked = below.rows or bool(keys)
    noisy, chosen = set(keys), set(keys)
    for call in plan.calls:
        filters = [call.filter] if call.filter is not None else []
        if picked or below.touches([*call.arguments, *filters]):
            noisy.add(call.field.id)
            if picked or call.kind in _PICKING or below.touches(filters) or below.picks(call.arguments):
                chosen.add(call.field.id)
    return Lineage(frozenset(noisy), bool(keys) or (below.rows and bool(plan.keys)), frozenset(chosen))


def _window(plan: Window, below: Lineage) -> Lineage:
    noisy, chosen = set(below.noisy), set(below.chosen)
    for call in plan.calls:
        filters = [call.filter] if call.filter is not None else []
        around = [*call.partition, *(key.term for key in call.order), *filters]
        picked = below.rows or below.touches(around)
        if picked or below.touches(call.arguments):
            noisy.add(call.field.id)
            if picked or call.kind in _PICKING or below.picks(call.arguments):
                chosen.add(call.field.id)
    return replace(below, noisy=frozenset(noisy), chosen=frozenset(chosen))


def _set(plan: SetOperation, left: Lineage, right: Lineage) -> Lineage:
    def either(a: frozenset[str], b: frozenset[str]) -> frozenset[str]:
        sides = zip(plan.fields, plan.left.fields, plan.right.fields, strict=True)
        return frozenset(field.id for field, x, y in sides if x.id in a or y.id in b)

    noisy = either(left.noisy, right.noisy)
    rows = left.rows or right.rows or (plan.kind is not SetKind.UNION_ALL and bool(noisy))
    return Lineage(noisy, rows, either(left.chosen, right.chosen))
