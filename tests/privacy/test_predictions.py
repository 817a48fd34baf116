"""Predicted errors are those of the answers: half-widths, their coverage, and W7 of TPC-H, which nothing answers."""

from dataclasses import replace
from decimal import Decimal as D
from math import sqrt

import pytest
from support import tpch
from support.answers import answered, exact_rows
from support.shop import CALLER, NOW, SHOP, empty_database, fill

from gateway.catalog.model import Accounting
from gateway.engines.post import PostProcessor
from gateway.forecasting import planning
from gateway.planning import plan
from gateway.privacy.measurement import Noise
from gateway.privacy.release import release
from gateway.programs import PlanJob
from gateway.request import Accuracy, Request

RUNS = 400


@pytest.fixture(scope="module")
def filled():
    connection = empty_database()
    fill(connection, 7, 900)
    yield connection
    connection.close()


@pytest.fixture(scope="module")
def post():
    return PostProcessor()


def half_widths(bars):
    return {(high - low) / 2 for low, high in bars}


DIRECT = {
    "SELECT cohort, COUNT(*) AS n FROM customers GROUP BY cohort": "30",
    "SELECT COUNT(*) AS n, SUM(LEAST(GREATEST(quantity, 20), 50)) AS s FROM purchases": "4000",
    "SELECT gift, COUNT(*) AS n, COUNT(DISTINCT customer_id) AS u FROM purchases GROUP BY gift": "400",
    "SELECT SUM(LEAST(GREATEST(price, 400), 1000)) AS s FROM lines": "90000.5",
}


@pytest.mark.parametrize("sql", DIRECT)
@pytest.mark.parametrize("epsilon", ["0.4", "1.5"])
def test_answers_show_the_half_widths_that_were_predicted(filled, post, sql, epsilon):
    """Bounds are tight here, so that none is found privately: the interval is the predicted one to the last digit."""
    dataset = tight()
    made = plan(PlanJob(dataset, CALLER, Request(sql, epsilon=D(epsilon)), NOW, dataset.grants[0]))
    assert all(p.search is None for m in made.program.measurements for p in m.primitives)
    answer = answered(filled, made, post=post)
    for note in made.notes:
        assert note.half_width > 0
        assert all(w == pytest.approx(note.half_width, rel=2e-3) for w in half_widths(answer.intervals[note.column]))


@pytest.mark.parametrize("sql", DIRECT)
def test_answers_show_the_half_widths_that_were_asked_for(filled, post, sql):
    dataset = tight()
    accuracy = Accuracy(D(DIRECT[sql]), None)
    made = plan(PlanJob(dataset, CALLER, Request(sql, accuracy=accuracy), NOW, dataset.grants[0]))
    answer = answered(filled, made, post=post)
    for note in made.notes:
        shown = half_widths(answer.intervals[note.column])
        assert all(0.9 * float(accuracy.target) < width <= float(accuracy.target) * 1.001 for width in shown)


@pytest.mark.parametrize("pure", [False, True])
@pytest.mark.parametrize("confidence", ["0.8", "0.95"])
def test_answers_lie_within_what_was_asked_for_so_often(filled, pure, confidence):
    """Of 400 draws of three cells each, as many lie within the half-width as the confidence says, within 4 deviations."""
    dataset = tight()
    if pure:
        dataset = replace(dataset, privacy=replace(dataset.privacy, accounting=Accounting.PURE))
    sql = "SELECT cohort, COUNT(*) AS n FROM customers GROUP BY cohort"
    exact = dict(filled.execute("SELECT cohort, COUNT(*) FROM customers GROUP BY cohort").fetchall())
    accuracy = Accuracy(D(60), None, D(confidence))
    made = plan(PlanJob(dataset, CALLER, Request(sql, accuracy=accuracy), NOW, dataset.grants[0]))
    assert made.program.measurements[0].primitives[0].noise is (Noise.LAPLACE if pure else Noise.GAUSSIAN)
    (measurement,) = made.program.measurements
    tables = exact_rows(filled, measurement, {})
    inside = total = 0
    for _ in range(RUNS):
        noisy = release(measurement, tables, {})
        for (cohort,), n in zip(noisy.keys, noisy.columns[0].values, strict=True):
            inside += abs(n - exact[cohort]) <= 60
            total += 1
    expected = float(confidence)
    assert total == 3 * RUNS
    assert abs(inside / total - expected) < 4 * sqrt(expected * (1 - expected) / total) + 0.005


def test_an_average_errs_as_was_predicted(filled, post):
    """The prediction takes the declared number of rows: on data of that size, one a person, it is what answers show."""
    dataset = tight()
    rows = filled.execute("SELECT COUNT(DISTINCT customer_id) FROM purchases").fetchall()[0][0]
    dataset = replace(
        dataset, tables=tuple(replace(t, rows=rows) if t.name == "purchases" else t for t in dataset.tables)
    )
    sql = "SELECT AVG(LEAST(GREATEST(quantity, 0), 9)) AS a FROM purchases"
    made = plan(PlanJob(dataset, CALLER, Request(sql, epsilon=D(2)), NOW, dataset.grants[0]))
    (low, high), *_ = answered(filled, made, post=post).intervals["a"]
    assert (high - low) / 2 == pytest.approx(made.notes[0].half_width, rel=0.25)


def tight():
    """The shop with bounds that a unit reaches as a rule, and a budget to spare."""
    tables = tuple(
        t
        if t.public
        else replace(
            t,
            per_unit_rows=1,
            per_unit_groups=1,
            columns=tuple(replace(c, per_unit_sum=None) for c in t.columns),
        )
        for t in SHOP.tables
    )
    return replace(SHOP, tables=tables, privacy=replace(SHOP.privacy, min_units=1, max_epsilon=D(10**6)))


# -- W7: orders by nation and day -------------------------------------------------------------------------------------

W7 = (
    "SELECT c_nationkey, o_orderdate, count(*) AS n FROM orders JOIN customer ON o_custkey = c_custkey "
    "GROUP BY c_nationkey, o_orderdate"
)


def policy_of_tpch():
    """The worked example's policy with the sizes that it declares. Only the columns' types come from an engine."""
    small = tpch.dataset("0.01")
    return replace(small, tables=tuple(tpch._scaled(table, D(10)) for table in small.tables))


@pytest.mark.parametrize("epsilon", [None, "1"])
def test_orders_by_nation_and_day_are_foretold_to_be_useless(epsilon):
    dataset = policy_of_tpch()
    asked = Request(W7, epsilon=D(epsilon) if epsilon else None)
    made = planning(PlanJob(dataset, tpch.CALLER, asked, tpch.NOW, dataset.grants[0], quote=True))
    (cells,) = made.forecast.cells
    assert cells.keys == 25 * 2406  # 25 nations, 1992-01-01 to 1998-08-02
    assert cells.rows == pytest.approx(150_000 / (25 * 2406))
    assert cells.useful is False
    assert cells.relative > 1  # the error is larger than what a cell holds
    proposal = made.forecast.proposal
    assert proposal.change in ("o_orderdate by month", "o_orderdate by quarter", "o_orderdate by year")
    (coarse,) = proposal.cells
    assert coarse.useful
    assert coarse.keys in (25 * 80, 25 * 27, 25 * 7)
    again = planning(
        PlanJob(dataset, tpch.CALLER, replace(asked, sql=proposal.sql), tpch.NOW, dataset.grants[0], quote=True)
    )
    assert again.forecast.proposal is None
    assert again.rho == made.rho


def test_where_only_the_data_know_the_days_no_key_is_foretold_to_pass():
    """The same question under a policy that says less of dates: keys by threshold, as in other systems."""
    dataset = policy_of_tpch()
    tables = tuple(
        replace(
            t,
            columns=tuple(
                replace(c, bounds=(c.bounds[0].replace(year=1900), c.bounds[1].replace(year=2050)))
                if c.name == "o_orderdate"
                else c
                for c in t.columns
            ),
        )
        for t in dataset.tables
    )
    dataset = replace(dataset, tables=tables)
    made = planning(PlanJob(dataset, tpch.CALLER, Request(W7), tpch.NOW, dataset.grants[0], quote=True))
    (cells,) = made.forecast.cells
    assert cells.private
    assert cells.shown == 0
    assert cells.useful is False
    assert made.forecast.proposal is not None
    assert made.forecast.proposal.cells[0].merit > cells.merit
