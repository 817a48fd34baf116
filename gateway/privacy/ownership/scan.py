"""Base tables: where each row's owner is found, and what the policy declares of the rows."""

from dataclasses import replace

from sqlglot import exp

from gateway.catalog.model import Dataset, Table
from gateway.privacy.ownership.facts import SINGLE, Unique, in_sight
from gateway.privacy.relations import ChainKey, Owned, Public
from gateway.sql.plan import Field, Filter, Link, Plan, Project, Scan, Values
from gateway.sql.terms import Term


def key_columns(table: Table) -> frozenset[tuple[str, str]]:
    """Return the (table, column) pairs that hold or lead to the unit key."""
    names = {table.owner, table.hop.column if table.hop else None} - {None}
    return frozenset((table.name, name) for name in names if name is not None)


def scan(plan: Scan, dataset: Dataset) -> Public | Owned:
    """Return a base table; a private one with its owner's column, the chain of foreign keys joined in where needed."""
    if plan.table.public:
        return Public(plan, _unique(plan))
    table = plan.table
    by_column = {f.term.origin.column: f for f in plan.fields if f.term.origin is not None}
    chain: list[Link] = []
    here = table
    while here.owner is None:
        assert here.hop is not None  # INVARIANT: a private table has an owner or a hop (catalog)
        target = dataset.table(here.hop.target_table)
        assert target is not None and len(chain) < len(dataset.tables)  # noqa: PT018 - INVARIANT: chains end
        chain.append(Link(here.hop.column, target, here.hop.target_column))
        here = target
    if chain or here.owner not in by_column:
        column = here.column(here.owner)
        assert column is not None  # INVARIANT: key columns are in the catalog
        owner = Field(here.owner, Term(exp.column(f"{plan.fields[0].id}_owner"), column.type, nullable=False))
    else:
        owner = by_column[here.owner]
    return in_sight(
        Owned(
            plan=replace(plan, owner=owner, chain=tuple(chain)),
            owner=owner.id,
            aliases=frozenset({owner.id}),
            chains=_chains(table, by_column, dataset),
            unique=_unique(plan),
            determined=frozenset({owner.id}),
            rows=table.per_unit_rows,
            groups=table.per_unit_groups,
            declared_rows=table.rows,
        )
    )


def one_row_each(owned: Owned) -> bool:
    """Tell whether a unit has one row at most, by the policy's own key of one table that is read row by row.

    INVARIANT: nothing stands between but filters and columns, and the engine enforces the key or its data do not
    change. What joins and groups let be known of keys chooses bounds, and is not asked here.
    """
    here: Plan = owned.plan
    owner: str | None = owned.owner
    while isinstance(here, Filter | Project):
        if isinstance(here, Project):
            owner = next((c.term.id for c in here.columns if c.field.id == owner), None)
        here = here.input
    if not isinstance(here, Scan) or here.owner is None or here.chain or here.owner.id != owner:
        return False
    return (here.table.owner,) in here.table.unique


def _chains(table: Table, by_column: dict[str, Field], dataset: Dataset) -> dict[ChainKey, frozenset[str]]:
    """Return the columns that a chain goes through: the table's own foreign key, and keys that others refer to."""
    chains: dict[ChainKey, frozenset[str]] = {}
    if table.hop is not None and table.hop.column in by_column:
        chains[table.hop.target_table, table.hop.target_column] = frozenset({by_column[table.hop.column].id})
    for other in dataset.tables:
        hop = other.hop
        if hop is not None and hop.target_table == table.name and hop.target_column in by_column:
            chains[table.name, hop.target_column] = frozenset({by_column[hop.target_column].id})
    return chains


def _unique(plan: Scan) -> Unique:
    ids = {f.term.origin.column: f.id for f in plan.fields if f.term.origin is not None}
    return frozenset(frozenset(ids[c] for c in key) for key in plan.table.unique if all(c in ids for c in key))


def values(plan: Values) -> Public:
    """Return rows that the query writes."""
    return Public(plan, SINGLE if len(plan.rows) <= 1 else frozenset())
