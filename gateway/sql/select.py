"""One SELECT to a plan: FROM, WHERE, GROUP BY, HAVING, SELECT list, ORDER BY, LIMIT, in SQL's own order."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlglot import exp

from gateway.catalog.model import Dataset
from gateway.errors import GatewayError
from gateway.sql.aggregates import Grouping, has_aggregate
from gateway.sql.expressions import Resolver
from gateway.sql.narrowing import narrow
from gateway.sql.operators import flatten, truth
from gateway.sql.outputs import Outputs, star_of
from gateway.sql.parse import place, refuse_other_parts, whole_number
from gateway.sql.plan import Aggregate, Computed, Field, Filter, Limit, Plan, Project, Sort, SortKey
from gateway.sql.scope import Scope, Source
from gateway.sql.sources import Catalog, join, scan
from gateway.sql.terms import Term

Expressions = Callable[[exp.Expr], Term]
Views = dict[str, tuple[exp.CTE, "Views"]]
"""WITH queries in sight: each with those that it sees itself."""

MAX_LIMIT = 10**9


def resolve(tree: exp.Select, dataset: Dataset) -> Plan:
    """Return the plan of a whole query over one dataset.

    Raises GatewayError for each construct, function or name that is not understood, with its place.
    """
    catalog = Catalog(dataset)
    plan = _select(catalog, tree, {}, top=True)
    while catalog.views:  # a WITH query that nobody reads is read all the same: it may hold what is refused
        _, (cte, views) = catalog.views.popitem()
        _query(catalog, cte.this, views)
    return plan


def _query(catalog: Catalog, node: exp.Expr, views: Views) -> Plan:
    if isinstance(node, exp.Subquery) and not isinstance(node.this, exp.Table | exp.Join):
        refuse_other_parts(node, "this", "alias")
        return _query(catalog, node.this, views)
    if isinstance(node, exp.SetOperation):
        hint = "Ask each SELECT on its own."
        raise GatewayError("set_operation", f"{node.key.upper()} is not answered here.", hint, place(node))
    if not isinstance(node, exp.Select):
        detail = f"{node.key.upper()} is not a query over the dataset's tables."
        raise GatewayError("unsupported_sql", detail, "Write SELECT ... FROM a table.", place(node))
    return _select(catalog, node, views)


_PARTS = ("expressions", "from_", "joins", "where", "group", "having", "order", "limit", "offset", "with_")
_NAMED: dict[str, tuple[str, str, str]] = {
    "distinct": ("distinct", "SELECT DISTINCT is not answered here.", "Use GROUP BY with COUNT(*)."),
    "qualify": (
        "window_across_owners",
        "QUALIFY reads other people's rows.",
        "Filter aggregates with HAVING.",
    ),
    "windows": ("window_across_owners", "WINDOW reads other people's rows.", "Use GROUP BY and aggregates."),
    "into": ("sql_not_select", "SELECT ... INTO writes a table.", "Leave INTO out."),
    "sample": ("limit_below_measurement", "Sampling picks other people's rows.", "Ask for all rows."),
    "locks": ("sql_not_select", "FOR UPDATE locks rows.", "Leave it out."),
    "laterals": ("join_not_private", "LATERAL is not answered here.", "Join along equal keys."),
    "pivots": ("unsupported_sql", "PIVOT is not answered.", "Use CASE or FILTER in aggregates."),
}


def _select(catalog: Catalog, node: exp.Select, views: Views, *, top: bool = False) -> Plan:
    for part, (code, detail, hint) in _NAMED.items():
        if node.args.get(part):
            content = node.args[part]
            raise GatewayError(
                code, detail, hint, (place(content) if isinstance(content, exp.Expr) else None) or place(node)
            )
    refuse_other_parts(node, *_PARTS)
    views = _with(catalog, node, views)
    source = node.args.get("from_")
    if source is None:
        raise GatewayError("unsupported_sql", "There is no FROM.", "Read a table of the dataset.", place(node))
    refuse_other_parts(source, "this")
    where = node.args.get("where")
    where_terms = flatten(where.this, exp.And) if where is not None else []
    plan, sources = _from(catalog, node, views, where_terms)
    if top and any(star_of(item) is not None for item in node.expressions):
        hint = "Name columns inside aggregates, for example COUNT(*) or SUM(column)."
        raise GatewayError("raw_rows", "A star at the top would show whole rows.", hint, place(node))
    aliases = frozenset(e.alias.casefold() for e in node.expressions if isinstance(e, exp.Alias))
    if where_terms:
        inner = Resolver(Scope(sources, aliases))
        condition = tuple(truth(term, inner) for term in where_terms)
        fields = narrow(plan.fields, where_terms, inner)
        by_id = {f.id: f.term for f in fields}
        sources = tuple(replace(s, fields=tuple(Field(f.name, by_id[f.id]) for f in s.fields)) for s in sources)
        plan = Filter(plan, condition, fields, place(where))
    body = _Body(catalog, node, plan, Resolver(Scope(sources, aliases)))
    return body.plan()


def _with(catalog: Catalog, node: exp.Select, views: Views) -> Views:
    clause = node.args.get("with_")
    if clause is None:
        return views
    if clause.args.get("recursive"):
        raise GatewayError("unsupported_sql", "WITH RECURSIVE is not answered.", "Write plain WITH.", place(clause))
    refuse_other_parts(clause, "expressions")
    for cte in clause.expressions:
        refuse_other_parts(cte, "this", "alias")
        name = cte.alias.casefold()
        if any(other is not cte and other.alias.casefold() == name for other in clause.expressions):
            detail = f"Two WITH queries are called '{cte.alias}'."
            raise GatewayError("ambiguous_name", detail, "Give each its own name.", place(cte))
        before = {known: view for known, view in views.items() if known != name}
        views = {**views, name: (cte, before)}
        catalog.views[id(cte)] = (cte, before)
    return views


def _from(catalog: Catalog, node: exp.Select, views: Views, where: list[exp.Expr]) -> tuple[Plan, tuple[Source, ...]]:
    plan, first = _relation(catalog, node.args["from_"].this, views)
    sources: tuple[Source, ...] = (first,)
    joins = node.args.get("joins") or []
    for item in joins:
        if item.side in ("RIGHT", "FULL") and any(not (j.args.get("on") or j.args.get("using")) for j in joins):
            detail = f"A {item.side} JOIN beside a comma or CROSS JOIN is not answered."
            raise GatewayError("join_not_private", detail, "Write every relation with JOIN ... ON.", place(item))
        if item.args.get("method"):
            detail = f"{item.args['method']} JOIN is not answered here."
            raise GatewayError("join_not_private", detail, "Write JOIN ... ON with equal keys.", place(item))
        right, source = _relation(catalog, item.this, views)
        if any(s.alias.casefold() == source.alias.casefold() for s in sources):
            detail = f"Two relations are called '{source.alias}'."
            raise GatewayError("ambiguous_name", detail, "Give each its own alias.", place(item))
        plan, sources = join(catalog, plan, right, (*sources, source), item, where)
    return plan, sources


def _relation(catalog: Catalog, node: exp.Expr, views: Views) -> tuple[Plan, Source]:
    match node:
        case exp.Table():
            known = views.get(node.name.casefold())
            if known is not None and isinstance(node.this, exp.Identifier) and not node.args.get("db"):
                refuse_other_parts(node, "this", "alias")
                cte, inner = known
                catalog.views.pop(id(cte), None)
                catalog.count_relation(node)
                plan: Plan = _renamed(_query(catalog, cte.this, inner), cte.args.get("alias"))
            else:
                plan = scan(catalog, node)
            if node.args.get("joins"):
                raise GatewayError(
                    "unsupported_sql",
                    "Nested joins are not answered.",
                    "Write one chain of JOINs.",
                    place(node),
                )
            return _aliased(plan, node.args.get("alias"), node.alias or node.name)
        case exp.Subquery():
            catalog.count_relation(node)
            if isinstance(node.this, exp.Table):
                raise GatewayError(
                    "unsupported_sql",
                    "Nested joins are not answered.",
                    "Write one chain of JOINs.",
                    place(node),
                )
            return _aliased(_query(catalog, node, views), node.args.get("alias"), node.alias)
        case exp.Lateral():
            raise GatewayError(
                "join_not_private", "LATERAL is not answered here.", "Join along equal keys.", place(node)
            )
        case exp.Values():
            raise GatewayError("unsupported_sql", "VALUES is not answered here.", "Use IN or CASE.", place(node))
        case _:
            pass
    name = node.name or node.key
    detail = f"{name.upper()} is not a table of the dataset."
    raise GatewayError("table_function", detail, "Read the dataset's tables by their bare names.", place(node))


def _aliased(plan: Plan, alias: exp.Expr | None, name: str) -> tuple[Plan, Source]:
    plan = _renamed(plan, alias)
    return plan, Source(name, plan.fields)


def _renamed(plan: Plan, alias: exp.Expr | None) -> Plan:
    """Return the plan with its columns renamed by `AS t (a, b)`."""
    if alias is None:
        return plan
    refuse_other_parts(alias, "this", "columns")
    names = [column.name for column in alias.args.get("columns") or []]
    if not names:
        return plan
    if len(names) != len(plan.fields):
        detail = f"The alias names {len(names)} columns of {len(plan.fields)}."
        raise GatewayError("unknown_column", detail, "Name each column once.", place(alias))
    columns = tuple(Computed(Field(n, f.term), f.term) for n, f in zip(names, plan.fields, strict=True))
    return Project(plan, columns, place(alias))


@dataclass(slots=True)
class _Body:
    """The part of a SELECT above its WHERE."""

    catalog: Catalog
    node: exp.Select
    input: Plan
    inner: Resolver

    def plan(self) -> Plan:
        group, having, order = (self.node.args.get(part) for part in ("group", "having", "order"))
        items = [self._item(e, i) for i, e in enumerate(self._expanded(), 1)]
        clauses = [node for node, _ in items] + [c for c in (having, order) if c is not None]
        self._refuse_duplicates(items)
        if group is None and having is None and not any(has_aggregate(node) for node in clauses):
            return self._finish(self.input, self.inner, items, order)
        grouping = Grouping(self.inner, self.catalog.ids)
        if group is not None:
            self._keys(grouping, group, items)
        outputs = [(name, grouping(node)) for node, name in items]
        named = dict(zip((name.casefold() for _, name in items), (term for _, term in outputs), strict=True))
        above = Outputs(named, grouping)
        kept = truth(having.this, replace(above, named=self._unshadowed(named))) if having is not None else None
        sort = self._sort_keys(order, above, [term for _, term in outputs])
        plan: Plan = Aggregate(self.input, tuple(grouping.keys), tuple(grouping.calls), place(self.node))
        if kept is not None:
            plan = Filter(plan, (kept,), plan.fields, place(having))
        return self._shape(plan, outputs, sort)

    def _unshadowed(self, named: dict[str, Term]) -> dict[str, Term]:
        """Return the aliases that HAVING may use: a name that is also an input column means the column there."""
        inputs = {f.name.casefold() for source in self.inner.scope.sources for f in source.fields}
        return {name: term for name, term in named.items() if name not in inputs}

    def _expanded(self) -> list[exp.Expr]:
        """Return the SELECT list with each star written out as the columns that may be named."""
        items: list[exp.Expr] = []
        for item in self.node.expressions:
            table = star_of(item)
            if table is None:
                items.append(item)
                continue
            sources = [s for s in self.inner.scope.sources if not table or s.alias.casefold() == table.casefold()]
            if not sources:
                raise GatewayError(
                    "unknown_table", f"There is no relation '{table}' here.", "Use an alias.", place(item)
                )
            items += [
                exp.column(exp.to_identifier(f.name, quoted=True), exp.to_identifier(source.alias, quoted=True))
                for source in sources
                for f in source.fields
                if f.name.casefold() not in source.merged
            ]
        return items

    def _item(self, node: exp.Expr, index: int) -> tuple[exp.Expr, str]:
        if isinstance(node, exp.Alias):
            refuse_other_parts(node, "this", "alias")
            return node.this, node.alias
        if isinstance(node, exp.Aliases):
            raise GatewayError("unsupported_sql", "One alias for each column.", "Write AS name.", place(node))
        return node, node.name if isinstance(node, exp.Column) and node.name else f"column_{index}"

    def _refuse_duplicates(self, items: list[tuple[exp.Expr, str]]) -> None:
        seen: set[str] = set()
        for node, name in items:
            if name.casefold() in seen:
                detail = f"Two output columns are called '{name}'."
                raise GatewayError("ambiguous_name", detail, "Give each its own alias with AS.", place(node))
            seen.add(name.casefold())

    def _keys(self, grouping: Grouping, group: exp.Group, items: list[tuple[exp.Expr, str]]) -> None:
        refuse_other_parts(group, "expressions")
        for key in group.expressions:
            node, name = key, f"key_{len(grouping.keys) + 1}"
            if isinstance(key, exp.Literal):
                position = whole_number(key)
                if position is None or not 1 <= position <= len(items):
                    detail = "GROUP BY counts the SELECT list from 1."
                    raise GatewayError("unsupported_sql", detail, "Write a position of the SELECT list.", place(key))
                node, name = items[position - 1]
            elif isinstance(key, exp.Column) and not key.table:
                node, name = self._named_key(key, items)
            elif isinstance(key, exp.Tuple | exp.Paren) and not isinstance(key, exp.Paren):
                raise GatewayError("unsupported_sql", "A tuple is not a key.", "List the keys.", place(key))
            if has_aggregate(node):
                raise GatewayError("unsupported_sql", "An aggregate cannot be a key.", "Group by columns.", place(key))
            grouping.add_key(node, name)

    def _named_key(self, key: exp.Column, items: list[tuple[exp.Expr, str]]) -> tuple[exp.Expr, str]:
        """Return what a bare name in GROUP BY means: an input column, or the alias of a SELECT item."""
        aliased = [node for node, name in items if name.casefold() == key.name.casefold()]
        inputs = [f for s in self.inner.scope.sources for f in s.fields if f.name.casefold() == key.name.casefold()]
        if not aliased or (
            len(aliased) == 1
            and isinstance(aliased[0], exp.Column)
            and aliased[0].name.casefold() == key.name.casefold()
            and not aliased[0].table
        ):
            return key, key.name
        same = isinstance(aliased[0], exp.Column) and self.inner(aliased[0]).id in {f.id for f in inputs}
        if inputs and not same:
            detail = f"'{key.name}' names a column and an alias of the SELECT list."
            raise GatewayError("ambiguous_name", detail, "Group by position, or rename the alias.", place(key))
        return aliased[0], key.name

    def _finish(
        self,
        plan: Plan,
        resolver: Expressions,
        items: list[tuple[exp.Expr, str]],
        order: exp.Order | None,
    ) -> Plan:
        outputs = [(name, resolver(node)) for node, name in items]
        named = dict(zip((name.casefold() for _, name in items), (term for _, term in outputs), strict=True))
        sort = self._sort_keys(order, Outputs(named, resolver), [term for _, term in outputs])
        return self._shape(plan, outputs, sort)

    def _sort_keys(self, order: exp.Order | None, resolver: Expressions, outputs: list[Term]) -> list[SortKey]:
        if order is None:
            return []
        refuse_other_parts(order, "expressions")
        keys: list[SortKey] = []
        for item in order.expressions:
            node, descending, nulls_first = item, False, False
            if isinstance(item, exp.Ordered):
                refuse_other_parts(item, "this", "desc", "nulls_first")
                node, descending, nulls_first = (
                    item.this,
                    bool(item.args.get("desc")),
                    bool(item.args.get("nulls_first")),
                )
            if isinstance(node, exp.Literal) and not node.is_string:
                position = whole_number(node)
                if position is None or not 1 <= position <= len(outputs):
                    detail = "ORDER BY counts the SELECT list from 1."
                    raise GatewayError("unsupported_sql", detail, "Write a position of the SELECT list.", place(node))
                term = outputs[position - 1]
            else:
                term = resolver(node)
            keys.append(SortKey(term, descending, nulls_first))
        return keys

    def _shape(self, plan: Plan, outputs: list[tuple[str, Term]], sort: list[SortKey]) -> Plan:
        """Return the SELECT list over `plan`, sorted and limited."""
        columns = [self._computed(name, term) for name, term in outputs]
        visible = len(columns)
        keys: list[SortKey] = []
        for key in sort:
            known = next((c for c in columns if c.term.node == key.term.node), None)
            if known is None:
                known = self._computed(f"sort_{len(columns)}", key.term)
                columns.append(known)
            keys.append(replace(key, term=known.field.term))
        plan = Project(plan, tuple(columns), place(self.node))
        if keys:
            plan = Sort(plan, tuple(keys), plan.fields, place(self.node.args["order"]))
        limit, offset = self._count("limit"), self._count("offset")
        if limit is not None or offset:
            plan = Limit(plan, limit, offset or 0, plan.fields, place(self.node.args.get("limit")))
        if len(columns) > visible:
            kept = tuple(Computed(c.field, c.field.term) for c in columns[:visible])
            plan = Project(plan, kept, place(self.node))
        return plan

    def _computed(self, name: str, term: Term) -> Computed:
        if term.id is not None:
            return Computed(Field(name, term), term)
        return Computed(Field(name, term.reference(self.catalog.ids.next())), term)

    def _count(self, part: str) -> int | None:
        clause = self.node.args.get(part)
        if clause is None:
            return None
        if not isinstance(clause, exp.Limit | exp.Offset):
            raise GatewayError("unsupported_sql", "FETCH is not answered.", "Write LIMIT with a number.", place(clause))
        refuse_other_parts(clause, "expression")
        value = whole_number(clause.expression)
        if value is None or value > MAX_LIMIT:
            hint = f"Write LIMIT with a whole number up to {MAX_LIMIT:,}."
            raise GatewayError("unsupported_sql", "LIMIT and OFFSET take a literal number.", hint, place(clause))
        return value
