"""SEMI, ANTI and MARK joins: IN, EXISTS and their negations, which keep the left side's rows."""

from dataclasses import replace

from gateway.errors import GatewayError
from gateway.privacy.ownership.facts import carried, in_sight, owner_name
from gateway.privacy.ownership.joins import aligned, released, steady_public
from gateway.privacy.ownership.padded import refused
from gateway.privacy.ownership.steps import Steps
from gateway.privacy.relations import Owned, Padded, Public, Relation, Released
from gateway.sql.plan import Join


def tested(plan: Join, left: Relation, right: Relation, steps: Steps) -> Relation:
    """Return the left side's rows that have a match, have none, or are marked.

    Raises GatewayError `no_owner_equality`, `subquery`, `join_not_private`.
    """
    match left, right:
        case (Padded(), _) | (_, Padded()):
            raise refused(plan.place, "A subquery beside, or in,")
        case (Owned(), Owned()):
            made = aligned(plan, left, right, steps.dataset)
            return _kept(made.plan, made.left, made.right)
        case (Owned(), Public() | Released()):
            return _kept(plan, left, steady_public(right, steps, plan.place))
        case (Public() | Released(), Owned()):
            detail = (
                "Public or released rows are chosen by private ones: whether a row appears would tell of one person."
            )
            key = owner_name(right, steps.dataset)
            hint = (
                f"Count people by the key first: SELECT key, COUNT(DISTINCT {key}) ... GROUP BY key, then filter that."
            )
            raise GatewayError("subquery", detail, hint, plan.place)
        case (Public(), Public()):
            joined = replace(plan, left=left.plan, right=right.plan)
            return Public(joined, left.unique, exact=left.exact and right.exact)
        case _:
            kept, other = released(left, steps), released(right, steps)
            noisy = kept.noisy
            touched = any(term.ids & (kept.noisy | other.noisy) for term in plan.condition)
            if plan.mark is not None and (touched or other.noisy):
                noisy |= {plan.mark.id}
            return Released(replace(plan, left=kept.plan, right=other.plan), noisy, kept.unique)


def _kept(plan: Join, left: Owned, right: Owned | Public) -> Owned:
    """Return the left side, whose facts stay; what is in no match's sight is decided by one owner's rows alone."""
    joined = replace(plan, left=left.plan, right=right.plan, fields=carried(plan.fields, left))
    determined = left.determined
    if plan.mark is not None and all(
        term.ids - {f.id for f in right.plan.fields} <= left.determined for term in plan.condition
    ):
        determined |= {plan.mark.id}
    return in_sight(replace(left, plan=joined, determined=determined))
