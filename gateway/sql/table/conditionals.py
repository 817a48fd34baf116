"""The table of functions: values chosen among others. The handlers stand in gateway/sql/conditionals.py."""

from sqlglot import exp

from gateway.sql.conditionals import case, coalesce, extreme, if_function, nullif, nvl2
from gateway.sql.rows import Example, Row, Rows

_EXTREME = Row(
    extreme,
    ("this", "expressions", "ignore_nulls"),
    "GREATEST(a, b, ...), LEAST(a, b, ...)",
    "the arguments' common type; no more than every end on the side that is taken",
    "every argument is NULL (duckdb, postgres, spark), or any is (trino)",
    "Numbers and dates only. NaN is above every number.",
    (
        Example("GREATEST(1, NULL, 3)", "3"),
        Example("LEAST(2, 1.5)", "1.5"),
        Example("GREATEST(1, NULL)", "NULL", "trino"),
    ),
)

ROWS: Rows = {
    exp.Case: Row(
        case,
        ("this", "ifs", "default"),
        "CASE WHEN c THEN a ... [ELSE b] END, CASE x WHEN y THEN a ... END",
        "the branches' common type, the union of their ranges; literal branches are public keys",
        "no branch is taken and there is no ELSE",
        "",
        (Example("CASE WHEN 1 > 2 THEN 'a' ELSE 'b' END", "'b'"), Example("CASE 3 WHEN 1 THEN 'one' END", "NULL")),
    ),
    exp.If: Row(
        if_function,
        ("this", "true", "false"),
        "IF(c, a [, b]), IIF(c, a, b)",
        "as CASE",
        "c is not true and there is no b",
        "",
        (Example("IF(1 < 2, 10, 20)", "10"),),
    ),
    exp.Coalesce: Row(
        coalesce,
        ("this", "expressions", "is_null", "is_nvl"),
        "COALESCE(a, b, ...), IFNULL(a, b), NVL(a, b), zeroifnull(a) (spark)",
        "the arguments' common type, the union of their ranges",
        "every argument is NULL",
        "",
        (Example("COALESCE(NULL, 2)", "2"),),
    ),
    exp.Nullif: Row(
        nullif,
        ("this", "expression"),
        "NULLIF(a, b), nullifzero(a) (spark)",
        "as a",
        "a = b",
        "",
        (Example("NULLIF(0, 0)", "NULL"), Example("NULLIF(3, 0)", "3")),
    ),
    exp.Nvl2: Row(
        nvl2,
        ("this", "true", "false"),
        "NVL2(a, b, c) (spark)",
        "as CASE",
        "the chosen one is NULL",
        "",
        (Example("nvl2(NULL, 1, 2)", "2", "spark"),),
    ),
    exp.Greatest: _EXTREME,
    exp.Least: _EXTREME,
}
