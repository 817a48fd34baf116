"""The table of functions: fields and periods of dates. The handlers stand in gateway/sql/dates.py."""

from sqlglot import exp

from gateway.sql.dates import date_of_parts, field_of_date, last_day, truncation
from gateway.sql.rows import Example, Row, Rows

_FIELD = Row(
    field_of_date,
    ("this", "expression"),
    "EXTRACT(field FROM d), date_part('field', d); year(d), quarter(d), month(d), week(d), day(d), hour(d), minute(d),"
    " second(d), dayofweek(d), isodow(d), dayofyear(d), isoyear(d), epoch(d), and their other spellings",
    "INTEGER within the field's limits, narrower where the span says so: public keys; EPOCH a DOUBLE",
    "d is outside the years 1 to 9999",
    "Weeks are ISO's. DOW counts from Sunday 0 in duckdb and postgres, from Sunday 1 in spark, from Monday 1 in trino;"
    " ISODOW from Monday 1. EXTRACT(SECOND) is refused in postgres and spark, where it has a fraction; in postgres a"
    " whole division of what EXTRACT gives is refused, where it is no integer.",
    (
        Example("EXTRACT(YEAR FROM DATE '1995-03-15')", "1995"),
        Example("dayofweek(DATE '2000-01-01')", "6"),
        Example("dayofweek(DATE '2000-01-01')", "7", "spark"),
        Example("week(DATE '2000-01-01')", "52"),
        Example("EXTRACT(EPOCH FROM DATE '1970-01-02')", "86400.0"),
    ),
)
_TRUNCATED = Row(
    truncation,
    ("this", "unit", "unabbreviate"),
    "date_trunc('unit', d), trunc(d, 'unit') (spark)",
    "as d (a DATE to hours and below is a TIMESTAMP); the periods of the span are public keys",
    "d is outside the years 1 to 9999",
    "Units: YEAR, QUARTER, MONTH, WEEK (from Monday), DAY, HOUR, MINUTE, SECOND. A DATE stays one in every dialect.",
    (
        Example("date_trunc('month', DATE '1995-03-15')", "1995-03-01"),
        Example("date_trunc('hour', TIMESTAMP '2000-01-01 12:34:56')", "2000-01-01 12:00:00"),
    ),
)

ROWS: Rows = {
    exp.TimestampTrunc: _TRUNCATED,
    exp.DateTrunc: _TRUNCATED,
    **dict.fromkeys(
        (
            exp.Extract,
            exp.Year,
            exp.Quarter,
            exp.Month,
            exp.Week,
            exp.WeekOfYear,
            exp.Day,
            exp.DayOfMonth,
            exp.DayOfWeek,
            exp.DayOfWeekIso,
            exp.DayOfYear,
            exp.YearOfWeek,
            exp.Hour,
            exp.Minute,
            exp.Second,
            exp.TimeToUnix,
        ),
        _FIELD,
    ),
    exp.LastDay: Row(
        last_day,
        ("this",),
        "last_day(d), last_day_of_month(d) (trino)",
        "DATE; the span's month ends",
        "d is outside the years 1 to 9999",
        "",
        (Example("last_day(DATE '2000-02-03')", "2000-02-29"),),
    ),
    exp.DateFromParts: Row(
        date_of_parts,
        ("year", "month", "day"),
        "make_date(y, m, d)",
        "DATE; the years of y",
        "there is no such day, or its year is outside 1 to 9999",
        "",
        (Example("make_date(2000, 2, 29)", "2000-02-29"), Example("make_date(2001, 2, 29)", "NULL")),
    ),
}
