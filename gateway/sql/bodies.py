"""One SELECT to a plan, clause by clause in SQL's own order, from FROM and WHERE to ORDER BY and LIMIT."""

from dataclasses import dataclass, field, replace

from sqlglot import exp

from gateway.errors import GatewayError
from gateway.sql.aggregates import Calls
from gateway.sql.conditions import factored
from gateway.sql.constructs import aggregates_in, columns_in, groupings_in, has_aggregate, has_query, windows_in
from gateway.sql.grouping import Grouping
from gateway.sql.joins import From
from gateway.sql.narrowing import learned
from gateway.sql.outputs import Item, Outputs, items_of, projected, shaped, sort_keys
from gateway.sql.parse import place, refuse_other_parts
from gateway.sql.plan import Filter, Plan
from gateway.sql.scope import Scope
from gateway.sql.stages import Catalog, Groups, Names, Stage, Views
from gateway.sql.subqueries import restrict
from gateway.sql.terms import Term
from gateway.sql.trees import assembled
from gateway.sql.values import one_row
from gateway.sql.views import views_of
from gateway.sql.windows import add_windows, named_windows

_PARTS = (
    "expressions",
    "from_",
    "joins",
    "where",
    "group",
    "having",
    "windows",
    "qualify",
    "distinct",
    "order",
    "limit",
    "offset",
    "with_",
)
_NAMED: dict[str, tuple[str, str, str]] = {
    "into": ("sql_not_select", "SELECT ... INTO writes a table.", "Leave INTO out."),
    "sample": ("limit_below_measurement", "Sampling picks other people's rows.", "Ask for all rows."),
    "locks": ("sql_not_select", "FOR UPDATE locks rows.", "Leave it out."),
    "laterals": ("unsupported_sql", "LATERAL VIEW is not answered.", "Join along equal keys."),
    "pivots": ("unsupported_sql", "PIVOT is not answered.", "Use CASE or FILTER in aggregates."),
}


@dataclass(slots=True)
class Body:
    """A SELECT whose FROM and WHERE are read: its rows, and what else it says.

    `ties` are the AND terms of WHERE that name columns of the query around it: they are no part of the rows.
    """

    catalog: Catalog
    node: exp.Select
    rows: Stage
    ties: list[exp.Expr]
    items: list[Item] = field(default_factory=list)
    totals: bool = False
    """Some grouping set is empty: it has a row also of no rows."""

    @staticmethod
    def read(catalog: Catalog, node: exp.Select, views: Views, outer: Names | None, *, tied: bool = False) -> "Body":
        """Read FROM and WHERE. Without `tied` no term may name columns of the query around."""
        _refuse_parts(node)
        views = views_of(catalog, node.args.get("with_"), views)
        where = node.args.get("where")
        terms = factored(where.this) if where is not None else []
        source = node.args.get("from_")
        if source is None:
            scope, tree, later, known = Scope(()), None, [], {}
        else:
            refuse_other_parts(source, "this")
            read = From(catalog, views, outer).read(source.this, node.args.get("joins") or [])
            scope, tree, later, known = read.scope, read.tree, read.later, read.known
        aliases = frozenset(e.alias.casefold() for e in node.expressions if isinstance(e, exp.Alias))
        scope = replace(scope, aliases=aliases)
        names = Names(catalog=catalog, scope=scope, outer=outer, known=known)
        ties = [term for term in terms if tied and outer is not None and _ties(term, names, outer)]
        own = [term for term in terms if not any(term is tie for tie in ties)]
        equal = [(term, names(term)) for term in own if _may_join(term)] if tree is not None else []
        left = [resolved for _, resolved in equal]
        plan: Plan = assembled(tree, left) if tree is not None else one_row()
        kept = [term for term in own if not any(term is t and all(r is not x for x in left) for t, r in equal)]
        rows = Stage(catalog=catalog, scope=scope, outer=outer, known=known, plan=plan, views=views, settled=plan)
        for term, seen in later:
            _restrict_on(rows, term, seen)
        restrict(rows, kept, where)
        facts = rows.known
        for term in own:
            if not has_query(term):
                facts = learned(facts, term, rows)
        rows.learn(facts)
        if rows.plan is not plan:
            rows.settle(_known(rows))
        return Body(catalog, node, rows, ties, items_of(node.expressions, scope))

    @property
    def aggregated(self) -> bool:
        """Whether rows are put into groups."""
        if self.node.args.get("group") is not None or self.node.args.get("having") is not None:
            return True
        return any(has_aggregate(node) for node in self._clauses())

    def _clauses(self) -> list[exp.Expr]:
        parts = [self.node.args.get(part) for part in ("having", "qualify", "order")]
        return [node for node, _ in self.items] + [part for part in parts if part is not None]

    def plan(self) -> Plan:
        """Return the plan of the whole SELECT."""
        stage = self.stage()
        outputs = self.outputs(stage)
        self._refuse_distinct_on()
        qualify, order = self.node.args.get("qualify"), self.node.args.get("order")
        if qualify is not None:
            self._name_aliases(stage)
            restrict(stage, factored(qualify.this), qualify)
            self._forget_aliases(stage)
        named: dict[str, Term] = {}
        for name, term in outputs:
            named.setdefault(name.casefold(), term)
        keys = sort_keys(order, Outputs(named, stage), [term for _, term in outputs])
        columns = projected(stage.plan, list(outputs), self.catalog.ids, self.node)
        distinct = bool(self.node.args.get("distinct"))
        return shaped(columns, keys, self.node, self.catalog.ids, made_distinct=distinct)

    def outputs(self, stage: Stage) -> tuple[tuple[str, Term], ...]:
        """Return the SELECT list over a stage."""
        return tuple((name, stage(node)) for node, name in self.items)

    def stage(self) -> Stage:
        """Return what the SELECT list is computed over: the rows, or the groups after HAVING, and their windows."""
        stage: Stage = self.rows
        if self.aggregated:
            stage, _ = self.grouped(())
        named = named_windows(self.node)
        qualify = self.node.args.get("qualify")
        add_windows(stage, [w for c in self._clauses() if c is not qualify for w in windows_in(c)], named)
        if qualify is not None:
            self._name_aliases(stage)
            add_windows(stage, list(windows_in(qualify)), named)
            self._forget_aliases(stage)
        return stage

    def grouped(self, ties: tuple[Term, ...]) -> tuple[Groups, list[Term]]:
        """Return the groups after HAVING, and the columns of the keys that are added for `ties`."""
        grouping = Grouping(self.rows, self.items)
        grouping.read(self.node.args.get("group"))
        self.totals = not all(grouping.sets)
        own = len(grouping.keys)
        tied = grouping.add_to_all(ties)
        calls = Calls(self.rows, self.catalog.ids)
        written = {node: calls.add(node) for clause in self._clauses() for node in aggregates_in(clause)}
        for clause in self._clauses():
            for node in groupings_in(clause):
                grouping.mark(node)
        above = grouping.plan(calls, self.node)
        self.rows.closed = True
        made = {node: (call.kind, above.calls[call.field.id]) for node, call in written.items()}
        stage = Groups(
            catalog=self.catalog,
            scope=self.rows.scope,
            outer=self.rows.outer,
            plan=above.plan,
            views=self.rows.views,
            settled=above.plan,
            rows=self.rows,
            keys={term.node: above.keys[index] for index, (_, term) in enumerate(grouping.keys[:own])},
            computed=grouping.computed,
            calls=made,
            found={**above.marks, **{node: term for node, (_, term) in made.items()}},
        )
        having = self.node.args.get("having")
        if having is not None:
            self._name_aliases(stage)
            restrict(stage, factored(having.this), having)
            self._forget_aliases(stage)
        return stage, [above.keys[index] for index in tied]

    def _name_aliases(self, stage: Stage) -> None:
        """Let HAVING and QUALIFY use aliases: a name that is also an input column means the column there."""
        inputs = {f.name.casefold() for source in self.rows.scope.sources for f in source.fields}
        stage.named = {
            name.casefold(): node
            for node, name in self.items
            if name.casefold() not in inputs and not isinstance(node, exp.Column)
        }

    def _forget_aliases(self, stage: Stage) -> None:
        stage.named = {}
        stage.memo.clear()

    def _refuse_distinct_on(self) -> None:
        distinct = self.node.args.get("distinct")
        if distinct is not None and distinct.args.get("on") is not None:
            hint = "Group by these columns and use MIN, MAX or another aggregate."
            raise GatewayError("distinct", "DISTINCT ON is not answered.", hint, place(self.node))
        if distinct is not None:
            refuse_other_parts(distinct)


def _refuse_parts(node: exp.Select) -> None:
    for part, (code, detail, hint) in _NAMED.items():
        content = node.args.get(part)
        if content:
            at = place(content) if isinstance(content, exp.Expr) else None
            raise GatewayError(code, detail, hint, at or place(node))
    refuse_other_parts(node, *_PARTS)


def _ties(term: exp.Expr, names: Names, outer: Names) -> bool:
    """Tell whether a term names a column of the query around (a name of the own relations comes first)."""
    return any(names.scope.find(column) is None and outer.sees(column) for column in columns_in(term))


def _may_join(term: exp.Expr) -> bool:
    """Tell whether a WHERE term sets two columns equal: the condition of a comma or CROSS join, it may be."""
    node = term.unnest()
    return isinstance(node, exp.EQ) and isinstance(node.this, exp.Column) and isinstance(node.expression, exp.Column)


def _restrict_on(rows: Stage, term: exp.Expr, seen: Scope) -> None:
    """Apply an ON term with a subquery over the relations that it saw."""
    within = Stage(
        catalog=rows.catalog,
        scope=seen,
        outer=rows.outer,
        known=rows.known,
        plan=rows.plan,
        views=rows.views,
        settled=rows.settled,
    )
    restrict(within, [term], term)
    rows.plan, rows.settled = within.plan, within.settled


def _known(rows: Stage) -> Plan:
    """Return the rows' plan with what WHERE lets be known of its columns, where a Filter stands on top."""
    plan = rows.plan
    return replace(plan, fields=rows.fields()) if isinstance(plan, Filter) else plan
