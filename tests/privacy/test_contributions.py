"""One unit more or less never moves any primitive, at any bound, by more than its claimed norm, whatever its rows hold.

Aggregates are made by hand (support/measures), so that this holds without the rest of the path.
"""

import re
from dataclasses import replace
from datetime import date
from decimal import Decimal as D
from itertools import product

import pytest
from support.measures import A, measured
from support.neighbours import NEW, exact, fresh_pair, measurement_violations, pair, shuffle, violations
from support.shop import SHOP, empty_database, fill, insert, planned, unlimited
from support.totals import totals_by_cell

from gateway.catalog.model import Accounting
from gateway.privacy.measurement import Noise
from gateway.privacy.relations import Factor
from gateway.sql.parse import parse
from gateway.sql.select import resolve

PURE = replace(SHOP, privacy=replace(SHOP.privacy, accounting=Accounting.PURE))
PUBLIC = {
    "count": ("SELECT COUNT(*) AS n FROM purchases", None),
    "count_by_month": ("SELECT date_trunc('month', purchased_on) AS m, COUNT(*) AS n FROM purchases GROUP BY 1", None),
    "sum_by_gift": ("SELECT gift, SUM(amount) AS s, SUM(score) AS t, COUNT(*) AS n FROM purchases GROUP BY 1", None),
    "sum_of_expression": ("SELECT gift, SUM(quantity * amount - 7) AS s FROM purchases GROUP BY 1", None),
    "sum_of_negatives": ("SELECT gift, SUM(-quantity) AS s, SUM(3 - quantity) AS t FROM purchases GROUP BY 1", None),
    "unbounded": ("SELECT gift, SUM(weight) AS s, AVG(weight) AS a FROM purchases GROUP BY 1", None),
    "unbounded_alone": ("SELECT SUM(weight * weight) AS s FROM purchases", None),
    "units": ("SELECT quantity, COUNT(DISTINCT customer_id) AS n FROM purchases GROUP BY 1", None),
    "filtered": ("SELECT gift, COUNT(*) FILTER (WHERE quantity > 3) AS n FROM purchases GROUP BY 1", None),
    "by_chain": ("SELECT flag, SUM(price) AS s, AVG(discount) AS d FROM lines GROUP BY 1", None),
    "moments": (
        "SELECT gift, COUNT(amount), COUNT(score), COUNT(quantity) FROM purchases GROUP BY 1",
        [(A.VAR_POP, [0]), (A.CORR, [0, 1]), (A.REGR_SLOPE, [2, 0]), (A.STDDEV_SAMP, [1])],
    ),
    "truths": ("SELECT quantity, COUNT(gift) FROM purchases GROUP BY 1", [(A.BOOL_AND, [0]), (A.BOOL_OR, [0])]),
    "distinct": (
        "SELECT gift, COUNT(basket), COUNT(weight), COUNT(purchased_on) FROM purchases GROUP BY 1",
        [(A.COUNT_DISTINCT, [i]) for i in range(3)],
    ),
    "distinct_by_month": (
        "SELECT date_trunc('month', purchased_on) AS m, COUNT(quantity) FROM purchases GROUP BY 1",
        [(A.COUNT_DISTINCT, [0])],
    ),
    "distinct_alone": ("SELECT COUNT(basket) FROM purchases", [(A.COUNT_DISTINCT, [0])]),
    "trees": (
        "SELECT gift, COUNT(amount), COUNT(score), COUNT(purchased_on) FROM purchases GROUP BY 1",
        [(A.QUANTILE_CONT, [0], "1/2"), (A.QUANTILE_DISC, [1], "9/10"), (A.MIN, [2]), (A.MAX, [2])],
    ),
    "tree_alone": ("SELECT COUNT(amount) FROM purchases", [(A.QUANTILE_CONT, [0], "1/2")]),
}
PRIVATE = {
    "counts": ("SELECT basket, COUNT(*) AS n, SUM(amount) AS s, SUM(weight) AS w FROM purchases GROUP BY 1", None),
    "distinct": ("SELECT basket, COUNT(quantity) FROM purchases GROUP BY 1", [(A.COUNT_DISTINCT, [0])]),
    "tree": ("SELECT basket, COUNT(amount) FROM purchases GROUP BY 1", [(A.QUANTILE_CONT, [0], "1/4")]),
    "two_keys": ("SELECT basket, gift, AVG(amount) AS a FROM purchases GROUP BY 1, 2", None),
}


def found(name, corpus, dataset=SHOP, seeds=range(3), edit=str):
    sql, calls = corpus[name]
    _, measurement = measured(sql, calls, dataset)
    return measurement, list(broken_by(measurement, seeds, edit))


def broken_by(measurement, seeds, edit=str):
    """Give what breaks a measurement's claims, one pair of neighbours after the other."""
    for seed in seeds:
        yield from measurement_violations(measurement, *pair(seed), edit)


@pytest.mark.parametrize("name", PUBLIC)
def test_public_cells(name):
    assert found(name, PUBLIC)[1] == []


@pytest.mark.parametrize("name", PRIVATE)
def test_private_keys(name):
    measurement, broken = found(name, PRIVATE)
    assert broken == []
    assert measurement.groups == 6


def test_the_people_behind_a_threshold_are_counted_within_one_bound_however_wide_the_policy():
    """What delta pays for is a count that nothing scales down."""
    _, measurement = measured(*PRIVATE["counts"], unlimited(groups=1000, rows=1000))
    assert measurement.selection is not None
    (units,) = (p for p in measurement.primitives if p.name == measurement.selection.primitive)
    assert (units.lower, units.upper, units.search, len(units.candidates)) == (0, 1, None, 1)
    assert units.candidates[0].denominator == 1


@pytest.mark.parametrize("name", PUBLIC)
def test_pure_accounting_bounds_l1(name):
    measurement, broken = found(name, PUBLIC, PURE, range(2))
    assert broken == []
    assert {p.noise for p in measurement.primitives} == {Noise.LAPLACE}


@pytest.mark.parametrize("rows", [1, 2, 3])
@pytest.mark.parametrize("accounting", Accounting)
@pytest.mark.parametrize("name", ["tree_alone", "trees"])
def test_a_tree_is_held_where_the_policy_is_close(name, accounting, rows):
    """Nothing clamps a leaf: a unit with more rows than declared keeps within the norm even where none is searched."""
    dataset = unlimited(rows=rows)
    dataset = replace(dataset, privacy=replace(dataset.privacy, accounting=accounting))
    measurement, broken = found(name, PUBLIC, dataset)
    assert broken == []
    if rows == 1:
        assert all(primitive.search is None for primitive in measurement.primitives)


@pytest.mark.parametrize("rows", [1, 2])
def test_a_tree_over_private_keys_is_held_where_the_policy_is_close(rows):
    assert found("tree", PRIVATE, unlimited(rows=rows))[1] == []


def test_searched_counts_of_distinct_values():
    dataset = unlimited(rows=1000)
    assert measured(*PUBLIC["distinct"], dataset)[1].primitives[0].search is not None
    assert found("distinct", PUBLIC, dataset)[1] == []
    assert found("distinct", PRIVATE, dataset)[1] == []


def test_a_value_that_others_have_stays_counted_where_one_person_has_very_many():
    """The least place among all units decides: that one unit's own pick leaves a value out takes it from nobody."""
    without, with_unit = empty_database(), empty_database()
    rows = [(unit, date(1997, 5, 5), 1, f"v{unit}", 1, 0.5, True, 1.0, "x") for unit in range(40)]
    for connection in (without, with_unit):
        insert(connection, "purchases", rows)
    insert(with_unit, "purchases", [(NEW, *row[1:]) for row in rows])
    for dataset in (SHOP, unlimited(rows=1000)):
        _, measurement = measured(*PUBLIC["distinct_alone"], dataset)
        assert measurement_violations(measurement, without, with_unit) == []
        primitive = measurement.primitives[0]
        widest = len(primitive.candidates) - 1
        counts = [totals_by_cell(exact(c, measurement)[0], primitive, widest)[()] for c in (without, with_unit)]
        assert counts == [40, 40]


def test_wide_policies_need_norms_beyond_64_bits():
    assert found("unbounded", PUBLIC, unlimited(rows=1000))[1] == []
    assert found("moments", PUBLIC, unlimited(rows=1000))[1] == []


def factor():
    """Return the factor that lists cohorts by label: the public table's own rows."""
    plan = resolve(parse("SELECT label FROM cohorts", "duckdb"), SHOP)
    return Factor(plan, (0,), (plan.fields[0].id,))


LISTED = (
    "SELECT k.label, COUNT(*) AS n, SUM(p.amount) AS s FROM purchases p "
    "JOIN customers c ON c.customer_id = p.customer_id JOIN cohorts k ON k.cohort = c.cohort GROUP BY 1"
)


def test_listed_cells_are_bounded_and_stay():
    _, measurement = measured(LISTED, None, SHOP, factors=(factor(),))
    assert measurement.listed
    assert measurement.cells == 3
    assert [text for seed in range(4) for text in measurement_violations(measurement, *pair(seed))] == []


def test_a_public_table_of_more_rows_than_declared_moves_no_norm():
    """How many cells a public table lists is only declared, so the norm is held whatever it holds."""
    calendar = replace(SHOP.table("calendar"), rows=2)
    dataset = replace(SHOP, tables=tuple(calendar if t.name == "calendar" else t for t in SHOP.tables))
    sql = "SELECT k.quarter, k.weekday, COUNT(*) AS n FROM purchases p JOIN calendar k ON k.day = p.purchased_on GROUP BY 1, 2"
    made = planned(sql, dataset=dataset)
    assert made.program.measurements[0].cells == 2
    assert [text for seed in range(3) for text in violations(made, *pair(seed))] == []


def test_a_key_outside_its_declared_values_is_in_no_cell():
    without, with_unit = fresh_pair(3)
    with_unit.execute(f"UPDATE customers SET cohort = 'odd' WHERE customer_id = {NEW}")
    _, measurement = measured("SELECT cohort, COUNT(*) AS n FROM customers GROUP BY 1")
    assert measurement_violations(measurement, without, with_unit) == []
    probe = exact(with_unit, measurement)[0]
    cells = set(totals_by_cell(probe, probe.probe.primitives[0], 0))
    assert cells <= {(cohort,) for cohort in ("1997-01", "1997-02", "1997-03")}


def test_a_date_that_cannot_be_printed_is_in_no_cell():
    connection = empty_database()
    texts = ("1997-02-03", "5000000-01-01", "infinity", "-infinity", "0044-03-15 (BC)", "no date")
    insert(connection, "purchases", [(1, date(1997, 5, 5), 1, text, 1, 0.5, True, 1.0, "x") for text in texts])
    _, measurement = measured("SELECT CAST(basket AS DATE) AS d, COUNT(*) AS n FROM purchases GROUP BY 1")
    probe = exact(connection, measurement)[0]
    cells = {cell for primitive in probe.probe.primitives for cell in totals_by_cell(probe, primitive, 0)}
    assert cells == {("1997-02-03",), (None,)}


def test_listed_and_enumerated_keys_cross():
    sql = LISTED.replace("GROUP BY 1", "GROUP BY 1, 2, 3").replace("k.label,", "k.label, p.gift, p.quantity > 3 AS q,")
    sql = sql.replace("SUM(p.amount) AS s", "COUNT(p.amount)")
    calls = [(A.COUNT_ROWS,), (A.QUANTILE_CONT, [1], "1/2"), (A.COUNT_DISTINCT, [1])]
    _, measurement = measured(sql, calls, SHOP, factors=(factor(),))
    assert measurement.cells == 3 * 3 * 2
    assert [text for seed in range(2) for text in measurement_violations(measurement, *pair(seed))] == []
    listed = [probe.listed() for probe in exact(pair(0)[0], measurement)]
    labels = ("first", "second", "third")
    wanted = set(product(labels, (None, False, True), (False, True)))
    assert [set(cells) for cells in listed] == [wanted] * 3


EVERYWHERE = {
    "units": ("SELECT date_trunc('month', purchased_on) AS m, COUNT(DISTINCT customer_id) AS n FROM purchases GROUP BY 1", None),
    "units_by_day": ("SELECT purchased_on AS d, COUNT(DISTINCT customer_id) AS n FROM purchases GROUP BY 1", None),
    "distinct_by_month": PUBLIC["distinct_by_month"],
    "months_and_gifts": ("SELECT date_trunc('month', purchased_on) AS m, gift, COUNT(*) AS n, SUM(amount) AS s FROM purchases GROUP BY 1, 2", None),
    "tree_by_month": ("SELECT date_trunc('month', purchased_on) AS m, COUNT(amount) FROM purchases GROUP BY 1", [(A.QUANTILE_CONT, [0], "1/2")]),
    "private": ("SELECT basket, COUNT(*) AS n, COUNT(DISTINCT customer_id) AS u FROM purchases GROUP BY 1", None),
    "private_tree": ("SELECT basket, COUNT(amount) FROM purchases GROUP BY 1", [(A.QUANTILE_CONT, [0], "1/4")]),
    "private_distinct": ("SELECT basket, COUNT(quantity) FROM purchases GROUP BY 1", [(A.COUNT_DISTINCT, [0])]),
}  # fmt: skip


@pytest.fixture(scope="module")
def everywhere():
    """Two databases that differ by one unit with rows in every month, of every gift, in thirty baskets."""
    without, with_unit = empty_database(), empty_database()
    for connection in (without, with_unit):
        fill(connection, 3, 20)
    days = [date(1997 + month // 12, month % 12 + 1, 7) for month in range(18)]
    rows = [
        (NEW, day, number % 51, f"basket {number % 30}", D(number), 0.5, (None, True, False)[number % 3], 1.0, "x")
        for day in days
        for number in range(60)
    ]
    insert(with_unit, "purchases", rows)
    return without, with_unit


@pytest.mark.parametrize(
    ("name", "dataset"),
    [*product(EVERYWHERE, [SHOP]), *((name, PURE) for name in EVERYWHERE if not name.startswith("private"))],
)
def test_a_unit_that_is_everywhere_is_held_too(everywhere, name, dataset):
    """Also where declared sizes say that no bound needs to be searched: what is declared is only claimed."""
    _, measurement = measured(*EVERYWHERE[name], dataset)
    assert measurement_violations(measurement, *everywhere) == []


# -- planted bugs ---------------------------------------------------------------------------------------------------

BUGS = {
    "clamp": ("units", r"WHEN p0 > \d+ THEN \d+", "WHEN FALSE THEN 0", "Linf"),
    "norm": ("count_by_month", r"CASE WHEN q0 <= \d+ THEN 0 .*? END AS b0", "0 AS b0", "L2"),
    "norm without keys": ("unbounded_alone", r"CASE WHEN q0 <= \d+ THEN 0 .*? END AS b0", "0 AS b0", "L2"),
    "norm of a tree": ("trees", r"CASE WHEN q0 <= \d+ THEN 0 .*? END AS b0", "0 AS b0", "L2"),
    "a level left out of a tree": ("trees", r" UNION ALL SELECT u, SUM\(CAST\(n0 AS INT128\) \* n0\) AS q0 FROM l1 GROUP BY u", "", "L2"),
    "too weak a norm": ("count_by_month", "16777215", "25165824", "L2"),
    "norm of rows, not of units": ("sum_by_gift", r"SUM\(p0 \* p0\)|SUM\(CAST\(p0 AS INT128\) \* p0\)", "MAX(p0)", "L2"),
    "distinct values of a unit": ("distinct", r"ROW_NUMBER\(\) OVER .*? AS place", "1 AS place", "L2"),
    "search that counts more": ("count_by_month", r"COUNT\(\*\) AS kept, 0 AS scaled FROM m", "5 * COUNT(*) AS kept, 0 AS scaled FROM m", "search"),
}  # fmt: skip


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_seen(bug):
    name, pattern, replacement, told = BUGS[bug]
    planted = []

    def edit(sql):
        text, times = re.subn(pattern, replacement, sql)
        planted.append(times)
        return text

    dataset = unlimited(rows=1) if name == "distinct" else SHOP
    _, measurement = measured(*PUBLIC[name], dataset)
    assert any(told in text for text in broken_by(measurement, range(6), edit))
    assert any(planted)


def test_a_missing_pick_is_seen():
    wide = {"many": ("SELECT CAST(quantity AS VARCHAR) || basket AS k, COUNT(*) AS n FROM purchases GROUP BY 1", None)}
    measurement, broken = found("many", wide, seeds=range(8))
    assert "pick <= 6" in measurement.probes[0].sql
    assert broken == []
    more = broken_by(measurement, range(8), lambda sql: sql.replace("pick <= 6", "pick <= 600"))
    assert any("L0" in text for text in more)


def test_order_and_threads_change_nothing():
    without, _ = fresh_pair(4)
    for corpus, name in ((PUBLIC, "moments"), (PUBLIC, "trees"), (PUBLIC, "distinct"), (PRIVATE, "counts")):
        _, measurement = measured(*corpus[name], SHOP)
        before = [sorted(map(repr, probe.table.to_pylist())) for probe in exact(without, measurement)]
        shuffle(without, 17)
        without.execute("SET threads = 3")
        assert [sorted(map(repr, probe.table.to_pylist())) for probe in exact(without, measurement)] == before


def test_the_epsilon_is_what_is_charged():
    _, measurement = measured(*PUBLIC["moments"], SHOP, epsilon=D("0.2"))
    assert 0.999 * 20_000_000_000 < measurement.rho <= 20_000_000_000
    _, measurement = measured(*PUBLIC["moments"], PURE, epsilon=D("0.2"))
    assert 0.999 * 200_000_000_000 < measurement.rho <= 200_000_000_000
    assert measurement.delta == 0
