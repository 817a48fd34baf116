"""Names of the SELECT list: stars, and what ORDER BY and HAVING may call by its alias."""

from dataclasses import dataclass

from sqlglot import exp

from gateway.errors import GatewayError
from gateway.sql.aggregates import Grouping
from gateway.sql.expressions import scalar
from gateway.sql.parse import refuse_other_parts
from gateway.sql.rows import Resolve
from gateway.sql.terms import Term


def star_of(item: exp.Expr) -> str | None:
    """Return the table of `t.*`, an empty text for a bare `*`, and None for anything else."""
    if isinstance(item, exp.Star):
        refuse_other_parts(item)
        return ""
    if isinstance(item, exp.Column) and isinstance(item.this, exp.Star):
        refuse_other_parts(item.this)
        refuse_other_parts(item, "this", "table")
        return item.table
    return None


@dataclass(frozen=True, slots=True)
class Outputs:
    """Names of HAVING and ORDER BY: an output column first, else what stands below."""

    named: dict[str, Term]
    below: Resolve

    def __call__(self, node: exp.Expr) -> Term:
        if isinstance(node, exp.Column) and not node.table and node.name.casefold() in self.named:
            return self.named[node.name.casefold()]
        if isinstance(node, exp.Column):
            return self.below(node)
        if isinstance(self.below, Grouping) and isinstance(node, exp.AggFunc | exp.Filter | exp.Window):
            return self.below(node)
        try:
            return self.below(node)
        except GatewayError:
            return scalar(node, self)
