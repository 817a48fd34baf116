"""Conditions as terms: their AND terms, equalities of columns, what an OR has in common."""

from collections.abc import Set as AbstractSet

from sqlglot import exp

from gateway.catalog.types import BOOLEAN
from gateway.sql.operators import chain, flatten
from gateway.sql.terms import Term, predicate


def factored(node: exp.Expr) -> list[exp.Expr]:
    """Return the AND terms of a condition; what every branch of an OR has is a term of its own.

    `(a AND x) OR (a AND y)` is `a AND (x OR y)`, also where a, x or y are NULL.
    """
    terms: list[exp.Expr] = []
    for term in flatten(node, exp.And):
        bare = term.unnest()
        terms += _common(bare) if isinstance(bare, exp.Or) else [term]
    return terms


def _common(node: exp.Or) -> list[exp.Expr]:
    branches = [flatten(branch, exp.And) for branch in flatten(node, exp.Or)]
    shared = [term for term in branches[0] if all(term in branch for branch in branches[1:])]
    if not shared:
        return [node]
    rests = [[term for term in branch if term not in shared] for branch in branches]
    if not all(rests):
        return shared  # a branch that asks for nothing more makes the rest true
    return [*shared, chain(exp.Or, [chain(exp.And, rest) for rest in rests])]


def equality(left: Term, right: Term) -> Term:
    """Return `left = right` for terms that compare already."""
    return compared(exp.EQ, left, right)


def compared(kind: type[exp.Binary], left: Term, right: Term) -> Term:
    built = kind(this=exp.paren(left.node.copy(), copy=False), expression=exp.paren(right.node.copy(), copy=False))
    return predicate(exp.paren(built, copy=False), left, right, nullable=left.nullable or right.nullable)


def is_true(term: Term) -> bool:
    """Tell whether a condition is the literal TRUE."""
    return term.type == BOOLEAN and term.literal is True and not term.ids


def equated(term: Term, left_ids: AbstractSet[str], right_ids: AbstractSet[str]) -> tuple[str, str] | None:
    """Return the (left id, right id) of a term that sets two bare columns of one type equal."""
    node = term.node.unnest()
    if not isinstance(node, exp.EQ):
        return None
    a, b = node.this.unnest(), node.expression.unnest()
    if not (isinstance(a, exp.Column) and isinstance(b, exp.Column)):
        return None
    if a.name in left_ids and b.name in right_ids:
        return a.name, b.name
    if b.name in left_ids and a.name in right_ids:
        return b.name, a.name
    return None
