"""The table of functions: comparison and logic. The handlers stand in gateway/sql/operators.py."""

from sqlglot import exp

from gateway.sql.operators import between, comparison, connector, is_test, membership, negated
from gateway.sql.rows import Example, Row, Rows

_COMPARED = Row(
    comparison,
    ("this", "expression"),
    "a = b, a <> b, a < b, a <= b, a > b, a >= b",
    "BOOLEAN",
    "",
    "Numbers are compared exactly, except beside a DOUBLE. A text literal beside a date becomes a date; nothing else"
    " is compared across types. NaN is equal to itself and above every number, also where a dialect has it otherwise.",
    (Example("0.10 = 0.1", "TRUE"), Example("DATE '2000-01-01' < '2000-01-02'", "TRUE")),
)
_NULL_SAFE = Row(
    comparison,
    ("this", "expression"),
    "a IS [NOT] DISTINCT FROM b, a <=> b (spark), equal_null(a, b) (spark)",
    "BOOLEAN, never NULL",
    "never",
    "",
    (Example("CAST(NULL AS INT) IS NOT DISTINCT FROM 1", "FALSE"), Example("1 IS DISTINCT FROM 2", "TRUE")),
)
_CONNECTED = Row(
    connector,
    ("this", "expression"),
    "a AND b, a OR b",
    "BOOLEAN",
    "as SQL has it",
    "",
    (Example("TRUE AND FALSE", "FALSE"), Example("TRUE OR CAST(NULL AS BOOLEAN)", "TRUE")),
)

ROWS: Rows = {
    exp.EQ: _COMPARED,
    exp.NEQ: _COMPARED,
    exp.LT: _COMPARED,
    exp.LTE: _COMPARED,
    exp.GT: _COMPARED,
    exp.GTE: _COMPARED,
    exp.NullSafeEQ: _NULL_SAFE,
    exp.NullSafeNEQ: _NULL_SAFE,
    exp.And: _CONNECTED,
    exp.Or: _CONNECTED,
    exp.Not: Row(negated, ("this",), "NOT a", "BOOLEAN", "", "", (Example("NOT 1 = 2", "TRUE"),)),
    exp.Is: Row(
        is_test,
        ("this", "expression"),
        "a IS [NOT] NULL, a IS [NOT] TRUE, a IS [NOT] FALSE, a IS [NOT] UNKNOWN, isnull(a), isnotnull(a) (spark)",
        "BOOLEAN, never NULL",
        "never",
        "",
        (Example("NULL IS NULL", "TRUE"), Example("(1 = 2) IS NOT TRUE", "TRUE")),
    ),
    exp.In: Row(
        membership,
        ("this", "expressions", "query", "unnest", "field"),
        "a [NOT] IN (x, y, ...)",
        "BOOLEAN",
        "no member is equal and a member is NULL",
        "At most 1,000 members.",
        (Example("2 IN (1, 2)", "TRUE"), Example("3 IN (1, 2.5)", "FALSE")),
    ),
    exp.Between: Row(
        between,
        ("this", "low", "high", "symmetric"),
        "a [NOT] BETWEEN [SYMMETRIC] low AND high",
        "BOOLEAN",
        "",
        "",
        (Example("2 BETWEEN 1 AND 3", "TRUE"), Example("2 BETWEEN SYMMETRIC 3 AND 1", "TRUE")),
    ),
}
