"""Intervals: literal and counted times to move a date by, read from every way of writing them."""

import re
from dataclasses import dataclass, replace

from sqlglot import exp

from gateway.catalog.types import INTEGER
from gateway.errors import GatewayError
from gateway.sql.parse import place
from gateway.sql.rows import Resolve
from gateway.sql.terms import Term, enforced

_UNITS = {
    "YEAR": ("MONTH", 12),
    "QUARTER": ("MONTH", 3),
    "MONTH": ("MONTH", 1),
    "WEEK": ("DAY", 7),
    "DAY": ("DAY", 1),
    "HOUR": ("MICROSECOND", 3_600_000_000),
    "MINUTE": ("MICROSECOND", 60_000_000),
    "SECOND": ("MICROSECOND", 1_000_000),
    "MILLISECOND": ("MICROSECOND", 1_000),
    "MICROSECOND": ("MICROSECOND", 1),
}
_SHORT = {"MON": "MONTH", "HR": "HOUR", "MIN": "MINUTE", "SEC": "SECOND", "D": "DAY", "Y": "YEAR", "H": "HOUR"}
_PIECE = re.compile(r"\s*([+-]?\d{1,12})\s*([A-Za-z]+)\s*", re.ASCII)
_COUNT = re.compile(r"^\s*([+-]?\d{1,12})\s*$", re.ASCII)


@dataclass(frozen=True, slots=True)
class Amount:
    """A time to move by: whole months, days and microseconds, in the order in which an engine adds them.

    `count` multiplies the one of them that is not zero, where the amount is not a literal.
    """

    months: int = 0
    days: int = 0
    micros: int = 0
    count: Term | None = None

    def times(self, factor: int) -> "Amount":
        return replace(self, months=self.months * factor, days=self.days * factor, micros=self.micros * factor)

    def plus(self, other: "Amount") -> "Amount":
        return Amount(self.months + other.months, self.days + other.days, self.micros + other.micros)


def refused_interval(node: exp.Expr, detail: str) -> GatewayError:
    hint = "Write INTERVAL '3' MONTH: a whole number and YEAR, QUARTER, MONTH, WEEK, DAY, HOUR, MINUTE or SECOND."
    return GatewayError("unsupported_sql", detail, hint, place(node))


def unit_of(node: exp.Expr, name: str) -> tuple[str, int]:
    name = name.upper()
    name = _SHORT.get(name, name)
    known = name if name in _UNITS else _SHORT.get(name.removesuffix("S"), name.removesuffix("S"))
    if known not in _UNITS:
        raise refused_interval(node, f"The unit {name} of a time is not answered.")
    return _UNITS[known]


def amount_of(kind: str, count: int) -> Amount:
    return {
        "MONTH": Amount(months=count),
        "DAY": Amount(days=count),
        "MICROSECOND": Amount(micros=count),
    }[kind]


def is_interval(node: exp.Expr) -> bool:
    while isinstance(node, exp.Paren | exp.Neg):
        node = node.this
    if isinstance(node, exp.Add | exp.Sub):
        return is_interval(node.this) and is_interval(node.expression)
    if isinstance(node, exp.Mul):
        return is_interval(node.this) or is_interval(node.expression)
    return isinstance(node, exp.Interval) or (isinstance(node, exp.Cast) and node.args["to"].this is exp.DType.INTERVAL)


def read_amount(node: exp.Expr, resolve: Resolve) -> Amount:
    """Return the amount of an interval expression. Raises GatewayError `unsupported_sql`."""
    match node:
        case exp.Paren():
            return read_amount(node.this, resolve)
        case exp.Neg():
            return read_amount(node.this, resolve).times(-1)
        case exp.Add() | exp.Sub():
            left, right = read_amount(node.this, resolve), read_amount(node.expression, resolve)
            if left.count is not None or right.count is not None:
                raise refused_interval(node, "Intervals that are not literals are not added up.")
            return left.plus(right if isinstance(node, exp.Add) else right.times(-1))
        case exp.Mul():
            inner, by = (node.this, node.expression) if is_interval(node.this) else (node.expression, node.this)
            return multiplied(node, read_amount(inner, resolve), resolve(by))
        case exp.Cast():
            literal = resolve(node.this).literal
            return _spelled(node, literal if isinstance(literal, str) else "")
        case exp.Interval():
            return _interval(node, resolve)
        case _:
            raise refused_interval(node, "This interval is not answered.")


def multiplied(node: exp.Expr, amount: Amount, by: Term) -> Amount:
    if by.type != INTEGER or amount.count is not None:
        raise refused_interval(node, "An interval is multiplied by a whole number, once.")
    if isinstance(by.literal, int):
        return amount.times(by.literal)
    if sum(part != 0 for part in (amount.months, amount.days, amount.micros)) > 1:
        raise refused_interval(node, "An interval of several units is multiplied.")
    return replace(amount, count=enforced(by))


def _interval(node: exp.Interval, resolve: Resolve) -> Amount:
    unit, counted = node.args.get("unit"), node.this
    if unit is None:
        literal = resolve(counted).literal if counted is not None else None
        return _spelled(node, literal if isinstance(literal, str) else "")
    if not isinstance(unit, exp.Var):
        raise refused_interval(node, "An interval from one unit TO another is not answered.")
    kind, factor = unit_of(node, unit.name)
    term = resolve(counted)
    if isinstance(term.literal, str):
        found = _COUNT.match(term.literal)
        if found is None:
            raise refused_interval(node, "The length of this interval is not a whole number.")
        return amount_of(kind, int(found[1]) * factor)
    return multiplied(node, amount_of(kind, factor), term)


def _spelled(node: exp.Expr, words: str) -> Amount:
    """Return the amount of '1 year 2 months' or '90 days'."""
    found, at = Amount(), 0
    while at < len(words) and (piece := _PIECE.match(words, at)) is not None:
        kind, factor = unit_of(node, piece[2])
        found, at = found.plus(amount_of(kind, int(piece[1]) * factor)), piece.end()
    if not words.strip() or at < len(words):
        raise refused_interval(node, "This interval is not answered.")
    return found
