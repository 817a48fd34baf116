"""UNION, INTERSECT, EXCEPT of plans: columns brought to one type, and what is then known of them."""

from dataclasses import replace

from sqlglot import exp

from gateway.catalog.types import OTHER
from gateway.errors import GatewayError, Position
from gateway.sql.conditionals import choose, one_type
from gateway.sql.parse import place
from gateway.sql.plan import Aggregate, Computed, Field, Plan, Project, SetKind, SetOperation
from gateway.sql.scope import Ids
from gateway.sql.terms import Term, cast


def combined(kind: SetKind, left: Plan, right: Plan, ids: Ids, node: exp.Expr) -> SetOperation:
    """Return a set operation under the names of its left side. Raises `type_mismatch` for columns that do not meet."""
    if len(left.fields) != len(right.fields):
        detail = f"{kind.value} of {len(left.fields)} and {len(right.fields)} columns."
        raise GatewayError("type_mismatch", detail, "Select as many columns on both sides.", place(node))
    pairs = [_one_type(node, a.term, b.term) for a, b in zip(left.fields, right.fields, strict=True)]
    fields = tuple(
        Field(f.name, _known(kind, a, b).reference(ids.next())) for f, (a, b) in zip(left.fields, pairs, strict=True)
    )
    at = place(node)
    return SetOperation(
        kind,
        _typed(left, [a for a, _ in pairs], ids, at),
        _typed(right, [b for _, b in pairs], ids, at),
        fields,
        at,
    )


def distinct(plan: Plan, ids: Ids, at: Position | None) -> Aggregate:
    """Return the distinct rows of a plan."""
    keys = tuple(Computed(Field(f.name, key_reference(f.term, ids)), f.term) for f in plan.fields)
    return Aggregate(plan, keys, (), at)


def key_reference(term: Term, ids: Ids) -> Term:
    """Return a key as a column of the aggregate: what a unit's rows add up to is not known of groups."""
    return replace(term.reference(ids.next()), per_unit_sum=None)


def _one_type(node: exp.Expr, left: Term, right: Term) -> tuple[Term, Term]:
    """Return both columns in one type, a column of nothing but NULL as a NULL of the other's type."""
    if left.type == right.type:
        return left, right
    sides = []
    for term, typed in zip((left, right), one_type(node, [left, right]), strict=True):
        nothing = term.type == OTHER and term.domain == ()
        sides.append(replace(typed, node=cast(exp.Null(), typed.type), nullable=True) if nothing else typed)
    return sides[0], sides[1]


def _known(kind: SetKind, left: Term, right: Term) -> Term:
    if kind is SetKind.UNION_ALL:
        first, second = (right, left) if left.domain == () else (left, right)  # nothing but NULLs narrows no range
        return choose([first, second], [], left.node, nullable=left.nullable or right.nullable)
    nullable = left.nullable and (right.nullable or kind is SetKind.EXCEPT)
    condition = left.condition | right.bases
    return replace(left, nullable=nullable, condition=condition, origin=None, per_unit_sum=None)


def _typed(plan: Plan, terms: list[Term], ids: Ids, at: Position | None) -> Plan:
    """Return a plan with its columns computed as `terms`, where any differs."""
    if all(f.term.node is term.node for f, term in zip(plan.fields, terms, strict=True)):
        return plan
    columns = tuple(
        Computed(f if term.id is not None else Field(f.name, term.reference(ids.next())), term)
        for f, term in zip(plan.fields, terms, strict=True)
    )
    return Project(plan, columns, at)
