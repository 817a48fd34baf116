"""UNION ALL, INTERSECT and EXCEPT: rows of one kind of owner on both sides, or released rows."""

from dataclasses import replace

from sqlglot import exp

from gateway.errors import GatewayError
from gateway.privacy.ownership.facts import Unique, in_sight, owner_computed, owner_field, owner_name, steady
from gateway.privacy.ownership.joins import released
from gateway.privacy.ownership.steps import Steps
from gateway.privacy.relations import ChainKey, Owned, Padded, Public, Relation, Released
from gateway.sql.plan import Computed, Field, Project, SetKind, SetOperation
from gateway.sql.terms import Term


def united(plan: SetOperation, left: Relation, right: Relation, steps: Steps) -> Relation:
    """Return a set operation. Raises GatewayError `set_operation` for sides that do not have one kind of owner."""
    match left, right:
        case (Owned(), Owned()):
            return (
                _all(plan, left, right, steps) if plan.kind is SetKind.UNION_ALL else _matched(plan, left, right, steps)
            )
        case (Public(), Public()):
            joined = replace(plan, left=left.plan, right=right.plan)
            return Public(joined, _unique(plan), exact=left.exact and right.exact)
        case (Public() | Released(), Public() | Released()):
            a, b = released(left, steps), released(right, steps)
            names = _positions(plan)
            noisy = frozenset(f.id for f, x, y in zip(plan.fields, *names, strict=True) if x in a.noisy or y in b.noisy)
            made = replace(plan, left=_side(a, names[0], None), right=_side(b, names[1], None))
            return Released(made, noisy, _unique(plan))
        case _:
            raise _mixed(plan, left, right)


def _mixed(plan: SetOperation, left: Relation, right: Relation) -> GatewayError:
    if plan.grouped:
        detail = "Some grouping sets have the unit as a key and others do not: their rows are of two kinds."
        hint = "Leave the unit's key out of the sets; COUNT(DISTINCT ...) of it counts units in each."
    else:
        detail = f"{plan.kind.value} of private rows with rows that nobody owns."
        hint = "Aggregate the private side first, then unite the results."
        if isinstance(left, Padded) or isinstance(right, Padded):
            hint = "Group the LEFT JOIN by its public columns first, then unite the results."
    return GatewayError("set_operation", detail, hint, plan.place)


def _unique(plan: SetOperation) -> Unique:
    return frozenset() if plan.kind is SetKind.UNION_ALL else frozenset({frozenset(f.id for f in plan.fields)})


def _side(relation: Owned | Released, names: tuple[str, ...], owner: Computed | None) -> Project:
    """Return a side's columns in the order of the set operation, and then the owner's."""
    plan = relation.plan
    by_id = {f.id: f for f in plan.fields}
    columns = tuple(Computed(by_id[name], steady(by_id[name].term.reference(name))) for name in names)
    return Project(plan, (*columns, *([owner] if owner is not None else [])), plan.place)


def _positions(plan: SetOperation) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the ids of each side's columns, in order: the buyer's, without the owner's that was added."""
    a = tuple(f.id for f in plan.left.fields)
    b = tuple(f.id for f in plan.right.fields)
    assert len(a) == len(b) == len(plan.fields)  # INVARIANT: both sides have as many columns (resolver)
    return a, b


def _all(plan: SetOperation, left: Owned, right: Owned, steps: Steps) -> Owned:
    """Return UNION ALL of two owned relations: the owner's column of each under one new id."""
    names = _positions(plan)
    owner = steps.fresh()
    column = Field("", Term(exp.column(owner), owner_field(left).term.type, nullable=False))
    made = replace(
        plan,
        left=_side(left, names[0], owner_computed(left, steps.fresh())),
        right=_side(right, names[1], owner_computed(right, steps.fresh())),
        fields=(*plan.fields, column),
    )
    aliases, chains = {owner}, dict[ChainKey, frozenset[str]]()
    for field, a, b in zip(plan.fields, *names, strict=True):
        if a in left.aliases and b in right.aliases:
            aliases.add(field.id)
        for key in left.chains.keys() & right.chains.keys():
            if a in left.chains[key] and b in right.chains[key]:
                chains[key] = chains.get(key, frozenset()) | {field.id}
    return in_sight(
        Owned(
            plan=made,
            owner=owner,
            aliases=frozenset(aliases),
            chains=chains,
            unique=frozenset(),
            determined=frozenset(aliases),
            rows=left.rows + right.rows,
            groups=left.groups + right.groups,
            declared_rows=left.declared_rows + right.declared_rows,
        )
    )


def _matched(plan: SetOperation, left: Owned, right: Owned, steps: Steps) -> Owned:
    """Return INTERSECT or EXCEPT where a column of both sides, at one place, is the owner: rows meet their own only."""
    names = _positions(plan)
    aliases = {f.id for f, a, b in zip(plan.fields, *names, strict=True) if a in left.aliases and b in right.aliases}
    if not aliases:
        key = owner_name(left, steps.dataset)
        detail = f"{plan.kind.value} compares rows of different people."
        hint = f"Select {key} at the same place on both sides, or aggregate both sides first."
        raise GatewayError("set_operation", detail, hint, plan.place)
    made = replace(plan, left=_side(left, names[0], None), right=_side(right, names[1], None))
    return in_sight(
        Owned(
            plan=made,
            owner=min(aliases),
            aliases=frozenset(aliases),
            chains={},
            unique=_unique(plan),
            determined=frozenset(aliases),
            rows=left.rows,
            groups=left.groups,
            declared_rows=left.declared_rows,
        )
    )
