"""Which important columns a column hangs on without holding their values: what a derived column inherits its class of.

A column's own values are found by origins.py. Here is what decides about it besides: which rows were counted, whether
a mark is set, in which order rows stand, what an outer join fills, which branch of a UNION a row is of.

The row of a public table that is matched hangs on an equality alone: access.py notes that where it stands.
"""

from dataclasses import dataclass, field

from gateway.catalog.model import DataClass
from gateway.privacy.origins import NONE, Bases, Origins
from gateway.privacy.ownership.facts import shown
from gateway.sql.conditions import equated
from gateway.sql.plan import (
    Aggregate,
    Filter,
    Join,
    JoinKind,
    Measured,
    Plan,
    Project,
    Read,
    Scan,
    SetKind,
    SetOperation,
    Staged,
    Values,
    Window,
    WindowCall,
)
from gateway.sql.terms import BaseColumn, Term
from gateway.sql.walk import inputs

_FILLS_LEFT = (JoinKind.RIGHT, JoinKind.FULL)
_FILLS_RIGHT = (JoinKind.LEFT, JoinKind.FULL)
"""Outer joins fill the columns of a side with NULL where nothing matches: that tells what matched."""


@dataclass(slots=True)
class Inheritance:
    """Finds the columns of a class above general that a column hangs on, each once."""

    origins: Origins
    _any: bool = field(init=False)
    """Whether some column may be used that is not to be shown: without one nothing is inherited."""
    _known: dict[tuple[int, str], Bases] = field(default_factory=dict)
    _rows: dict[int, Bases] = field(default_factory=dict)

    def __post_init__(self) -> None:
        columns = [column for table in self.origins.dataset.tables if not table.public for column in table.columns]
        self._any = any(column.use and column.data_class is not DataClass.GENERAL for column in columns)

    def of(self, below: Plan, term: Term) -> Bases:
        """Return the columns that a term over `below` hangs on; those whose values it shows or tests are not among."""
        return NONE.union(*(self.column(below, name) for name in term.ids))

    def column(self, plan: Plan, column_id: str) -> Bases:
        """Return the columns that a column of a relation hangs on."""
        if not self._any:
            return NONE
        known = self._known.get((id(plan), column_id))
        if known is None:
            known = self._known[id(plan), column_id] = self._found(plan, column_id)
        return known

    def never_shown(self, base: BaseColumn) -> bool:
        """Tell whether a base column's class forbids to show its values."""
        table = self.origins.dataset.table(base[0])
        column = table.column(base[1]) if table is not None else None
        return column is not None and column.data_class is not DataClass.GENERAL

    def _found(self, plan: Plan, column_id: str) -> Bases:
        match plan:
            case Project():
                return self.of(plan.input, next(c.term for c in plan.columns if c.field.id == column_id))
            case Join():
                return self._joined(plan, column_id)
            case Aggregate():
                key = next((key for key in plan.keys if key.field.id == column_id), None)
                if key is not None:
                    return self.of(plan.input, key.term)
                call = next(call for call in plan.calls if call.field.id == column_id)
                tested = [] if call.filter is None else [call.filter]
                return self._decided(plan.input, *call.arguments, *tested)
            case Window():
                found = next((call for call in plan.calls if call.field.id == column_id), None)
                return self.column(plan.input, column_id) if found is None else self._window(plan.input, found)
            case SetOperation():
                return self._set(plan, column_id)
            case Scan() | Values() | Staged() | Measured() | Read():
                return NONE
            case _:  # Filter, Sort and Limit
                return self.column(plan.input, column_id)

    def _joined(self, plan: Join, column_id: str) -> Bases:
        """Return what a column of a join hangs on: its own, and what matched where that shows.

        It shows in a mark, and in columns that an outer join fills.
        """
        ends = self._condition(plan)
        for side, filled in ((plan.left, _FILLS_LEFT), (plan.right, _FILLS_RIGHT)):
            if column_id not in shown(side):
                continue
            own = self.column(side, column_id)
            if plan.kind in filled:
                return own | ends | self.rows(plan.left) | self.rows(plan.right)
            return own
        return ends | self.rows(plan.right)

    def _condition(self, plan: Join) -> Bases:
        """Return what a join's condition tests."""
        left, right = shown(plan.left), shown(plan.right)
        found = NONE
        for term in plan.condition:
            sides = [(plan.left, name) for name in term.ids & left] + [(plan.right, name) for name in term.ids & right]
            if equated(term, set(left), set(right)) is not None and all(self._is_key(*end) for end in sides):
                continue  # people are joined to what is theirs
            found |= NONE.union(*(self._held(side, name) | self.column(side, name) for side, name in sides))
        return found

    def _is_key(self, side: Plan, column_id: str) -> bool:
        bases = self.origins.unchanged(side, column_id)
        return bases is not None and all(map(self.origins.is_key, bases))

    def _window(self, below: Plan, call: WindowCall) -> Bases:
        tested = [] if call.filter is None else [call.filter]
        parts = [term for term in call.partition if not self.origins.holds_keys(below, term)]
        return self._decided(below, *call.arguments, *tested, *parts, *(key.term for key in call.order))

    def _set(self, plan: SetOperation, column_id: str) -> Bases:
        index = next(i for i, f in enumerate(plan.fields) if f.id == column_id)
        ends = [(side, side.fields[index].id) for side in (plan.left, plan.right)]
        own = NONE.union(*(self.column(side, name) for side, name in ends))
        unchanged = {self.origins.unchanged(side, name) for side, name in ends}
        if plan.kind is SetKind.UNION_ALL and len(unchanged) == 1 and None not in unchanged:
            return own  # the same column of either side: its value does not say which
        return own | self.rows(plan)

    def _decided(self, below: Plan, *terms: Term) -> Bases:
        """Return what a result of many rows hangs on: which rows there are, and what is computed of each."""
        return self.rows(below).union(*(self._tested(below, term) for term in terms))

    def rows(self, plan: Plan) -> Bases:
        """Return the columns that decide which rows a relation has."""
        known = self._rows.get(id(plan))
        if known is None:
            own = NONE
            if isinstance(plan, Filter):
                own = own.union(*(self._tested(plan.input, term) for term in plan.condition))
            elif isinstance(plan, Join):
                own = self._condition(plan)
            known = self._rows[id(plan)] = own.union(*map(self.rows, inputs(plan)))
        return known

    def _tested(self, below: Plan, term: Term) -> Bases:
        if self.origins.holds_keys(below, term):
            return NONE  # a key says whose a row is
        value, condition = self.origins.of(below, term)
        return frozenset(filter(self.never_shown, value | condition)) | self.of(below, term)

    def _held(self, side: Plan, column_id: str) -> Bases:
        return frozenset(filter(self.never_shown, self.origins.column(side, column_id)))
