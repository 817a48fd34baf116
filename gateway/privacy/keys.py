"""Group keys of a measurement: which are public, what keeps rows inside their domain, and how many cells there are.

Everything follows from expressions, policy and declared sizes; the values of private keys are never known here.
"""

import math
from dataclasses import dataclass, replace
from fractions import Fraction

from sqlglot import exp

from gateway.catalog.model import Dataset
from gateway.catalog.types import BOOLEAN, INTEGER, Cell, SqlType, TypeKind
from gateway.errors import GatewayError
from gateway.privacy.extent import most_rows
from gateway.privacy.measurement import Key
from gateway.privacy.origins import Origins
from gateway.privacy.ownership import key_columns
from gateway.privacy.relations import Factor, Measure
from gateway.sql.dates import within_years
from gateway.sql.operators import chain
from gateway.sql.ranges import UNKNOWN, type_limits
from gateway.sql.sources import key_domain
from gateway.sql.terms import BaseColumn, Term, cast, number, span_ends
from gateway.sql.writing import reference


@dataclass(frozen=True, slots=True)
class BoundedKey:
    """A group key: its expression over the relation, and the test on `key.name` that it lies in its public domain."""

    key: Key
    expression: exp.Expr
    inside: exp.Expr | None


@dataclass(frozen=True, slots=True)
class Cells:
    """The keys of a measurement and the factors that list some of them.

    `count` bounds the cells, None where some key is private; `exact`: no more can be released, whatever the data hold.
    """

    keys: tuple[BoundedKey, ...]
    factors: tuple[Factor, ...]
    count: int | None

    @property
    def private(self) -> bool:
        return self.count is None

    @property
    def exact(self) -> bool:
        return self.count is not None and not self.factors


def cells_of(measure: Measure, dataset: Dataset) -> Cells:
    """Return the keys of a measurement, with the public relations that list them where all keys are public.

    Raises GatewayError `unit_key_released`, `float_key`, `type_mismatch`, `too_many_cells`.
    """
    terms = [key.term for key in measure.aggregate.keys]
    listed = {index for factor in measure.factors for index in factor.keys}
    origins = Origins(dataset)
    shown = [frozenset().union(*origins.of(measure.aggregate.input, term)) for term in terms]
    keys = [_key(f"k{i}", term, bases, dataset) for i, (term, bases) in enumerate(zip(terms, shown, strict=True))]
    if any(key.key.domain is None for i, key in enumerate(keys) if i not in listed):
        return Cells(tuple(keys), (), None)
    keys = [replace(key, key=replace(key.key, domain=None)) if i in listed else key for i, key in enumerate(keys)]
    count = 1
    for key in keys:
        count *= len(key.key.domain) if key.key.domain is not None else 1
    for factor in measure.factors:
        count *= _listed(factor)
    limit = dataset.privacy.max_cells
    if count > limit:
        detail = f"The keys have up to {count:,} public combinations; the policy allows {limit:,}."
        hint = "Group by a coarser key, or narrow it in WHERE (key IN (...), BETWEEN)."
        raise GatewayError("too_many_cells", detail, hint, measure.aggregate.place)
    return Cells(tuple(keys), measure.factors, count)


def _listed(factor: Factor) -> int:
    """Return how many key tuples a public relation lists at most: by the columns' values, and by declared sizes."""
    fields = {field.id: field.term for field in factor.plan.fields}
    combinations: int | None = 1
    for column in factor.columns:
        domain = key_domain(fields[column]) if column in fields else None
        nulls = 1 if column in fields and fields[column].nullable else 0
        combinations = None if combinations is None or domain is None else combinations * (len(domain) + nulls)
    rows = most_rows(factor.plan, {})
    assert rows is not None  # INVARIANT: a public relation has no private keys
    return min(figure for figure in (combinations, rows) if figure is not None)


def _key(name: str, term: Term, bases: frozenset[BaseColumn], dataset: Dataset) -> BoundedKey:
    owners = {column for table in dataset.tables if not table.public for column in key_columns(table)}
    if bases & owners:
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
    test = _inside(reference(name), term, domain)
    if test is not None and term.nullable:
        null = exp.Is(this=reference(name), expression=exp.Null())
        test = exp.Or(this=exp.paren(test, copy=False), expression=null)
    return BoundedKey(Key(name, term.type, public), term.node, exp.paren(test, copy=False) if test else None)


def _inside(node: exp.Expr, term: Term, domain: tuple[Cell, ...] | None) -> exp.Expr | None:
    """Return the test that a key, the column `node`, lies in its domain, where nothing else ensures it.

    A key outside is dropped, a private one too. That a key is never NULL is only claimed (by the engine's columns),
    and so tested as well.
    """
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
    if cell is None:
        return cast(exp.Null(), type_)
    if isinstance(cell, bool):
        return exp.true() if cell else exp.false()
    if isinstance(cell, int):
        return number(Fraction(cell), INTEGER if type_ == INTEGER else type_)
    return exp.Literal.string(cell) if type_.kind is TypeKind.TEXT else cast(exp.Literal.string(cell), type_)
