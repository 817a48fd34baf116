"""The rules by which an expression is written for Spark: a node or function without one is refused by name."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from sqlglot import exp

from gateway.dialects import aggregates as alike
from gateway.dialects import operators
from gateway.dialects.operators import Write
from gateway.dialects.spark import aggregates, arithmetic, casts, dates, numbers, texts
from gateway.dialects.typed import Typed, refused

Rule = Callable[[Any, Write], Typed]

NODES: Mapping[type[Any], Rule] = {
    exp.Literal: operators.literal,
    exp.Boolean: operators.truth,
    exp.Null: operators.null,
    exp.Paren: operators.parenthesis,
    **dict.fromkeys((exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE), operators.comparison),
    **dict.fromkeys((exp.NullSafeEQ, exp.NullSafeNEQ), operators.comparison),
    **dict.fromkeys((exp.And, exp.Or), operators.connected),
    exp.Not: operators.negated,
    exp.Is: operators.tested,
    exp.In: operators.member,
    exp.Between: operators.between,
    **dict.fromkeys((exp.Add, exp.Sub, exp.Mul), arithmetic.arithmetic),
    exp.Neg: arithmetic.opposite,
    exp.Div: arithmetic.division,
    exp.IntDiv: arithmetic.whole_division,
    exp.Mod: arithmetic.remainder,
    exp.Case: operators.chosen,
    exp.Coalesce: operators.coalesced,
    exp.Nullif: operators.nullif,
    **dict.fromkeys((exp.Greatest, exp.Least), operators.extreme),
    **dict.fromkeys((exp.Cast, exp.TryCast), casts.conversion),
    exp.Abs: numbers.absolute,
    exp.Sign: numbers.sign,
    exp.Sqrt: lambda node, write: numbers.square_root([node.this], write),
    exp.IsNan: lambda node, write: numbers.not_a_number(node.this, write),
    exp.IsInf: lambda node, write: numbers.infinite(node.this, write),
    exp.Floor: numbers.edge,
    exp.Ceil: numbers.edge,
    exp.Round: numbers.rounded,
    exp.Trunc: lambda node, write: numbers.truncated(node.this, node.args.get("decimals"), write),
    exp.TimestampTrunc: dates.truncated,
    exp.Extract: dates.field,
    exp.Length: texts.length,
    exp.MD5: texts.digest,
    exp.DPipe: texts.joined,
    exp.Like: texts.like,
    exp.ILike: texts.like_any_case,
    **dict.fromkeys((exp.Lower, exp.Upper), texts.changed),
    exp.Count: alike.count,
    exp.Sum: aggregates.total,
    **dict.fromkeys((exp.Min, exp.Max), alike.least),
    **dict.fromkeys((exp.LogicalAnd, exp.LogicalOr), alike.every),
    exp.Filter: alike.filtered,
    exp.Window: aggregates.over,
}

FUNCTIONS: Mapping[str, Callable[[list[exp.Expr], Write], Typed]] = {
    "ISFINITE": lambda arguments, write: numbers.finite(arguments[0], write),
    "SQRT": numbers.square_root,
    "TRUNC": lambda given, write: numbers.truncated(given[0], given[1] if len(given) > 1 else None, write),
    "DEGREES": numbers.scaled(180 / math.pi),
    "RADIANS": numbers.scaled(math.pi / 180),
    "DATE_DIFF": dates.difference,
    "LAST_DAY": dates.month_end,
    "MAKE_DATE": dates.made,
    "EPOCH_US": dates.microseconds,
    "TO_MONTHS": dates.months,
    "TO_DAYS": dates.days,
    "TO_MICROSECONDS": dates.micros,
    "STRFTIME": dates.formatted,
    "TRIM": texts.trimmed("BOTH"),
    "LTRIM": texts.trimmed("LEADING"),
    "RTRIM": texts.trimmed("TRAILING"),
    "SUBSTRING": texts.part,
    "LEFT": texts.end("LEFT"),
    "RIGHT": texts.end("RIGHT"),
    "SPLIT_PART": texts.split,
    "STARTS_WITH": texts.test("STARTSWITH"),
    "SUFFIX": texts.test("ENDSWITH"),
    "CONTAINS": texts.test("CONTAINS"),
    "STRPOS": texts.place,
    "ASCII": texts.code,
    "REPLACE": texts.plain("REPLACE"),
    "TRANSLATE": texts.plain("TRANSLATE"),
    "CONCAT_WS": texts.plain("CONCAT_WS"),
    "LPAD": texts.padded("LPAD"),
    "RPAD": texts.padded("RPAD"),
}

_WORDS: Mapping[type[Any], str] = {
    exp.Log: "A logarithm",
    exp.Avg: "AVG of floating point numbers",
}
_INSTEAD = {
    "REGEXP_MATCHES": "Use LIKE, starts_with, contains or split_part.",
    "AVG of floating point numbers": "Average integers or decimals: CAST(x AS DECIMAL(18, s)).",
}


def expression(node: exp.Expr, write: Write) -> Typed:
    """Return an expression written for Spark. Raises Unanswered by name."""
    if isinstance(node, exp.Anonymous):
        rule = FUNCTIONS.get(node.name.upper())
        if rule is None:
            raise refused(node.name.upper(), _INSTEAD.get(node.name.upper(), ""))
        return rule(node.expressions, write)
    known = NODES.get(type(node))
    if known is None:
        name = _WORDS.get(type(node)) or (node.sql_name() if isinstance(node, exp.Func) else node.key.upper())
        raise refused(name, _INSTEAD.get(name, ""))
    return known(node, write)
