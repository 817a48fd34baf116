"""Per-unit partial aggregates: integers, clamped to literals that are the only source of sensitivity.

What is added up is made of whole numbers: a decimal or float becomes a multiple of its granularity, row by row.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from sqlglot import exp

from gateway.catalog.types import DOUBLE, INTEGER, TypeKind, decimal
from gateway.errors import GatewayError, Position
from gateway.privacy.measurement import Quantity
from gateway.sql.operators import as_double, digits_needed
from gateway.sql.ranges import Range, type_limits
from gateway.sql.terms import Term, cast, clamp, number, whole

MAX_PARTIAL = 2**53
"""A partial beyond this would drown in noise of its own making and near the limits of i64."""

FLOAT_STEPS = 2**24
"""Floats without a declared granularity are counted in at least this many steps over their range."""


class Combine(StrEnum):
    """How a unit's rows in one cell become its partial."""

    COUNT = "count"
    SUM = "sum"
    CENTRED = "centred"


@dataclass(frozen=True, slots=True)
class Partial:
    """One partial aggregate: `row` is its integer value in each row (NULL: does not count).

    `rows` scales a centred sum of more rows than that; the result is clamped to [`lower`, `upper`].
    """

    quantity: Quantity
    combine: Combine
    row: exp.Expr
    rows: int
    lower: int
    upper: int

    def identity(self) -> str:
        """Return what makes two partials the same: everything."""
        row = self.row.sql("duckdb", copy=False)
        return f"{self.quantity}|{self.combine}|{row}|{self.rows}|{self.lower}|{self.upper}"


@dataclass(frozen=True, slots=True)
class FixedPoint:
    """A number as whole multiples of `step`: `node` in each row, within [`lo`, `hi`]."""

    node: exp.Expr
    step: Fraction
    lo: int
    hi: int


def fixed_point(term: Term, place: Position | None) -> FixedPoint:
    """Return a numeric term as clamped integers.

    Raises GatewayError `no_bounds` where no bound is known: nothing is clamped at a figure the data would give.
    """
    if term.range.lo is None or term.range.hi is None:
        detail = "Nothing bounds this number, so one person could move its sum without limit."
        hint = "Clamp it in the SQL: LEAST(GREATEST(x, lowest), highest), or ask the provider for bounds."
        raise GatewayError("no_bounds", detail, hint, place or term.place)
    step = _step(term)
    lo, hi = math.floor(term.range.lo / step), math.ceil(term.range.hi / step)
    if max(abs(lo), abs(hi)) > MAX_PARTIAL:
        detail = "The bounds of this number are too wide for its granularity."
        raise GatewayError("no_bounds", detail, "Clamp it tighter, or ROUND it coarser.", place or term.place)
    return FixedPoint(clamp(_whole(term, step), whole(lo), whole(hi)), step, lo, hi)


def _step(term: Term) -> Fraction:
    if term.granularity is not None:
        return term.granularity
    if term.type.kind is not TypeKind.DOUBLE:
        return Fraction(1, 10**term.type.scale)
    assert term.range.lo is not None and term.range.hi is not None  # noqa: PT018 - INVARIANT: checked by the caller
    width = max(abs(term.range.lo), abs(term.range.hi), Fraction(1, 10**9))
    return Fraction(10) ** math.floor(math.log10(width / FLOAT_STEPS))


def _whole(term: Term, step: Fraction) -> exp.Expr:
    """Return round(x / step) as BIGINT; NaN and infinities become NULL; clamped before the cast, so it cannot fail."""
    assert term.range.lo is not None and term.range.hi is not None  # noqa: PT018 - INVARIANT: checked by the caller
    if term.type == INTEGER and step == 1:
        return exp.paren(term.node.copy(), copy=False)
    if term.type.kind is TypeKind.DECIMAL and step == Fraction(1, 10**term.type.scale):
        held = _held(term)
        precision = digits_needed(held, term.type.scale)
        ends = (None if end is None else number(end, term.type) for end in (held.lo, held.hi))
        narrow = cast(clamp(term.node, *ends), decimal(precision, term.type.scale))
        factor = cast(exp.Literal.number(10**term.type.scale), decimal(term.type.scale + 1, 0))
        return cast(exp.Mul(this=exp.paren(narrow, copy=False), expression=factor), INTEGER)
    value = exp.paren(as_double(term), copy=False)
    lo_d, hi_d = number(term.range.lo, DOUBLE), number(term.range.hi, DOUBLE)
    inside = exp.paren(clamp(value, lo_d, hi_d), copy=False)
    scaled = exp.Round(this=exp.Div(this=inside, expression=number(step, DOUBLE)))
    finite = exp.func("ISFINITE", value.copy())
    return exp.Case(ifs=[exp.If(this=finite, true=cast(scaled, INTEGER))])


def _held(term: Term) -> Range:
    """Return the range in steps of the scale, within the type (the clamp outside is the one that counts)."""
    unit, limits = 10**term.type.scale, type_limits(term.type)
    assert term.range.lo is not None and term.range.hi is not None  # noqa: PT018 - INVARIANT: checked by the caller
    held = Range(Fraction(math.floor(term.range.lo * unit), unit), Fraction(math.ceil(term.range.hi * unit), unit))
    return held.meet(limits)


def only_where(condition: exp.Expr | None, value: exp.Expr) -> exp.Expr:
    """Return `value` where the condition holds, else NULL."""
    if condition is None:
        return value
    return exp.Case(ifs=[exp.If(this=condition.copy(), true=value)])


def count_rows(condition: exp.Expr | None, rows: int) -> Partial:
    one = exp.Literal.number(1)
    return Partial(Quantity.ROWS, Combine.COUNT, only_where(condition, one), rows, 0, rows)


def count_values(term: Term, condition: exp.Expr | None, rows: int) -> Partial:
    """Return the count of non-NULL values (of rows, where the term cannot be NULL)."""
    if not term.nullable:
        return count_rows(condition, rows)
    present = exp.Not(this=exp.Is(this=exp.paren(term.node.copy(), copy=False), expression=exp.Null()))
    one = only_where(exp.paren(present, copy=False), exp.Literal.number(1))
    return Partial(Quantity.VALUES, Combine.COUNT, only_where(condition, one), rows, 0, rows)


def count_finite(value: FixedPoint, term: Term, condition: exp.Expr | None, rows: int) -> Partial:
    """Return the count of the values that a sum or average adds up (NaN and infinities are none)."""
    if term.type.kind is not TypeKind.DOUBLE:
        return count_values(term, condition, rows)
    present = exp.Not(this=exp.Is(this=exp.paren(value.node.copy(), copy=False), expression=exp.Null()))
    one = only_where(exp.paren(present, copy=False), exp.Literal.number(1))
    return Partial(Quantity.VALUES, Combine.COUNT, only_where(condition, one), rows, 0, rows)


def count_units(condition: exp.Expr | None) -> Partial:
    one = exp.Literal.number(1)
    return Partial(Quantity.UNITS, Combine.COUNT, only_where(condition, one), 1, 0, 1)


def total(value: FixedPoint, term: Term, condition: exp.Expr | None, rows: int) -> Partial:
    """Return the sum of a unit's values, within the tighter of rows x bounds and the declared sum for one unit."""
    lower, upper = min(0, value.lo) * rows, max(0, value.hi) * rows
    if term.per_unit_sum is not None:
        # a part of the rows (WHERE, FILTER) may add up to nothing, whatever all of them do
        lower = max(lower, min(0, math.floor(term.per_unit_sum[0] / value.step)))
        upper = min(upper, max(0, math.ceil(term.per_unit_sum[1] / value.step)))
    return Partial(Quantity.SUM, Combine.SUM, only_where(condition, value.node.copy()), rows, *_nonempty(lower, upper))


def centred(value: FixedPoint, condition: exp.Expr | None, rows: int) -> tuple[Partial, int]:
    """Return the sum of distances from the middle of the range, and that middle (in steps)."""
    middle = (value.lo + value.hi) // 2
    reach = max(value.hi - middle, middle - value.lo) * rows
    shifted = exp.Sub(this=exp.paren(value.node.copy(), copy=False), expression=number(Fraction(middle), INTEGER))
    row = only_where(condition, exp.paren(shifted, copy=False))
    return Partial(Quantity.SUM, Combine.CENTRED, row, rows, *_nonempty(-reach, reach)), middle


def _nonempty(lower: int, upper: int) -> tuple[int, int]:
    """Return the clamp, widened by one where it would be empty: noise needs a positive sensitivity."""
    return (lower, upper) if max(-lower, upper) > 0 else (0, 1)
