"""The terms that a node of a plan holds, and the same plan with some leaves replaced."""

from collections.abc import Callable, Iterator
from dataclasses import replace

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
    Staged,
    Values,
    Window,
)
from gateway.sql.terms import Term
from gateway.sql.walk import upward


def terms(plan: Plan) -> Iterator[Term]:
    """Yield the terms that a node computes, tests, groups or sorts by."""
    match plan:
        case Filter() | Join():
            yield from plan.condition
        case Project():
            yield from (column.term for column in plan.columns)
        case Aggregate():
            yield from (key.term for key in plan.keys)
            for call in plan.calls:
                yield from call.arguments
                if call.filter is not None:
                    yield call.filter
        case Window():
            for window in plan.calls:
                yield from (*window.arguments, *window.partition, *(key.term for key in window.order))
                if window.filter is not None:
                    yield window.filter
        case SetOperation():
            yield from (f.term for side in (plan.left, plan.right) for f in side.fields)
        case Scan() | Values() | Limit() | Measured() | Read() | Staged():
            return
        case _:
            yield from (key.term for key in plan.keys)


def rebuilt(root: Plan, leaf: Callable[[Plan], Plan]) -> Plan:
    """Return a plan with each leaf replaced; what is shared stays shared, and what does not change is the same node."""
    made: dict[int, Plan] = {}
    for plan in upward(root):
        match plan:
            case Join() | SetOperation():
                left, right = made[id(plan.left)], made[id(plan.right)]
                same = left is plan.left and right is plan.right
                made[id(plan)] = plan if same else replace(plan, left=left, right=right)
            case Scan() | Values() | Measured() | Read() | Staged():
                made[id(plan)] = leaf(plan)
            case _:
                below = made[id(plan.input)]
                made[id(plan)] = plan if below is plan.input else replace(plan, input=below)
    return made[id(root)]
