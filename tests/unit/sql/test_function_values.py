"""What functions mean: DuckDB's own for its dialect, and Python's for the others, for buckets and for known values."""

import math
import re
from datetime import UTC, date, datetime, timedelta
from functools import cache

import duckdb
import pytest
from sqlglot import exp
from support.functions import SCOPE, alike, expressions, ordinary_rows, resolved

from gateway.catalog.types import DATE, TIMESTAMP
from gateway.errors import GatewayError
from gateway.sql.expressions import Resolver
from gateway.sql.moments import at_moment
from gateway.sql.parse import parse


@cache
def engine() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


def value(sql: str, dialect: str = "duckdb"):
    """Return what an expression of literals comes to."""
    return engine().execute(f"SELECT {resolved(sql, dialect).node.sql('duckdb')}").fetchone()[0]


def refusal(sql: str, dialect: str = "duckdb") -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        resolved(sql, dialect)
    assert caught.value.hint
    return caught.value


# -- the engine's own meaning ------------------------------------------------------------------------------------


def _differences(texts: list[str]) -> tuple[int, list[str]]:
    connection, found, compared = ordinary_rows(), [], 0
    for sql in texts:
        try:
            term = resolved(sql)
            own = connection.execute(f"SELECT {sql} FROM grid").fetchall()
        except (GatewayError, duckdb.Error):  # refused here, or an error there
            continue
        compared += 1
        ours = connection.execute(f"SELECT {term.node.sql('duckdb')} FROM grid").fetchall()
        found += [f"{a[0]!r} is {b[0]!r}: {sql}" for a, b in zip(own, ours, strict=True) if not alike(a[0], b[0])]
    return compared, found


OWN = [sql for sql, dialect in expressions() if dialect == "duckdb"]


def test_what_is_computed_is_what_duckdb_computes():
    compared, found = _differences(OWN[::7])
    assert compared > 0.8 * len(OWN[::7])
    assert found == []


@pytest.mark.long
def test_everything_computed_is_what_duckdb_computes():
    compared, found = _differences(OWN)
    assert compared > 0.9 * len(OWN)
    assert found == []


# -- values known while planning ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "template",
    [
        "lower({})", "upper({})", "trim({}, 'ab')", "ltrim({}, 'a')", "rtrim({}, 'fd')", "left({}, 2)", "left({}, -1)", "right({}, 2)",
        "right({}, -1)", "right({}, 0)", "substr({}, 2)", "substr({}, 2, 1)", "substr({}, 9)", "replace({}, '-', '')", "translate({}, 'ab-', 'x')",
        "lpad({}, 4, 'xy')", "rpad({}, 4, 'xy')", "lpad({}, 1, 'x')", "split_part({}, '-', 1)", "split_part({}, '-', 2)", "split_part({}, '-', -1)",
        "split_part({}, '-', -9)", "length({})", "strpos({}, 'f')", "{} || '!'", "concat({}, '?')", "COALESCE({}, 'none')",
    ],
)  # fmt: skip
def test_known_values_are_those_of_the_engine(template):
    """Of few known texts a function gives exactly the few that are said."""
    term = resolved(template.format("known"))
    texts = ("ab", "Cd", "e-f")
    rows = engine().execute(
        f"SELECT {term.node.sql('duckdb')} FROM (VALUES {', '.join(f'({t!r})' for t in texts)}) g(known)"
    )
    seen = {row[0] for row in rows.fetchall()}
    assert term.domain is not None
    assert set(term.domain) - {"none", "?"} == seen  # what a NULL would become
    if "COALESCE" not in template:
        literal = resolved(template.format("'e-f'"))
        assert literal.literal == value(template.format("'e-f'"))


def test_letters_beyond_ascii_are_left_to_the_engine():
    assert resolved("upper('ß')").domain is None
    assert resolved("upper(CASE WHEN b THEN 'é' ELSE 'a' END)").domain is None


@pytest.mark.parametrize("unit", ["DAY", "WEEK", "MONTH", "QUARTER", "YEAR", "HOUR", "SECOND"])
@pytest.mark.parametrize("start", ["2000-01-31", "1999-12-31", "2000-02-29", "1900-03-01", "2024-08-31"])
def test_dates_moved_while_planning_are_moved_as_the_engine_does(unit, start):
    for count in (1, -1, 12, -13, 59, 400):
        text = f"INTERVAL '{count}' {unit}"
        term = resolved(f"DATE '{start}' + {text}")
        (own,) = engine().execute(f"SELECT DATE '{start}' + {text}").fetchone()
        assert term.literal == own.isoformat()
        assert term.span == (own.date(), own.date()) or unit in ("HOUR", "SECOND")
        assert term.span[0] <= own.date() <= term.span[1]


def test_a_filter_on_a_moved_literal_compares_bare_columns():
    """TPC-H writes `shipdate <= date '1998-12-01' - interval '90' day`: the column has to stay bare."""
    term = resolved("bought <= DATE '1998-12-01' - INTERVAL '90' DAY")
    assert term.node.unnest().this.unnest() == exp.column("bought")
    assert "1998-09-02" in term.node.sql("duckdb")


def test_texts_of_a_bounded_date_are_public():
    term = resolved("strftime(bought, '%Y-%m')")
    assert term.domain == tuple(f"{y}-{m:02d}" for y in (1997, 1998) for m in range(1, 13) if (y, m) <= (1998, 6))
    assert len(resolved("strftime(bought, '%Y-%m-%d')").domain) == (date(1998, 6, 30) - date(1997, 1, 1)).days + 1
    weeks = resolved("strftime(bought, '%G-%V')").domain
    days = [date(1997, 1, 1) + timedelta(days=n) for n in range(546)]
    assert set(weeks) == {f"{d.isocalendar().year}-{d.isocalendar().week:02d}" for d in days}
    assert set(resolved("strftime(bought, '%Y %V')").domain) == {f"{d.year} {d.isocalendar().week:02d}" for d in days}
    assert resolved("strftime(day, '%Y-%m')").domain is None
    assert len(resolved("dayname(day)").domain) == 7
    assert len(resolved("monthname(day)").domain) == 12


def test_periods_and_fields_follow_the_span():
    assert resolved("date_trunc('quarter', bought)").domain == (
        "1997-01-01",
        "1997-04-01",
        "1997-07-01",
        "1997-10-01",
        "1998-01-01",
        "1998-04-01",
    )
    assert resolved("date_trunc('hour', seen)").domain is None  # 13,104 hours
    assert resolved("CAST(date_trunc('year', seen) AS DATE)").domain == ("1997-01-01", "1998-01-01")
    fields = {"year": (1997, 1998), "month": (1, 12), "isoyear": (1997, 1998), "dow": (0, 6), "hour": (0, 23)}
    for name, ends in fields.items():
        known = resolved(f"EXTRACT({name} FROM seen)").range
        assert (known.lo, known.hi) == ends
    known = resolved("date_diff('day', bought, DATE '1998-06-30')").range
    assert (known.lo, known.hi) == (0, 545)
    assert resolved("bought + INTERVAL '1' MONTH", "trino").span == (date(1997, 2, 1), date(1998, 7, 30))
    assert not resolved("CAST(TRUE AS INT)").nullable


# -- buckets -----------------------------------------------------------------------------------------------------


def test_buckets_are_those_of_the_standard():
    for lo, hi, count in ((0, 50, 10), (-3, 7, 3), (0, 1, 7), (10, 11, 1)):
        for x in range(-5, 60):
            expected = 0 if x < lo else count + 1 if x >= hi else math.floor((x - lo) * count / (hi - lo)) + 1
            assert value(f"width_bucket({x}, {lo}, {hi}, {count})") == expected
    for cents in range(-10, 120):  # decimals keep to their edges exactly
        expected = 0 if cents < 0 else 11 if cents >= 100 else cents // 10 + 1
        assert value(f"width_bucket({cents / 100:.2f}, 0, 1, 10)") == expected


def test_buckets_are_few_where_the_range_says_so():
    known = resolved("width_bucket(small, 0, 50, 10)").range
    assert (known.lo, known.hi) == (1, 11)
    known = resolved("width_bucket(small, -50, 100, 3)").range
    assert (known.lo, known.hi) == (2, 3)
    known = resolved("width_bucket(small, 60, 70, 2)").range
    assert (known.lo, known.hi) == (0, 0)
    assert refusal("width_bucket(small, 5, 5, 2)").code == "type_mismatch"
    assert refusal("width_bucket(small, 0, i, 2)").code == "type_mismatch"


# -- regular expressions -----------------------------------------------------------------------------------------

PATTERNS = ("a", "^a", "a$", "^$", "a.c", "[a-c]+", "[^a]", "(ab|cd)*x", "a{2}", "a{1,2}b", "a{0}b", "\\.", "\\-", "[.]", "[a\\-z]", "a|", "(?:a|b)c?",
            "x*", "^(a|b){2,}$", "[0-9]{2}", "\\d+", "\\w", "\\W", "\\s", "[\\d-]", "日.", "[日語]", "\\\\", "[ \\t]", "()", "a||b")  # fmt: skip
SUBJECTS = (
    "",
    "a",
    "abc",
    "a\nc",
    "aa",
    "aab",
    "xyz",
    "a.b",
    "a-b",
    "12",
    "a1",
    "日本",
    "語",
    "\\",
    " ",
    "\t",
    "ABC",
    "abcdx",
    "a\n",
    "b",
)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_regular_expressions_match_as_python_has_it(pattern):
    oracle = re.compile(pattern.replace("$", "\\Z"), re.ASCII)
    quoted = pattern.replace("'", "''")
    term = resolved(f"regexp_matches(t, '{quoted}')")
    for subject in SUBJECTS:
        (found,) = engine().execute(f"SELECT {term.node.sql('duckdb')} FROM (SELECT ? AS t)", [subject]).fetchone()
        assert found == (oracle.search(subject) is not None), subject


def test_a_dot_and_an_end_mean_what_they_mean_in_the_dialect():
    cases = {"duckdb": (False, False), "postgres": (True, False), "trino": (False, True), "spark": (False, True)}
    for dialect, (dot, end) in cases.items():
        call = "regexp_matches" if dialect == "duckdb" else "regexp_like"
        for pattern, subject, expected in (("a.c", "a\nc", dot), ("a$", "a\n", end), ("^b", "a\nb", False)):
            term = resolved(f"{call}(t, '{pattern}')", dialect)
            (found,) = engine().execute(f"SELECT {term.node.sql('duckdb')} FROM (SELECT ? AS t)", [subject]).fetchone()
            assert found is expected, (dialect, pattern)


@pytest.mark.parametrize(
    "pattern",
    ["(a)\\1", "(?=a)", "(?!a)", "(?<=a)", "(?i)a", "(?P<n>a)", "a*?", "a*+", "a**", "\\bx", "\\Bx", "\\Qa", "[[:alpha:]]", "[a&&b]", "[]a]", "(", ")", "a)",
     "[a", "*a", "{2}", "a{2", "a{,3}", "a{3,2}", "a{1001}", "(a{100}){100}", "[z-a]", "\\p{L}", "\\x41", "a" * 257, "(" * 11 + ")" * 11, "]", "}", "\\", "[\\W]", "\\1"],
)  # fmt: skip
def test_patterns_that_differ_or_grow_are_refused(pattern):
    assert refusal(f"regexp_matches(t, '{pattern}')").code == "unsupported_sql"


def test_short_classes_are_refused_where_they_are_not_ascii():
    for dialect in ("postgres", "trino"):
        assert "[0-9]" in refusal("regexp_like(t, '\\d')", dialect).hint
    assert refusal("regexp_like(t, '\\\\s')", "spark").code == "unsupported_sql"
    assert resolved("regexp_like(t, '\\\\d')", "spark")
    assert refusal("regexp_matches(t, 'a', 'g')").code == "unsupported_sql"
    assert refusal("regexp_matches(t, s)").code == "type_mismatch"


def test_similar_to_is_the_standards_outside_duckdb():
    cases = {"a%": "abc", "a_c": "a\nc", "(a|b)*": "abab", "a.c": "a.c", "[a-c]{2}": "ab", "^": "^"}
    for pattern, subject in cases.items():
        term = resolved(f"t SIMILAR TO '{pattern}'", "postgres")
        (found,) = engine().execute(f"SELECT {term.node.sql('duckdb')} FROM (SELECT ? AS t)", [subject]).fetchone()
        assert found, pattern
    assert value("'abc' SIMILAR TO 'a.c'", "postgres") is False
    assert value("'abcd' SIMILAR TO 'a_c'", "postgres") is False


# -- dialects ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "dialect", "expected"),
    [
        ("datediff(DATE '2000-03-01', DATE '2000-02-01')", "spark", 29),
        ("datediff(day, DATE '2000-02-01', DATE '2000-03-01')", "spark", 29),
        ("date_diff('day', DATE '2000-02-01', DATE '2000-03-01')", "trino", 29),
        ("date_diff('day', DATE '2000-02-01', DATE '2000-03-01')", "duckdb", 29),
        ("DATE '2000-03-01' - DATE '2000-02-01'", "postgres", 29),
        ("date_add('day', 3, DATE '2000-02-27')", "trino", date(2000, 3, 1)),
        ("date_add(DATE '2000-02-27', 3)", "spark", date(2000, 3, 1)),
        ("date_sub(DATE '2000-03-01', 1)", "spark", date(2000, 2, 29)),
        ("add_months(DATE '2000-01-31', 1)", "spark", date(2000, 2, 29)),
        ("DATE '2000-01-31' + INTERVAL '1 month'", "postgres", datetime(2000, 2, 29)),
        ("DATE '2000-01-31' + '1 month'::interval", "postgres", datetime(2000, 2, 29)),
        ("dayofweek(DATE '2000-01-02')", "duckdb", 0),
        ("EXTRACT(DOW FROM DATE '2000-01-02')", "postgres", 0),
        ("dayofweek(DATE '2000-01-02')", "spark", 1),
        ("day_of_week(DATE '2000-01-02')", "trino", 7),
        ("EXTRACT(DOW FROM DATE '2000-01-02')", "trino", 7),
        ("date_part('dow', DATE '2000-01-02')", "spark", 1),
        ("log(100)", "postgres", 2.0),
        ("log(100)", "duckdb", 2.0),
        ("log(1)", "spark", 0.0),
        ("log(2, 8)", "trino", 3.0),
        ("2 ^ 3", "postgres", 8.0),
        ("concat('a', NULL)", "postgres", "a"),
        ("concat('a', NULL)", "spark", None),
        ("trim(' \t')", "postgres", "\t"),
        ("trim(' \ta')", "trino", "a"),
        ("GREATEST(1, NULL)", "postgres", 1),
        ("GREATEST(1, NULL)", "trino", None),
        ("pmod(-7, 3)", "spark", 2),
        ("nullifzero(0)", "spark", None),
        ("zeroifnull(NULL)", "spark", 0),
        ("to_char(DATE '2000-02-03', 'DD.MM.YYYY')", "postgres", "03.02.2000"),
        ("date_format(TIMESTAMP '2000-02-03 04:05:06', '%Y-%m-%d %H:%i:%s')", "trino", "2000-02-03 04:05:06"),
        ("date_format(DATE '2000-02-03', 'yyyy/MM')", "spark", "2000/02"),
        ("CAST('abc' AS VARCHAR(2))", "postgres", "ab"),
        ("7::numeric / 2", "postgres", 3.5),
        ("locate('b', 'abc')", "spark", 2),
        ("'abc' LIKE 'ABC'", "duckdb", False),
        ("'a ' LIKE 'a'", "duckdb", False),
        ("-7 % 3", "duckdb", -1),
        ("0.30 = 0.3", "duckdb", True),
        ("CAST(0.1 AS DOUBLE) + 0.2 = 0.3", "duckdb", False),
    ],
)
def test_each_dialect_has_its_own_meaning(sql, dialect, expected):
    assert value(sql, dialect) == expected


@pytest.mark.parametrize(
    ("sql", "dialect", "words"),
    [
        ("CAST(t AS TIMESTAMPTZ)", "duckdb", "time zone"),
        ("CAST(t AS TIMESTAMP)", "spark", "time zone"),
        ("CAST(t AS TIME)", "duckdb", "TIME"),
        ("moment AT TIME ZONE 'UTC'", "postgres", "no time zone"),
        ("date_diff('month', day, bought)", "trino", "Full units"),
        ("moment - seen", "duckdb", "interval"),
        ("day - bought", "trino", "interval"),
        ("day - bought", "spark", "interval"),
        ("day + 1", "trino", "BIGINT"),
        ("day + 1.5", "duckdb", "DECIMAL"),
        ("INTERVAL '1' DAY", "duckdb", "interval"),
        ("day + INTERVAL '1.5' DAY", "duckdb", "whole number"),
        ("day + INTERVAL '1' CENTURY", "duckdb", "CENTUR"),
        ("day + INTERVAL '1-2' YEAR TO MONTH", "duckdb", "one unit TO another"),
        ("contains(t, 'a')", "trino", "arrays"),
        ("split_part(t, '-', 1)", "trino", "trino"),
        ("substr(t, -2)", "postgres", "postgres"),
        ("substr(t, 0)", "spark", "spark"),
        ("substr(t, 2, small - 1)", "duckdb", "0 or more"),
        ("left(t, -1)", "spark", "negative"),
        ("replace(t, '', 'x')", "duckdb", "1 to"),
        ("replace(t, s, 'x')", "duckdb", "literal"),
        ("lpad(t, 1001, 'x')", "duckdb", "1,000"),
        ("lpad(t, 5, '')", "duckdb", "1 to"),
        ("repeat(t, 3)", "duckdb", "grow"),
        ("reverse(t)", "duckdb", "combine"),
        ("initcap(t)", "postgres", "word"),
        ("chr(i)", "duckdb", "sign"),
        ("i & 3", "duckdb", "bits"),
        ("x'41'", "duckdb", ""),
        ("i ^ 2", "spark", "bits"),
        ("regexp_replace(t, 'a', 'b')", "duckdb", "differ"),
        ("regexp_extract(t, 'a')", "duckdb", "differ"),
        ("random()", "duckdb", "row"),
        ("age(day, bought)", "postgres", "interval"),
        ("to_char(day, 'Mon YYYY')", "postgres", "format"),
        ("to_char(day, 'Q')", "postgres", "format"),
        ("to_char(day, 'D')", "postgres", "format"),
        ("date_format(day, 'G')", "spark", "format"),
        ("strftime(day, '%c')", "duckdb", "%c"),
        ("strftime(day, '%')", "duckdb", "%"),
        ("strftime(day, t)", "duckdb", "literal"),
        ("EXTRACT(SECOND FROM moment)", "postgres", "fraction"),
        ("EXTRACT(YEAR FROM day) / 10", "postgres", "no integer"),
        ("FLOOR(share) / 2", "trino", "no integer"),
        ("EXTRACT(MILLENNIUM FROM day)", "duckdb", "MILLENNIUM"),
        ("CAST(day AS BIGINT)", "duckdb", "not cast"),
        ("CAST(i AS DATE)", "duckdb", "not cast"),
        ("CAST(b AS TIMESTAMP)", "duckdb", "not cast"),
        ("CAST(f AS VARCHAR)", "postgres", "another way"),
        ("CAST(moment AS VARCHAR)", "trino", "another way"),
        ("CAST(t AS BOOLEAN)", "spark", "true"),
        ("CAST(moment AS TIMESTAMP)", "trino", "3 digits"),
        ("CAST(f AS NUMERIC)", "postgres", "without digits"),
        ("CAST(t AS CHAR(3))", "postgres", "CHAR"),
        ("CAST(i AS DECIMAL(39,0))", "duckdb", "38"),
        ("CAST(i AS UUID)", "duckdb", "UUID"),
        ("wide = CAST('1' AS DECIMAL(18,18))", "duckdb", "digits"),
        ("t LIKE 'a' ESCAPE 'b'", "duckdb", "ESCAPE"),
        ("t LIKE '%a%b%c%d%'", "duckdb", "more than 2"),
        ("t COLLATE nocase", "duckdb", "byte by byte"),
        ("CURRENT_DATE", "duckdb", "CURRENTDATE"),
        ("now()", "duckdb", "NOW"),
        ("log(i, 2)", "duckdb", "base"),
        ("round(f, small)", "duckdb", "literal"),
        ("translate(t, 'aa', 'b')", "duckdb", "differ"),
        ("make_date(1.5, 1, 1)", "duckdb", "whole"),
        ("hash(t)", "duckdb", "HASH"),
        ("sqr(f)", "duckdb", "SQR"),
    ],
)
def test_what_would_mean_another_thing_is_refused_by_name(sql, dialect, words):
    assert words.casefold() in refusal(sql, dialect).detail.casefold()


def test_a_name_that_comes_near_is_shown():
    assert "SQRT" in refusal("sqr(f)").hint


def test_long_arguments_are_not_written_again_and_again():
    sql = "t"
    for _ in range(12):
        sql = f"replace({sql}, 'a', 'bb')"
    assert refusal(sql).code == "sql_too_complex"


# -- the moment of asking ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "dialect", "type_", "literal"),
    [
        ("CURRENT_DATE", "duckdb", DATE, "2026-11-24"),
        ("today()", "duckdb", DATE, "2026-11-24"),
        ("current_date()", "spark", DATE, "2026-11-24"),
        ("now()", "duckdb", TIMESTAMP, "2026-11-24T23:30:00.000001"),
        ("now()", "spark", TIMESTAMP, "2026-11-24T23:30:00.000001"),
        ("CURRENT_TIMESTAMP", "trino", TIMESTAMP, "2026-11-24T23:30:00.000001"),
        ("LOCALTIMESTAMP", "postgres", TIMESTAMP, "2026-11-24T23:30:00.000001"),
        ("CURRENT_DATE - INTERVAL '1' MONTH", "trino", DATE, "2026-10-24"),
    ],
)
def test_the_moment_is_one_constant_in_utc(sql, dialect, type_, literal):
    now = datetime.fromisoformat("2026-11-25T01:30:00.000001+02:00")
    tree = parse(f"SELECT {sql}", dialect)
    assert at_moment(tree, now)
    term = Resolver(SCOPE)(tree.expressions[0])
    assert term.type == type_
    assert term.literal == literal


def test_a_query_without_the_moment_is_left_alone():
    tree = parse("SELECT COUNT(*) FROM grid WHERE t = 'now()'", "duckdb")
    before = tree.copy()
    assert not at_moment(tree, datetime(2026, 1, 1, tzinfo=UTC))
    assert tree == before
    zoned = parse("SELECT CURRENT_DATE('UTC')", "duckdb")
    assert not at_moment(zoned, datetime(2026, 1, 1, tzinfo=UTC))
