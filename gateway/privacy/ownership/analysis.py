"""From a whole plan to its relations, bottom up, and to the steps of its program."""

from dataclasses import dataclass, field

from gateway.catalog.model import Dataset
from gateway.privacy.ownership import joins, rows, sets, subqueries, windows
from gateway.privacy.ownership.aggregates import determining, per_owner
from gateway.privacy.ownership.measures import measured, padded_measured
from gateway.privacy.ownership.pruning import pruned
from gateway.privacy.ownership.refusals import rows_refused
from gateway.privacy.ownership.released import grouped, read_whole
from gateway.privacy.ownership.scan import scan, values
from gateway.privacy.ownership.steps import Steps
from gateway.privacy.relations import Analysis, Owned, Padded, Public, Relation, Released
from gateway.sql.plan import (
    Aggregate,
    Filter,
    Join,
    JoinKind,
    Limit,
    Plan,
    Project,
    Scan,
    SetOperation,
    Sort,
    Values,
    Window,
)


def analyse(plan: Plan, dataset: Dataset) -> Analysis:
    """Return what a query measures, reads and stages, and what is finished from it.

    Raises GatewayError for each rule that it does not keep: `raw_rows`, `unit_key_released`, `per_owner_aggregate`,
    `no_owner_equality`, `join_not_private`, `limit_below_measurement`, `window_across_owners`, `set_operation`,
    `subquery`, `no_bounds`.
    """
    analyst = _Analyst(Steps(dataset))
    top = plan
    while isinstance(top, Limit | Sort | Project):
        top = top.input
    shows = analyst.relation(top)
    if isinstance(shows, Owned | Padded):
        raise rows_refused(top, shows, dataset)
    root = analyst.relation(plan)
    assert isinstance(root, Public | Released)  # INVARIANT: what picks or orders rows changes nothing of whose they are
    if isinstance(root, Public):
        root = read_whole(root, analyst.steps)
    return pruned(Analysis(root, tuple(analyst.steps.found)))


@dataclass(slots=True)
class _Analyst:
    """Finds the relation of each node once: a WITH query that is used twice is one measurement."""

    steps: Steps
    _known: dict[int, tuple[Plan, Relation]] = field(default_factory=dict)

    def relation(self, plan: Plan) -> Relation:
        """Return what a node's rows are to privacy."""
        known = self._known.get(id(plan))
        if known is None:
            known = self._known[id(plan)] = (plan, self._found(plan))
        return known[1]

    def _found(self, plan: Plan) -> Relation:
        match plan:
            case Scan():
                return scan(plan, self.steps.dataset)
            case Values():
                return values(plan)
            case Filter():
                return rows.filtered(plan, self.relation(plan.input))
            case Project():
                return rows.projected(plan, self.relation(plan.input), self.steps)
            case Sort():
                return rows.sorted_rows(plan, self.relation(plan.input))
            case Limit():
                return rows.limited(plan, self.relation(plan.input))
            case Join():
                left, right = self.relation(plan.left), self.relation(plan.right)
                rule = subqueries.tested if plan.kind in (JoinKind.SEMI, JoinKind.ANTI, JoinKind.MARK) else joins.join
                return rule(plan, left, right, self.steps)
            case SetOperation():
                return sets.united(plan, self.relation(plan.left), self.relation(plan.right), self.steps)
            case Window():
                return windows.windowed(plan, self.relation(plan.input), self.steps)
            case _:
                assert isinstance(plan, Aggregate)  # INVARIANT: only this package makes Measured, Read and Staged
                return self._aggregate(plan, self.relation(plan.input))

    def _aggregate(self, plan: Aggregate, below: Relation) -> Relation:
        match below:
            case Owned():
                if determining(plan.keys, below) is not None:
                    return per_owner(plan, below, self.steps)
                known = self._known.get(id(plan.wanted.plan)) if plan.wanted is not None else None
                return measured(plan, below, self.steps, known[1] if known is not None else None)
            case Padded():
                return padded_measured(plan, below, self.steps)
            case _:
                return grouped(plan, below)
