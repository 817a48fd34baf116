"""A canonical statement to PostgreSQL's: relation by relation, each column with its type, each node by its own rule.

Base columns are read in the types that the plan gives them: numeric's NaN is NULL, texts are compared by code point.
Released rows come as arrays, one parameter for each column, and are a step of the WITH clause.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlglot import exp

from gateway.dialects.model import Tables, Written
from gateway.dialects.postgres.aggregates import in_order
from gateway.dialects.postgres.expressions import expression
from gateway.dialects.postgres.operators import collated, joined
from gateway.dialects.postgres.typed import Kind, Typed, cast, data_type, of, refused, typed

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


def write(query: exp.Query, tables: Tables) -> Written:
    """Return PostgreSQL's text of a canonical statement.

    Raises GatewayError `unsupported_on_engine` for what has no rule, by name.
    """
    writer = _Writer(query, tables)
    written, _ = writer.query(query, None)
    if writer.staged:
        clause = written.args.get("with_")
        steps = [*writer.staged.values(), *(clause.expressions if clause is not None else [])]
        written.set("with_", exp.With(expressions=steps))
    if sum(1 for _ in written.walk()) > MAX_NODES:
        raise refused("So long a statement", "Ask for less in one query, or for bounded columns.")
    return Written(written.sql("postgres", copy=False), int(writer.secret))


class _Writer:
    def __init__(self, query: exp.Query, tables: Tables) -> None:
        self.tables = tables
        self.secret = query.find(exp.Placeholder) is not None
        self.steps: dict[str, Shown] = {}
        self.staged: dict[str, exp.CTE] = {}
        self.columns = 0

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
        pairs = zip(l_.items(), r_.values(), strict=True)
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
            keys = in_order(order, lambda node: self.expression(node, scope))
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
                return node.copy()
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

    def stage(self, name: str) -> None:
        """Make released rows a step: one array for each column, in the order that they arrive in."""
        if name in self.staged:
            return
        columns = self.tables.staged[name]
        arrays = []
        for type_ in columns.values():
            self.columns += 1
            one = of(exp.Null(), type_)
            array = exp.DataType(
                this=exp.DType.ARRAY, expressions=[data_type(one.kind, one.digits, one.scale)], nested=True
            )
            parameter = exp.Parameter(this=exp.Literal.number(self.columns + self.secret))
            arrays.append(exp.Cast(this=parameter, to=array))
        alias = exp.TableAlias(this=exp.to_identifier("t"), columns=[exp.to_identifier(column) for column in columns])
        query = exp.select(*columns).from_(exp.Unnest(expressions=arrays, alias=alias))
        self.staged[name] = exp.CTE(this=query, alias=exp.TableAlias(this=exp.to_identifier(name, quoted=True)))

    def values(self, node: exp.Values, sources: dict[str, _Source], outer: _Scope | None) -> exp.Expr:
        scope = _Scope({}, outer)
        rows = [[self.expression(cell, scope) for cell in row.expressions] for row in node.expressions]
        alias = node.args["alias"]
        names = [column.name for column in alias.args["columns"]]
        known = {name: joined([row[i] for row in rows]) for i, name in enumerate(names)}
        sources[alias.name] = _Source(_under(alias.name, known))
        tuples = [exp.Tuple(expressions=[cell.node for cell in row]) for row in rows]
        return exp.Values(expressions=tuples, alias=alias.copy())

    # -- expressions ------------------------------------------------------------------------------------------------

    def expression(self, node: exp.Expr, scope: _Scope, *, read: bool = False) -> Typed:
        """Return an expression over a scope; `read`: base columns are in the list of a SELECT, not in a join."""

        def write_(part: exp.Expr) -> Typed:
            match part:
                case exp.Column():
                    found, base = scope.find(part.name, part.table)
                    named = replace(found, node=found.node.copy())
                    if not base and not part.table:
                        named = replace(named, node=exp.column(part.name))
                    return _as_planned(named) if base and read else named
                case exp.Placeholder():
                    parameter = exp.Parameter(this=exp.Literal.number(1))
                    return typed(cast(parameter, Kind.TEXT), Kind.TEXT)
                case exp.Exists():
                    made, _ = self.query(part.this, scope)
                    return typed(exp.Exists(this=made), Kind.BOOLEAN)
                case _:
                    return expression(part, write_)

        return write_(node)


def _as_planned(column: Typed) -> Typed:
    """Return a base column as the plan reads it."""
    match column.kind:
        case Kind.TEXT:
            return replace(column, node=collated(cast(column.node, Kind.TEXT)))
        case Kind.DECIMAL:
            return replace(column, node=exp.Nullif(this=column.node, expression=_nan()))
        case Kind.DOUBLE:  # a REAL among them
            return replace(column, node=cast(column.node, Kind.DOUBLE))
        case _:
            return column


def _nan() -> exp.Expr:
    return cast(exp.Literal.string("NaN"), Kind.HUGE)


def _under(alias: str, shown: Mapping[str, Typed]) -> Shown:
    return {name: replace(one, node=exp.column(name, alias)) for name, one in shown.items()}


def _words(join: exp.Join) -> dict[str, str]:
    known = {"this", "on", "side", "kind"}
    given = {name for name, value in join.args.items() if value}
    assert given <= known, given  # INVARIANT: the canonical text joins by ON
    return {name: join.args[name] for name in ("side", "kind") if join.args.get(name)}
