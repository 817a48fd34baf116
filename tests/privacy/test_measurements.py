"""What is measured: sane answers at a small budget, one draw for those who share it, what is refused, how wide bounds are."""

import math
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal as D

import pytest
from support.measures import A, answered, computed, measure_of, measured
from support.shop import COHORTS, SHOP, empty_database, fill, planned, unlimited

from gateway.catalog.model import Accounting
from gateway.compile.measurement import compile_measurement
from gateway.errors import GatewayError
from gateway.privacy.bounding import bound
from gateway.privacy.calibrate import calibrate
from gateway.privacy.extent import most_rows
from gateway.privacy.measurement import SCORES, Quantity
from gateway.privacy.norms import MAX_CANDIDATES
from gateway.privacy.release import from_stored, release, to_stored
from gateway.sql.parse import parse
from gateway.sql.select import resolve

OPEN = unlimited()
YEAR = (datetime(1997, 1, 1), datetime(1997, 12, 31))
COLUMNS = "COUNT(amount), COUNT(score), COUNT(quantity), COUNT(purchased_on), COUNT(basket), COUNT(gift)"
AMOUNT, SCORE, QUANTITY, DAY, BASKET, GIFT = range(6)


def test_a_search_at_an_ordinary_budget_finds_bounds_near_the_data():
    connection = empty_database()
    fill(connection, 5, 5_000)
    bounded, measurement = measured("SELECT SUM(weight) AS s FROM purchases", None, SHOP, epsilon=D("0.4"))
    ((wanted,),) = connection.execute("SELECT SUM(weight) FROM purchases").fetchall()
    (found,) = answered(connection, bounded, measurement)[0]
    assert found == pytest.approx(wanted, rel=0.25)


# -- sharing --------------------------------------------------------------------------------------------------------


def quantities(calls, columns=COLUMNS, keys="", dataset=OPEN):
    _, measurement = measured(f"SELECT {keys} {columns} FROM purchases", calls, dataset)
    return [primitive.quantity for primitive in measurement.primitives]


def test_count_sum_average_and_variance_are_three_primitives():
    calls = [(A.COUNT_ROWS,), (A.SUM, [AMOUNT]), (A.AVG, [AMOUNT]), (A.VAR_SAMP, [AMOUNT])]
    assert sorted(quantities(calls)) == [Quantity.MOMENT, Quantity.ROWS, Quantity.SUM]
    nullable = replace(
        OPEN,
        tables=tuple(
            replace(t, columns=tuple(replace(c, nullable=c.nullable or c.name == "amount") for c in t.columns))
            for t in OPEN.tables
        ),
    )
    assert sorted(quantities(calls, dataset=nullable)) == [
        Quantity.MOMENT,
        Quantity.ROWS,
        Quantity.SUM,
        Quantity.VALUES,
    ]


def test_variance_and_correlation_share():
    calls = [(A.VAR_POP, [AMOUNT]), (A.STDDEV_SAMP, [AMOUNT]), (A.CORR, [AMOUNT, QUANTITY]), (A.VAR_POP, [QUANTITY])]
    assert len(quantities(calls)) == 6  # a count, two sums, two squares, one product


def test_quantiles_share_a_tree():
    calls = [(A.QUANTILE_CONT, [AMOUNT], "1/2"), (A.QUANTILE_CONT, [AMOUNT], "9/10"), (A.MAX, [AMOUNT])]
    _, measurement = measured(f"SELECT {COLUMNS} FROM purchases", calls, OPEN)
    assert [p.quantity for p in measurement.primitives] == [Quantity.TREE]
    assert measurement.primitives[0].tree.queries == ("cont:1/2", "cont:9/10", "max")


def test_the_name_of_a_draw_does_not_depend_on_how_columns_are_numbered():
    a = measured("SELECT gift, SUM(amount) AS s FROM purchases GROUP BY 1", None, SHOP)[1]
    b = measured(
        "SELECT z.gift, SUM(z.amount) AS s FROM (SELECT * FROM purchases) z "
        "WHERE z.customer_id IS NOT NULL OR TRUE GROUP BY 1",
        None,
        SHOP,
    )[1]
    c = measured("SELECT p.gift AS other, SUM(p.amount) AS name FROM purchases p GROUP BY p.gift", None, SHOP)[1]
    assert [p.digest for p in a.primitives] == [p.digest for p in c.primitives]
    assert a.primitives[0].digest != b.primitives[0].digest  # another relation: it is not claimed to be the same


def test_literals_that_look_like_column_numbers_stay_apart():
    one, other = (
        measured(f"SELECT COUNT(*) AS n FROM purchases WHERE basket = '{text}'", None, SHOP)[1].primitives[0].digest
        for text in ("c1", "c2")
    )
    assert one != other


def test_draws_of_other_data_costs_or_bounds_have_other_names():
    sql = "SELECT gift, SUM(amount) AS s FROM purchases GROUP BY 1"
    base = measured(sql, None, SHOP)[1].primitives[0].digest
    others = [
        measured(sql, None, replace(SHOP, data_version="later"))[1],
        measured(sql, None, replace(SHOP, policy_version="later"))[1],
        measured(sql, None, SHOP, epsilon=D("0.3"))[1],
        measured(sql.replace("amount", "quantity"), None, SHOP)[1],
        measured(sql.replace("purchases", "purchases WHERE quantity > 2"), None, SHOP)[1],
    ]
    names = {base, *(m.primitives[0].digest for m in others)}
    assert len(names) == 6


# -- bounds ---------------------------------------------------------------------------------------------------------


def refusal(sql, calls=None, dataset=SHOP):
    with pytest.raises(GatewayError) as caught:
        bound(measure_of(sql, calls, dataset), dataset)
    assert caught.value.hint
    return caught.value.code


def test_refusals():
    assert refusal("SELECT COUNT(weight) FROM purchases", [(A.VAR_POP, [0])]) == "no_bounds"
    assert refusal("SELECT COUNT(weight) FROM purchases", [(A.QUANTILE_CONT, [0], "1/2")]) == "no_bounds"
    assert refusal("SELECT COUNT(basket) FROM purchases", [(A.MIN, [0])]) == "type_mismatch"
    assert refusal("SELECT COUNT(basket) FROM purchases", [(A.MODE, [0])]) == "unsupported_sql"
    assert refusal("SELECT purchased_on, quantity, COUNT(*) FROM purchases GROUP BY 1, 2") == "too_many_cells"
    pure = replace(SHOP, privacy=replace(SHOP.privacy, accounting=Accounting.PURE))
    assert refusal("SELECT basket, COUNT(*) FROM purchases GROUP BY 1", None, pure) == "private_keys"


def test_a_date_without_bounds_has_no_tree():
    day = replace(SHOP.tables[1].column("purchased_on"), bounds=None)
    columns = tuple(day if c.name == day.name else c for c in SHOP.tables[1].columns)
    dataset = replace(
        SHOP, tables=tuple(replace(t, columns=columns) if t.name == "purchases" else t for t in SHOP.tables)
    )
    assert refusal("SELECT COUNT(purchased_on) FROM purchases", [(A.MIN, [0])], dataset) == "no_bounds"


def test_keys_that_show_too_much_or_nothing_exact():
    assert refusal("SELECT customer_id, COUNT(*) FROM purchases GROUP BY 1") == "unit_key_released"
    assert refusal("SELECT score, COUNT(*) FROM purchases GROUP BY 1") == "float_key"


def test_public_relations_are_counted_before_the_charge():
    def listed(sql):
        return most_rows(resolve(parse(sql, "duckdb"), SHOP), {})

    assert listed("SELECT label FROM cohorts") == 3
    assert listed("SELECT day FROM calendar WHERE weekday = 3 ORDER BY day LIMIT 5") == 5
    assert listed("SELECT a.label FROM cohorts a JOIN cohorts b ON a.cohort = b.cohort") == 3
    assert listed("SELECT a.day FROM calendar a JOIN cohorts b ON a.quarter = b.cohort") == 546
    assert listed("SELECT a.day FROM calendar a LEFT JOIN cohorts b ON a.quarter = b.cohort") == 546
    assert listed("SELECT a.day FROM cohorts b RIGHT JOIN calendar a ON a.quarter = b.cohort") == 546
    # rows without a match stand beside the matches
    assert listed("SELECT a.day FROM calendar a FULL JOIN cohorts b ON a.quarter = b.cohort") == 2 * 546 + 3
    assert listed("SELECT b.label FROM cohorts b LEFT JOIN calendar a ON a.quarter = b.cohort") == 546 + 3
    # single by its groups, through a derived table, and by a join of two that are
    grouped = "(SELECT weekday AS w, COUNT(*) AS n FROM calendar GROUP BY weekday) g"
    assert listed(f"SELECT a.day FROM calendar a JOIN {grouped} ON a.weekday = g.w") == 546
    paired = "(SELECT c.day AS d, e.weekday FROM calendar c JOIN calendar e ON e.day = c.day) g"
    assert listed(f"SELECT a.day FROM calendar a JOIN {paired} ON a.day = g.d") == 546


def test_public_relations_joined_by_what_is_no_key_have_as_many_cells_as_pairs():
    """Both sides have several rows of one weekday: nothing but all pairs is known of their number."""
    many = "calendar a JOIN calendar b ON a.weekday = b.weekday"
    assert most_rows(resolve(parse(f"SELECT a.day FROM {many}", "duckdb"), SHOP), {}) == 546 * 546
    united = "(SELECT day FROM calendar UNION ALL SELECT day FROM calendar) b"
    assert (
        most_rows(resolve(parse(f"SELECT a.day FROM calendar a JOIN {united} ON a.day = b.day", "duckdb"), SHOP), {})
        == 2 * 546
    )
    baskets = replace(
        COHORTS,
        name="baskets",
        rows=5_000,
        columns=(replace(COHORTS.columns[0], public_values=None), replace(COHORTS.columns[1], public_values=None)),
    )
    shop = replace(SHOP, tables=(*SHOP.tables, baskets))
    cells = (
        "SELECT a.cohort AS x, b.cohort AS y, COUNT(p.customer_id) AS n FROM baskets a JOIN baskets b ON a.label = b.label "
        "LEFT JOIN (SELECT customer_id, basket AS x, basket || '' AS y FROM purchases) p ON p.x = a.cohort AND p.y = b.cohort "
        "GROUP BY 1, 2"
    )
    with pytest.raises(GatewayError) as caught:
        planned(cells, dataset=shop)
    assert caught.value.code == "too_many_cells"
    assert "25,000,000" in caught.value.detail


def test_a_budget_too_small_to_draw_from():
    with pytest.raises(GatewayError) as caught:
        measured("SELECT gift, SUM(amount) AS s FROM purchases GROUP BY 1", None, SHOP, epsilon=D("1e-6"))
    assert caught.value.code == "bad_request"


def test_an_input_without_a_name_of_what_it_holds_is_a_fault():
    measure = replace(measure_of("SELECT COUNT(*) AS n FROM purchases", None, SHOP), inputs=("s0",))
    bounded = bound(measure, SHOP)
    compiled = compile_measurement(bounded)
    with pytest.raises(AssertionError):
        calibrate(bounded, compiled, SHOP, 10**10)
    one, other = (calibrate(bounded, compiled, SHOP, 10**10, (text,)) for text in ("a", "b"))
    assert one.primitives[0].digest != other.primitives[0].digest
    assert one.probes[0].inputs == ("s0",)


def test_one_row_per_unit_needs_no_search():
    _, measurement = measured("SELECT cohort, COUNT(*) AS n FROM customers GROUP BY 1", None, SHOP)
    count = next(p for p in measurement.primitives if p.quantity is Quantity.ROWS)
    assert count.search is None
    assert [c.norm / c.denominator for c in count.candidates] == [1.0]
    assert any("none are dropped" in reason or "none of one person's" in reason for reason in measurement.reasons)


def test_the_narrowest_bound_costs_least_noise():
    _, measurement = measured("SELECT gift, SUM(amount) AS s FROM purchases GROUP BY 1", None, SHOP)
    total = measurement.primitives[0]
    steps = [c.norm / c.denominator for c in total.candidates]
    assert steps == sorted(steps)
    assert len(steps) <= MAX_CANDIDATES
    assert steps[-1] == pytest.approx(math.sqrt(3) * 50_000, rel=1e-3)  # 500.00 declared for one unit in a group
    assert total.search.rho / total.charge == pytest.approx(0.2, rel=1e-3)  # three cells: a close look
    ratios = {round(c.scale / c.norm, 9) for c in total.candidates}
    assert len(ratios) == 1


def test_keys_that_the_owner_fixes_have_the_norm_of_one_cell():
    sql = "SELECT c.cohort, COUNT(*) AS n FROM purchases p JOIN customers c ON c.customer_id = p.customer_id GROUP BY 1"
    _, measurement = measured(sql, None, SHOP)
    widest = measurement.primitives[0].candidates[-1]
    assert widest.norm / widest.denominator == pytest.approx(5, rel=1e-3)  # not sqrt(3) * 5
    assert "q0" in measurement.probes[0].sql  # and it holds whatever the data are


# -- noise ----------------------------------------------------------------------------------------------------------


def test_a_variance_is_never_negative():
    connection = empty_database()
    fill(connection, 1, 30)
    calls = [
        (A.VAR_POP, [AMOUNT]),
        (A.STDDEV_SAMP, [QUANTITY]),
        (A.CORR, [AMOUNT, SCORE]),
        (A.REGR_R2, [AMOUNT, SCORE]),
    ]
    bounded, measurement = measured(f"SELECT gift, {COLUMNS} FROM purchases GROUP BY 1", calls, SHOP)
    for _ in range(10):
        for _key, variance, deviation, correlation, explained in answered(connection, bounded, measurement):
            assert variance is None or 0 <= variance <= 250**2
            assert deviation is None or deviation >= 0
            assert correlation is None or -1 <= correlation <= 1
            assert explained is None or 0 <= explained <= 1


def test_quantile_curves_hold_the_exact_value():
    """95 % of released medians have the exact one between their curve's values at the scores -2 and 2."""
    connection = empty_database()
    fill(connection, 7, 3_000)
    _, measurement = measured(
        "SELECT COUNT(amount) FROM purchases", [(A.QUANTILE_CONT, [0], "1/2"), (A.QUANTILE_CONT, [0], "9/10")], SHOP
    )
    (wanted,) = connection.execute(
        "SELECT quantile_cont(amount, 0.5), quantile_cont(amount, 0.9) FROM purchases"
    ).fetchall()
    tables = [connection.sql(p.sql).to_arrow_table() for p in measurement.probes]
    low, high, held = SCORES.index(-2.0), SCORES.index(2.0), 0
    for _ in range(60):
        for noisy, exact in zip(release(measurement, tables, {}).columns, wanted, strict=True):
            curve = noisy.curves[0]
            assert list(curve) == sorted(curve)
            assert noisy.values[0] == curve[SCORES.index(0.0)]
            held += curve[low] <= float(exact) <= curve[high]
    assert held >= 105  # 120 with an expected 115 or more: leaves widen them


def test_stored_draws_of_every_kind_come_back():
    connection = empty_database()
    fill(connection, 2, 200)
    calls = [(A.SUM, [AMOUNT]), (A.MAX, [DAY]), (A.BOOL_OR, [GIFT]), (A.COUNT_DISTINCT, [BASKET])]
    for keys in ("gift,", "basket,"):
        bounded, measurement = measured(f"SELECT {keys} {COLUMNS} FROM purchases GROUP BY 1", calls, OPEN)
        tables = [
            connection.sql(p.sql, params=["0f" * 32] * p.parameters or None).to_arrow_table()
            for p in measurement.probes
        ]
        noisy = release(measurement, tables, {})
        stored = to_stored(measurement, noisy)
        assert from_stored(measurement, stored) == noisy
        assert release(measurement, tables, stored) == noisy
        assert len(computed(bounded, measurement, noisy)) == len(noisy.keys)


def test_a_date_column_counts_days():
    _, measurement = measured("SELECT COUNT(purchased_on) FROM purchases", [(A.MIN, [0])], OPEN)
    tree = measurement.primitives[0].tree
    assert (tree.lower, tree.upper) == (
        (date(1997, 1, 1) - date(1970, 1, 1)).days,
        (date(1998, 6, 30) - date(1970, 1, 1)).days,
    )
