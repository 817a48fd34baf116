"""Programs: steps in order, what they cost together, and what survives the way between processes."""

from dataclasses import replace
from decimal import Decimal as D

import pytest
from support.shop import CALLER, GRANT, NOW, SHOP, planned

from gateway.answer import quote_document
from gateway.orders import cost, draws, missing, order, public_draw
from gateway.planning_worker import PLANNED
from gateway.privacy.measurement import Derived, Measurement, PublicRead
from gateway.request import Request

STAGED = "SELECT COUNT(*) AS n FROM purchases WHERE quantity > (SELECT AVG(quantity) FROM purchases)"
BESIDE = "SELECT h.label, t.n FROM (SELECT cohort, COUNT(*) AS n FROM customers GROUP BY cohort) t JOIN cohorts h USING (cohort)"
PUBLIC = "SELECT quarter, COUNT(*) AS n FROM calendar GROUP BY quarter"
SHARED = """SELECT x.gift, x.n, y.s FROM (SELECT gift, COUNT(*) AS n FROM purchases GROUP BY gift) x
    JOIN (SELECT gift, COUNT(*) AS m, SUM(amount) AS s FROM purchases GROUP BY gift) y ON x.gift = y.gift"""


@pytest.mark.parametrize("sql", [STAGED, BESIDE, PUBLIC, SHARED])
def test_a_program_survives_json(sql):
    made = planned(sql)
    assert PLANNED.validate_json(PLANNED.dump_json(made)) == made


def test_steps_come_in_an_order_that_runs():
    steps = planned(STAGED).program.steps
    assert [type(step) for step in steps] == [Measurement, Derived, Measurement]
    assert steps[2].probes[0].inputs == (steps[1].name,)
    assert f'"{steps[1].name}"' in steps[2].probes[0].sql
    assert [type(step) for step in planned(BESIDE).program.steps] == [Measurement, PublicRead]


def test_the_budget_is_shared_by_the_measurements():
    made = planned(STAGED)
    whole = planned("SELECT COUNT(*) AS n FROM purchases").rho
    inner, outer = made.program.measurements
    assert whole * (1 - 1e-6) < made.rho == inner.rho + outer.rho <= whole
    assert min(inner.rho, outer.rho) > whole / 25


def test_what_is_asked_twice_is_charged_once():
    made = planned(SHARED)
    every = [p.digest for m in made.program.measurements for p in m.primitives]
    rho, _ = missing(made.program.measurements, frozenset())
    distinct = {p.digest: p.charge for m in made.program.measurements for p in m.primitives}
    assert rho == sum(distinct.values())
    assert len(draws(made)) == len(set(every))
    left, _ = missing(made.program.measurements, frozenset({every[0]}))
    assert left == rho - distinct[every[0]]


def test_an_inner_draw_is_part_of_what_names_the_outer():
    made = planned(STAGED)
    other = planned(STAGED.replace("AVG(quantity) FROM purchases", "AVG(quantity) FROM purchases WHERE gift"))
    outer = [program.measurements[1].primitives[0].digest for program in (made.program, other.program)]
    assert outer[0] != outer[1]


def test_public_tables_alone_cost_money_once_and_no_privacy():
    made = planned(PUBLIC)
    due = cost(made, SHOP, GRANT, frozenset())
    assert (due.rho, due.delta, due.free) == (0, 0, False)
    assert due.price.amount == D("0.50")  # per query; 546 rows and no epsilon round to nothing
    paid = cost(made, SHOP, GRANT, frozenset({public_draw(made)}))
    assert paid.free
    assert paid.price.amount == 0
    document = quote_document(made, SHOP, due)
    assert document["privacy"]["rho"] == 0
    assert not document["privacy"]["stored"]
    wanted = order("Q", made, SHOP, CALLER, Request(PUBLIC), GRANT, due, NOW)
    assert wanted.draws == (public_draw(made),)


def test_a_new_version_of_the_data_is_another_question():
    fresh = replace(SHOP, data_version="2026-11-25.1")
    for sql in (STAGED, BESIDE, PUBLIC):
        assert planned(sql).question == planned(sql).question
        assert planned(sql).question != planned(sql, dataset=fresh).question


def test_a_quote_tells_each_measurement_and_its_bounds():
    made = planned(STAGED)
    document = quote_document(made, SHOP, cost(made, SHOP, GRANT, frozenset()))
    assert [entry["measurement"] for entry in document["measured"]] == ["m0", "m0", "m1"]
    assert document["expected"]["cells"] == 2
    assert document["reasons"].keys() == {"m0", "m1"}
