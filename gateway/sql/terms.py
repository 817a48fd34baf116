"""A resolved scalar expression: its syntax over column ids, and everything known of it without looking at data."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date
from fractions import Fraction
from functools import lru_cache
from itertools import product
from typing import TypedDict

from sqlglot import exp

from gateway.catalog.types import BOOLEAN, TIMESTAMP, Cell, SqlType, TypeKind
from gateway.errors import Position
from gateway.sql import ranges
from gateway.sql.ranges import UNKNOWN, Range
from gateway.sql.writing import copied, named_in, reference, shown

BaseColumn = tuple[str, str]
"""(table, column) as the policy spells them."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The base column that a bare column is, unchanged: what facts about shape speak of."""

    table: str
    column: str


@dataclass(frozen=True, slots=True)
class Term:
    """A scalar expression over column ids.

    INVARIANT: nobody changes a `node`. Terms share parts of theirs, so whoever writes one into a statement copies it.
    `range` (numbers) and `span` (dates) say where values lie; while `raw`, a declared bound is only claimed by the
    policy and not enforced by the expression. `domain` is a finite set of non-NULL cells that holds every value
    (`raw`: every value that counts). `value` are the base columns whose values it shows, `condition` those that it
    only tests. `pieces` is how many texts are joined end to end in it, at most. `fractional` marks an integer whose
    type in the buyer's dialect has fractions (FLOOR of a float): divided there, it would not be cut off.
    """

    node: exp.Expr
    type: SqlType
    nullable: bool
    range: Range = UNKNOWN
    span: tuple[date, date] | None = None
    domain: tuple[Cell, ...] | None = None
    raw: bool = False
    value: frozenset[BaseColumn] = frozenset()
    condition: frozenset[BaseColumn] = frozenset()
    origin: Origin | None = None
    granularity: Fraction | None = None
    fractional: bool = False
    per_unit_sum: tuple[Fraction, Fraction] | None = None
    pieces: int = 1
    place: Position | None = field(default=None, compare=False)
    _ids: frozenset[str] | None = field(default=None, init=False, repr=False, compare=False)
    _text: str | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def bases(self) -> frozenset[BaseColumn]:
        return self.value | self.condition

    @property
    def id(self) -> str | None:
        """The column id of a bare column, else None."""
        if not isinstance(self.node, exp.Column):
            return None
        name: str = self.node.args["this"].args["this"]  # asked a thousand times a plan, and sqlglot's way is long
        return name

    @property
    def ids(self) -> frozenset[str]:
        """The ids of all columns that it is computed from: asked by every node above, found once."""
        found = self._ids
        if found is None:
            found = frozenset(named_in(self.node))
            object.__setattr__(self, "_ids", found)
        return found

    @property
    def text(self) -> str:
        """Its SQL over column ids, written once."""
        written = self._text
        if written is None:
            written = self.id or shown(self.node)  # an id is a plain word
            object.__setattr__(self, "_text", written)
        return written

    @property
    def literal(self) -> Cell:
        """The one value of a literal, else None."""
        if self.bases or self.nullable or self.domain is None or len(self.domain) != 1:
            return None
        return self.domain[0]

    def reference(self, column_id: str) -> "Term":
        """Return this term as a column of the relation that computes it under `column_id`."""
        return replace(self, node=reference(column_id), place=None)

    def limits(self) -> Range:
        """Return the range met with what the type enforces: for overflow checks."""
        limits = ranges.type_limits(self.type)
        lo = self.range.lo if self.range.lo is not None else limits.lo
        hi = self.range.hi if self.range.hi is not None else limits.hi
        return Range(lo, hi)


def number(value: Fraction, type_: SqlType) -> exp.Expr:
    """Return a literal of exactly this value and type."""
    if type_.kind is TypeKind.INTEGER:
        text = str(int(value))
        literal: exp.Expr = exp.Literal.number(text.lstrip("-"))
        literal = exp.Neg(this=literal) if value < 0 else literal
        return cast(literal, type_)
    if type_.kind is TypeKind.DECIMAL:
        scaled = value * 10**type_.scale
        assert scaled.denominator == 1  # INVARIANT: decimal literals are exact
        digits = f"{abs(int(scaled)):0{type_.scale + 1}d}"
        text = f"{digits[: -type_.scale] or '0'}.{digits[-type_.scale :]}" if type_.scale else digits
        return cast(exp.Literal.string(("-" if value < 0 else "") + text), type_)
    return cast(exp.Literal.string(repr(float(value))), type_)


@lru_cache(maxsize=1024)
def _parsed_type(name: str) -> tuple[exp.DType, tuple[str, ...]]:
    parsed = exp.DataType.build(name, dialect="duckdb")
    return parsed.this, tuple(size.name for size in parsed.expressions)


def data_type(name: str) -> exp.DataType:
    """Return a fresh syntax node of a DuckDB type."""
    kind, sizes = _parsed_type(name)
    parameters = [exp.DataTypeParam(this=exp.Literal.number(size)) for size in sizes]
    return exp.DataType(this=kind, expressions=parameters, nested=False)


def whole(value: int) -> exp.Expr:
    """Return a bare integer literal, for clamps and limits: never an operand of arithmetic."""
    literal = exp.Literal.number(abs(value))
    return exp.Neg(this=literal) if value < 0 else literal


def cast(node: exp.Expr, type_: SqlType) -> exp.Expr:
    return exp.Cast(this=node, to=data_type(str(type_)))


def try_cast(node: exp.Expr, type_: SqlType) -> exp.Expr:
    return exp.TryCast(this=node, to=data_type(str(type_)))


def clamp(node: exp.Expr, lo: exp.Expr | None, hi: exp.Expr | None) -> exp.Expr:
    """Return `node` clamped; NULL stays NULL (GREATEST and LEAST would turn it into a bound)."""
    if lo is None and hi is None:
        return node
    case = exp.Case(ifs=[], default=copied(node))
    if lo is not None:
        case.append("ifs", exp.If(this=exp.LT(this=copied(node), expression=lo), true=copied(lo)))
    if hi is not None:
        case.append("ifs", exp.If(this=exp.GT(this=copied(node), expression=hi), true=copied(hi)))
    return case


def finite(node: exp.Expr, value: exp.Expr) -> exp.Expr:
    """Return `value` where a floating point `node` is a number, else NULL (NaN is above everything to an engine)."""
    return exp.Case(ifs=[exp.If(this=exp.func("ISFINITE", exp.paren(copied(node), copy=False)), true=value)])


def enforced(term: Term) -> Term:
    """Return the term with its claimed bounds made true by a clamp, for use inside arithmetic and functions."""
    if not term.raw:
        return term
    if term.type.numeric and (term.range.lo is not None or term.range.hi is not None):
        held = _outward(term.range, term.type)
        lo, hi = (None if end is None else number(end, term.type) for end in (held.lo, held.hi))
        if term.type.kind is TypeKind.DOUBLE:
            node = finite(term.node, clamp(term.node, lo, hi))
            return replace(term, node=node, raw=False, origin=None, domain=None, range=held, nullable=True)
        return replace(term, node=clamp(term.node, lo, hi), raw=False, origin=None, domain=None, range=held)
    if term.type.temporal and term.span is not None:
        first, last = (cast(exp.Literal.string(text), term.type) for text in span_ends(term))
        return replace(term, node=clamp(term.node, first, last), raw=False, origin=None, domain=None)
    return replace(term, raw=False, origin=None, domain=None)


def span_ends(term: Term) -> tuple[str, str]:
    """Return the first and last moment of a term's span as text: whole days, also of a TIMESTAMP."""
    assert term.span is not None  # INVARIANT: asked where one is known
    first, last = (day.isoformat() for day in term.span)
    return first, f"{last} 23:59:59.999999" if term.type == TIMESTAMP else last


def _outward(claimed: Range, type_: SqlType) -> Range:
    """Round a range outward to values of the type, and leave an end open that the type enforces itself.

    A range that lies beyond the type (only a WHERE that no row meets makes one) becomes the type's nearest value.
    """
    if type_.kind is TypeKind.DOUBLE:
        return claimed
    unit = 10**type_.scale
    limits = ranges.type_limits(type_)
    assert limits.lo is not None and limits.hi is not None  # noqa: PT018 - INVARIANT: integers and decimals end
    lo = None if claimed.lo is None else min(Fraction(math.floor(claimed.lo * unit), unit), limits.hi)
    hi = None if claimed.hi is None else max(Fraction(math.ceil(claimed.hi * unit), unit), limits.lo)
    return Range(
        None if lo is None or lo <= limits.lo else lo,
        None if hi is None or hi >= limits.hi else hi,
    )


class Bases(TypedDict):
    """The facts of a term that follow from its parts' alone."""

    value: frozenset[BaseColumn]
    condition: frozenset[BaseColumn]
    pieces: int
    fractional: bool


def merge(*terms: Term, conditional: tuple[Term, ...] = ()) -> Bases:
    """Return the shared facts of a term built from `terms`, tested on `conditional`."""
    every = (*terms, *conditional)
    return {
        "value": frozenset().union(*(t.value for t in terms)),
        "condition": frozenset().union(*(t.condition for t in every), *(t.value for t in conditional)),
        "pieces": max((t.pieces for t in terms), default=1),
        "fractional": any(t.fractional for t in terms),
    }


MAX_IMAGES = 1_000
"""Values of a domain that a function is applied to while planning, at most."""


def image(of: Callable[..., Cell], *terms: Term) -> tuple[Cell, ...] | None:
    """Return the domain of a function of `terms`, in the order of theirs; None where one of them has none.

    `of` must be exactly what the engine computes. A result of None is a NULL, and in no domain.
    """
    if any(term.domain is None for term in terms):
        return None
    domains = [term.domain for term in terms if term.domain is not None]
    if math.prod(len(domain) for domain in domains) > MAX_IMAGES:
        return None
    cells = dict.fromkeys(of(*cells) for cells in product(*domains))
    return tuple(cell for cell in cells if cell is not None)


def predicate(node: exp.Expr, *terms: Term, nullable: bool) -> Term:
    """Return a boolean term over `terms`."""
    return Term(
        node=node,
        type=BOOLEAN,
        nullable=nullable,
        domain=(False, True),
        value=frozenset().union(*(t.value for t in terms)),
        condition=frozenset().union(*(t.condition for t in terms)),
    )
