"""When two measurements are the same question: the plan as text, its columns numbered in the order of appearance."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlglot import exp

from gateway.privacy.relations import Factor
from gateway.sql.plan import (
    Aggregate,
    AggregateCall,
    Computed,
    Filter,
    Join,
    Limit,
    Plan,
    Project,
    Scan,
    SetOperation,
    Sort,
    SortKey,
    Values,
    Window,
    WindowCall,
)
from gateway.sql.terms import Term
from gateway.sql.walk import inputs, upward
from gateway.sql.writing import shown, text


def identity(aggregate: Aggregate, owner: str, factors: Iterable[Factor]) -> str:
    """Return a text that two measurements share only if every engine answers them alike."""
    writer = _Writer()
    lines = writer.plan(aggregate)
    lines.append(f"owner {writer.number(owner)}")
    for factor in factors:
        lines += writer.plan(factor.plan)
        lines.append(f"factor {factor.keys} {[writer.number(name) for name in factor.columns]}")
    return "\n".join(lines)


@dataclass(slots=True)
class _Writer:
    ids: dict[str, int] = field(default_factory=dict)
    nodes: dict[int, int] = field(default_factory=dict)

    def number(self, column_id: str) -> int:
        return self.ids.setdefault(column_id, len(self.ids))

    def plan(self, root: Plan) -> list[str]:
        lines = []
        for node in upward(root):
            below = [self.nodes[id(part)] for part in inputs(node)]
            self.nodes[id(node)] = len(self.nodes)
            lines.append(f"{type(node).__name__} {below} {self._content(node)}")
        return lines

    def _content(self, plan: Plan) -> object:
        match plan:
            case Scan():
                columns = [(self.number(f.id), f.term.origin.column if f.term.origin else "") for f in plan.fields]
                return plan.table.name, columns, self.number(plan.owner.id) if plan.owner else None
            case Values():
                rows = [[self._term(term) for term in row] for row in plan.rows]
                return rows, [self.number(f.id) for f in plan.fields]
            case Filter():
                return [self._term(term) for term in plan.condition]
            case Project():
                return self._computed(plan.columns)
            case Join():
                terms = [self._term(term) for term in plan.condition]
                return plan.kind.value, terms, self.number(plan.mark.id) if plan.mark else None
            case Aggregate():
                return self._computed(plan.keys), [self._call(call) for call in plan.calls]
            case Window():
                return [self._window(call) for call in plan.calls]
            case SetOperation():
                sides = [[self.number(f.id) for f in side.fields] for side in (plan.left, plan.right)]
                return plan.kind.value, sides, [self.number(f.id) for f in plan.fields]
            case Sort():
                return self._order(plan.keys)
            case Limit():
                return plan.count, plan.offset
            case _:
                return plan.name, [self.number(f.id) for f in plan.fields]

    def _term(self, term: Term) -> str:
        def numbered(node: exp.Expr) -> exp.Expr:
            return exp.column(f"n{self.number(node.name)}") if isinstance(node, exp.Column) else node

        return f"{text(term.node.transform(numbered))} {term.type}"

    def _terms(self, terms: Iterable[Term | None]) -> list[str | None]:
        return [None if term is None else self._term(term) for term in terms]

    def _computed(self, columns: Iterable[Computed]) -> list[tuple[str, int]]:
        return [(self._term(column.term), self.number(column.field.id)) for column in columns]

    def _call(self, call: AggregateCall) -> object:
        parts = self._terms((*call.arguments, call.filter))
        return call.kind.value, parts, str(call.parameter), self.number(call.field.id)

    def _order(self, keys: Iterable[SortKey]) -> object:
        return [(self._term(key.term), key.descending, key.nulls_first) for key in keys]

    def _window(self, call: WindowCall) -> object:
        parts = self._terms((*call.arguments, call.filter))
        frame = shown(call.frame) if call.frame is not None else None
        order = self._order(call.order)
        return call.kind.value, parts, self._terms(call.partition), order, frame, self.number(call.field.id)
