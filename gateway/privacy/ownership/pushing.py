"""Equalities of a WHERE clause over an INNER join are conditions of the join: there, keys and owners are looked for."""

from dataclasses import replace

from gateway.sql.plan import Filter, Join, JoinKind, Plan
from gateway.sql.sources import equated
from gateway.sql.terms import Term


def pushed(plan: Filter) -> Plan:
    """Return the same rows with each equality of two bare columns moved to the INNER join where the columns meet."""
    if not (isinstance(plan.input, Join) and plan.input.kind is JoinKind.INNER):
        return plan
    below: Plan = plan.input
    kept: list[Term] = []
    for term in plan.condition:
        moved = _into(below, term)
        if moved is None:
            kept.append(term)
        else:
            below = moved
    if below is plan.input:
        return plan
    return replace(plan, input=below, condition=tuple(kept)) if kept else _facts(below, plan)


def _into(plan: Plan, term: Term) -> Join | None:
    if not (isinstance(plan, Join) and plan.kind is JoinKind.INNER):
        return None
    left, right = {f.id for f in plan.left.fields}, {f.id for f in plan.right.fields}
    pair = equated(term, left, right)
    if pair is not None:
        return replace(plan, condition=(*plan.condition, term), equalities=(*plan.equalities, pair))
    for side, ids in (("left", left), ("right", right)):
        if term.ids <= ids:
            moved = _into(plan.left if side == "left" else plan.right, term)
            if moved is not None:
                return replace(plan, left=moved) if side == "left" else replace(plan, right=moved)
    return None


def _facts(plan: Plan, filter_: Filter) -> Plan:
    """Return a join with what the whole condition lets be known of its columns."""
    assert isinstance(plan, Join)  # INVARIANT: terms are moved into joins alone
    return replace(plan, fields=filter_.fields)
