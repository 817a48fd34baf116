"""An expression written for an engine with its type, and how far its values reach: what rules hand to each other."""

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache

from sqlglot import exp

from gateway.catalog.types import SqlType, TypeKind


class Kind(StrEnum):
    """A type as PostgreSQL writes it in a CAST. HUGE is a whole number of any size, or of what digits an engine has."""

    NULL = "NULL"
    BOOLEAN = "BOOLEAN"
    INT = "INT"
    BIGINT = "BIGINT"
    HUGE = "DECIMAL"
    DECIMAL = "DECIMAL(p, s)"
    DOUBLE = "DOUBLE PRECISION"
    TEXT = "TEXT"
    DATE = "DATE"
    TIMESTAMP = "TIMESTAMP"
    INTERVAL = "INTERVAL"
    UUID = "UUID"


WHOLE = (Kind.INT, Kind.BIGINT, Kind.HUGE)
EXACT = (*WHOLE, Kind.DECIMAL)
NUMBERS = (*EXACT, Kind.DOUBLE)
SMALLEST = 5e-324

_KINDS = {
    TypeKind.BOOLEAN: Kind.BOOLEAN,
    TypeKind.INTEGER: Kind.BIGINT,
    TypeKind.DECIMAL: Kind.DECIMAL,
    TypeKind.DOUBLE: Kind.DOUBLE,
    TypeKind.TEXT: Kind.TEXT,
    TypeKind.DATE: Kind.DATE,
    TypeKind.TIMESTAMP: Kind.TIMESTAMP,
    TypeKind.UUID: Kind.UUID,
}
TARGETS = {
    exp.DType.BOOLEAN: Kind.BOOLEAN,
    exp.DType.TINYINT: Kind.INT,
    exp.DType.SMALLINT: Kind.INT,
    exp.DType.INT: Kind.INT,
    exp.DType.BIGINT: Kind.BIGINT,
    exp.DType.INT128: Kind.HUGE,
    exp.DType.DECIMAL: Kind.DECIMAL,
    exp.DType.FLOAT: Kind.DOUBLE,
    exp.DType.DOUBLE: Kind.DOUBLE,
    exp.DType.TEXT: Kind.TEXT,
    exp.DType.VARCHAR: Kind.TEXT,
    exp.DType.DATE: Kind.DATE,
    exp.DType.TIMESTAMP: Kind.TIMESTAMP,
    exp.DType.TIMESTAMPNTZ: Kind.TIMESTAMP,
    exp.DType.UUID: Kind.UUID,
}
"""What the canonical text casts to."""

BITS = {exp.DType.TINYINT: 7, exp.DType.SMALLINT: 15, exp.DType.INT: 31, exp.DType.BIGINT: 63}
"""Bits of a whole number's value, its sign apart."""

_REACHES = {Kind.INT: 2.0**31, Kind.BIGINT: 2.0**63, Kind.HUGE: 1e60}


@dataclass(frozen=True, slots=True)
class Typed:
    """A node of an engine's. A value that is not NULL lies within `reach` either way, and is zero or `least` at least.

    A `reach` of infinity says nothing: the value may be infinite or no number. `natural`: it is never below zero.
    """

    node: exp.Expr
    kind: Kind
    digits: int = 0
    scale: int = 0
    reach: float = math.inf
    least: float = SMALLEST
    natural: bool = False

    @property
    def literal(self) -> int | None:
        """The value of a bare whole number, else None."""
        node, sign = self.node, 1
        if isinstance(node, exp.Neg):
            node, sign = node.this, -1
        plain = isinstance(node, exp.Literal) and not node.is_string and node.name.isdigit()
        return sign * int(node.name) if plain else None

    def like(self, node: exp.Expr) -> "Typed":
        """Return another node of the same type, whose values nothing is known of but that."""
        return typed(node, self.kind, self.digits, self.scale)

    def copy(self) -> exp.Expr:
        """Return the node to be used once more, in parentheses where they are needed."""
        return held(self.node.copy())


def typed(node: exp.Expr, kind: Kind, digits: int = 0, scale: int = 0) -> Typed:
    """Return a node of a type, with what the type itself says of its values."""
    if kind is Kind.DECIMAL:
        return Typed(node, kind, digits, scale, 10.0 ** (digits - scale), 10.0**-scale)
    if kind in _REACHES:
        return Typed(node, kind, reach=_REACHES[kind], least=1.0)
    return Typed(node, kind)


def of(node: exp.Expr, type_: SqlType) -> Typed:
    """Return a node of one of the gateway's types. Raises Unanswered for what is not computed with."""
    if type_.kind not in _KINDS:
        raise refused(f"A column of type {type_}")
    return typed(node, _KINDS[type_.kind], type_.precision, type_.scale)


class Unanswered(Exception):
    """What the engine at hand does not compute as the others do: it is refused by name, with what to write instead."""

    def __init__(self, what: str, instead: str) -> None:
        super().__init__(what)
        self.what = what
        self.instead = instead


def refused(what: str, instead: str = "") -> Unanswered:
    """Return the refusal of something that the engine at hand does not compute as the others do."""
    return Unanswered(what, instead or "Leave it out, or ask the provider for a dataset on another engine.")


# -- small parts ------------------------------------------------------------------------------------------------------

_BARE = (exp.Column, exp.Literal, exp.Paren, exp.Func, exp.Null, exp.Boolean, exp.Subquery, exp.Cast)


def held(node: exp.Expr) -> exp.Expr:
    """Return a node that stands by itself: in parentheses, unless it is a column, a literal or a call."""
    return node if isinstance(node, _BARE) and not isinstance(node, exp.Binary) else exp.paren(node, copy=False)


@lru_cache(maxsize=256)
def _type(name: str) -> exp.DataType:
    built = exp.DataType.build(name, dialect="postgres")
    sizes = [exp.DataTypeParam(this=exp.Literal.number(size.name)) for size in built.expressions]
    return exp.DataType(this=built.this, expressions=sizes, nested=False)


def data_type(kind: Kind, digits: int = 0, scale: int = 0) -> exp.DataType:
    """Return a fresh node of a type."""
    return _type(f"DECIMAL({digits}, {scale})" if kind is Kind.DECIMAL else kind.value).copy()


def cast(node: exp.Expr, kind: Kind, digits: int = 0, scale: int = 0) -> exp.Cast:
    return exp.Cast(this=node, to=data_type(kind, digits, scale))


def call(name: str, *arguments: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this=name, expressions=list(arguments))


def number(value: int) -> exp.Expr:
    literal = exp.Literal.number(abs(value))
    return exp.Neg(this=literal) if value < 0 else literal


def double(value: float) -> exp.Expr:
    """Return a literal of a floating point number, to its last bit."""
    words = {math.inf: "Infinity", -math.inf: "-Infinity"}
    text = "NaN" if math.isnan(value) else words.get(value, repr(value))
    return cast(exp.Literal.string(text), Kind.DOUBLE)


def quotient(left: exp.Expr, right: exp.Expr) -> exp.Expr:
    """Return a / b in the engine's own way."""
    return exp.Div(this=left, expression=right, typed=True, safe=False)


def case(*branches: tuple[exp.Expr, exp.Expr], otherwise: exp.Expr | None = None) -> exp.Case:
    """Return CASE WHEN a THEN b ... ELSE otherwise END: its parts are computed in order."""
    return exp.Case(ifs=[exp.If(this=test, true=value) for test, value in branches], default=otherwise)


def every(*tests: exp.Expr) -> exp.Expr:
    built = tests[0]
    for test in tests[1:]:
        built = exp.And(this=built, expression=test)
    return built


def either(*tests: exp.Expr) -> exp.Expr:
    built = tests[0]
    for test in tests[1:]:
        built = exp.Or(this=built, expression=test)
    return exp.paren(built, copy=False)


def compare(kind: type[exp.Binary], left: exp.Expr, right: exp.Expr) -> exp.Expr:
    return kind(this=left, expression=right)


def as_bigint(one: Typed) -> Typed:
    """Return an INT as a BIGINT: sums and products of such small ones would overflow."""
    if one.kind is not Kind.INT:
        return one
    return replace(one, node=cast(one.node, Kind.BIGINT), kind=Kind.BIGINT)
