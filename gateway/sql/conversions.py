"""CAST, ROUND, FLOOR, CEIL and ABS: a number (or text, or date) into another. What fails is NULL, never an error."""

from dataclasses import replace
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
from gateway.sql.operators import Resolve, as_double, dated_literal, mismatch, numeric
from gateway.sql.parse import dialect_of, place
from gateway.sql.ranges import BIGINT_MAX, BIGINT_MIN, UNKNOWN, Range
from gateway.sql.terms import Term, cast, data_type, enforced, merge, try_cast

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
    if type_ == INTEGER:
        source = _wholly(node, source)
    converted = exp.TryCast(this=source.node.copy(), to=data_type(name))
    built = cast(converted, type_) if type_ == INTEGER and name != "BIGINT" else converted
    limits = UNKNOWN
    if type_.numeric and term.type.numeric:
        limits = _rounded(source.range, type_)
    nullable = term.nullable or not (type_ == TEXT or _always_fits(source, type_, name))
    span = term.span if type_.temporal and term.type.temporal else None
    return Term(built, type_, nullable=nullable, range=limits, span=span, granularity=None, **merge(source))


def _wholly(node: exp.Expr, term: Term) -> Term:
    """Return a term whose cast to an integer means the same in the buyer's dialect as in DuckDB.

    DuckDB and PostgreSQL round fractions alike; Trino and Spark do not, so there a fraction has to be rounded by name.
    Text with a fraction is rounded by DuckDB, no integer to PostgreSQL and Trino, and cut off by Spark.
    """
    dialect = dialect_of(node)
    whole = term.type == INTEGER or (term.granularity is not None and term.granularity.denominator == 1)
    if dialect == "duckdb" or whole or term.type == BOOLEAN:
        return term
    if (term.type.numeric and dialect != "postgres") or (term.type == TEXT and dialect == "spark"):
        hint = "Write CAST(ROUND(x) AS BIGINT), or FLOOR or CEIL (for text: of CAST(x AS DOUBLE))."
        detail = f"This CAST rounds another way in {dialect} than in the engine."
        raise GatewayError("unsupported_sql", detail, hint, place(node))
    if term.type != TEXT:
        return term
    signs = exp.Or(
        this=exp.Like(this=term.node.copy(), expression=exp.Literal.string("%.%")),
        expression=exp.ILike(this=term.node.copy(), expression=exp.Literal.string("%e%")),
    )
    built = exp.Case(ifs=[exp.If(this=exp.Not(this=exp.paren(signs, copy=False)), true=term.node.copy())])
    return replace(term, node=built, nullable=True)


def _target(node: exp.Cast | exp.TryCast) -> tuple[str, SqlType]:
    to = node.args["to"]
    if isinstance(to, exp.DataType) and to.this is exp.DType.DECIMAL and len(to.expressions) == 2:
        precision, scale = (_size(p.this) for p in to.expressions)
        if 0 < precision <= 38 and 0 <= scale <= min(precision, 18):
            return f"DECIMAL({precision},{scale})", decimal(precision, scale)
    if isinstance(to, exp.DataType) and to.this in _CASTS and not to.expressions:
        return _CASTS[to.this]
    hint = "Cast to BIGINT, INTEGER, DOUBLE, DECIMAL(p,s), VARCHAR, BOOLEAN, DATE or TIMESTAMP."
    raise GatewayError("unsupported_sql", f"CAST to {to.sql()} is not answered.", hint, place(node))


def _size(node: object) -> int:
    """Return a literal size of a type; -1 for anything else."""
    plain = isinstance(node, exp.Literal) and not node.is_string and node.name.isascii() and node.name.isdigit()
    return int(node.name) if plain and isinstance(node, exp.Literal) and len(node.name) < 4 else -1


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


def absolute(node: exp.Abs, resolve: Resolve) -> Term:
    term = numeric(node.this, resolve)
    bound = term.limits().magnitude()
    if term.type == INTEGER and (bound is None or bound > BIGINT_MAX):
        term = replace(term, node=as_double(term), type=DOUBLE)
    return replace(term, node=exp.Abs(this=term.node.copy()), range=ranges.absolute(term.range), per_unit_sum=None)


def rounding(node: exp.Round, resolve: Resolve) -> Term:
    """Return ROUND(x [, n]) with a literal 0 <= n <= 18; halves go away from zero. A decimal stays exact."""
    term = numeric(node.this, resolve)
    places = node.args.get("decimals")
    count = 0 if places is None else resolve(places).literal
    if not isinstance(count, int) or not 0 <= count <= 18:
        raise mismatch(node, "ROUND takes a literal number of decimals from 0 to 18.")
    if term.type == INTEGER or (term.type.kind is TypeKind.DECIMAL and count >= term.type.scale):
        return term
    if term.type.kind is TypeKind.DECIMAL:
        type_ = decimal(term.type.precision, count)  # one digit more before the point than x can have
        rounded = exp.Round(this=term.node.copy(), decimals=exp.Literal.number(count))
        limits = _rounded(term.range, type_)
        step = Fraction(1, 10**count)
        return Term(cast(rounded, type_), type_, nullable=term.nullable, range=limits, granularity=step, **merge(term))
    if dialect_of(node) == "postgres":
        hint = "Write ROUND(CAST(x AS DECIMAL(p,s)), n)."
        detail = "ROUND of a floating point number takes halves to the even side in postgres, but not in the engine."
        raise GatewayError("unsupported_sql", detail, hint, place(node))
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
    cut: exp.Expr = type(node)(this=term.node.copy())  # of a decimal exact, also beyond the digits of a DOUBLE
    built, type_, nullable = cast(cut, DOUBLE) if term.type != DOUBLE else cut, DOUBLE, term.nullable
    if limits.lo is not None and limits.hi is not None and limits.lo > BIGINT_MIN // 2 and limits.hi < BIGINT_MAX // 2:
        built, type_, nullable = try_cast(cut, INTEGER), INTEGER, nullable or term.type == DOUBLE
    return Term(built, type_, nullable=nullable, range=limits, granularity=Fraction(1), **merge(term))
