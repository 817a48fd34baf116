"""Which columns a query uses below its measurements, and how (group, filter, aggregate, join): what a policy allows.

Public tables need no leave, and neither does what is done to released values.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.catalog.model import Dataset, Table, Use
from gateway.errors import Position
from gateway.policy.model import Access
from gateway.privacy.inheritance import Inheritance
from gateway.privacy.origins import Origins
from gateway.privacy.ownership.facts import shown
from gateway.privacy.relations import Analysis, Measure
from gateway.sql.conditions import equated
from gateway.sql.plan import (
    Aggregate,
    AggregateCall,
    Computed,
    Filter,
    Join,
    JoinKind,
    Plan,
    Read,
    Scan,
    SetKind,
    SetOperation,
    Window,
    WindowCall,
)
from gateway.sql.terms import BaseColumn, Term
from gateway.sql.walk import upward


def accesses(analysis: Analysis, dataset: Dataset) -> tuple[Access, ...]:
    """Return every use of a private table's column, in the order of the plan, each once.

    Keys of the unit and its chain may be joined on, grouped by for each person and counted without a `use`.
    """
    origins = Origins(dataset)
    uses = _Uses(dataset, origins, Inheritance(origins))
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


@dataclass(slots=True)
class _Uses:
    dataset: Dataset
    origins: Origins
    inherited: Inheritance
    found: list[Access] = field(default_factory=list)

    def below(self, plan: Plan) -> None:
        """Note the uses of one node below a measurement."""
        match plan:
            case Filter():
                for term in plan.condition:
                    self._tested(plan.input, term, term.place)
            case Join():
                for term in plan.condition:
                    self._joined(plan, term)
            case Aggregate():
                self.aggregate(plan, per_owner=True)
            case Window():
                for call in plan.calls:
                    self._window(call, plan.input)
            case SetOperation() if plan.kind is not SetKind.UNION_ALL:
                self._compared(plan)
            case _:
                return

    def aggregate(self, plan: Aggregate, *, per_owner: bool) -> None:
        for key in plan.keys:
            self._key(plan.input, key, per_owner=per_owner)
        for call in plan.calls:
            self._call(call, plan.input)

    def _tested(self, below: Plan, term: Term, place: Position | None) -> None:
        value, condition = self.origins.of(below, term)
        self._note(value | condition, Use.FILTER, place)

    def _added(self, below: Plan, term: Term, place: Position | None) -> None:
        value, condition = self.origins.of(below, term)
        self._note(value, Use.AGGREGATE, place)
        self._note(condition, Use.FILTER, place)

    def _key(self, below: Plan, key: Computed, *, per_owner: bool) -> None:
        if per_owner and self.origins.holds_keys(below, key.term):
            return  # what tells one person's rows apart is not shown
        value, condition = self.origins.of(below, key.term)
        self._note(value | condition | self.inherited.of(below, key.term), Use.GROUP, key.term.place)

    def _call(self, call: AggregateCall, below: Plan) -> None:
        if call.filter is not None:
            self._tested(below, call.filter, call.filter.place)
        for term in call.arguments:
            if not self.origins.counts_keys(below, call):
                self._added(below, term, term.place or call.place)

    def _window(self, call: WindowCall, below: Plan) -> None:
        for term in call.partition:
            if not self.origins.holds_keys(below, term):
                self._tested(below, term, term.place or call.place)
        for key in call.order:
            self._tested(below, key.term, key.term.place or call.place)
        if call.filter is not None:
            self._tested(below, call.filter, call.filter.place)
        for term in call.arguments:
            self._added(below, term, term.place or call.place)

    def _joined(self, plan: Join, term: Term) -> None:
        left, right = shown(plan.left), shown(plan.right)
        pair = equated(term, set(left), set(right)) is not None
        tests = plan.kind in (JoinKind.SEMI, JoinKind.ANTI, JoinKind.MARK)  # IN and EXISTS choose rows as WHERE does
        use = Use.JOIN if pair and not tests else Use.FILTER
        ends = [
            (side, column_id) for side, ids in ((plan.left, left), (plan.right, right)) for column_id in term.ids & ids
        ]
        if pair and all(self._is_key(side, column_id) for side, column_id in ends):
            return  # people are joined to what is theirs
        for side, column_id in sorted(ends, key=lambda end: end[1]):
            bases = self.origins.column(side, column_id)
            self._note(bases, use, term.place or plan.place)
            if pair:  # what it is equal to may be shown in its stead
                hidden = frozenset(filter(self.inherited.never_shown, bases)) | self.inherited.column(side, column_id)
                self._note(hidden, Use.GROUP, term.place or plan.place)

    def _compared(self, plan: SetOperation) -> None:
        """Note what INTERSECT and EXCEPT choose rows by, as WHERE does, and keep one of each of, as DISTINCT does."""
        for columns in zip(plan.left.fields, plan.right.fields, strict=True):
            ends = [(side, f.id) for side, f in zip((plan.left, plan.right), columns, strict=True)]
            if all(self._is_key(side, column_id) for side, column_id in ends):
                continue  # people are compared with themselves
            for side, column_id in ends:
                bases = self.origins.column(side, column_id)
                self._note(bases, Use.FILTER, plan.place)
                self._note(bases | self.inherited.column(side, column_id), Use.GROUP, plan.place)

    def _is_key(self, side: Plan, column_id: str) -> bool:
        bases = self.origins.unchanged(side, column_id)
        return bases is not None and all(map(self.origins.is_key, bases))

    def _note(self, bases: Iterable[BaseColumn], use: Use, place: Position | None) -> None:
        for table_name, column in sorted(bases):
            table = self.dataset.table(table_name)
            assert table is not None  # INVARIANT: bases are columns of the catalog
            if not table.public:
                self.found.append(Access(table_name, column, use, place))
