"""GROUP BY: keys by expression, position or alias; GROUPING SETS, ROLLUP and CUBE as a union of one aggregate each."""

from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import combinations

from sqlglot import exp

from gateway.catalog.types import INTEGER, OTHER
from gateway.errors import GatewayError
from gateway.sql import ranges
from gateway.sql.aggregates import Calls
from gateway.sql.constructs import has_aggregate, windows_in
from gateway.sql.operators import mismatch
from gateway.sql.parse import place, refuse_other_parts, whole_number
from gateway.sql.plan import Aggregate, AggregateCall, Computed, Field, Plan, Project, SetKind
from gateway.sql.scope import Ids
from gateway.sql.stages import Stage
from gateway.sql.terms import Term, cast, number
from gateway.sql.unions import combined, key_reference

MAX_SETS = 32
"""Grouping sets of one SELECT: each is a measurement of its own."""

Item = tuple[exp.Expr, str]
"""One expression of the SELECT list and its output name."""

Sets = list[list[exp.Expr]]


@dataclass(slots=True)
class Grouping:
    """Collects the keys, sets and calls of one SELECT over its rows, and builds what groups them."""

    rows: Stage
    items: list[Item]
    keys: list[tuple[str, Term]] = field(default_factory=list)
    sets: list[tuple[int, ...]] = field(default_factory=list)
    marks: dict[exp.Expr, tuple[int, ...]] = field(default_factory=dict)
    """GROUPING() calls, by the keys that they ask for."""
    written: dict[int, exp.Expr] = field(default_factory=dict)
    """Keys as GROUP BY first writes them, by place."""
    computed: bool = False
    """Some key is written as more than a column."""
    twice: bool = False
    """One key is written in two ways: engines differ on whether it is left out of a set that has the other."""

    @property
    def ids(self) -> Ids:
        return self.rows.catalog.ids

    def read(self, group: exp.Group | None) -> None:
        """Read a GROUP BY clause; without one all rows are one group."""
        written = _sets_of(group, self.items) if group is not None else [[]]
        for keys in written:
            found = dict.fromkeys(self._index(key) for key in keys)
            self.sets.append(tuple(found))
        self.rows.catalog.count_relation(group or exp.Group(), len(self.sets) - 1)

    def add(self, name: str, term: Term) -> int:
        """Return the place of a key; the same expression twice is one key."""
        for index, (_, known) in enumerate(self.keys):
            if known.node == term.node:
                return index
        self.keys.append((name, term))
        return len(self.keys) - 1

    def add_to_all(self, terms: tuple[Term, ...]) -> tuple[int, ...]:
        """Add keys to every set: the inner sides of what ties a subquery to the query around it."""
        indexes = tuple(self.add("", term) for term in terms)
        self.sets = [tuple(dict.fromkeys((*chosen, *indexes))) for chosen in self.sets]
        return indexes

    def mark(self, node: exp.Expr) -> None:
        """Add a GROUPING() call. Raises `not_grouped` for anything but a key."""
        refuse_other_parts(node, "expressions")
        asked = node.expressions
        if not asked and isinstance(node, exp.GroupingId):
            self.marks[node] = tuple(range(len(self.keys)))
            return
        places = [self._known(key) for key in asked]
        if not places or len(places) > 16:
            raise GatewayError("unsupported_sql", "GROUPING() takes keys.", "Write GROUPING(key).", place(node))
        self.marks[node] = tuple(places)

    def _known(self, node: exp.Expr) -> int:
        term = self.rows(self._meant(node)[0])
        for index, (_, key) in enumerate(self.keys):
            if key.node == term.node:
                return index
        raise GatewayError("not_grouped", "GROUPING() asks for no key.", "Put it into GROUP BY.", place(node))

    def _index(self, key: exp.Expr) -> int:
        node, name = self._meant(key)
        if has_aggregate(node) or next(windows_in(node), None) is not None:
            detail = "An aggregate or window function cannot be a key."
            raise GatewayError("unsupported_sql", detail, "Group by columns.", place(key))
        term = self.rows(node)
        if term.type == OTHER:
            raise mismatch(key, "This key has no type.")
        self.computed = self.computed or not isinstance(node, exp.Column)
        index = self.add(name, term)
        self.twice = self.twice or self.written.setdefault(index, key.unnest()) != key.unnest()
        return index

    def _meant(self, key: exp.Expr) -> Item:
        """Return the expression that a key is: itself, a position or an alias of the SELECT list."""
        bare = key.unnest()
        if isinstance(bare, exp.Tuple):
            raise GatewayError("unsupported_sql", "A tuple is not a key.", "List the keys.", place(key))
        if isinstance(bare, exp.Literal):
            position = whole_number(bare)
            if position is None or not 1 <= position <= len(self.items):
                detail = "GROUP BY counts the SELECT list from 1."
                raise GatewayError("unsupported_sql", detail, "Write a position of the SELECT list.", place(key))
            return self.items[position - 1]
        if isinstance(bare, exp.Column) and not bare.table:
            return self._named(bare)
        return bare, f"key_{len(self.keys) + 1}"

    def _named(self, key: exp.Column) -> Item:
        """Return what a bare name in GROUP BY means: an input column, or the alias of a SELECT item."""
        name = key.name.casefold()
        aliased = [node for node, known in self.items if known.casefold() == name]
        inputs = [f for s in self.rows.scope.sources for f in s.fields if f.name.casefold() == name]
        if not aliased or _is_name(aliased[0], key):
            return key, key.name
        same = isinstance(aliased[0], exp.Column) and self.rows(aliased[0]).id in {f.id for f in inputs}
        if inputs and not same:
            detail = f"'{key.name}' names a column and an alias of the SELECT list."
            raise GatewayError("ambiguous_name", detail, "Group by position, or rename the alias.", place(key))
        return aliased[0], key.name

    def plan(self, calls: Calls, node: exp.Expr) -> "Grouped":
        """Return the aggregates of all sets, with what the keys, calls and GROUPING()s are above them."""
        if len(self.sets) == 1:
            return self._one(calls, node)
        if not all(term.ids for _, term in self.keys):
            hint = "Group by columns; write the constant in the SELECT list alone."
            raise GatewayError("unsupported_sql", "A constant is a key of several grouping sets.", hint, place(node))
        if self.twice:
            hint = "Write each key in one way: always its name, its alias or its position."
            raise GatewayError("unsupported_sql", "Grouping sets write one key in two ways.", hint, place(node))
        return self._many(calls, node)

    def _one(self, calls: Calls, node: exp.Expr) -> "Grouped":
        keys = tuple(Computed(Field(name, key_reference(term, self.ids)), term) for name, term in self.keys)
        plan = Aggregate(self.rows.plan, keys, tuple(calls.made), place(node))
        marks = {mark: _bits(asked, self.sets[0]) for mark, asked in self.marks.items()}
        return Grouped(
            plan, [key.field.term for key in keys], {call.field.id: call.field.term for call in calls.made}, marks
        )

    def _many(self, calls: Calls, node: exp.Expr) -> "Grouped":
        branches = [self._branch(chosen, calls, node) for chosen in self.sets]
        plan: Plan = branches[0]
        for branch in branches[1:]:
            plan = replace(combined(SetKind.UNION_ALL, plan, branch, self.ids, node), grouped=True)
        terms = [f.term for f in plan.fields]
        keys, rest = terms[: len(self.keys)], terms[len(self.keys) :]
        made = {call.field.id: term for call, term in zip(calls.made, rest, strict=False)}
        marks = dict(zip(self.marks, rest[len(calls.made) :], strict=True))
        return Grouped(plan, keys, made, marks)

    def _branch(self, chosen: tuple[int, ...], calls: Calls, node: exp.Expr) -> Project:
        """Return the aggregate of one set, its missing keys NULL."""
        keys = {
            index: Computed(
                Field(self.keys[index][0], key_reference(self.keys[index][1], self.ids)), self.keys[index][1]
            )
            for index in chosen
        }
        made = tuple(_again(call, self.ids) for call in calls.made)
        grouped = Aggregate(self.rows.plan, tuple(keys.values()), made, place(node))
        columns: list[Computed] = []
        for index, (name, term) in enumerate(self.keys):
            if index in keys:
                columns.append(Computed(keys[index].field, keys[index].field.term))
            else:
                missing = replace(
                    term, node=cast(exp.Null(), term.type), nullable=True, origin=None, per_unit_sum=None, pieces=1
                )
                columns.append(Computed(Field(name, missing.reference(self.ids.next())), missing))
        columns += [Computed(call.field, call.field.term) for call in made]
        for asked in self.marks.values():
            bits = _bits(asked, chosen)
            columns.append(Computed(Field("grouping", bits.reference(self.ids.next())), bits))
        return Project(grouped, tuple(columns), place(node))


@dataclass(frozen=True, slots=True)
class Grouped:
    """What stands above the rows: a plan, the terms of keys (in order), calls (by their first id) and GROUPING()s."""

    plan: Plan
    keys: list[Term]
    calls: dict[str, Term]
    marks: dict[exp.Expr, Term]


def _again(call: AggregateCall, ids: Ids) -> AggregateCall:
    return replace(call, field=Field(call.field.name, call.field.term.reference(ids.next())))


def _bits(asked: tuple[int, ...], chosen: tuple[int, ...]) -> Term:
    """Return GROUPING(a, b, ...) for one set: a bit for each key, the first the highest, 1 where it is left out."""
    value = 0
    for key in asked:
        value = value * 2 + (key not in chosen)
    node = number(Fraction(value), INTEGER)
    return Term(node, INTEGER, nullable=False, range=ranges.point(value), domain=(value,))


def _is_name(node: exp.Expr, key: exp.Column) -> bool:
    return isinstance(node, exp.Column) and node.name.casefold() == key.name.casefold() and not node.table


# -- sets -------------------------------------------------------------------------------------------------------------


def _sets_of(group: exp.Group, items: list[Item]) -> Sets:
    """Return the grouping sets of a clause, each a list of keys. Elements beside one another multiply."""
    refuse_other_parts(group, "expressions", "all", "rollup", "cube", "grouping_sets")
    if group.args.get("all") is False:
        raise GatewayError("unsupported_sql", "GROUP BY DISTINCT is not answered.", "Leave DISTINCT out.", place(group))
    if group.args.get("all"):
        keys = [node for node, _ in items if not has_aggregate(node) and next(windows_in(node), None) is None]
        return [keys]
    elements = list(group.expressions)
    for part, kind in (("rollup", exp.Rollup), ("cube", exp.Cube)):
        for written in group.args.get(part) or []:
            if written.expressions:
                elements.append(written)
            else:  # GROUP BY a, b WITH ROLLUP
                elements = [kind(expressions=elements)]
    spelled = group.args.get("grouping_sets") or []
    if spelled and elements:  # Spark: GROUP BY a, b GROUPING SETS (...) only lists the keys first
        elements = []
    result: Sets = [[]]
    for element in [*elements, *spelled]:
        options = _options(element)
        if len(result) * len(options) > MAX_SETS:
            raise _too_many(group)
        result = [[*before, *option] for before in result for option in options]
    return result


def _options(node: exp.Expr) -> Sets:
    """Return the sets that one element of GROUP BY stands for."""
    match node:
        case exp.Rollup():
            parts = [_members(part) for part in node.expressions]
            return [[key for part in parts[:length] for key in part] for length in range(len(parts), -1, -1)]
        case exp.Cube():
            parts = [_members(part) for part in node.expressions]
            if 2 ** min(len(parts), 10) > MAX_SETS:
                raise _too_many(node)
            return [
                [key for part in chosen for key in part]
                for length in range(len(parts), -1, -1)
                for chosen in combinations(parts, length)
            ]
        case exp.GroupingSets():
            options = [option for element in node.expressions for option in _set(element)]
            if len(options) > MAX_SETS:
                raise _too_many(node)
            return options
        case exp.Tuple() if not node.expressions:
            return [[]]
        case _:
            return [[node]]


def _set(node: exp.Expr) -> Sets:
    if isinstance(node, exp.Rollup | exp.Cube | exp.GroupingSets):
        return _options(node)
    return [_members(node)]


def _members(node: exp.Expr) -> list[exp.Expr]:
    """Return the keys of one member of ROLLUP, CUBE or GROUPING SETS: several in parentheses go together."""
    return list(node.expressions) if isinstance(node, exp.Tuple) else [node.unnest()]


def _too_many(node: exp.Expr) -> GatewayError:
    detail = f"GROUP BY stands for more than {MAX_SETS} grouping sets."
    return GatewayError("sql_too_complex", detail, "List the sets you need in GROUPING SETS.", place(node))
