"""Plan nodes to SELECTs: nested subqueries over column ids, as syntax trees. No SQL text is ever pasted."""

from sqlglot import exp

from gateway.catalog.types import TypeKind
from gateway.sql.operators import chain
from gateway.sql.plan import Aggregate, Filter, Join, Limit, Plan, Project, Scan, Sort
from gateway.sql.terms import Term, cast


def select(plan: Plan) -> exp.Select:
    """Return the SELECT of a relation below a measurement: one column for each id that it carries."""
    match plan:
        case Scan():
            return _scan(plan)
        case Filter():
            return _from(plan.input).select("*").where(condition(plan.condition))
        case Project():
            columns = [exp.alias_(c.term.node.copy(), c.field.id) for c in plan.columns]
            return _from(plan.input).select(*columns)
        case Join():
            return _join(plan)
        case Aggregate() | Sort() | Limit():
            raise AssertionError("only owned relations are written for an engine")  # INVARIANT: privacy.ownership


def _from(plan: Plan) -> exp.Select:
    return exp.select().from_(select(plan).subquery("r"))


def condition(terms: tuple[Term, ...]) -> exp.Expr:
    """Return the AND of terms."""
    return chain(exp.And, [exp.paren(term.node.copy(), copy=False) for term in terms])


def table(name: str, alias: str) -> exp.Table:
    return exp.Table(this=exp.to_identifier(name, quoted=True), alias=exp.TableAlias(this=exp.to_identifier(alias)))


def column(name: str, relation: str) -> exp.Column:
    return exp.column(exp.to_identifier(name, quoted=True), relation)


def _scan(plan: Scan) -> exp.Select:
    query = exp.select().from_(table(plan.table.name, "t"))
    for field in plan.fields:
        assert field.term.origin is not None  # INVARIANT: scanned fields are base columns
        query = query.select(exp.alias_(_widened(column(field.term.origin.column, "t"), field.term), field.id))
    if plan.owner is None:
        return query
    before, owner = "t", column(plan.owner.name, "t")
    for index, link in enumerate(plan.chain):
        here = f"h{index}"
        on = exp.EQ(this=column(link.column, before), expression=column(link.target, here))
        query = query.join(table(link.table.name, here), on=on, join_type="inner")
        before, owner = here, column(plan.owner.name, here)
    if plan.chain:
        query = query.select(exp.alias_(_widened(owner.copy(), plan.owner.term), plan.owner.id))
    return query.where(exp.Not(this=exp.Is(this=owner.copy(), expression=exp.Null())))


def _widened(node: exp.Expr, term: Term) -> exp.Expr:
    """Return numbers in the one width that expressions count with (an engine's INTEGER would overflow at 2^31)."""
    return cast(node, term.type) if term.type.kind in (TypeKind.INTEGER, TypeKind.DOUBLE) else node


def _join(plan: Join) -> exp.Select:
    left, right = select(plan.left).subquery("l"), select(plan.right).subquery("r")
    return exp.select("*").from_(left).join(right, on=condition(plan.condition), join_type=plan.kind.value)
