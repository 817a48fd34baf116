"""Accuracy in place of epsilon: the least cost that reaches an error, what cannot be told, what is out of reach."""

import math
from dataclasses import replace
from decimal import Decimal as D
from statistics import NormalDist

import pytest
from support.shop import CALLER, NOW, SHOP, unlimited

from gateway.catalog.model import Accounting
from gateway.errors import GatewayError
from gateway.planning import budgeted, plan, understand
from gateway.privacy.intervals import half_width, widest_scale
from gateway.privacy.measurement import Measurement, Noise
from gateway.programs import PlanJob
from gateway.request import Accuracy, Request

COUNT = "SELECT COUNT(*) AS n FROM purchases"
BOTH = "SELECT COUNT(*) AS n, SUM(quantity) AS s FROM purchases"
WIDE = replace(SHOP, privacy=replace(SHOP.privacy, max_epsilon=D(1000)))
PURE = replace(WIDE, privacy=replace(WIDE.privacy, accounting=Accounting.PURE, min_units=1))


def asked(sql, accuracy=None, dataset=WIDE, epsilon=None):
    request = Request(sql, epsilon=epsilon, accuracy=accuracy)
    return plan(PlanJob(dataset, CALLER, request, NOW, dataset.grants[0]))


def widths(planned):
    return {note.column: note.half_width for note in planned.notes}


def absolute(size, confidence="0.95"):
    return Accuracy(D(size), None, D(confidence))


def relative(share):
    return Accuracy(None, D(share))


# -- intervals at any confidence ----------------------------------------------------------------------------------


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.99, 0.9999])
def test_wide_noise_lies_within_its_half_width_so_often(confidence):
    gaussian = half_width(50.0, Noise.GAUSSIAN, confidence) / 50
    assert 2 * NormalDist().cdf(gaussian) - 1 == pytest.approx(confidence, abs=1e-12)
    laplace = half_width(50.0, Noise.LAPLACE, confidence) / 50
    assert 1 - math.exp(-laplace) == pytest.approx(confidence, abs=1e-12)


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
@pytest.mark.parametrize("noise", Noise)
@pytest.mark.parametrize("width", [0.4, 1.0, 2.5, 7.0, 12.3, 15.5, 15.7, 400.0, 1e9])
def test_the_widest_scale_reaches_a_width_and_no_wider_one_does(width, noise, confidence):
    scale = widest_scale(width, noise, confidence)
    assert scale > 0
    assert half_width(scale, noise, confidence) <= width
    if width >= 400 or half_width(scale * 1.001, noise, confidence) != half_width(scale, noise, confidence):
        assert half_width(scale * 1.001, noise, confidence) > width


# -- what is solved -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", ["1", "3", "40", "1000", "123456"])
@pytest.mark.parametrize("dataset", [WIDE, PURE])
def test_one_count_reaches_its_error_and_a_little_less_budget_does_not(size, dataset):
    made = asked(COUNT, absolute(size), dataset)
    assert 0.9 * float(size) - 1 < widths(made)["n"] <= float(size)
    assert made.rho > 0
    less = made.epsilon * D("0.9999")
    worse = asked(COUNT, dataset=dataset, epsilon=round(less, 12))
    assert widths(worse)["n"] > float(size)
    (primitive,) = [p for m in made.program.measurements for p in m.primitives]
    assert primitive.charge == made.rho


def test_each_column_is_given_what_it_needs_and_no_more():
    made = asked(BOTH, absolute(3000))
    assert widths(made) == {"n": 3000, "s": pytest.approx(3000, abs=1)}
    # an epsilon whose ordinary split reaches the same costs more
    low, high = made.epsilon / 4, made.epsilon * 4
    for _ in range(30):
        middle = round((low + high) / 2, 12)
        enough = max(widths(asked(BOTH, epsilon=middle)).values()) <= 3000
        low, high = (low, middle) if enough else (middle, high)
    assert made.rho < asked(BOTH, epsilon=high).rho


def test_twice_the_error_costs_a_quarter():
    one, two = asked(BOTH, absolute(3000)), asked(BOTH, absolute(6000))
    assert one.rho == pytest.approx(4 * two.rho, rel=1e-3)
    one, two = asked(BOTH, absolute(3000), PURE), asked(BOTH, absolute(6000), PURE)
    assert one.rho == pytest.approx(2 * two.rho, rel=1e-3)


def test_confidence_widens_what_is_asked_for():
    at_95, at_99 = asked(COUNT, absolute(500)), asked(COUNT, absolute(500, "0.99"))
    assert widths(at_99)["n"] <= 500
    ratio = NormalDist().inv_cdf(0.995) / NormalDist().inv_cdf(0.975)
    assert at_99.rho == pytest.approx(at_95.rho * ratio**2, rel=1e-2)


def test_an_average_takes_the_cheapest_of_all_ways_to_divide_between_sum_and_count():
    sql = "SELECT AVG(quantity) AS a FROM purchases"
    made = asked(sql, absolute("0.05"))
    assert widths(made)["a"] == pytest.approx(0.05, rel=1e-6)
    understood = understand(PlanJob(WIDE, CALLER, Request(sql), NOW, WIDE.grants[0]))
    primitives = budgeted(understood, Request(sql, accuracy=absolute("0.05"))).primitives
    total, count = (primitives["m0", name] for name in ("p1", "p0"))
    assert {total.quantity.value, count.quantity.value} == {"sum", "rows"}

    # an average over 70,000 values between 0 and 50: the middle is 25, and a value lies 25 / 3 from it as a rule
    def error(sum_rho, count_rho):
        sum_var = total.expected_scale**2 * total.charge / sum_rho
        count_var = count.expected_scale**2 * count.charge / count_rho
        return 1.959964 * math.sqrt(sum_var + (25 / 3) ** 2 * count_var) / 70_000

    spent = total.charge + count.charge
    assert error(total.charge, count.charge) == pytest.approx(0.05, rel=1e-5)
    assert all(error(spent * s / 100, spent * (100 - s) / 100) >= 0.05 * (1 - 1e-5) for s in range(1, 100))


def test_a_share_is_of_the_declared_size_of_a_cell():
    made = asked("SELECT cohort, COUNT(*) AS n FROM customers GROUP BY cohort", relative("0.01"))
    assert [note.size for note in made.notes] == [pytest.approx(25_000 / 3)]
    assert widths(made)["n"] == 83  # one per cent of 8,333, in whole people
    # a value is expected at a quarter of the widest bound: 70,000 * 12.5
    made = asked("SELECT SUM(quantity) AS s FROM purchases", relative("0.01"))
    assert widths(made)["s"] == pytest.approx(8750, abs=1)
    made = asked("SELECT COUNT(DISTINCT customer_id) AS n FROM purchases", relative("0.01"))
    assert widths(made)["n"] == 250


@pytest.mark.parametrize(
    ("column", "factor"),
    [
        ("2 * COUNT(*)", 2), ("COUNT(*) * 1.5", 1.5), ("-COUNT(*)", 1), ("-2 * COUNT(*)", 2), ("COUNT(*) / 4.0", 0.25),
        ("COALESCE(COUNT(*), 0)", 1), ("CAST(COUNT(*) AS DOUBLE)", 1), ("ROUND(COUNT(*) / 8.0, 2)", 0.125),
        ("CASE WHEN COUNT(*) < 0 THEN 0 ELSE COUNT(*) END", 1), ("100 * (COUNT(*) / 7)", 100 / 7),
    ],
)  # fmt: skip
@pytest.mark.parametrize("shape", ["SELECT {} AS c FROM purchases", "SELECT c FROM (SELECT {} AS c FROM purchases) t ORDER BY c LIMIT 3",
    "SELECT t.c FROM (SELECT {} AS c FROM purchases) t JOIN cohorts k ON k.label = 'first'"])  # fmt: skip
def test_a_constant_times_an_aggregate_errs_as_many_times(column, factor, shape):
    sql = shape.format(column)
    one = widths(asked(COUNT, epsilon=D(1)))["n"]
    assert widths(asked(sql, epsilon=D(1)))["c"] == pytest.approx(one * factor, abs=max(factor, 1))
    made = asked(sql, absolute(500))
    assert 500 * 0.98 - 1 <= widths(made)["c"] <= 500
    assert made.rho == pytest.approx(asked(COUNT, absolute(500 / factor)).rho, rel=0.02)


def test_a_scaled_average_errs_as_many_times():
    sizes = widths(asked("SELECT AVG(quantity) AS a, ROUND(100 * AVG(quantity), 1) AS b FROM purchases"))
    assert sizes["b"] == pytest.approx(100 * sizes["a"])


def test_the_count_of_people_behind_hidden_cells_keeps_its_proportion():
    made = asked(
        "SELECT cohort, COUNT(*) AS n FROM purchases JOIN customers USING (customer_id) GROUP BY cohort", absolute(200)
    )
    hidden, shown = sorted(made.program.measurements[0].primitives, key=lambda p: p.quantity.value == "rows")
    assert hidden.quantity.value == "units"
    assert hidden.charge == pytest.approx(made.rho / 10, rel=1e-3)
    assert widths(made)["n"] == 200
    assert shown.charge + hidden.charge == made.rho


def test_private_keys_and_stages_have_their_part_of_the_cost():
    private = asked("SELECT basket, COUNT(*) AS n FROM purchases GROUP BY basket", absolute(40))
    assert widths(private)["n"] == 40
    assert private.program.measurements[0].selection is not None
    sql = "SELECT COUNT(*) AS n FROM purchases WHERE quantity > (SELECT AVG(quantity) FROM purchases)"
    staged, ordinary = asked(sql, absolute(100)), asked(sql, epsilon=D(1))
    assert widths(staged)["n"] == 100
    (inner, last), (as_ever, beside) = (made.program.measurements for made in (staged, ordinary))
    assert inner.rho / last.rho == pytest.approx(as_ever.rho / beside.rho, rel=0.01)


def test_a_cost_in_epsilon_is_the_cost_that_is_charged():
    made = asked(COUNT, absolute(100))
    assert float(made.epsilon) ** 2 / 2 * 1e12 == pytest.approx(made.rho, rel=1e-6)
    pure = asked(COUNT, absolute(100), PURE)
    assert float(pure.epsilon) * 1e12 == pytest.approx(pure.rho, rel=1e-6)


def test_what_asks_nothing_is_still_drawn():
    made = asked(COUNT, absolute(10**15))
    assert 0 < made.rho <= 1_000
    assert all(isinstance(m, Measurement) for m in made.program.steps)


# -- the same draw, the same question --------------------------------------------------------------------------------


def digests(planned):
    return [p.digest for m in planned.program.measurements for p in m.primitives]


def test_the_same_accuracy_is_the_same_question_and_the_same_draw():
    one, again, other = (asked(COUNT, absolute(size)) for size in ("100", "100.0", "101"))
    assert one.question == again.question
    assert digests(one) == digests(again)
    assert not set(digests(one)) & set(digests(other))
    assert one.question != other.question


def test_the_same_share_of_budget_is_the_same_draw_however_it_was_asked_for():
    made = asked(COUNT, absolute(100))
    # a count of 70,000 is one per mille of its declared size within 70
    assert digests(asked(COUNT, relative("0.001"))) == digests(asked(COUNT, absolute(70)))
    beside = asked("SELECT COUNT(*) AS n, SUM(quantity) AS s FROM purchases", absolute(100))
    assert digests(made)[0] in digests(beside)


# -- refusals --------------------------------------------------------------------------------------------------------


def refusal(sql, accuracy, dataset=WIDE):
    with pytest.raises(GatewayError) as caught:
        asked(sql, accuracy, dataset)
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    ("sql", "column"),
    [
        ("SELECT COUNT(*) AS n, SUM(quantity) - COUNT(*) AS rest FROM purchases", "rest"),
        ("SELECT COUNT(*) * COUNT(*) AS square FROM purchases", "square"),
        ("SELECT 0 * COUNT(*) AS nothing FROM purchases", "nothing"),
        ("SELECT CASE WHEN COUNT(*) > 9 THEN COUNT(*) ELSE SUM(quantity) END AS either FROM purchases", "either"),
        ("SELECT COALESCE(SUM(quantity), COUNT(*)) AS either FROM purchases", "either"),
        ("SELECT COUNT(*) / 0 AS nothing FROM purchases", "nothing"),
        ("SELECT 7 / COUNT(*) AS inverse FROM purchases", "inverse"),
        ("SELECT FLOOR(AVG(quantity)) AS whole FROM purchases", "whole"),
        ("SELECT CAST(AVG(quantity) AS BIGINT) AS whole FROM purchases", "whole"),
        (
            "SELECT SUM(n) OVER () AS everything FROM (SELECT cohort, COUNT(*) AS n FROM customers GROUP BY cohort) t",
            "everything",
        ),
        ("SELECT COUNT(*) AS n FROM purchases UNION ALL SELECT COUNT(*) FROM customers", "n"),
        ("SELECT SUM(quantity) / COUNT(*) AS ratio FROM purchases", "ratio"),
        ("SELECT MEDIAN(quantity) AS middle FROM purchases", "middle"),
        ("SELECT VAR_POP(quantity) AS v FROM purchases", "v"),
        ("SELECT AVG(weight) AS unbounded FROM purchases", "unbounded"),
        ("SELECT MAX(n) AS largest FROM (SELECT cohort, COUNT(*) AS n FROM customers GROUP BY cohort) t", "largest"),
    ],
)
@pytest.mark.parametrize("accuracy", [absolute(10), relative("0.1")])
def test_a_column_whose_error_is_not_known_beforehand_is_named(sql, column, accuracy):
    error = refusal(sql, accuracy)
    assert error.code == "accuracy_not_predicted"
    assert f"'{column}'" in error.detail
    assert "epsilon" in error.hint
    assert widths(asked(sql))[column] is None  # and a quote says so too


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("SELECT SUM(weight) AS s FROM purchases", "found privately"),
        ("SELECT basket, COUNT(*) AS n FROM purchases GROUP BY basket", "keys are not declared"),
        ("SELECT COUNT(DISTINCT quantity) AS n FROM purchases", "distinct values"),
    ],
)
def test_a_share_of_what_nothing_declares_is_refused(sql, reason):
    error = refusal(sql, relative("0.1"))
    assert error.code == "accuracy_not_predicted"
    assert reason in error.detail
    assert "LEAST(GREATEST" in error.hint
    assert asked(sql, absolute(5000)).rho > 0


def test_a_clamp_declares_what_a_share_is_of():
    made = asked("SELECT SUM(LEAST(GREATEST(weight, 0), 40)) AS s FROM purchases", relative("0.01"))
    assert made.notes[0].size == pytest.approx(70_000 * 10)


def test_keys_alone_have_no_error_to_ask_for():
    assert refusal("SELECT DISTINCT basket FROM purchases", absolute(10)).code == "accuracy_not_predicted"


@pytest.mark.parametrize("dataset", [SHOP, replace(PURE, privacy=replace(PURE.privacy, max_epsilon=D("0.4")))])
@pytest.mark.parametrize("accuracy", [absolute(7), relative("0.0002")])
def test_what_costs_too_much_is_refused_and_told_what_can_be_had(dataset, accuracy):
    error = refusal(BOTH, accuracy, dataset)
    assert error.code == "accuracy_unreachable"
    words = error.hint.split()
    size = D(words[words.index("half_width" if accuracy.half_width else "relative") + 1].rstrip(","))
    assert asked(BOTH, accuracy.at(size), dataset).epsilon <= D("0.4")
    assert refusal(BOTH, accuracy.at(size * D("0.98")), dataset).code == "accuracy_unreachable"


def test_public_tables_have_every_accuracy_for_nothing():
    made = asked("SELECT COUNT(*) AS n FROM calendar", absolute("0.001"))
    assert (made.rho, made.notes) == (0, ())


def test_nothing_of_a_plan_moves_where_no_accuracy_is_asked():
    data = unlimited()
    one = asked(COUNT, dataset=data, epsilon=D(1))
    assert one.accuracy is None
    assert one.rho == pytest.approx(0.5e12, rel=1e-9)
