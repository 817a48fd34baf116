"""The one rule that makes a query provable: every private row has one owner (docs/PRIVACY.md, section 2).

A plan goes in; out comes the same plan with the owner's column carried through, or a refusal. Nothing here looks
at data, and no step relies on a declared fact for soundness: facts only pick tighter bounds.
"""

from dataclasses import replace

from sqlglot import exp

from gateway.catalog.model import Dataset, Table
from gateway.catalog.types import SqlType, TypeKind
from gateway.errors import GatewayError
from gateway.privacy.relations import ChainKey, Owned, Public, Relation
from gateway.sql.plan import (
    Aggregate,
    Computed,
    Field,
    Filter,
    Join,
    JoinKind,
    Limit,
    Link,
    Plan,
    Project,
    Scan,
    Sort,
)
from gateway.sql.terms import Term, predicate


def ownership(plan: Plan, dataset: Dataset) -> Relation:
    """Return the relation below a measurement with its ownership shown.

    Raises GatewayError `no_owner_equality`, `join_not_private`, `limit_below_measurement`, `per_owner_aggregate`,
    `aggregate_of_released`: whatever the rules do not cover.
    """
    if isinstance(plan, Scan):
        return _public_scan(plan) if plan.table.public else _scan(plan, dataset)
    if isinstance(plan, Filter):
        below = ownership(plan.input, dataset)
        return replace(below, plan=replace(plan, input=below.plan))
    if isinstance(plan, Project):
        return _project(plan, ownership(plan.input, dataset))
    if isinstance(plan, Join):
        return _join(plan, ownership(plan.left, dataset), ownership(plan.right, dataset))
    if isinstance(plan, Sort | Limit):
        hint = "Use ORDER BY and LIMIT over the aggregated result."
        detail = "ORDER BY or LIMIT below the aggregate picks among other people's rows."
        raise GatewayError("limit_below_measurement", detail, hint, plan.place)
    raise _aggregate_refused(plan, dataset)


def _aggregate_refused(plan: Aggregate, dataset: Dataset) -> GatewayError:
    keys = {name for table in dataset.tables if not table.public for name in key_columns(table)}
    if any(base in keys for key in plan.keys for base in key.term.bases):
        hint = "Aggregate once, over all people, with bounds from the policy."
        return GatewayError("per_owner_aggregate", "An aggregate per person is not answered here.", hint, plan.place)
    hint = "Write one SELECT with GROUP BY; HAVING, ORDER BY and arithmetic may follow it."
    return GatewayError("aggregate_of_released", "A released result is joined or aggregated again.", hint, plan.place)


def key_columns(table: Table) -> frozenset[tuple[str, str]]:
    """Return the (table, column) pairs that hold or lead to the unit key."""
    names = {table.owner, table.hop.column if table.hop else None} - {None}
    return frozenset((table.name, name) for name in names if name is not None)


def _unique(scan: Scan) -> frozenset[frozenset[str]]:
    ids = {f.term.origin.column: f.id for f in scan.fields if f.term.origin is not None}
    return frozenset(frozenset(ids[c] for c in key) for key in scan.table.unique if all(c in ids for c in key))


def _public_scan(scan: Scan) -> Public:
    return Public(scan, _unique(scan))


def _scan(scan: Scan, dataset: Dataset) -> Owned:
    table = scan.table
    by_column = {f.term.origin.column: f for f in scan.fields if f.term.origin is not None}
    chain: list[Link] = []
    here = table
    while here.owner is None:
        assert here.hop is not None  # INVARIANT: a private table has an owner or a hop (catalog)
        target = dataset.table(here.hop.target_table)
        assert target is not None and len(chain) < len(dataset.tables)  # noqa: PT018 - INVARIANT: chains end
        chain.append(Link(here.hop.column, target, here.hop.target_column))
        here = target
    if not chain:
        owner = by_column[here.owner]
    else:
        column = here.column(here.owner)
        assert column is not None  # INVARIANT: key columns are in the catalog
        owner = Field(here.owner, Term(exp.column(f"{scan.fields[0].id}_owner"), column.type, nullable=False))
    unique = _unique(scan)
    one_row = frozenset({owner.id}) in unique
    chains: dict[ChainKey, frozenset[str]] = {}
    if table.hop is not None:
        chains[table.hop.target_table, table.hop.target_column] = frozenset({by_column[table.hop.column].id})
    for other in dataset.tables:
        if other.hop is not None and other.hop.target_table == table.name and other.hop.target_column in by_column:
            chains[table.name, other.hop.target_column] = frozenset({by_column[other.hop.target_column].id})
    return Owned(
        plan=replace(scan, owner=owner, chain=tuple(chain)),
        owner=owner.id,
        aliases=frozenset({owner.id}),
        chains=chains,
        unique=unique,
        determined=frozenset(f.id for f in scan.fields) if one_row else frozenset({owner.id}),
        rows=1 if one_row else table.per_unit_rows,
        groups=table.per_unit_groups,
        declared_rows=table.rows,
    )


def _ids(term: Term) -> frozenset[str]:
    return frozenset(column.name for column in term.node.find_all(exp.Column))


def _project(plan: Project, below: Relation) -> Relation:
    kept = frozenset(column.field.id for column in plan.columns)
    unique = frozenset(key for key in below.unique if key <= kept)
    if isinstance(below, Public):
        return Public(replace(plan, input=below.plan), unique)
    columns = plan.columns
    if below.owner not in kept:
        owner = Term(exp.column(below.owner), _owner_type(below), nullable=False)
        columns = (*columns, Computed(Field("", owner), owner))
    determined = {c.field.id for c in plan.columns if _ids(c.term) <= below.determined}
    return replace(
        below,
        plan=replace(plan, input=below.plan, columns=columns),
        unique=unique,
        determined=frozenset(determined | {below.owner}),
    )


def _owner_type(relation: Owned) -> SqlType:
    return owner_field(relation.plan).term.type


def owner_field(plan: Plan) -> Field:
    """Return the field of the owner's column, from the scan that brings it in."""
    if isinstance(plan, Scan):
        assert plan.owner is not None  # INVARIANT: asked of owned plans only
        return plan.owner
    if isinstance(plan, Join):
        kept = plan.right if plan.kind is JoinKind.RIGHT or not _is_owned(plan.left) else plan.left
        return owner_field(kept)
    return owner_field(plan.input)


def _is_owned(plan: Plan) -> bool:
    if isinstance(plan, Scan):
        return plan.owner is not None
    if isinstance(plan, Join):
        return _is_owned(plan.left) or _is_owned(plan.right)
    return _is_owned(plan.input)


def _matched(relation: Relation, ids: frozenset[str]) -> bool:
    """Tell whether at most one row of the relation has given values in the columns `ids` (by declaration)."""
    return any(key <= ids for key in relation.unique)


def _join(plan: Join, left: Relation, right: Relation) -> Relation:
    joined = replace(plan, left=left.plan, right=right.plan)
    left_ids = frozenset(pair[0] for pair in plan.equalities)
    right_ids = frozenset(pair[1] for pair in plan.equalities)
    if plan.kind is JoinKind.FULL:
        hint = "Use an INNER join, or a LEFT join that keeps the private side."
        raise GatewayError("join_not_private", "A FULL join is not answered here.", hint, plan.place)
    left_single, right_single = _matched(left, left_ids), _matched(right, right_ids)
    if isinstance(left, Public) and isinstance(right, Public):
        if not (left_single or right_single):
            raise _fan_out(plan)
        kept = (left.unique if right_single else frozenset()) | (right.unique if left_single else frozenset())
        return Public(joined, kept if plan.kind is JoinKind.INNER else frozenset())
    if isinstance(left, Owned) and isinstance(right, Owned):
        return _owned_join(joined, left, right, left_single=left_single, right_single=right_single)
    owned, public_single = (left, right_single) if isinstance(left, Owned) else (right, left_single)
    assert isinstance(owned, Owned)  # INVARIANT: exactly one side is owned here
    keeps = {JoinKind.INNER: True, JoinKind.LEFT: owned is left, JoinKind.RIGHT: owned is right}[plan.kind]
    if not keeps:
        hint = "Turn the join round so that it keeps the private side, or use an INNER join."
        raise GatewayError("join_not_private", "An outer join keeps the public side.", hint, plan.place)
    if not public_single:
        raise _fan_out(plan)
    key_ids = left_ids if owned is left else right_ids
    public = right if owned is left else left
    determined = owned.determined
    if key_ids <= determined and (plan.kind is JoinKind.INNER or _equalities_alone(plan)):
        determined |= {f.id for f in public.plan.fields}
    return replace(owned, plan=joined, determined=determined)


def _equalities_alone(plan: Join) -> bool:
    """Tell whether the join's condition is its equalities: then which rows match follows from their columns."""
    return len(plan.condition) == len(plan.equalities)


def _fan_out(plan: Join) -> GatewayError:
    detail = "No side of this join is declared unique on the columns that are set equal."
    hint = "Join with = on a key that the policy lists under `unique`."
    return GatewayError("join_not_private", detail, hint, plan.place)


def _owned_join(plan: Join, left: Owned, right: Owned, *, left_single: bool, right_single: bool) -> Owned:
    direct = any(a in left.aliases and b in right.aliases for a, b in plan.equalities)
    chained = any(
        a in left.chains.get(key, frozenset()) and b in right.chains[key]
        for a, b in plan.equalities
        for key in right.chains
    )
    if not (direct or chained):
        a, b = owner_field(left.plan).name, owner_field(right.plan).name
        detail = "Two private relations are joined without their owners being equal."
        hint = f"Add `AND left.{a} = right.{b}` (bare columns, with =) to the ON clause."
        raise GatewayError("no_owner_equality", detail, hint, plan.place)
    if not (left_single or right_single):
        raise _fan_out(plan)
    alone = _equalities_alone(plan)
    if not direct:
        plan = replace(plan, condition=(*plan.condition, _equal(left, right)))
    kept = right if plan.kind is JoinKind.RIGHT else left
    aliases = left.aliases | right.aliases if plan.kind is JoinKind.INNER else kept.aliases
    chains = {**left.chains, **right.chains} if plan.kind is JoinKind.INNER else dict(kept.chains)
    if plan.kind is JoinKind.INNER:
        for key in left.chains.keys() & right.chains.keys():
            chains[key] = left.chains[key] | right.chains[key]  # either side's key leads to the one owner
    unique: frozenset[frozenset[str]] = frozenset()
    if right_single and plan.kind is not JoinKind.RIGHT:
        unique |= left.unique
    if left_single and plan.kind is not JoinKind.LEFT:
        unique |= right.unique
    filled = left if plan.kind is JoinKind.RIGHT else right
    kept_ids = frozenset(pair[1 if plan.kind is JoinKind.RIGHT else 0] for pair in plan.equalities)
    follows = plan.kind is JoinKind.INNER or (alone and kept_ids <= kept.determined)
    return Owned(
        plan=plan,
        owner=kept.owner,
        aliases=aliases,
        chains=chains,
        unique=unique,
        determined=kept.determined | (filled.determined if follows else frozenset()),
        rows=_rows(plan.kind, left, right, left_single=left_single, right_single=right_single),
        groups=max(left.groups, right.groups),
        declared_rows=max(left.declared_rows, right.declared_rows),
    )


def _rows(kind: JoinKind, left: Owned, right: Owned, *, left_single: bool, right_single: bool) -> int:
    """Return how many rows of one unit a join gives at most, by the declarations of its sides.

    An outer join keeps every row of its side, and adds the other's matches where those may be several.
    """
    if kind is JoinKind.LEFT:
        return left.rows if right_single else left.rows + right.rows
    if kind is JoinKind.RIGHT:
        return right.rows if left_single else left.rows + right.rows
    return min([left.rows] * right_single + [right.rows] * left_single)


def _equal(left: Owned, right: Owned) -> Term:
    """Return the owner equality that a chain key implies: written out, so that soundness does not rest on it."""
    a, b = owner_field(left.plan).term, owner_field(right.plan).term
    assert a.type == b.type  # INVARIANT: owners of one unit have one type (catalog)
    assert a.type.kind in (TypeKind.INTEGER, TypeKind.TEXT, TypeKind.UUID)
    built = exp.paren(exp.EQ(this=exp.column(left.owner), expression=exp.column(right.owner)), copy=False)
    return predicate(built, a, b, nullable=False)
