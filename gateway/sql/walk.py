"""Walking a plan: what a node reads, and every node after what it reads. Who walks knows what it looks for."""

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
    """Return the relations that a node reads. Leaves read none: not the plan that a Read or Staged holds."""
    match plan:
        case Join() | SetOperation():
            return plan.left, plan.right
        case Filter() | Project() | Aggregate() | Window() | Sort() | Limit():
            return (plan.input,)
        case Scan() | Values() | Measured() | Read() | Staged():
            return ()


def upward(*roots: Plan) -> list[Plan]:
    """Return every node of some plans once, each after what it reads."""
    found: dict[int, Plan] = {}

    def visit(plan: Plan) -> None:
        if id(plan) not in found:
            for below in inputs(plan):
                visit(below)
            found[id(plan)] = plan

    for root in roots:
        visit(root)
    return list(found.values())
