"""A query wherever one may stand: SELECT, set operation, VALUES, any of them in parentheses."""

from sqlglot import exp

from gateway.errors import GatewayError
from gateway.sql.bodies import Body
from gateway.sql.outputs import arranged
from gateway.sql.parse import place, refuse_other_parts
from gateway.sql.plan import Plan, SetKind
from gateway.sql.stages import Catalog, Names, Views
from gateway.sql.unions import combined, distinct
from gateway.sql.values import values
from gateway.sql.views import views_of

_KINDS: dict[type[exp.Expr], SetKind] = {
    exp.Union: SetKind.UNION_ALL,
    exp.Intersect: SetKind.INTERSECT,
    exp.Except: SetKind.EXCEPT,
}


def subplan(catalog: Catalog, node: exp.Expr, views: Views, outer: Names | None) -> Plan:
    """Return the plan of a query; `outer` is the query around it, whose columns it may not name here."""
    if isinstance(node, exp.Subquery):
        refuse_other_parts(node, "this", "alias", "order", "limit", "offset", "with_", "joins")
        views = views_of(catalog, node.args.get("with_"), views)
        return arranged(subplan(catalog, node.this, views, outer), node, catalog)
    if type(node) in _KINDS:
        return _set_operation(catalog, node, views, outer)
    if isinstance(node, exp.Select):
        return Body.read(catalog, node, views, outer).plan()
    if isinstance(node, exp.Values):
        return values(catalog, node)
    detail = f"{node.key.upper()} is not a query over the dataset's tables."
    raise GatewayError("unsupported_sql", detail, "Write SELECT ... FROM a table.", place(node))


def _set_operation(catalog: Catalog, node: exp.Expr, views: Views, outer: Names | None) -> Plan:
    refuse_other_parts(node, "this", "expression", "distinct", "order", "limit", "offset", "with_")
    kind = _KINDS[type(node)]
    keeps_all = node.args.get("distinct") is False
    if keeps_all and kind is not SetKind.UNION_ALL:
        hint = f"Write {kind.value} without ALL."
        raise GatewayError("set_operation", f"{kind.value} ALL is not answered.", hint, place(node))
    views = views_of(catalog, node.args.get("with_"), views)
    left = subplan(catalog, node.this, views, outer)
    right = subplan(catalog, node.args["expression"], views, outer)
    plan: Plan = combined(kind, left, right, catalog.ids, node)
    if kind is SetKind.UNION_ALL and not keeps_all:
        plan = distinct(plan, catalog.ids, place(node))
    return arranged(plan, node, catalog)
