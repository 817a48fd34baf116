"""When at most one row of a relation has given values in some columns: by the keys that tables declare, by groups."""

from collections.abc import Set as AbstractSet

from gateway.sql.plan import Aggregate, Filter, Join, JoinKind, Limit, Plan, Project, Scan, Sort


def single(plan: Plan, ids: AbstractSet[str]) -> bool:
    """Tell whether given values in the columns `ids` leave at most one row. False: there may be any number."""
    match plan:
        case Scan():
            columns = {f.term.origin.column for f in plan.fields if f.id in ids and f.term.origin is not None}
            return any(set(key) <= columns for key in plan.table.unique)
        case Filter() | Sort() | Limit():
            return single(plan.input, ids)
        case Project():
            return single(plan.input, {c.term.id for c in plan.columns if c.field.id in ids and c.term.id is not None})
        case Aggregate():
            return all(key.field.id in ids for key in plan.keys)
        case Join(kind=JoinKind.INNER | JoinKind.LEFT):
            # one row of the left, and what is equal to its columns then leaves one of the right
            return single(plan.left, ids) and single(plan.right, ids | {b for _, b in plan.equalities})
        case _:
            return False
