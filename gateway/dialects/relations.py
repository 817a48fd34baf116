"""A canonical statement to an engine's: relation by relation, each column with its type, each node by its own rule.

An engine's own writer says how it reads base columns and released rows, and how it takes the secret of the keyed hash.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlglot import exp

from gateway.dialects.aggregates import in_order
from gateway.dialects.model import Tables
from gateway.dialects.operators import Words, Write, joined
from gateway.dialects.typed import Kind, Typed, of, refused, typed

Shown = dict[str, Typed]
"""The columns of a relation by name, in order, each as a bare reference."""

_READ = {"with_", "expressions", "distinct", "from_", "joins", "where", "group", "order", "limit", "offset"}
"""The clauses of a SELECT that are read; any other is refused."""

MAX_NODES = 200_000
"""Nodes of a statement: what is guarded is written several times over."""


@dataclass(frozen=True, slots=True)
class _Source:
    shown: Mapping[str, Typed]
    base: bool = False


@dataclass(frozen=True, slots=True)
class _Scope:
    """The relations of a FROM clause by alias, and those of the query around it."""

    sources: Mapping[str, _Source]
    outer: "_Scope | None" = None

    def find(self, name: str, table: str) -> tuple[Typed, bool]:
        for alias, source in self.sources.items():
            if (not table or alias == table) and name in source.shown:
                return source.shown[name], source.base
        assert self.outer is not None, f"{table}.{name}"  # INVARIANT: the canonical text names what there is
        return self.outer.find(name, table)


@dataclass(frozen=True, slots=True)
class _Reading:
    """Writes the parts of an expression over a scope; `read`: base columns are in the list of a SELECT."""

    writer: "Writer"
    scope: _Scope
    read: bool

    @property
    def words(self) -> Words:
        return self.writer.words

    def __call__(self, node: exp.Expr) -> Typed:
        match node:
            case exp.Column():
                found, base = self.scope.find(node.name, node.table)
                named = replace(found, node=found.node.copy())
                if not base and not node.table:
                    named = replace(named, node=exp.column(node.name))
                return self.writer.as_planned(named) if base and self.read else named
            case exp.Placeholder():
                return self.writer.secret()
            case exp.Exists():
                made, _ = self.writer.query(node.this, self.scope)
                return typed(exp.Exists(this=made), Kind.BOOLEAN)
            case _:
                return self.writer.rule(node, self)


class Writer(ABC):
    """Writes one statement; each engine has a writer of its own."""

    words: Words
    most_nodes = MAX_NODES

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.steps: dict[str, Shown] = {}

    @abstractmethod
    def rule(self, node: exp.Expr, write: Write) -> Typed:
        """Return an expression by the engine's rule for it. Raises Unanswered by name where it has none."""

    @abstractmethod
    def as_planned(self, column: Typed) -> Typed:
        """Return a base column as the plan reads it."""

    @abstractmethod
    def secret(self) -> Typed:
        """Return the bound secret of the keyed hash."""

    @abstractmethod
    def stage(self, name: str) -> None:
        """Make released rows readable."""

    def short(self, written: exp.Query) -> exp.Query:
        """Return a statement that is not too long. Raises Unanswered."""
        if sum(1 for _ in written.walk()) > self.most_nodes:
            raise refused("So long a statement", "Ask for less in one query, or for bounded columns.")
        return written

    # -- relations --------------------------------------------------------------------------------------------------

    def query(self, query: exp.Expr, outer: _Scope | None) -> tuple[exp.Query, Shown]:
        match query:
            case exp.Select():
                return self.select(query, outer)
            case exp.SetOperation():
                return self.united(query, outer)
            case _:
                raise refused(f"{query.key.upper()} as a relation")

    def with_clause(self, query: exp.Query, outer: _Scope | None) -> exp.With | None:
        clause = query.args.get("with_")
        if clause is None:
            return None
        steps = []
        for step in clause.expressions:
            made, shown = self.query(step.this, outer)
            self.steps[step.alias] = shown
            alias = exp.TableAlias(this=exp.to_identifier(step.alias))
            steps.append(exp.CTE(this=made, alias=alias, materialized=step.args.get("materialized")))
        return exp.With(expressions=steps)

    def united(self, query: exp.SetOperation, outer: _Scope | None) -> tuple[exp.Query, Shown]:
        clause = self.with_clause(query, outer)
        (left, l_), (right, r_) = self.query(query.this, outer), self.query(query.expression, outer)
        built = type(query)(this=left, expression=right, distinct=query.args.get("distinct"))
        if clause is not None:
            built.set("with_", clause)
        pairs = list(zip(l_.items(), r_.values(), strict=True))
        for (_, one), other in pairs:
            if any(a.node is not b.node for a, b in zip(self.words.alike([one, other]), (one, other), strict=True)):
                raise refused("A UNION of numbers of several types", "CAST each column to one type.")
        return built, {name: replace(joined([one, other]), node=exp.column(name)) for (name, one), other in pairs}

    def select(self, query: exp.Select, outer: _Scope | None) -> tuple[exp.Query, Shown]:
        clauses = {name for name, value in query.args.items() if value}
        if not clauses <= _READ:
            raise refused(", ".join(sorted(clauses - _READ)).upper())
        clause = self.with_clause(query, outer)
        built, sources = exp.Select(), dict[str, _Source]()
        if clause is not None:
            built.set("with_", clause)
        from_ = query.args.get("from_")
        if from_ is not None:
            built.set("from_", exp.From(this=self.source(from_.this, sources, outer)))
        scope = _Scope(sources, outer)
        for join in query.args.get("joins") or []:
            made = exp.Join(this=self.source(join.this, sources, outer), **_words(join))
            if join.args.get("on") is not None:
                made.set("on", self.expression(join.args["on"], scope).node)
            built.append("joins", made)
        shown: Shown = {}
        for column in query.expressions:
            one = self.expression(column.unalias(), scope, read=True)
            name = column.alias_or_name
            aliased = isinstance(column, exp.Alias) or not isinstance(one.node, exp.Column)
            built.append("expressions", exp.alias_(one.node, name, copy=False) if aliased else one.node)
            shown[name] = replace(one, node=exp.column(name))
        self.clauses(query, built, scope)
        return built, shown

    def clauses(self, query: exp.Select, built: exp.Select, scope: _Scope) -> None:
        """Write what stands behind FROM."""
        if query.args.get("distinct") is not None:
            built.set("distinct", exp.Distinct())
        if (where := query.args.get("where")) is not None:
            built.set("where", exp.Where(this=self.expression(where.this, scope).node))
        if (group := query.args.get("group")) is not None:
            # a bare number is the place of a column
            by = [one.copy() if isinstance(one, exp.Literal) else self.expression(one, scope).node for one in group]
            built.set("group", exp.Group(expressions=by))
        if (order := query.args.get("order")) is not None:
            keys = in_order(order, _Reading(self, scope, read=False))
            built.set("order", exp.Order(expressions=keys))
        for name in ("limit", "offset"):
            if (count := query.args.get(name)) is not None:
                built.set(name, count.copy())

    def source(self, node: exp.Expr, sources: dict[str, _Source], outer: _Scope | None) -> exp.Expr:
        """Write one relation of a FROM clause, and put it into the scope."""
        alias = node.alias_or_name
        match node:
            case exp.Table():
                sources[alias] = self.table(node)
                built = node.copy()
                if sources[alias].base and self.tables.schema is not None:
                    built.set("db", exp.to_identifier(self.tables.schema, quoted=True))
                return built
            case exp.Subquery():
                made, shown = self.query(node.this, outer)
                sources[alias] = _Source(_under(alias, shown))
                return exp.Subquery(this=made, alias=exp.TableAlias(this=exp.to_identifier(alias)))
            case exp.Values():
                return self.values(node, sources, outer)
            case _:
                raise refused(f"{node.key.upper()} as a relation")

    def table(self, node: exp.Table) -> _Source:
        name, alias = node.name, node.alias_or_name
        if name in self.steps:
            return _Source(_under(alias, self.steps[name]))
        if name in self.tables.staged:
            self.stage(name)
            found = self.tables.staged[name].items()
            return _Source({c: of(exp.column(c, alias), type_) for c, type_ in found})
        assert name in self.tables.base, name  # INVARIANT: a statement reads what it was planned over
        # columns of a type that nothing computes with are never asked for
        shown = {
            c: of(exp.column(exp.to_identifier(c, quoted=True), alias), t) for c, t in self.tables.base[name].items()
        }
        return _Source(shown, base=True)

    def values(self, node: exp.Values, sources: dict[str, _Source], outer: _Scope | None) -> exp.Expr:
        scope = _Scope({}, outer)
        rows = [[self.expression(cell, scope) for cell in row.expressions] for row in node.expressions]
        alias = node.args["alias"]
        names = [column.name for column in alias.args["columns"]]
        columns = [self.words.alike(list(column)) for column in zip(*rows, strict=True)]
        rows = [list(row) for row in zip(*columns, strict=True)]
        known = {name: joined(column) for name, column in zip(names, columns, strict=True)}
        sources[alias.name] = _Source(_under(alias.name, known))
        tuples = [exp.Tuple(expressions=[cell.node for cell in row]) for row in rows]
        return exp.Values(expressions=tuples, alias=alias.copy())

    # -- expressions ------------------------------------------------------------------------------------------------

    def expression(self, node: exp.Expr, scope: _Scope, *, read: bool = False) -> Typed:
        """Return an expression over a scope; `read`: base columns are in the list of a SELECT, not in a join."""
        return _Reading(self, scope, read)(node)


def _under(alias: str, shown: Mapping[str, Typed]) -> Shown:
    return {name: replace(one, node=exp.column(name, alias)) for name, one in shown.items()}


def _words(join: exp.Join) -> dict[str, str]:
    known = {"this", "on", "side", "kind"}
    given = {name for name, value in join.args.items() if value}
    assert given <= known, given  # INVARIANT: the canonical text joins by ON
    return {name: join.args[name] for name in ("side", "kind") if join.args.get(name)}
