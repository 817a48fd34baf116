"""CAST: a number, text, date or truth value into another type. What fails is NULL, never an error."""

from collections.abc import Callable
from dataclasses import dataclass, replace
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
    Cell,
    SqlType,
    TypeKind,
    decimal,
)
from gateway.errors import GatewayError
from gateway.sql import ranges
from gateway.sql.operators import dated_literal, mismatch
from gateway.sql.parse import dialect_of, place
from gateway.sql.ranges import UNKNOWN, Range
from gateway.sql.rows import Resolve
from gateway.sql.terms import Term, cast, data_type, enforced, image, merge


@dataclass(frozen=True, slots=True)
class _Target:
    """What is cast to: the engine's name of the type, our type, and for a text its greatest length."""

    name: str
    type: SqlType
    length: int | None = None


_CASTS = {
    exp.DType.BIGINT: _Target("BIGINT", INTEGER),
    exp.DType.INT: _Target("INTEGER", INTEGER),
    exp.DType.SMALLINT: _Target("SMALLINT", INTEGER),
    exp.DType.TINYINT: _Target("TINYINT", INTEGER),
    exp.DType.DOUBLE: _Target("DOUBLE", DOUBLE),
    exp.DType.FLOAT: _Target("FLOAT", DOUBLE),
    exp.DType.TEXT: _Target("VARCHAR", TEXT),
    exp.DType.VARCHAR: _Target("VARCHAR", TEXT),
    exp.DType.BOOLEAN: _Target("BOOLEAN", BOOLEAN),
    exp.DType.DATE: _Target("DATE", DATE),
    exp.DType.TIMESTAMP: _Target("TIMESTAMP", TIMESTAMP),
    exp.DType.TIMESTAMPNTZ: _Target("TIMESTAMP", TIMESTAMP),
}
_BITS = {"BIGINT": 63, "INTEGER": 31, "SMALLINT": 15, "TINYINT": 7}
_ZONED = (exp.DType.TIMESTAMPTZ, exp.DType.TIMESTAMPLTZ, exp.DType.TIMETZ)
_BARE_DECIMAL = {"duckdb": (18, 3), "trino": (38, 0), "spark": (10, 0)}


def conversion(node: exp.Cast | exp.TryCast, resolve: Resolve) -> Term:
    """Return CAST as TRY_CAST: what fails is NULL, the same for every database."""
    term = resolve(node.this)
    target = _target(node, term)
    type_ = target.type
    if term.type == OTHER and term.domain == ():
        return replace(term, node=cast(exp.Null(), type_), type=type_, domain=None)
    if type_.temporal and term.type == TEXT and isinstance(term.literal, str):
        return dated_literal(node, term.literal, type_)
    if term.type == type_ and target.name == str(type_) and target.length is None:
        return replace(term, fractional=False)
    _refuse_pair(node, term, target)
    source = enforced(term)
    if type_ == INTEGER:
        source = _wholly(node, source)
    converted: exp.Expr = exp.TryCast(this=source.node.copy(), to=data_type(target.name))
    if type_ in (INTEGER, DOUBLE) and target.name != str(type_):
        converted = cast(converted, type_)
    if target.length is not None:
        converted = exp.Anonymous(this="LEFT", expressions=[converted, exp.Literal.number(target.length)])
    cells = image(_cast_cell(target), term) if _plain(term.type, type_) else None
    made = Term(
        converted,
        type_,
        nullable=source.nullable or not (type_ == TEXT or _always_fits(source, target)),
        range=_range(source, target),
        span=term.span if type_.temporal and term.type.temporal else None,
        domain=cells,
        # what is known of a DOUBLE is known of exact arithmetic: any other number made of one is held to it before use
        raw=(cells is not None and term.raw) or (term.type == DOUBLE and type_.numeric and type_ != DOUBLE),
        **merge(source),
    )
    return replace(made, fractional=False)


# -- the type that is named --------------------------------------------------------------------------------------


def _target(node: exp.Cast | exp.TryCast, term: Term) -> _Target:
    to = node.args["to"]
    if not isinstance(to, exp.DataType):
        raise _refused(node, f"CAST to {to.sql()} is not answered.")
    if to.this in _ZONED:
        hint = "Write TIMESTAMP (in spark TIMESTAMP_NTZ): columns here have no time zone."
        raise _refused(node, "A time zone is not answered.", hint)
    if to.this in (exp.DType.TIME, exp.DType.INTERVAL):
        detail = f"CAST to {to.sql()} is not answered."
        raise _refused(node, detail, "Use EXTRACT(HOUR FROM t), or INTERVAL '3' DAY beside + or - of a date.")
    sizes = [_size(part.this) for part in to.expressions if isinstance(part, exp.DataTypeParam)]
    if len(sizes) != len(to.expressions) or to.args.get("nested"):
        raise _refused(node, f"CAST to {to.sql()} is not answered.")
    if to.this is exp.DType.DECIMAL:
        return _decimal(node, sizes, term)
    if sizes and to.this in (exp.DType.VARCHAR, exp.DType.TEXT) and dialect_of(node) in ("postgres", "trino"):
        if 0 < sizes[0] <= 999:
            return _Target("VARCHAR", TEXT, sizes[0])
    elif sizes and to.this in (exp.DType.TIMESTAMP, exp.DType.TIMESTAMPNTZ):
        return _timestamp(node, sizes[0], term)
    elif to.this in _CASTS and not sizes:
        if to.this is exp.DType.TIMESTAMP and dialect_of(node) == "trino":
            return _timestamp(node, 3, term)
        return _CASTS[to.this]
    raise _refused(node, f"CAST to {to.sql()} is not answered.")


def _refused(node: exp.Expr, detail: str, hint: str = "") -> GatewayError:
    known = "Cast to BIGINT, INTEGER, DOUBLE, REAL, DECIMAL(p,s), VARCHAR, BOOLEAN, DATE or TIMESTAMP."
    return GatewayError("unsupported_sql", detail, hint or known, place(node))


def _decimal(node: exp.Expr, sizes: list[int], term: Term) -> _Target:
    dialect = dialect_of(node)
    if not sizes and dialect == "postgres":  # as many digits as there are
        if term.type.kind is TypeKind.DECIMAL:
            sizes = [term.type.precision, term.type.scale]
        elif term.type == INTEGER:
            sizes = [19, 0]
        else:
            raise _refused(node, f"NUMERIC without digits is not answered of {term.type}.", "Write NUMERIC(p, s).")
    if not sizes:
        sizes = list(_BARE_DECIMAL[dialect])
    precision, scale = (*sizes, 0)[:2]
    if len(sizes) > 2 or not (0 < precision <= 38 and 0 <= scale <= min(precision, 18)):
        raise _refused(
            node, "DECIMAL has 1 to 38 digits, and 0 to 18 of them behind the point.", "Write DECIMAL(p, s)."
        )
    return _Target(f"DECIMAL({precision},{scale})", decimal(precision, scale))


def _timestamp(node: exp.Expr, digits: int, term: Term) -> _Target:
    """Return TIMESTAMP(p): only where it rounds nothing, as engines here count microseconds."""
    literal = term.literal if term.type == TEXT else None
    fits = isinstance(literal, str) and len(literal.partition(".")[2]) <= digits
    if digits >= 6 or fits or term.type == DATE or (term.type == OTHER and term.domain == ()):
        return _CASTS[exp.DType.TIMESTAMP]
    hint = "Write TIMESTAMP(6), or date_trunc('second', t)."
    raise _refused(node, f"A TIMESTAMP is rounded to {digits} digits of a second.", hint)


def _size(node: object) -> int:
    """Return a literal size of a type; -1 for anything else."""
    plain = isinstance(node, exp.Literal) and not node.is_string and node.name.isascii() and node.name.isdigit()
    return int(node.name) if plain and isinstance(node, exp.Literal) and len(node.name) < 4 else -1


# -- what is cast to what ----------------------------------------------------------------------------------------


def _refuse_pair(node: exp.Expr, term: Term, target: _Target) -> None:
    """Refuse pairs of types that engines do not cast, or whose text is spelled another way in the buyer's dialect."""
    source, type_, dialect = term.type, target.type, dialect_of(node)
    numbers = source.numeric or source == BOOLEAN
    if source.kind in (TypeKind.UUID, TypeKind.OTHER) and type_ != TEXT:
        raise mismatch(node, f"{source} is not cast to {type_}.")
    if (type_.temporal and numbers) or (source.temporal and (type_.numeric or type_ == BOOLEAN)):
        raise mismatch(node, f"{source} is not cast to {type_}.")
    if dialect == "duckdb":
        return
    if source == DOUBLE and type_ == TEXT:
        hint = "Cast to DECIMAL(p, s) first."
        raise _refused(node, f"Floating point numbers are written another way in {dialect}.", hint)
    if source == TIMESTAMP and type_ == TEXT and dialect == "trino":
        raise _refused(
            node, "Timestamps are written another way in trino.", "Write date_format(t, '%Y-%m-%d %H:%i:%s')."
        )
    if source == TEXT and type_ == BOOLEAN:
        raise _refused(node, f"Other texts are true in {dialect}.", "Write t IN ('true', 't').")


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


# -- what is known of the result ---------------------------------------------------------------------------------


def _range(source: Term, target: _Target) -> Range:
    if source.type == BOOLEAN and target.type.numeric:
        return ranges.between(0, 1)
    if not (source.type.numeric and target.type.numeric):
        return UNKNOWN
    if target.type == DOUBLE:
        lo, hi = source.range.lo, source.range.hi
        if target.name == "FLOAT":  # 24 bits: a little outward
            lo = None if lo is None else lo - abs(lo) / 2**23
            hi = None if hi is None else hi + abs(hi) / 2**23
        return Range(lo and Fraction(float(lo)), hi and Fraction(float(hi)))
    return ranges.outward(source.range, Fraction(1, 10**target.type.scale))


def _always_fits(term: Term, target: _Target) -> bool:
    if term.type == BOOLEAN:
        return target.type.numeric
    if target.type.temporal:
        return term.type.temporal and term.span is not None
    if target.type == DOUBLE:
        return term.type.numeric and target.name == "DOUBLE"
    if term.type.kind not in (TypeKind.INTEGER, TypeKind.DECIMAL) or not target.type.numeric:
        return False
    bound = ranges.outward(term.limits(), Fraction(1, 10**target.type.scale)).magnitude()
    if bound is None:
        return False
    if target.type == INTEGER:
        return bool(bound < 2 ** _BITS[target.name])
    return bool(bound < 10 ** (target.type.precision - target.type.scale))


def _cast_cell(target: _Target) -> Callable[[Cell], Cell]:
    """Return the cast of a known cell. Where `_plain` is false it is not asked."""

    def cast_cell(cell: Cell) -> Cell:
        text = ("false", "true")[cell] if isinstance(cell, bool) else str(cell)
        if target.type == TEXT:
            return text[: target.length]
        if target.type == DATE:
            return text[:10]
        if target.type == TIMESTAMP:
            return f"{text}T00:00:00"
        number = Fraction(int(cell)) if isinstance(cell, int) else Fraction(text)
        if target.type == INTEGER:
            return int(number) if abs(number) < 2 ** _BITS[target.name] else None
        if abs(number) >= 10 ** (target.type.precision - target.type.scale):
            return None
        return f"{Decimal(int(number)):.{target.type.scale}f}"

    return cast_cell


def _plain(source: SqlType, target: SqlType) -> bool:
    """Tell whether known values of one type are cast to another without a doubt."""
    known = {
        TEXT: (INTEGER, BOOLEAN, DATE, TEXT),
        DATE: (TIMESTAMP,),
        TIMESTAMP: (DATE,),
        INTEGER: (INTEGER, BOOLEAN),
        DOUBLE: (),
        BOOLEAN: (),
    }
    return source in known.get(target, (INTEGER, BOOLEAN))
