"""The rules by which an expression is written for PostgreSQL: a node or function without one is refused by name."""

import math
from collections.abc import Mapping
from typing import Any

from sqlglot import exp

from gateway.dialects import aggregates, operators
from gateway.dialects import texts as alike_texts
from gateway.dialects.postgres import arithmetic, casts, choices, dates, numbers, sums, texts
from gateway.dialects.rules import NodeRule, Rule, Rules

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
    exp.Case: choices.chosen,
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
    exp.TimestampTrunc: dates.truncated,
    exp.Extract: dates.field,
    exp.Length: texts.length,
    exp.MD5: alike_texts.digest,
    exp.DPipe: alike_texts.joined,
    exp.Like: alike_texts.like,
    exp.ILike: texts.like_any_case,
    **dict.fromkeys((exp.Lower, exp.Upper), texts.changed),
    exp.Count: aggregates.count,
    exp.Sum: sums.total,
    **dict.fromkeys((exp.Min, exp.Max), aggregates.least),
    **dict.fromkeys((exp.LogicalAnd, exp.LogicalOr), aggregates.every),
    exp.Filter: aggregates.filtered,
    exp.Window: aggregates.window,
}

_FUNCTIONS: Mapping[str, Rule] = {
    "ISFINITE": lambda arguments, write: numbers.finite(arguments[0], write),
    "SQRT": numbers.square_root,
    "TRUNC": numbers.truncated,
    "POWER": numbers.power,
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
    "LEFT": texts.plain("LEFT", 1),
    "RIGHT": texts.plain("RIGHT", 1),
    "SPLIT_PART": texts.plain("SPLIT_PART", 1),
    "STARTS_WITH": texts.begins,
    "SUFFIX": texts.ends,
    "CONTAINS": texts.holds,
    "STRPOS": texts.place,
    "ASCII": texts.code,
    "REPLACE": texts.plain("REPLACE"),
    "TRANSLATE": texts.plain("TRANSLATE"),
    "CONCAT_WS": texts.plain("CONCAT_WS"),
    "LPAD": alike_texts.padded("LPAD"),
    "RPAD": alike_texts.padded("RPAD"),
}

expression = Rules(_NODES, _FUNCTIONS)
"""Returns an expression written for PostgreSQL. Raises Unanswered by name."""
