"""Public rows and staged tables hold the columns that something reads, and no others."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from gateway.privacy.ownership.walk import rebuilt, terms
from gateway.privacy.relations import Analysis, Measure
from gateway.sql.plan import Aggregate, Field, Plan, Read, Staged
from gateway.sql.walk import upward


def pruned(analysis: Analysis) -> Analysis:
    """Return the analysis with the columns of every Read and Staged leaf cut to those that are used above it."""
    staged = [step for step in analysis.steps if isinstance(step, Staged)]
    leaves = [step for step in analysis.steps if isinstance(step, Read | Staged)]
    if not leaves:
        return analysis
    engine: list[Plan] = []
    for step in analysis.steps:
        if isinstance(step, Measure):
            engine += [step.aggregate, *(factor.plan for factor in step.factors)]
    used = {f.id for f in analysis.root.plan.fields}
    for node in upward(analysis.root.plan, *(step.plan for step in staged), *engine):
        for term in terms(node):
            bare = term.id
            used |= {bare} if bare is not None else term.ids
    kept: dict[str, Read | Staged] = {leaf.name: replace(leaf, fields=_kept(leaf.fields, used)) for leaf in leaves}

    def leaf_of(plan: Plan) -> Plan:
        return kept[plan.name] if isinstance(plan, Read | Staged) else plan

    # what a staged table reads is cut too: in the order of the steps, so that each is whole before it is read
    for step in staged:
        held = kept[step.name]
        kept[step.name] = replace(held, plan=rebuilt(held.plan, leaf_of))
    steps = tuple(_step(step, kept, leaf_of) for step in analysis.steps)
    root = replace(analysis.root, plan=rebuilt(analysis.root.plan, leaf_of))
    return Analysis(root, steps)


def _kept(fields: tuple[Field, ...], used: Iterable[str]) -> tuple[Field, ...]:
    wanted = set(used)
    return tuple(f for f in fields if f.id in wanted) or fields[:1]


def _step(
    step: Measure | Read | Staged, kept: dict[str, Read | Staged], leaf_of: Callable[[Plan], Plan]
) -> Measure | Read | Staged:
    if isinstance(step, Read | Staged):
        return kept[step.name]
    made = rebuilt(step.aggregate, leaf_of)
    assert isinstance(made, Aggregate)  # INVARIANT: a node stays what it is
    if made is step.aggregate:
        return step
    factors = tuple(replace(f, plan=rebuilt(f.plan, leaf_of)) for f in step.factors)
    return replace(step, aggregate=made, owned=replace(step.owned, plan=made.input), factors=factors)
