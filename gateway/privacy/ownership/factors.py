"""Factors: public relations that list a measurement's cells.

Rows of an INNER join hold the columns of its public sides. Joined among themselves alone, by those conditions that
speak of nothing private, the public sides hold every combination that a row could show: these are the cells, known
without looking at private data, and empty ones are among them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from gateway.catalog.types import BOOLEAN
from gateway.privacy.ownership.facts import shown
from gateway.privacy.relations import Factor
from gateway.sql.plan import (
    Aggregate,
    Computed,
    Field,
    Filter,
    Join,
    JoinKind,
    Measured,
    Plan,
    Project,
    Read,
    Scan,
    Sort,
    Staged,
    Window,
)
from gateway.sql.sources import key_domain
from gateway.sql.terms import Term
from gateway.sql.walk import upward
from gateway.sql.writing import copied, named_in

MAX_NARROWING = 100_000
"""A public relation of more declared rows than this is not read for the sake of fewer cells alone."""

Known = Mapping[str, exp.Expr]
"""Under each id in sight, the public expression that it is, over columns of the leaves."""


def private(plan: Plan) -> bool:
    """Tell whether a relation reads anything but public tables."""
    return any(
        isinstance(node, Staged | Measured | Read) or (isinstance(node, Scan) and not node.table.public)
        for node in upward(plan)
    )


@dataclass(slots=True)
class Shadow:
    """What is public in an owned relation: its public sides, and the conditions that speak of them alone."""

    fresh: Callable[[], str]
    leaves: list[Plan] = field(default_factory=list)
    holders: dict[str, int] = field(default_factory=dict)
    conditions: list[exp.Expr] = field(default_factory=list)

    def add(self, plan: Plan) -> dict[str, exp.Expr]:
        """Take a public relation in as a leaf, under new ids where the same one is there already."""
        ids = [f.id for f in plan.fields]
        names = {name: name for name in ids}
        if any(name in self.holders for name in ids):
            names = {name: self.fresh() for name in ids}
            fields = {f.id: f for f in plan.fields}
            columns = tuple(
                Computed(Field(fields[old].name, fields[old].term.reference(new)), fields[old].term.reference(old))
                for old, new in names.items()
            )
            plan = Project(plan, columns, plan.place)
        self.holders |= {new: len(self.leaves) for new in names.values()}
        self.leaves.append(plan)
        return {old: exp.column(new) for old, new in names.items()}

    def walk(self, plan: Plan) -> dict[str, exp.Expr]:
        """Return what is public of a relation's columns."""
        if not private(plan):
            return self.add(plan)
        match plan:
            case Filter():
                known = self.walk(plan.input)
                self._tested(plan.condition, known)
                return known
            case Project():
                return _computed(((c.field.id, c.term) for c in plan.columns), self.walk(plan.input))
            case Aggregate():
                return _computed(((k.field.id, k.term) for k in plan.keys), self.walk(plan.input))
            case Window() | Sort():
                return self.walk(plan.input)
            case Join(kind=JoinKind.INNER):
                known = self.walk(plan.left) | self.walk(plan.right)
                for a, b in plan.equalities:
                    if (a in known) != (b in known):
                        known[a] = known[b] = known[a] if a in known else known[b]
                self._tested(plan.condition, known)
                return known
            case Join(kind=JoinKind.LEFT | JoinKind.SEMI | JoinKind.ANTI | JoinKind.MARK):
                return self.walk(plan.left) if private(plan.left) else {}
            case Join(kind=JoinKind.RIGHT):
                return self.walk(plan.right) if private(plan.right) else {}
            case _:
                return {}

    def _tested(self, condition: Iterable[Term], known: Known) -> None:
        for term in condition:
            ids = term.ids
            if ids and ids <= known.keys():
                self.conditions.append(_over(term, known))

    def leaves_of(self, node: exp.Expr) -> frozenset[int]:
        return frozenset(self.holders[name] for name in named_in(node))


def _over(term: Term, known: Known) -> exp.Expr:
    """Return an expression over the leaves' columns."""

    def put(node: exp.Expr) -> exp.Expr:
        return copied(known[node.name]) if isinstance(node, exp.Column) else node

    return exp.paren(term.node.transform(put), copy=False)


def _computed(columns: Iterable[tuple[str, Term]], known: Known) -> dict[str, exp.Expr]:
    found: dict[str, exp.Expr] = {}
    for name, term in columns:
        bare = term.id
        if bare is not None:
            if bare in known:
                found[name] = known[bare]
        elif (ids := term.ids) and ids <= known.keys():
            found[name] = _over(term, known)
    return found


def factors(
    keys: tuple[Computed, ...], relation: Plan, wanted: tuple[Plan, tuple[str, ...]] | None, fresh: Callable[[], str]
) -> tuple[Factor, ...]:
    """Return the public relations that list values of a measurement's keys, where that says more than each alone.

    `wanted` is what a subquery was asked for: a relation, and its columns in the order of the keys.
    """
    if not keys:
        return ()
    asked: dict[int, tuple[str, Term]] = {}
    found: list[Factor] = []
    if wanted is not None:
        fields = {f.id: f.term for f in wanted[0].fields}
        asked = {i: (name, fields[name]) for i, name in enumerate(wanted[1]) if name in fields}
        found += _listing(Shadow(fresh), wanted[0], {i: term for i, (_, term) in asked.items()}, keys, always=True)
    done = {index for factor in found for index in factor.keys}
    own = {i: key.term for i, key in enumerate(keys) if i not in done}
    found += _listing(Shadow(fresh), relation, own, keys, always=False)
    done = {index for factor in found for index in factor.keys}
    if any(i not in done and key_domain(key.term) is None for i, key in enumerate(keys)):
        return ()  # a private key beside them: its values are found by a threshold, and so are all
    return tuple(found)


def _listing(
    shadow: Shadow, relation: Plan, terms: Mapping[int, Term], keys: tuple[Computed, ...], *, always: bool
) -> Iterator[Factor]:
    """Yield a factor for each group of keys whose public relations hang together."""
    known = shadow.walk(relation)
    made = _computed(((str(i), term) for i, term in terms.items()), known)
    nodes = {int(i): node for i, node in made.items()}
    for members in _together([shadow.leaves_of(n) for n in (*nodes.values(), *shadow.conditions)]):
        own = {i: node for i, node in nodes.items() if shadow.leaves_of(node) <= members}
        if not own:
            continue
        conditions = [c for c in shadow.conditions if shadow.leaves_of(c) <= members]
        kept = _useful(shadow, members, set().union(*(shadow.leaves_of(n) for n in own.values())), conditions)
        conditions = [c for c in conditions if shadow.leaves_of(c) <= kept]
        single = len(own) == 1 and len(kept) == 1 and not always
        if single and key_domain(keys[next(iter(own))].term) is not None:
            continue  # its own list of values says as much
        yield _factor(shadow, sorted(kept), conditions, own, keys)


def _together(links: list[frozenset[int]]) -> list[frozenset[int]]:
    """Return groups of leaves that hang together by expressions over several of them."""
    groups: list[frozenset[int]] = []
    for link in links:
        meeting = [group for group in groups if group & link]
        groups = [group for group in groups if not group & link]
        groups.append(frozenset(link).union(*meeting))
    return [group for group in groups if group]


def _useful(shadow: Shadow, members: frozenset[int], holding: set[int], conditions: list[exp.Expr]) -> frozenset[int]:
    """Return the leaves that hold keys, narrow them, or stand between: the others would only cost work."""
    over = [shadow.leaves_of(c) for c in conditions]
    filtered = {leaf for leaf in members if any(isinstance(n, Filter) for n in upward(shadow.leaves[leaf]))}
    # a condition that is no equality narrows too
    filtered |= {leaf for c, link in zip(conditions, over, strict=True) if not _equality(c) for leaf in link}
    narrowing = {leaf for leaf in filtered if _declared(shadow.leaves[leaf]) <= MAX_NARROWING}
    kept = set(members)
    while True:
        ends = {
            leaf
            for leaf in kept - holding - narrowing
            if len({other for link in over if leaf in link and link <= kept for other in link - {leaf}}) <= 1
        }
        if not ends:
            return frozenset(kept)
        kept -= ends


def _declared(plan: Plan) -> int:
    return sum(node.table.rows for node in upward(plan) if isinstance(node, Scan))


def _equality(node: exp.Expr) -> bool:
    inner = node.unnest()
    return (
        isinstance(inner, exp.EQ)
        and isinstance(inner.this.unnest(), exp.Column)
        and isinstance(inner.expression.unnest(), exp.Column)
    )


def _factor(
    shadow: Shadow,
    leaves: list[int],
    conditions: list[exp.Expr],
    own: Mapping[int, exp.Expr],
    keys: tuple[Computed, ...],
) -> Factor:
    """Return the join of some leaves, with the keys computed over it."""
    pending = list(conditions)
    plan = shadow.leaves[leaves[0]]
    held = {leaves[0]}
    rest = leaves[1:]
    plan, pending = _narrowed(plan, pending, shadow, held)
    while rest:  # next what hangs on what is there
        linked = [
            leaf for leaf in rest if any(leaf in (on := shadow.leaves_of(c)) and on <= held | {leaf} for c in pending)
        ]
        leaf = (linked or rest)[0]
        rest.remove(leaf)
        held.add(leaf)
        meeting = [c for c in pending if shadow.leaves_of(c) <= held]
        pending = [c for c in pending if not shadow.leaves_of(c) <= held]
        right = shadow.leaves[leaf]
        terms = tuple(_truth(c) for c in meeting)
        equal = tuple(pair for c in meeting if (pair := _pair(c, shown(plan), shown(right))) is not None)
        plan = Join(JoinKind.INNER, plan, right, terms, equal, (*plan.fields, *right.fields), plan.place)
    columns = tuple(
        Computed(Field(keys[i].field.name, keys[i].term.reference(shadow.fresh())), _typed(keys[i].term, node))
        for i, node in own.items()
    )
    return Factor(Project(plan, columns, plan.place), tuple(own), tuple(c.field.id for c in columns))


def _narrowed(plan: Plan, conditions: list[exp.Expr], shadow: Shadow, held: set[int]) -> tuple[Plan, list[exp.Expr]]:
    own = [c for c in conditions if shadow.leaves_of(c) <= held]
    if not own:
        return plan, conditions
    rest = [c for c in conditions if not shadow.leaves_of(c) <= held]
    return Filter(plan, tuple(_truth(c) for c in own), plan.fields, plan.place), rest


def _pair(node: exp.Expr, left: frozenset[str], right: frozenset[str]) -> tuple[str, str] | None:
    if not _equality(node):
        return None
    inner = node.unnest()
    a, b = inner.this.unnest().name, inner.expression.unnest().name
    if a in left and b in right:
        return a, b
    return (b, a) if b in left and a in right else None


def _truth(node: exp.Expr) -> Term:
    return Term(node, BOOLEAN, nullable=True)


def _typed(term: Term, node: exp.Expr) -> Term:
    return Term(node, term.type, nullable=term.nullable, domain=term.domain, value=term.value, condition=term.condition)
