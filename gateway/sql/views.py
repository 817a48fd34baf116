"""WITH: queries by name. Each is resolved once; a second use gives its columns new ids."""

from dataclasses import dataclass, replace

from sqlglot import exp

from gateway.errors import GatewayError
from gateway.sql.parse import place, refuse_other_parts
from gateway.sql.plan import Computed, Field, Plan, Project
from gateway.sql.scope import Ids
from gateway.sql.stages import Catalog, Views


@dataclass(slots=True)
class View:
    """One WITH query and those that it sees itself; `weight` is how many relations it reads."""

    node: exp.CTE
    sees: Views
    plan: Plan | None = None
    weight: int = 0

    def read(self, catalog: Catalog, node: exp.Expr) -> Plan:
        """Return the plan of one use."""
        if self.plan is not None:
            catalog.count_relation(node, self.weight)
            return anew(self.plan, catalog.ids, node)
        before = catalog.relations
        catalog.count_relation(node)
        self.plan = renamed(catalog.subplan(catalog, self.node.this, self.sees, None), self.node.args.get("alias"))
        self.weight = catalog.relations - before
        return self.plan


def views_of(catalog: Catalog, clause: exp.Expr | None, views: Views) -> Views:
    """Return the WITH queries in sight below a WITH clause."""
    if clause is None:
        return views
    if clause.args.get("recursive"):
        raise GatewayError("unsupported_sql", "WITH RECURSIVE is not answered.", "Write plain WITH.", place(clause))
    refuse_other_parts(clause, "expressions")
    for cte in clause.expressions:
        refuse_other_parts(cte, "this", "alias", "materialized")  # MATERIALIZED says how to run it, not what it means
        name = cte.alias.casefold()
        if any(other is not cte and other.alias.casefold() == name for other in clause.expressions):
            detail = f"Two WITH queries are called '{cte.alias}'."
            raise GatewayError("ambiguous_name", detail, "Give each its own name.", place(cte))
        view = View(cte, views)  # its own name means what it meant outside
        views = {**views, name: view}
        catalog.views.append(view)
    return views


def anew(plan: Plan, ids: Ids, node: exp.Expr) -> Plan:
    """Return the plan with new ids for its columns."""
    columns = tuple(Computed(Field(f.name, f.term.reference(ids.next())), f.term) for f in plan.fields)
    return Project(plan, columns, place(node))


def renamed(plan: Plan, alias: exp.Expr | None) -> Plan:
    """Return the plan with its columns named anew by `AS t (a, b)`."""
    if alias is None:
        return plan
    refuse_other_parts(alias, "this", "columns")
    names = [column.name for column in alias.args.get("columns") or []]
    if not names:
        return plan
    if len(names) != len(plan.fields):
        detail = f"The alias names {len(names)} columns of {len(plan.fields)}."
        raise GatewayError("unknown_column", detail, "Name each column once.", place(alias))
    columns = tuple(Computed(replace(f, name=n), f.term) for n, f in zip(names, plan.fields, strict=True))
    return Project(plan, columns, place(alias))
