"""What follows a measurement, as SQL over its noisy table: aggregates from integers, then the buyer's own steps.

Two texts come out: one that makes the answer, and one without filters, order and limits that makes the same
columns from redrawn noise, for error bars.
"""

from dataclasses import dataclass

from sqlglot import exp

from gateway.compile.relations import condition
from gateway.errors import GatewayError
from gateway.privacy.bounding import Output
from gateway.privacy.measurement import Finish, OutputColumn
from gateway.sql.plan import Aggregate, Filter, Join, Limit, Plan, Project, Scan, Sort

CELL, DRAW = "__cell", "__draw"


@dataclass(frozen=True, slots=True)
class Measured:
    """A measurement's place in the plan: its aggregate node, the name of its noisy table, and its outputs."""

    aggregate: Aggregate
    name: str
    keys: tuple[str, ...]
    outputs: tuple[Output, ...]


def compile_finish(plan: Plan, measured: Measured) -> Finish:
    """Return the post-processing of a plan whose only measurement is `measured`."""
    query = _select(plan, measured, extra=(CELL,), drawn=False)
    order, limit = _top_order(plan)
    outer = exp.select(*(f.id for f in plan.fields), CELL).from_(query.subquery("r"))
    if order is not None:
        outer, inner = exp.select(*(f.id for f in plan.fields), CELL), order
        outer = outer.from_(_select(inner.input, measured, extra=(CELL,), drawn=False).subquery("r"))
        for key in inner.keys:
            outer = outer.order_by(
                exp.Ordered(this=key.term.node.copy(), desc=key.descending, nulls_first=key.nulls_first)
            )
        if limit is not None:
            outer = outer.limit(limit.count) if limit.count is not None else outer
            outer = outer.offset(limit.offset) if limit.offset else outer
    outer = outer.order_by(CELL)
    columns = tuple(_column(plan, measured, f.name, f.id, index) for index, f in enumerate(plan.fields))
    derived = [f.id for f, c in zip(plan.fields, columns, strict=True) if c.noisy and c.primitive is None]
    bootstrap = None
    if derived:
        redrawn = _select(plan, measured, extra=(DRAW, CELL), drawn=True)
        bootstrap = exp.select(DRAW, CELL, *derived).from_(redrawn.subquery("r")).sql("duckdb")
    return Finish(outer.sql("duckdb"), bootstrap, columns, ordered=order is not None)


def _top_order(plan: Plan) -> tuple[Sort | None, Limit | None]:
    """Return the sort that orders the answer itself and its limit, where nothing but dropped columns lies above."""
    while isinstance(plan, Project) and all(c.term.id == c.field.id for c in plan.columns):
        plan = plan.input
    limit = plan if isinstance(plan, Limit) else None
    below = limit.input if limit is not None else plan
    return (below, limit) if isinstance(below, Sort) else (None, None)


def _select(plan: Plan, measured: Measured, extra: tuple[str, ...], *, drawn: bool) -> exp.Select:
    match plan:
        case Aggregate():
            columns = [exp.alias_(exp.column(k), f.field.id) for k, f in zip(measured.keys, plan.keys, strict=True)]
            columns += [exp.alias_(o.expression.copy(), o.column) for o in measured.outputs]
            return exp.select(*columns, *extra).from_(exp.to_table(measured.name))
        case Filter():
            below = _select(plan.input, measured, extra, drawn=drawn)
            query = exp.select("*").from_(below.subquery("r"))
            return query if drawn else query.where(condition(plan.condition))
        case Project():
            below = _select(plan.input, measured, extra, drawn=drawn)
            columns = [exp.alias_(c.term.node.copy(), c.field.id) for c in plan.columns]
            return exp.select(*columns, *extra).from_(below.subquery("r"))
        case Sort() | Limit():
            return _shaped(plan, measured, extra, drawn=drawn)
        case Scan() | Join():
            raise GatewayError(
                "join_not_private", "A released result is joined.", "Join first, then aggregate.", plan.place
            )


def _shaped(plan: Sort | Limit, measured: Measured, extra: tuple[str, ...], *, drawn: bool) -> exp.Select:
    """Return a nested ORDER BY (that only matters under a LIMIT) or LIMIT."""
    query = exp.select("*").from_(_select(plan.input, measured, extra, drawn=drawn).subquery("r"))
    if drawn:
        return query
    if isinstance(plan, Sort):
        for key in plan.keys:
            query = query.order_by(
                exp.Ordered(this=key.term.node.copy(), desc=key.descending, nulls_first=key.nulls_first)
            )
        return query.order_by(CELL)
    if isinstance(plan.input, Sort):  # one SELECT, so that the order is the limit's own
        query = _shaped(plan.input, measured, extra, drawn=drawn)
    else:
        query = query.order_by(CELL)
    query = query.limit(plan.count) if plan.count is not None else query
    return query.offset(plan.offset) if plan.offset else query


def _column(plan: Plan, measured: Measured, name: str, column_id: str, index: int) -> OutputColumn:
    term = plan.fields[index].term
    output = next((o for o in measured.outputs if o.column == column_id), None)
    if output is None:
        return OutputColumn(name, term.type, noisy=term.noisy)
    return OutputColumn(name, output.type, noisy=True, primitive=output.primitive, factor=output.factor)
