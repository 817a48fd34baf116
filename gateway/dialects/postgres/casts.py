"""CAST and TRY_CAST in PostgreSQL's words: where it would raise, the value is NULL; it is rounded as DuckDB does.

What is read from a text, or written of a floating point number, differs between the engines in too many ways.
"""

import math
from dataclasses import replace

from sqlglot import exp

from gateway.dialects.operators import Write
from gateway.dialects.postgres import doubles, numbers
from gateway.dialects.typed import (
    BITS,
    EXACT,
    TARGETS,
    WHOLE,
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

_LITERALS = (Kind.BIGINT, Kind.INT, Kind.HUGE, Kind.DECIMAL, Kind.DOUBLE, Kind.DATE, Kind.TIMESTAMP)
_LAST_TIMESTAMP = "294247-01-10"
"""The last day that begins as a TIMESTAMP in DuckDB; PostgreSQL's go on for another 29 years."""


def conversion(node: exp.Cast, write: Write) -> Typed:
    """Return a CAST, or a TRY_CAST, to one of the types that the canonical text has."""
    to = node.args["to"]
    if to.this not in TARGETS:
        raise refused(f"A CAST to {to.sql('duckdb')}")
    kind = TARGETS[to.this]
    sizes = [int(part.this.name) for part in to.expressions]
    digits, scale = (*sizes, 0)[:2] if kind is Kind.DECIMAL else (0, 0)
    if type(node) is exp.Cast and isinstance(node.this, exp.Literal) and node.this.is_string:
        return _literal(node.this.name, kind, digits, scale)
    source = (numbers.rounded_to_whole(node.this, write) if kind in WHOLE else None) or write(node.this)
    target = Typed(source.node, kind, digits, scale)
    if source.kind is Kind.NULL:
        return replace(typed(cast(source.node, kind, digits, scale), kind, digits, scale), reach=0.0, least=1.0)
    match kind:
        case Kind.BOOLEAN:
            return _truth(source)
        case Kind.INT | Kind.BIGINT | Kind.HUGE:
            return _whole(source, kind, BITS.get(to.this), total=isinstance(node, exp.TryCast))
        case Kind.DECIMAL:
            return _decimal(source, target, total=isinstance(node, exp.TryCast))
        case Kind.DOUBLE:
            made = _double(source)
            return _single(made) if to.this is exp.DType.FLOAT else made
        case Kind.TEXT:
            return _text(source)
        case _:
            return _temporal(source, kind)


def _literal(text: str, kind: Kind, digits: int, scale: int) -> Typed:
    """Return a literal of the canonical text, which always fits its type."""
    if kind not in _LITERALS:
        raise refused(f"A literal of type {kind}")
    made = typed(cast(exp.Literal.string(text), kind, digits, scale), kind, digits, scale)
    if kind in (Kind.DATE, Kind.TIMESTAMP):
        return made
    value = abs(float(text))
    if not math.isfinite(value):
        return made
    return replace(made, reach=value, least=value or 1.0, natural=not text.startswith("-"))


def _truth(source: Typed) -> Typed:
    if source.kind is Kind.BOOLEAN:
        return source
    zero = double(0.0) if source.kind is Kind.DOUBLE else number(0)
    if source.kind not in (*EXACT, Kind.DOUBLE):
        raise refused(f"A CAST of {source.kind} to BOOLEAN")
    return typed(held(compare(exp.NEQ, source.copy(), zero)), Kind.BOOLEAN)


def _of_truth(source: Typed) -> Typed:
    one = case((source.copy(), number(1)), (exp.Not(this=source.copy()), number(0)))
    return Typed(held(one), Kind.INT, reach=1.0, least=1.0)


def _whole(source: Typed, kind: Kind, bits: int | None, *, total: bool) -> Typed:
    if source.kind is Kind.BOOLEAN:
        source = _of_truth(source)
    if source.kind is Kind.DOUBLE:
        return _whole_of_double(source, kind, bits)
    if source.kind not in EXACT:
        raise refused(f"A CAST of {source.kind} to {kind}", "Ask for the column as it is.")
    limit = 2.0**bits if bits is not None else math.inf
    made = cast(source.node, kind)
    reach, least = source.reach, source.least if source.kind in WHOLE else 1.0
    narrows = reach >= limit and not (bits == 63 and source.kind is Kind.BIGINT)
    if total and narrows and bits is not None:
        rounded = source.copy() if source.kind in WHOLE else call("ROUND", source.node.copy())
        inside = exp.Between(this=rounded, low=number(-(2**bits)), high=number(2**bits - 1))
        made = case((inside, cast(source.node.copy(), kind)))  # type: ignore[assignment]
        reach = limit
    return Typed(made, kind, reach=min(reach + (source.kind is Kind.DECIMAL), limit), least=least)


def _whole_of_double(source: Typed, kind: Kind, bits: int | None) -> Typed:
    """Return a floating point number rounded to a whole one, halves to the even side; NULL where it does not fit."""
    if kind is Kind.HUGE or bits is None:
        raise refused("A CAST of a floating point number to more than 64 bits")
    limit = 2.0**bits
    if source.reach < limit - 1:
        return Typed(cast(source.node, kind), kind, reach=source.reach + 1, least=1.0)
    if bits == 63:
        low, high = compare(exp.GTE, source.copy(), double(-limit)), compare(exp.LT, source.copy(), double(limit))
    else:
        rounded = call("ROUND", source.node.copy())
        low = compare(exp.GTE, rounded, double(-limit))
        high = compare(exp.LT, rounded.copy(), double(limit))
    return Typed(case((every(low, high), cast(source.node.copy(), kind))), kind, reach=limit, least=1.0)


def _decimal(source: Typed, target: Typed, *, total: bool) -> Typed:
    if source.kind is Kind.BOOLEAN:
        source = _of_truth(source)
    if source.kind is Kind.DOUBLE:
        return _decimal_of_double(source, target)
    if source.kind not in EXACT:
        raise refused(f"A CAST of {source.kind} to DECIMAL")
    digits, scale = target.digits, target.scale
    if source.kind is Kind.DECIMAL and source.scale == scale and source.reach <= 10.0 ** (digits - scale):
        return replace(source, digits=digits)  # nothing is rounded or too long: numeric has one width
    made: exp.Expr = cast(source.node, Kind.DECIMAL, digits, scale)
    known = typed(made, Kind.DECIMAL, digits, scale)
    limit = 10.0 ** (digits - scale)
    if total and source.reach * (1 + 1e-9) + 1 >= limit:
        rounded = call("ABS", call("ROUND", cast(source.node.copy(), Kind.HUGE), number(scale)))
        fits = compare(exp.LT, rounded, exp.Literal.number(10 ** (digits - scale)))
        made = case((fits, cast(source.node.copy(), Kind.DECIMAL, digits, scale)))
    return replace(known, node=made, reach=min(known.reach, source.reach + 10.0**-scale))


def _decimal_of_double(source: Typed, target: Typed) -> Typed:
    """Return a floating point number as a decimal of up to 18 digits: times 10^scale, then rounded to a whole one."""
    digits, scale = target.digits, target.scale
    if digits > 18:
        raise refused("A CAST of a floating point number to more than 18 digits", "CAST it to DECIMAL(18, s).")
    steps = doubles.multiply(source, Typed(double(10.0**scale), Kind.DOUBLE, reach=10.0**scale, least=10.0**scale))
    edge = double(10.0**digits)
    rounded = call("ROUND", steps.node.copy())
    inside = every(
        compare(exp.GT, rounded, exp.Neg(this=edge)),
        compare(exp.LT, rounded.copy(), edge.copy()),
    )
    whole = cast(cast(steps.node.copy(), Kind.BIGINT), Kind.HUGE)
    unit = cast(exp.Literal.string(f"{10**-scale:.{scale}f}"), Kind.HUGE)
    value = cast(exp.Mul(this=whole, expression=unit), Kind.DECIMAL, digits, scale)
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
    """Return a DOUBLE rounded to the 24 bits of a REAL; NULL beyond its largest, zero below half of its least."""
    small = compare(exp.LTE, doubles.size(source), double(2.0**-150))
    zero = exp.Mul(this=source.copy(), expression=double(0.0))  # of its own sign: that of -0.0 is 0 to SIGN
    largest = double(2.0**128 - 2.0**103)
    infinite = compare(exp.EQ, doubles.size(source), double(math.inf))
    beyond = every(
        compare(exp.GTE, doubles.size(source), largest),
        compare(exp.NEQ, source.copy(), double(math.nan)),
        exp.Not(this=held(infinite)),
    )
    single = exp.Cast(this=source.node.copy(), to=exp.DataType.build("REAL", dialect="postgres"))
    built = case((small, zero), (beyond, exp.Null()), otherwise=cast(single, Kind.DOUBLE))
    return Typed(built, Kind.DOUBLE, reach=source.reach * (1 + 1e-6))


def _text(source: Typed) -> Typed:
    """Return a value as a text, the same to the byte on every engine."""
    match source.kind:
        case Kind.TEXT:
            return source
        case Kind.INT | Kind.BIGINT | Kind.HUGE | Kind.DECIMAL | Kind.BOOLEAN | Kind.UUID:
            return typed(cast(source.node, Kind.TEXT), Kind.TEXT)
        case Kind.DATE | Kind.TIMESTAMP:
            return typed(_written(source), Kind.TEXT)
        case _:
            raise refused(f"A text made of {source.kind}", "CAST it to DECIMAL(p, s) first.")


def _written(source: Typed) -> exp.Expr:
    """Return a moment as a text; before the year 1 the era stands behind the day, in brackets."""
    plain = cast(source.node.copy(), Kind.TEXT)
    first = cast(exp.Literal.string("0001-01-01"), source.kind)
    least = cast(exp.Literal.string("-infinity"), source.kind)
    early = every(compare(exp.LT, source.copy(), first), compare(exp.GT, source.copy(), least))
    day = call("TO_CHAR", cast(source.node.copy(), Kind.TIMESTAMP), exp.Literal.string("YYYY-MM-DD"))
    written: exp.Expr = exp.DPipe(this=day, expression=exp.Literal.string(" (BC)"))
    if source.kind is Kind.TIMESTAMP:
        rest = exp.Substring(this=cast(_without_era(source), Kind.TEXT), start=exp.Literal.number(11))
        written = exp.DPipe(this=written, expression=rest)
    return case((early, written), otherwise=plain)


def _without_era(source: Typed) -> exp.Expr:
    """Return the same time of the day on a day after the year 1."""
    day = cast(exp.Literal.string("2000-01-01"), Kind.TIMESTAMP)
    midnight = call("DATE_TRUNC", exp.Literal.string("DAY"), source.node.copy())
    clock = exp.paren(exp.Sub(this=source.copy(), expression=midnight), copy=False)
    return exp.paren(exp.Add(this=day, expression=clock), copy=False)


def _temporal(source: Typed, kind: Kind) -> Typed:
    if source.kind is kind:
        return source
    if source.kind is Kind.TIMESTAMP and kind is Kind.DATE:
        return typed(cast(source.node, Kind.DATE), Kind.DATE)
    if source.kind is Kind.DATE and kind is Kind.TIMESTAMP:
        last = cast(exp.Literal.string(_LAST_TIMESTAMP), Kind.DATE)
        infinite = cast(exp.Literal.string("infinity"), Kind.DATE)
        beyond = every(compare(exp.GT, source.copy(), last), compare(exp.LT, source.copy(), infinite))
        made = case((beyond, exp.Null()), otherwise=cast(source.node.copy(), Kind.TIMESTAMP))
        return typed(made, Kind.TIMESTAMP)
    raise refused(f"A CAST of {source.kind} to {kind}", "Compare with DATE '2000-01-31', or make_date(y, m, d).")
