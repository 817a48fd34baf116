"""Aggregates whose keys contain or determine the owner: results for each person, exact to the bit.

The owner's column is always added to the keys, so that nothing rests on a declared fact.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from fractions import Fraction

from sqlglot import exp

from gateway.catalog.types import DOUBLE, INTEGER, TypeKind
from gateway.errors import GatewayError
from gateway.privacy import partials
from gateway.privacy.ownership.facts import in_sight, names_of, owner_computed, renamed, steady, through
from gateway.privacy.ownership.steps import Steps
from gateway.privacy.relations import ChainKey, Owned
from gateway.sql.plan import Aggregate, AggregateCall, AggregateKind, Computed, Field, Project
from gateway.sql.terms import Term, cast, number

COUNTS = (
    AggregateKind.COUNT_ROWS,
    AggregateKind.COUNT,
    AggregateKind.COUNT_DISTINCT,
    AggregateKind.REGR_COUNT,
    AggregateKind.BOOL_AND,
    AggregateKind.BOOL_OR,
)
ORDERED = (AggregateKind.MIN, AggregateKind.MAX, AggregateKind.QUANTILE_CONT, AggregateKind.QUANTILE_DISC)
"""They pick by value, so that the order of the rows changes nothing."""


def determining(keys: Iterable[Computed], owned: Owned) -> Computed | None:
    """Return the key that is the owner, or a key by which each group is surely one owner's; None: there is none."""
    bare = {key.term.id: key for key in keys if key.term.id is not None}
    for ids in (owned.aliases, *owned.chains.values()):
        for name in sorted(ids & bare.keys()):
            return bare[name]
    for key in sorted(owned.unique, key=sorted):
        if key and key <= bare.keys() and not any(bare[part].term.nullable for part in key):
            return bare[min(key)]
    return None


def per_owner(plan: Aggregate, below: Owned, steps: Steps) -> Owned:
    """Return an aggregate over one owner's rows at a time.

    Raises GatewayError `per_owner_aggregate` for functions whose result could change in a bit with the order of rows.
    """
    names = names_of(plan.keys)
    keys = tuple(replace(key, term=steady(key.term)) for key in plan.keys)
    aliases = renamed(below.aliases, names)
    owner = min(aliases) if aliases else steps.fresh()
    if not aliases:
        keys = (*keys, owner_computed(below, owner))
    exact = Exact(steps)
    calls = tuple(exact.call(call) for call in plan.calls)
    made = Aggregate(below.plan, keys, calls, plan.place)
    chains: dict[ChainKey, frozenset[str]] = {key: renamed(ids, names) for key, ids in below.chains.items()}
    # a key that the owner fixes tells no rows apart
    telling = frozenset(key.field.id for key in plan.keys if not key.term.ids <= below.determined)
    telling |= {owner} if not any(chain & telling for chain in chains.values()) else set()
    units = next((t.rows for t in steps.dataset.tables if t.name == steps.dataset.privacy.unit_table), None)
    single = telling <= {owner}
    return in_sight(
        replace(
            below,
            plan=exact.shown(made),
            owner=owner,
            aliases=aliases | {owner},
            chains=chains,
            unique=frozenset({telling}) | through(below.unique, names),
            determined=frozenset({owner})
            | frozenset(key.field.id for key in plan.keys if key.term.ids <= below.determined),
            declared_rows=min(below.declared_rows, units) if single and units is not None else below.declared_rows,
        )
    )


@dataclass(slots=True)
class Exact:
    """Rewrites calls so that they are exact: floating point numbers are summed as whole multiples of a step."""

    steps: Steps
    scaled: dict[str, tuple[Field, Fraction]] = field(default_factory=dict)
    """By the id of an integer that stands in for it: the field that was asked for, and the step."""

    def call(self, call: AggregateCall) -> AggregateCall:
        """Return a call whose result does not depend on the order of the rows."""
        if call.kind in COUNTS:
            return call
        if call.kind in ORDERED:
            return replace(call, arguments=tuple(steady(term) for term in call.arguments))
        if call.kind not in (AggregateKind.SUM, AggregateKind.AVG):
            hint = "Use COUNT, SUM, AVG, MIN, MAX or a quantile for each person; the rest over all people."
            if call.kind.value.startswith(("VAR", "STDDEV")):
                hint = "Write AVG(x * x) - AVG(x) * AVG(x) over an integer or decimal x."
            detail = f"{call.kind.value} for each person is not exact: it depends on the order of the rows."
            raise GatewayError("per_owner_aggregate", detail, hint, call.place)
        term = call.arguments[0]
        if term.type.kind is not TypeKind.DOUBLE:
            return call
        if not term.range.finite:
            detail = f"{call.kind.value} of floating point numbers depends on the order of the rows."
            hint = "CAST it to DECIMAL, or clamp it: LEAST(GREATEST(x, lowest), highest)."
            raise GatewayError("per_owner_aggregate", detail, hint, call.place)
        value = partials.fixed_point(term, call.place)
        whole = replace(
            term,
            node=exp.paren(value.node, copy=False),
            type=INTEGER,
            nullable=True,
            range=replace(term.range, lo=Fraction(value.lo), hi=Fraction(value.hi)),
            origin=None,
            domain=None,
            raw=False,
            granularity=None,
            per_unit_sum=None,
        )
        return self._scaled(call, whole, value.step)

    def _scaled(self, call: AggregateCall, whole: Term, step: Fraction) -> AggregateCall:
        name = self.steps.fresh()
        type_ = INTEGER if call.kind is AggregateKind.SUM else DOUBLE
        self.scaled[name] = (call.field, step)
        return replace(call, arguments=(whole,), field=Field("", Term(exp.column(name), type_, nullable=True)))

    def shown(self, plan: Aggregate) -> Aggregate | Project:
        """Return the aggregate with the columns that were asked for."""
        if not self.scaled:
            return plan
        columns: list[Computed] = []
        for f in plan.fields:
            if f.id not in self.scaled:
                columns.append(Computed(f, f.term.reference(f.id)))
                continue
            asked, step = self.scaled[f.id]
            node = exp.Mul(this=cast(exp.column(f.id), DOUBLE), expression=number(step, DOUBLE))
            columns.append(Computed(asked, replace(asked.term, node=exp.paren(node, copy=False))))
        return Project(plan, tuple(columns), plan.place)
