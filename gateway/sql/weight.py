"""How large a plan is once everything that is read twice is written out twice."""

from gateway.sql import walk
from gateway.sql.plan import Aggregate, Plan


def inputs(plan: Plan) -> tuple[Plan, ...]:
    """Return the plans that a node reads, the asked key tuples of an Aggregate last."""
    below = walk.inputs(plan)
    asked = plan.wanted if isinstance(plan, Aggregate) else None
    return below if asked is None else (*below, asked.plan)


def weight(plan: Plan) -> int:
    """Return the number of leaves of a plan, each as often as it is read. Linear in the nodes that there are."""
    known: dict[int, int] = {}
    pending = [plan]
    while pending:
        node = pending[-1]
        below = inputs(node)
        missing = [p for p in below if id(p) not in known]
        if missing:
            pending += missing
            continue
        known[id(node)] = max(1, sum(known[id(p)] for p in below))
        pending.pop()
    return known[id(plan)]
