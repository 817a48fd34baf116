"""Aggregates whose keys do not determine the owner: the measurements, and what follows of each at once."""

from collections.abc import Callable
from dataclasses import replace

from sqlglot import exp

from gateway.catalog.types import INTEGER, TypeKind
from gateway.errors import GatewayError
from gateway.privacy.ownership.factors import factors
from gateway.privacy.ownership.facts import owner_name
from gateway.privacy.ownership.padded import never_true, null_of
from gateway.privacy.ownership.steps import Steps
from gateway.privacy.relations import Factor, Owned, Padded, Public, Relation, Released
from gateway.sql.operators import chain
from gateway.sql.plan import (
    Aggregate,
    AggregateCall,
    AggregateKind,
    Computed,
    Field,
    Filter,
    Join,
    JoinKind,
    Plan,
    Project,
    Staged,
)
from gateway.sql.sources import key_domain
from gateway.sql.terms import Term, predicate
from gateway.sql.walk import upward

COMMON = (AggregateKind.MODE, AggregateKind.APPROX_TOP_K)
"""What is found by counting each value."""


def measured(plan: Aggregate, owned: Owned, steps: Steps, wanted: Relation | None) -> Released:
    """Return the released result of an aggregate over many owners' rows. `wanted` is what its cells are asked by."""
    common = [call for call in plan.calls if call.kind in COMMON]
    for call in common:
        _refuse_unlisted(call, owned, steps)
    asked = None
    if plan.wanted is not None and wanted is not None:
        asked = _asked(wanted, plan.wanted.columns)
    listed = factors(plan.keys, owned.plan, asked, steps.fresh)
    if not common:
        return _noisy(plan, owned, listed, steps)
    return _with_common(plan, common, owned, listed, steps)


def _noisy(plan: Aggregate, owned: Owned, listed: tuple[Factor, ...], steps: Steps) -> Released:
    plans = [owned.plan, *(factor.plan for factor in listed)]
    inputs = tuple(dict.fromkeys(node.name for node in upward(*plans) if isinstance(node, Staged)))
    aggregate = Aggregate(owned.plan, plan.keys, plan.calls, plan.place)
    leaf = steps.measure(aggregate, owned, listed, inputs)
    keys = frozenset(key.field.id for key in plan.keys)
    return Released(leaf, frozenset(call.field.id for call in plan.calls), frozenset({keys}))


def _asked(wanted: Relation, columns: tuple[str, ...]) -> tuple[Plan, tuple[str, ...]] | None:
    match wanted:
        case Public():
            return (wanted.plan, columns) if wanted.exact else None
        case Owned():
            return wanted.plan, columns
        case _:
            return None


# -- public LEFT JOIN private -----------------------------------------------------------------------------------------


def padded_measured(plan: Aggregate, below: Padded, steps: Steps) -> Released:
    """Return an aggregate over public LEFT JOIN private: the public side lists the cells.

    Raises GatewayError `join_not_private` for keys of the private side, and for what counts a row without a match.
    """
    for key in plan.keys:
        if not key.term.ids <= below.columns:
            detail = "A row of the public side that found no match would be a group of its own here."
            hint = "Group by columns of the public side alone, or use an INNER join."
            raise GatewayError("join_not_private", detail, hint, key.term.place or plan.place)
    for call in plan.calls:
        _refuse_unmatched(call, below, steps)
    listed: tuple[Factor, ...] = ()
    if plan.keys:
        columns = tuple(
            Computed(Field(key.field.name, key.term.reference(steps.fresh())), key.term) for key in plan.keys
        )
        source = Project(below.public.plan, columns, plan.place)
        listed = (Factor(source, tuple(range(len(columns))), tuple(c.field.id for c in columns)),)
    return _noisy(plan, below.owned, listed, steps)


def _refuse_unmatched(call: AggregateCall, below: Padded, steps: Steps) -> None:
    if call.filter is not None and never_true(call.filter.node, below.empty):
        return
    if call.arguments and any(null_of(term.node, below.empty) for term in call.arguments):
        if call.kind not in COMMON:
            return
        detail = f"{call.kind.value} over a LEFT JOIN is not answered."
        raise GatewayError("join_not_private", detail, "Use an INNER join.", call.place)
    key = owner_name(below.owned, steps.dataset)
    detail = f"{call.kind.value} would count rows of the public side that found no match: nobody owns them."
    hint = f"Write COUNT({key}), or aggregate a column of the private side."
    raise GatewayError("join_not_private", detail, hint, call.place)


# -- the most common values -------------------------------------------------------------------------------------------


def _refuse_unlisted(call: AggregateCall, owned: Owned, steps: Steps) -> None:
    term = call.arguments[0]
    if term.id in owned.aliases:
        hint = f"Count people with COUNT(DISTINCT {owner_name(owned, steps.dataset)})."
        raise GatewayError("unit_key_released", f"{call.kind.value} would show one person's key.", hint, call.place)
    if key_domain(term) is None or term.type.kind is TypeKind.DOUBLE:
        detail = f"{call.kind.value} needs to know which values there can be."
        hint = "Group by the value and ORDER BY COUNT(*) DESC LIMIT k, or narrow it in WHERE (x IN (...), BETWEEN)."
        raise GatewayError("no_bounds", detail, hint, call.place)


def _with_common(
    plan: Aggregate, common: list[AggregateCall], owned: Owned, listed: tuple[Factor, ...], steps: Steps
) -> Released:
    """Return the aggregate with each MODE and APPROX_TOP_K from a measurement of its own, by the noisy counts."""
    rest = tuple(call for call in plan.calls if call.kind not in COMMON)
    made: Released | None = None
    if rest or (plan.keys and len(common) > 1):
        made = _noisy(replace(plan, calls=rest), owned, listed, steps)
    for call in common:
        counted, keys = _counted(plan, call, owned, listed, steps)
        if made is None:
            columns = [*zip((k.field for k in plan.keys), keys, strict=True), (call.field, call.field)]
            named = tuple(Computed(f, k.term.reference(k.id)) for f, k in columns)
            made = Released(
                Project(counted.plan, named, call.place),
                counted.noisy,
                frozenset({frozenset(k.field.id for k in plan.keys)}),
            )
        else:
            made = _beside(made, counted, plan, keys, call)
    assert made is not None  # INVARIANT: there is at least one call
    fields = {f.id: f for f in made.plan.fields}
    shown = tuple(Computed(f, fields[f.id].term.reference(f.id)) for f in plan.fields)
    return replace(made, plan=Project(made.plan, shown, plan.place))


def _counted(
    plan: Aggregate, call: AggregateCall, owned: Owned, listed: tuple[Factor, ...], steps: Steps
) -> tuple[Released, list[Field]]:
    """Return the value with the greatest noisy count in each cell, and the new fields of the cell's keys."""
    term = call.arguments[0]
    keys = [Computed(Field(k.field.name, k.field.term.reference(steps.fresh())), k.term) for k in plan.keys]
    value = Computed(Field("value", term.reference(steps.fresh())), term)
    number = Field("n", Term(exp.column(steps.fresh()), INTEGER, nullable=False))
    counts = AggregateCall(AggregateKind.COUNT_ROWS, (), call.filter, number, call.place)
    counting = Aggregate(plan.input, (*keys, value), (counts,), call.place)
    noisy = _noisy(counting, owned, listed, steps)
    source: Plan = noisy.plan
    if term.nullable:
        known = exp.Not(this=exp.Is(this=exp.column(value.field.id), expression=exp.Null()))
        source = Filter(source, (predicate(known, value.field.term, nullable=False),), source.fields, call.place)
    # over released rows MODE(x, n) is the x with the greatest n, APPROX_TOP_K(x, n) the k of them
    best = replace(call, arguments=(value.field.term, number.term), filter=None)
    again = tuple(Computed(Field(k.field.name, k.field.term.reference(steps.fresh())), k.field.term) for k in keys)
    made = Aggregate(source, again, (best,), call.place)
    fields = [k.field for k in again]
    return Released(made, frozenset({call.field.id}), frozenset({frozenset(f.id for f in fields)})), fields


def _beside(made: Released, counted: Released, plan: Aggregate, keys: list[Field], call: AggregateCall) -> Released:
    """Return the result so far with one more column, joined on its keys (NULL is a key like any other)."""
    terms = tuple(_same(a.field.term, b.term) for a, b in zip(plan.keys, keys, strict=True))
    fields = (*made.plan.fields, *keys, call.field)
    joined = Join(JoinKind.LEFT, made.plan, counted.plan, terms, (), fields, call.place)
    return replace(made, plan=joined, noisy=made.noisy | counted.noisy)


def _same(a: Term, b: Term) -> Term:
    left, right = a.node.copy(), b.node.copy()
    parts: list[exp.Expr] = [exp.EQ(this=left, expression=right)]
    if a.nullable or b.nullable:
        none: Callable[[exp.Expr], exp.Expr] = lambda node: exp.Is(this=node.copy(), expression=exp.Null())  # noqa: E731
        parts.append(exp.paren(chain(exp.And, [none(left), none(right)]), copy=False))
    return predicate(exp.paren(chain(exp.Or, parts), copy=False), a, b, nullable=True)
