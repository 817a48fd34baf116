"""A plan as indented text: for golden files and for people who review what a query was taken to mean."""

from gateway.sql.plan import (
    Aggregate,
    AggregateCall,
    Computed,
    Field,
    Filter,
    Join,
    Limit,
    Measured,
    Plan,
    Project,
    Read,
    Scan,
    SetOperation,
    Sort,
    SortKey,
    Staged,
    Values,
    Window,
    WindowCall,
)
from gateway.sql.terms import Term
from gateway.sql.weight import inputs
from gateway.sql.writing import shown


def explain(plan: Plan) -> str:
    """Return the plan, one node a line, inputs indented below. What is read twice is written once and then named."""
    lines: list[str] = []
    _write(plan, 0, lines, _shared(plan), {})
    return "\n".join(lines)


def _shared(plan: Plan) -> set[int]:
    """Return the nodes (not leaves) that more than one node reads."""
    readers: dict[int, int] = {}
    pending = [plan]
    while pending:
        for below in inputs(pending.pop()):
            readers[id(below)] = readers.get(id(below), 0) + 1
            if readers[id(below)] == 1:
                pending.append(below)
    return {node for node, count in readers.items() if count > 1}


def _write(plan: Plan, depth: int, lines: list[str], shared: set[int], names: dict[int, str]) -> None:
    indent = "  " * depth
    if id(plan) in names:
        lines.append(f"{indent}{names[id(plan)]}")
        return
    label = ""
    if id(plan) in shared:
        names[id(plan)] = f"#{len(names) + 1}"
        label = f"{names[id(plan)]} = "
    lines.append(indent + label + _head(plan))
    below = inputs(plan)
    if isinstance(plan, Aggregate) and plan.wanted is not None:
        below = below[:1]
    for part in below:
        _write(part, depth + 1, lines, shared, names)
    if isinstance(plan, Aggregate) and plan.wanted is not None:
        lines.append(f"{indent}  wanted [{', '.join(plan.wanted.columns)}] of")
        _write(plan.wanted.plan, depth + 2, lines, shared, names)


def _head(plan: Plan) -> str:
    match plan:
        case Scan():
            return f"Scan {plan.table.name} [{_fields(plan.fields)}]"
        case Values():
            rows = ", ".join(f"({', '.join(cell.text for cell in row)})" for row in plan.rows)
            return f"Values [{_fields(plan.fields)}] {rows}"
        case Filter():
            return "Filter " + _condition(plan.condition)
        case Project():
            columns = ", ".join(f"{c.field.name} {_assigned(c)}".strip() for c in plan.columns)
            return f"Project [{columns}]"
        case Join():
            mark = f" {plan.mark.id} :=" if plan.mark is not None else ""
            return f"Join {plan.kind}{mark} {_condition(plan.condition)}".rstrip()
        case Aggregate() if not plan.calls:
            return f"Distinct [{', '.join(_assigned(k) for k in plan.keys)}]"
        case Aggregate():
            keys = ", ".join(_assigned(k) for k in plan.keys)
            calls = ", ".join(f"{c.field.id} := {_call(c)}" for c in plan.calls)
            return f"Aggregate keys [{keys}] measures [{calls}]"
        case Window():
            return f"Window [{', '.join(f'{c.field.id} := {_window(c)}' for c in plan.calls)}]"
        case SetOperation():
            return f"{plan.kind} [{_fields(plan.fields)}]"
        case Sort():
            return f"Sort [{_order(plan.keys)}]"
        case Limit():
            return f"Limit {plan.count} offset {plan.offset}"
        case Measured() | Read() | Staged():
            return f"{type(plan).__name__} {plan.name} [{_fields(plan.fields)}]"


def _fields(fields: tuple[Field, ...]) -> str:
    return ", ".join(f"{f.name} {f.id}".strip() for f in fields)


def _assigned(column: Computed) -> str:
    return f"{column.field.id} := {column.term.text}"


def _condition(terms: tuple[Term, ...]) -> str:
    return " AND ".join(term.text for term in terms)


def _order(keys: tuple[SortKey, ...]) -> str:
    return ", ".join(
        " ".join(filter(None, (k.term.text, "DESC" * k.descending, "NULLS FIRST" * k.nulls_first))) for k in keys
    )


def _call(call: AggregateCall) -> str:
    arguments = [a.text for a in call.arguments]
    if call.parameter is not None:
        arguments.append(str(call.parameter))
    where = f" FILTER {call.filter.text}" if call.filter is not None else ""
    return f"{call.kind.value} {', '.join(arguments)}".strip() + where


def _window(call: WindowCall) -> str:
    parts = [f"{call.kind.value} {', '.join(a.text for a in call.arguments)}".strip()]
    if call.filter is not None:
        parts.append(f"FILTER {call.filter.text}")
    if call.partition:
        parts.append(f"PARTITION BY {', '.join(p.text for p in call.partition)}")
    if call.order:
        parts.append(f"ORDER BY {_order(call.order)}")
    if call.frame is not None:
        parts.append(shown(call.frame))
    return " ".join(parts)
