"""The rules by which an expression is written for Spark: a node or function without one is refused by name."""

import math
from collections.abc import Mapping
from typing import Any

from sqlglot import exp

from gateway.dialects import aggregates as alike
from gateway.dialects import operators
from gateway.dialects import texts as alike_texts
from gateway.dialects.rules import NodeRule, Rule, Rules
from gateway.dialects.spark import aggregates, arithmetic, casts, dates, numbers, texts

_NODES: Mapping[type[Any], NodeRule] = {
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
    exp.MD5: alike_texts.digest,
    exp.DPipe: alike_texts.joined,
    exp.Like: alike_texts.like,
    exp.ILike: texts.like_any_case,
    **dict.fromkeys((exp.Lower, exp.Upper), texts.changed),
    exp.Count: alike.count,
    exp.Sum: aggregates.total,
    **dict.fromkeys((exp.Min, exp.Max), alike.least),
    **dict.fromkeys((exp.LogicalAnd, exp.LogicalOr), alike.every),
    exp.Filter: alike.filtered,
    exp.Window: aggregates.over,
}

_FUNCTIONS: Mapping[str, Rule] = {
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
    "TRIM": alike_texts.trimmed("BOTH"),
    "LTRIM": alike_texts.trimmed("LEADING"),
    "RTRIM": alike_texts.trimmed("TRAILING"),
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
    "LPAD": alike_texts.padded("LPAD"),
    "RPAD": alike_texts.padded("RPAD"),
}

expression = Rules(_NODES, _FUNCTIONS)
"""Returns an expression written for Spark. Raises Unanswered by name."""
