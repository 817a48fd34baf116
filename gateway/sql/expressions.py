"""The allow-list of expressions: one row for each syntax node that is understood. Any other is refused by name."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlglot import exp

from gateway.errors import GatewayError
from gateway.sql.parse import place, refuse_other_parts
from gateway.sql.refusals import UNANSWERED, suggestions
from gateway.sql.rows import Resolve, Rows
from gateway.sql.scope import Scope
from gateway.sql.spellings import spelled
from gateway.sql.table import (
    arithmetic,
    conditionals,
    conversions,
    dates,
    formats,
    intervals,
    literals,
    numbers,
    operators,
    patterns,
    texts,
)
from gateway.sql.terms import Term

TABLES: tuple[tuple[str, Rows], ...] = (
    ("Literals", literals.ROWS),
    ("Arithmetic", arithmetic.ROWS),
    ("Comparison and logic", operators.ROWS),
    ("Choices", conditionals.ROWS),
    ("Casts", conversions.ROWS),
    ("Numbers", numbers.ROWS),
    ("Texts", texts.ROWS),
    ("Patterns", patterns.ROWS),
    ("Dates and times", dates.ROWS),
    ("Date arithmetic", intervals.ROWS),
    ("Dates as texts", formats.ROWS),
)
"""The table of functions by noun; docs/functions.md is printed from it."""

ALLOWED: Rows = {kind: row for _, rows in TABLES for kind, row in rows.items()} | {exp.Escape: patterns.ESCAPE}

_REFUSED: Mapping[type[exp.Expr], tuple[str, str, str]] = {
    exp.Star: (
        "raw_rows",
        "A star reads whole rows.",
        "Name columns inside aggregates, for example COUNT(*).",
    ),
    exp.Columns: ("raw_rows", "COLUMNS(...) reads whole rows.", "Name columns inside aggregates."),
    exp.Window: (
        "window_across_owners",
        "A window function reads other people's rows.",
        "Use GROUP BY and aggregates.",
    ),
    exp.Subquery: (
        "subquery",
        "A subquery in an expression is not answered here.",
        "Join the tables along their keys.",
    ),
    exp.Select: (
        "subquery",
        "A subquery in an expression is not answered here.",
        "Join the tables along their keys.",
    ),
    exp.Exists: ("subquery", "EXISTS is not answered here.", "Join the tables along their keys."),
    exp.Any: ("subquery", "ANY is not answered here.", "Write IN (literals)."),
    exp.All: ("subquery", "ALL is not answered here.", "Compare with a literal."),
    exp.Placeholder: ("unsupported_sql", "Parameters are not bound here.", "Write the value as a literal."),
    exp.Parameter: ("unsupported_sql", "Parameters are not bound here.", "Write the value as a literal."),
    exp.Distinct: ("distinct", "DISTINCT is not answered here.", "Only COUNT(DISTINCT unit key) is."),
    exp.Filter: (
        "unsupported_sql",
        "FILTER stands after an aggregate that is not answered.",
        "Filter COUNT, SUM or AVG.",
    ),
}

_AGGREGATES = "COUNT(*), COUNT(x), COUNT(DISTINCT unit key), SUM(x) and AVG(x), each with FILTER"


def refused(node: exp.Expr) -> GatewayError:
    """Return the refusal of a node that is not on the allow-list, by its name in SQL."""
    if isinstance(node, tuple(_REFUSED)):
        code, detail, hint = next(row for kind, row in _REFUSED.items() if isinstance(node, kind))
        return GatewayError(code, detail, hint, place(node))
    name = node.name if isinstance(node, exp.Anonymous) else node.key
    if isinstance(node, exp.AggFunc):
        detail = f"The aggregate {name.upper()} is not answered."
        return GatewayError("unsupported_function", detail, f"Answered are {_AGGREGATES}.", place(node))
    if (reason := UNANSWERED.get(name.lower().replace("_", ""))) is not None:
        return GatewayError(
            "unsupported_function", f"{name.upper()} is not answered: {reason[0]}.", reason[1], place(node)
        )
    if isinstance(node, exp.Func):
        written = name if isinstance(node, exp.Anonymous) else node.sql_name()
        detail = f"The function {written.upper()} is not on the allow-list."
        return GatewayError(
            "unsupported_function", detail, suggestions(name, (kind.key for kind in ALLOWED)), place(node)
        )
    detail = f"{name.upper()} is not answered."
    return GatewayError("unsupported_sql", detail, "Leave it out, or write it with CASE and comparisons.", place(node))


@dataclass(frozen=True, slots=True)
class Resolver:
    """Resolves scalar expressions in one scope; aggregates are somebody else's."""

    scope: Scope

    def __call__(self, node: exp.Expr) -> Term:
        """Return the term of a scalar expression. Raises GatewayError by name and place for anything else."""
        if type(node) is exp.Column:
            refuse_other_parts(node, "this", "table", "db", "catalog")
            return replace(self.scope.column(node), place=place(node))
        if isinstance(node, exp.AggFunc | exp.Filter):
            if isinstance(node, exp.Count | exp.Sum | exp.Avg | exp.Filter):
                hint = "Aggregates stand in the SELECT list, HAVING or ORDER BY, and not inside one another."
                raise GatewayError(
                    "unsupported_sql",
                    "An aggregate stands where a value of one row is expected.",
                    hint,
                    place(node),
                )
            raise refused(node)
        return scalar(node, self)


_NEEDED: dict[type[exp.Expr], tuple[str, ...]] = {
    exp.DateFromParts: ("year", "month", "day"),
    exp.Replace: ("replacement",),
    exp.SplitPart: ("delimiter", "part_index"),
    exp.Translate: ("from_", "to"),
    exp.WidthBucket: ("min_value", "max_value", "num_buckets"),
}
"""Arguments that the parser takes for optional and that are not."""


def scalar(node: exp.Expr | None, resolve: Resolve) -> Term:
    """Return the term of one allowed node, its parts resolved by `resolve`; of None, which is an argument left out.

    Raises GatewayError by name and place.
    """
    if node is None:
        raise GatewayError("sql_syntax", "A function lacks an argument.", "Write every argument of it.")
    if isinstance(node, exp.Anonymous) and (known := spelled(node)) is not None:
        return replace(scalar(known, resolve), place=place(node))
    row = ALLOWED.get(type(node))
    if row is None:
        raise refused(node)
    refuse_other_parts(node, *row.parts)
    parts = [*(part for part, needed in node.arg_types.items() if needed), *_NEEDED.get(type(node), ())]
    if any(node.args.get(part) is None for part in parts):
        hint = "Write every argument of it."
        raise GatewayError("sql_syntax", f"{node.key.upper()} lacks an argument.", hint, place(node))
    term = row.handler(node, resolve)
    return replace(term, place=place(node))
