"""Which columns a query uses below its measurements, and how (group, filter, aggregate, join): what a policy allows.

Public tables need no leave, and neither does what is done to released values.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlglot import exp

from gateway.catalog.model import Dataset, Table, Use
from gateway.errors import Position
from gateway.policy.model import Access
from gateway.privacy.ownership.facts import shown
from gateway.privacy.ownership.walk import upward
from gateway.privacy.relations import Analysis, Measure
from gateway.sql.plan import (
    Aggregate,
    AggregateCall,
    AggregateKind,
    Computed,
    Filter,
    Join,
    JoinKind,
    Limit,
    Measured,
    Plan,
    Project,
    Read,
    Scan,
    SetOperation,
    Sort,
    Staged,
    Values,
    Window,
    WindowCall,
)
from gateway.sql.sources import equated, key_names
from gateway.sql.terms import BaseColumn, Term

COUNTED = (AggregateKind.COUNT, AggregateKind.COUNT_DISTINCT)
"""They say how many there are of a column, and nothing of its values."""


def accesses(analysis: Analysis, dataset: Dataset) -> tuple[Access, ...]:
    """Return every use of a private table's column, in the order of the plan, each once.

    Keys of the unit and its chain may be joined on, grouped by for each person and counted without a `use`.
    """
    uses = _Uses(dataset)
    seen: set[int] = set()
    for step in analysis.steps:
        if not isinstance(step, Measure):
            continue
        for node in upward(step.aggregate.input):
            if id(node) not in seen:
                seen.add(id(node))
                uses.below(node)
        uses.aggregate(step.aggregate, per_owner=False)
    return tuple(dict.fromkeys(uses.found))


def tables_read(analysis: Analysis) -> tuple[Table, ...]:
    """Return the tables whose size a query's price counts: private ones below measurements, public ones read whole."""
    plans: list[Plan] = []
    for step in analysis.steps:
        if isinstance(step, Measure):
            plans.append(step.aggregate.input)
        elif isinstance(step, Read):
            plans.append(step.plan)
    found: dict[str, Table] = {}
    for plan in plans:
        scans = [node for node in upward(plan) if isinstance(node, Scan)]
        whole = all(scan.table.public for scan in scans)
        found |= {scan.table.name: scan.table for scan in scans if whole or not scan.table.public}
    return tuple(found.values())


def unchanged(plan: Plan, column_id: str) -> frozenset[BaseColumn] | None:
    """Return the base columns that a column holds as they are (several: of a FULL join or UNION); None: it is computed.

    Released values hold none.
    """
    match plan:
        case Scan():
            if plan.owner is not None and plan.owner.id == column_id:
                table = plan.chain[-1].table if plan.chain else plan.table
                return frozenset({(table.name, plan.owner.name)})
            origin = next(f.term.origin for f in plan.fields if f.id == column_id)
            return None if origin is None else frozenset({(origin.table, origin.column)})
        case Project():
            return _all(plan.input, next(c.term for c in plan.columns if c.field.id == column_id))
        case Aggregate():
            key = next((key for key in plan.keys if key.field.id == column_id), None)
            return None if key is None else _all(plan.input, key.term)
        case Join():
            side = plan.left if column_id in shown(plan.left) else plan.right
            return unchanged(side, column_id) if column_id in shown(side) else None
        case SetOperation():
            index = next(i for i, f in enumerate(plan.fields) if f.id == column_id)
            found = [unchanged(side, side.fields[index].id) for side in (plan.left, plan.right)]
            return None if None in found else frozenset().union(*(bases for bases in found if bases is not None))
        case Filter() | Sort() | Limit():
            return unchanged(plan.input, column_id)
        case Window():
            return unchanged(plan.input, column_id) if column_id in shown(plan.input) else None
        case Values() | Staged() | Measured() | Read():
            return frozenset()


def _all(plan: Plan, term: Term) -> frozenset[BaseColumn] | None:
    node = term.node.unnest()
    parts = [node.this, *node.expressions] if isinstance(node, exp.Coalesce) else [node]
    found: set[BaseColumn] = set()
    for part in parts:
        inner = part.unnest()
        bases = unchanged(plan, inner.name) if isinstance(inner, exp.Column) else None
        if bases is None:
            return None
        found |= bases
    return frozenset(found)


@dataclass(slots=True)
class _Uses:
    dataset: Dataset
    found: list[Access] = field(default_factory=list)

    def below(self, plan: Plan) -> None:
        """Note the uses of one node below a measurement."""
        match plan:
            case Filter():
                for term in plan.condition:
                    self._note(term.bases, Use.FILTER, term.place)
            case Join():
                for term in plan.condition:
                    self._joined(plan, term)
            case Aggregate():
                self.aggregate(plan, per_owner=True)
            case Window():
                for call in plan.calls:
                    self._window(call)
            case _:
                return

    def aggregate(self, plan: Aggregate, *, per_owner: bool) -> None:
        for key in plan.keys:
            self._key(key, per_owner=per_owner)
        for call in plan.calls:
            self._call(call, plan.input)

    def _key(self, key: Computed, *, per_owner: bool) -> None:
        bases = key.term.bases
        if per_owner:  # what tells one person's rows apart is not shown
            bases = frozenset(base for base in bases if not self._is_key(base))
        self._note(bases, Use.GROUP, key.term.place)

    def _counts_keys(self, below: Plan, term: Term) -> bool:
        bases = unchanged(below, term.id) if term.id is not None else None
        return bases is not None and all(map(self._is_key, bases))

    def _call(self, call: AggregateCall, below: Plan) -> None:
        if call.filter is not None:
            self._note(call.filter.bases, Use.FILTER, call.filter.place)
        for term in call.arguments:
            if call.kind in COUNTED and self._counts_keys(below, term):
                continue
            self._note(term.value, Use.AGGREGATE, term.place or call.place)
            self._note(term.condition, Use.FILTER, term.place or call.place)

    def _window(self, call: WindowCall) -> None:
        for term in call.partition:
            bases = frozenset(base for base in term.bases if not self._is_key(base))
            self._note(bases, Use.FILTER, term.place or call.place)
        for key in call.order:
            self._note(key.term.bases, Use.FILTER, key.term.place or call.place)
        if call.filter is not None:
            self._note(call.filter.bases, Use.FILTER, call.filter.place)
        for term in call.arguments:
            self._note(term.value, Use.AGGREGATE, term.place or call.place)
            self._note(term.condition, Use.FILTER, term.place or call.place)

    def _joined(self, plan: Join, term: Term) -> None:
        if not term.bases:
            return  # an owner equality that a chain key implies: the query named the chain key
        left, right = ({f.id: f.term for f in side.fields} for side in (plan.left, plan.right))
        pair = equated(term, set(left), set(right)) is not None
        tests = plan.kind in (JoinKind.SEMI, JoinKind.ANTI, JoinKind.MARK)  # IN and EXISTS choose rows as WHERE does
        use = Use.JOIN if pair and not tests else Use.FILTER
        for side, terms in ((plan.left, left), (plan.right, right)):
            for column_id in sorted(term.ids & terms.keys()):
                bases = unchanged(side, column_id) if pair else None
                if bases is None:
                    self._note(terms[column_id].bases, use, term.place or plan.place)
                elif not all(map(self._is_key, bases)):
                    self._note(bases, use, term.place or plan.place)

    def _is_key(self, base: BaseColumn) -> bool:
        table = self.dataset.table(base[0])
        assert table is not None  # INVARIANT: bases are columns of the catalog
        return not table.public and base[1] in key_names(self.dataset, table)

    def _note(self, bases: Iterable[BaseColumn], use: Use, place: Position | None) -> None:
        for table_name, column in sorted(bases):
            table = self.dataset.table(table_name)
            assert table is not None  # INVARIANT: bases are columns of the catalog
            if not table.public:
                self.found.append(Access(table_name, column, use, place))
