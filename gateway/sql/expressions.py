"""The allow-list of expressions: one row for each syntax node that is understood. Any other is refused by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlglot import exp

from gateway.errors import GatewayError
from gateway.sql import conditionals, conversions, dates, literals, operators, texts
from gateway.sql.operators import Resolve
from gateway.sql.parse import place, refuse_other_parts
from gateway.sql.scope import Scope
from gateway.sql.terms import Term


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the allow-list: the handler, and the parts of the node that it reads."""

    handler: Callable[[Any, Resolve], Term]
    parts: tuple[str, ...] = ("this", "expression")


_ARITHMETIC = Row(operators.arithmetic)
_COMPARISON = Row(operators.comparison)
_CONNECTOR = Row(operators.connector)
_TEXT = Row(texts.text_function, ("this",))
_TRUNCATION = Row(dates.truncation, ("this", "unit"))
_DATE_FIELD = Row(dates.field_of_date)
_CAST = Row(conversions.conversion, ("this", "to", "safe"))
_EXTREME = Row(conditionals.extreme, ("this", "expressions", "ignore_nulls"))

ALLOWED: Mapping[type[exp.Expr], Row] = {
    exp.Literal: Row(literals.literal, ("this", "is_string")),
    exp.Null: Row(literals.null),
    exp.Boolean: Row(literals.boolean),
    exp.Paren: Row(literals.paren),
    exp.Add: _ARITHMETIC,
    exp.Sub: _ARITHMETIC,
    exp.Mul: _ARITHMETIC,
    exp.Div: Row(operators.division, ("this", "expression", "typed", "safe")),
    exp.IntDiv: Row(operators.whole_division),
    exp.Mod: Row(operators.modulo),
    exp.Neg: Row(operators.negation),
    exp.EQ: _COMPARISON,
    exp.NEQ: _COMPARISON,
    exp.LT: _COMPARISON,
    exp.LTE: _COMPARISON,
    exp.GT: _COMPARISON,
    exp.GTE: _COMPARISON,
    exp.NullSafeEQ: _COMPARISON,
    exp.NullSafeNEQ: _COMPARISON,
    exp.And: _CONNECTOR,
    exp.Or: _CONNECTOR,
    exp.Not: Row(operators.negated),
    exp.Is: Row(operators.is_test),
    exp.In: Row(operators.membership, ("this", "expressions", "query", "unnest", "field")),
    exp.Between: Row(operators.between, ("this", "low", "high")),
    exp.Like: Row(operators.like),
    exp.ILike: Row(operators.like),
    exp.Case: Row(conditionals.case, ("this", "ifs", "default")),
    exp.If: Row(conditionals.if_function, ("this", "true", "false")),
    exp.Coalesce: Row(conditionals.coalesce, ("this", "expressions", "is_null", "is_nvl")),
    exp.Nullif: Row(conditionals.nullif),
    exp.Greatest: _EXTREME,
    exp.Least: _EXTREME,
    exp.Cast: _CAST,
    exp.TryCast: _CAST,
    exp.Abs: Row(conversions.absolute, ("this",)),
    exp.Round: Row(conversions.rounding, ("this", "decimals")),
    exp.Floor: Row(conversions.floor_or_ceil, ("this",)),
    exp.Ceil: Row(conversions.floor_or_ceil, ("this",)),
    exp.Lower: _TEXT,
    exp.Upper: _TEXT,
    exp.Trim: _TEXT,
    exp.Length: Row(texts.length, ("this",)),
    exp.Substring: Row(texts.substring, ("this", "start", "length", "zero_start")),
    exp.DPipe: Row(texts.concatenation, ("this", "expression", "safe")),
    exp.TimestampTrunc: _TRUNCATION,
    exp.DateTrunc: Row(dates.truncation, ("this", "unit", "unabbreviate")),
    exp.Extract: _DATE_FIELD,
    exp.Year: _DATE_FIELD,
    exp.Quarter: _DATE_FIELD,
    exp.Month: _DATE_FIELD,
    exp.Day: _DATE_FIELD,
}

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
    if isinstance(node, exp.Func):
        known = sorted({kind.key.upper() for kind in ALLOWED if issubclass(kind, exp.Func)})
        detail = f"The function {name.upper()} is not on the allow-list."
        return GatewayError("unsupported_function", detail, f"Allowed are {', '.join(known)}.", place(node))
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


def scalar(node: exp.Expr, resolve: Resolve) -> Term:
    """Return the term of one allowed node, its parts resolved by `resolve`."""
    row = ALLOWED.get(type(node))
    if row is None:
        raise refused(node)
    refuse_other_parts(node, *row.parts)
    if any(needed and node.args.get(part) is None for part, needed in node.arg_types.items()):
        hint = "Write every argument of it."
        raise GatewayError("sql_syntax", f"{node.key.upper()} lacks an argument.", hint, place(node))
    term = row.handler(node, resolve)
    return replace(term, place=place(node))
