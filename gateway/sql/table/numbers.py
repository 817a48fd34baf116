"""The table of functions: functions of numbers. The handlers stand in gateway/sql/numbers.py."""

from collections.abc import Callable

from sqlglot import exp

from gateway.sql.numbers import (
    absolute,
    arc,
    arc_tangent,
    curve,
    float_test,
    floor_or_ceil,
    logarithm,
    pi,
    power,
    rounding,
    sign,
    truncation,
    wave,
    width_bucket,
)
from gateway.sql.rows import Example, Row, Rows
from gateway.sql.terms import Term


def _row(
    handler: Callable[..., Term], written: str, result: str, null: str, *examples: Example, watch: str = ""
) -> Row:
    return Row(handler, ("this",), written, result, null, watch, examples, REFUSED if watch == _LIBM else "")


REFUSED = "refused"
_LIBM = "The last digit is the engine's mathematical library's: engines may differ in it, one engine never does."
_LOGARITHM = Row(
    logarithm,
    ("this", "expression"),
    "log(x), log10(x), log2(x), log(b, x)",
    "DOUBLE; range from the ends",
    "x <= 0",
    f"b is a literal above 1. log(x) is to base 10 in duckdb and postgres, and natural in spark. {_LIBM}",
    (Example("log10(1000)", "3.0"), Example("log2(8)", "3.0"), Example("log(10)", "1.0"), Example("log10(0)", "NULL")),
    REFUSED,
)
_ROUNDED = "INTEGER and DECIMAL exactly, else DOUBLE with a granularity of 10^-n; range outward to that step"

ROWS: Rows = {
    exp.Abs: _row(
        absolute,
        "abs(x), @x (duckdb)",
        "as x, without sign; DOUBLE where the smallest BIGINT may come",
        "",
        Example("abs(-2.5)", "2.5"),
    ),
    exp.Round: Row(
        rounding,
        ("this", "decimals"),
        "round(x [, n])",
        _ROUNDED,
        "",
        "Halves go away from zero; n is a literal from -15 to 18. Refused in postgres for floating point numbers (it"
        " takes halves to the even side).",
        (Example("round(2.5)", "3"), Example("round(-1.25, 1)", "-1.3"), Example("round(1250, -2)", "1300")),
        "of a floating point number refused to more than 15 places, and to any where nothing bounds it",
    ),
    exp.Trunc: Row(
        truncation,
        ("this", "decimals"),
        "trunc(x [, n]), truncate(x [, n]) (trino)",
        _ROUNDED,
        "",
        "Cut off towards zero. Of a date it is refused in spark: write date_trunc.",
        (Example("trunc(-2.7)", "-2"), Example("trunc(2.75, 1)", "2.7")),
        "of a floating point number refused to any place",
    ),
    exp.Floor: _row(
        floor_or_ceil, "floor(x)", "INTEGER where the range fits, else DOUBLE", "", Example("floor(-2.5)", "-3")
    ),
    exp.Ceil: _row(
        floor_or_ceil, "ceil(x), ceiling(x)", "INTEGER where the range fits, else DOUBLE", "", Example("ceil(2.1)", "3")
    ),
    exp.Sign: _row(sign, "sign(x), signum(x) (spark)", "INTEGER in [-1, 1]; of NaN 0", "", Example("sign(-0.5)", "-1")),
    exp.Sqrt: _row(
        curve,
        "sqrt(x)",
        "DOUBLE; range from the ends",
        "x < 0",
        Example("sqrt(2.25)", "1.5"),
        Example("sqrt(-1)", "NULL"),
    ),
    exp.Cbrt: _row(curve, "cbrt(x)", "DOUBLE; range from the ends", "", Example("cbrt(8)", "2.0"), watch=_LIBM),
    exp.Ln: _row(
        curve,
        "ln(x), log(x) (spark)",
        "DOUBLE; range from the ends",
        "x <= 0",
        Example("ln(1)", "0.0"),
        Example("ln(0)", "NULL"),
        watch=_LIBM,
    ),
    exp.Log: _LOGARITHM,
    exp.Exp: _row(
        curve,
        "exp(x)",
        "DOUBLE, never below 0, infinite above about 709; range from the ends",
        "",
        Example("exp(0)", "1.0"),
        watch=_LIBM,
    ),
    exp.Pow: Row(
        power,
        ("this", "expression"),
        "power(a, b), pow(a, b), a ^ b (duckdb, postgres), a ** b (duckdb)",
        "DOUBLE; range from the ends where b is a literal whole number",
        "a < 0 and b is not whole; a = 0 and b < 0",
        f"Infinite beyond the largest DOUBLE. {_LIBM}",
        (Example("power(2, 10)", "1024.0"), Example("power(-8, 0.5)", "NULL"), Example("power(0, -1)", "NULL")),
        "refused, but of a bounded whole number to the power of a literal up to 3",
        REFUSED,
    ),
    exp.Degrees: _row(curve, "degrees(x)", "DOUBLE; range from the ends", "", Example("degrees(0)", "0.0")),
    exp.Radians: _row(curve, "radians(x)", "DOUBLE; range from the ends", "", Example("radians(0)", "0.0")),
    exp.Sin: _row(wave, "sin(x)", "DOUBLE in [-1, 1]", "x is not finite", Example("sin(0)", "0.0"), watch=_LIBM),
    exp.Cos: _row(wave, "cos(x)", "DOUBLE in [-1, 1]", "x is not finite", Example("cos(0)", "1.0"), watch=_LIBM),
    exp.Tan: _row(wave, "tan(x)", "DOUBLE", "x is not finite", Example("tan(0)", "0.0"), watch=_LIBM),
    exp.Asin: _row(
        arc,
        "asin(x)",
        "DOUBLE in [-2, 2]",
        "x is outside -1 to 1",
        Example("asin(0)", "0.0"),
        Example("asin(2)", "NULL"),
        watch=_LIBM,
    ),
    exp.Acos: _row(arc, "acos(x)", "DOUBLE in [0, 4]", "x is outside -1 to 1", Example("acos(1)", "0.0"), watch=_LIBM),
    exp.Atan: _row(curve, "atan(x)", "DOUBLE in [-2, 2]", "", Example("atan(0)", "0.0"), watch=_LIBM),
    exp.Atan2: Row(
        arc_tangent,
        ("this", "expression"),
        "atan2(y, x)",
        "DOUBLE in [-4, 4]",
        "",
        _LIBM,
        (Example("atan2(0, 1)", "0.0"),),
        REFUSED,
    ),
    exp.Pi: Row(pi, (), "pi()", "DOUBLE", "never", "", (Example("pi()", "3.141592653589793"),)),
    exp.WidthBucket: Row(
        width_bucket,
        ("this", "min_value", "max_value", "num_buckets"),
        "width_bucket(x, lo, hi, n)",
        "INTEGER in [0, n + 1], narrower where the range of x says so: GROUP BY it is a histogram with public keys",
        "x is NaN",
        "lo < hi and n <= 10,000 are literals. Buckets hold their lower end; 0 is below lo, n + 1 from hi"
        " on. Computed as"
        " (x - lo) * n / (hi - lo), exactly for whole numbers and decimals of up to 15 digits; no engine's own function"
        " is called.",
        (
            Example("width_bucket(5, 0, 10, 5)", "3"),
            Example("width_bucket(10, 0, 10, 5)", "6"),
            Example("width_bucket(-1, 0, 10, 5)", "0"),
        ),
        spark="refused of long decimals, of which it would be too long a statement",
    ),
    exp.IsNan: _row(float_test, "isnan(x), is_nan(x) (trino)", "BOOLEAN", "", Example("isnan(1.5)", "FALSE")),
    exp.IsInf: _row(float_test, "isinf(x), is_infinite(x) (trino)", "BOOLEAN", "", Example("isinf(1.5)", "FALSE")),
}
