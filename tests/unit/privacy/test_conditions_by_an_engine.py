"""Conditions as regions beside an engine that evaluates them: a row passes where its place is in the region, and only there."""

from datetime import date, timedelta
from fractions import Fraction as F

import duckdb
import pytest
import sqlglot

from gateway.privacy.conjuncts import Reader
from gateway.privacy.domains import ANY, Domain, numbers, place
from gateway.privacy.regions import UNDECLARED

FIRST, LAST = date(1997, 1, 1), date(1998, 6, 30)
DOMAINS = {
    "q": numbers(F(0), F(50), F(1)),
    "r": numbers(F(-5), F(5), F(1)),
    "d": numbers(F(FIRST.toordinal()), F(LAST.toordinal()), F(1)),
    "t": Domain(3, cells=("a", "b", "c")),
    "n": Domain(3, cells=(F(1), F(5, 2), F(10))),
    "b": Domain(2, cells=(False, True)),
    "u": ANY,
    "e": ANY,
}


@pytest.fixture(scope="module")
def engine():
    """Return an engine with rows that hold every declared value of each column."""
    made = duckdb.connect()
    made.execute("CREATE TABLE rows (q BIGINT, r BIGINT, d DATE, t TEXT, n DECIMAL(9, 1), b BOOLEAN, u TEXT, e DATE)")
    made.executemany(
        "INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (i % 51, i % 11 - 5, FIRST + timedelta(days=i % 546), "abc"[i % 3], (1, 2.5, 10)[i % 3], i % 2 == 0,
             f"name {i % 7}", FIRST + timedelta(days=i % 400))
            for i in range(600)
        ],
    )  # fmt: skip
    yield made
    made.close()


def read(condition, domains=DOMAINS):
    return Reader({}, domains).box([sqlglot.parse_one(condition, dialect="duckdb")])


def place_of(value, domain):
    """Return the place of a value that the engine gives."""
    if isinstance(value, date):
        value = value.toordinal()
    if domain.cells is not None:
        return domain.cells.index(value if isinstance(value, str | bool) else F(str(value)))
    if isinstance(value, str):
        return place(value)
    return (F(str(value)) - domain.lo) / domain.step if domain.measured else int(value) + UNDECLARED // 2


CASES = [
    ("q", "(q > 3 AND q < 9) OR q = 20"),
    ("q", "q BETWEEN 3 AND 9 OR q > 40"),
    ("q", "q NOT BETWEEN 3 AND 9"),
    ("q", "CASE WHEN q > 3 THEN 1 END IS NULL"),
    ("q", "CASE WHEN q > 3 THEN 1 ELSE NULL END IS NULL"),
    ("q", "CASE WHEN q < 0 THEN 0 WHEN q > 50 THEN 50 ELSE q END < 7"),
    ("q", "(q < 7) = FALSE"),
    ("q", "7 - 2 * q >= -13"),
    ("ABS(r)", "ABS(r) > 3"),
    ("ABS(q - 25)", "NOT ABS(q - 25) <= 20"),
    ("q + r", "q + r BETWEEN 7 AND 11"),
    ("q - r", "q - r < 0"),
    ("q * r", "q * r IN (-6, 6)"),
    ("d", "d >= '1997-06-01' AND d < DATE '1998-01-01'"),
    ("d", "EXTRACT(year FROM d) <> 1997"),
    ("d", "EXTRACT(year FROM d) >= 1998"),
    ("d", "EXTRACT(year FROM d) <= 1997"),
    ("d", "date_trunc('quarter', d) > DATE '1997-04-01'"),
    ("EXTRACT(year FROM d)", "EXTRACT(year FROM d) = 1997.5"),
    ("EXTRACT(month FROM d)", "EXTRACT(month FROM d) IN (1, 12)"),
    ("EXTRACT(year FROM e)", "EXTRACT(year FROM e) = 1998"),
    ("t", "t IN ('a', 'zz')"),
    ("t", "t < 'b' OR t = 'c'"),
    ("t", "NOT t >= 'b'"),
    ("n", "n > 2"),
    ("n", "n = '2.5'"),
    ("n", "n <= 2.5"),
    ("b", "b"),
    ("b", "NOT b"),
    ("b", "b <> TRUE"),
    ("u", "u = 'name 3'"),
    ("u", "u NOT IN ('name 3', 'name 4')"),
]


@pytest.mark.parametrize(("tested", "condition"), CASES)
def test_a_row_passes_where_its_place_is_in_the_region(engine, tested, condition):
    ((_, region),) = read(condition).items()
    domain = Reader({}, DOMAINS).subject(sqlglot.parse_one(tested, dialect="duckdb"))[1]
    rows = engine.execute(f"SELECT {tested}, {condition} FROM rows").fetchall()
    assert len({passes for _, passes in rows}) == 2 or region.empty, "the rows tell passing from not"
    for value, passes in rows:
        at = place_of(value, domain)
        assert any(lo <= at <= hi for lo, hi in region.intervals) == passes, value


@pytest.mark.parametrize("condition", ["q = 1 OR TRUE", "TRUE", "q >= 0 AND b IN (TRUE, FALSE)"])
def test_what_every_row_passes_is_no_condition(condition):
    assert read(condition) == {}


@pytest.mark.parametrize("condition", ["FALSE", "q = 1 AND FALSE"])
def test_what_no_row_passes_is_empty(condition):
    assert any(region.empty for region in read(condition).values())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("q = 'many'", "q = 'few'"),
        ("q = TRUE", "q = FALSE"),
        ("t > 3", "t > 4"),
        ("u > 'm'", "u > 'n'"),
        ("q IN (1, r)", "q IN (2, r)"),
        ("q % 7 = r", "q % 8 = r"),
        ("d > 'soon'", "d > 'late'"),
    ],
)
def test_what_does_not_compare_is_tested_by_its_text_and_its_literals_tell_it_apart(one, other):
    (mine,), (others,) = read(one).items(), read(other).items()
    if one != "q = TRUE":  # a truth is no literal that is left out
        assert mine[0] == others[0], "one shape"
    assert mine != others
    assert mine[1].both(others[1]).empty or mine[0] != others[0]


def test_what_is_denied_of_two_columns_is_the_rest_of_what_is_said_of_them():
    (said,), (denied,) = read("q % 2 = r OR r = 2").items(), read("NOT (q % 2 = r OR r = 2)").items()
    assert denied == (said[0], said[1].other())
    ((_, both),) = read("NOT (q = 1 AND r = 2)").items()
    assert both.share > 0.5


@pytest.mark.parametrize(
    "condition", ["CASE WHEN q > 3 THEN r END IS NULL", "CASE WHEN q > 3 THEN 1 ELSE 2 END IS NULL"]
)
def test_what_may_be_null_for_another_reason_is_tested_as_such(condition):
    ((name, _),) = read(condition).items()
    assert name.endswith("IS NULL")


def test_a_case_that_is_no_clamp_to_its_own_bounds_is_not_taken_for_its_column():
    changed = read("CASE WHEN q < 3 THEN 4 WHEN q > 9 THEN 9 ELSE q END = 5")
    assert "_.q" not in changed
    assert changed != read("q = 5")


def test_a_day_that_begins_no_month_is_no_month():
    assert list(read("date_trunc('month', d) = DATE '1997-02-01'")) == ["_.d"]
    assert "_.d" not in read("date_trunc('month', d) = DATE '1997-02-03'")
