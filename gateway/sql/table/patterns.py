"""The table of functions: tests of a text against a pattern. The handlers stand in gateway/sql/patterns.py."""

from sqlglot import exp

from gateway.sql.patterns import escape, like, regular, similar
from gateway.sql.rows import Example, Row, Rows

_LIKE = Row(
    like,
    ("this", "expression", "negate"),
    "t [NOT] LIKE 'pattern', t [NOT] ILIKE 'pattern', t ~~ 'pattern'",
    "BOOLEAN",
    "",
    "% and _ alone have a meaning: a backslash and ESCAPE are refused, as dialects differ, and so are more than two %"
    " between other signs. A pattern without % and _ is compared exactly. ILIKE takes signs in any case as Unicode"
    " has it, sign by sign.",
    (
        Example("'PROMO BRUSHED' LIKE 'PROMO%'", "TRUE"),
        Example("'ab' LIKE 'a'", "FALSE"),
        Example("'Abc' ILIKE '_B%'", "TRUE"),
        Example("'abc' NOT LIKE '%c'", "FALSE"),
    ),
)
_REGULAR = Row(
    regular,
    ("this", "expression", "flag"),
    "regexp_matches(t, 'p' [, 'i']), regexp_full_match(t, 'p') (duckdb), t ~ 'p', t ~* 'p', t !~ 'p' (duckdb,"
    " postgres), regexp_like(t, 'p') (postgres, trino, spark), t RLIKE 'p' (spark)",
    "BOOLEAN",
    "",
    "The pattern is a literal of at most 256 signs with signs, . [...] [^...] ^ $ | ( ) (?: ) * + ? {m,n} and escaped"
    " punctuation, and at most 1,000 signs with its repetitions written out. Refused: back references, looking around,"
    " \\b, lazy and possessive repetitions, named classes, flags other than i, and \\d \\w \\s where the"
    " dialect does not"
    " keep to ASCII (postgres, trino; \\s in spark too). `.` and `$` mean what they mean in the dialect:"
    " in postgres . is"
    " any sign; in trino and spark $ also stands before a last line break. It runs in linear time (RE2).",
    (
        Example("regexp_matches('order-17', '-[0-9]+$')", "TRUE"),
        Example("'AB' ~* '^a.$'", "TRUE", "postgres"),
        Example("regexp_full_match('abc', 'b')", "FALSE"),
    ),
    "refused",
)

ROWS: Rows = {
    exp.Like: _LIKE,
    exp.ILike: _LIKE,
    exp.RegexpLike: _REGULAR,
    exp.RegexpILike: _REGULAR,
    exp.RegexpFullMatch: _REGULAR,
    exp.SimilarTo: Row(
        similar,
        ("this", "expression"),
        "t [NOT] SIMILAR TO 'p'",
        "BOOLEAN",
        "",
        "The pattern fits the whole text: a regular expression in duckdb, else % and _ beside | * + ? {m,n}"
        " ( ) [...] as"
        " the SQL standard has it. The rest as for regular expressions.",
        (Example("'ab' SIMILAR TO '(a|b)+'", "TRUE"), Example("'abc' SIMILAR TO 'a%|x_'", "TRUE", "postgres")),
        "refused",
    ),
}

ESCAPE = Row(escape, ("this", "expression"), "", "", "", "", ())
"""Refused by name; not in the documentation."""
