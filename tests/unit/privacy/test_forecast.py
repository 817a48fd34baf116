"""What a quote foretells: levels of error with their cost, the cells to expect, and a coarser key. No data is read."""

from dataclasses import replace
from datetime import date
from decimal import Decimal as D
from itertools import pairwise

import pytest
from support.shop import CALLER, NOW, SHOP, planned

from gateway import forecasting
from gateway.catalog.model import Accounting
from gateway.catalog.types import TIMESTAMP, decimal
from gateway.errors import GatewayError
from gateway.forecasting import planning
from gateway.planning import plan
from gateway.planning_worker import PLANNED
from gateway.programs import PlanJob
from gateway.request import Accuracy, Request

BY_COHORT = "SELECT cohort, COUNT(*) AS n FROM customers GROUP BY cohort"


def quoted(sql, dataset=SHOP, dialect="duckdb", **asked):
    job = PlanJob(dataset, CALLER, Request(sql, dialect=dialect, **asked), NOW, dataset.grants[0], quote=True)
    return planning(job)


def long_ago(**privacy):
    """The shop with so many possible days that only the data know which there are."""
    tables = tuple(
        replace(
            table,
            columns=tuple(
                replace(c, bounds=(date(1950, 1, 1), date(2009, 12, 31))) if c.name == "purchased_on" else c
                for c in table.columns
            ),
        )
        for table in SHOP.tables
    )
    return replace(SHOP, tables=tables, privacy=replace(SHOP.privacy, **privacy))


# -- levels -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "epsilons", "chosen"),
    [
        (None, ("0.1", "0.2", "0.4"), 1),
        ("0.1", ("0.05", "0.1", "0.2"), 1),
        ("0.3", ("0.15", "0.3", "0.4"), 1),
        ("0.4", ("0.1", "0.2", "0.4"), 2),
    ],
)
def test_half_and_twice_the_epsilon_within_what_the_policy_allows(asked, epsilons, chosen):
    made = quoted(BY_COHORT, epsilon=D(asked) if asked else None)
    levels = made.forecast.levels
    assert tuple(str(level.ask) for level in levels) == epsilons
    assert [level.asked for level in levels] == [index == chosen for index in range(3)]
    for level in levels:  # what a level says is what asking for it gives
        other = planned(BY_COHORT, epsilon=level.ask)
        assert level.measurements == other.program.measurements
        assert level.half_widths == tuple(note.half_width for note in other.notes)
        assert level.epsilon == other.epsilon


def test_levels_of_an_accuracy_are_half_and_twice_the_error():
    made = quoted(BY_COHORT, accuracy=Accuracy(D(20), None))
    levels = made.forecast.levels
    assert [float(level.ask.half_width) for level in levels] == [40, 20, 10]
    assert [level.half_widths for level in levels] == [(40,), (20,), (10,)]
    for level in levels:
        again = quoted(BY_COHORT, accuracy=level.ask)
        assert again.program.measurements == level.measurements
        assert again.epsilon == level.epsilon


def test_an_error_that_cannot_be_halved_is_brought_down_to_what_the_policy_allows():
    levels = quoted(BY_COHORT, accuracy=Accuracy(D(8), None)).forecast.levels
    assert [float(level.ask.half_width) for level in levels][:2] == [16, 8]
    assert 4 < levels[2].ask.half_width < 8
    assert D("0.35") < levels[2].epsilon <= D("0.4")
    best = levels[2].ask
    levels = quoted(BY_COHORT, accuracy=best).forecast.levels
    assert [level.asked for level in levels] == [False, False, True]
    assert levels[0].ask.half_width == 4 * best.half_width


def test_an_epsilon_too_small_to_draw_from_is_no_level():
    made = quoted("SELECT COUNT(*) AS n FROM purchases", epsilon=D("0.000002"))
    assert [level.ask for level in made.forecast.levels] == [D("0.000002"), D("0.000004")]


def test_a_quote_plans_what_the_question_will_be():
    for request in (Request(BY_COHORT), Request(BY_COHORT, accuracy=Accuracy(None, D("0.01")))):
        job = PlanJob(SHOP, CALLER, request, NOW, SHOP.grants[0])
        quote = planning(replace(job, quote=True))
        asked = planning(job)
        assert plan(job) == asked
        assert replace(quote, forecast=None, populations=asked.populations) == asked
        assert quote.populations == "[]", "a quote draws nothing that anybody could warn of"
        assert PLANNED.validate_json(PLANNED.dump_json(quote)) == quote


def test_public_tables_have_no_forecast():
    assert quoted("SELECT COUNT(*) AS n FROM calendar").forecast is None


# -- cells ------------------------------------------------------------------------------------------------------------


def test_cells_by_declaration():
    (cells,) = quoted(BY_COHORT).forecast.cells
    assert (cells.keys, cells.private, cells.least, cells.full, cells.shown) == (3, False, 10, 3, 3)
    assert cells.units == cells.rows == pytest.approx(25_000 / 3)
    assert cells.useful
    # 25,000 people with 2.8 purchases each reach 7 of 7 days of the week so often: 7 (1 - (6/7)^2.8)
    sql = "SELECT weekday, COUNT(*) AS n FROM purchases p JOIN calendar k ON p.purchased_on = k.day GROUP BY weekday"
    (cells,) = quoted(sql).forecast.cells
    assert (cells.keys, cells.rows) == (7, 10_000)
    assert cells.units == pytest.approx(25_000 * (1 - (6 / 7) ** 2.8), rel=1e-6)


def test_a_question_without_keys_has_no_cells():
    made = quoted("SELECT COUNT(*) AS n FROM purchases")
    assert (made.forecast.cells, made.forecast.proposal) == ((), None)


def test_a_private_key_of_unknown_values_has_a_threshold_and_how_many_can_hold_it():
    made = quoted("SELECT basket, COUNT(*) AS n FROM purchases GROUP BY basket")
    (cells,) = made.forecast.cells
    selection = made.program.measurements[0].selection
    assert cells.least == selection.threshold + selection.min_units
    assert cells.full == 70_000 // cells.least  # 70,000 purchases are as many pairs of a person and a key at most
    assert (cells.private, cells.keys, cells.shown, cells.useful, made.forecast.proposal) == (
        True,
        None,
        None,
        None,
        None,
    )


def test_what_is_tried_has_an_end(monkeypatch):
    monkeypatch.setattr(forecasting, "MAX_TRIED", 1)
    made = quoted("SELECT purchased_on, COUNT(*) AS n FROM purchases GROUP BY purchased_on", long_ago())
    assert made.forecast.proposal.change == "purchased_on by week"
    assert made.forecast.proposal.cells[0].useful is False


@pytest.mark.parametrize(
    ("name", "known", "keys"),
    [
        ("quantity", {"bounds": (1, 50_000)}, 50_000),
        (
            "purchased_on",
            {"type": TIMESTAMP, "bounds": (date(1997, 1, 1), date(1997, 1, 10)), "nullable": True},
            864_001,
        ),
        ("weight", {"type": decimal(8, 2), "bounds": (D("-1.5"), D("199.99")), "nullable": False}, 20_150),
        ("purchased_on", {"bounds": None}, None),
    ],
)
def test_plausible_keys_of_what_has_too_many_values_to_be_listed(name, known, keys):
    tables = tuple(
        replace(t, columns=tuple(replace(c, **known) if c.name == name else c for c in t.columns)) if t.name == "purchases" else t
        for t in SHOP.tables
    )  # fmt: skip
    made = quoted(f"SELECT {name}, COUNT(*) AS n FROM purchases GROUP BY {name}", replace(SHOP, tables=tables))
    (cells,) = made.forecast.cells
    assert (cells.private, cells.keys) == (True, keys)


def test_more_budget_lowers_the_threshold_and_more_keys_pass():
    sql = "SELECT purchased_on, COUNT(*) AS n FROM purchases GROUP BY purchased_on"
    dataset = long_ago(max_epsilon=D(100))
    found = [quoted(sql, dataset, epsilon=D(epsilon)).forecast.cells[0] for epsilon in ("0.4", "4", "40", "100")]
    assert [cells.keys for cells in found] == [21_915] * 4
    for less, more in pairwise(found):
        assert less.least >= more.least
        assert less.full <= more.full
        assert less.shown <= more.shown
    assert found[0].least > 2 * found[-1].least
    # at 11 people or more of 3.2 expected: a Poisson count passes 10 in 0.1 % of days, never in half of them
    assert found[-1].least >= 11
    assert found[-1].shown < 21_915 / 50


@pytest.mark.parametrize("dialect", ["duckdb", "postgres", "trino", "spark"])
def test_where_no_key_can_pass_a_coarser_one_is_proposed(dialect):
    dataset = long_ago()
    made = quoted("SELECT purchased_on, COUNT(*) AS n FROM purchases GROUP BY purchased_on", dataset, dialect)
    (cells,) = made.forecast.cells
    assert cells.private
    assert cells.keys == 21_915
    assert cells.units == pytest.approx(70_000 / 21_915, rel=1e-3)
    assert cells.shown == 0
    assert cells.full < cells.keys / 2
    assert cells.useful is False
    proposal = made.forecast.proposal
    # 3,131 weeks of 22 purchases each lie within the noise; 720 months of 97 do not
    assert "month" in proposal.change
    (coarse,) = proposal.cells
    assert (coarse.keys, coarse.private, coarse.useful) == (720, False, True)
    again = quoted(proposal.sql, dataset, dialect)
    assert again.forecast.cells == proposal.cells
    assert dict(proposal.half_widths) == {note.column: note.half_width for note in again.notes}
    assert again.rho <= made.rho * 1.001


def test_a_number_is_put_in_buckets():
    tables = tuple(
        replace(
            table,
            columns=tuple(replace(c, bounds=(0, 5_000)) if c.name == "quantity" else c for c in table.columns),
        )
        for table in SHOP.tables
    )
    made = quoted("SELECT quantity, COUNT(*) AS n FROM purchases GROUP BY quantity", replace(SHOP, tables=tables))
    assert made.forecast.cells[0].useful is False
    assert made.forecast.proposal.change == "quantity in steps of 10"
    assert made.forecast.proposal.cells[0].keys == 501


def test_where_nothing_is_good_the_best_is_proposed_and_where_nothing_helps_none():
    made = quoted("SELECT purchased_on, cohort, COUNT(*) AS n FROM purchases p JOIN customers c USING (customer_id) GROUP BY 1, 2",
                  long_ago(), epsilon=D("0.002"))  # fmt: skip
    (cells,) = made.forecast.cells
    assert cells.useful is False
    assert made.forecast.proposal is not None
    assert made.forecast.proposal.cells[0].merit > cells.merit
    alone = quoted("SELECT gift, COUNT(*) AS n FROM purchases GROUP BY gift", epsilon=D("0.0005"))
    assert alone.forecast.cells[0].useful is False
    assert alone.forecast.proposal is None


@pytest.mark.parametrize(
    ("sql", "coarse"),
    [
        ("SELECT quantity, purchased_on, COUNT(*) AS n FROM purchases GROUP BY quantity, purchased_on",
         "SELECT quantity, DATE_TRUNC('WEEK', purchased_on) AS purchased_on, COUNT(*) AS n FROM purchases GROUP BY quantity, DATE_TRUNC('WEEK', purchased_on)"),
        ("SELECT quantity, quantity + 1 AS more, gift, cohort, COUNT(*) AS n FROM purchases JOIN customers USING (customer_id) GROUP BY 1, 2, 3, 4",
         "SELECT quantity // 10 * 10 AS quantity, quantity + 1 AS more, gift, cohort, COUNT(*) AS n FROM purchases JOIN customers USING (customer_id) GROUP BY 1, 2, 3, 4"),
    ],
)  # fmt: skip
def test_more_cells_than_are_allowed_are_refused_with_a_question_that_has_fewer(sql, coarse):
    with pytest.raises(GatewayError) as caught:
        quoted(sql)
    assert caught.value.code == "too_many_cells"
    assert caught.value.hint.endswith(f": {coarse}")
    assert quoted(coarse).forecast.cells


def test_where_no_coarser_question_is_answered_the_refusal_stays_as_it_is():
    sql = "SELECT cohort, gift, COUNT(*) AS n FROM purchases JOIN customers USING (customer_id) GROUP BY ROLLUP (cohort, gift)"
    tight = replace(SHOP, privacy=replace(SHOP.privacy, max_cells=1))
    for text in (sql, "SELECT gift, COUNT(*) AS n FROM purchases GROUP BY gift"):
        hints = []
        for quote in (False, True):
            with pytest.raises(GatewayError) as caught:
                planning(PlanJob(tight, CALLER, Request(text), NOW, tight.grants[0], quote=quote))
            assert caught.value.code == "too_many_cells"
            hints.append(caught.value.hint)
        assert hints[0] == hints[1]


def test_two_measurements_are_foretold_one_by_one_without_a_proposal():
    sql = "SELECT purchased_on, COUNT(*) AS n FROM purchases GROUP BY 1 UNION ALL SELECT purchased_on, COUNT(*) FROM purchases WHERE quantity > 3 GROUP BY 1"
    made = quoted(sql, long_ago())
    assert [cells.useful for cells in made.forecast.cells] == [False, False]
    assert made.forecast.proposal is None


def test_under_pure_accounting_as_well():
    dataset = replace(SHOP, privacy=replace(SHOP.privacy, accounting=Accounting.PURE))
    made = quoted(BY_COHORT, dataset)
    one, two, three = (level.measurements for level in made.forecast.levels)
    spent = [sum(m.rho for m in level) for level in (one, two, three)]
    assert spent == [pytest.approx(x * 1e12, rel=1e-6) for x in (0.1, 0.2, 0.4)]
    assert made.forecast.cells[0].useful
