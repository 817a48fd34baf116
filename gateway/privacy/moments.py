"""AVG, VAR, STDDEV, COVAR, CORR and REGR from shared noisy counts, centred sums, squares and products.

Each answer is an expression over the noisy integers of one cell; never a negative variance, never a correlation
beyond one, NULL where the count of values is not positive. Nothing here bounds or noises.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from sqlglot import exp

from gateway.catalog.types import DOUBLE
from gateway.privacy.partials import FixedPoint, Scaled
from gateway.sql.plan import AggregateKind
from gateway.sql.terms import cast, number
from gateway.sql.writing import copied

ONE_ARGUMENT = (
    AggregateKind.AVG,
    AggregateKind.VAR_POP,
    AggregateKind.VAR_SAMP,
    AggregateKind.STDDEV_POP,
    AggregateKind.STDDEV_SAMP,
)
PAIRS = (
    AggregateKind.COVAR_POP,
    AggregateKind.COVAR_SAMP,
    AggregateKind.CORR,
    AggregateKind.REGR_SLOPE,
    AggregateKind.REGR_INTERCEPT,
    AggregateKind.REGR_R2,
    AggregateKind.REGR_COUNT,
    AggregateKind.REGR_AVGX,
    AggregateKind.REGR_AVGY,
    AggregateKind.REGR_SXX,
    AggregateKind.REGR_SYY,
    AggregateKind.REGR_SXY,
)
"""Aggregates of (y, x) over the rows where both are there."""

SUMS = {
    AggregateKind.AVG: "y",
    AggregateKind.REGR_AVGX: "x",
    AggregateKind.REGR_AVGY: "y",
    AggregateKind.VAR_POP: "y yy",
    AggregateKind.VAR_SAMP: "y yy",
    AggregateKind.STDDEV_POP: "y yy",
    AggregateKind.STDDEV_SAMP: "y yy",
    AggregateKind.REGR_SXX: "x xx",
    AggregateKind.REGR_SYY: "y yy",
    AggregateKind.COVAR_POP: "x y xy",
    AggregateKind.COVAR_SAMP: "x y xy",
    AggregateKind.REGR_SXY: "x y xy",
    AggregateKind.REGR_SLOPE: "x y xx xy",
    AggregateKind.REGR_INTERCEPT: "x y xx xy",
    AggregateKind.CORR: "x y xx yy xy",
    AggregateKind.REGR_R2: "x y xx yy xy",
    AggregateKind.REGR_COUNT: "",
}
"""Which sums an aggregate is made of, besides the count; the one argument of the first five is y."""


@dataclass(frozen=True, slots=True)
class Summed:
    """A noisy sum by its column: of distances from the middle, or (`raw`) of values themselves."""

    column: str
    raw: bool


@dataclass(frozen=True, slots=True)
class Moments:
    """The noisy columns of one cell that describe one argument y, or two (y, x)."""

    count: str
    values: dict[str, FixedPoint]
    sums: dict[str, Summed]
    squares: dict[str, tuple[str, Scaled]]

    def answer(self, kind: AggregateKind) -> exp.Expr:
        """Return the aggregate as an expression over the noisy columns, DOUBLE, NULL where nothing was counted."""
        least = 1 if kind.value.endswith("_SAMP") else 0
        counted = exp.GT(this=exp.column(self.count), expression=exp.Literal.number(least))
        return exp.Case(ifs=[exp.If(this=counted, true=_ANSWERS[kind](self))])

    def n(self) -> exp.Expr:
        return cast(exp.column(self.count), DOUBLE)

    def sample(self) -> exp.Expr:
        """Return n / (n - 1)."""
        less = exp.Sub(this=self.n(), expression=_double(1))
        return exp.Div(this=self.n(), expression=_paren(less))

    def _per_row(self, column: str) -> exp.Expr:
        return _paren(exp.Div(this=cast(exp.column(column), DOUBLE), expression=_nonzero(self.n())))

    def _distance(self, name: str) -> exp.Expr:
        """Return the mean distance from the middle, in steps."""
        sum_, value = self.sums[name], self.values[name]
        mean = self._per_row(sum_.column)
        if sum_.raw and value.middle:
            mean = _paren(exp.Sub(this=mean, expression=_double(value.middle)))
        return mean

    def mean(self, name: str) -> exp.Expr:
        """Return the mean, within the bounds of its values."""
        value, sum_ = self.values[name], self.sums[name]
        mean = self._per_row(sum_.column)
        if not sum_.raw and value.middle:
            mean = _paren(exp.Add(this=mean, expression=_double(value.middle)))
        scaled = _times(mean, _double(value.step))
        return _within(scaled, value.lo * value.step, value.hi * value.step)

    def variance(self, name: str) -> exp.Expr:
        """Return the variance over all rows: the mean square less the squared mean, within what bounds allow."""
        value = self.values[name]
        column, scaled = self.squares[name * 2]
        spread = exp.Sub(
            this=_paren(self._mean_product(column, scaled)),
            expression=_times(self._distance(name), self._distance(name)),
        )
        widest = (Fraction(value.hi - value.lo) * value.step / 2) ** 2
        return _within(_times(_paren(spread), _double(value.step**2)), Fraction(0), widest)

    def covariance(self) -> exp.Expr:
        x, y = self.values["x"], self.values["y"]
        column, scaled = self.squares["xy"]
        spread = exp.Sub(
            this=_paren(self._mean_product(column, scaled)), expression=_times(self._distance("x"), self._distance("y"))
        )
        widest = Fraction(x.hi - x.lo) * x.step * Fraction(y.hi - y.lo) * y.step / 4
        return _within(_times(_paren(spread), _double(x.step * y.step)), -widest, widest)

    def _mean_product(self, column: str, scaled: Scaled) -> exp.Expr:
        mean = self._per_row(column)
        if scaled.shift:
            mean = _times(mean, _double(2**scaled.shift))
        return exp.Add(this=mean, expression=_double(scaled.offset)) if scaled.offset else mean

    def intercept(self) -> exp.Expr:
        fitted = _times(self.slope(), self.mean("x"))
        return exp.Sub(this=_paren(self.mean("y")), expression=_paren(fitted))

    def slope(self) -> exp.Expr:
        return _paren(exp.Div(this=_paren(self.covariance()), expression=_nonzero(self.variance("x"))))

    def correlation(self) -> exp.Expr:
        spread = _times(exp.Sqrt(this=self.variance("x")), exp.Sqrt(this=self.variance("y")))
        ratio = exp.Div(this=_paren(self.covariance()), expression=_nonzero(spread))
        return _bounded(ratio, _nonzero(copied(spread)), Fraction(-1), Fraction(1))

    def explained(self) -> exp.Expr:
        """Return R squared: 1 where y does not vary, NULL where x does not (as SQL has it)."""
        still = exp.EQ(this=_paren(self.variance("y")), expression=_double(0))
        moving = exp.GT(this=_paren(self.variance("x")), expression=_double(0))
        squared = _times(self.correlation(), self.correlation())
        case = exp.Case(ifs=[exp.If(this=still, true=_double(1))], default=squared)
        return exp.Case(ifs=[exp.If(this=moving, true=case)])


def _double(value: Fraction | int) -> exp.Expr:
    return number(Fraction(value), DOUBLE)


def _paren(node: exp.Expr) -> exp.Expr:
    return exp.paren(node, copy=False)


def _times(a: exp.Expr, b: exp.Expr) -> exp.Expr:
    return _paren(exp.Mul(this=_paren(a), expression=_paren(b)))


def _nonzero(node: exp.Expr) -> exp.Expr:
    return exp.Nullif(this=node, expression=_double(0))


def _within(node: exp.Expr, lo: Fraction, hi: Fraction) -> exp.Expr:
    """Return a number that is not NULL within two bounds."""
    raised = exp.Greatest(this=node, expressions=[_double(lo)], ignore_nulls=True)
    return exp.Least(this=raised, expressions=[_double(hi)], ignore_nulls=True)


def _bounded(node: exp.Expr, asked: exp.Expr, lo: Fraction, hi: Fraction) -> exp.Expr:
    """Return a number within two bounds, NULL where what was `asked` is."""
    there = exp.Not(this=exp.Is(this=asked, expression=exp.Null()))
    return _paren(exp.Case(ifs=[exp.If(this=there, true=_within(node, lo, hi))]))


_ANSWERS: dict[AggregateKind, Callable[[Moments], exp.Expr]] = {
    AggregateKind.AVG: lambda m: m.mean("y"),
    AggregateKind.REGR_AVGY: lambda m: m.mean("y"),
    AggregateKind.REGR_AVGX: lambda m: m.mean("x"),
    AggregateKind.VAR_POP: lambda m: m.variance("y"),
    AggregateKind.VAR_SAMP: lambda m: _times(m.variance("y"), m.sample()),
    AggregateKind.STDDEV_POP: lambda m: exp.Sqrt(this=m.variance("y")),
    AggregateKind.STDDEV_SAMP: lambda m: exp.Sqrt(this=_times(m.variance("y"), m.sample())),
    AggregateKind.REGR_SXX: lambda m: _times(m.variance("x"), m.n()),
    AggregateKind.REGR_SYY: lambda m: _times(m.variance("y"), m.n()),
    AggregateKind.COVAR_POP: lambda m: m.covariance(),
    AggregateKind.COVAR_SAMP: lambda m: _times(m.covariance(), m.sample()),
    AggregateKind.REGR_SXY: lambda m: _times(m.covariance(), m.n()),
    AggregateKind.REGR_SLOPE: lambda m: m.slope(),
    AggregateKind.REGR_INTERCEPT: lambda m: m.intercept(),
    AggregateKind.CORR: lambda m: m.correlation(),
    AggregateKind.REGR_R2: lambda m: m.explained(),
}
