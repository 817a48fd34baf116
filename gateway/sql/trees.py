"""A FROM clause as a tree whose inner joins have no order yet, and the order that gives each an equality."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.errors import Position
from gateway.sql.conditions import equated
from gateway.sql.plan import Aggregate, Computed, Field, Filter, Join, JoinKind, Plan, Project, Wanted
from gateway.sql.singles import single
from gateway.sql.terms import Term


@dataclass(frozen=True, slots=True)
class Leaf:
    plan: Plan

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(f.id for f in self.plan.fields)


@dataclass(frozen=True, slots=True)
class Together:
    """Relations joined by INNER, CROSS or a comma, with all the terms of their ON clauses."""

    parts: "list[Tree]"
    terms: list[Term]
    place: Position | None

    @staticmethod
    def of(left: "Tree", right: "Tree", terms: Sequence[Term], place: Position | None) -> "Together":
        """Return two relations together; a left side that is such a group itself grows."""
        if isinstance(left, Together):
            return Together([*left.parts, right], [*left.terms, *terms], left.place)
        return Together([left, right], list(terms), place)

    @property
    def ids(self) -> frozenset[str]:
        return frozenset().union(*(part.ids for part in self.parts))


@dataclass(frozen=True, slots=True)
class Outer:
    """A join whose sides stay apart.

    `computed` are columns made of both; `asked` the left columns that are the keys of the aggregate on the right (of
    a LATERAL).
    """

    kind: JoinKind
    left: "Tree"
    right: "Tree"
    terms: tuple[Term, ...]
    place: Position | None
    computed: tuple[Computed, ...] = ()
    asked: tuple[str, ...] | None = None

    @property
    def ids(self) -> frozenset[str]:
        if self.kind in (JoinKind.SEMI, JoinKind.ANTI):
            return self.left.ids
        return self.left.ids | self.right.ids | {c.field.id for c in self.computed}


Tree = Leaf | Together | Outer


def assembled(tree: Tree, where: list[Term]) -> Plan:
    """Return the plan of a tree. Equalities of WHERE that join two relations are used, and taken out of `where`."""
    match tree:
        case Leaf():
            return tree.plan
        case Together():
            return _ordered(tree, where)
        case Outer():
            return _outer(tree, where)


def _outer(tree: Outer, where: list[Term]) -> Plan:
    """Join two sides; a WHERE term may go below only on the side whose rows are all kept."""
    nothing: list[Term] = []
    left = assembled(tree.left, nothing if tree.kind in (JoinKind.RIGHT, JoinKind.FULL) else where)
    right = assembled(tree.right, where if tree.kind is JoinKind.RIGHT else nothing)
    if tree.asked is not None:
        assert isinstance(right, Aggregate)  # INVARIANT: keys are asked for of an aggregate
        right = replace(right, wanted=Wanted(left, tree.asked))
    plan: Plan = joined(tree.kind, left, right, tree.terms, tree.place)
    if tree.computed:
        passed = tuple(Computed(f, f.term) for f in plan.fields)
        plan = Project(plan, (*passed, *tree.computed), tree.place)
    return plan


def _ordered(tree: Together, where: list[Term]) -> Plan:
    plans = [assembled(part, where) for part in tree.parts]
    ids = [frozenset(f.id for f in plan.fields) for plan in plans]
    terms = list(tree.terms)
    for term in list(where):
        sides = [index for index, held in enumerate(ids) if term.ids & held]
        if len(sides) == 2 and equated(term, ids[sides[0]], ids[sides[1]]) is not None:
            terms.append(term)
            where[:] = [t for t in where if t is not term]
    pending = [(term, term.ids) for term in terms]
    plan, seen, rest = plans[0], ids[0], list(range(1, len(plans)))
    while rest or pending:
        chosen = next((i for i in rest if _linked(pending, seen, ids[i])), rest[0] if rest else None)
        if chosen is None:  # terms of an ON over what one relation has
            return Filter(plan, tuple(term for term, _ in pending), plan.fields, tree.place)
        rest.remove(chosen)
        seen |= ids[chosen]
        ready = [term for term, needed in pending if needed <= seen]
        pending = [(term, needed) for term, needed in pending if not needed <= seen]
        plan = joined(JoinKind.INNER, plan, plans[chosen], ready, plans[chosen].place or tree.place)
    return plan


def _linked(pending: list[tuple[Term, frozenset[str]]], seen: frozenset[str], ids: frozenset[str]) -> bool:
    return any(needed <= seen | ids and equated(term, seen, ids) is not None for term, needed in pending)


def _repeated(fields: tuple[Field, ...]) -> tuple[Field, ...]:
    """Return columns whose rows a join may repeat: what one unit adds up to in the table no longer bounds a sum."""
    return tuple(
        replace(f, term=replace(f.term, per_unit_sum=None)) if f.term.per_unit_sum is not None else f for f in fields
    )


def joined(
    kind: JoinKind,
    left: Plan,
    right: Plan,
    condition: Sequence[Term],
    place: Position | None,
    mark: Field | None = None,
) -> Join:
    """Return a join with its equalities found and its fields as the kind leaves them."""
    left_ids, right_ids = (frozenset(f.id for f in side.fields) for side in (left, right))
    equalities = tuple(pair for t in condition if (pair := equated(t, left_ids, right_ids)) is not None)
    kept = kind in (JoinKind.SEMI, JoinKind.ANTI, JoinKind.MARK)
    fields: tuple[Field, ...] = left.fields
    if not kept and not single(right, {b for _, b in equalities}):
        fields = _repeated(fields)
    if kind in (JoinKind.RIGHT, JoinKind.FULL):
        fields = padded(fields)
    if kind is JoinKind.MARK:
        assert mark is not None  # INVARIANT: MARK alone has a mark, and always
        fields = (*fields, mark)
    elif kind not in (JoinKind.SEMI, JoinKind.ANTI):
        others = right.fields if single(left, {a for a, _ in equalities}) else _repeated(right.fields)
        fields = (*fields, *(padded(others) if kind in (JoinKind.LEFT, JoinKind.FULL) else others))
    return Join(kind, left, right, tuple(condition), equalities, fields, place, mark)


def padded(fields: tuple[Field, ...]) -> tuple[Field, ...]:
    """Return the fields of a side that may have no match."""
    return tuple(Field(f.name, replace(f.term, nullable=True)) for f in fields)
