"""Fields, periods and moves of dates in PostgreSQL's words. The canonical text holds every date within 1 to 9999."""

import re
from dataclasses import replace

from sqlglot import exp

from gateway.dialects.arguments import moment, stamp
from gateway.dialects.operators import Write
from gateway.dialects.typed import (
    Kind,
    Typed,
    as_bigint,
    call,
    cast,
    held,
    number,
    quotient,
    refused,
    typed,
)

_UNITS = ("YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND")
_FIELDS = ("YEAR", "ISOYEAR", "QUARTER", "MONTH", "WEEK", "DAY", "DOY", "ISODOW", "DOW", "HOUR", "MINUTE", "SECOND")
_CLOCK = {"HOUR": 3600, "MINUTE": 60, "SECOND": 1}
_FORMATS = {
    "Y": "YYYY", "y": "YY", "m": "MM", "-m": "FMMM", "b": "Mon", "B": "FMMonth", "G": "IYYY", "V": "IW", "d": "DD",
    "-d": "FMDD", "j": "DDD", "a": "Dy", "A": "FMDay", "H": "HH24", "M": "MI", "S": "SS",
}  # fmt: skip
_HOUR_US = 3_600_000_000


def _start(unit: str, one: Typed) -> exp.Expr:
    return call("DATE_TRUNC", exp.Literal.string(unit), stamp(one))


def truncated(node: exp.TimestampTrunc, write: Write) -> Typed:
    """Return the start of a period as a timestamp; the canonical text casts it to what it wants."""
    unit = str(node.args["unit"].name).upper()
    if unit not in _UNITS:
        raise refused(f"DATE_TRUNC to {unit}")
    return typed(_start(unit, moment(node.this, write)), Kind.TIMESTAMP)


def field(node: exp.Extract, write: Write) -> Typed:
    """Return a field of a date as a whole number, or EPOCH as a floating point one."""
    name, one = str(node.this.name).upper(), moment(node.expression, write)
    if name == "EPOCH":
        micros = cast(_micros(one), Kind.DOUBLE)
        return Typed(held(quotient(micros, cast(number(1_000_000), Kind.DOUBLE))), Kind.DOUBLE, reach=1e12, least=1e-6)
    if name not in _FIELDS:
        raise refused(f"EXTRACT of {name}")
    if name in _CLOCK and one.kind is Kind.DATE:
        one = replace(one, node=stamp(one), kind=Kind.TIMESTAMP)
    found = exp.Extract(this=exp.Var(this=name), expression=one.node.copy())
    return Typed(cast(call("TRUNC", found), Kind.BIGINT), Kind.BIGINT, reach=1e4, least=1.0)


def _micros(one: Typed) -> exp.Expr:
    seconds = exp.Extract(this=exp.Var(this="EPOCH"), expression=stamp(one))
    return cast(exp.Mul(this=seconds, expression=number(1_000_000)), Kind.BIGINT)


def microseconds(arguments: list[exp.Expr], write: Write) -> Typed:
    """Return EPOCH_US."""
    return Typed(_micros(moment(arguments[0], write)), Kind.BIGINT, reach=2.0**63, least=1.0)


def difference(arguments: list[exp.Expr], write: Write) -> Typed:
    """Return DATE_DIFF: how many borders of a unit lie between two dates."""
    unit = arguments[0].name.upper()
    first, second = (moment(part, write) for part in arguments[1:])
    if unit not in _UNITS:
        raise refused(f"DATE_DIFF in {unit}")
    if unit == "WEEK":  # full weeks, as DuckDB counts them
        ends = [cast(one.node.copy(), Kind.DATE) for one in (second, first)]
        between = exp.paren(exp.Sub(this=ends[0], expression=ends[1]), copy=False)
        return Typed(held(quotient(between, number(7))), Kind.INT, reach=1e6, least=1.0)
    counts = [_count(unit, one) for one in (second, first)]
    return Typed(held(exp.Sub(this=counts[0], expression=counts[1])), Kind.BIGINT, reach=1e12, least=1.0)


def _count(unit: str, one: Typed) -> exp.Expr:
    """Return the number of a moment's period, counted from some border."""
    if unit in _CLOCK:
        seconds = cast(exp.Extract(this=exp.Var(this="EPOCH"), expression=_start(unit, one)), Kind.BIGINT)
        return seconds if unit == "SECOND" else held(quotient(seconds, number(_CLOCK[unit])))
    if unit == "DAY":
        return _days(cast(one.node.copy(), Kind.DATE))
    year = _part("YEAR", one)
    if unit == "YEAR":
        return year
    parts = {"QUARTER": 4, "MONTH": 12}[unit]
    whole = exp.Mul(this=year, expression=number(parts))
    return exp.paren(exp.Add(this=whole, expression=_part(unit, one)), copy=False)


def _days(node: exp.Expr) -> exp.Expr:
    """Return the days since a Monday long ago."""
    monday = cast(exp.Literal.string("0001-01-01"), Kind.DATE)
    return exp.paren(cast(exp.paren(exp.Sub(this=node, expression=monday), copy=False), Kind.BIGINT), copy=False)


def _part(name: str, one: Typed) -> exp.Expr:
    return cast(exp.Extract(this=exp.Var(this=name), expression=one.node.copy()), Kind.BIGINT)


def month_end(arguments: list[exp.Expr], write: Write) -> Typed:
    """Return LAST_DAY."""
    one = moment(arguments[0], write)
    months, days = _interval(number(1), "months"), _interval(number(1), "days")
    following = exp.Add(this=_start("MONTH", one), expression=months)
    last = exp.paren(exp.Sub(this=following, expression=days), copy=False)
    return typed(cast(last, Kind.DATE), Kind.DATE)


def made(arguments: list[exp.Expr], write: Write) -> Typed:
    """Return MAKE_DATE; the canonical text holds each part where it makes a date."""
    parts = [cast(write(part).node, Kind.INT) for part in arguments]
    return typed(call("MAKE_DATE", *parts), Kind.DATE)


# -- intervals --------------------------------------------------------------------------------------------------------


def _interval(count: exp.Expr, unit: str) -> exp.Expr:
    """Return MAKE_INTERVAL of a whole number of one unit (years, months, weeks, days, hours, minutes, seconds)."""
    places = ("years", "months", "weeks", "days", "hours", "minutes", "seconds")
    return call("MAKE_INTERVAL", *(count if unit == place else number(0) for place in places))


def months(arguments: list[exp.Expr], write: Write) -> Typed:
    return typed(_interval(write(arguments[0]).node, "months"), Kind.INTERVAL)


def days(arguments: list[exp.Expr], write: Write) -> Typed:
    return typed(_interval(write(arguments[0]).node, "days"), Kind.INTERVAL)


def micros(arguments: list[exp.Expr], write: Write) -> Typed:
    """Return TO_MICROSECONDS: hours, and what is left of them as seconds, so that a DOUBLE holds each microsecond."""
    one = as_bigint(write(arguments[0]))
    if one.kind is not Kind.BIGINT:
        raise refused("An interval that is no whole number")
    hours = cast(quotient(one.copy(), number(_HOUR_US)), Kind.INT)
    rest = cast(exp.paren(exp.Mod(this=one.copy(), expression=number(_HOUR_US)), copy=False), Kind.DOUBLE)
    seconds = quotient(rest, cast(number(1_000_000), Kind.DOUBLE))
    built = call("MAKE_INTERVAL", *(number(0) for _ in range(4)), hours, number(0), seconds)
    return typed(built, Kind.INTERVAL)


# -- texts ------------------------------------------------------------------------------------------------------------

_PART = re.compile(r"%(-?[A-Za-z])|(%%)|([^%]+)", re.DOTALL)


def formatted(arguments: list[exp.Expr], write: Write) -> Typed:
    """Return STRFTIME by a literal pattern."""
    one, pattern, at = moment(arguments[0], write), arguments[1].name, 0
    written = []
    while at < len(pattern):
        found = _PART.match(pattern, at)
        if found is None or (found[1] and found[1] not in _FORMATS):
            raise refused("This date format")
        plain = "%" if found[2] else (found[3] or "")
        plain = plain.replace("\\", "\\\\").replace('"', '\\"')
        written.append(_FORMATS[found[1]] if found[1] else f'"{plain}"')
        at = found.end()
    return typed(call("TO_CHAR", stamp(one), exp.Literal.string("".join(written))), Kind.TEXT)
