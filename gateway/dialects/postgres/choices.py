"""CASE in PostgreSQL's words: clamps, and places among limits, by functions that read their number once.

The server writes a subquery's column out wherever it is read: what a CASE names three times is computed three times,
and clamps of clamps nine times. The functions are those behind MIN and MAX; all of them are NULL of NULL.
"""

import re
from dataclasses import replace
from decimal import Decimal

from sqlglot import exp

from gateway.dialects import operators
from gateway.dialects.operators import Write
from gateway.dialects.typed import WHOLE, Kind, Typed, call, cast, data_type, number

_FUNCTIONS = {
    Kind.INT: "INT4",
    Kind.BIGINT: "INT8",
    Kind.HUGE: "NUMERIC_",
    Kind.DECIMAL: "NUMERIC_",
    Kind.DOUBLE: "FLOAT8",
    Kind.DATE: "DATE_",
    Kind.TIMESTAMP: "TIMESTAMP_",
}
"""What the names of a type's two functions begin with: `...LARGER(a, b)` and `...SMALLER(a, b)`."""

_NUMBER = re.compile(r"-?\d+(\.\d*)?(e[+-]?\d+)?", re.IGNORECASE)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d(\.\d+)?)?")

FEWEST = 4
"""Limits from which on a place is searched for: among fewer a CASE is as good."""


def chosen(node: exp.Case, write: Write) -> Typed:
    """Return CASE WHEN."""
    made = _clamped(node, write) if operators.is_clamp(node) else _placed(node, write)
    return made or operators.chosen(node, write)


def _clamped(node: exp.Case, write: Write) -> Typed | None:
    """Return a clamp between two literals; None where they are not in order, or the three not of one type.

    LARGER(lo, x) is lo where lo > x, else x; SMALLER(hi, x) is hi where hi < x, else x: what CASE gives also of -0.0
    beside 0.0, and of NaN, which is above every other number.
    """
    ends = [branch.args["true"] for branch in node.args["ifs"]]
    if not _in_order(*ends):
        return None
    low, high = map(write, ends)
    value = write(node.args["default"])
    if Kind.NULL in (low.kind, high.kind, value.kind):
        return None
    known = operators.clamped(low, high, value)
    name = _FUNCTIONS.get(known.kind)
    lo, hi, inner = (_in_type(one, known.kind) for one in (low, high, value))
    if name is None or lo is None or hi is None or inner is None:
        return None
    return replace(known, node=call(f"{name}SMALLER", hi, call(f"{name}LARGER", lo, inner)))


def _in_type(one: Typed, kind: Kind) -> exp.Expr | None:
    """Return a value in exactly the type that a function takes; None where it cannot be without a change."""
    if one.kind is kind or (one.kind, kind) == (Kind.HUGE, Kind.DECIMAL):
        return one.node
    if one.kind in WHOLE and kind in (Kind.BIGINT, Kind.HUGE, Kind.DECIMAL):
        return cast(one.node, Kind.HUGE if kind is Kind.DECIMAL else kind)
    return None


def _in_order(low: exp.Expr, high: exp.Expr) -> bool:
    """Tell whether two literals are in order; what is rounded to their type stays so."""
    first, second = _literal(low), _literal(high)
    if isinstance(first, Decimal) and isinstance(second, Decimal):
        return not first.is_nan() and not second.is_nan() and first <= second
    return isinstance(first, str) and isinstance(second, str) and first <= second


def _literal(node: exp.Expr) -> Decimal | str | None:
    """Return the number of a literal; of a day or a moment its text, which is in order as they are."""
    match node:
        case exp.Cast() | exp.Paren():
            return _literal(node.this)
        case exp.Neg():
            inner = _literal(node.this)
            return -inner if isinstance(inner, Decimal) else None
        case exp.Literal() if _NUMBER.fullmatch(node.name):
            return Decimal(node.name)
        case exp.Literal() if _MOMENT.fullmatch(node.name):
            return node.name
        case _:
            return None


# -- places -----------------------------------------------------------------------------------------------------------


def _placed(node: exp.Case, write: Write) -> Typed | None:
    """Return CASE WHEN x <= a THEN 0 WHEN x <= b THEN 1 ... ELSE n END as a search; None for anything else.

    WIDTH_BUCKET tells how many limits a number has reached: of a whole one, those that are one more.
    """
    limits = _limits(node)
    value = write(node.args["ifs"][0].this.this) if len(limits) >= FEWEST else None
    if value is None or value.kind not in WHOLE:
        return None
    kind = Kind.HUGE if value.kind is Kind.HUGE or limits[-1] + 1 >= 2**63 else Kind.BIGINT
    inner = value.node if value.kind is kind else cast(value.node, kind)
    array = exp.DataType(this=exp.DType.ARRAY, expressions=[data_type(kind)], nested=True)
    text = exp.Literal.string(f"{{{','.join(str(limit + 1) for limit in limits)}}}")
    last = len(limits)
    place = call("WIDTH_BUCKET", inner, exp.Cast(this=text, to=array))
    built = exp.Coalesce(this=place, expressions=[number(last)])  # a NULL has passed no test
    return Typed(built, Kind.INT, reach=float(last), least=1.0, natural=True)


def _limits(node: exp.Case) -> list[int]:
    """Return the limits of places that are counted from 0, in order; none where anything is otherwise."""
    found: list[int] = []
    for place, branch in enumerate(node.args["ifs"]):
        test, first = branch.this, node.args["ifs"][0].this
        if not (isinstance(test, exp.LTE) and test.this == first.this and _is(branch.args["true"], place)):
            return []
        limit = test.expression
        if not (isinstance(limit, exp.Literal) and limit.is_int and (not found or int(limit.name) > found[-1])):
            return []
        found.append(int(limit.name))
    return found if _is(node.args.get("default"), len(found)) else []


def _is(node: exp.Expr | None, value: int) -> bool:
    return isinstance(node, exp.Literal) and not node.is_string and node.name == str(value)
