"""Which primitives the aggregates of a measurement are made of, each once, and how each answer is computed from them.

An answer is an expression over the noisy table's columns: integers `p0..` in steps, quantiles `p3_0..` in ones.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction

from sqlglot import exp

from gateway.catalog.types import BOOLEAN, DOUBLE, INTEGER, SqlType, TypeKind, decimal
from gateway.errors import GatewayError
from gateway.privacy import moments, partials, trees
from gateway.privacy.moments import Moments, Summed
from gateway.privacy.partials import FixedPoint, Partial
from gateway.privacy.relations import Owned
from gateway.privacy.trees import TreePart
from gateway.sql.plan import AggregateCall, AggregateKind
from gateway.sql.terms import Term, cast, number
from gateway.sql.writing import reference, shown


@dataclass(frozen=True, slots=True)
class Output:
    """How an aggregate is computed from the noisy columns of its cell.

    `primitive` and `factor` are set where it is a plain multiple of one of them, `average` where it is a mean.
    """

    column: str
    expression: exp.Expr
    type: SqlType
    primitive: str | None
    factor: str
    average: "Average | None" = None


@dataclass(frozen=True, slots=True)
class Average:
    """A mean: the primitives of its sum and count, its step as decimal text, and a value's expected size in steps."""

    total: str
    count: str
    step: str
    typical: float


_QUANTILES = (AggregateKind.QUANTILE_CONT, AggregateKind.QUANTILE_DISC, AggregateKind.MIN, AggregateKind.MAX)


class Builder:
    """Gathers the primitives of all aggregates, each once, and says how every aggregate is made of them."""

    def __init__(self, owned: Owned, cells: int | None, units: int) -> None:
        self.owned = owned
        self.units = units
        self.cells = cells
        self.parts: list[Partial | TreePart] = []
        self._index: dict[str, int] = {}
        self._queries: dict[int, dict[str, int]] = {}
        self._summed: set[str] = set()
        self._computed: dict[str, tuple[str, Term]] = {}

    @property
    def computed(self) -> tuple[tuple[str, Term], ...]:
        """What the primitives read that is no column of the relation: computed once in each row, under a name."""
        return tuple(self._computed.values())

    def _column(self, term: Term) -> Term:
        """Return a term as a column, so that clamps and tests may repeat it."""
        if term.id is not None:
            return term
        name, _ = self._computed.setdefault(term.text, (f"c0_{len(self._computed)}", term))
        return replace(term, node=reference(name))

    def add(self, part: Partial | TreePart) -> int:
        """Return the index of a primitive, adding it where it is new."""
        identity = part.identity()
        if identity not in self._index:
            self._index[identity] = len(self.parts)
            self.parts.append(part)
        return self._index[identity]

    def find_units(self) -> int | None:
        """Return the index of the count of all units (without FILTER), if an aggregate asked for it."""
        return self._index.get(partials.count_units(None).identity())

    def finished(self) -> tuple[Partial | TreePart, ...]:
        """Return the primitives, each tree with everything that is asked of it."""
        return tuple(
            replace(part, queries=tuple(self._queries[i])) if isinstance(part, TreePart) else part
            for i, part in enumerate(self.parts)
        )

    def reserve(self, calls: Iterable[AggregateCall]) -> None:
        """Note which arguments are summed, so that an average of the same shares the sum."""
        self._summed = {
            _identity(self._column(call.arguments[0]), _where(call)) for call in calls if call.kind is AggregateKind.SUM
        }

    def output(self, call: AggregateCall) -> Output:
        """Return how one aggregate is computed. Raises GatewayError `no_bounds`, `type_mismatch`, `unsupported_sql`."""
        call = replace(call, arguments=tuple(self._column(argument) for argument in call.arguments))
        rows, condition = self.owned.rows, _where(call)
        if call.kind is AggregateKind.COUNT_ROWS:
            return self._count(call, partials.count_rows(condition, rows))
        if call.kind in moments.PAIRS:
            return self._moment(call, dict(zip("yx", call.arguments, strict=True)))
        assert call.argument is not None  # INVARIANT: every other aggregate has an argument
        if call.kind in moments.ONE_ARGUMENT:
            return self._moment(call, {"y": call.argument})
        if call.kind is AggregateKind.COUNT:
            return self._count(call, partials.count_values(call.argument, condition, rows))
        if call.kind is AggregateKind.SUM:
            return self._sum(call, call.argument)
        if call.kind is AggregateKind.COUNT_DISTINCT:
            if call.argument.id in self.owned.aliases:
                return self._count(call, partials.count_units(condition))
            return self._count(call, partials.count_distinct(call.argument, condition, rows))
        if call.kind in (AggregateKind.BOOL_AND, AggregateKind.BOOL_OR):
            return self._truth(call, call.argument)
        if call.kind in _QUANTILES:
            return self._quantile(call, call.argument)
        detail = f"{call.kind.value} needs a known list of values."
        hint = "Group by the value, and take the largest count: ORDER BY COUNT(*) DESC LIMIT 1."
        raise GatewayError("unsupported_sql", detail, hint, call.place)

    def _count(self, call: AggregateCall, part: Partial) -> Output:
        name = f"p{self.add(part)}"
        return Output(call.field.id, reference(name), INTEGER, name, "1")

    def _sum(self, call: AggregateCall, term: Term) -> Output:
        value = partials.fixed_point(term, call.place)
        name = f"p{self.add(partials.total(value, term, None, _where(call), self.owned.rows))}"
        type_ = call.field.term.type
        return Output(call.field.id, _times(reference(name), value.step, type_), type_, name, decimal_text(value.step))

    def _moment(self, call: AggregateCall, terms: dict[str, Term]) -> Output:
        """Return an aggregate made of a count, centred sums and squares: each kept once for all that share it."""
        wanted = moments.SUMS[call.kind].split()
        squared = any(len(name) == 2 for name in wanted)
        values = {n: partials.fixed_point(t, call.place, bounded=squared) for n, t in terms.items()}
        condition, rows = _where(call), self.owned.rows
        size = partials.Size(rows, self.units)
        pair = tuple(values.values())
        test = partials.all_present(pair) if len(pair) > 1 else None
        count = f"p{self.add(partials.count_all_present(pair, condition, rows))}"
        sums: dict[str, Summed] = {}
        squares: dict[str, tuple[str, partials.Scaled]] = {}
        for name in wanted:
            if len(name) == 1:
                sums[name] = self._summand(values[name], terms[name], test, condition)
                continue
            if name == "xy":
                part, scaled = partials.products(values["x"], values["y"], test, condition, size)
            else:
                part, scaled = partials.squares(values[name[0]], test, condition, size)
            squares[name] = (f"p{self.add(part)}", scaled)
        if call.kind is AggregateKind.REGR_COUNT:
            return Output(call.field.id, reference(count), INTEGER, count, "1")
        answer = Moments(count, values, sums, squares).answer(call.kind)
        average = None
        if wanted in (["x"], ["y"]) and values[wanted[0]].known:
            value = values[wanted[0]]
            average = Average(sums[wanted[0]].column, count, decimal_text(value.step), value.typical)
        return Output(call.field.id, answer, DOUBLE, None, "1", average)

    def _summand(self, value: FixedPoint, term: Term, test: exp.Expr | None, condition: exp.Expr | None) -> Summed:
        raw = test is None and _identity(term, condition) in self._summed
        if raw:
            part = partials.total(value, term, test, condition, self.owned.rows)
        else:
            part = partials.centred(value, test, condition, self.owned.rows)
        return Summed(f"p{self.add(part)}", raw)

    def _truth(self, call: AggregateCall, term: Term) -> Output:
        """Return BOOL_AND or BOOL_OR: the deciding outcome where its count surely is not none, else the other."""
        decisive = call.kind is AggregateKind.BOOL_OR
        names = [
            f"p{self.add(partials.count_truths(term, _where(call), self.owned.rows, sought=sought))}"
            for sought in (decisive, not decisive)
        ]
        ifs = [
            exp.If(
                this=exp.GTE(this=reference(name), expression=reference(f"{name}_t")),
                true=exp.true() if outcome else exp.false(),
            )
            for name, outcome in zip(names, (decisive, not decisive), strict=True)
        ]
        return Output(call.field.id, exp.Case(ifs=ifs), BOOLEAN, None, "1")

    def _quantile(self, call: AggregateCall, term: Term) -> Output:
        part = trees.part_of(term, _where(call), call.place, self.cells)
        index = self.add(part)
        query = trees.query_of(call)
        queries = self._queries.setdefault(index, {})
        column = reference(f"p{index}_{queries.setdefault(query, len(queries))}")
        type_ = call.field.term.type
        answer = _moment_of(column, term.type) if term.type.temporal else _of_type(column, type_)
        return Output(call.field.id, answer if type_ in (term.type, DOUBLE) else cast(answer, type_), type_, None, "1")


def _where(call: AggregateCall) -> exp.Expr | None:
    return call.filter.node if call.filter is not None else None


def _identity(term: Term, condition: exp.Expr | None) -> str:
    return f"{term.text}|{shown(condition) if condition is not None else ''}"


def decimal_text(step: Fraction) -> str:
    """Return a step as exact decimal text (steps are decimal by declaration)."""
    scale = 0
    while (step * 10**scale).denominator != 1:
        scale += 1
    digits = f"{int(step * 10**scale):0{scale + 1}d}"
    return f"{digits[:-scale]}.{digits[-scale:]}" if scale else digits


def _times(column: exp.Expr, step: Fraction, type_: SqlType) -> exp.Expr:
    """Return a noisy integer times its step, exactly for integers and decimals."""
    if type_.kind is TypeKind.DOUBLE:
        return exp.Mul(this=cast(column, DOUBLE), expression=number(step, DOUBLE))
    text = decimal_text(step)
    scale = len(text.partition(".")[2])
    factor = cast(exp.Literal.string(text), decimal(max(len(text.replace(".", "").lstrip("0")), scale + 1, 1), scale))
    return cast(exp.Mul(this=cast(column, decimal(19, 0)), expression=factor), type_)


def _of_type(column: exp.Expr, type_: SqlType) -> exp.Expr:
    """Return a released quantile (DOUBLE) as a number of the aggregate's type."""
    if type_.kind is TypeKind.DECIMAL:
        return cast(exp.Round(this=column, decimals=exp.Literal.number(type_.scale)), type_)
    return cast(exp.Round(this=column), INTEGER) if type_.kind is TypeKind.INTEGER else column


def _moment_of(column: exp.Expr, type_: SqlType) -> exp.Expr:
    """Return a released quantile (DOUBLE: days or seconds since 1970) as a date or timestamp."""
    whole = cast(exp.Round(this=column), INTEGER)
    if type_.kind is TypeKind.DATE:
        days = exp.Cast(this=whole, to=exp.DataType.build("INT"))
        return exp.Add(this=cast(exp.Literal.string("1970-01-01"), type_), expression=days)
    micros = exp.Mul(this=whole, expression=exp.Literal.number(1_000_000))
    return exp.Anonymous(this="MAKE_TIMESTAMP", expressions=[micros])
