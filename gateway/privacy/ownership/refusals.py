"""What a buyer hears whose query would show rows, and what to write instead."""

from gateway.catalog.model import Dataset
from gateway.errors import GatewayError
from gateway.privacy.ownership.facts import owner_name
from gateway.privacy.relations import Owned, Padded
from gateway.sql.plan import Aggregate, Filter, Join, JoinKind, Limit, Plan, Project, Sort, Window


def rows_refused(plan: Plan, relation: Owned | Padded, dataset: Dataset) -> GatewayError:
    """Return the refusal of a query whose every row is one person's."""
    key = dataset.privacy.unit_key
    hint = "Aggregate: for example SELECT COUNT(*) ... or SELECT key, SUM(x) ... GROUP BY key."
    if isinstance(relation, Padded):
        hint = "GROUP BY columns of the public side, and aggregate columns of the private side."
        return GatewayError("raw_rows", "The query would show rows as they are.", hint, plan.place)
    aggregate = _aggregate_of(plan)
    key = owner_name(relation, dataset)
    if aggregate is None:
        return GatewayError("raw_rows", "The query would show rows as they are.", hint, plan.place)
    shown = [f.name for f in plan.fields if f.id in relation.aliases and f.name]
    if shown or any(k.term.id in relation.aliases for k in aggregate.keys):
        detail = f"Each row of this result is one person's: it is grouped by '{shown[0] if shown else key}'."
        hint = "Aggregate over people: SELECT COUNT(*), AVG(x) FROM (this query) t, or group by another column."
        return GatewayError("unit_key_released", detail, hint, aggregate.place)
    names = [k.field.name for k in aggregate.keys if k.term.id is not None]
    detail = f"Each row of this result is one person's: '{', '.join(names)}' determines whose."
    hint = f"Leave {names[0]} out of GROUP BY, or aggregate again: SELECT COUNT(*), AVG(x) FROM (this query) t."
    return GatewayError("per_owner_aggregate", detail, hint, aggregate.place)


def _aggregate_of(plan: Plan) -> Aggregate | None:
    """Return the aggregate that makes the rows of a plan, if one does."""
    while not isinstance(plan, Aggregate):
        match plan:
            case Project() | Filter() | Sort() | Limit() | Window():
                plan = plan.input
            case Join(kind=JoinKind.LEFT | JoinKind.SEMI | JoinKind.ANTI | JoinKind.MARK):
                plan = plan.left
            case _:
                return None
    return plan
