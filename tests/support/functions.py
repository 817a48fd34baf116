"""A grid of hostile values in columns of every type, and expressions over them that name every row of the table."""

import math
import re
from datetime import date, datetime
from decimal import Decimal as D
from fractions import Fraction

import duckdb
from sqlglot import exp

from gateway.catalog.types import BOOLEAN, DATE, DOUBLE, INTEGER, TEXT, TIMESTAMP, decimal
from gateway.sql.expressions import Resolver
from gateway.sql.parse import parse
from gateway.sql.plan import Field
from gateway.sql.ranges import Range
from gateway.sql.scope import Scope, Source
from gateway.sql.terms import Term

SPAN = (date(1997, 1, 1), date(1998, 6, 30))


def _field(name, type_, **known):
    return Field(name, Term(exp.column(name), type_, nullable=True, **known))


FIELDS = (
    _field("i", INTEGER),
    _field("j", INTEGER),
    _field("small", INTEGER, range=Range(Fraction(0), Fraction(50)), raw=True),
    _field("d", decimal(18, 4)),
    _field("wide", decimal(38, 10)),
    _field("price", decimal(10, 2), range=Range(Fraction(0), Fraction(500)), raw=True),
    _field("f", DOUBLE),
    _field("share", DOUBLE, range=Range(Fraction(0), Fraction(1)), raw=True),
    _field("t", TEXT),
    _field("s", TEXT),
    _field("known", TEXT, domain=("ab", "Cd", "e-f"), raw=True),
    _field("b", BOOLEAN, domain=(False, True)),
    _field("day", DATE),
    _field("bought", DATE, span=SPAN, raw=True),
    _field("moment", TIMESTAMP),
    _field("seen", TIMESTAMP, span=SPAN, raw=True),
)
TYPES = {f.name: str(f.term.type) for f in FIELDS}
SCOPE = Scope((Source("grid", FIELDS),))

VALUES = {
    "i": ("0", "1", "-1", "7", "-7", "12", "9223372036854775807", "-9223372036854775808", "4611686018427387904", "2147483648", "3000000", "NULL"),
    "small": ("0", "1", "3", "50", "51", "-1", "9223372036854775807", "-9223372036854775808", "NULL"),
    "d": ("0", "1.5", "-1.5", "2.5", "0.0001", "99999999999999.9999", "-99999999999999.9999", "NULL"),
    "wide": ("0", "0.5", "-2.5", "9999999999999999999999999999.9999999999", "-9999999999999999999999999999.9999999999", "NULL"),
    "price": ("0", "0.01", "12.34", "500", "500.01", "99999999.99", "-99999999.99", "NULL"),
    "f": ("0", "-0.0", "1", "-1", "0.5", "2.5", "1e-300", "1e308", "-1e308", "9.3e18", "709.9", "'nan'", "'inf'", "'-inf'", "4.9e-324", "NULL"),
    "share": ("0", "0.5", "1", "1.0000001", "-1", "'nan'", "'inf'", "'-inf'", "NULL"),
    "t": ("''", "'a'", "'abc'", "'A-b-C'", "' x '", "'12'", "'12.5'", "'1e5'", "'-'", "'2000-02-29'", "'2000-13-01'", "'true'", "'%_'", "'a\nb'", "chr(0)", "'a' || chr(0) || 'b'",
          "'ß'", "'İı'", "'ſK'", "'日本語'", "'e' || chr(769)", "'👩‍👩‍👧'", "chr(9) || 'y' || chr(160)", "repeat('ab', 33000)", "'infinity'", "'290000-01-01'", "'0000-01-01'", "NULL"),
    "s": ("''", "'a'", "'b-C'", "chr(0)", "'語'", "chr(769)", "repeat('b', 40000)", "NULL"),
    "known": ("'ab'", "'Cd'", "'e-f'", "'AB'", "'zz'", "''", "NULL"),
    "b": ("true", "false", "NULL"),
    "day": ("'2000-02-29'", "'1999-12-31'", "'0001-01-01'", "'9999-12-31'", "'10000-01-01'", "'0001-12-31 (BC)'", "'290000-01-01'", "'5800000-01-01'", "'infinity'", "'-infinity'", "NULL"),
    "bought": ("'1997-01-01'", "'1997-01-31'", "'1998-06-30'", "'1998-07-01'", "'0001-01-01'", "'infinity'", "'-infinity'", "NULL"),
    "moment": ("'2000-02-29 23:59:59.999999'", "'1970-01-01 00:00:00'", "'0001-01-01 00:00:00'", "'9999-12-31 23:59:59.999999'", "'10000-01-01 00:00:00'", "'290000-01-01 00:00:00'",
           "'infinity'", "'-infinity'", "'0044-03-15 (BC) 12:00:00'", "'1999-12-31 12:34:56.5'", "NULL"),
    "seen": ("'1997-01-01 00:00:00'", "'1998-06-30 23:59:59.999999'", "'1998-07-01 00:00:00'", "'1997-05-05 05:05:05'", "'infinity'", "NULL"),
}  # fmt: skip
VALUES["j"] = VALUES["i"]


def grid() -> duckdb.DuckDBPyConnection:
    """Every value of each column, shifted against those of the others from block to block, so that pairs meet."""
    connection = duckdb.connect()
    connection.execute("SET threads = 1")
    connection.execute(f"CREATE TABLE grid ({', '.join(f'{n} {TYPES[n]}' for n in TYPES)})")
    rows = []
    for shift in range(5):
        for index in range(16):
            cells = []
            for place, name in enumerate(TYPES):
                values = VALUES[name]
                cells.append(f"CAST({values[(index + shift * (place + 1)) % len(values)]} AS {TYPES[name]})")
            rows.append(f"SELECT {', '.join(cells)}")
    for name, values in VALUES.items():  # and each value at least once
        for value in values:
            rows.append("SELECT " + ", ".join(f"CAST({value if n == name else 'NULL'} AS {TYPES[n]})" for n in TYPES))
    for start in range(0, len(rows), 50):
        connection.execute(f"INSERT INTO grid {' UNION ALL '.join(rows[start : start + 50])}")
    return connection


def resolved(sql: str, dialect: str = "duckdb") -> Term:
    """Return the term of an expression over the grid."""
    return Resolver(SCOPE)(parse(f"SELECT {sql} FROM grid", dialect).expressions[0])


def of_type(kind: str) -> tuple[str, ...]:
    return {
        "number": ("i", "small", "d", "wide", "price", "f", "share", "b::int", "2", "-2.5", "0", "1e300", "NULL"),
        "whole": ("i", "small", "LENGTH(t)", "3", "-3"),
        "exact": ("i", "small", "d", "wide", "price", "7", "2.5"),
        "text": ("t", "s", "known", "'Ab-c'", "t || 'x'", "CAST(day AS VARCHAR)", "NULL"),
        "date": ("day", "bought", "moment", "seen", "DATE '2000-01-31'", "TIMESTAMP '1999-12-31 23:59:59'"),
        "plain date": ("day", "bought", "DATE '2000-01-31'", "CAST(moment AS DATE)"),
        "truth": ("b", "i > 0", "t = 'a'", "f IS NULL"),
    }[kind]


def _each(template, *kinds):
    """Return a template with each pair of arguments of some kinds, the later ones turned against the first."""
    first = of_type(kinds[0])
    made = []
    for index, argument in enumerate(first):
        others = [of_type(kind)[(index + 1 + place) % len(of_type(kind))] for place, kind in enumerate(kinds[1:])]
        made.append(template.format(argument, *others))
    return made


class _Made:
    """Collects (expression, dialect) pairs."""

    def __init__(self):
        self.found: list[tuple[str, str]] = []

    def add(self, template, *kinds, dialect="duckdb"):
        self.found.extend((sql, dialect) for sql in _each(template, *kinds))


def expressions() -> list[tuple[str, str]]:
    """Return (expression, dialect) pairs that name every row of the table with columns of every fitting type."""
    made = _Made()
    for part in PARTS:
        part(made.add)
    made.found += [("pi() * f", "duckdb"), ("make_date(2000, small, j)", "duckdb"), ("make_date(i, 2, 29)", "duckdb")]
    return list(dict.fromkeys(made.found))


def templates() -> list[tuple[str, tuple[str, ...]]]:
    """Return what the expressions are made of: a template, and the kind of each of its arguments."""
    found: list[tuple[str, tuple[str, ...]]] = []

    def add(template, *kinds, dialect="duckdb"):
        if dialect == "duckdb":
            found.append((template, kinds))

    for part in PARTS:
        part(add)
    return list(dict.fromkeys(found))


def _arithmetic(add):
    for sign in "+-*/":
        for other in of_type("number"):
            add(f"{{}} {sign} ({other})", "number")
    for sign in ("<", "<=", "=", "<>", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"):
        add(f"{{}} {sign} {{}}", "number", "number")
        add(f"{{}} {sign} {{}}", "text", "text")
        add(f"{{}} {sign} {{}}", "date", "date")
    for n in ("3", "-1", "0", "small", "2.5"):
        add(f"{{}} % ({n})", "exact")
        add(f"{{}} // ({n})", "whole")


def _numbers(add):
    for name in ("abs", "floor", "ceil", "round", "trunc", "sign", "sqrt", "cbrt", "ln", "log", "log10", "log2", "exp", "degrees",
                 "radians", "sin", "cos", "tan", "asin", "acos", "atan", "isnan", "isinf", "-"):  # fmt: skip
        add(f"{name}({{}})", "number")
    for n in (-15, -2, 0, 1, 2, 15, 18):
        add(f"round({{}}, {n})", "number")
        add(f"trunc({{}}, {n})", "number")
    for n in ("2", "0", "-1", "0.5", "3", "-2.5", "400", "f", "i"):
        add(f"power({{}}, {n})", "number")
    add("log(3, {})", "number")
    add("atan2({}, {})", "number", "number")
    for ends in ("0, 50, 10", "-1, 1, 3", "0.25, 0.75, 7", "0, 1e6, 1", "1, 2, 10000"):
        add(f"width_bucket({{}}, {ends})", "number")


def _casts(add):
    for type_ in (
        "BIGINT",
        "INTEGER",
        "SMALLINT",
        "TINYINT",
        "DOUBLE",
        "REAL",
        "DECIMAL(5,2)",
        "DECIMAL(38,18)",
        "DECIMAL",
        "VARCHAR",
        "BOOLEAN",
    ):
        add(f"CAST({{}} AS {type_})", "number")
        add(f"TRY_CAST({{}} AS {type_})", "text")
        add(f"CAST({{}} AS {type_})", "truth")
    for type_ in ("DATE", "TIMESTAMP", "VARCHAR"):
        add(f"CAST({{}} AS {type_})", "date")
        add(f"CAST({{}} AS {type_})", "text")
    add("CAST({} AS NUMERIC)", "whole", dialect="postgres")
    add("CAST({} AS VARCHAR(2))", "whole", dialect="postgres")


def _texts(add):
    for call in ("lower({})", "upper({})", "trim({})", "ltrim({}, 'xa')", "trim(TRAILING ' ' FROM {})", "length({})", "ascii({})", "replace({}, 'a', 'bb')",
                 "replace({}, 'ab', '')", "translate({}, 'ab-', 'x')", "lpad({}, 5, 'xy')", "rpad({}, 2, '日')", "left({}, 2)", "left({}, -1)", "right({}, 2)",
                 "right({}, -1)", "left({}, 2147483647)", "substr({}, 2)", "substr({}, 2, 2)", "substr({}, -2)", "substr({}, -2, 1)", "substr({}, 0, 2)",
                 "substr({}, 2147483647, 2147483647)", "split_part({}, '-', 1)", "split_part({}, '-', -1)", "split_part({}, '-', 9)", "{} LIKE 'a%'",
                 "{} NOT LIKE '_b%'", "{} ILIKE '%B%'", "{} LIKE 'abc'", "regexp_matches({}, '^[a-z]+(-|$)')", "regexp_matches({}, 'A', 'i')",
                 "regexp_full_match({}, '.*')", "{} SIMILAR TO '(a|b|c)*'", "{} IN ('a', 'abc')", "COALESCE({}, 'none')", "NULLIF({}, 'a')",
                 "CASE {} WHEN 'a' THEN 1 WHEN 'b' THEN 2 END", "strptime({}, '%Y-%m-%d')", "({} || {} || '-' || i)", "concat({}, s, i)", "concat_ws('-', {}, s, day)"):  # fmt: skip
        add(call, *(["text"] * call.count("{}")))


def _text_pairs(add):
    for call in (
        "starts_with({}, {})",
        "ends_with({}, {})",
        "contains({}, {})",
        "strpos({}, {})",
        "substr({}, strpos({}, '-'))",
        "substr({}, 1, LENGTH({}))",
    ):
        add(call, "text", "text")
    add("substr({}, {})", "text", "whole")
    add("substr({}, {}, GREATEST({}, 0))", "text", "whole", "whole")
    add("trim({})", "text", dialect="trino")
    add("regexp_like({}, 'a.b$')", "text", dialect="spark")
    add("regexp_like({}, 'a.b$')", "text", dialect="trino")
    add("{} ~* '^a.b$'", "text", dialect="postgres")
    add("{} SIMILAR TO '%b_?'", "text", dialect="postgres")
    add("concat({}, {})", "text", "text", dialect="trino")


def _dates(add):
    for unit in ("year", "quarter", "month", "week", "day", "hour", "minute", "second"):
        add(f"date_trunc('{unit}', {{}})", "date")
        add(f"date_diff('{unit}', {{}}, {{}})", "date", "date")
    for field in (
        "year",
        "isoyear",
        "quarter",
        "month",
        "week",
        "day",
        "doy",
        "isodow",
        "dow",
        "hour",
        "minute",
        "second",
        "epoch",
    ):
        add(f"EXTRACT({field} FROM {{}})", "date")
        add(f"date_part('{field}', {{}})", "date")
    for name in ("year", "quarter", "month", "week", "weekofyear", "day", "dayofmonth", "dayofweek", "isodow", "dayofyear", "isoyear", "weekday", "hour",
                 "minute", "second", "epoch", "last_day", "dayname", "monthname"):  # fmt: skip
        add(f"{name}({{}})", "date")
    add("dayofweek({})", "date", dialect="spark")
    add("dow({})", "date", dialect="trino")
    add("year_of_week({})", "date", dialect="trino")
    add("trunc({}, 'month')", "date", dialect="spark")
    add("make_date(i, {}, {})", "whole", "whole")
    for form in ("%Y-%m", "%G-%V", "%Y-%m-%d %H:%M:%S", "%b %y", "%A", "%j %-d/%-m", "%B %%"):
        add(f"strftime({{}}, '{form}')", "date")


def _moved(add):
    for length in ("'1' DAY", "'1' MONTH", "'13' MONTH", "'1' YEAR", "'10000' YEAR", "'90000000' DAY", "'1' WEEK", "'1' QUARTER", "'36' HOUR", "'1' SECOND",
                   "'1 year 2 months 3 days'", "'999999999999' SECOND", "(i) DAY", "(small) MONTH", "(j) SECOND", "(i) YEAR"):  # fmt: skip
        for dialect in ("duckdb", "postgres") if "(" not in length else ("duckdb",):
            add(f"{{}} + INTERVAL {length}", "date", dialect=dialect)
            add(f"{{}} - INTERVAL {length}", "date", dialect=dialect)
    add("{} + INTERVAL '1' MONTH", "date", dialect="spark")
    add("{} + {}", "plain date", "whole")
    add("{} - {}", "plain date", "whole")
    add("{} - {}", "plain date", "plain date")
    add("date_add('month', {1}, {0})", "plain date", "whole", dialect="trino")
    add("date_add({}, {})", "date", "whole", dialect="spark")
    add("dateadd(HOUR, {1}, {0})", "date", "whole", dialect="spark")
    add("add_months({}, {})", "plain date", "whole", dialect="spark")
    add("datediff({}, {})", "date", "date", dialect="spark")
    add("date_add({}, INTERVAL '3' DAY)", "date")
    add("date_sub({}, 3)", "date", dialect="spark")
    add("date({})", "date", dialect="trino")
    add("to_date({}, 'YYYY-MM')", "text", dialect="postgres")
    add("to_date({})", "text", dialect="spark")


def _choices(add):
    add("CASE WHEN {} THEN {} ELSE {} END", "truth", "number", "number")
    add("IF({}, {}, {})", "truth", "date", "date")
    add("nvl2({}, {}, 0)", "number", "number", dialect="spark")
    add("COALESCE({}, {}, 0)", "number", "number")
    add("NULLIF({}, {})", "number", "number")
    for name in ("GREATEST", "LEAST"):
        add(f"{name}({{}}, {{}}, 3)", "number", "number")
        add(f"{name}({{}}, {{}})", "date", "date")
        add(f"{name}({{}}, {{}})", "number", "number", dialect="trino")
    add("{} BETWEEN {} AND 3", "number", "number")
    add("{} BETWEEN SYMMETRIC 3 AND {}", "number", "number")
    add("{} NOT IN (1, 2.5, NULL)", "number")
    add("{} AND NOT {} OR {} IS NOT TRUE", "truth", "truth", "truth")


PARTS = (_arithmetic, _numbers, _casts, _texts, _text_pairs, _dates, _moved, _choices)


def violations(sql: str, term: Term, values: list) -> list[str]:
    """Return what the values of an expression break of what its term says of them."""
    found = []
    present = [value for value in values if value is not None]
    if not term.nullable and len(present) < len(values):
        found.append(f"NULL: {sql}")
    if term.raw:  # then bounds are claimed alone
        return found
    if term.domain is not None:
        found += [f"{cell!r} is outside its domain: {sql}" for cell in {_cell(v) for v in present} - set(term.domain)]
    if term.type.numeric:
        found += [f"{v} is outside its range: {sql}" for v in present if not _inside(v, term.range)]
    if term.span is not None:
        found += [f"{v} is outside its span: {sql}" for v in present if not term.span[0] <= _day(v) <= term.span[1]]
    return found


def _cell(value):
    if isinstance(value, D):
        return f"{value:f}"
    return value.isoformat() if isinstance(value, date) else value


def _day(value) -> date:
    return value.date() if isinstance(value, datetime) else value


def _inside(value, limits: Range) -> bool:
    """Tell whether a number lies in a range, a DOUBLE to its last few digits (ranges are of exact arithmetic)."""
    if isinstance(value, float) and math.isnan(value):
        return True
    infinite = isinstance(value, float) and math.isinf(value)
    exact = Fraction(math.copysign(1, value)) * 2**1100 if infinite else Fraction(value)
    slack = abs(exact) / 10**9 + Fraction(1, 10**9) if isinstance(value, float) else Fraction(0)
    return (limits.lo is None or exact >= limits.lo - slack) and (limits.hi is None or exact <= limits.hi + slack)


ORDINARY = {
    "i": ("0", "1", "7", "-7", "12", "30"),
    "j": ("3", "-2", "5", "1", "2", "11"),
    "small": ("0", "1", "3", "50", "9", "28"),
    "d": ("1.5", "-1.5", "2.5", "0.0001", "12345.6789", "3"),
    "wide": ("0.5", "-2.5", "100", "7.25", "0", "1"),
    "price": ("0", "0.01", "12.34", "500", "99.99", "2.5"),
    "f": ("0.5", "2.5", "-1.25", "3", "10", "0.1"),
    "share": ("0", "0.5", "1", "0.25", "0.75", "0.1"),
    "t": ("'abc'", "'A-b-C'", "' x '", "'12'", "'2000-02-29'", "'日本語'"),
    "s": ("'a'", "'b'", "''", "'-'", "'B'", "'語'"),
    "known": ("'ab'", "'Cd'", "'e-f'", "'ab'", "'Cd'", "'e-f'"),
    "b": ("true", "false", "NULL", "true", "false", "true"),
    "day": ("'2000-02-29'", "'1999-12-31'", "'1970-01-01'", "'2024-07-15'", "'1997-03-31'", "'1900-01-01'"),
    "bought": ("'1997-01-01'", "'1997-01-31'", "'1998-06-30'", "'1998-02-28'", "'1997-12-31'", "'1997-08-15'"),
    "moment": ("'2000-02-29 23:59:59.999999'", "'1970-01-01 00:00:00'", "'1999-12-31 12:34:56.5'", "'2024-07-15 01:02:03'", "'1997-03-31 00:00:00'", "'2001-01-01 00:00:00'"),
    "seen": ("'1997-01-01 00:00:00'", "'1998-06-30 23:59:59.999999'", "'1997-05-05 05:05:05'", "'1998-01-31 00:00:00'", "'1997-12-31 23:00:00'", "'1997-08-15 08:00:00'"),
}  # fmt: skip
"""Values that every expression was made for: within all bounds, and with an answer in any engine."""


def ordinary_rows() -> duckdb.DuckDBPyConnection:
    """The grid's table with ordinary values, of each column another one from row to row."""
    connection = duckdb.connect()
    connection.execute("SET threads = 1")
    connection.execute(f"CREATE TABLE grid ({', '.join(f'{n} {TYPES[n]}' for n in TYPES)})")
    for row in range(6):
        cells = (
            f"CAST({ORDINARY[name][(row + place * (1 + row % 2)) % 6]} AS {TYPES[name]})"
            for place, name in enumerate(TYPES)
        )
        connection.execute(f"INSERT INTO grid SELECT {', '.join(cells)}")
    return connection


def _plain(value):
    """Return a value so that types which show the same compare: numbers as floats, dates at midnight."""
    if isinstance(value, bool | str | datetime) or value is None:
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    return float(value) if math.isfinite(value) else None


def alike(engine, ours) -> bool:
    """Tell whether the engine's own value is ours: what is infinite, or outside the years 1 to 9999, may be NULL."""
    if ours is None and isinstance(engine, str) and ("(BC)" in engine or re.match(r"\d{5,}-", engine)):
        return True
    a, b = _plain(engine), _plain(ours)
    if isinstance(a, float) and isinstance(b, float):
        return abs(a - b) <= 1e-9 * max(1, abs(a))
    return a == b
