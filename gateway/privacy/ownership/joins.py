"""Joins that pair rows: who owns a pair, and how many pairs one unit can have."""

from dataclasses import dataclass, replace

from sqlglot import exp

from gateway.catalog.model import Dataset
from gateway.catalog.types import TypeKind
from gateway.errors import GatewayError, Position
from gateway.privacy.ownership.anchors import anchored
from gateway.privacy.ownership.facts import (
    SINGLE,
    Unique,
    carried,
    fewest,
    hidden,
    in_sight,
    matched,
    owner_field,
    owner_name,
    pairs,
    shown,
)
from gateway.privacy.ownership.padded import never_true, refused
from gateway.privacy.ownership.steps import Steps
from gateway.privacy.relations import Owned, Padded, Public, Relation, Released
from gateway.sql.conditions import equated
from gateway.sql.plan import Computed, Field, Join, JoinKind, Project, Staged
from gateway.sql.terms import Term, predicate
from gateway.sql.walk import upward


def join(plan: Join, left: Relation, right: Relation, steps: Steps) -> Relation:
    """Return an INNER, LEFT, RIGHT or FULL join.

    Raises GatewayError `no_owner_equality`, `join_not_private`, `subquery`.
    """
    if plan.single and not isinstance(right, Padded) and not matched(right, _sides(plan)[1]):
        detail = "This subquery may give more than one row where one value is expected."
        hint = "Aggregate in it (MAX, MIN, COUNT), or tie it to a key that the policy lists under `unique`."
        raise GatewayError("subquery", detail, hint, plan.place)
    match left, right:
        case (Padded(), _):
            return _beside_padded(plan, left, right, steps)
        case (_, Padded()):
            raise refused(plan.place, "A join with what another outer join made")
        case (Public(), Public()):
            return _public(plan, left, right)
        case (Owned(), Owned()):
            return _owned(plan, left, right, steps)
        case (Owned(), Public() | Released()):
            return _beside(plan, left, steady_public(right, steps, plan.place), left_owned=True)
        case (Public() | Released(), Owned()):
            return _beside(plan, right, steady_public(left, steps, plan.place), left_owned=False)
        case _:
            return _released(plan, released(left, steps), released(right, steps))


def released(relation: Relation, steps: Steps) -> Released:
    """Return rows that the finish may hold."""
    assert isinstance(relation, Public | Released)  # INVARIANT: private rows never come this far
    return steps.read(relation) if isinstance(relation, Public) else relation


def steady_public(relation: Public | Released, steps: Steps, place: Position | None) -> Public:
    """Return rows that private ones may be joined to: public, or released and staged; the same in every run."""
    if isinstance(relation, Released):
        return steps.stage(relation)
    if not relation.exact:
        detail = "The public side may differ from run to run: LIMIT without a whole order, or a floating point sum."
        hint = "ORDER BY columns that are unique together, or CAST what is summed to DECIMAL."
        raise GatewayError("join_not_private", detail, hint, place)
    return relation


def _sides(plan: Join) -> tuple[frozenset[str], frozenset[str]]:
    return frozenset(a for a, _ in plan.equalities), frozenset(b for _, b in plan.equalities)


def _unique(kind: JoinKind, left: Unique, right: Unique, *, left_single: bool, right_single: bool) -> Unique:
    """Return what tells pairs of rows apart. A side's key survives where the other side adds no rows to it."""
    found = pairs(left, right)
    if right_single and kind in (JoinKind.INNER, JoinKind.LEFT):
        found |= left
    if left_single and kind in (JoinKind.INNER, JoinKind.RIGHT):
        found |= right
    if kind is JoinKind.FULL:  # two single rows that do not meet are two rows
        found -= SINGLE
    return fewest(found)


def _public(plan: Join, left: Public, right: Public) -> Public:
    a, b = _sides(plan)
    unique = _unique(plan.kind, left.unique, right.unique, left_single=matched(left, a), right_single=matched(right, b))
    joined = replace(plan, left=left.plan, right=right.plan)
    return Public(joined, unique, exact=left.exact and right.exact)


def _released(plan: Join, left: Released, right: Released) -> Released:
    a, b = _sides(plan)
    unique = _unique(plan.kind, left.unique, right.unique, left_single=matched(left, a), right_single=matched(right, b))
    return Released(replace(plan, left=left.plan, right=right.plan), left.noisy | right.noisy, unique)


def _beside(plan: Join, owned: Owned, public: Public, *, left_owned: bool) -> Owned | Padded:
    """Return private rows beside public ones."""
    if plan.kind is JoinKind.FULL:
        hint = "Use an INNER join, or a LEFT join that keeps one side."
        raise GatewayError("join_not_private", "A FULL join with a public table is not answered.", hint, plan.place)
    owned_ids, public_ids = _sides(plan) if left_owned else _sides(plan)[::-1]
    if not matched(public, public_ids):
        raise _fan_out(plan, public)
    sides = (owned.plan, public.plan) if left_owned else (public.plan, owned.plan)
    joined = replace(plan, left=sides[0], right=sides[1], fields=carried(plan.fields, owned))
    alone = len(plan.condition) == len(plan.equalities)
    keeps_owned = {JoinKind.INNER: True, JoinKind.LEFT: left_owned, JoinKind.RIGHT: not left_owned}[plan.kind]
    determined = owned.determined
    if owned_ids <= determined and (plan.kind is JoinKind.INNER or alone):
        determined |= shown(public.plan)
    if keeps_owned:
        return in_sight(replace(owned, plan=joined, determined=determined))
    if any(isinstance(node, Staged) for node in upward(public.plan)):
        detail = "A released result is kept whole beside private rows: how many cells that gives is not known."
        hint = "Turn the join round so that it keeps the private side, or join two released results."
        raise GatewayError("join_not_private", detail, hint, plan.place)
    inner = in_sight(replace(owned, plan=replace(joined, kind=JoinKind.INNER), determined=determined))
    return Padded(public, inner, shown(public.plan), shown(owned.plan))


def _beside_padded(plan: Join, left: Padded, right: Relation, steps: Steps) -> Owned | Padded:
    """Return a further join above public LEFT JOIN private: one that a row without a match has no part in."""
    if isinstance(right, Public) and plan.kind in (JoinKind.INNER, JoinKind.LEFT):
        both = left.columns | shown(right.plan)
        if all(term.ids <= both for term in plan.condition):
            fields = tuple(f for f in plan.fields if f.id in both)
            public = _public(replace(plan, fields=fields), left.public, right)
            owned = join(plan, left.owned, right, steps)
            assert isinstance(owned, Owned)  # INVARIANT: INNER and LEFT keep the owned side
            return Padded(public, owned, both, left.empty)
    alone = any(never_true(term.node, left.empty) for term in plan.condition)
    if isinstance(right, Padded) or plan.kind not in (JoinKind.INNER, JoinKind.LEFT) or not alone:
        raise refused(plan.place, f"A {plan.kind.value} join")
    made = join(plan, left.owned, right, steps)
    assert isinstance(made, Owned)  # INVARIANT: INNER and LEFT keep the owned side
    if plan.kind is JoinKind.INNER:
        return made
    added = frozenset(f.id for f in plan.fields) - left.columns
    return Padded(left.public, made, left.columns, left.empty | added)


def _fan_out(plan: Join, public: Public | None = None) -> GatewayError:
    detail = "No side of this join is declared unique on the columns that are set equal."
    hint = "Join with = on a key that the policy lists under `unique`, or group one side by its key first."
    if public is not None:
        detail = "One private row may match any number of public rows here."
        keys = [", ".join(f.name for f in public.plan.fields if f.id in key) for key in public.unique if key]
        hint = f"Set a whole key of the public side equal: {keys[0]}." if keys and keys[0] else hint
    return GatewayError("join_not_private", detail, hint, plan.place)


# -- two owned relations ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Aligned:
    """A join of two owned relations whose owners are equal in every row: its condition says so, or its key does.

    `left` and `right` are the sides as they are to be read. The side of `owner` is one that has its owner's column.
    """

    plan: Join
    left: Owned
    right: Owned
    owner: Owned


def aligned(plan: Join, left: Owned, right: Owned, dataset: Dataset) -> Aligned:
    """Return a join of two owned relations with the owner equality in its condition.

    Where one side holds the very row that the other's chain leads to, that chain is not joined a second time.
    Raises GatewayError `no_owner_equality` where the query implies none.
    """
    # read off the condition itself: nothing else says that the owners are equal
    sides = set(shown(left.plan)), set(shown(right.plan))
    equal = [pair for term in plan.condition if (pair := equated(term, *sides)) is not None]
    kept = right if plan.kind is JoinKind.RIGHT else left
    if any(a in left.aliases and b in right.aliases for a, b in equal):
        return Aligned(plan, left, right, kept)
    chained = [
        pair
        for pair in equal
        if any(pair[0] in left.chains.get(key, frozenset()) and pair[1] in right.chains[key] for key in right.chains)
    ]
    for a, b in chained:
        if plan.kind not in (JoinKind.RIGHT, JoinKind.FULL) and (bare := anchored(left, right, (a, b))) is not None:
            return Aligned(plan, left, replace(right, plan=bare), left)
        if plan.kind in (JoinKind.INNER, JoinKind.RIGHT) and (bare := anchored(right, left, (b, a))) is not None:
            return Aligned(plan, replace(left, plan=bare), right, right)
    if chained:  # written out, so that soundness does not rest on the chain
        return Aligned(replace(plan, condition=(*plan.condition, _equal(left, right))), left, right, kept)
    a, b = owner_name(left, dataset), owner_name(right, dataset)
    detail = "Two private relations are joined without their owners being equal."
    where = "the subquery's WHERE" if plan.kind in (JoinKind.SEMI, JoinKind.ANTI, JoinKind.MARK) else "the ON clause"
    hint = f"Add `AND left.{a} = right.{b}` (bare columns, with =) to {where}."
    unnamed = [name for name, side in ((a, left), (b, right)) if hidden(side)]
    if unnamed:
        hint += f" Select {unnamed[0]} in the derived table first."
    raise GatewayError("no_owner_equality", detail, hint, plan.place)


def _equal(left: Owned, right: Owned) -> Term:
    """Return the owner equality that a chain key implies."""
    a, b = owner_field(left).term, owner_field(right).term
    assert a.type == b.type  # INVARIANT: owners of one unit have one type (catalog)
    assert a.type.kind in (TypeKind.INTEGER, TypeKind.TEXT, TypeKind.UUID)
    built = exp.paren(exp.EQ(this=exp.column(left.owner), expression=exp.column(right.owner)), copy=False)
    # what the owner is made of is no use of a column: the query named the chain key
    bare = replace(a, value=frozenset(), condition=frozenset())
    return predicate(built, bare, bare, nullable=False)


def _owned(plan: Join, left: Owned, right: Owned, steps: Steps) -> Owned:
    alone = len(plan.condition) == len(plan.equalities)
    a, b = _sides(plan)
    left_single, right_single = matched(left, a), matched(right, b)
    made = aligned(plan, left, right, steps.dataset)
    plan, left, right = made.plan, made.left, made.right
    if not (left_single or right_single):
        raise _fan_out(plan)
    joined = replace(plan, left=left.plan, right=right.plan)
    unique = _unique(plan.kind, left.unique, right.unique, left_single=left_single, right_single=right_single)
    rows = _rows(plan.kind, left, right, left_single=left_single, right_single=right_single)
    if plan.kind is JoinKind.FULL:
        return _full(joined, left, right, unique, steps)
    kept, filled = (right, left) if made.owner is right else (left, right)
    inner = plan.kind is JoinKind.INNER
    chains = dict(kept.chains)
    if inner:  # either side's key leads to the one owner
        for key, chain in filled.chains.items():
            chains[key] = chains.get(key, frozenset()) | chain
    kept_ids = b if kept is right else a
    follows = inner or (alone and kept_ids <= kept.determined)
    return in_sight(
        Owned(
            plan=replace(joined, fields=carried(plan.fields, kept)),
            owner=kept.owner,
            aliases=left.aliases | right.aliases if inner else kept.aliases,
            chains=chains,
            unique=unique,
            determined=kept.determined | (filled.determined if follows else frozenset()),
            rows=rows,
            groups=max(left.groups, right.groups),
            declared_rows=max(left.declared_rows, right.declared_rows),
        )
    )


def _full(joined: Join, left: Owned, right: Owned, unique: Unique, steps: Steps) -> Owned:
    """Return a FULL join: the owner is whichever side's is there."""
    fields = carried(carried(joined.fields, left), right)
    owner = steps.fresh()
    either = exp.Coalesce(this=exp.column(left.owner), expressions=[exp.column(right.owner)])
    type_ = owner_field(left).term.type
    field = Field("", Term(exp.column(owner), type_, nullable=False))
    columns = tuple(Computed(f, f.term) for f in joined.fields)
    made = Project(
        replace(joined, fields=fields), (*columns, Computed(field, Term(either, type_, nullable=False))), joined.place
    )
    return in_sight(
        Owned(
            plan=made,
            owner=owner,
            aliases=frozenset({owner}),
            chains={},
            unique=unique,
            determined=frozenset({owner}),
            rows=left.rows + right.rows,
            groups=left.groups + right.groups,
            declared_rows=left.declared_rows + right.declared_rows,
        )
    )


def _rows(kind: JoinKind, left: Owned, right: Owned, *, left_single: bool, right_single: bool) -> int:
    """Return how many rows of one unit a join gives at most, by the declarations of its sides.

    An outer join keeps every row of its side, and adds the other's matches where those may be several.
    """
    if kind is JoinKind.LEFT:
        return left.rows if right_single else left.rows + right.rows
    if kind is JoinKind.RIGHT:
        return right.rows if left_single else left.rows + right.rows
    if kind is JoinKind.FULL:
        return left.rows + right.rows
    return min([left.rows] * right_single + [right.rows] * left_single)
