"""Decimals of one SELECT in fewer steps for DuckDB: a clamp or a cast that provably changes no value is left out.

What a value may be is known from what columns are stored in and from clamps of the statement itself, never from what a
policy says of the data. A column of a SELECT keeps its type, but for one that another SELECT reads once, and computes
with.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import lru_cache

from sqlglot import exp

from gateway.catalog.types import SqlType, TypeKind

SMALL_DIGITS = 18
"""Decimals of so many digits are 64-bit integers. DuckDB tests no result of so many for overflow; two of them that have
more together make a product of just so many, and one that needs more is an error.
"""

_STORED_BITS = {4: 15, 9: 31, SMALL_DIGITS: 63}
"""Bits of the integers that hold decimals of up to so many digits: a file may hold more than its type says."""

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_BARE = (exp.Column, exp.Cast, exp.Case, exp.Paren, exp.Literal)


@dataclass(frozen=True, slots=True)
class Exact:
    """A decimal's type in DuckDB; its value times 10**scale lies within [lo, hi] where it is not NULL."""

    digits: int
    scale: int
    lo: int
    hi: int

    def fits(self, digits: int) -> bool:
        """Return whether no value has more digits."""
        return bool(self.most < 10**digits)

    @property
    def most(self) -> int:
        return max(abs(self.lo), abs(self.hi))

    def same_type(self, other: "Exact") -> bool:
        return self.digits == other.digits and self.scale == other.scale


Shown = Mapping[str, Exact | None]
"""What is known of the columns of a relation by name; None: it is no small decimal."""

Needless = tuple[exp.Cast, Exact]
"""A cast that may go where another type of its scale does as well, and what is known of what stands beneath."""


def stored(type_: SqlType) -> Exact | None:
    """Return what holds a base column; its type's digits bound no value."""
    if type_.kind is not TypeKind.DECIMAL or type_.precision > SMALL_DIGITS:
        return None
    bits = next(bits for digits, bits in _STORED_BITS.items() if type_.precision <= digits)
    return Exact(type_.precision, type_.scale, -(2**bits), 2**bits)


@dataclass(frozen=True, slots=True)
class Sparing:
    """Leaves out what changes no value in expressions over the relations of a FROM clause, by alias.

    `needless` are the casts of this SELECT that may go, by identity; `beneath` those that are a subquery's columns, by
    column: where it is read once. `read` is how often the SELECT and what it reads have a column's name.
    """

    sources: Mapping[str, Shown]
    beneath: Mapping[str, Needless]
    read: Counter[str]
    needless: dict[int, Needless] = field(default_factory=dict)

    def known(self, node: exp.Expr, *, free: bool = False) -> Exact | None:
        """Return what is known of a value. `free`: what reads it takes any type of its scale."""
        match node:
            case exp.Alias() | exp.Paren():
                return self.known(node.this, free=free)
            case exp.Column():
                return self._column(node)
            case exp.Cast():
                return _constant(node) or self._cast(node)
            case exp.Case():
                return self._case(node)
            case exp.Mul() | exp.Add() | exp.Sub():
                return self._computed(node, free=free)
            case exp.Query() | exp.Subquery():
                return None  # its columns are another's
            case _:
                for part in list(node.iter_expressions()):
                    self.known(part)
                return None

    def _column(self, node: exp.Column) -> Exact | None:
        """Return what is known of a column, whose name stands for one alone: the engine takes no other."""
        places = [shown for alias, shown in self.sources.items() if not node.table or alias == node.table]
        found = [shown[node.name] for shown in places if node.name in shown]
        return found[0] if len(found) == 1 else None

    def _cast(self, node: exp.Cast) -> Exact | None:
        target = _decimal(node.to)
        integer = node.to.this is exp.DType.BIGINT
        value = self.known(node.this, free=target is not None or integer)
        if value is None:
            return target
        bare = self._bare(node.this) if target is not None or integer else None
        if bare is not None:
            value = self._drop(node.this, bare)
        if target is None:
            return None
        if value.scale > target.scale:
            return target
        up = 10 ** (target.scale - value.scale)
        made = replace(target, lo=max(value.lo * up, target.lo), hi=min(value.hi * up, target.hi))
        if made.lo > made.hi:
            return target
        if value.scale == target.scale and value.fits(target.digits):
            self.needless[id(node)] = node, value
            if value.same_type(target):
                self._drop(node, value)
        return made

    def _case(self, node: exp.Case) -> Exact | None:
        value = self.known(node.args["default"]) if node.args.get("default") is not None else None
        for branch in node.args["ifs"]:
            self.known(branch.this)
            self.known(branch.args["true"])
        return None if value is None else self._clamped(node, value)

    def _clamped(self, node: exp.Case, value: Exact) -> Exact | None:
        """Return what is known of a clamp of a value, and leave out of it the ends that the value never passes."""
        plain, kept, ends = node.args["default"], [], []
        for branch in node.args["ifs"]:
            test, end = branch.this, _constant(branch.args["true"])
            clamps = isinstance(test, exp.LT | exp.GT) and test.this == plain and test.expression == branch.args["true"]
            if end is None or not clamps or not end.same_type(value):
                return None
            kept.append((branch, isinstance(test, exp.LT), end.lo))
        lows, highs = [end for _, low, end in kept if low], [end for _, low, end in kept if not low]
        if len(lows) > 1 or len(highs) > 1 or (lows and highs and lows > highs):
            return None
        lo, hi = lows[0] if lows else value.lo, highs[0] if highs else value.hi
        for branch, low, at in kept:
            if value.lo < at if low else value.hi > at:
                ends.append(branch)
            else:
                self.read.subtract(names_read(branch))
        if ends:
            node.set("ifs", ends)
        else:
            node.replace(plain)
        return replace(value, lo=min(max(value.lo, lo), hi), hi=max(min(value.hi, hi), lo))

    def _computed(self, node: exp.Binary, *, free: bool) -> Exact | None:
        left, right = self.known(node.this), self.known(node.expression)
        if left is None or right is None:
            return None
        if free:
            one, other = self._bare(node.this), self._bare(node.expression)
            for first, second in ((one, other), (one, None), (None, other)):
                if _result(node, first or left, second or right) is not None:
                    left = self._drop(node.this, first) if first else left
                    right = self._drop(node.expression, second) if second else right
                    break
        return _result(node, left, right)

    def _bare(self, node: exp.Expr) -> Exact | None:
        """Return what is known beneath a needless cast, or beneath the column that one is."""
        found = self._needless(node.unnest())
        return None if found is None else found[1]

    def _needless(self, inner: exp.Expr) -> Needless | None:
        if not isinstance(inner, exp.Column):
            return self.needless.get(id(inner))
        return self.beneath.get(inner.name) if self.read[inner.name] == 1 else None

    def _drop(self, node: exp.Expr, bare: Exact) -> Exact:
        """Put what stands beneath a cast in its place."""
        inner = node.unnest()
        place = self.beneath[inner.name][0] if isinstance(inner, exp.Column) else node
        beneath = place.unnest().this
        place.replace(beneath if isinstance(beneath, _BARE) else exp.paren(beneath, copy=False))
        return bare


def names_read(node: exp.Expr) -> Counter[str]:
    """Return how often each column's name is in a tree."""
    return Counter(column.name for column in node.find_all(exp.Column))


def _result(node: exp.Binary, left: Exact, right: Exact) -> Exact | None:
    """Return what is known of a result; None where it is too wide, or where a value might not fit its type."""
    if isinstance(node, exp.Mul):
        corners = [a * b for a in (left.lo, left.hi) for b in (right.lo, right.hi)]
        digits, scale = left.digits + right.digits, left.scale + right.scale
        digits = SMALL_DIGITS if scale < SMALL_DIGITS < digits else digits
        made = Exact(digits, scale, min(corners), max(corners))
    else:
        scale = max(left.scale, right.scale)
        digits = max(left.digits - left.scale, right.digits - right.scale) + scale + 1
        (a, b), (c, d) = (
            (one.lo * 10 ** (scale - one.scale), one.hi * 10 ** (scale - one.scale)) for one in (left, right)
        )
        made = Exact(digits, scale, a + c, b + d) if isinstance(node, exp.Add) else Exact(digits, scale, a - d, b - c)
    return made if made.digits <= SMALL_DIGITS and made.fits(made.digits) else None


def _constant(node: exp.Expr) -> Exact | None:
    """Return a literal that is cast to a small decimal."""
    made = _decimal(node.to) if isinstance(node, exp.Cast) else None
    inner = node.this
    if made is None:
        return None
    whole = isinstance(inner, exp.Cast) and inner.to.this is exp.DType.BIGINT
    inner = inner.this if whole else inner
    sign, inner = (-1, inner.this) if isinstance(inner, exp.Neg) else (1, inner)
    if not isinstance(inner, exp.Literal) or _NUMBER.fullmatch(inner.name) is None or (whole and "." in inner.name):
        return None  # a fraction in a whole number is rounded
    return _literal(inner.name, sign, made)


@lru_cache(maxsize=1024)
def _literal(text: str, sign: int, made: Exact) -> Exact | None:
    value = sign * Fraction(text) * 10**made.scale
    held = value.denominator == 1 and abs(value) < 10**made.digits
    return replace(made, lo=int(value), hi=int(value)) if held else None


def _decimal(to: exp.DataType) -> Exact | None:
    """Return a small decimal's type with all values of it."""
    if to.this is not exp.DType.DECIMAL or len(to.expressions) != 2:
        return None
    digits, scale = to.expressions
    return _sized(digits.name, scale.name)


@lru_cache(maxsize=1024)
def _sized(digits_: str, scale_: str) -> Exact | None:
    digits, scale = int(digits_), int(scale_)
    return Exact(digits, scale, 1 - 10**digits, 10**digits - 1) if digits <= SMALL_DIGITS else None
