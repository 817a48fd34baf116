"""The table of functions: CAST. The handlers stand in gateway/sql/conversions.py."""

from sqlglot import exp

from gateway.sql.conversions import conversion
from gateway.sql.rows import Example, Row, Rows

_CAST = Row(
    conversion,
    ("this", "to", "safe"),
    "CAST(x AS type), TRY_CAST(x AS type), x::type; DATE '...', TIMESTAMP '...'",
    "the type: BIGINT, INTEGER, SMALLINT, TINYINT (all INTEGER, with their limits), DOUBLE, REAL,"
    " DECIMAL(p,s), VARCHAR,"
    " BOOLEAN, DATE, TIMESTAMP; range, span and known values are kept",
    "x is no value of the type (a failed CAST never raises)",
    "Refused: TIME, time zones, INTERVAL alone, UUID, CHAR, and what is rounded or written another way in the dialect:"
    " a fraction to an integer in trino and spark, a text to an integer in spark, a DOUBLE to text outside duckdb, a"
    " TIMESTAMP to text in trino. NUMERIC without digits keeps a postgres integer or decimal as it is."
    " REAL rounds to 24"
    " bits.",
    (
        Example("CAST('12' AS BIGINT)", "12"),
        Example("CAST('twelve' AS BIGINT)", "NULL"),
        Example("CAST(2.675 AS DECIMAL(10,2))", "2.68"),
        Example("CAST(300 AS TINYINT)", "NULL"),
        Example("7::numeric / 2", "3.5", "postgres"),
    ),
    "refused of a text to anything else but a literal date, and of a floating point number to a text or to more than 18"
    " digits",
    "refused of a text to anything else but a literal date, of a floating point number to a text or to more than 18"
    " digits, and of a decimal with more than 6 places to a text",
)

ROWS: Rows = {exp.Cast: _CAST, exp.TryCast: _CAST}
