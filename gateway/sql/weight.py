"""How large a plan is once everything that is read twice is written out twice."""

from gateway.sql.plan import (
    Aggregate,
    Filter,
    Join,
    Limit,
    Measured,
    Plan,
    Project,
    Read,
    Scan,
    SetOperation,
    Sort,
    Staged,
    Values,
    Window,
)


def inputs(plan: Plan) -> tuple[Plan, ...]:
    """Return the plans that a node reads, the asked key tuples of an Aggregate last."""
    match plan:
        case Scan() | Values() | Measured() | Read() | Staged():
            return ()
        case Join() | SetOperation():
            return plan.left, plan.right
        case Aggregate():
            return (plan.input,) if plan.wanted is None else (plan.input, plan.wanted.plan)
        case Filter() | Project() | Window() | Sort() | Limit():
            return (plan.input,)


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
