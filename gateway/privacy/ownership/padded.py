"""A public relation LEFT JOIN an owned one: its distinct keys are the cells, its inner join is what is measured.

What stands between the join and the aggregate has to mean the same on a row that found no match: its owned columns are
all NULL there. A condition that such a row cannot pass makes the join an inner one.
"""

from dataclasses import replace

from sqlglot import exp

from gateway.errors import GatewayError, Position
from gateway.privacy.ownership.facts import carried, in_sight, names_of, narrowed, through
from gateway.privacy.ownership.projects import owned_project
from gateway.privacy.ownership.steps import Steps
from gateway.privacy.relations import Padded, Relation
from gateway.sql.plan import Filter, Project
from gateway.sql.terms import Term

STRICT = (
    exp.Neg,
    exp.Paren,
    exp.Cast,
    exp.TryCast,
    exp.Add,
    exp.Sub,
    exp.Mul,
    exp.Div,
    exp.IntDiv,
    exp.Mod,
    exp.EQ,
    exp.NEQ,
    exp.LT,
    exp.LTE,
    exp.GT,
    exp.GTE,
    exp.Like,
    exp.ILike,
    exp.Not,
    exp.DPipe,
    exp.Abs,
    exp.Sqrt,
    exp.Ln,
    exp.Exp,
    exp.Pow,
    exp.Round,
    exp.Floor,
    exp.Ceil,
    exp.Lower,
    exp.Upper,
    exp.Length,
    exp.Substring,
    exp.Trim,
    exp.Extract,
    exp.DateTrunc,
    exp.TimestampTrunc,
)
"""Syntax that is NULL where any operand is."""


def null_of(node: exp.Expr, empty: frozenset[str]) -> bool:
    """Tell whether an expression is surely NULL where the columns `empty` are. False: it may be anything."""
    match node:
        case exp.Column():
            return node.name in empty
        case exp.Null():
            return True
        case exp.Case():
            assert node.this is None  # INVARIANT: CASE of a value is written out as conditions (resolver)
            default = node.args.get("default")
            branches = all(
                never_true(branch.this, empty) or null_of(branch.args["true"], empty) for branch in node.args["ifs"]
            )
            return branches and (default is None or null_of(default, empty))
        case exp.Coalesce() | exp.Greatest() | exp.Least():
            return all(null_of(part, empty) for part in (node.this, *node.expressions))
        case exp.Between() | exp.In() | exp.Nullif():
            return null_of(node.this, empty)
        case exp.And() | exp.Or():
            return null_of(node.this, empty) and null_of(node.expression, empty)
        case exp.Anonymous():
            return node.name.upper() == "ISFINITE" and all(null_of(part, empty) for part in node.expressions)
        case _ if isinstance(node, STRICT):
            return any(null_of(part, empty) for part in node.iter_expressions())
        case _:
            return False


def never_true(node: exp.Expr, empty: frozenset[str]) -> bool:
    """Tell whether a condition surely fails (is NULL or false) where the columns `empty` are NULL."""
    inner = node.unnest()
    match inner:
        case exp.And():
            return never_true(inner.this, empty) or never_true(inner.expression, empty)
        case exp.Or():
            return never_true(inner.this, empty) and never_true(inner.expression, empty)
        case exp.Boolean():
            return not inner.this
        case exp.Not() if isinstance(inner.this.unnest(), exp.Is):
            tested = inner.this.unnest()
            return isinstance(tested.expression, exp.Null) and null_of(tested.this, empty)
        case _:
            return null_of(inner, empty)


def filtered(plan: Filter, below: Padded) -> Relation:
    """Return the rows that a condition lets through; where no row without a match can pass, the inner join's."""
    if any(never_true(term.node, below.empty) for term in plan.condition):
        owned = below.owned
        unique = narrowed(owned.unique, plan.condition)
        made = replace(plan, input=owned.plan, fields=carried(plan.fields, owned))
        return in_sight(replace(owned, plan=made, unique=unique))
    if not all(term.ids <= below.columns for term in plan.condition):
        mixed = next(term for term in plan.condition if not term.ids <= below.columns)
        detail = "A row of the public side that found no match could pass this condition."
        hint = "Put the condition into the ON clause of the LEFT JOIN, or test the private column with =, < or IN."
        raise GatewayError("join_not_private", detail, hint, mixed.place or plan.place)
    held = tuple(f for f in plan.fields if f.id in below.columns)
    public = replace(
        below.public,
        plan=replace(plan, input=below.public.plan, fields=held),
        unique=narrowed(below.public.unique, plan.condition),
    )
    made = replace(plan, input=below.owned.plan, fields=carried(plan.fields, below.owned))
    return replace(below, public=public, owned=replace(below.owned, plan=made))


def projected(plan: Project, below: Padded, steps: Steps) -> Padded:
    """Return computed columns of both sides. Raises `join_not_private` for one that mixes them."""
    public_columns, empty = [], set()
    for column in plan.columns:
        if column.term.ids <= below.columns:
            public_columns.append(column)
        elif null_of(column.term.node, below.empty):
            empty.add(column.field.id)
        else:
            raise _not_empty(column.term, plan.place)
    names = names_of(public_columns)
    made = Project(below.public.plan, tuple(public_columns), plan.place)
    public = replace(below.public, plan=made, unique=through(below.public.unique, names))
    owned = owned_project(plan, below.owned, steps)
    columns = frozenset(c.field.id for c in public_columns)
    return Padded(public, owned, columns, frozenset(empty))


def _not_empty(term: Term, place: Position | None) -> GatewayError:
    detail = "This expression is not NULL where the public side found no match, so such rows would count."
    hint = "Use the private column itself (COUNT(x), SUM(x)), or an INNER join."
    return GatewayError("join_not_private", detail, hint, term.place or place)


def refused(place: Position | None, what: str) -> GatewayError:
    """Return the refusal of anything but an aggregate by public columns above the join."""
    detail = f"{what} over a public table LEFT JOIN a private one would keep rows that nobody owns."
    hint = "Group by columns of the public side and aggregate columns of the private side, or use an INNER join."
    return GatewayError("join_not_private", detail, hint, place)
