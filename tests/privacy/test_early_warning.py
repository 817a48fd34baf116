"""Early warning: planted attacks are found by their plans alone, and ordinary days raise nothing."""

from copy import deepcopy
from datetime import timedelta
from decimal import Decimal as D

import pytest
from support import tpch
from support.cdnow import cdnow
from support.ordinary import DAY, Day, day, kinds

ANA, LIN, MIRA = "widget-analytics/ana", "widget-analytics/lin", "harbour-institute/mira"


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return cdnow(tmp_path_factory.mktemp("early"))[1]


@pytest.fixture
def asked(shop):
    return Day(shop)


# -- ordinary days ----------------------------------------------------------------------------------------------------


def test_a_day_of_exploring_purchases_raises_nothing(asked):
    asks = day("cdnow")
    asked.all(asks)
    assert asked.refused == []
    assert (asked.charged, asked.free) == (len(asks) - 4, 4), "a dashboard that is opened again is free"
    assert asked.found == []


def test_a_day_of_tpch_and_its_drill_downs_raises_nothing():
    asked, asks = Day(tpch.dataset("0.01"), epsilon=D(1)), day("tpch")
    asked.all(asks)
    for number, sql in tpch.QUERIES.items():
        asked.ask(sql, at=DAY + timedelta(hours=17, minutes=int(number)))
    assert {code for _, code in asked.refused} == {"per_owner_aggregate", "unit_key_released"}
    assert len(asked.refused) == 3, "those of TPC-H that show one customer's rows"
    assert asked.charged > 90
    assert asked.found == []


@pytest.mark.parametrize("days", [8, pytest.param(20, marks=pytest.mark.long)])
def test_a_dashboard_of_the_last_days_raises_nothing_though_its_windows_move(asked, days):
    for number in range(days):
        at = DAY + timedelta(days=number, hours=8)
        today = f"DATE '1998-05-01' + INTERVAL {number} DAY"
        for length in (7, 30, 90):
            where = f"purchased_on <= {today} AND purchased_on > {today} - INTERVAL {length} DAY"
            for what in ("COUNT(*)", "SUM(amount)", "AVG(quantity)"):
                asked.ask(f"SELECT {what} AS x FROM purchases WHERE {where}", ANA, at)
    assert asked.charged == days * 9
    assert asked.found == []


def test_drilling_down_by_every_month_and_group_raises_nothing(asked):
    for month in range(18):
        first = f"DATE '1997-01-01' + INTERVAL {month} MONTH"
        within = f"purchased_on >= {first} AND purchased_on < {first} + INTERVAL 1 MONTH"
        joined = "purchases p JOIN customers c ON c.customer_id = p.customer_id"
        asked.ask(f"SELECT COUNT(*) AS n FROM purchases WHERE {within}")
        asked.ask(f"SELECT SUM(amount) AS s FROM purchases WHERE {within}")
        asked.ask(f"SELECT c.cohort, COUNT(*) AS n FROM {joined} WHERE {within} GROUP BY c.cohort")
        asked.ask(f"SELECT COUNT(*) AS n FROM {joined} WHERE c.cohort = '1997-02' AND {within}")
    assert asked.charged == 72
    assert asked.found == []


def test_many_buyers_who_ask_the_same_raise_nothing(asked):
    for number in range(30):
        for sql in ("SELECT COUNT(*) AS n FROM purchases", "SELECT cohort, COUNT(*) AS n FROM customers GROUP BY 1"):
            asked.ask(sql, f"organisation-{number}/someone")
    assert asked.charged == 60
    assert asked.found == []


# -- differencing -----------------------------------------------------------------------------------------------------

ONE_DAY = "purchased_on = DATE '1997-12-24'"
COUNTED = "SELECT COUNT(*) AS n FROM purchases WHERE "
DIFFERENCES = {
    "and not x": (COUNTED + ONE_DAY, COUNTED + ONE_DAY + " AND NOT quantity = 37"),
    "the narrower first": (COUNTED + ONE_DAY + " AND quantity <> 37", COUNTED + ONE_DAY),
    "shaved": (COUNTED + ONE_DAY + " AND quantity < 40", COUNTED + ONE_DAY + " AND quantity < 41"),
    "shaved by arithmetic": (COUNTED + ONE_DAY + " AND quantity < 40", COUNTED + ONE_DAY + " AND 2 * quantity - 1 < 80"),
    "between and not between": (
        COUNTED + ONE_DAY + " AND quantity BETWEEN 5 AND 40",
        COUNTED + ONE_DAY + " AND NOT (quantity < 5 OR quantity > 39)",
    ),
    "a list": (COUNTED + ONE_DAY, COUNTED + ONE_DAY + " AND quantity NOT IN (36, 37)"),
    "a filter": (
        COUNTED + ONE_DAY,
        f"SELECT COUNT(*) FILTER (WHERE quantity <> 37) AS n FROM purchases WHERE {ONE_DAY}",
    ),
    "a sum of ones": (
        COUNTED + ONE_DAY,
        f"SELECT SUM(CASE WHEN quantity = 37 THEN 0 ELSE 1 END) AS n FROM purchases WHERE {ONE_DAY}",
    ),
    "a case as a condition": (
        COUNTED + ONE_DAY,
        COUNTED + ONE_DAY + " AND CASE WHEN quantity <> 37 THEN 1 ELSE 0 END = 1",
    ),
    "within one query": (
        (f"SELECT COUNT(*) FILTER (WHERE quantity < 40) AS a, COUNT(*) FILTER (WHERE quantity < 41) AS b "
        f"FROM purchases WHERE {ONE_DAY}"),
    ),
    "a group and a filter": (
        ("SELECT c.cohort, COUNT(*) AS n FROM purchases p JOIN customers c ON c.customer_id = p.customer_id "
        "WHERE p.purchased_on = DATE '1997-12-24' GROUP BY c.cohort"),
        ("SELECT COUNT(*) AS n FROM purchases p JOIN customers c ON c.customer_id = p.customer_id "
        "WHERE c.cohort = '1997-01' AND p.purchased_on = DATE '1997-12-24' AND p.quantity <> 37"),
    ),
    "another order of joins": (
        ("SELECT COUNT(*) AS n FROM customers c JOIN purchases p ON p.customer_id = c.customer_id "
        "WHERE p.purchased_on = DATE '1997-12-24'"),
        COUNTED + ONE_DAY + " AND quantity <> 37",
    ),
    "two parts and the whole": (
        COUNTED + ONE_DAY,
        COUNTED + ONE_DAY + " AND quantity < 20",
        COUNTED + ONE_DAY + " AND quantity > 20",
    ),
    "sums as well": (
        f"SELECT SUM(amount) AS s FROM purchases WHERE {ONE_DAY}",
        f"SELECT SUM(amount * 2) AS s FROM purchases WHERE {ONE_DAY} AND quantity <> 37",
    ),
    "averages as well": (
        f"SELECT AVG(amount) AS s FROM purchases WHERE {ONE_DAY}",
        f"SELECT AVG(amount) AS s FROM purchases WHERE {ONE_DAY} AND quantity <> 37",
    ),
}  # fmt: skip


@pytest.mark.parametrize("queries", DIFFERENCES.values(), ids=DIFFERENCES)
def test_two_populations_that_differ_by_few_units_are_alarmed(asked, queries):
    *before, last = queries
    assert [found for sql in before for found in asked.ask(sql)] == []
    found = [one for one in asked.ask(last) if one.kind == "differencing"]
    assert len(found) == 1
    assert found[0].severity == "alarm"
    assert found[0].subjects == (ANA,)
    assert found[0].figures["units"] <= 10
    assert len(found[0].figures["queries"]) == len(queries)


@pytest.mark.parametrize(
    "queries", [queries for queries in DIFFERENCES.values() if len(queries) > 1], ids=lambda queries: queries[-1][:60]
)
def test_what_two_organisations_ask_together_is_alarmed(asked, queries):
    *before, last = queries
    for sql in before:
        asked.ask(sql, ANA)
    found = [one for one in asked.ask(last, MIRA, DAY + timedelta(days=3)) if one.kind == "differencing"]
    assert [one.subjects for one in found] == [(MIRA, ANA)]


def test_what_is_far_apart_is_no_difference(asked):
    for where in ("quantity < 10", "quantity < 40", "quantity >= 40", "quantity <> 7", "quantity BETWEEN 3 AND 9"):
        asked.ask(f"SELECT COUNT(*) AS n FROM purchases WHERE {where}")
    assert asked.found == []


def test_slices_of_a_day_are_warned_of_once_there_are_several(asked):
    raised = [
        kinds(asked.ask(f"SELECT COUNT(*) AS n FROM purchases WHERE purchased_on < DATE '1997-06-0{number}'"))
        for number in range(1, 7)
    ]
    assert raised == [set(), set(), set(), set(), {"differencing"}, {"differencing"}]
    assert len({one.alert_id for one, _ in asked.found}) == 1, "one alert a day"


@pytest.mark.parametrize("left", ["c_name <> 'Customer#000000007'", "NOT c_phone IN ('25-989-741-2988')"])
def test_a_name_that_is_left_out_is_alarmed(left):
    asked, sql = Day(tpch.dataset("0.01"), epsilon=D(1)), "SELECT SUM(c_acctbal) AS b FROM customer WHERE c_acctbal > 0"
    assert asked.ask(sql) == []
    assert kinds(asked.ask(f"{sql} AND {left}")) == {"differencing"}


def test_a_balance_that_is_shaved_by_a_cent_is_alarmed():
    asked = Day(tpch.dataset("0.01"), epsilon=D(1))
    asked.ask("SELECT COUNT(*) AS n FROM customer WHERE c_acctbal < 711.56")
    found = asked.ask("SELECT COUNT(*) AS n FROM customer WHERE c_acctbal <= 711.56")
    assert [one.figures["units"] < 0.01 for one in found] == [True]


def test_an_alert_names_columns_and_no_literal(asked):
    asked.ask(COUNTED + ONE_DAY)
    (found,) = asked.ask(COUNTED + ONE_DAY + " AND quantity * quantity <> 1369")
    assert found.figures["columns"] == "purchases.quantity"
    assert "1369" not in found.words + str(dict(found.figures))
    assert "1997" not in found.words + str(dict(found.figures))


# -- averaging --------------------------------------------------------------------------------------------------------

SAME = (
    "SELECT COUNT(*) AS n FROM purchases",
    "SELECT COUNT(*) AS n FROM purchases WHERE quantity < 51",
    "SELECT COUNT(*) AS n FROM purchases WHERE quantity >= 0",
    "SELECT COUNT(*) AS n FROM purchases WHERE purchased_on >= DATE '1997-01-01'",
    "SELECT SUM(1) AS n FROM purchases",
    "SELECT COUNT(*) FILTER (WHERE quantity > -1) AS n FROM purchases",
    "SELECT COUNT(*) AS n FROM purchases p JOIN customers c ON c.customer_id = p.customer_id",
    "SELECT c.cohort, COUNT(*) AS n FROM purchases p JOIN customers c ON c.customer_id = p.customer_id GROUP BY 1",
    "SELECT COUNT(*) AS n FROM purchases WHERE quantity - 51 < 0 OR quantity = 7",
)


def test_one_quantity_by_many_words_is_warned_of(asked):
    raised = [asked.ask(sql) for sql in SAME]
    assert asked.charged == len(SAME), "each is drawn anew: nobody knows that they are one"
    assert [kinds(found) for found in raised[:5]] == [set()] * 5
    assert kinds(raised[5]) == {"averaging"}
    assert raised[5][0].subjects == (ANA,)


def test_one_quantity_by_several_organisations_is_warned_of(asked):
    for number, sql in enumerate(SAME[:7]):
        found = asked.ask(sql, (ANA, MIRA)[number % 2])
        assert kinds(found) == (set() if number < 6 else {"averaging"})
    assert found[0].subjects == (MIRA, ANA)


def test_a_cell_by_its_filter_and_by_its_groups_is_one_quantity(asked):
    joined = "FROM purchases p JOIN customers c ON c.customer_id = p.customer_id"
    asked.ask(f"SELECT c.cohort, COUNT(*) AS n {joined} GROUP BY c.cohort")
    for more in ("", " AND quantity < 51", " AND quantity > -1", " AND quantity + 1 > 0"):
        found = asked.ask(f"SELECT COUNT(*) AS n {joined} WHERE c.cohort = '1997-01'{more}")
    assert kinds(found) == set()
    found = asked.ask(f"SELECT COUNT(*) AS n {joined} WHERE c.cohort = '1997-01' AND 60 > quantity")
    assert kinds(found) == {"averaging"}


def test_the_same_question_at_more_and_more_epsilon_is_no_averaging(asked):
    for number in range(1, 13):
        asked.ask("SELECT COUNT(*) AS n FROM purchases", epsilon=D(number) / 100)
    assert asked.charged == 12
    assert asked.found == [], "the gateway itself combines what each paid for"


def test_draws_of_another_week_do_not_count(asked):
    for number, sql in enumerate(SAME):
        asked.ask(sql, at=DAY + timedelta(days=number))
    assert asked.found == []


# -- habits and refusals ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def settled(shop):
    """A buyer's twelve usual days, and the day after them."""
    asked = Day(shop)
    return asked, settle(asked)


def settle(asked, days=12, per_day=10):
    for number in range(days * per_day):
        at = DAY + timedelta(days=number // per_day, hours=9, minutes=30 * (number % per_day))
        low = 1 + number % 40
        asked.ask(
            f"SELECT COUNT(*) AS n FROM purchases WHERE quantity BETWEEN {low} AND {low + 4 + number // 40}", at=at
        )
    assert asked.found == []
    return DAY + timedelta(days=days)


def test_an_hour_at_which_a_buyer_never_asked_is_noticed(settled):
    asked, later = deepcopy(settled)
    usual = asked.ask("SELECT COUNT(*) AS n FROM purchases WHERE quantity = 3", at=later + timedelta(hours=10))
    assert usual == []
    found = asked.ask("SELECT COUNT(*) AS n FROM purchases WHERE quantity = 5", at=later + timedelta(hours=3))
    assert kinds(found) == {"unusual_hours"}
    assert asked.ask("SELECT COUNT(*) AS n FROM purchases WHERE quantity = 6", LIN, later + timedelta(hours=3)) == []


def test_a_column_that_a_buyer_never_asked_of_is_noticed(settled):
    asked, later = deepcopy(settled)
    later += timedelta(hours=10)
    found = asked.ask("SELECT SUM(amount) AS s FROM purchases WHERE quantity = 3", at=later)
    assert [one.figures["columns"] for one in found] == [["purchases.amount"]]
    assert asked.ask("SELECT SUM(amount) AS s FROM purchases WHERE quantity = 2", at=later) == []


def test_a_burst_of_refusals_is_warned_of_and_a_day_of_mistakes_is_not(asked):
    limits, told = asked.limits, asked.suspecting
    spread = [told.refused(ANA, DAY + timedelta(minutes=number), limits) for number in range(200)]
    assert not any(spread)
    burst = [told.refused(LIN, DAY + timedelta(seconds=number), limits) for number in range(limits.refusals)]
    assert not any(burst[:-1])
    assert kinds(burst[-1]) == {"refusals"}
