"""Subqueries of expressions as joins with the plan so far: IN, EXISTS, ANY, ALL and scalar subqueries.

As an AND term of a condition, IN and EXISTS choose rows (SEMI and ANTI joins). Deeper, they are columns (MARK joins)
that the expression then tests. A scalar subquery is a LEFT join with its one row.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from gateway.catalog.types import BOOLEAN
from gateway.errors import GatewayError
from gateway.sql.conditions import compared
from gateway.sql.constructs import bare_query, has_aggregate, has_query, listed, quantified
from gateway.sql.operators import chain, comparable, truth
from gateway.sql.parse import place, refuse_other_parts
from gateway.sql.plan import Aggregate, Computed, Field, Filter, JoinKind, Plan, Project, Wanted
from gateway.sql.stages import Stage
from gateway.sql.terms import Term, cast, predicate
from gateway.sql.ties import Tied
from gateway.sql.trees import joined
from gateway.sql.writing import copied

_NEGATED: dict[type[exp.Expr], type[exp.Binary]] = {
    exp.EQ: exp.NEQ,
    exp.NEQ: exp.EQ,
    exp.LT: exp.GTE,
    exp.LTE: exp.GT,
    exp.GT: exp.LTE,
    exp.GTE: exp.LT,
}


@dataclass(frozen=True, slots=True)
class Membership:
    """`left kind ANY (query)`, or EXISTS (query) where there is no left; or its negation."""

    lefts: tuple[exp.Expr, ...]
    kind: type[exp.Binary]
    query: exp.Expr
    positive: bool
    node: exp.Expr


def restrict(stage: Stage, terms: Sequence[exp.Expr], node: exp.Expr | None) -> None:
    """Keep the rows of a stage on which all `terms` are true."""
    asking = [has_query(term) for term in terms]
    plain = [term for term, asks in zip(terms, asking, strict=True) if not asks]
    chosen = [(term, membership(term)) for term, asks in zip(terms, asking, strict=True) if asks]
    if plain:
        condition = tuple(truth(term, stage) for term in plain)
        stage.settle(Filter(stage.plan, condition, stage.fields(), place(node)))
    for _, member in chosen:
        if member is not None:
            stage.settle(_chosen(stage, member))
    rest = [term for term, member in chosen if member is None]
    if rest:
        condition = tuple(truth(term, stage) for term in rest)
        stage.settle(Filter(stage.plan, condition, stage.fields(), place(node)))


def membership(node: exp.Expr) -> Membership | None:
    """Return a term that tests whether a subquery holds a row, else None."""
    positive, inside = True, node.unnest()
    while isinstance(inside, exp.Not):
        positive, inside = not positive, inside.this.unnest()
    found = _test(inside)
    if found is None:
        return None
    if found.lefts and _is_single(found.query):
        return None  # its one row is a value to compare with
    return replace(found, positive=found.positive is positive)


def _test(node: exp.Expr) -> Membership | None:
    if isinstance(node, exp.Exists):
        refuse_other_parts(node, "this")
        return Membership((), exp.EQ, node.this, positive=True, node=node)
    if isinstance(node, exp.In) and (query := listed(node)) is not None:
        refuse_other_parts(node, "this", "query", "expressions")
        return Membership(_lefts(node.this), exp.EQ, query, positive=True, node=node)
    operand = quantified(node)
    if operand is None:
        return None
    kind = type(node)
    if kind not in _NEGATED:
        detail = f"{node.key.upper()} with ANY or ALL is not answered."
        raise GatewayError("unsupported_sql", detail, "Use =, <>, <, <=, > or >=.", place(node))
    assert issubclass(kind, exp.Binary)  # INVARIANT: comparisons are binary
    query = operand.this
    if isinstance(operand, exp.Any):
        return Membership(_lefts(node.this), kind, query, positive=True, node=node)
    return Membership(_lefts(node.this), _NEGATED[kind], query, positive=False, node=node)


def _lefts(node: exp.Expr) -> tuple[exp.Expr, ...]:
    node = node.unnest()
    return tuple(node.expressions) if isinstance(node, exp.Tuple) else (node,)


def _is_single(query: exp.Expr) -> bool:
    """Tell whether a query aggregates all its rows into one."""
    query = bare_query(query)
    return (
        isinstance(query, exp.Select)
        and query.args.get("group") is None
        and any(has_aggregate(item) for item in query.expressions)
    )


@dataclass(frozen=True, slots=True)
class _Tests:
    """The subquery of a membership: `sure` holds of a row that meets it, `possible` of one that may (NULLs meet)."""

    plan: Plan
    sure: tuple[Term, ...]
    possible: tuple[Term, ...]
    decided: bool
    """No NULL takes part: what is possible is sure."""


def _tests(stage: Stage, member: Membership) -> _Tests:
    if not member.lefts and _is_single(member.query):
        detail = "EXISTS over an aggregate without GROUP BY is always true."
        raise GatewayError("subquery", detail, "Leave it out, or compare the aggregate.", place(member.node))
    lefts = [stage(left) for left in member.lefts]
    tied: Tied = stage.catalog.tie(stage.catalog, member.query, stage.views, stage, membership=True)
    if member.lefts and len(lefts) != len(tied.outputs):
        detail = f"{len(lefts)} values are compared with {len(tied.outputs)} columns."
        raise GatewayError("type_mismatch", detail, "Select as many columns as stand on the left.", place(member.node))
    sure, possible, decided = [*tied.ties], [*tied.ties], True
    for left, (_, right) in zip(lefts, tied.outputs if lefts else (), strict=True):
        a, b = comparable(member.node, left, right)
        test = compared(member.kind, a, b)
        unknown = [_is_null(term) for term in (a, b) if term.nullable]
        sure.append(test)
        decided = decided and not unknown
        built = chain(exp.Or, [copied(test.node), *(copied(term.node) for term in unknown)])
        possible.append(predicate(built, test, nullable=test.nullable))
    return _Tests(tied.plan, tuple(sure), tuple(possible), decided)


def _is_null(term: Term) -> Term:
    built = exp.Is(this=exp.paren(copied(term.node), copy=False), expression=exp.Null())
    return predicate(exp.paren(built, copy=False), term, nullable=False)


def _chosen(stage: Stage, member: Membership) -> Plan:
    """Return the rows that a membership keeps: for NOT IN those of which no row of the subquery may be equal."""
    tests = _tests(stage, member)
    if member.positive:
        return joined(JoinKind.SEMI, stage.plan, tests.plan, tests.sure, place(member.node))
    return joined(JoinKind.ANTI, stage.plan, tests.plan, tests.possible, place(member.node))


# -- values -----------------------------------------------------------------------------------------------------------


def attach(stage: Stage, node: exp.Expr) -> Term:
    """Join a subquery of an expression to the stage and return its value as a term."""
    found = _test(node)
    if found is None:
        return _scalar(stage, node)
    if found.lefts and _is_single(found.query) and len(found.lefts) == 1:
        subquery = found.query if isinstance(found.query, exp.Subquery) else exp.Subquery(this=copied(found.query))
        test: exp.Expr = found.kind(this=copied(found.lefts[0]), expression=copied(subquery))
        return stage(test if found.positive else exp.Not(this=test))
    tests = _tests(stage, found)
    sure = _mark(stage, tests.plan, tests.sure, found.node)
    value = sure
    if not tests.decided:
        possible = _mark(stage, tests.plan, tests.possible, found.node)
        built = exp.Case(
            ifs=[
                exp.If(this=copied(sure.node), true=exp.Boolean(this=True)),
                exp.If(this=copied(possible.node), true=cast(exp.Null(), BOOLEAN)),
            ],
            default=exp.Boolean(this=False),
        )
        value = predicate(exp.paren(built, copy=False), sure, possible, nullable=True)
    if found.positive:
        return value
    negated = exp.paren(exp.Not(this=exp.paren(copied(value.node), copy=False)), copy=False)
    return predicate(negated, value, nullable=value.nullable)


def _mark(stage: Stage, plan: Plan, condition: tuple[Term, ...], node: exp.Expr) -> Term:
    """Add the column that says whether any row of `plan` meets the condition."""
    bases = frozenset().union(*(term.bases for term in condition))
    mark = Term(exp.column(stage.catalog.ids.next()), BOOLEAN, nullable=False, domain=(False, True), condition=bases)
    stage.plan = joined(JoinKind.MARK, stage.plan, plan, condition, place(node), Field("", mark))
    return mark


def _scalar(stage: Stage, node: exp.Expr) -> Term:
    query = bare_query(node)
    for part in ("order", "limit", "offset"):
        if query.args.get(part):
            detail = f"{part.upper()} in a scalar subquery is not answered."
            raise GatewayError("subquery", detail, "Use MIN, MAX or another aggregate.", place(node))
    tied: Tied = stage.catalog.tie(stage.catalog, node, stage.views, stage)
    if len(tied.outputs) != 1:
        detail = f"A subquery of {len(tied.outputs)} columns stands where one value is expected."
        raise GatewayError("type_mismatch", detail, "Select one column.", place(node))
    value = tied.outputs[0][1]
    if not tied.correlated:
        exact = _is_single(query) and query.args.get("having") is None
        stage.plan = replace(joined(JoinKind.LEFT, stage.plan, tied.plan, (), place(node)), single=True)
        return value if exact else replace(value, nullable=True)
    if tied.single:
        return _single(stage, tied, value, node)
    if tied.others:
        detail = "A scalar subquery is tied to the query around it by more than equalities."
        hint = "Write AND terms `inner column = outer column`, or aggregate in the subquery."
        raise GatewayError("subquery", detail, hint, place(node))
    outers = _columns(stage, [outer for outer, _ in tied.pairs], node)
    columns = [_computed(stage, term) for term in (*(inner for _, inner in tied.pairs), value)]
    unique = {column.field.id: column for column in columns}
    right = Project(tied.plan, tuple(unique.values()), place(node))
    inners = [column.field.term for column in columns[:-1]]
    ties = tuple(compared(exp.EQ, outer, inner) for outer, inner in zip(outers, inners, strict=True))
    stage.plan = replace(joined(JoinKind.LEFT, stage.plan, right, ties, place(node)), single=True)
    return replace(columns[-1].field.term, nullable=True)


def _single(stage: Stage, tied: Tied, value: Term, node: exp.Expr) -> Term:
    """Join an aggregate by its ties: one row at most for each key; none is read as the aggregate of nothing."""
    right = tied.plan
    outers = _columns(stage, [outer for outer, _ in tied.pairs], node)
    asked = tuple(outer.node.name for outer in outers)
    settled = stage.settled if stage.settled is not None else stage.plan
    if asked and isinstance(right, Aggregate):
        known = {f.id for f in settled.fields}
        right = replace(right, wanted=Wanted(settled if known.issuperset(asked) else stage.plan, asked))
    ties = tuple(compared(exp.EQ, outer, inner) for outer, (_, inner) in zip(outers, tied.pairs, strict=True))
    stage.plan = joined(JoinKind.LEFT, stage.plan, right, (*ties, *tied.others), place(node))
    return value


def _columns(stage: Stage, terms: list[Term], node: exp.Expr) -> list[Term]:
    """Return the terms as bare columns of the stage, computed there where they are none."""
    if all(term.id is not None for term in terms):
        return terms
    computed = [_computed(stage, term) for term in terms]
    passed = tuple(Computed(f, f.term) for f in stage.plan.fields)
    new = tuple(c for c in computed if c.term.id is None)
    settled = stage.settled is stage.plan
    stage.plan = Project(stage.plan, (*passed, *new), place(node))
    if settled:
        stage.settled = stage.plan
    return [c.field.term for c in computed]


def _computed(stage: Stage, term: Term) -> Computed:
    if term.id is not None:
        return Computed(Field("", term), term)
    return Computed(Field("", term.reference(stage.catalog.ids.next())), term)
