"""Declared domains, and which of their places compare with a literal. Nothing of the data."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction
from functools import lru_cache
from hashlib import sha256
from typing import Any

from sqlglot import exp

from gateway.catalog.types import Cell, SqlType, TypeKind
from gateway.privacy.regions import NAMES, UNDECLARED, Region
from gateway.sql.ranges import Range
from gateway.sql.terms import Term

Literal = Fraction | str | bool
"""A number or a day (its ordinal, with the part of the day), a text, or a truth."""

Comparison = type[exp.Binary]

MOST_PLACES = 2**50
"""Places of a declared domain, at most; a finer one counts as undeclared."""

FLOAT_PLACES = 10**6
"""Steps that a floating point number is read in over its range."""


@dataclass(frozen=True, slots=True)
class Domain:
    """Where an expression's values lie: declared `cells`, or numbers from `lo` on in steps (of dates: in days)."""

    size: int = UNDECLARED
    lo: Fraction = Fraction(0)
    step: Fraction = Fraction(1)
    cells: tuple[Literal, ...] | None = None

    @property
    def hi(self) -> Fraction:
        return self.lo + (self.size - 1) * self.step

    @property
    def measured(self) -> bool:
        """Whether places are in the order of numbers."""
        return self.cells is None and self.size < UNDECLARED


ANY = Domain()


def numbers(lo: Fraction, hi: Fraction, step: Fraction) -> Domain:
    """Return the domain of the numbers from `lo` to `hi`."""
    size = math.floor((hi - lo) / step) + 1
    return Domain(size, lo, step) if 0 < size < MOST_PLACES else ANY


def domain_of(term: Term) -> Domain:
    """Return the domain that a column declares."""
    return _declared(term.type, term.domain, term.span, term.range, term.granularity)


@lru_cache(maxsize=4096)
def _declared(
    type_: SqlType,
    domain: tuple[Cell, ...] | None,
    span: tuple[date, date] | None,
    range_: Range,
    granularity: Fraction | None,
) -> Domain:
    """Return a declared domain: each query that reads a table asks for those of all its columns."""
    if type_.kind is TypeKind.BOOLEAN:
        return Domain(2, cells=(False, True))
    if domain:
        cells = tuple(_cell(cell, type_) for cell in domain)
        return Domain(len(cells), cells=tuple(cell for cell in cells if cell is not None)) if None not in cells else ANY
    if span is not None:
        first, last = (Fraction(day.toordinal()) for day in span)
        # a moment of a day is read to the second
        step = Fraction(1) if type_.kind is TypeKind.DATE else Fraction(1, 86_400)
        return numbers(first, last + (1 - step), step)
    lo, hi = range_.lo, range_.hi
    if not type_.numeric or lo is None or hi is None:
        return ANY
    if granularity is not None:
        step = granularity
    elif type_.kind is TypeKind.DOUBLE:
        step = max((hi - lo) / FLOAT_PLACES, Fraction(1, 10**12))
    else:
        step = Fraction(1, 10**type_.scale)
    return numbers(lo, hi, step)


def _cell(cell: object, type_: SqlType) -> Literal | None:
    if type_.temporal:
        return day_of(str(cell))
    if type_.numeric:
        return fraction_of(str(cell))
    return cell if isinstance(cell, str | bool) else None


def fraction_of(text: str) -> Fraction | None:
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        return None


def day_of(text: str) -> Fraction | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    seconds = at.hour * 3600 + at.minute * 60 + at.second
    return at.toordinal() + Fraction(seconds, 86_400)


def passing(domain: Domain, kind: Comparison, value: Literal) -> Region | None:
    if domain.measured:
        return _measured(domain, kind, value)
    return _unbounded(kind, value) if domain.cells is None else _listed(domain, kind, value)


def _measured(domain: Domain, kind: Comparison, value: Literal) -> Region | None:
    if isinstance(value, str):  # a day that is written as a text
        value = day_of(value) or fraction_of(value) or ""
    if not isinstance(value, Fraction):
        return None
    at = (value - domain.lo) / domain.step
    low, high = math.floor(at), math.ceil(at)
    last = domain.size - 1
    exact = [(low, low)] if low == high else []
    ends: dict[Comparison, list[tuple[int, int]]] = {
        exp.EQ: exact,
        exp.LT: [(0, high - 1)],
        exp.LTE: [(0, low)],
        exp.GT: [(low + 1, last)],
        exp.GTE: [(high, last)],
    }
    if kind is exp.NEQ:
        return Region.of(domain.size, exact).other()
    return Region.of(domain.size, ends[kind])


def _listed(domain: Domain, kind: Comparison, value: Literal) -> Region | None:
    assert domain.cells is not None  # INVARIANT: asked where cells are declared
    tests: dict[Comparison, Callable[[Any], bool]] = {
        exp.EQ: lambda cell: cell == value,
        exp.NEQ: lambda cell: cell != value,
        exp.LT: lambda cell: cell < value,
        exp.LTE: lambda cell: cell <= value,
        exp.GT: lambda cell: cell > value,
        exp.GTE: lambda cell: cell >= value,
    }
    if isinstance(value, str) and isinstance(domain.cells[0], Fraction):
        value = day_of(value) or fraction_of(value) or ""
    if not all(isinstance(cell, type(value)) for cell in domain.cells):
        return None
    passing = [(at, at) for at, cell in enumerate(domain.cells) if tests[kind](cell)]
    return Region.of(domain.size, passing)


def _unbounded(kind: Comparison, value: Literal) -> Region | None:
    """Return a region where nothing declares how far values reach: of numbers by the whole ones, of others by hash."""
    if isinstance(value, Fraction) and abs(value) < UNDECLARED // 4:
        middle = UNDECLARED // 2
        return _measured(Domain(UNDECLARED, Fraction(-middle)), kind, value)
    if kind not in (exp.EQ, exp.NEQ):
        return None
    region = Region.of(NAMES, [(place(str(value)),) * 2])
    return region if kind is exp.EQ else region.other()


def place(text: str) -> int:
    """Return the place of a value in a domain that nobody declared."""
    return int(sha256(text.encode()).hexdigest()[:15], 16)
