"""Dates to text and back by a literal pattern from a safe list: STRFTIME, TO_CHAR, DATE_FORMAT, STRPTIME.

The parser has already turned each dialect's own signs into those of strftime; what it left over is refused.
"""

import re
from collections.abc import Callable
from datetime import date, timedelta

from sqlglot import exp

from gateway.catalog.types import DATE, TEXT, TIMESTAMP, SqlType
from gateway.errors import GatewayError
from gateway.sql.dates import MAX_DOMAIN, enumerate_periods, temporal, within_years
from gateway.sql.operators import dated_literal, mismatch
from gateway.sql.parse import dialect_of, place
from gateway.sql.rows import Resolve
from gateway.sql.terms import Term, cast, merge
from gateway.sql.texts import text

MAX_FORMAT = 64

_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_FIELDS: dict[str, tuple[str, Callable[[date], str] | None]] = {
    "Y": ("YEAR", lambda d: f"{d.year:04d}"),
    "y": ("YEAR", lambda d: f"{d.year % 100:02d}"),
    "m": ("MONTH", lambda d: f"{d.month:02d}"),
    "-m": ("MONTH", lambda d: str(d.month)),
    "b": ("MONTH", lambda d: _MONTHS[d.month - 1][:3]),
    "B": ("MONTH", lambda d: _MONTHS[d.month - 1]),
    "G": ("WEEK", lambda d: f"{d.isocalendar().year:04d}"),
    "V": ("WEEK", lambda d: f"{d.isocalendar().week:02d}"),
    "d": ("DAY", lambda d: f"{d.day:02d}"),
    "-d": ("DAY", lambda d: str(d.day)),
    "j": ("DAY", lambda d: f"{d.timetuple().tm_yday:03d}"),
    "a": ("DAY", lambda d: _WEEKDAYS[d.weekday()][:3]),
    "A": ("DAY", lambda d: _WEEKDAYS[d.weekday()]),
    "H": ("CLOCK", None),
    "M": ("CLOCK", None),
    "S": ("CLOCK", None),
}
_PARSED = frozenset("YmdHMS")
_PART = re.compile(r"%(-?[A-Za-z])(strict)?|(%%)|([^%])", re.ASCII | re.DOTALL)
_LETTERS_ARE_SIGNS = ("postgres", "spark")


def _pattern(node: exp.Expr, known: frozenset[str] | None = None) -> list[tuple[str, str]]:
    """Return the pattern as (field, '') and ('', plain text) in order. Raises GatewayError `unsupported_sql`."""
    given = node.args["format"]
    written = given.name if isinstance(given, exp.Literal) and given.is_string else None
    if written is None or not 0 < len(written) <= MAX_FORMAT:
        raise mismatch(node, f"The format is a literal text of at most {MAX_FORMAT} signs.")
    allowed = known if known is not None else frozenset(_FIELDS)
    parts: list[tuple[str, str]] = []
    at = 0
    while at < len(written):
        found = _PART.match(written, at)
        field, _, percent, plain = found.groups() if found else (None, None, None, None)
        foreign = plain is not None and dialect_of(node) in _LETTERS_ARE_SIGNS and (plain.isalpha() or plain in "\"'")
        if found is None or foreign or (field is not None and field not in allowed):
            names = ", ".join(f"%{name}" for name in sorted(allowed))
            hint = f"Use what means {names} in strftime, with signs like - / : and blanks between."
            sign = plain or f"%{field}" if found else "%"
            raise GatewayError("unsupported_sql", f"{sign} in a date format is not answered.", hint, place(node))
        parts.append((field, "") if field is not None else ("", "%" if percent else plain or ""))
        at = found.end()
    return parts


def _strftime(parts: list[tuple[str, str]]) -> str:
    return "".join(f"%{field}" if field else plain.replace("%", "%%") for field, plain in parts)


def formatted(node: exp.TimeToStr, resolve: Resolve) -> Term:
    """Return STRFTIME(date, 'format'): the texts of all days of the span are its domain, where it is bounded."""
    argument = node.this.this if isinstance(node.this, exp.TimeStrToTime) else node.this
    return _written(resolve(argument), argument, _pattern(node))


def named(node: exp.Dayname | exp.Monthname, resolve: Resolve) -> Term:
    """Return the name of a date's weekday or month: in spark three letters of it."""
    field = "a" if isinstance(node, exp.Dayname) else "b"
    return _written(resolve(node.this), node.this, [(field if dialect_of(node) == "spark" else field.upper(), "")])


def _written(term: Term, node: exp.Expr, parts: list[tuple[str, str]]) -> Term:
    held = within_years(temporal(node, term))
    domain: tuple[str, ...] | None = None
    kinds = {_FIELDS[field][0] for field, _ in parts if field}
    if held.span is not None and "CLOCK" not in kinds:
        domain = _texts(held.span, parts, kinds)
    elif kinds in ({"MONTH"}, {"DAY"}) and len([1 for field, _ in parts if field]) == 1:  # names, of any year
        year = (date(2000, 1, 1), date(2000, 12, 31))  # a leap year: it has every day and month
        domain = _texts(year, parts, kinds)
    built = exp.Anonymous(this="STRFTIME", expressions=[held.node.copy(), exp.Literal.string(_strftime(parts))])
    return Term(built, TEXT, nullable=held.nullable, domain=domain, **merge(held))


def _texts(span: tuple[date, date], parts: list[tuple[str, str]], kinds: set[str]) -> tuple[str, ...] | None:
    """Return every text that the days of a span are written as, in order; None if there are too many."""
    unit = next((kind for kind in ("DAY", "WEEK", "MONTH", "YEAR") if kind in kinds), "YEAR")
    if "WEEK" in kinds and kinds & {"MONTH", "YEAR"}:  # a week may lie in two of them
        unit = "DAY"
    periods = enumerate_periods(*span, unit)
    if periods is None or len(periods) > MAX_DOMAIN:
        return None
    if unit == "WEEK":
        periods = [max(span[0] - timedelta(days=span[0].weekday()), date(1, 1, 1)), *periods]
    return tuple(dict.fromkeys(_text(day, parts) for day in periods))


def _text(day: date, parts: list[tuple[str, str]]) -> str:
    written = []
    for field, plain in parts:
        writer = _FIELDS[field][1] if field else None
        written.append(plain if writer is None else writer(day))
    return "".join(written)


def parsed(node: exp.StrToTime | exp.StrToDate | exp.TsOrDsToDate | exp.Date, resolve: Resolve) -> Term:
    """Return STRPTIME, TO_DATE or DATE(x): a text that does not fit is NULL."""
    type_ = TIMESTAMP if isinstance(node, exp.StrToTime) else DATE
    if node.this is None:
        raise mismatch(node, "A text or date is expected.")
    if node.args.get("format") is None:
        return _dated(node, resolve(node.this), type_)
    term = text(node.this, resolve)
    parts = _pattern(node, _PARSED)
    call = exp.Anonymous(this="TRY_STRPTIME", expressions=[term.node.copy(), exp.Literal.string(_strftime(parts))])
    return Term(cast(call, type_), type_, nullable=True, **merge(term))


def _dated(node: exp.Expr, term: Term, type_: SqlType) -> Term:
    if isinstance(term.literal, str) and term.type == TEXT:
        return dated_literal(node, term.literal, type_)
    if term.type == TEXT:
        built = exp.TryCast(this=term.node.copy(), to=exp.DataType.build(str(type_), dialect="duckdb"))
        return Term(built, type_, nullable=True, **merge(term))
    if term.type == type_:
        return term
    held = within_years(temporal(node, term))
    return Term(cast(held.node.copy(), type_), type_, nullable=held.nullable, span=held.span, **merge(held))
