"""What functions mean: DuckDB's own for its dialect, for values known while planning, buckets and the moment of asking."""

import math
from datetime import UTC, date, datetime, timedelta

import duckdb
import pytest
from sqlglot import exp
from support.evaluated import engine, refusal, value
from support.functions import SCOPE, alike, expressions, ordinary_rows, resolved

from gateway.catalog.types import DATE, TIMESTAMP
from gateway.errors import GatewayError
from gateway.sql.expressions import Resolver
from gateway.sql.moments import at_moment
from gateway.sql.parse import parse


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
