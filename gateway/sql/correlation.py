"""A subquery as the right side of a join: what it selects, and the terms that tie it to the query around it.

Ties are AND terms of the subquery's own WHERE that name columns of the query directly around it. Below an aggregate
they are equalities: their inner sides become keys, so that one aggregate answers every outer row at once.
"""

from dataclasses import dataclass, replace
from fractions import Fraction

from sqlglot import exp

from gateway.catalog.types import INTEGER
from gateway.errors import GatewayError
from gateway.sql.aggregates import COUNTS
from gateway.sql.bodies import Body
from gateway.sql.conditionals import one_type
from gateway.sql.conditions import is_true
from gateway.sql.constructs import bare_query, columns_in, has_query, has_query_beside_aggregates, windows_in
from gateway.sql.operators import comparable, truth
from gateway.sql.parse import place
from gateway.sql.stages import Catalog, Groups, Names, Views
from gateway.sql.terms import Term, number
from gateway.sql.ties import Tied


@dataclass(slots=True, kw_only=True)
class _Both(Names):
    """Names of a tie: the subquery's own first, then those of the query around it."""

    rows: Names
    around: Names

    def column(self, node: exp.Column) -> Term:
        return self.rows.column(node) if self.rows.scope.find(node) is not None else self.around.column(node)


def tied(catalog: Catalog, node: exp.Expr, views: Views, around: Names, *, membership: bool = False) -> Tied:
    """Return a subquery ready to be joined. `membership`: only whether a row is there matters, so DISTINCT does not.

    Raises GatewayError `subquery` for ties that cannot be joined on.
    """
    query = bare_query(node)
    if not isinstance(query, exp.Select):
        plan = catalog.subplan(catalog, query, views, around)
        return Tied(plan, tuple((f.name, f.term) for f in plan.fields))
    body = Body.read(catalog, query, views, around, tied=True)
    if not body.ties:
        plan = body.plan()
        return Tied(plan, tuple((f.name, f.term) for f in plan.fields))
    _refuse_parts(query, () if membership and not body.aggregated else ("distinct",))
    for item, _ in body.items:
        if next(windows_in(item), None) is not None:
            detail = "A window in a subquery that is tied to the query around it is not answered."
            hint = "Compute the window in a derived table, and join it."
            raise GatewayError("subquery", detail, hint, place(item))
    for tie in body.ties:
        if has_query(tie):
            hint = "Write the inner subquery in a term of its own."
            raise GatewayError("subquery", "A subquery stands beside a column of the query around.", hint, place(tie))
    if body.aggregated:
        return _aggregated(body, around)
    pairs, others = _split(body, around)
    outputs = body.outputs(body.rows)
    return Tied(body.rows.plan, outputs, pairs, others)  # after the outputs, whose own subqueries are joined


def _refuse_parts(query: exp.Select, more: tuple[str, ...]) -> None:
    for part in ("order", "limit", "offset", "qualify", "windows", *more):
        if query.args.get(part):
            detail = f"{part.upper()} in a subquery that is tied to the query around it is not answered."
            hint = "Use MIN, MAX or another aggregate, or join a derived table."
            raise GatewayError("subquery", detail, hint, place(query))


def _split(body: Body, around: Names) -> tuple[tuple[tuple[Term, Term], ...], tuple[Term, ...]]:
    """Return the ties as pairs of equal terms (outer, inner), and as terms over both sides."""
    pairs: list[tuple[Term, Term]] = []
    others: list[Term] = []
    both = _Both(catalog=body.catalog, scope=body.rows.scope, rows=body.rows, around=around)
    for tie in body.ties:
        sides = _sides(tie, body.rows)
        if sides is None:
            others.append(truth(tie, both))
            continue
        inner, outer = body.rows(sides[0]), around(sides[1])
        if inner.type.numeric and outer.type.numeric:
            outer, inner = one_type(tie, [outer, inner])
        else:
            outer, inner = comparable(tie, outer, inner)
        if inner.type == outer.type:
            pairs.append((outer, inner))
        else:  # NULL = x
            others.append(truth(tie, both))
    return tuple(pairs), tuple(term for term in others if not is_true(term))


def _sides(tie: exp.Expr, rows: Names) -> tuple[exp.Expr, exp.Expr] | None:
    """Return (inner, outer) of an equality with one side of each, else None."""
    tie = tie.unnest()
    if not isinstance(tie, exp.EQ):
        return None
    kinds = [
        {rows.scope.find(column) is not None for column in columns_in(side)} for side in (tie.this, tie.expression)
    ]
    if kinds == [{True}, {False}]:
        return tie.this, tie.expression
    if kinds == [{False}, {True}]:
        return tie.expression, tie.this
    return None


def _aggregated(body: Body, around: Names) -> Tied:
    pairs, others = _split(body, around)
    inside = frozenset(f.id for f in body.rows.plan.fields)
    for term in others:
        if term.ids & inside:
            detail = "An aggregating subquery is tied to the query around it by more than equalities."
            hint = "Write AND terms `inner column = outer column`, or join first and aggregate after."
            raise GatewayError("subquery", detail, hint, term.place or place(body.node))
    single = body.node.args.get("group") is None
    if single and body.node.args.get("having") is not None:
        hint = "Write the condition in the query around, over the subquery's value."
        raise GatewayError("subquery", "HAVING without GROUP BY in a tied subquery.", hint, place(body.node))
    if single and any(has_query_beside_aggregates(item) for item, _ in body.items):
        detail = "A subquery stands beside an aggregate that is tied to the query around it."
        raise GatewayError("subquery", detail, "Write it in the query around.", place(body.node))
    stage, keys = body.grouped(tuple(inner for _, inner in pairs))
    if body.totals and not single:
        detail = "A subquery that is tied to the query around it has the empty grouping set."
        raise GatewayError("subquery", detail, "Leave GROUP BY out, or group by a column.", place(body.node))
    if single:
        _of_nothing(stage)
    outputs = body.outputs(stage)
    matched = tuple((outer, key) for (outer, _), key in zip(pairs, keys, strict=True))
    return Tied(stage.plan, outputs, matched, others, single=single)


def _of_nothing(stage: Groups) -> None:
    """Make each call read, where the join finds no row, as what it is of no rows: a count is 0, others are NULL."""
    for node, (kind, term) in stage.calls.items():
        if kind in COUNTS:
            zero = exp.Coalesce(this=term.node.copy(), expressions=[number(Fraction(0), INTEGER)])
            stage.found[node] = replace(term, node=zero)
        else:
            stage.found[node] = replace(term, nullable=True)
