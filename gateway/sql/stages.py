"""One height of a SELECT (rows, groups, windows): the plan so far, and what names and nodes mean over it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from sqlglot import exp

from gateway.catalog.model import Dataset
from gateway.errors import GatewayError
from gateway.sql.constructs import GROUPING_FUNCTIONS, is_aggregate, is_plain, is_query
from gateway.sql.expressions import scalar
from gateway.sql.limits import ASKED, Limits
from gateway.sql.narrowing import Facts, narrowed
from gateway.sql.parse import place, refuse_other_parts
from gateway.sql.plan import AggregateKind, Field, Plan
from gateway.sql.scope import Ids, Scope
from gateway.sql.terms import Term
from gateway.sql.ties import Tied
from gateway.sql.writing import named_in

if TYPE_CHECKING:
    from gateway.sql.views import View

Views = dict[str, "View"]
"""WITH queries in sight, by folded name."""


class Tie(Protocol):
    def __call__(
        self, catalog: "Catalog", node: exp.Expr, views: Views, around: "Names", *, membership: bool = False
    ) -> Tied: ...


@dataclass(slots=True)
class Catalog:
    """What one query reads and has used so far: the dataset's tables, column ids, relations, WITH queries.

    `subplan` resolves a query that stands inside another, `tie` one that may be tied to the query around it, `attach`
    joins a subquery of an expression to a stage: here, so that the files of one recursion need not import each other.
    """

    dataset: Dataset
    dialect: str
    subplan: Callable[["Catalog", exp.Expr, Views, "Names | None"], Plan]
    tie: "Tie"
    attach: Callable[["Stage", exp.Expr], Term]
    ids: Ids = field(default_factory=Ids)
    relations: int = 0
    most: Limits = ASKED
    views: "list[View]" = field(default_factory=list)

    def count_relation(self, node: exp.Expr, number: int = 1) -> None:
        """Refuse a query that (through CTEs used again and again) grows beyond bounds."""
        self.relations += number
        if self.relations > self.most.relations:
            hint = "Use each WITH query once, or split the question."
            raise GatewayError("sql_too_complex", f"More than {self.most.relations} relations.", hint, place(node))


@dataclass(slots=True, kw_only=True)
class Names:
    """Resolves scalar expressions over the relations in sight.

    `outer` is the query around a subquery; `known` what conditions let be known; `found` what aggregates, windows and
    subqueries (by their syntax) were resolved to before the expression that holds them.
    """

    catalog: Catalog
    scope: Scope
    outer: "Names | None" = None
    known: Facts = field(default_factory=dict)
    found: dict[exp.Expr, Term] = field(default_factory=dict)
    named: dict[str, exp.Expr] = field(default_factory=dict)
    """Aliases of the SELECT list that HAVING and QUALIFY may use, by folded name."""
    memo: dict[int, tuple[exp.Expr, Term]] = field(default_factory=dict)
    """By identity; the node is kept beside its term so that no other takes its place in memory."""

    def __call__(self, node: exp.Expr) -> Term:
        """Return the term of an expression. Raises GatewayError by name and place for what is not understood."""
        seen = self.memo.get(id(node))
        if seen is None:
            seen = self.memo[id(node)] = (node, self.read(node))
        return seen[1]

    def read(self, node: exp.Expr) -> Term:
        if type(node) is exp.Column:
            alias = self.named.get(node.name.casefold()) if not node.table else None
            if alias is not None:
                return replace(self._aliased(alias), place=place(node))
            refuse_other_parts(node, "this", "table", "db", "catalog")
            return replace(self.column(node), place=place(node))
        if is_query(node):
            return self.subquery(node)
        if isinstance(node, (exp.Window, *GROUPING_FUNCTIONS)) or is_aggregate(node) or _windowless(node):
            term = self.found.get(node)
            if term is None:
                raise misplaced(node)
            return replace(term, place=place(node))
        term = scalar(node, self)
        return narrowed(term, node, self.known) if self.known else term

    def _aliased(self, node: exp.Expr) -> Term:
        """Return what an alias stands for; its own names are no aliases."""
        named, self.named = self.named, {}
        try:
            return self(node)
        finally:
            self.named = named

    def column(self, node: exp.Column) -> Term:
        """Return what a name means. Raises `subquery` for a name of the query around, which only WHERE may use."""
        term = self.scope.find(node)
        if term is not None:
            return narrowed(term, None, self.known) if self.known else term
        if self.outer is not None and self.outer.sees(node):
            detail = f"'{node.sql()}' belongs to the query around this one."
            hint = "Use it in the AND terms of the WHERE of the subquery directly inside that query, and nowhere else."
            raise GatewayError("subquery", detail, hint, place(node))
        raise self.scope.absent(node)

    def sees(self, node: exp.Column) -> bool:
        """Tell whether a name means something here or in a query around."""
        return self.scope.find(node) is not None or (self.outer is not None and self.outer.sees(node))

    def subquery(self, node: exp.Expr) -> Term:
        """Return the value of a subquery: here there is no plan yet that it could be joined to."""
        hint = "Write it in WHERE."
        raise GatewayError("subquery", "A subquery is not answered in this place.", hint, place(node))

    def learn(self, facts: Facts) -> None:
        """Take on what a condition lets be known."""
        self.known = facts
        self.memo.clear()


@dataclass(slots=True, kw_only=True)
class Stage(Names):
    """Names over a plan that subqueries are joined to.

    `settled` is the plan before those joins that change no rows: what the keys of a correlated subquery are asked for.
    """

    plan: Plan
    views: Views
    settled: Plan | None = None
    closed: bool = False
    """The plan has been built upon: nothing may be joined below any more."""

    def subquery(self, node: exp.Expr) -> Term:
        term = self.found.get(node)
        if term is None:
            if self.closed:
                return Names.subquery(self, node)
            term = self.found[node] = self.catalog.attach(self, node)
        return replace(term, place=place(node))

    def fields(self) -> tuple[Field, ...]:
        """Return the plan's fields with all that is known of them."""
        known = named_in(*self.known)
        return tuple(
            Field(f.name, narrowed(f.term, None, self.known)) if f.id in known else f for f in self.plan.fields
        )

    def settle(self, plan: Plan) -> None:
        """Go on with a plan whose rows are other ones than before."""
        self.plan = self.settled = plan


@dataclass(slots=True, kw_only=True)
class Groups(Stage):
    """Names over an Aggregate: its keys by the expressions that they are, its calls among `found`."""

    rows: Stage
    keys: dict[exp.Expr, Term]
    computed: bool
    """Some key is written as more than a column."""
    calls: dict[exp.Expr, tuple[AggregateKind, Term]]

    def read(self, node: exp.Expr) -> Term:
        if self.computed and not isinstance(node, exp.Column | exp.Literal | exp.Null | exp.Boolean) and is_plain(node):
            try:
                key = self.keys.get(self.rows(node).node)
            except GatewayError:
                key = None  # whatever is wrong with it is said below, where it is read as an expression over the keys
            if key is not None:
                return replace(key, place=place(node))
        return Names.read(self, node)

    def column(self, node: exp.Column) -> Term:
        term = self.keys.get(self.rows.column(node).node)
        if term is None:
            detail = f"'{node.sql()}' is neither grouped nor aggregated."
            raise GatewayError("not_grouped", detail, "Put it into GROUP BY, or inside an aggregate.", place(node))
        return narrowed(term, None, self.known) if self.known else term


def misplaced(node: exp.Expr) -> GatewayError:
    """Return the refusal of an aggregate or window function where a value of one row is expected."""
    if isinstance(node, exp.Window):
        detail = "A window function stands where none can."
        hint = "Window functions stand in the SELECT list, QUALIFY or ORDER BY, and not inside one another."
        return GatewayError("unsupported_sql", detail, hint, place(node))
    if isinstance(node, GROUPING_FUNCTIONS):
        hint = "GROUPING(key) stands in the SELECT list, HAVING or ORDER BY of a query with GROUPING SETS."
        return GatewayError("unsupported_sql", "GROUPING() stands where it has no meaning.", hint, place(node))
    if _windowless(node):
        detail = f"{node.key.upper()} lacks its OVER."
        return GatewayError("unsupported_sql", detail, "Write OVER (PARTITION BY ... ORDER BY ...).", place(node))
    detail = "An aggregate stands where a value of one row is expected."
    hint = "Aggregates stand in the SELECT list, HAVING, QUALIFY or ORDER BY, and not inside one another."
    return GatewayError("unsupported_sql", detail, hint, place(node))


def _windowless(node: exp.Expr) -> bool:
    if isinstance(node, exp.IgnoreNulls | exp.RespectNulls):
        return True
    return isinstance(node, exp.RowNumber) or (isinstance(node, exp.AggFunc) and not is_aggregate(node))
