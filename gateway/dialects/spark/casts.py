"""CAST and TRY_CAST in Spark's words: where DuckDB has no value it is NULL, and it is rounded as DuckDB does.

What is read from a text, or written of a floating point number, differs between the engines in too many ways.
"""

import math
import re
from dataclasses import replace

from sqlglot import exp

from gateway.dialects.operators import Write
from gateway.dialects.spark import doubles, numbers
from gateway.dialects.spark.words import MAX_DIGITS, as_decimal
from gateway.dialects.typed import (
    BITS,
    EXACT,
    TARGETS,
    Kind,
    Typed,
    call,
    case,
    cast,
    compare,
    double,
    every,
    held,
    number,
    refused,
    typed,
)

_TARGETS = {to: kind for to, kind in TARGETS.items() if kind is not Kind.UUID}
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d:\d\d(?:\.\d{1,6})?)?")
_LAST_DAYS = 106_751_990
"""Days from 1970 whose every moment is a TIMESTAMP, in either direction."""

PLAIN_PLACES = 6
"""Decimals with more places than these are written with an exponent near zero."""


def conversion(node: exp.Cast, write: Write) -> Typed:
    """Return a CAST, or a TRY_CAST, to one of the types that the canonical text has."""
    to = node.args["to"]
    if to.this not in _TARGETS:
        raise refused(f"A CAST to {to.sql('duckdb')}")
    kind = _TARGETS[to.this]
    sizes = [int(part.this.name) for part in to.expressions]
    digits, scale = (*sizes, 0)[:2] if kind is Kind.DECIMAL else (0, 0)
    if type(node) is exp.Cast and isinstance(node.this, exp.Literal) and node.this.is_string:
        return _literal(node.this.name, kind, digits, scale)
    if kind in (Kind.INT, Kind.BIGINT) and (cut := numbers.whole(node.this, write)) is not None:
        return _whole_of_double(cut, kind, BITS[to.this], cut=True)
    source = write(node.this)
    if source.kind is Kind.NULL:
        return replace(typed(cast(source.node, kind, digits, scale), kind, digits, scale), reach=0.0, least=1.0)
    match kind:
        case Kind.BOOLEAN:
            return _truth(source)
        case Kind.INT | Kind.BIGINT | Kind.HUGE:
            return _whole(source, kind, BITS.get(to.this), total=isinstance(node, exp.TryCast))
        case Kind.DECIMAL:
            return _decimal(source, digits, scale)
        case Kind.DOUBLE:
            made = _double(source)
            return _single(made) if to.this is exp.DType.FLOAT else made
        case Kind.TEXT:
            return _text(source)
        case _:
            return _temporal(source, kind)


def _literal(text: str, kind: Kind, digits: int, scale: int) -> Typed:
    """Return a literal of the canonical text, which always fits its type."""
    if kind in (Kind.DATE, Kind.TIMESTAMP):
        if not _MOMENT.fullmatch(text) or text < "0001":
            raise refused("A date that is infinite, or outside the years 1 to 9999")
        return typed(cast(exp.Literal.string(text), kind), kind)
    if kind not in (*EXACT, Kind.DOUBLE):
        raise refused(f"A literal of type {kind}")
    value = abs(float(text))
    node: exp.Expr = double(float(text)) if kind is Kind.DOUBLE else cast(exp.Literal.string(text), kind, digits, scale)
    made = typed(node, kind, digits, scale)
    return replace(made, reach=value, least=value or 1.0, natural=not text.startswith("-")) if value < 1e308 else made


def _truth(source: Typed) -> Typed:
    if source.kind is Kind.BOOLEAN:
        return source
    zero = double(0.0) if source.kind is Kind.DOUBLE else number(0)
    if source.kind not in (*EXACT, Kind.DOUBLE):
        raise refused(f"A CAST of {source.kind} to BOOLEAN")
    return typed(held(compare(exp.NEQ, source.copy(), zero)), Kind.BOOLEAN)


def _of_truth(source: Typed) -> Typed:
    return Typed(cast(source.node, Kind.INT), Kind.INT, reach=1.0, least=1.0, natural=True)


def _whole(source: Typed, kind: Kind, bits: int | None, *, total: bool) -> Typed:
    if source.kind is Kind.BOOLEAN:
        source = _of_truth(source)
    if source.kind is Kind.DOUBLE:
        if bits is None:
            raise refused("A CAST of a floating point number to more than 64 bits")
        return _whole_of_double(source, kind, bits, cut=False)
    if source.kind not in EXACT:
        raise refused(f"A CAST of {source.kind} to {kind}", "Ask for the column as it is.")
    reach = source.reach + (source.kind is Kind.DECIMAL)
    if source.kind is Kind.DECIMAL and source.scale:  # a CAST to a whole number cuts off, to a decimal it rounds
        source = as_decimal(source, min(source.digits - source.scale + 1, MAX_DIGITS), 0)
    limit = 2.0**bits if bits is not None else 10.0**MAX_DIGITS
    made: exp.Expr = cast(source.node, kind)
    narrows = reach >= limit and not (bits == 63 and source.kind is Kind.BIGINT)
    if total and narrows and bits is not None:
        inside = exp.Between(this=source.copy(), low=number(-(2**bits)), high=number(2**bits - 1))
        made = case((inside, cast(source.node.copy(), kind)))
    return Typed(made, kind, reach=min(reach, limit), least=1.0, natural=source.natural)


def _whole_of_double(source: Typed, kind: Kind, bits: int, *, cut: bool) -> Typed:
    """Return a floating point number rounded to a whole one, halves to the even side; NULL where it does not fit."""
    limit = 2.0**bits
    nearest = source.node if cut else call("RINT", source.node.copy())
    if source.reach < limit - 1:
        return Typed(cast(nearest, kind), kind, reach=source.reach + 1, least=1.0, natural=source.natural)
    whole = held(doubles.cut(source.node)) if cut else nearest
    low, high = compare(exp.GTE, whole.copy(), double(-limit)), compare(exp.LT, whole.copy(), double(limit))
    return Typed(case((every(low, high), cast(nearest.copy(), kind))), kind, reach=limit, least=1.0)


def _decimal(source: Typed, digits: int, scale: int) -> Typed:
    """Return a decimal; NULL where it does not fit, as Spark has it by itself."""
    if source.kind is Kind.BOOLEAN:
        source = _of_truth(source)
    if source.kind is Kind.DOUBLE:
        return _decimal_of_double(source, digits, scale)
    if source.kind not in EXACT:
        raise refused(f"A CAST of {source.kind} to DECIMAL")
    if source.kind is Kind.DECIMAL and (source.digits, source.scale) == (digits, scale):
        return source
    known = typed(cast(source.node, Kind.DECIMAL, digits, scale), Kind.DECIMAL, digits, scale)
    return replace(known, reach=min(known.reach, source.reach + 10.0**-scale), natural=source.natural)


def _decimal_of_double(source: Typed, digits: int, scale: int) -> Typed:
    """Return a floating point number as a decimal of up to 18 digits: times 10^scale, then rounded to a whole one."""
    if digits > 18:
        raise refused("A CAST of a floating point number to more than 18 digits", "CAST it to DECIMAL(18, s).")
    steps = doubles.multiply(source, Typed(double(10.0**scale), Kind.DOUBLE, reach=10.0**scale, least=10.0**scale))
    rounded = call("RINT", steps.node.copy())
    edge = double(10.0**digits)
    inside = every(compare(exp.GT, rounded, exp.Neg(this=edge)), compare(exp.LT, rounded.copy(), edge.copy()))
    units = cast(cast(rounded.copy(), Kind.BIGINT), Kind.DECIMAL, digits, 0)
    unit = cast(exp.Literal.string(f"{10**-scale:.{scale}f}"), Kind.DECIMAL, scale + 1, scale)
    value = cast(exp.Mul(this=units, expression=unit), Kind.DECIMAL, digits, scale)
    return typed(case((inside, value)), Kind.DECIMAL, digits, scale)


def _double(source: Typed) -> Typed:
    if source.kind is Kind.BOOLEAN:
        source = _of_truth(source)
    if source.kind is Kind.DOUBLE:
        return source
    if source.kind not in EXACT:
        raise refused(f"A CAST of {source.kind} to DOUBLE")
    return doubles.of_exact(source)


def _single(source: Typed) -> Typed:
    """Return a DOUBLE rounded to the 24 bits of a FLOAT; NULL beyond its largest."""
    beyond = every(
        compare(exp.GTE, doubles.size(source), double(2.0**128 - 2.0**103)),
        compare(exp.NEQ, doubles.size(source), double(math.inf)),
        compare(exp.NEQ, source.copy(), double(math.nan)),
    )
    single = exp.Cast(this=source.node.copy(), to=exp.DataType.build("FLOAT", dialect="spark"))
    built = case((beyond, exp.Null()), otherwise=cast(single, Kind.DOUBLE))
    return Typed(built, Kind.DOUBLE, reach=source.reach * (1 + 1e-6))


def _text(source: Typed) -> Typed:
    """Return a value as a text, the same to the byte on every engine."""
    match source.kind:
        case Kind.TEXT:
            return source
        case Kind.DECIMAL if source.scale > PLAIN_PLACES:
            raise refused("A text made of a decimal with so many places", "CAST it to DECIMAL(p, 6) first.")
        case Kind.INT | Kind.BIGINT | Kind.HUGE | Kind.DECIMAL | Kind.BOOLEAN:
            return typed(cast(source.node, Kind.TEXT), Kind.TEXT)
        case Kind.DATE | Kind.TIMESTAMP:
            return typed(_written(source), Kind.TEXT)
        case _:
            raise refused(f"A text made of {source.kind}", "CAST it to DECIMAL(p, s) first.")


def _written(source: Typed) -> exp.Expr:
    """Return a moment as a text: before the year 1 the era stands behind the day in brackets; no year has a plus."""
    plain = cast(source.node.copy(), Kind.TEXT)
    first, last = (cast(exp.Literal.string(day), source.kind) for day in ("0001-01-01", "9999-12-31"))
    inside = every(compare(exp.GTE, source.copy(), first), compare(exp.LTE, source.copy(), last))
    later = compare(exp.GT, source.copy(), last.copy())
    signless = exp.Case(
        ifs=[exp.If(this=call("STARTSWITH", plain.copy(), exp.Literal.string("+")), true=_from(plain, 2))],
        default=plain.copy(),
    )
    year = exp.Sub(this=number(1), expression=call("YEAR", source.node.copy()))
    wide = call("GREATEST", number(4), call("LENGTH", cast(year, Kind.TEXT)))
    shown = call("LPAD", cast(year.copy(), Kind.TEXT), wide, exp.Literal.string("0"))
    width = 6 if source.kind is Kind.DATE else 0
    day = cast(cast(source.node.copy(), Kind.DATE), Kind.TEXT) if not width else plain.copy()
    month = exp.Substring(this=day, start=exp.Neg(this=number(6)))
    early: exp.Expr = exp.DPipe(this=shown, expression=month, safe=True)
    early = exp.DPipe(this=early, expression=exp.Literal.string(" (BC)"), safe=True)
    if not width:
        blank = exp.Anonymous(this="LOCATE", expressions=[exp.Literal.string(" "), plain.copy()])
        early = exp.DPipe(this=early, expression=exp.Substring(this=plain.copy(), start=blank), safe=True)
    return case((inside, plain), (later, signless), (compare(exp.LT, source.copy(), first.copy()), early))


def _from(text: exp.Expr, start: int) -> exp.Expr:
    return exp.Substring(this=text.copy(), start=number(start))


def _temporal(source: Typed, kind: Kind) -> Typed:
    if source.kind is kind:
        return source
    if source.kind is Kind.TIMESTAMP and kind is Kind.DATE:
        return typed(cast(source.node, Kind.DATE), Kind.DATE)
    if source.kind is Kind.DATE and kind is Kind.TIMESTAMP:
        days = call("DATEDIFF", source.node.copy(), cast(exp.Literal.string("1970-01-01"), Kind.DATE))
        inside = exp.Between(this=days, low=number(-_LAST_DAYS), high=number(_LAST_DAYS))
        return typed(case((inside, cast(source.node.copy(), Kind.TIMESTAMP))), Kind.TIMESTAMP)
    raise refused(f"A CAST of {source.kind} to {kind}", "Compare with DATE '2000-01-31', or make_date(y, m, d).")
