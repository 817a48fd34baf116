"""The table of functions: values written in the query. The handlers stand in gateway/sql/literals.py."""

from sqlglot import exp

from gateway.sql.literals import boolean, literal, null, paren
from gateway.sql.rows import Example, Row, Rows

ROWS: Rows = {
    exp.Literal: Row(
        literal,
        ("this", "is_string"),
        "42, 0.05, 1e6, 'text'",
        "INTEGER up to 2^63 - 1; DECIMAL of its own digits up to 18; DOUBLE beyond and with an exponent; VARCHAR",
        "never",
        "0.05 is exact, also where a dialect reads it as a floating point number.",
        (Example("0.05", "0.05"), Example("1e3", "1000.0"), Example("'it''s'", "'it''s'")),
    ),
    exp.Null: Row(null, (), "NULL", "the type of what it stands beside", "always", "", (Example("NULL", "NULL"),)),
    exp.Boolean: Row(boolean, ("this",), "TRUE, FALSE", "BOOLEAN", "never", "", (Example("TRUE", "TRUE"),)),
    exp.Paren: Row(paren, ("this",), "(a)", "as a", "", "", (Example("(1)", "1"),)),
}
