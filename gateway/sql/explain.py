"""A plan as indented text: for golden files and for people who review what a query was taken to mean."""

from gateway.sql.plan import Aggregate, Filter, Join, Limit, Plan, Project, Scan, Sort


def explain(plan: Plan) -> str:
    """Return the plan, one node a line, inputs indented below."""
    return "\n".join(_lines(plan, 0))


def _lines(plan: Plan, depth: int) -> list[str]:
    head = "  " * depth + _head(plan)
    match plan:
        case Scan():
            return [head]
        case Join():
            return [head, *_lines(plan.left, depth + 1), *_lines(plan.right, depth + 1)]
        case Filter() | Project() | Aggregate() | Sort() | Limit():
            return [head, *_lines(plan.input, depth + 1)]


def _head(plan: Plan) -> str:
    match plan:
        case Scan():
            columns = ", ".join(f"{f.name} {f.id}" for f in plan.fields)
            return f"Scan {plan.table.name} [{columns}]"
        case Filter():
            return "Filter " + " AND ".join(term.node.sql("duckdb") for term in plan.condition)
        case Project():
            columns = ", ".join(f"{c.field.name} {c.field.id} := {c.term.node.sql('duckdb')}" for c in plan.columns)
            return f"Project [{columns}]"
        case Join():
            return f"Join {plan.kind} " + " AND ".join(term.node.sql("duckdb") for term in plan.condition)
        case Aggregate():
            keys = ", ".join(f"{k.field.id} := {k.term.node.sql('duckdb')}" for k in plan.keys)
            calls = ", ".join(f"{c.field.id} := {_call(c.kind.value, c.argument, c.filter)}" for c in plan.calls)
            return f"Aggregate keys [{keys}] measures [{calls}]"
        case Sort():
            keys = ", ".join(
                " ".join((k.term.node.sql("duckdb"), "DESC" * k.descending, "NULLS FIRST" * k.nulls_first)).strip()
                for k in plan.keys
            )
            return f"Sort [{keys}]"
        case Limit():
            return f"Limit {plan.count} offset {plan.offset}"


def _call(kind: str, argument: object, condition: object) -> str:
    shown = getattr(getattr(argument, "node", None), "sql", lambda _: "")("duckdb")
    where = getattr(getattr(condition, "node", None), "sql", lambda _: "")("duckdb")
    return f"{kind} {shown}".strip() + (f" FILTER {where}" if where else "")
