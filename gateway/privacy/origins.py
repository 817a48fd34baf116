"""Which base columns a column's values come from, by the plan itself: what the policy's `use` is asked about.

What a node uses is noted where it stands. So what follows from it further up carries nothing of what it only tested:
a mark of EXISTS, the order of a ROW_NUMBER, how many keys there are, released values.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlglot import exp

from gateway.catalog.model import Dataset
from gateway.privacy.ownership.facts import shown
from gateway.sql.plan import (
    Aggregate,
    AggregateCall,
    AggregateKind,
    Join,
    Measured,
    Plan,
    Project,
    Read,
    Scan,
    SetOperation,
    Staged,
    Values,
    Window,
    WindowCall,
)
from gateway.sql.sources import key_names
from gateway.sql.terms import BaseColumn, Term

Bases = frozenset[BaseColumn]

COUNTED = (AggregateKind.COUNT, AggregateKind.COUNT_DISTINCT)
"""They say how many there are of a column, and nothing of its values."""

NONE: Bases = frozenset()


@dataclass(slots=True)
class Origins:
    """Finds the base columns of plan columns, each once."""

    dataset: Dataset
    _known: dict[tuple[int, str], Bases] = field(default_factory=dict)

    def of(self, below: Plan, term: Term) -> tuple[Bases, Bases]:
        """Return the base columns whose values a term over `below` shows, and those that it only tests."""
        if not term.bases:
            return NONE, NONE
        held = self._held(below, (term,))
        return term.value & held, term.condition & held

    def column(self, plan: Plan, column_id: str) -> Bases:
        """Return the base columns that a column of a relation is made of."""
        known = self._known.get((id(plan), column_id))
        if known is None:
            known = self._known[id(plan), column_id] = self._found(plan, column_id)
        return known

    def _held(self, below: Plan, terms: Iterable[Term]) -> Bases:
        return NONE.union(*(self.column(below, name) for term in terms for name in term.ids))

    def _found(self, plan: Plan, column_id: str) -> Bases:
        match plan:
            case Scan():
                return next((f.term.bases for f in plan.fields if f.id == column_id), NONE)
            case Project():
                return NONE.union(*self.of(plan.input, next(c.term for c in plan.columns if c.field.id == column_id)))
            case Join():
                sides = (side for side in (plan.left, plan.right) if column_id in shown(side))
                return next((self.column(side, column_id) for side in sides), NONE)  # none: a mark
            case Aggregate():
                key = next((key for key in plan.keys if key.field.id == column_id), None)
                if key is not None:
                    return NONE.union(*self.of(plan.input, key.term))
                return self._call(plan.input, next(call for call in plan.calls if call.field.id == column_id))
            case Window():
                call = next((call for call in plan.calls if call.field.id == column_id), None)
                return self.column(plan.input, column_id) if call is None else self._call(plan.input, call)
            case SetOperation():
                index = next(i for i, f in enumerate(plan.fields) if f.id == column_id)
                return NONE.union(*(self.column(side, side.fields[index].id) for side in (plan.left, plan.right)))
            case Values() | Staged() | Measured() | Read():
                return NONE
            case _:  # Filter, Sort and Limit
                return self.column(plan.input, column_id)

    def _call(self, below: Plan, call: AggregateCall | WindowCall) -> Bases:
        terms = [] if isinstance(call, AggregateCall) and self.counts_keys(below, call) else list(call.arguments)
        tested = [call.filter] if call.filter is not None else []
        return NONE.union(*(bases for term in (*terms, *tested) for bases in self.of(below, term)))

    # -- keys -----------------------------------------------------------------------------------------------------

    def is_key(self, base: BaseColumn) -> bool:
        """Tell whether a base column is the unit's key, or one of the chain to it."""
        table = self.dataset.table(base[0])
        assert table is not None  # INVARIANT: bases are columns of the catalog
        return not table.public and base[1] in key_names(self.dataset, table)

    def counts_keys(self, below: Plan, call: AggregateCall) -> bool:
        """Tell whether a call counts a key and nothing else: that needs no leave."""
        return call.kind in COUNTED and call.arguments[0].id is not None and self.holds_keys(below, call.arguments[0])

    def holds_keys(self, below: Plan, term: Term) -> bool:
        """Tell whether a term is a key as it is, or a COALESCE of such: what is computed of one is none."""
        bases = self._parts(below, term)
        return bases is not None and all(map(self.is_key, bases))

    def unchanged(self, plan: Plan, column_id: str) -> Bases | None:
        """Return the base columns that a column holds as they are (several: of a FULL join or UNION); else None.

        Released values, and those that the query writes, are in no base column: one may equal a key, and is none.
        """
        match plan:
            case Scan():
                if plan.owner is not None and plan.owner.id == column_id:
                    table = plan.chain[-1].table if plan.chain else plan.table
                    return frozenset({(table.name, plan.owner.name)})
                return next(f.term.value for f in plan.fields if f.id == column_id)
            case Project():
                return self._parts(plan.input, next(c.term for c in plan.columns if c.field.id == column_id))
            case Aggregate():
                key = next((key for key in plan.keys if key.field.id == column_id), None)
                return None if key is None else self._parts(plan.input, key.term)
            case Join():
                sides = (side for side in (plan.left, plan.right) if column_id in shown(side))
                return next((self.unchanged(side, column_id) for side in sides), None)
            case SetOperation():
                index = next(i for i, f in enumerate(plan.fields) if f.id == column_id)
                return _together(self.unchanged(side, side.fields[index].id) for side in (plan.left, plan.right))
            case Window():
                return self.unchanged(plan.input, column_id) if column_id in shown(plan.input) else None
            case Values() | Staged() | Measured() | Read():
                return None
            case _:  # Filter, Sort and Limit
                return self.unchanged(plan.input, column_id)

    def _parts(self, plan: Plan, term: Term) -> Bases | None:
        """Return what a bare column, or a COALESCE of bare columns, holds."""
        node = term.node.unnest()
        parts = [node.this, *node.expressions] if isinstance(node, exp.Coalesce) else [node]
        bare = [part.unnest() for part in parts]
        return _together(self.unchanged(plan, part.name) if isinstance(part, exp.Column) else None for part in bare)


def _together(parts: Iterable[Bases | None]) -> Bases | None:
    found: set[BaseColumn] = set()
    for bases in parts:
        if bases is None:
            return None
        found |= bases
    return frozenset(found)
