"""What a plan over released tables is for redrawn noise: what noise only chose rows by, above all else, is left out.

An error bar is wanted for the rows that the answer shows. A filter on a noisy value would keep other rows in every
draw, and the draws that are left would say less than they know; so the rows of a draw are all that might be shown.
"""

from collections.abc import Mapping
from dataclasses import replace

from gateway.compile.lineage import Lineage
from gateway.sql.plan import Filter, Join, JoinKind, Limit, Plan, Project, SetKind, SetOperation, Sort
from gateway.sql.terms import Term


def loosened(plan: Plan, lineage: Mapping[int, Lineage]) -> Plan:
    """Return a plan without limits, and without conditions on noisy values, as far down as they only choose rows.

    What lies below an aggregate, a window or the filled side of an outer join decides values, and is kept.
    """
    match plan:
        case Filter():
            below = loosened(plan.input, lineage)
            kept = _free(plan.condition, lineage[id(plan.input)])
            return replace(plan, input=below, condition=kept) if kept else below
        case Project():
            return replace(plan, input=loosened(plan.input, lineage))
        case Sort() | Limit():
            return loosened(plan.input, lineage)
        case Join():
            return _joined(plan, lineage)
        case SetOperation(kind=SetKind.UNION_ALL):
            # the inputs' columns go by their places, which a Sort or Limit left out below does not change
            return replace(plan, left=loosened(plan.left, lineage), right=loosened(plan.right, lineage))
        case _:
            return plan


def _free(terms: tuple[Term, ...], lineage: Lineage) -> tuple[Term, ...]:
    return tuple(term for term in terms if not lineage.touches([term]))


def _joined(plan: Join, lineage: Mapping[int, Lineage]) -> Plan:
    left, right = lineage[id(plan.left)], lineage[id(plan.right)]
    both = Lineage(left.noisy | right.noisy)
    match plan.kind:
        case JoinKind.INNER:
            below = loosened(plan.left, lineage), loosened(plan.right, lineage)
            return replace(plan, left=below[0], right=below[1], condition=_free(plan.condition, both))
        case JoinKind.SEMI | JoinKind.ANTI if right.rows or both.touches(plan.condition):
            return loosened(plan.left, lineage)
        case JoinKind.LEFT | JoinKind.SEMI | JoinKind.ANTI | JoinKind.MARK:
            return replace(plan, left=loosened(plan.left, lineage))
        case JoinKind.RIGHT:
            return replace(plan, right=loosened(plan.right, lineage))
        case JoinKind.FULL:
            return plan
