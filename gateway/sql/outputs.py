"""The SELECT list and what follows it: stars, names, ORDER BY, LIMIT."""

from dataclasses import dataclass, replace

from sqlglot import exp

from gateway.errors import GatewayError
from gateway.sql.constructs import GROUPING_FUNCTIONS, is_aggregate, is_query
from gateway.sql.expressions import scalar
from gateway.sql.parse import place, refuse_other_parts, whole_number
from gateway.sql.plan import Computed, Field, Limit, Plan, Project, Sort, SortKey
from gateway.sql.rows import Resolve
from gateway.sql.scope import Ids, Scope, Source
from gateway.sql.stages import Catalog, Names
from gateway.sql.terms import Term
from gateway.sql.unions import distinct

MAX_LIMIT = 10**9

Item = tuple[exp.Expr, str]
"""One expression of the SELECT list and its output name."""


def items_of(expressions: list[exp.Expr], scope: Scope) -> list[Item]:
    """Return the SELECT list with each star written out as the columns that may be named."""
    items: list[Item] = []
    for number, item in enumerate(expressions, 1):
        table = star_of(item)
        if table is not None:
            items += [(column, column.name) for column in _columns(table, scope, item)]
        elif isinstance(item, exp.Alias):
            refuse_other_parts(item, "this", "alias")
            items.append((item.this, item.alias))
        elif isinstance(item, exp.Aliases):
            raise GatewayError("unsupported_sql", "One alias for each column.", "Write AS name.", place(item))
        else:
            items.append((item, item.name if isinstance(item, exp.Column) and item.name else f"column_{number}"))
    return items


def star_of(item: exp.Expr) -> str | None:
    """Return the table of `t.*`, an empty text for a bare `*`, and None for anything else."""
    if isinstance(item, exp.Star):
        refuse_other_parts(item)
        return ""
    if isinstance(item, exp.Column) and isinstance(item.this, exp.Star):
        refuse_other_parts(item.this)
        refuse_other_parts(item, "this", "table")
        return item.table
    return None


def _columns(table: str, scope: Scope, item: exp.Expr) -> list[exp.Column]:
    shown = list(scope.star)
    if table:
        sources = [s for s in scope.sources if s.alias.casefold() == table.casefold()]
        if not sources:
            detail = f"There is no relation '{table}' here."
            raise GatewayError("unknown_table", detail, "Use an alias.", place(item))
        shown = [(source.alias, f.name) for source in sources for f in source.fields]
    if not scope.sources:
        raise GatewayError("unsupported_sql", "A star stands where nothing is read.", "Write FROM.", place(item))
    columns = []
    for alias, name in shown:
        qualifier = exp.to_identifier(alias, quoted=True) if alias else None
        columns.append(exp.Column(this=exp.to_identifier(name, quoted=True), table=qualifier))
    return columns


@dataclass(frozen=True, slots=True)
class Outputs:
    """Names of ORDER BY: an output column first, else what stands below."""

    named: dict[str, Term]
    below: Resolve

    def __call__(self, node: exp.Expr) -> Term:
        if isinstance(node, exp.Column):
            known = self.named.get(node.name.casefold()) if not node.table else None
            return known if known is not None else self.below(node)
        if isinstance(node, (exp.Window, *GROUPING_FUNCTIONS)) or is_aggregate(node) or is_query(node):
            return self.below(node)
        try:
            return self.below(node)
        except GatewayError:
            return scalar(node, self)


def sort_keys(order: exp.Expr | None, resolve: Resolve, outputs: list[Term]) -> list[SortKey]:
    """Return the keys of ORDER BY: positions, ALL, names and expressions."""
    if order is None:
        return []
    refuse_other_parts(order, "expressions")
    keys: list[SortKey] = []
    for item in order.expressions:
        node, descending, nulls_first = item, False, False
        if isinstance(item, exp.Ordered):
            refuse_other_parts(item, "this", "desc", "nulls_first")
            node, descending = item.this, bool(item.args.get("desc"))
            nulls_first = bool(item.args.get("nulls_first"))
        if isinstance(node, exp.Var) and node.name.upper() == "ALL":
            terms = list(outputs)
        elif isinstance(node, exp.Literal) and not node.is_string:
            position = whole_number(node)
            if position is None or not 1 <= position <= len(outputs):
                detail = "ORDER BY counts the SELECT list from 1."
                raise GatewayError("unsupported_sql", detail, "Write a position of the SELECT list.", place(node))
            terms = [outputs[position - 1]]
        else:
            terms = [resolve(node)]
        keys += [SortKey(term, descending, nulls_first) for term in terms]
    return keys


def projected(plan: Plan, outputs: list[tuple[str, Term]], ids: Ids, node: exp.Expr) -> Project:
    """Return the SELECT list over a plan."""
    columns: list[Computed] = []
    for name, term in outputs:
        columns.append(_computed(name, term, columns, ids))
    return Project(plan, tuple(columns), place(node))


def _computed(name: str, term: Term, before: list[Computed], ids: Ids) -> Computed:
    if term.id is not None and all(c.field.id != term.id for c in before):
        return Computed(Field(name, term), term)
    return Computed(Field(name, term.reference(ids.next())), term)


def shaped(plan: Project, keys: list[SortKey], node: exp.Expr, ids: Ids, *, made_distinct: bool) -> Plan:
    """Return the SELECT list made distinct, sorted and limited, as the clauses of `node` say."""
    columns, visible = list(plan.columns), len(plan.columns)
    sorted_by: list[SortKey] = []
    for key in keys:
        known = next((c for c in columns if c.term.node == key.term.node), None)
        if known is None:
            if made_distinct:
                detail = "ORDER BY of SELECT DISTINCT names no output column."
                raise GatewayError("unsupported_sql", detail, "Select the column too.", key.term.place or place(node))
            known = _computed(f"sort_{len(columns)}", key.term, columns, ids)
            columns.append(known)
        sorted_by.append(replace(key, term=known.field.term))
    result: Plan = replace(plan, columns=tuple(columns))
    if made_distinct:
        renamed = distinct(result, ids, place(node))
        by_id = {key.term.id: key.field.term for key in renamed.keys}
        sorted_by = [replace(key, term=by_id[key.term.id]) for key in sorted_by]
        result = renamed
    result = limited(result, sorted_by, node)
    if len(columns) > visible:
        kept = tuple(Computed(c.field, c.field.term) for c in columns[:visible])
        result = Project(result, kept, place(node))
    return result


def arranged(plan: Plan, node: exp.Expr, catalog: Catalog) -> Plan:
    """Return a set operation or parenthesised query with an ORDER BY and LIMIT of its own, over its output columns."""
    order = node.args.get("order")
    names = Names(catalog=catalog, scope=Scope((Source("", plan.fields),)))
    keys = sort_keys(order, names, [f.term for f in plan.fields])
    if all(key.term.id is not None for key in keys):
        return limited(plan, keys, node)
    outputs = [(f.name, f.term) for f in plan.fields]
    return shaped(projected(plan, outputs, catalog.ids, node), keys, node, catalog.ids, made_distinct=False)


def limited(plan: Plan, keys: list[SortKey], node: exp.Expr) -> Plan:
    """Return a plan sorted by `keys`, with the LIMIT and OFFSET of `node`."""
    if keys:
        plan = Sort(plan, tuple(keys), plan.fields, place(node.args["order"]))
    limit, offset = _count(node, "limit"), _count(node, "offset")
    if limit is not None or offset:
        plan = Limit(plan, limit, offset or 0, plan.fields, place(node.args.get("limit") or node.args.get("offset")))
    return plan


def _count(node: exp.Expr, part: str) -> int | None:
    clause = node.args.get(part)
    if clause is None:
        return None
    if isinstance(clause, exp.Fetch):
        refuse_other_parts(clause, "count", "direction", "limit_options")
        options = clause.args.get("limit_options")
        if options is not None:
            refuse_other_parts(options, "rows")
        written = clause.args.get("count")
    else:
        refuse_other_parts(clause, "expression")
        written = clause.expression
        if isinstance(written, exp.Var) and written.name.upper() == "ALL":
            return None
    value = whole_number(written) if written is not None else None
    if value is None or value > MAX_LIMIT:
        hint = f"Write LIMIT with a whole number up to {MAX_LIMIT:,}."
        raise GatewayError("unsupported_sql", "LIMIT and OFFSET take a literal number.", hint, place(clause))
    return value
