"""A whole query to one plan: every name, type and range known, every construct understood or refused by name."""

from sqlglot import exp

from gateway.catalog.model import Dataset
from gateway.errors import GatewayError
from gateway.sql.correlation import tied
from gateway.sql.limits import ASKED, Limits
from gateway.sql.parse import dialect_of, place
from gateway.sql.plan import Plan
from gateway.sql.queries import subplan
from gateway.sql.stages import Catalog
from gateway.sql.subqueries import attach
from gateway.sql.weight import weight


def resolve(tree: exp.Query, dataset: Dataset, most: Limits = ASKED) -> Plan:
    """Return the plan of a whole query over one dataset.

    Raises GatewayError for each construct, function or name that is not understood, with its place.
    """
    catalog = Catalog(dataset, dialect_of(tree), subplan, tied, attach, most=most)
    plan = subplan(catalog, tree, {}, None)
    while catalog.views:  # a WITH query that nobody reads is read all the same: it may hold what is refused
        view = catalog.views.pop()
        if view.plan is None:
            view.read(catalog, view.node)
    seen: set[str] = set()
    for field in plan.fields:
        if field.name.casefold() in seen:
            detail = f"Two output columns are called '{field.name}'."
            raise GatewayError("ambiguous_name", detail, "Give each its own alias with AS.", place(tree))
        seen.add(field.name.casefold())
    if weight(plan) > most.weight:
        hint = "Use each WITH query once, or split the question."
        raise GatewayError("sql_too_complex", "The query reads its relations too often.", hint, place(tree))
    return plan
