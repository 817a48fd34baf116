"""Fields, periods and moves of dates in Spark's words. The canonical text holds every date within 1 to 9999.

Functions of moments are over TIMESTAMP, an instant, there: a session in UTC reads a TIMESTAMP_NTZ as the same one.
"""

import re

from sqlglot import exp

from gateway.dialects.arguments import moment, stamp
from gateway.dialects.operators import Write
from gateway.dialects.typed import Kind, Typed, as_bigint, call, cast, held, number, quotient, refused, typed

_UNITS = ("YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND")
_CLOCK = {"HOUR": 3600, "MINUTE": 60, "SECOND": 1}
_FIELDS = {
    "YEAR": "YEAR", "QUARTER": "QUARTER", "MONTH": "MONTH", "WEEK": "WEEKOFYEAR", "DAY": "DAY", "DOY": "DAYOFYEAR",
    "HOUR": "HOUR", "MINUTE": "MINUTE", "SECOND": "SECOND",
}  # fmt: skip
_FORMATS = {
    "Y": "yyyy", "y": "yy", "m": "MM", "-m": "M", "b": "MMM", "B": "MMMM", "d": "dd", "-d": "d", "j": "DDD",
    "a": "E", "A": "EEEE", "H": "HH", "M": "mm", "S": "ss",
}  # fmt: skip
_HOUR_US = 3_600_000_000


def _instant(node: exp.Expr) -> exp.Expr:
    return exp.Cast(this=node, to=exp.DataType.build("TIMESTAMP", dialect="spark"))


def _start(unit: str, one: Typed) -> exp.Expr:
    """Return the start of a period, as an instant."""
    return call("DATE_TRUNC", exp.Literal.string(unit), _instant(stamp(one)))


def truncated(node: exp.TimestampTrunc, write: Write) -> Typed:
    """Return the start of a period as a timestamp; the canonical text casts it to what it wants."""
    unit = str(node.args["unit"].name).upper()
    if unit not in _UNITS:
        raise refused(f"DATE_TRUNC to {unit}")
    return typed(cast(_start(unit, moment(node.this, write)), Kind.TIMESTAMP), Kind.TIMESTAMP)


def field(node: exp.Extract, write: Write) -> Typed:
    """Return a field of a date as a whole number, or EPOCH as a floating point one."""
    name, one = str(node.this.name).upper(), moment(node.expression, write)
    if name == "EPOCH":
        micros = cast(_micros(one), Kind.DOUBLE)
        return Typed(held(quotient(micros, cast(number(1_000_000), Kind.DOUBLE))), Kind.DOUBLE, reach=1e12, least=1e-6)
    if name in _CLOCK and one.kind is Kind.DATE:
        one = typed(stamp(one), Kind.TIMESTAMP)
    match name:
        case "ISOYEAR":
            found: exp.Expr = exp.Extract(this=exp.Var(this="YEAROFWEEK"), expression=one.node.copy())
        case "ISODOW":
            found = exp.Add(this=call("WEEKDAY", one.node.copy()), expression=number(1))
        case "DOW":
            found = exp.Sub(this=call("DAYOFWEEK", one.node.copy()), expression=number(1))
        case _ if name in _FIELDS:
            found = call(_FIELDS[name], one.node.copy())
        case _:
            raise refused(f"EXTRACT of {name}")
    return Typed(cast(found, Kind.BIGINT), Kind.BIGINT, reach=1e4, least=1.0)


def _micros(one: Typed) -> exp.Expr:
    return call("UNIX_MICROS", _instant(stamp(one)))


def microseconds(arguments: list[exp.Expr], write: Write) -> Typed:
    """Return EPOCH_US."""
    return Typed(_micros(moment(arguments[0], write)), Kind.BIGINT, reach=2.0**63, least=1.0)


def difference(arguments: list[exp.Expr], write: Write) -> Typed:
    """Return DATE_DIFF: how many borders of a unit lie between two dates."""
    unit = arguments[0].name.upper()
    first, second = (moment(part, write) for part in arguments[1:])
    if unit not in _UNITS:
        raise refused(f"DATE_DIFF in {unit}")
    if unit in ("WEEK", "DAY"):
        ends = [cast(one.node.copy(), Kind.DATE) if one.kind is not Kind.DATE else one.node for one in (second, first)]
        days = call("DATEDIFF", *ends)
        if unit == "WEEK":  # full weeks, as DuckDB counts them
            days = held(exp.IntDiv(this=days, expression=number(7)))
        return Typed(cast(days, Kind.BIGINT), Kind.BIGINT, reach=1e7, least=1.0)
    counts = [_count(unit, one) for one in (second, first)]
    return Typed(held(exp.Sub(this=counts[0], expression=counts[1])), Kind.BIGINT, reach=1e12, least=1.0)


def _count(unit: str, one: Typed) -> exp.Expr:
    """Return the number of a moment's period, counted from some border."""
    if unit in _CLOCK:
        seconds = call("UNIX_SECONDS", _start(unit, one))
        return seconds if unit == "SECOND" else held(exp.IntDiv(this=seconds, expression=number(_CLOCK[unit])))
    year = cast(call("YEAR", one.node.copy()), Kind.BIGINT)
    if unit == "YEAR":
        return year
    parts = {"QUARTER": 4, "MONTH": 12}[unit]
    whole = exp.Mul(this=year, expression=number(parts))
    part = cast(call(unit, one.node.copy()), Kind.BIGINT)
    return exp.paren(exp.Add(this=whole, expression=part), copy=False)


def month_end(arguments: list[exp.Expr], write: Write) -> Typed:
    """Return LAST_DAY."""
    return typed(call("LAST_DAY", cast(moment(arguments[0], write).node, Kind.DATE)), Kind.DATE)


def made(arguments: list[exp.Expr], write: Write) -> Typed:
    """Return MAKE_DATE; the canonical text holds each part where it makes a date."""
    parts = [cast(write(part).node, Kind.INT) for part in arguments]
    return typed(call("MAKE_DATE", *parts), Kind.DATE)


# -- intervals --------------------------------------------------------------------------------------------------------


def months(arguments: list[exp.Expr], write: Write) -> Typed:
    one = write(arguments[0])
    return typed(call("MAKE_YM_INTERVAL", number(0), cast(one.node, Kind.INT)), Kind.INTERVAL)


def days(arguments: list[exp.Expr], write: Write) -> Typed:
    one = write(arguments[0])
    return typed(call("MAKE_DT_INTERVAL", cast(one.node, Kind.INT), number(0), number(0), number(0)), Kind.INTERVAL)


def micros(arguments: list[exp.Expr], write: Write) -> Typed:
    """Return TO_MICROSECONDS: hours, and what is left of them as seconds with six places."""
    one = as_bigint(write(arguments[0]))
    if one.kind is not Kind.BIGINT:
        raise refused("An interval that is no whole number")
    hours = cast(exp.IntDiv(this=one.copy(), expression=number(_HOUR_US)), Kind.INT)
    rest = cast(exp.paren(exp.Mod(this=one.copy(), expression=number(_HOUR_US)), copy=False), Kind.DECIMAL, 11, 0)
    unit = cast(exp.Literal.string("0.000001"), Kind.DECIMAL, 6, 6)
    seconds = cast(exp.Mul(this=rest, expression=unit), Kind.DECIMAL, 18, 6)
    return typed(call("MAKE_DT_INTERVAL", number(0), hours, number(0), seconds), Kind.INTERVAL)


# -- texts ------------------------------------------------------------------------------------------------------------

_PART = re.compile(r"%(-?[A-Za-z])|(%%)|([^%]+)", re.DOTALL)


def formatted(arguments: list[exp.Expr], write: Write) -> Typed:
    """Return STRFTIME by a literal pattern; Java's patterns have no year of weeks."""
    one, pattern, at = moment(arguments[0], write), arguments[1].name, 0
    written, plain = [], ""
    while at < len(pattern):
        found = _PART.match(pattern, at)
        if found is None or (found[1] and found[1] not in _FORMATS):
            raise refused("This date format")
        if found[1]:
            written += [_quoted(plain), _FORMATS[found[1]]]
            plain = ""
        else:  # two quotes that meet would be a quote to Java: what stands together is quoted together
            plain += "%" if found[2] else found[3]
        at = found.end()
    whole = "".join((*written, _quoted(plain)))
    return typed(call("DATE_FORMAT", _instant(stamp(one)), exp.Literal.string(whole)), Kind.TEXT)


def _quoted(plain: str) -> str:
    return "'" + plain.replace("'", "''") + "'" if plain else ""
