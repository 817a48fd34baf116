"""The table of functions: + - * / %, whole division. The handlers stand in gateway/sql/arithmetic.py."""

from sqlglot import exp

from gateway.sql.arithmetic import arithmetic, division, modulo, negation, whole_division
from gateway.sql.rows import Example, Row, Rows

_EXACT = "INTEGER or DECIMAL where the range is known to fit, else DOUBLE; range by interval arithmetic"
_OVERFLOW = "Where another dialect raises an overflow, the result is a DOUBLE here."

_ADDITION = Row(
    arithmetic,
    ("this", "expression"),
    "a + b, a - b, a * b; date + interval, date - interval, date + days, date - date",
    f"{_EXACT}. Dates: see date arithmetic",
    "",
    f"{_OVERFLOW} A DATE plus an interval is a TIMESTAMP in duckdb and postgres and stays a DATE in trino and spark;"
    " whole days as a number are added in duckdb, postgres and spark only.",
    (
        Example("2 + 3 * 4", "14"),
        Example("0.1 + 0.2", "0.3"),
        Example("DATE '1998-12-01' - INTERVAL '90' DAY", "1998-09-02 00:00:00"),
        Example("DATE '1998-12-01' - INTERVAL '90' DAY", "1998-09-02", "trino"),
        Example("DATE '2000-01-31' + 1", "2000-02-01"),
        Example("DATE '2000-02-01' - DATE '2000-01-01'", "31"),
    ),
    spark="refused where the numbers may have more than 38 digits together",
)

ROWS: Rows = {
    exp.Add: _ADDITION,
    exp.Sub: _ADDITION,
    exp.Mul: _ADDITION,
    exp.Neg: Row(negation, ("this",), "-a", f"{_EXACT}, negated", "", _OVERFLOW, (Example("-(2.50)", "-2.50"),)),
    exp.Div: Row(
        division,
        ("this", "expression", "typed", "safe"),
        "a / b",
        "DOUBLE; the quotient of the ranges where b cannot be 0. In postgres and trino INTEGER, cut off towards zero,"
        " where both sides are integers",
        "b = 0",
        "Refused in trino for decimals (it rounds the quotient to their scale), and in postgres and trino where an"
        " integer here is none there (EXTRACT, FLOOR of a float).",
        (Example("7 / 2", "3.5"), Example("7 / 2", "3", "postgres"), Example("1 / 0", "NULL")),
    ),
    exp.IntDiv: Row(
        whole_division,
        ("this", "expression"),
        "a // b (duckdb), a DIV b (spark), div(a, b) (postgres)",
        "INTEGER, cut off towards zero; the quotient of the ranges",
        "b = 0",
        "Refused where the smallest BIGINT might be divided by -1.",
        (Example("-7 // 2", "-3"), Example("7 // 0", "NULL")),
    ),
    exp.Mod: Row(
        modulo,
        ("this", "expression"),
        "a % b, mod(a, b)",
        "INTEGER or DECIMAL with the sign of a, below b and not above a in size",
        "b = 0",
        "Refused where the smallest BIGINT might meet -1, and for DOUBLE.",
        (Example("mod(-7, 3)", "-1"), Example("5.5 % 2.3", "0.9"), Example("7 % 0", "NULL")),
    ),
}
