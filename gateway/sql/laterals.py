"""LATERAL: a subquery of FROM that sees the relations before it, as a join with them."""

from dataclasses import dataclass

from sqlglot import exp

from gateway.errors import GatewayError
from gateway.sql.parse import place, refuse_other_parts
from gateway.sql.plan import Computed, Field, Plan, Project
from gateway.sql.scope import Source
from gateway.sql.stages import Catalog, Names, Views
from gateway.sql.terms import Term


@dataclass(frozen=True, slots=True)
class Applied:
    """A LATERAL as the right side of a join on `ties`, and the names it brings.

    `single`: it has one row for each row before it, `computed` from what the join finds; `asked` are the outer columns
    in the order of its keys, where all are bare.
    """

    plan: Plan
    source: Source
    ties: tuple[Term, ...]
    computed: tuple[Computed, ...] = ()
    asked: tuple[str, ...] | None = None
    single: bool = False


def lateral(catalog: Catalog, node: exp.Lateral, views: Views, names: Names) -> Applied:
    """Return a LATERAL subquery. Raises `unsupported_sql` for functions that make rows."""
    refuse_other_parts(node, "this", "alias", "view", "outer")
    if node.args.get("view") or not isinstance(node.this, exp.Subquery):
        hint = "Write LATERAL (SELECT ...) AS t."
        raise GatewayError("unsupported_sql", "LATERAL takes a subquery here.", hint, place(node))
    tied = catalog.tie(catalog, node.this, views, names)
    alias = node.args.get("alias")
    outputs = _named(tied.outputs, alias, node)
    columns: list[Computed] = []
    for name, term in outputs:
        columns.append(Computed(Field(name, term.reference(catalog.ids.next())), term))
    source = Source(alias.name if alias is not None else "", tuple(c.field for c in columns))
    if tied.single and tied.correlated:
        asked = tuple(outer.id for outer, _ in tied.pairs if outer.id is not None)
        bare = len(asked) == len(tied.pairs) > 0
        return Applied(tied.plan, source, tied.ties, tuple(columns), asked if bare else None, single=True)
    passed = [Computed(f, f.term) for f in tied.plan.fields if tied.correlated]
    return Applied(Project(tied.plan, (*passed, *columns), place(node)), source, tied.ties)


def _named(
    outputs: tuple[tuple[str, Term], ...], alias: exp.Expr | None, node: exp.Expr
) -> tuple[tuple[str, Term], ...]:
    if alias is None:
        return outputs
    refuse_other_parts(alias, "this", "columns")
    names = [column.name for column in alias.args.get("columns") or []]
    if names and len(names) != len(outputs):
        detail = f"The alias names {len(names)} columns of {len(outputs)}."
        raise GatewayError("unknown_column", detail, "Name each column once.", place(node))
    return tuple(zip(names, (term for _, term in outputs), strict=True)) if names else outputs
