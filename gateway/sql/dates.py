"""Dates and timestamps held within the years 1 to 9999: DATE_TRUNC, EXTRACT and the fields, dates made of parts."""

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from fractions import Fraction

from sqlglot import exp

from gateway.catalog.types import DATE, DOUBLE, INTEGER, OTHER, TEXT, TIMESTAMP, Cell
from gateway.errors import GatewayError
from gateway.sql import ranges
from gateway.sql.operators import affordable, as_timestamp, dated_literal, mismatch, numeric
from gateway.sql.parse import dialect_of, place
from gateway.sql.ranges import Range
from gateway.sql.rows import Resolve
from gateway.sql.terms import Term, cast, data_type, enforced, merge, number, whole

MAX_DOMAIN = 10_000
"""Domains longer than this are not enumerated."""

SAFE_SPAN = (date(1, 1, 1), date(9999, 12, 31))
_UNITS = ("YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND")
_CLOCK = {"HOUR": 24, "MINUTE": 1_440, "SECOND": 86_400}
_SPARK_UNITS = {"YYYY": "YEAR", "YY": "YEAR", "MON": "MONTH", "MM": "MONTH", "DD": "DAY"}
_LAST_MOMENT = time(23, 59, 59, 999_999)


def temporal(node: exp.Expr, term: Term) -> Term:
    """Return a date or timestamp (or NULL as one). Raises `type_mismatch` for anything else."""
    if term.type == OTHER and term.domain == ():
        return replace(term, node=cast(exp.Null(), DATE), type=DATE, domain=None)
    if not term.type.temporal:
        raise mismatch(node, f"A date is expected; this is {term.type}.")
    return term


def _dated(node: exp.Expr, resolve: Resolve) -> Term:
    """Return a date or timestamp that every date function takes: outside the years 1 to 9999 it is NULL."""
    if isinstance(node, exp.TsOrDsToDate | exp.TimeStrToTime):
        node = node.this
    return within_years(temporal(node, resolve(node)))


def day_term(node: exp.Expr, resolve: Resolve) -> Term:
    """Return the day of a date, timestamp or text literal, as spark's date functions take it."""
    term = resolve(node)
    if isinstance(term.literal, str) and term.type == TEXT:
        return dated_literal(node, term.literal, DATE)
    term = temporal(node, term)
    if term.type == DATE:
        return term
    held = within_years(term)
    return replace(held, node=cast(held.node.copy(), DATE), type=DATE, domain=None, origin=None)


def within_years(term: Term) -> Term:
    """Return a date or timestamp with its bounds enforced; without any, outside the years 1 to 9999 it is NULL."""
    if term.span is not None:
        return enforced(term)
    affordable(term.node, [term])
    days = [end.isoformat() for end in SAFE_SPAN]
    ends = [days[0], f"{days[1]} {_LAST_MOMENT}" if term.type == TIMESTAMP else days[1]]
    lo, hi = (cast(exp.Literal.string(end), term.type) for end in ends)
    inside = exp.Between(this=term.node.copy(), low=lo, high=hi)
    built = exp.Case(ifs=[exp.If(this=inside, true=term.node.copy())])
    return replace(term, node=built, nullable=True, raw=False, origin=None, domain=None)


# -- periods -----------------------------------------------------------------------------------------------------


def truncation(node: exp.TimestampTrunc | exp.DateTrunc, resolve: Resolve) -> Term:
    """Return DATE_TRUNC(unit, date); a date stays a date, except to hours and below."""
    term, unit = _dated(node.this, resolve), str(node.args["unit"].name).upper()
    unit = _SPARK_UNITS.get(unit, unit) if dialect_of(node) == "spark" else unit
    if unit not in _UNITS:
        hint = f"Use one of {', '.join(_UNITS)}."
        raise GatewayError("unsupported_sql", f"DATE_TRUNC to {unit} is not answered.", hint, place(node))
    if isinstance(node, exp.DateTrunc) and dialect_of(node) == "spark" and term.type == TIMESTAMP:
        term = replace(term, node=cast(term.node.copy(), DATE), type=DATE)
    if unit in _CLOCK and term.type == DATE:
        return as_timestamp(term)
    built = cast(exp.TimestampTrunc(this=term.node.copy(), unit=exp.Var(this=unit)), term.type)
    domain: tuple[Cell, ...] | None = None
    span = None
    if term.span is not None:
        first, last = (truncate(day, unit) for day in term.span)
        span = (first, last)
        if unit in _CLOCK:
            domain = _moments(first, last, unit)
        elif (days := enumerate_periods(first, last, unit)) is not None:
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
    step = {"YEAR": 366, "QUARTER": 95, "MONTH": 32, "WEEK": 7, "DAY": 1}[unit]
    if (last - first).days // step >= MAX_DOMAIN:
        return None
    if step == 1:
        return [date.fromordinal(day) for day in range(first.toordinal(), last.toordinal() + 1)]
    days: list[date] = []
    day = first
    while day <= last:
        days.append(day)
        if len(days) > MAX_DOMAIN:
            return None
        if (SAFE_SPAN[1] - day).days < step:  # the last period of all
            break
        day = truncate(day + timedelta(days=step), unit)
    return days


def _moments(first: date, last: date, unit: str) -> tuple[str, ...] | None:
    """Return every full hour, minute or second of some days, or None if there are too many."""
    each = _CLOCK[unit]
    count = ((last - first).days + 1) * each
    if count > MAX_DOMAIN:
        return None
    start, step = datetime.combine(first, time.min), timedelta(seconds=86_400 // each)
    return tuple((start + index * step).isoformat() for index in range(count))


# -- fields ------------------------------------------------------------------------------------------------------

_LIMITS = {
    "YEAR": (1, 9999),
    "ISOYEAR": (0, 9999),
    "QUARTER": (1, 4),
    "MONTH": (1, 12),
    "WEEK": (1, 53),
    "DAY": (1, 31),
    "DOY": (1, 366),
    "ISODOW": (1, 7),
    "DOW": (0, 6),
    "HOUR": (0, 23),
    "MINUTE": (0, 59),
    "SECOND": (0, 59),
}
_NAMES = {
    "DAYOFWEEK": "DOW",
    "DAY_OF_WEEK": "DOW",
    "DAYOFWEEKISO": "ISODOW",
    "DAYOFYEAR": "DOY",
    "DAY_OF_YEAR": "DOY",
    "DAYOFMONTH": "DAY",
    "DAY_OF_MONTH": "DAY",
    "WEEKOFYEAR": "WEEK",
    "WEEK_OF_YEAR": "WEEK",
    "YEAROFWEEK": "ISOYEAR",
    "YEAR_OF_WEEK": "ISOYEAR",
    "DOW_ISO": "ISODOW",
    "DAYOFWEEK_ISO": "ISODOW",
}


def field_of_date(node: exp.Expr, resolve: Resolve) -> Term:
    """Return EXTRACT(field FROM date) and the functions that are called as a field."""
    name = str(node.this.name if isinstance(node, exp.Extract) else node.key).upper()
    name = _NAMES.get(name, name).replace("_", "")
    dialect, argument = dialect_of(node), node.expression if isinstance(node, exp.Extract) else node.this
    if name in ("EPOCH", "TIMETOUNIX"):
        return _epoch(_dated(argument, resolve))
    if name not in _LIMITS:
        hint = f"Use one of {', '.join(_LIMITS)}, EPOCH."
        raise GatewayError("unsupported_sql", f"EXTRACT of {name} is not answered.", hint, place(node))
    if name == "SECOND" and isinstance(node, exp.Extract) and dialect in ("postgres", "spark"):
        hint = "Write date_trunc('second', t), or in spark second(t)."
        detail = f"EXTRACT(SECOND ...) has a fraction in {dialect}."
        raise GatewayError("unsupported_sql", detail, hint, place(node))
    term, shift = _dated(argument, resolve), 0
    if name == "DOW" and dialect == "trino":  # Monday is 1 there; in spark Sunday is 1; else Sunday is 0
        name = "ISODOW"
    elif name == "DOW" and dialect == "spark":
        shift = 1
    value: exp.Expr = cast(exp.Extract(this=exp.Var(this=name), expression=term.node.copy()), INTEGER)
    if shift:
        value = exp.paren(exp.Add(this=value, expression=number(Fraction(shift), INTEGER)), copy=False)
    limits = ranges.add(_field_range(name, term), ranges.point(shift))
    made = Term(value, INTEGER, nullable=term.nullable, range=limits, **merge(term))
    return replace(made, fractional=dialect == "postgres")


def _field_range(name: str, term: Term) -> Range:
    """Return the values of a field over the term's span: those of its ends where it rises from one to the other."""
    limits = ranges.between(*_LIMITS[name])
    if term.span is None:
        return limits
    first, last = term.span
    if name == "YEAR":
        return ranges.between(first.year, last.year)
    if name == "ISOYEAR":
        return ranges.between(first.isocalendar().year, last.isocalendar().year)
    if first.year != last.year:
        return limits
    match name:
        case "QUARTER":
            return ranges.between((first.month + 2) // 3, (last.month + 2) // 3)
        case "MONTH":
            return ranges.between(first.month, last.month)
        case "DOY":
            return ranges.between(first.timetuple().tm_yday, last.timetuple().tm_yday)
        case "DAY" if first.month == last.month:
            return ranges.between(first.day, last.day)
        case _:
            return limits


def _epoch(term: Term) -> Term:
    """Return the seconds since 1970 as a DOUBLE."""
    first, last = term.span or SAFE_SPAN
    lo, hi = ((day - date(1970, 1, 1)).days * 86_400 for day in (first, last))
    node = cast(exp.Extract(this=exp.Var(this="EPOCH"), expression=term.node.copy()), DOUBLE)
    whole_days = term.type == DATE
    return Term(
        node,
        DOUBLE,
        nullable=term.nullable,
        range=ranges.between(lo, hi if whole_days else hi + 86_400),
        granularity=Fraction(86_400) if whole_days else None,
        **merge(term),
    )


def last_day(node: exp.LastDay, resolve: Resolve) -> Term:
    """Return the last day of a date's month."""
    term = _dated(node.this, resolve)
    span = None
    if term.span is not None:
        first, last = (_month_end(day) for day in term.span)
        span = (first, last)
    built = cast(exp.Anonymous(this="LAST_DAY", expressions=[term.node.copy()]), DATE)
    return Term(built, DATE, nullable=term.nullable, span=span, **merge(term))


def _month_end(day: date) -> date:
    if (day.year, day.month) == (9999, 12):
        return SAFE_SPAN[1]
    return truncate(date(day.year, day.month, 1) + timedelta(days=32), "MONTH") - timedelta(days=1)


# -- dates made of parts -----------------------------------------------------------------------------------------


def _from_one(term: Term, highest: int) -> exp.Expr:
    """Return a number from 1 to `highest`, else NULL."""
    value = exp.paren(term.node.copy(), copy=False)
    inside = exp.Between(this=value, low=whole(1), high=whole(highest))
    return exp.paren(exp.Case(ifs=[exp.If(this=inside, true=value.copy())]), copy=False)


def date_of_parts(node: exp.DateFromParts, resolve: Resolve) -> Term:
    """Return MAKE_DATE(year, month, day); NULL where there is no such day in the years 1 to 9999."""
    parts = [numeric(node.args[name], resolve) for name in ("year", "month", "day")]
    if any(part.type != INTEGER for part in parts):
        raise mismatch(node, "make_date takes whole numbers.")
    affordable(node, parts)
    # each argument is held by itself: an engine may compute a branch that no row takes
    year, month, day = (_from_one(part, high) for part, high in zip(parts, (9999, 12, 31), strict=True))
    first = exp.Anonymous(this="MAKE_DATE", expressions=[year, month, number(Fraction(1), INTEGER)])
    later = exp.Cast(this=exp.paren(exp.Sub(this=day, expression=whole(1)), copy=False), to=data_type("INTEGER"))
    moved = exp.paren(exp.Add(this=first.copy(), expression=later), copy=False)
    month_end = exp.Anonymous(this="LAST_DAY", expressions=[first])
    exists = exp.LTE(this=moved.copy(), expression=month_end)
    built = exp.Case(ifs=[exp.If(this=exists, true=cast(moved, DATE))])
    years = parts[0].range
    span = None
    if years.lo is not None and years.hi is not None:
        lo, hi = (min(max(int(end), 1), 9999) for end in (years.lo, years.hi))
        span = (date(lo, 1, 1), date(hi, 12, 31))
    return Term(built, DATE, nullable=True, span=span, **merge(*parts))
