"""The table of functions: dates moved, and the time between two. The handlers stand in gateway/sql/moves.py."""

from sqlglot import exp

from gateway.sql.moves import date_add, date_difference, lone
from gateway.sql.rows import Example, Row, Rows

_ADDED = Row(
    date_add,
    ("this", "expression", "unit"),
    "date_add(d, INTERVAL '3' DAY) (duckdb, postgres), date_add('day', 3, d) (trino), date_add(d, 3), date_sub(d, 3),"
    " dateadd(day, 3, d), timestampadd(day, 3, d), add_months(d, 3) (spark)",
    "DATE or TIMESTAMP; the span moved",
    "the result would leave the years 1 to 9999",
    "As date + interval. The number of days or months may be an expression.",
    (
        Example("date_add(DATE '2000-01-31', INTERVAL '1' MONTH)", "2000-02-29 00:00:00"),
        Example("date_add('month', 1, DATE '2000-01-31')", "2000-02-29", "trino"),
        Example("date_sub(DATE '2000-03-01', 1)", "2000-02-29", "spark"),
    ),
)

ROWS: Rows = {
    exp.Interval: Row(
        lone,
        ("this", "unit"),
        "INTERVAL '3' MONTH, INTERVAL '1 year 2 months', INTERVAL (x) DAY, 3 * INTERVAL '1' DAY; beside + or"
        " - of a date",
        "what the date becomes: months clip to the last day of the month; of literals it is a literal",
        "the result would leave the years 1 to 9999",
        "Units: YEAR, QUARTER, MONTH, WEEK, DAY, HOUR, MINUTE, SECOND, MILLISECOND, MICROSECOND; whole"
        " numbers. A column"
        " may be the length of one unit. An interval alone is no value here.",
        (
            Example("DATE '2000-01-31' + INTERVAL '1' MONTH", "2000-02-29", "spark"),
            Example("TIMESTAMP '2000-01-01 12:00:00' - INTERVAL '1 day 2 hours'", "1999-12-31 10:00:00"),
            Example("DATE '9999-12-31' + INTERVAL '1' DAY", "NULL"),
        ),
    ),
    exp.DateAdd: _ADDED,
    exp.TsOrDsAdd: _ADDED,
    exp.TimestampAdd: _ADDED,
    exp.AddMonths: _ADDED,
    exp.DateDiff: Row(
        date_difference,
        ("this", "expression", "unit", "date_part_boundary"),
        "date_diff('unit', a, b) (duckdb, trino), datediff('unit', a, b) (duckdb), datediff(b, a) (spark), b"
        " - a (duckdb,"
        " postgres)",
        "INTEGER: borders of the unit from a to b; range from the spans",
        "a or b is outside the years 1 to 9999",
        "Mind the order: spark's datediff(b, a) has the later first. In duckdb borders are counted (December 31 to"
        " January 1 is one year); in trino and spark full units, of which only days between dates are answered.",
        (
            Example("date_diff('month', DATE '2000-01-31', DATE '2000-02-01')", "1"),
            Example("datediff(DATE '2000-03-01', DATE '2000-02-01')", "29", "spark"),
        ),
    ),
}
