"""Moving dates: by intervals and whole days, months that clip to the last day, and the time between two dates.

Nothing leaves the years 1 to 9999: a date that would is NULL. What is written with literals alone is a literal.
"""

import math
from calendar import monthrange
from dataclasses import replace
from datetime import date, datetime, timedelta
from fractions import Fraction

from sqlglot import exp

from gateway.catalog.types import DATE, INTEGER, TEXT, TIMESTAMP, Cell, SqlType
from gateway.errors import GatewayError
from gateway.sql import ranges
from gateway.sql.dates import SAFE_SPAN, day_term, temporal, within_years
from gateway.sql.intervals import Amount, amount_of, is_interval, multiplied, read_amount, refused_interval, unit_of
from gateway.sql.operators import affordable, as_timestamp, dated_literal, mismatch
from gateway.sql.parse import dialect_of, place
from gateway.sql.ranges import Range
from gateway.sql.rows import Resolve
from gateway.sql.terms import Term, cast, clamp, data_type, enforced, image, merge, number, whole

_DAY_US = 86_400_000_000
_FIRST, _LAST = datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999_999)  # noqa: DTZ001 - SQL's have no zone
_LAST_MONTH = 9999 * 12 + 11

# -- date arithmetic ---------------------------------------------------------------------------------------------


def dated_arithmetic(node: exp.Binary, resolve: Resolve) -> Term | None:
    """Return date + interval, date - interval, date + days or date - date; None where no side is a date.

    Raises GatewayError `type_mismatch` or `unsupported_sql` where a side is, and the other does not go with it.
    """
    if isinstance(node, exp.Mul):
        return None
    left, right = node.this, node.expression
    if is_interval(left) and isinstance(node, exp.Add):
        left, right = right, left
    if is_interval(right):
        if is_interval(left):
            raise refused_interval(node, "An interval stands where a value is expected.")
        amount = read_amount(right, resolve)
        return move(node, resolve(left), amount if isinstance(node, exp.Add) else amount.times(-1))
    first, second = resolve(node.this), resolve(node.expression)
    if isinstance(node, exp.Add) and second.type.temporal:
        first, second = second, first
    if not first.type.temporal:
        if second.type.temporal:
            raise mismatch(node, f"A date is taken away from {first.type}.")
        return None
    if second.type.temporal:
        return _days_between(node, first, second)
    if second.type == TEXT and isinstance(second.literal, str) and isinstance(node, exp.Sub):
        return _days_between(node, first, dated_literal(node, second.literal, first.type))
    return _days_later(node, first, second)


def _days_later(node: exp.Binary, term: Term, days: Term) -> Term:
    dialect = dialect_of(node)
    if days.type != INTEGER or term.type != DATE or dialect == "trino":
        hint = "Write date + INTERVAL '3' DAY, or in trino date_add('day', 3, date)."
        detail = f"{days.type} is added to {term.type}, which {dialect} does not answer."
        raise GatewayError("type_mismatch", detail, hint, place(node))
    amount = multiplied(node, Amount(days=1 if isinstance(node, exp.Add) else -1), days)
    return move(node, term, amount, stays=True)


def move(node: exp.Expr, term: Term, amount: Amount, *, stays: bool | None = None) -> Term:
    """Return a date or timestamp moved by an amount; NULL where that leaves the years 1 to 9999.

    A date that is moved by whole days or months `stays` one, or becomes a timestamp, as the dialect has it.
    """
    if isinstance(term.literal, str) and term.type == TEXT:
        term = dated_literal(node, term.literal, TIMESTAMP if amount.micros else DATE)
    if not term.type.temporal:
        raise mismatch(node, f"A date is expected; this is {term.type}.")
    if stays is None:
        stays = dialect_of(node) in ("trino", "spark")
    if amount.micros and stays and term.type == DATE and dialect_of(node) == "trino":
        raise mismatch(node, "Hours are added to a DATE.")
    moved = enforced(term)
    if (amount.micros or not stays) and moved.type == DATE:
        moved = as_timestamp(within_years(moved))
        if term.domain is not None:  # at midnight
            moved = replace(moved, domain=tuple(f"{cell}T00:00:00" for cell in term.domain), raw=term.raw)
    elif term.domain is not None:
        moved = replace(moved, domain=term.domain, raw=term.raw)
    if amount.count is not None:
        return _counted(node, moved, amount)
    for kind, count in (("MONTH", amount.months), ("DAY", amount.days), ("MICROSECOND", amount.micros)):
        if count:
            moved = _moved(node, moved, kind, count)
    return moved


def _moved(node: exp.Expr, term: Term, kind: str, count: int) -> Term:
    """Return a date moved by a literal number of one unit: guarded by the first and last date that it is for."""
    lowest, highest = _from_to(kind, count)
    start, nullable = term.node, term.nullable
    inside = term.span is not None and not term.raw and lowest.date() < term.span[0] and term.span[1] < highest.date()
    if lowest > highest:
        start, nullable = cast(exp.Null(), term.type), True
    elif not inside:  # the date is held, not the sum: an engine may compute a branch that no row takes
        affordable(node, [term])
        texts = [str(end if term.type == TIMESTAMP else end.date()) for end in (lowest, highest)]
        low, high = (cast(exp.Literal.string(text), term.type) for text in texts)
        within = exp.Between(this=exp.paren(term.node.copy(), copy=False), low=low, high=high)
        start, nullable = exp.Case(ifs=[exp.If(this=within, true=term.node.copy())]), True
    size = count if lowest <= highest else 1
    built = _added(start, term.type, kind, exp.Literal.number(abs(size)), negative=size < 0)
    cells = image(lambda cell: _cell(cell, term.type, kind, count), term)
    span = None
    if term.span is not None and lowest <= highest:
        span = _moved_span(term.span, kind, count, count)
    if not term.ids and cells:  # a literal stays one
        made = Term(cast(exp.Literal.string(str(cells[0])), term.type), term.type, nullable=False, **merge(term))
        return replace(made, domain=cells, span=span)
    made = Term(built, term.type, nullable=nullable, span=span, **merge(term))
    return replace(made, domain=cells, raw=cells is not None and term.raw)


def _from_to(kind: str, count: int) -> tuple[datetime, datetime]:
    """Return the first and last moment that stays within the years 1 to 9999 when moved; none where they cross."""
    nothing = _LAST, _FIRST
    if kind == "MONTH":
        first, last = 12 + max(0, -count), _LAST_MONTH - max(0, count)
        if first > _LAST_MONTH or last < 12:
            return nothing
        days = monthrange(last // 12, last % 12 + 1)[1]
        return datetime(first // 12, first % 12 + 1, 1), datetime(last // 12, last % 12 + 1, days, 23, 59, 59, 999_999)  # noqa: DTZ001
    if abs(count) > 4_000_000 * (1 if kind == "DAY" else _DAY_US):
        return nothing
    delta = timedelta(days=count) if kind == "DAY" else timedelta(microseconds=count)
    try:
        return (_FIRST - delta, _LAST) if count < 0 else (_FIRST, _LAST - delta)
    except OverflowError:
        return nothing


def _added(node: exp.Expr, type_: SqlType, kind: str, count: exp.Expr, *, negative: bool = False) -> exp.Expr:
    """Return the engine's sum. Its count fits: the guard around it has seen to that."""
    signed = exp.Neg(this=count) if negative else count
    value = exp.paren(node.copy(), copy=False)
    if kind == "DAY" and type_ == DATE:
        days = exp.Cast(this=exp.paren(signed, copy=False), to=data_type("INTEGER"))
        return exp.paren(exp.Add(this=value, expression=days), copy=False)
    name, counter = {
        "MONTH": ("TO_MONTHS", "INTEGER"),
        "DAY": ("TO_DAYS", "INTEGER"),
        "MICROSECOND": ("TO_MICROSECONDS", "BIGINT"),
    }[kind]
    interval = exp.Anonymous(
        this=name, expressions=[exp.Cast(this=exp.paren(signed, copy=False), to=data_type(counter))]
    )
    return cast(exp.paren(exp.Add(this=value, expression=interval), copy=False), type_)


def add_months(moment: datetime, count: int) -> datetime:
    """Return a moment some months later, on the last day of the month where it has no such day."""
    month = moment.year * 12 + moment.month - 1 + count
    year, month = month // 12, month % 12 + 1
    return moment.replace(year=year, month=month, day=min(moment.day, monthrange(year, month)[1]))


def _cell(cell: Cell, type_: SqlType, kind: str, count: int) -> Cell:
    moment = datetime.fromisoformat(str(cell))
    lowest, highest = _from_to(kind, count)
    if not lowest <= moment <= highest:
        return None
    if kind == "MONTH":
        moment = add_months(moment, count)
    else:
        moment += timedelta(days=count) if kind == "DAY" else timedelta(microseconds=count)
    return moment.date().isoformat() if type_ == DATE else moment.isoformat()


def _moved_span(span: tuple[date, date], kind: str, least: int, most: int) -> tuple[date, date] | None:
    """Return the days that a span is moved to, by `least` to `most` units, cut off at the years 1 and 9999."""
    ends = []
    for day, count, step in ((span[0], least, math.floor), (span[1], most, math.ceil)):
        if kind == "MONTH":
            month = day.year * 12 + day.month - 1 + count
            if not 12 <= month <= _LAST_MONTH:
                ends.append(SAFE_SPAN[0] if month < 12 else SAFE_SPAN[1])
                continue
            ends.append(add_months(datetime(day.year, day.month, day.day), count).date())  # noqa: DTZ001
            continue
        days = count if kind == "DAY" else step(Fraction(count, _DAY_US))
        ordinal = min(max(day.toordinal() + days, SAFE_SPAN[0].toordinal()), SAFE_SPAN[1].toordinal())
        ends.append(date.fromordinal(ordinal))
    return ends[0], ends[1]


def _counted(node: exp.Expr, term: Term, amount: Amount) -> Term:
    """Return a date moved by a count that each row has: guarded by where it would arrive."""
    count = amount.count
    assert count is not None  # INVARIANT: asked where there is one
    kind, factor = next(
        (kind, n)
        for kind, n in (("MONTH", amount.months), ("DAY", amount.days), ("MICROSECOND", amount.micros))
        if n or kind == "MICROSECOND"
    )
    term = within_years(term)
    affordable(node, [term, count])
    value = exp.paren(term.node.copy(), copy=False)
    day = exp.paren(cast(value.copy(), DATE), copy=False)
    index: exp.Expr
    match kind:
        case "MONTH":
            year, month = (exp.Extract(this=exp.Var(this=part), expression=day.copy()) for part in ("YEAR", "MONTH"))
            index = exp.Add(this=exp.Mul(this=year, expression=whole(12)), expression=month)
            first, last = 13, _LAST_MONTH + 1
        case "DAY":
            index = exp.Sub(this=day, expression=cast(exp.Literal.string("0001-01-01"), DATE))
            first, last = 0, SAFE_SPAN[1].toordinal() - 1
        case _:
            index = exp.Anonymous(this="EPOCH_US", expressions=[value.copy()])
            first, last = (round((end - datetime(1970, 1, 1)) / timedelta(microseconds=1)) for end in (_FIRST, _LAST))  # noqa: DTZ001
            last = 253_402_300_799_999_999
    # within one more than ever arrives, so that the product and the sum stay far from overflow
    reach = (last - first) // max(abs(factor), 1) + 2
    held = exp.paren(clamp(count.node, whole(-reach), whole(reach)), copy=False)
    total = exp.paren(exp.Mul(this=cast(held, INTEGER), expression=number(Fraction(factor), INTEGER)), copy=False)
    arrives = exp.paren(exp.Add(this=exp.paren(index, copy=False), expression=total), copy=False)
    inside = exp.Between(this=arrives, low=whole(first), high=whole(last))
    built = exp.Case(ifs=[exp.If(this=inside, true=_added(term.node, term.type, kind, total.copy()))])
    limits = ranges.multiply(count.limits(), ranges.point(factor))
    span = None
    if term.span is not None and limits.lo is not None and limits.hi is not None:
        span = _moved_span(term.span, kind, int(limits.lo), int(limits.hi))
    return Term(built, term.type, nullable=True, span=span, **merge(term, count))


# -- the time between --------------------------------------------------------------------------------------------


def _days_between(node: exp.Binary, left: Term, right: Term) -> Term:
    """Return date - date: whole days, in the dialects where that is a number."""
    if not isinstance(node, exp.Sub):
        raise mismatch(node, "Two dates are added.")
    dialect = dialect_of(node)
    if left.type != DATE or right.type != DATE or dialect not in ("duckdb", "postgres"):
        hint = "Write date_diff('day', a, b) (duckdb, trino), datediff(b, a) (spark), or b::date - a::date (postgres)."
        detail = f"This difference is an interval in {dialect}, which is not answered."
        raise GatewayError("unsupported_sql", detail, hint, place(node))
    return _difference(node, right, left, "DAY")


def date_difference(node: exp.DateDiff, resolve: Resolve) -> Term:
    """Return DATE_DIFF and DATEDIFF from `expression` to `this`: how many borders of the unit lie between.

    In trino and spark a unit counts full ones; there only days between dates are answered, which are the same.
    """
    unit = node.args.get("unit")
    name = "DAY" if unit is None else str(unit.name).upper()
    first, second = (_ending(part, resolve) for part in (node.expression, node.this))
    if dialect_of(node) != "duckdb":
        if name != "DAY" or not first.type == second.type == DATE:
            hint = "Write date_diff('day', CAST(a AS DATE), CAST(b AS DATE)), or a difference of year() and month()."
            detail = f"Full units are counted in {dialect_of(node)}; of these only days between dates are answered."
            raise GatewayError("unsupported_sql", detail, hint, place(node))
        name = "DAY"
    if name not in ("YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND"):
        raise refused_interval(node, f"A difference in {name} is not answered.")
    return _difference(node, first, second, name)


def _ending(node: exp.Expr, resolve: Resolve) -> Term:
    if isinstance(node, exp.TsOrDsToDate):
        return day_term(node.this, resolve)
    term = resolve(node)
    if isinstance(term.literal, str) and term.type == TEXT:
        return dated_literal(node, term.literal, TIMESTAMP if ":" in term.literal else DATE)
    return temporal(node, term)


def _difference(node: exp.Expr, first: Term, second: Term, unit: str) -> Term:
    """Return how many borders of the unit lie between two dates, both held within the years 1 to 9999."""
    spans = [term.span or SAFE_SPAN for term in (first, second)]
    ends = [within_years(term) for term in (first, second)]
    affordable(node, ends)
    type_ = TIMESTAMP if unit in ("HOUR", "MINUTE", "SECOND") else DATE
    a, b = (exp.paren(cast(term.node.copy(), type_), copy=False) for term in ends)
    if unit == "DAY":
        built: exp.Expr = exp.paren(exp.Sub(this=b, expression=a), copy=False)
    else:
        built = exp.Anonymous(this="DATE_DIFF", expressions=[exp.Literal.string(unit), a, b])
    least = (spans[1][0] - spans[0][1]).days
    most = (spans[1][1] - spans[0][0]).days
    limits = _units_between(unit, least, most, clocked=TIMESTAMP in (first.type, second.type))
    nullable = any(term.nullable for term in ends)
    return Term(cast(built, INTEGER), INTEGER, nullable=nullable, range=limits, **merge(*ends))


def _units_between(unit: str, least: int, most: int, *, clocked: bool) -> Range:
    """Return the borders that `least` to `most` days hold, outward."""
    if unit == "DAY":
        return ranges.between(least, most)
    if unit in ("HOUR", "MINUTE", "SECOND"):
        size, day = {"HOUR": 24, "MINUTE": 1_440, "SECOND": 86_400}[unit], 1 if clocked else 0
        return ranges.between((least - day) * size, (most + day) * size)
    size = {"WEEK": 7, "MONTH": 28, "QUARTER": 90, "YEAR": 365}[unit]
    return ranges.between(least // size - 1, -(-most // size) + 1)


# -- functions that add ------------------------------------------------------------------------------------------


def date_add(node: exp.Expr, resolve: Resolve) -> Term:
    """Return DATE_ADD, DATE_SUB, DATEADD, TIMESTAMPADD and ADD_MONTHS: a date moved."""
    added, unit = node.args["expression"], node.args.get("unit")
    start = node.this
    if isinstance(start, exp.TsOrDsToDate):
        term = day_term(start.this, resolve)
    elif isinstance(node, exp.TsOrDsAdd):
        term = day_term(start, resolve)
    else:
        term = resolve(start)
    if is_interval(added):
        return move(node, term, read_amount(added, resolve))
    kind, factor = ("MONTH", 1) if isinstance(node, exp.AddMonths) else unit_of(node, str(unit.name) if unit else "DAY")
    if isinstance(node, exp.AddMonths) and term.type == TIMESTAMP:
        raise mismatch(node, "add_months takes a DATE.")
    return move(node, term, multiplied(node, amount_of(kind, factor), resolve(added)))


def lone(node: exp.Interval, _: Resolve) -> Term:
    raise refused_interval(node, "An interval stands where a value is expected.")
