"""Which columns each relation of a plan shows, and which of them anything above it needs.

A plan is a graph: a WITH query that is used twice stands below two nodes. Everything here is found once for each node
and kept under its identity. Nothing here writes SQL.
"""

from collections.abc import Iterable
from dataclasses import replace

from sqlglot import exp

from gateway.sql.plan import (
    Aggregate,
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
    SetKind,
    SetOperation,
    Sort,
    SortKey,
    Staged,
    Values,
    Window,
)
from gateway.sql.terms import Term
from gateway.sql.walk import inputs, upward

LEAVES = (Scan, Values, Measured, Read, Staged)


class Columns:
    """What the nodes of one plan show and need, with `wanted` (ids) asked for at the top; None: all."""

    def __init__(self, root: Plan, wanted: Iterable[str] | None) -> None:
        order = upward(root)
        self._kept = order  # identities are good as long as the nodes live
        self._shown: dict[int, tuple[str, ...]] = {}
        self._uses: dict[int, int] = {}
        for plan in order:
            self._shown[id(plan)] = self._visible(plan)
            for below in inputs(plan):
                self._uses[id(below)] = self._uses.get(id(below), 0) + 1
        self._needed: dict[int, set[str]] = {id(plan): set() for plan in order}
        self._needed[id(root)] |= set(self.shown(root) if wanted is None else wanted)
        for plan in reversed(order):
            for below, ids in zip(inputs(plan), self._asked(plan), strict=True):
                self._needed[id(below)] |= ids.intersection(self.shown(below))
        missing = self._needed[id(root)].difference(self.shown(root))
        assert not missing, missing  # INVARIANT: what is needed of a relation is there; below only that is asked for

    def shown(self, plan: Plan) -> tuple[str, ...]:
        """Return the ids of all columns of a relation, the owner's among them."""
        return self._shown[id(plan)]

    def needed(self, plan: Plan) -> tuple[str, ...]:
        """Return the ids that are needed of a relation, in the order in which it shows them."""
        needed = self._needed[id(plan)]
        return tuple(name for name in self.shown(plan) if name in needed)

    def shared(self, plan: Plan) -> bool:
        """Tell whether more than one node reads this one."""
        return self._uses.get(id(plan), 0) > 1 and not isinstance(plan, LEAVES)

    def _visible(self, plan: Plan) -> tuple[str, ...]:
        """Return the ids of a node's columns, each once."""
        match plan:
            case Scan():
                own = (plan.owner.id,) if plan.owner is not None else ()
                return tuple(dict.fromkeys((*(field.id for field in plan.fields), *own)))
            case Filter() | Sort() | Limit():
                return self.shown(plan.input)
            case Join(kind=JoinKind.SEMI | JoinKind.ANTI):
                return self.shown(plan.left)
            case Join(kind=JoinKind.MARK):
                assert plan.mark is not None  # INVARIANT: a mark join has its mark
                return (*self.shown(plan.left), plan.mark.id)
            case Join():
                left, right = self.shown(plan.left), self.shown(plan.right)
                assert not set(left) & set(right), set(left) & set(right)  # INVARIANT: ids are unique
                return (*left, *right)
            case Window():
                return (*self.shown(plan.input), *(call.field.id for call in plan.calls))
            case Values() | Project() | Aggregate() | SetOperation() | Measured() | Read() | Staged():
                return tuple(dict.fromkeys(field.id for field in plan.fields))

    def _asked(self, plan: Plan) -> tuple[set[str], ...]:
        """Return what a node needs of each of its inputs, so that it can show what is needed of itself."""
        needed = self._needed[id(plan)]
        match plan:
            case Filter():
                return (needed | of(plan.condition),)
            case Project():
                return (of(column.term for column in plan.columns if column.field.id in needed),)
            case Join():
                both = needed | of(plan.condition)
                return both, both
            case Aggregate():
                calls = [call for call in plan.calls if call.field.id in needed]
                terms = [term for call in calls for term in (*call.arguments, call.filter) if term is not None]
                return (of([*(key.term for key in plan.keys), *terms]),)
            case Window():
                return (needed | of(self._window_terms(plan, needed)),)
            case SetOperation():
                return tuple(
                    {
                        below.id
                        for below, field in zip(side.fields, plan.fields, strict=True)
                        if field.id in needed or plan.kind is not SetKind.UNION_ALL
                    }
                    for side in (plan.left, plan.right)
                )
            case Sort():
                return (set(needed),)
            case Limit():
                return (needed | of(key.term for key in ordering(plan.input)),)
            case Scan() | Values() | Measured() | Read() | Staged():
                return ()

    @staticmethod
    def _window_terms(plan: Window, needed: set[str]) -> list[Term]:
        calls = [call for call in plan.calls if call.field.id in needed]
        return [
            term
            for call in calls
            for term in (*call.arguments, *call.partition, *(key.term for key in call.order), call.filter)
            if term is not None
        ]


def of(terms: Iterable[Term]) -> set[str]:
    """Return the ids of all columns in some terms."""
    return {name for term in terms for name in term.ids}


def ordering(plan: Plan) -> tuple[SortKey, ...]:
    """Return the order in which a relation's rows were asked for, over its own columns; () where there is none.

    A SELECT around an ordered one keeps its order as far as its columns still show it.
    """
    match plan:
        case Sort():
            return plan.keys
        case Filter() | Limit():
            return ordering(plan.input)
        case Project():
            return _renamed(ordering(plan.input), plan.columns)
        case _:
            return ()


def _renamed(keys: tuple[SortKey, ...], columns: tuple[Computed, ...]) -> tuple[SortKey, ...]:
    names = {column.term.id: column.field.id for column in reversed(columns) if column.term.id is not None}
    kept: list[SortKey] = []
    for key in keys:
        if not key.term.ids <= names.keys():
            break
        node = key.term.node.transform(lambda n: exp.column(names[n.name]) if isinstance(n, exp.Column) else n)
        kept.append(replace(key, term=replace(key.term, node=node)))
    return tuple(kept)
