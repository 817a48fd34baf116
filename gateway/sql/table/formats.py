"""The table of functions: dates as texts and back. The handlers stand in gateway/sql/formats.py."""

from sqlglot import exp

from gateway.sql.formats import formatted, named, parsed
from gateway.sql.rows import Example, Row, Rows

_TO_TEXT = "%Y %y %m %-m %b %B %d %-d %j %a %A %G %V %H %M %S"

_PARSES = Row(
    parsed,
    ("this", "format", "safe"),
    "strptime(t, '%Y-%m-%d') (duckdb), to_date(t, 'YYYY-MM-DD'), to_timestamp(t, '...') (postgres),"
    " date_parse(t, '%Y-%m-%d')"
    " (trino), to_date(t [, 'yyyy-MM-dd']) (spark), date(x) (trino)",
    "TIMESTAMP, or DATE of to_date and date",
    "the text does not fit",
    "The format is a literal of %Y %m %d %H %M %S and signs between. A year outside 1 to 9999 is NULL once it is used.",
    (
        Example("strptime('31/01/2000', '%d/%m/%Y')", "2000-01-31 00:00:00"),
        Example("to_date('2000-01', 'YYYY-MM')", "2000-01-01", "postgres"),
        Example("strptime('never', '%Y')", "NULL"),
    ),
    "refused, but of a date",
)
_NAMED = Row(
    named,
    ("this", "abbreviated"),
    "dayname(d), monthname(d)",
    "VARCHAR: English names, the twelve or seven public keys",
    "d is outside the years 1 to 9999",
    "In spark the first three letters.",
    (Example("dayname(DATE '2000-01-01')", "'Saturday'"), Example("monthname(DATE '2000-01-01')", "'Jan'", "spark")),
)

ROWS: Rows = {
    exp.TimeToStr: Row(
        formatted,
        ("this", "format"),
        "strftime(d, '%Y-%m') (duckdb), to_char(d, 'YYYY-MM') (postgres), date_format(d, '%Y-%m') (trino),"
        " date_format(d,"
        " 'yyyy-MM') (spark)",
        "VARCHAR; where the span of d is known, the texts of its days are public keys",
        "d is outside the years 1 to 9999",
        f"The format is a literal of what means {_TO_TEXT}, and signs between. Names are English. In postgres and spark"
        " letters that mean something else are refused.",
        (
            Example("strftime(DATE '1995-03-15', '%Y-%m')", "'1995-03'"),
            Example("to_char(DATE '1995-03-15', 'YYYY-MM-DD')", "'1995-03-15'", "postgres"),
            Example("date_format(DATE '1995-03-15', 'MMM yyyy')", "'Mar 1995'", "spark"),
        ),
        spark="refused with the week of the year and the year that it belongs to",
    ),
    exp.Dayname: _NAMED,
    exp.Monthname: _NAMED,
    exp.StrToTime: _PARSES,
    exp.StrToDate: _PARSES,
    exp.TsOrDsToDate: _PARSES,
    exp.Date: _PARSES,
}
