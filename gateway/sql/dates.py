"""Date functions: DATE_TRUNC and EXTRACT, and the periods that a span of days holds."""

from dataclasses import replace
from datetime import date, timedelta

from sqlglot import exp

from gateway.catalog.types import INTEGER, TIMESTAMP
from gateway.errors import GatewayError
from gateway.sql import ranges
from gateway.sql.operators import Resolve, mismatch
from gateway.sql.parse import place
from gateway.sql.terms import Term, cast, enforced, merge

MAX_DOMAIN = 10_000
"""Domains longer than this are not enumerated."""

_SAFE_SPAN = (date(1, 1, 1), date(9999, 12, 31))
_UNITS = ("YEAR", "QUARTER", "MONTH", "WEEK", "DAY")
_FIELDS = {
    "YEAR": None,
    "QUARTER": (1, 4),
    "MONTH": (1, 12),
    "DAY": (1, 31),
    "ISODOW": (1, 7),
    "WEEK": (1, 53),
}
# DOW and DOY are left out: the same word counts from 0, 1, Sunday or Monday, as the dialect has it.


def _dated(node: exp.Expr, resolve: Resolve) -> Term:
    """Return a date or timestamp that every date function takes: outside the years 1 to 9999 it is NULL."""
    term = resolve(node.this if isinstance(node, exp.TsOrDsToDate) else node)
    if not term.type.temporal:
        raise mismatch(node, f"A date is expected; this is {term.type}.")
    return within_years(term)


def within_years(term: Term) -> Term:
    """Return a date or timestamp with its bounds enforced; without any, outside the years 1 to 9999 it is NULL."""
    if term.span is not None:
        return enforced(term)
    lo, hi = (cast(exp.Literal.string(end.isoformat()), term.type) for end in _SAFE_SPAN)
    inside = exp.Between(this=term.node.copy(), low=lo, high=hi)
    built = exp.Case(ifs=[exp.If(this=inside, true=term.node.copy())])
    return replace(term, node=built, nullable=True, raw=False, origin=None, domain=None)


def truncation(node: exp.TimestampTrunc | exp.DateTrunc, resolve: Resolve) -> Term:
    """Return DATE_TRUNC(unit, date); a date stays a date."""
    term, unit = _dated(node.this, resolve), node.args["unit"].name.upper()
    if unit not in _UNITS:
        hint = f"Use one of {', '.join(_UNITS)}."
        raise GatewayError("unsupported_sql", f"DATE_TRUNC to {unit} is not answered.", hint, place(node))
    built = cast(exp.TimestampTrunc(this=term.node.copy(), unit=exp.Var(this=unit)), term.type)
    domain = None
    span = None
    if term.span is not None:
        first, last = (truncate(day, unit) for day in term.span)
        span = (first, last)
        days = enumerate_periods(first, last, unit)
        if days is not None:
            midnight = "T00:00:00" if term.type == TIMESTAMP else ""
            domain = tuple(day.isoformat() + midnight for day in days)
    return Term(built, term.type, nullable=term.nullable, span=span, domain=domain, **merge(term))


def truncate(day: date, unit: str) -> date:
    """Return the first day of the period that holds `day` (weeks start on Monday)."""
    match unit:
        case "YEAR":
            return date(day.year, 1, 1)
        case "QUARTER":
            return date(day.year, day.month - (day.month - 1) % 3, 1)
        case "MONTH":
            return date(day.year, day.month, 1)
        case "WEEK":
            return day - timedelta(days=day.weekday())
        case _:
            return day


def enumerate_periods(first: date, last: date, unit: str) -> list[date] | None:
    """Return the first days of all periods from `first` to `last`, or None if there are too many."""
    days: list[date] = []
    day = first
    while day <= last:
        days.append(day)
        if len(days) > MAX_DOMAIN:
            return None
        step = {"YEAR": 366, "QUARTER": 95, "MONTH": 32, "WEEK": 7, "DAY": 1}[unit]
        day = truncate(day + timedelta(days=step), unit)
    return days


def field_of_date(node: exp.Expr, resolve: Resolve) -> Term:
    """Return EXTRACT(field FROM date) and YEAR(date), QUARTER(date), MONTH(date), DAY(date)."""
    name = node.this.name.upper() if isinstance(node, exp.Extract) else node.key.upper()
    if name not in _FIELDS:
        hint = f"Use one of {', '.join(_FIELDS)}."
        raise GatewayError("unsupported_sql", f"EXTRACT of {name} is not answered.", hint, place(node))
    term = _dated(node.expression if isinstance(node, exp.Extract) else node.this, resolve)
    limits = _FIELDS[name]
    if limits is None:
        first, last = term.span or _SAFE_SPAN
        limits = (first.year, last.year)
    built = cast(exp.Extract(this=exp.Var(this=name), expression=term.node.copy()), INTEGER)
    return Term(built, INTEGER, nullable=term.nullable, range=ranges.between(*limits), **merge(term))
