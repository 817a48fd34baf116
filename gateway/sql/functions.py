"""Conditional, conversion, numeric, text and date functions: the allow-list besides the operators.

Each handler returns a term that cannot fail on any row: failed casts and missing values give NULL.
"""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

from sqlglot import exp

from gateway.catalog.types import (
    BOOLEAN,
    DATE,
    DOUBLE,
    INTEGER,
    OTHER,
    TEXT,
    TIMESTAMP,
    SqlType,
    TypeKind,
    decimal,
)
from gateway.errors import GatewayError
from gateway.sql import ranges
from gateway.sql.operators import (
    Resolve,
    as_double,
    as_timestamp,
    comparable,
    dated_literal,
    digits_needed,
    mismatch,
    numeric,
    truth,
)
from gateway.sql.parse import place
from gateway.sql.ranges import BIGINT_MAX, BIGINT_MIN, UNKNOWN, Range
from gateway.sql.terms import Term, cast, data_type, enforced, merge, try_cast

MAX_DOMAIN = 10_000
"""Domains longer than this are not enumerated."""

MAX_PIECES = 32
"""Texts joined end to end in one value."""


def one_type(node: exp.Expr, terms: list[Term]) -> list[Term]:
    """Return the terms in one common type (NULL literals take it on)."""
    known = [t for t in terms if not (t.type == OTHER and t.domain == ())]
    if not known:
        raise mismatch(node, "Every branch is NULL.")
    type_ = known[0].type
    for term in known[1:]:
        type_ = _common(node, type_, term)
    return [_into(node, t, type_) for t in terms]


def _common(node: exp.Expr, type_: SqlType, term: Term) -> SqlType:
    if type_ == term.type:
        return type_
    if type_.numeric and term.type.numeric:
        if TypeKind.DOUBLE in (type_.kind, term.type.kind):
            return DOUBLE
        scale = max(type_.scale, term.type.scale)
        whole = max(digits_needed(ranges.type_limits(t), 0) for t in (type_, term.type))
        return decimal(whole + scale, scale) if whole + scale <= 38 else DOUBLE
    if type_.temporal and term.type == TEXT and isinstance(term.literal, str):
        return type_
    if type_.temporal and term.type.temporal:
        return TIMESTAMP
    raise mismatch(node, f"{type_} and {term.type} meet in one column.")


def _into(node: exp.Expr, term: Term, type_: SqlType) -> Term:
    if term.type == type_:
        return term
    if type_.temporal and term.type == TEXT and isinstance(term.literal, str):
        return dated_literal(node, term.literal, type_)
    if type_ == TIMESTAMP and term.type == DATE:
        return as_timestamp(term)
    domain = term.domain if not term.domain or type_ == DOUBLE else _recast(term.domain, type_)
    return replace(term, node=cast(term.node.copy(), type_), type=type_, domain=domain, origin=None)


def _recast(domain: tuple[object, ...], type_: SqlType) -> tuple[str, ...] | None:
    if type_.kind is not TypeKind.DECIMAL:
        return None
    return tuple(f"{Decimal(str(cell)):.{type_.scale}f}" for cell in domain)


def choose(terms: list[Term], conditions: list[Term], node: exp.Expr, *, nullable: bool) -> Term:
    """Return a term whose value is one of `terms`, of one type, chosen by `conditions`."""
    lo_hi = terms[0].range
    for term in terms[1:]:
        lo_hi = lo_hi.join(term.range) if not (term.type == OTHER or term.domain == ()) else lo_hi
    domains = [t.domain for t in terms]
    domain = None
    if all(d is not None for d in domains):
        domain = tuple(dict.fromkeys(cell for d in domains if d is not None for cell in d))
    spans = [t.span for t in terms if t.domain != ()]
    span = None
    if spans and all(s is not None for s in spans):
        span = (min(s[0] for s in spans if s), max(s[1] for s in spans if s))
    grains = {t.granularity for t in terms if t.bases}
    return Term(
        node,
        terms[0].type,
        nullable=nullable,
        range=lo_hi,
        span=span,
        domain=domain,
        raw=any(t.raw for t in terms),
        granularity=grains.pop()
        if len(grains) == 1 and all(t.bases or t.range == ranges.point(0) for t in terms)
        else None,
        **merge(*terms, conditional=tuple(conditions)),
    )


def _ranged(terms: list[Term]) -> list[Term]:
    """Give NULL branches a range that does not widen the others'."""
    known = [t for t in terms if t.domain != ()]
    return [replace(t, range=known[0].range) if t.domain == () else t for t in terms]


def case(node: exp.Case, resolve: Resolve) -> Term:
    """Return CASE in both forms."""
    conditions: list[Term] = []
    branches: list[Term] = []
    for branch in node.args.get("ifs") or []:
        test = branch.this if node.this is None else exp.EQ(this=node.this.copy(), expression=branch.this.copy())
        conditions.append(truth(test, resolve))
        branches.append(resolve(branch.args["true"]))
    default = node.args.get("default")
    branches.append(resolve(default) if default is not None else Term(exp.Null(), OTHER, nullable=True, domain=()))
    return _conditional(node, conditions, branches)


def if_function(node: exp.If, resolve: Resolve) -> Term:
    default = node.args.get("false")
    otherwise = resolve(default) if default is not None else Term(exp.Null(), OTHER, nullable=True, domain=())
    return _conditional(node, [truth(node.this, resolve)], [resolve(node.args["true"]), otherwise])


def _conditional(node: exp.Expr, conditions: list[Term], branches: list[Term]) -> Term:
    terms = _ranged(one_type(node, branches))
    ifs = [exp.If(this=c.node.copy(), true=t.node.copy()) for c, t in zip(conditions, terms, strict=False)]
    built = exp.Case(ifs=ifs, default=terms[-1].node.copy())
    return choose(terms, conditions, built, nullable=any(t.nullable for t in terms))


def coalesce(node: exp.Coalesce, resolve: Resolve) -> Term:
    terms = _ranged(one_type(node, [resolve(x) for x in (node.this, *node.expressions)]))
    built = exp.Coalesce(this=terms[0].node.copy(), expressions=[t.node.copy() for t in terms[1:]])
    return choose(terms, [], built, nullable=all(t.nullable for t in terms))


def nullif(node: exp.Nullif, resolve: Resolve) -> Term:
    subject = resolve(node.this)
    left, right = comparable(node, subject, resolve(node.expression))
    test = exp.EQ(this=exp.paren(left.node.copy(), copy=False), expression=exp.paren(right.node.copy(), copy=False))
    built = exp.Case(ifs=[exp.If(this=test, true=exp.Null())], default=subject.node.copy())
    both = merge(subject, conditional=(right,))
    return replace(subject, node=built, nullable=True, origin=None, **both)


def extreme(node: exp.Greatest | exp.Least, resolve: Resolve) -> Term:
    """Return GREATEST or LEAST; a NULL argument is skipped or makes NULL, as the buyer's dialect has it."""
    skips = bool(node.args.get("ignore_nulls"))
    terms = one_type(node, [resolve(x) for x in (node.this, *node.expressions)])
    if not (terms[0].type.numeric or terms[0].type.temporal):
        raise mismatch(node, f"{node.key.upper()} takes numbers or dates.")
    built = type(node)(this=terms[0].node.copy(), expressions=[t.node.copy() for t in terms[1:]], ignore_nulls=skips)
    missing = [t.nullable for t in terms]
    chosen = choose(terms, [], built, nullable=all(missing) if skips else any(missing))
    sure = [t for t in terms if not (t.nullable and skips)]
    limits = ranges.least([t.range for t in terms])
    for term in sure:
        edge = Range(None, term.range.hi) if isinstance(node, exp.Least) else Range(term.range.lo, None)
        limits = limits.meet(edge)
    return replace(chosen, range=limits, domain=None, granularity=terms[0].granularity)


_CASTS = {
    exp.DType.BIGINT: ("BIGINT", INTEGER),
    exp.DType.INT: ("INTEGER", INTEGER),
    exp.DType.SMALLINT: ("SMALLINT", INTEGER),
    exp.DType.TINYINT: ("TINYINT", INTEGER),
    exp.DType.DOUBLE: ("DOUBLE", DOUBLE),
    exp.DType.TEXT: ("VARCHAR", TEXT),
    exp.DType.VARCHAR: ("VARCHAR", TEXT),
    exp.DType.BOOLEAN: ("BOOLEAN", BOOLEAN),
    exp.DType.DATE: ("DATE", DATE),
    exp.DType.TIMESTAMP: ("TIMESTAMP", TIMESTAMP),
    exp.DType.TIMESTAMPNTZ: ("TIMESTAMP", TIMESTAMP),
}


def conversion(node: exp.Cast | exp.TryCast, resolve: Resolve) -> Term:
    """Return CAST as TRY_CAST: what fails is NULL, the same for every database."""
    name, type_ = _target(node)
    term = resolve(node.this)
    if term.type == OTHER and term.domain == ():
        return replace(term, node=cast(exp.Null(), type_), type=type_, domain=None)
    if type_.temporal and term.type == TEXT and isinstance(term.literal, str):
        return dated_literal(node, term.literal, type_)
    if term.type == type_ and name == str(type_):
        return term
    if type_.temporal and not (term.type.temporal or term.type == TEXT):
        raise mismatch(node, f"{term.type} is not cast to {type_}.")
    source = enforced(term)
    converted = exp.TryCast(this=source.node.copy(), to=data_type(name))
    built = cast(converted, type_) if type_ == INTEGER and name != "BIGINT" else converted
    limits = UNKNOWN
    if type_.numeric and term.type.numeric:
        limits = _rounded(source.range, type_)
    nullable = term.nullable or not (type_ == TEXT or _always_fits(source, type_, name))
    span = term.span if type_.temporal and term.type.temporal else None
    return Term(built, type_, nullable=nullable, range=limits, span=span, granularity=None, **merge(source))


def _target(node: exp.Cast | exp.TryCast) -> tuple[str, SqlType]:
    to = node.args["to"]
    if isinstance(to, exp.DataType) and to.this is exp.DType.DECIMAL and len(to.expressions) == 2:
        precision, scale = (int(str(p.this)) for p in to.expressions)
        if 0 < precision <= 38 and 0 <= scale <= min(precision, 18):
            return f"DECIMAL({precision},{scale})", decimal(precision, scale)
    if isinstance(to, exp.DataType) and to.this in _CASTS and not to.expressions:
        return _CASTS[to.this]
    hint = "Cast to BIGINT, INTEGER, DOUBLE, DECIMAL(p,s), VARCHAR, BOOLEAN, DATE or TIMESTAMP."
    raise GatewayError("unsupported_sql", f"CAST to {to.sql()} is not answered.", hint, place(node))


def _rounded(limits: Range, type_: SqlType) -> Range:
    """Return the range after rounding to the type, whichever way the engine rounds."""
    if type_ == DOUBLE:
        return Range(limits.lo and Fraction(float(limits.lo)), limits.hi and Fraction(float(limits.hi)))
    unit = Fraction(1, 10**type_.scale)
    lo = None if limits.lo is None else (limits.lo // unit) * unit
    hi = None if limits.hi is None else -((-limits.hi) // unit) * unit
    return Range(lo, hi)


def _always_fits(term: Term, type_: SqlType, name: str) -> bool:
    if type_ == DOUBLE:
        return term.type.numeric
    if type_ == INTEGER and term.type.kind in (TypeKind.INTEGER, TypeKind.DECIMAL):
        bits = {"BIGINT": 63, "INTEGER": 31, "SMALLINT": 15, "TINYINT": 7}[name]
        bound = _rounded(term.limits(), type_).magnitude()
        return bound is not None and bound < 2**bits
    return False


# -- numbers ----------------------------------------------------------------------------------------------------


def absolute(node: exp.Abs, resolve: Resolve) -> Term:
    term = numeric(node.this, resolve)
    bound = term.limits().magnitude()
    if term.type == INTEGER and (bound is None or bound > BIGINT_MAX):
        term = replace(term, node=as_double(term), type=DOUBLE)
    return replace(term, node=exp.Abs(this=term.node.copy()), range=ranges.absolute(term.range), per_unit_sum=None)


def rounding(node: exp.Round, resolve: Resolve) -> Term:
    """Return ROUND(x [, n]) with a literal 0 <= n <= 18; halves go away from zero."""
    term = numeric(node.this, resolve)
    places = node.args.get("decimals")
    count = 0 if places is None else resolve(places).literal
    if not isinstance(count, int) or not 0 <= count <= 18:
        raise mismatch(node, "ROUND takes a literal number of decimals from 0 to 18.")
    if term.type == INTEGER:
        return term
    built = exp.Round(this=as_double(term), decimals=exp.Literal.number(count))
    widened = Range(
        None if term.range.lo is None else term.range.lo - 1,
        None if term.range.hi is None else term.range.hi + 1,
    )
    return Term(
        built,
        DOUBLE,
        nullable=term.nullable,
        range=widened,
        granularity=Fraction(1, 10**count),
        **merge(term),
    )


def floor_or_ceil(node: exp.Floor | exp.Ceil, resolve: Resolve) -> Term:
    """Return FLOOR or CEIL: an integer where the range is known to fit, else DOUBLE."""
    term = numeric(node.this, resolve)
    if term.type == INTEGER:
        return term
    lo, hi = term.range.lo, term.range.hi
    limits = Range(None if lo is None else Fraction(lo // 1), None if hi is None else Fraction(-(-hi // 1)))
    built: exp.Expr = type(node)(this=as_double(term))
    type_ = DOUBLE
    nullable = term.nullable
    if limits.lo is not None and limits.hi is not None and limits.lo > BIGINT_MIN // 2 and limits.hi < BIGINT_MAX // 2:
        built, type_, nullable = try_cast(built, INTEGER), INTEGER, nullable or term.type == DOUBLE
    return Term(built, type_, nullable=nullable, range=limits, granularity=Fraction(1), **merge(term))


# -- text -------------------------------------------------------------------------------------------------------


def _text(node: exp.Expr, resolve: Resolve) -> Term:
    term = resolve(node)
    if term.type != TEXT:
        raise mismatch(node, f"Text is expected; this is {term.type}.")
    return term


def text_function(node: exp.Lower | exp.Upper | exp.Trim, resolve: Resolve) -> Term:
    term = _text(node.this, resolve)
    return Term(type(node)(this=term.node.copy()), TEXT, nullable=term.nullable, **merge(term))


def length(node: exp.Length, resolve: Resolve) -> Term:
    term = _text(node.this, resolve)
    return Term(
        cast(exp.Length(this=term.node.copy()), INTEGER),
        INTEGER,
        nullable=term.nullable,
        range=Range(Fraction(0), None),
        **merge(term),
    )


def substring(node: exp.Substring, resolve: Resolve) -> Term:
    """Return SUBSTR(text, start [, length]) with literal start >= 1 and length >= 0."""
    term = _text(node.this, resolve)
    start = resolve(node.args["start"]).literal
    size = resolve(node.args["length"]).literal if node.args.get("length") is not None else None
    numbers = [n for n in (start, size) if n is not None]
    if not isinstance(start, int) or start < 1 or any(not isinstance(n, int) or not 0 <= n <= 2**20 for n in numbers):
        raise mismatch(node, "SUBSTR takes a literal start from 1 and a literal length.")
    built = exp.Substring(this=term.node.copy(), start=exp.Literal.number(start))
    if isinstance(size, int):
        built.set("length", exp.Literal.number(size))
    return Term(built, TEXT, nullable=term.nullable, **merge(term))


def concatenation(node: exp.DPipe, resolve: Resolve) -> Term:
    left, right = _text(node.this, resolve), _text(node.expression, resolve)
    pieces = left.pieces + right.pieces
    if pieces > MAX_PIECES:  # doubling a text again and again would fill the memory for some rows and not for others
        detail = f"More than {MAX_PIECES} texts are joined end to end."
        raise GatewayError("sql_too_complex", detail, "Join fewer texts.", place(node))
    built = exp.DPipe(this=exp.paren(left.node.copy(), copy=False), expression=exp.paren(right.node.copy(), copy=False))
    joined = Term(exp.paren(built, copy=False), TEXT, nullable=left.nullable or right.nullable, **merge(left, right))
    return replace(joined, pieces=pieces)


# -- dates ------------------------------------------------------------------------------------------------------

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
