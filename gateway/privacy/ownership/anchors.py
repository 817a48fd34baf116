"""Where a join with the table that a chain leads through says already whose the rows are.

`lineitem` finds its owner through `orders`. Joined to orders on that very key, its rows need no second way there: a
row of orders is in sight, the key is its, and no other row of orders has it (a declared key, which the catalog asks of
every step of a chain). So the two owners are one, and the chain's own join is left out with their equality.
"""

from dataclasses import replace

from gateway.privacy.relations import Owned
from gateway.sql.plan import Filter, Join, JoinKind, Plan, Project, Scan


def anchored(kept: Owned, other: Owned, pair: tuple[str, str]) -> Plan | None:
    """Return the other side without its chain, where the kept side holds the row that the chain leads to.

    `pair` are the ids (kept, other) that every row of the join has equal. None: both owners are to be compared.
    """
    found = _chained(other.plan, pair[1], other.owner)
    if found is None:
        return None
    scan, bare = found
    link = scan.chain[0]
    key = next((f for f in scan.fields if f.id == _below(other.plan, pair[1])), None)
    if key is None or key.term.origin is None or key.term.origin.column != link.column:
        return None
    if (link.target,) not in link.table.unique:
        return None
    return bare if _holds(kept, pair[0], link.table.name, link.target) else None


def _holds(kept: Owned, column: str, table: str, target: str) -> bool:
    """Tell whether a column is `target` of the row of `table` that each row here was made of, and its owner theirs."""
    here: Plan = kept.plan
    owners = kept.aliases | {kept.owner}
    while True:
        match here:
            case Filter():
                here = here.input
            case Project():
                below = {c.field.id: c.term.id for c in here.columns}
                owners = frozenset(b for a in owners if (b := below.get(a)) is not None)
                column_below = below.get(column)
                if column_below is None:
                    return False
                here, column = here.input, column_below
            case Join(kind=JoinKind.INNER):
                here = here.left if _shows(here.left, column) else here.right
            case Join(kind=JoinKind.LEFT | JoinKind.SEMI | JoinKind.ANTI | JoinKind.MARK):
                if not _shows(here.left, column):
                    return False
                here = here.left
            case Scan(owner=owner) if owner is not None and owner.id in owners:
                origin = next((f.term.origin for f in here.fields if f.id == column), None)
                if origin is None:
                    return False
                if here.table.name == table and origin.column == target:
                    return True
                first = here.chain[0] if here.chain else None
                return first is not None and (first.column, first.table.name, first.target) == (
                    origin.column,
                    table,
                    target,
                )
            case _:
                return False


def _shows(plan: Plan, column: str) -> bool:
    return any(field.id == column for field in plan.fields)


def _chained(plan: Plan, column: str, owner: str) -> tuple[Scan, Plan] | None:
    """Return the chained scan below filters and projections, and the whole without chain and owner; None of others."""
    match plan:
        case Scan(chain=chain) if chain and plan.owner is not None and plan.owner.id == owner:
            return plan, replace(plan, owner=None, chain=(), anchored=True)
        case Filter():
            below = _chained(plan.input, column, owner)
            if below is None or any(owner in term.ids for term in plan.condition):
                return None
            fields = tuple(f for f in plan.fields if f.id != owner)
            return below[0], replace(plan, input=below[1], fields=fields)
        case Project():
            passed = [c for c in plan.columns if c.field.id == owner]
            inner = passed[0].term.id if len(passed) == 1 else None
            below = _chained(plan.input, column, inner) if inner is not None else None
            rest = tuple(c for c in plan.columns if c.field.id != owner)
            if below is None or any(inner in c.term.ids for c in rest):
                return None
            return below[0], replace(plan, input=below[1], columns=rest)
        case _:
            return None


def _below(plan: Plan, column: str) -> str | None:
    """Return the id under which the scan below filters and projections has a column that they pass on bare."""
    while not isinstance(plan, Scan):
        if isinstance(plan, Project):
            found = next((c.term.id for c in plan.columns if c.field.id == column), None)
            if found is None:
                return None
            column = found
        assert isinstance(plan, Filter | Project)  # INVARIANT: asked of what has a chained scan below
        plan = plan.input
    return column
