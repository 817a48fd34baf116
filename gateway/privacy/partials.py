"""Per-unit partial aggregates: integers, clamped to literals.

What is added up is made of whole numbers: a decimal or float becomes a multiple of its granularity, row by row. How far
a unit's whole vector reaches is said in norms; nothing here knows of keys or noise.
"""

import math
from dataclasses import dataclass, field, replace
from fractions import Fraction

from sqlglot import exp

from gateway.catalog.types import DOUBLE, INTEGER, TypeKind, decimal
from gateway.errors import GatewayError, Position
from gateway.privacy.measurement import Quantity
from gateway.sql.operators import as_double, digits_needed
from gateway.sql.ranges import Range, type_limits
from gateway.sql.terms import Term, cast, clamp, data_type, number, whole
from gateway.sql.writing import shown

MAX_PARTIAL = 2**50
"""A partial beyond this would drown in noise of its own making; the squares of 2^26 of them still fit 128 bits."""

FLOAT_STEPS = 2**24
"""Floats without a declared granularity are counted in at least this many steps over their range."""

UNBOUNDED_STEP = Fraction(1, 10**4)
"""Floats without granularity or bounds are counted in this: up to 1.1e11 either way."""

COUNTS = (Quantity.ROWS, Quantity.VALUES, Quantity.UNITS, Quantity.TRUTHS)
"""What counts rows; everything else adds up their values."""

HUGE = data_type("HUGEINT")

MAX_DIGITS = 38
"""Digits of the widest decimal of every engine."""


@dataclass(frozen=True, slots=True)
class Partial:
    """One partial aggregate: `row` is its integer value in each row (NULL: does not count).

    A unit's rows of one cell give their count or sum, clamped to [`lower`, `upper`]. `typical` is what a row is
    expected to add, `cancels` whether rows do so in both directions; `known` is False where the clamp is no declared
    bound, `one` is how many steps then make one.
    """

    quantity: Quantity
    row: exp.Expr
    lower: int
    upper: int
    typical: float = 1.0
    cancels: bool = False
    known: bool = True
    one: int = 1
    written: str = field(init=False, compare=False)
    """The text of `row`."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "written", shown(self.row))

    @property
    def linf(self) -> int:
        """The largest absolute value of a partial: the literals of its clamp and nothing else."""
        return max(-self.lower, self.upper)

    def identity(self) -> str:
        """Return what makes two partials of one measurement the same."""
        return f"{self.quantity}|{self.written}|{self.lower}|{self.upper}|{self.known}"


@dataclass(frozen=True, slots=True)
class FixedPoint:
    """A number as whole multiples of `step`: `node` in each row, within [`lo`, `hi`]; NULL where `nullable`.

    `known`: both ends are bounds of the policy or the SQL; else one is only what partials can hold.
    """

    node: exp.Expr
    step: Fraction
    lo: int
    hi: int
    nullable: bool
    known: bool

    @property
    def middle(self) -> int:
        """What values are centred on: the middle of the range; zero where that is not known."""
        return (self.lo + self.hi) // 2 if self.known else 0

    @property
    def reach(self) -> int:
        """The farthest that a value lies from the middle."""
        return max(self.hi - self.middle, self.middle - self.lo)

    @property
    def typical(self) -> float:
        """The size of a value that is expected: bounds are wide as a rule, so a quarter of the widest."""
        near = min(abs(self.lo), abs(self.hi)) if self.lo > 0 or self.hi < 0 else 0
        return max(max(abs(self.lo), abs(self.hi)) / 4, near, 1)


def fixed_point(term: Term, place: Position | None, *, bounded: bool = False) -> FixedPoint:
    """Return a numeric term as clamped integers.

    Where no bound is known, ends are at the largest partial. Raises GatewayError `no_bounds` if it must be `bounded`:
    squares and trees need a range.
    """
    step = _step(term)
    lo = None if term.range.lo is None else math.floor(term.range.lo / step)
    hi = None if term.range.hi is None else math.ceil(term.range.hi / step)
    known = lo is not None and hi is not None and max(abs(lo), abs(hi)) <= MAX_PARTIAL
    if bounded and not known:
        detail = "Nothing bounds this number closely enough for this aggregate."
        hint = "Clamp it in the SQL: LEAST(GREATEST(x, lowest), highest), or ask the provider for bounds."
        raise GatewayError("no_bounds", detail, hint, place or term.place)
    low = -MAX_PARTIAL if lo is None else min(max(lo, -MAX_PARTIAL), MAX_PARTIAL)
    high = MAX_PARTIAL if hi is None else max(min(hi, MAX_PARTIAL), -MAX_PARTIAL)
    held = replace(term, range=Range(low * step, high * step)) if not known else term
    nullable = term.nullable or term.type.kind is TypeKind.DOUBLE
    return FixedPoint(_whole(held, step, low, high), step, low, high, nullable, known)


def _step(term: Term) -> Fraction:
    if term.granularity is not None:
        return term.granularity
    if term.type.kind is not TypeKind.DOUBLE:
        return Fraction(1, 10**term.type.scale)
    if term.range.lo is None or term.range.hi is None:
        return UNBOUNDED_STEP
    width = max(abs(term.range.lo), abs(term.range.hi), Fraction(1, 10**9))
    return Fraction(10) ** math.floor(math.log10(width / FLOAT_STEPS))


def _whole(term: Term, step: Fraction, low: int, high: int) -> exp.Expr:
    """Return round(x / step) as BIGINT; NaN and infinities become NULL; clamped before the cast, so it cannot fail."""
    assert term.range.lo is not None and term.range.hi is not None  # noqa: PT018 - INVARIANT: closed by the caller
    if term.type == INTEGER and step == 1:
        return clamp(term.node, whole(low), whole(high))
    if term.type.kind is TypeKind.DECIMAL and (digits := _exact(term, step)) is not None:
        held = _held(term)
        precision = digits_needed(held, term.type.scale)
        if precision + digits + 1 > 18:  # DuckDB multiplies two narrow decimals in 18 digits, and raises beyond
            precision = max(precision, 19)
        ends = (None if end is None else number(end, term.type) for end in (held.lo, held.hi))
        narrow = cast(clamp(term.node, *ends), decimal(precision, term.type.scale))
        if digits == 0:
            return cast(narrow, INTEGER)
        factor = cast(exp.Literal.number(10**digits), decimal(digits + 1, 0))
        return cast(exp.Mul(this=exp.paren(narrow, copy=False), expression=factor), INTEGER)
    value = exp.paren(as_double(term), copy=False)
    lo_d, hi_d = number(term.range.lo, DOUBLE), number(term.range.hi, DOUBLE)
    inside = exp.paren(clamp(value, lo_d, hi_d), copy=False)
    scaled = exp.Round(this=exp.Div(this=inside, expression=number(step, DOUBLE)))
    finite = exp.func("ISFINITE", value)
    return exp.Case(ifs=[exp.If(this=finite, true=cast(scaled, INTEGER))])


def _exact(term: Term, step: Fraction) -> int | None:
    """Return the d for which a step is 10^-d, where decimals can count in it: casts round halves away from 0.

    None where one that is multiplied by 10^d could need more than an engine's 38 digits.
    """
    scale = term.type.scale
    digits = next((digits for digits in range(scale + 1) if step == Fraction(1, 10**digits)), None)
    largest = _held(term).magnitude()
    fits = digits is not None and largest is not None and largest * 10 ** (scale + digits) < 10**MAX_DIGITS
    return digits if fits else None


def _held(term: Term) -> Range:
    """Return the range in steps of the scale, within the type (the clamp outside is the one that counts)."""
    unit, limits = 10**term.type.scale, type_limits(term.type)
    assert term.range.lo is not None and term.range.hi is not None  # noqa: PT018 - INVARIANT: closed by the caller
    held = Range(Fraction(math.floor(term.range.lo * unit), unit), Fraction(math.ceil(term.range.hi * unit), unit))
    return held.meet(limits)


# -- conditions ---------------------------------------------------------------------------------------------------


def only_where(condition: exp.Expr | None, value: exp.Expr) -> exp.Expr:
    """Return `value` where the condition holds, else NULL."""
    if condition is None:
        return value
    return exp.Case(ifs=[exp.If(this=condition, true=value)])


def present(node: exp.Expr) -> exp.Expr:
    """Return the test that a value is not NULL."""
    null = exp.Is(this=exp.paren(node, copy=False), expression=exp.Null())
    return exp.paren(exp.Not(this=null), copy=False)


def all_present(values: tuple[FixedPoint, ...]) -> exp.Expr | None:
    """Return the test that none of the values is NULL; None where none can be."""
    tests = [present(value.node) for value in values if value.nullable]
    return exp.and_(*tests, copy=False) if tests else None


# -- counts -------------------------------------------------------------------------------------------------------


def count_rows(condition: exp.Expr | None, rows: int) -> Partial:
    return Partial(Quantity.ROWS, only_where(condition, exp.Literal.number(1)), 0, rows)


def count_values(term: Term, condition: exp.Expr | None, rows: int) -> Partial:
    """Return the count of non-NULL values (of rows, where the term cannot be NULL)."""
    if not term.nullable:
        return count_rows(condition, rows)
    one = only_where(present(term.node), exp.Literal.number(1))
    return Partial(Quantity.VALUES, only_where(condition, one), 0, rows)


def count_all_present(values: tuple[FixedPoint, ...], condition: exp.Expr | None, rows: int) -> Partial:
    """Return the count of the rows that an average or moment is made of (NaN and infinities are none)."""
    test = all_present(values)
    if test is None:
        return count_rows(condition, rows)
    one = only_where(test, exp.Literal.number(1))
    return Partial(Quantity.VALUES, only_where(condition, one), 0, rows)


def count_units(condition: exp.Expr | None) -> Partial:
    return Partial(Quantity.UNITS, only_where(condition, exp.Literal.number(1)), 0, 1)


def count_truths(term: Term, condition: exp.Expr | None, rows: int, *, sought: bool) -> Partial:
    """Return the count of rows in which a boolean is what is sought."""
    test = exp.paren(term.node, copy=False) if sought else exp.Not(this=exp.paren(term.node, copy=False))
    one = only_where(exp.paren(test, copy=False), exp.Literal.number(1))
    return Partial(Quantity.TRUTHS, only_where(condition, one), 0, rows)


# -- sums ---------------------------------------------------------------------------------------------------------


def total(value: FixedPoint, term: Term, test: exp.Expr | None, condition: exp.Expr | None, rows: int) -> Partial:
    """Return the sum of a unit's values, within the tighter of rows x bounds and the declared sum for one unit.

    `test` keeps the rows in which every value of a pair is there.
    """
    lower, upper = min(0, value.lo) * rows, max(0, value.hi) * rows
    known = value.known
    if term.per_unit_sum is not None:
        # a part of the rows (WHERE, FILTER) may add up to nothing, whatever all of them do
        lower = max(lower, min(0, math.floor(term.per_unit_sum[0] / value.step)))
        upper = min(upper, max(0, math.ceil(term.per_unit_sum[1] / value.step)))
        known = max(-lower, upper) <= MAX_PARTIAL
    row = only_where(condition, only_where(test, value.node))
    ends = _ends(lower, upper)
    return Partial(Quantity.SUM, row, *ends, typical=value.typical, known=known, one=_one(value.step))


def centred(value: FixedPoint, test: exp.Expr | None, condition: exp.Expr | None, rows: int) -> Partial:
    """Return the sum of distances from the middle of the range (in steps)."""
    row = only_where(condition, only_where(test, deviation(value)))
    reach = value.reach * rows
    typical = max(value.reach / 3, 1) if value.known else 1.0
    ends = _ends(-reach, reach)
    return Partial(
        Quantity.SUM, row, *ends, typical=typical, cancels=value.known, known=value.known, one=_one(value.step)
    )


def deviation(value: FixedPoint) -> exp.Expr:
    """Return the distance of a value from the middle of its range, in steps."""
    if value.middle == 0:
        return value.node
    middle = number(Fraction(value.middle), INTEGER)
    return exp.paren(exp.Sub(this=exp.paren(value.node, copy=False), expression=middle), copy=False)


def _one(step: Fraction) -> int:
    return max(1, round(1 / step))


def _ends(lower: int, upper: int) -> tuple[int, int]:
    """Return the clamp within what a partial holds, widened by one where it would be empty: noise needs a norm."""
    lower, upper = max(lower, -MAX_PARTIAL), min(upper, MAX_PARTIAL)
    return (lower, upper) if max(-lower, upper) > 0 else (0, 1)


# -- squares and products -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Size:
    """How many rows one unit has in a cell, and how many units are declared."""

    rows: int
    units: int


@dataclass(frozen=True, slots=True)
class Scaled:
    """How a released sum of squares or products is read: (sum * 2^shift) / n + `offset` is the mean, in steps."""

    shift: int
    offset: int


def squares(value: FixedPoint, test: exp.Expr | None, condition: exp.Expr | None, size: Size) -> tuple[Partial, Scaled]:
    """Return the sum of squared distances, each less half of the largest, so that its norm is half as wide."""
    top, shift = _shifted(value.reach**2, size.rows, size.units)
    half = top // 2
    node = _product(deviation(value), deviation(value), value.reach**2, value.reach)
    if shift:
        rounded = exp.paren(exp.Add(this=node, expression=exp.Literal.number(2 ** (shift - 1))), copy=False)
        node = exp.paren(exp.IntDiv(this=rounded, expression=exp.Literal.number(2**shift)), copy=False)
    row = cast(exp.Sub(this=node, expression=exp.Literal.number(half)), INTEGER)
    bound = max(half, top - half, 1) * size.rows
    part = Partial(
        Quantity.MOMENT, only_where(condition, only_where(test, row)), *_ends(-bound, bound), typical=max(half / 2, 1)
    )
    return part, Scaled(shift, half << shift)


def products(
    one: FixedPoint, other: FixedPoint, test: exp.Expr | None, condition: exp.Expr | None, size: Size
) -> tuple[Partial, Scaled]:
    """Return the sum of products of two distances, rounded towards zero where they are large."""
    largest = one.reach * other.reach
    top, shift = _shifted(largest, size.rows, size.units)
    node = _product(deviation(one), deviation(other), largest, max(one.reach, other.reach))
    if shift:
        node = exp.paren(exp.IntDiv(this=node, expression=exp.Literal.number(2**shift)), copy=False)
    row = only_where(condition, only_where(test, cast(node, INTEGER)))
    bound = max(top, 1) * size.rows
    return Partial(Quantity.MOMENT, row, *_ends(-bound, bound), typical=max(top / 9, 1), cancels=True), Scaled(shift, 0)


def _shifted(largest: int, rows: int, units: int) -> tuple[int, int]:
    """Return (largest in units of 2^shift, shift) such that `rows` of them of each unit fit into a total."""
    limit = min(MAX_PARTIAL, 2**61 // units)
    shift = 0
    while -(-largest // 2**shift) * rows > limit and largest >> shift:
        shift += 1
    return -(-largest // 2**shift), shift


def _product(a: exp.Expr, b: exp.Expr, largest: int, widest: int) -> exp.Expr:
    """Return a * b as integers that cannot overflow."""
    if max(largest, widest) >= 2**62:
        a = exp.Cast(this=a, to=HUGE.copy())
    product = exp.Mul(this=exp.paren(a, copy=False), expression=exp.paren(b, copy=False))
    return exp.paren(product, copy=False)


def count_distinct(term: Term, condition: exp.Expr | None, rows: int) -> Partial:
    """Return the count of distinct values, of which one unit brings at most `rows` to a cell."""
    node: exp.Expr = exp.paren(term.node, copy=False)
    if term.type.kind is TypeKind.DOUBLE:  # minus zero equals zero, and must be picked as it is
        zero = exp.EQ(this=node, expression=number(Fraction(0), DOUBLE))
        node = exp.Case(ifs=[exp.If(this=zero, true=number(Fraction(0), DOUBLE))], default=node)
    values = rows if term.domain is None or term.raw else max(min(rows, len(term.domain)), 1)
    return Partial(Quantity.DISTINCT, only_where(condition, node), 0, values)
