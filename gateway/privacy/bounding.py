"""From an aggregate over owned rows to a bounded group-by: keys, partials, and what one unit may contribute."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from sqlglot import exp

from gateway.catalog.model import Dataset
from gateway.catalog.types import BOOLEAN, DOUBLE, INTEGER, Cell, SqlType, TypeKind, decimal
from gateway.errors import GatewayError
from gateway.privacy import partials
from gateway.privacy.measurement import Key
from gateway.privacy.ownership import Owned, key_columns
from gateway.privacy.partials import Partial
from gateway.sql.dates import within_years
from gateway.sql.operators import chain
from gateway.sql.plan import Aggregate, AggregateCall, AggregateKind, Plan
from gateway.sql.ranges import UNKNOWN, type_limits
from gateway.sql.sources import key_domain
from gateway.sql.terms import Term, cast, number, span_ends


@dataclass(frozen=True, slots=True)
class BoundedKey:
    """A group key: its expression over the relation, and the condition that keeps rows inside its public domain."""

    key: Key
    expression: exp.Expr
    inside: exp.Expr | None


@dataclass(frozen=True, slots=True)
class Output:
    """How an aggregate is computed from the noisy integers `p0..` of its cell.

    `primitive` and `factor` are set where it is a plain multiple of one of them.
    """

    column: str
    expression: exp.Expr
    type: SqlType
    primitive: str | None
    factor: str


@dataclass(frozen=True, slots=True)
class Bounded:
    """A bounded group-by, ready to be written for an engine.

    A unit reaches at most `groups` cells; `pick` says whether the engine must choose them by the keyed hash.
    `hidden_units` is the index of the count of units that no aggregate asked for (it hides small cells), if any.
    """

    relation: Plan
    owner: str
    keys: tuple[BoundedKey, ...]
    partials: tuple[Partial, ...]
    outputs: tuple[Output, ...]
    groups: int
    pick: bool
    units: int | None
    hidden_units: bool
    declared_rows: int

    @property
    def private_keys(self) -> bool:
        return any(key.key.domain is None for key in self.keys)


def bound(plan: Aggregate, owned: Owned, dataset: Dataset) -> Bounded:
    """Return the bounded form of a measurement.

    Raises GatewayError `unit_key_released`, `float_key`, `too_many_cells`, `no_bounds`, `distinct`.
    """
    keys = tuple(_key(f"k{i}", key.term, dataset) for i, key in enumerate(plan.keys))
    cells = _cells(keys, plan, dataset)
    builder = _Builder(owned, cells)
    builder.reserve(plan.calls)
    outputs = tuple(builder.output(call) for call in plan.calls)
    private = any(key.key.domain is None for key in keys)
    units = builder.find_units()
    hidden = False
    if units is None and (private or (dataset.privacy.min_units > 1 and keys)):
        units, hidden = builder.add(partials.count_units(None)), True
    if not builder.parts:  # keys alone: nothing is measured but who is there
        units, hidden = builder.add(partials.count_units(None)), True
    groups = 1 if _fixed_by_owner(plan, owned) else owned.groups
    groups = groups if cells is None else max(1, min(groups, cells))
    return Bounded(
        relation=owned.plan,
        owner=owned.owner,
        keys=keys,
        partials=tuple(builder.parts),
        outputs=outputs,
        groups=groups,
        pick=cells is None or groups < cells,
        units=units,
        hidden_units=hidden,
        declared_rows=owned.declared_rows,
    )


def _fixed_by_owner(plan: Aggregate, owned: Owned) -> bool:
    """Tell whether declared facts say that a unit has one key only. The pick stays, so nothing rests on it."""
    ids = {column.name for key in plan.keys for column in key.term.node.find_all(exp.Column)}
    return ids <= owned.determined


def _key(name: str, term: Term, dataset: Dataset) -> BoundedKey:
    owners = {column for table in dataset.tables if not table.public for column in key_columns(table)}
    if term.bases & owners:
        detail = "The group key shows the privacy unit's key."
        hint = "Group by a column whose `use` has group; count people with COUNT(DISTINCT unit key)."
        raise GatewayError("unit_key_released", detail, hint, term.place)
    if term.type.kind is TypeKind.DOUBLE:
        hint = "Write CAST(ROUND(x) AS BIGINT), or CAST(x AS DECIMAL(p,s))."
        raise GatewayError("float_key", "A floating point number cannot be a group key.", hint, term.place)
    if term.type.kind in (TypeKind.OTHER, TypeKind.UUID):
        detail = f"{term.type} cannot be a group key."
        raise GatewayError("type_mismatch", detail, "CAST it to VARCHAR.", term.place)
    if term.type.temporal and term.span is None and term.domain is None:
        term = within_years(term)  # a date that cannot be printed would fail after the charge
    domain = key_domain(term)
    public: tuple[Cell, ...] | None = None
    if domain is not None:
        public = (*domain, None) if term.nullable else domain
    test = _inside(term, domain)
    if test is not None and term.nullable:
        null = exp.Is(this=exp.paren(term.node.copy(), copy=False), expression=exp.Null())
        test = exp.Or(this=exp.paren(test, copy=False), expression=null)
    return BoundedKey(Key(name, term.type, public), term.node, exp.paren(test, copy=False) if test else None)


def _inside(term: Term, domain: tuple[Cell, ...] | None) -> exp.Expr | None:
    """Return the test that a key lies in its declared domain, where the expression does not ensure it.

    A key outside is dropped, a private one too. That a key is never NULL is only claimed (by the engine's columns),
    and so tested as well.
    """
    node = exp.paren(term.node.copy(), copy=False)
    if domain is None and term.span is not None:  # one that cannot be printed would fail after the charge
        lo, hi = (cast(exp.Literal.string(text), term.type) for text in span_ends(term))
        return exp.Between(this=node, low=lo, high=hi)
    if not term.raw or term.type == BOOLEAN:
        if term.nullable or domain is None or not term.ids:
            return None
        return exp.Not(this=exp.Is(this=node, expression=exp.Null()))
    if domain is not None and not domain:
        return exp.false()
    if domain is not None and term.domain is not None:
        return exp.In(this=node, expressions=[literal_cell(cell, term.type) for cell in domain])
    if term.span is not None:
        lo, hi = (cast(exp.Literal.string(text), term.type) for text in span_ends(term))
        return exp.Between(this=node, low=lo, high=hi)
    if term.type.numeric and term.range != UNKNOWN:
        return _between(node, term)
    return None


def _between(node: exp.Expr, term: Term) -> exp.Expr:
    """Return the test that a number lies within its range, each end that is known."""
    unit = 10**term.type.scale
    lo = None if term.range.lo is None else Fraction(math.ceil(term.range.lo * unit), unit)
    hi = None if term.range.hi is None else Fraction(math.floor(term.range.hi * unit), unit)
    limits = type_limits(term.type)
    if (lo is not None and limits.hi is not None and lo > limits.hi) or (
        hi is not None and limits.lo is not None and hi < limits.lo
    ):
        return exp.false()
    ends: list[exp.Expr] = [
        kind(this=node.copy(), expression=number(end, term.type))
        for kind, end, limit in ((exp.GTE, lo, limits.lo), (exp.LTE, hi, limits.hi))
        if end is not None and (limit is None or abs(end) < abs(limit))
    ]
    return chain(exp.And, ends) if ends else exp.true()


def literal_cell(cell: Cell, type_: SqlType) -> exp.Expr:
    """Return a canonical cell as a typed literal."""
    assert cell is not None  # INVARIANT: NULL is tested apart, and booleans need no test
    assert not isinstance(cell, bool)
    if isinstance(cell, int):
        return number(Fraction(cell), INTEGER if type_ == INTEGER else type_)
    return exp.Literal.string(cell) if type_.kind is TypeKind.TEXT else cast(exp.Literal.string(cell), type_)


def _cells(keys: Iterable[BoundedKey], plan: Aggregate, dataset: Dataset) -> int | None:
    count = 1
    for key in keys:
        if key.key.domain is None:
            return None
        count *= len(key.key.domain)
    limit = dataset.privacy.max_cells
    if count > limit:
        detail = f"The keys have {count:,} public combinations; the policy allows {limit:,}."
        hint = "Group by a coarser key, or narrow it in WHERE (key IN (...), BETWEEN)."
        raise GatewayError("too_many_cells", detail, hint, plan.place)
    return count


class _Builder:
    """Gathers the partials of all aggregates, each once, and says how every aggregate is made of them."""

    def __init__(self, owned: Owned, cells: int | None) -> None:
        self.owned = owned
        self.cells = cells
        self.parts: list[Partial] = []
        self._index: dict[str, int] = {}
        self._summed: set[str] = set()

    def add(self, part: Partial) -> int:
        identity = part.identity()
        if identity not in self._index:
            self._index[identity] = len(self.parts)
            self.parts.append(part)
        return self._index[identity]

    def find_units(self) -> int | None:
        """Return the index of the count of all units (without FILTER), if an aggregate asked for it."""
        return self._index.get(partials.count_units(None).identity())

    def reserve(self, calls: Iterable[AggregateCall]) -> None:
        """Note which arguments are summed, so that an average of the same shares the sum."""
        self._summed = {_argument(call) for call in calls if call.kind is AggregateKind.SUM}

    def output(self, call: AggregateCall) -> Output:
        condition = call.filter.node if call.filter is not None else None
        rows = self.owned.rows
        if call.kind is AggregateKind.COUNT_ROWS:
            return self._count(call, partials.count_rows(condition, rows))
        assert call.argument is not None  # INVARIANT: every other aggregate has an argument
        if call.kind is AggregateKind.COUNT:
            return self._count(call, partials.count_values(call.argument, condition, rows))
        if call.kind is AggregateKind.SUM:
            return self._sum(call, call.argument, condition)
        if call.kind is AggregateKind.AVG:
            return self._average(call, call.argument, condition)
        if call.argument.id not in self.owned.aliases:
            hint = "Only COUNT(DISTINCT unit key) is answered: it counts people."
            detail = "COUNT(DISTINCT ...) of anything but the unit's key is not answered here."
            raise GatewayError("distinct", detail, hint, call.place)
        return self._count(call, partials.count_units(condition))

    def _count(self, call: AggregateCall, part: Partial) -> Output:
        name = f"p{self.add(part)}"
        return Output(call.field.id, exp.column(name), INTEGER, name, "1")

    def _sum(self, call: AggregateCall, term: Term, condition: exp.Expr | None) -> Output:
        value = partials.fixed_point(term, call.place)
        name = f"p{self.add(partials.total(value, term, condition, self.owned.rows))}"
        type_ = call.field.term.type
        return Output(call.field.id, _times(exp.column(name), value.step, type_), type_, name, _text(value.step))

    def _average(self, call: AggregateCall, term: Term, condition: exp.Expr | None) -> Output:
        value = partials.fixed_point(term, call.place)
        rows = self.owned.rows
        count = f"p{self.add(partials.count_finite(value, term, condition, rows))}"
        if _argument(call) in self._summed:
            part, middle = partials.total(value, term, condition, rows), 0
        else:
            part, middle = partials.centred(value, condition, rows)
        sum_ = f"p{self.add(part)}"
        ratio = exp.Div(
            this=cast(exp.column(sum_), DOUBLE),
            expression=exp.Nullif(this=cast(exp.column(count), DOUBLE), expression=number(Fraction(0), DOUBLE)),
        )
        shifted = exp.Add(this=exp.paren(ratio, copy=False), expression=number(Fraction(middle), DOUBLE))
        mean = exp.Mul(this=exp.paren(shifted, copy=False), expression=number(value.step, DOUBLE))
        lo, hi = number(value.lo * value.step, DOUBLE), number(value.hi * value.step, DOUBLE)
        held = exp.Least(this=exp.Greatest(this=mean, expressions=[lo]), expressions=[hi])
        positive = exp.GT(this=exp.column(count), expression=exp.Literal.number(0))
        return Output(call.field.id, exp.Case(ifs=[exp.If(this=positive, true=held)]), DOUBLE, None, "1")


def _argument(call: AggregateCall) -> str:
    argument = call.argument.node.sql("duckdb") if call.argument is not None else ""
    return f"{argument}|{call.filter.node.sql('duckdb') if call.filter is not None else ''}"


def _text(step: Fraction) -> str:
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
    text = _text(step)
    scale = len(text.partition(".")[2])
    factor = cast(exp.Literal.string(text), decimal(max(len(text.replace(".", "").lstrip("0")), scale + 1, 1), scale))
    return cast(exp.Mul(this=cast(column, decimal(19, 0)), expression=factor), type_)


__all__ = ["Bounded", "BoundedKey", "Output", "bound", "literal_cell"]
