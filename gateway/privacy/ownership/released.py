"""Aggregates over released and public rows, and queries over public tables alone."""

from dataclasses import replace

from gateway.catalog.types import TypeKind
from gateway.privacy.ownership.facts import ids_of
from gateway.privacy.ownership.steps import Steps
from gateway.privacy.relations import Public, Released
from gateway.sql.plan import Aggregate, AggregateCall, AggregateKind, Limit, Plan, Project, Sort

_EXACT = (
    AggregateKind.COUNT_ROWS,
    AggregateKind.COUNT,
    AggregateKind.COUNT_DISTINCT,
    AggregateKind.MIN,
    AggregateKind.MAX,
    AggregateKind.BOOL_AND,
    AggregateKind.BOOL_OR,
    AggregateKind.QUANTILE_CONT,
    AggregateKind.QUANTILE_DISC,
    AggregateKind.REGR_COUNT,
)


def grouped(plan: Aggregate, below: Public | Released) -> Public | Released:
    """Return an aggregate that nothing private stands below."""
    unique = frozenset({frozenset(key.field.id for key in plan.keys)})
    made = replace(plan, input=below.plan, wanted=None)
    if isinstance(below, Public):
        return Public(made, unique, exact=below.exact and all(_exact(call) for call in plan.calls))
    noisy = {key.field.id for key in plan.keys if ids_of([key.term]) & below.noisy}
    return Released(made, frozenset(noisy | {call.field.id for call in plan.calls}), unique)


def _exact(call: AggregateCall) -> bool:
    """Tell whether an engine gives the same bits in every run."""
    if call.kind in (AggregateKind.SUM, AggregateKind.AVG):
        return call.arguments[0].type.kind is not TypeKind.DOUBLE
    return call.kind in _EXACT


def read_whole(relation: Public, steps: Steps) -> Released:
    """Return a query over public tables alone: the engine runs it with its LIMIT, the finish puts it in order again."""
    above: list[Project | Sort] = []
    plan, limit = relation.plan, _last_limit(relation.plan)
    while isinstance(plan, Project | Sort | Limit):
        if plan is limit:
            above += _orders(plan.input)
            break
        if isinstance(plan, Sort) or (isinstance(plan, Project) and _bare(plan)):
            above.append(plan)
        else:
            break
        assert isinstance(plan, Project | Sort)  # INVARIANT: a LIMIT on the way is the last one
        plan = plan.input
    leaf = steps.read(Public(plan, relation.unique))
    made: Plan = leaf.plan
    for node in reversed(above):
        made = replace(node, input=made)
    return Released(made, frozenset(), relation.unique)


def _bare(plan: Project) -> bool:
    return all(column.term.id is not None for column in plan.columns)


def _last_limit(plan: Plan) -> Limit | None:
    """Return the uppermost LIMIT of a plan's top, if it has one."""
    while isinstance(plan, Sort) or (isinstance(plan, Project) and _bare(plan)):
        plan = plan.input
    return plan if isinstance(plan, Limit) else None


def _orders(plan: Plan) -> list[Project | Sort]:
    """Return the order that a LIMIT took its rows in."""
    return [plan] if isinstance(plan, Sort) else []
