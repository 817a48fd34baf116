"""Earlier releases of a quantity answer what is less exact, and are combined with a draw for what is more exact."""

import json
import math
from dataclasses import replace
from decimal import Decimal as D

import numpy as np
import pytest
from support.measures import A, measured
from support.neighbours import exact, pair
from support.shop import SHOP

from gateway.catalog.model import Accounting
from gateway.ledger.model import Held
from gateway.privacy import noise
from gateway.privacy.measurement import Finish, Program
from gateway.privacy.release import release, to_stored
from gateway.privacy.reuse import COMBINED, LEAST_DRAW, SERVED, reuse, series_of

PURE = replace(SHOP, privacy=replace(SHOP.privacy, accounting=Accounting.PURE))
UNITS = "SELECT quantity, COUNT(DISTINCT customer_id) AS n FROM purchases GROUP BY 1"
SEARCHED = "SELECT gift, SUM(amount) AS s FROM purchases GROUP BY 1"
DRAWS = 100, pytest.param(400, marks=pytest.mark.long)


def program(sql, epsilon, dataset=SHOP, calls=None):
    _, measurement = measured(sql, calls, dataset, D(epsilon))
    return Program((measurement,), Finish("", 0, None, (), ordered=False))


def drawn(asked, stored=None):
    (measurement,) = asked.measurements
    tables = [probe.table for probe in exact(pair(0)[0], measurement)]
    return release(measurement, tables, stored or {})


def held(asked):
    """Draw a program, and hold what it released under each series."""
    (measurement,) = asked.measurements
    kept = to_stored(measurement, drawn(asked))
    return {p.series: Held(p.digest, p.worth, kept[p.digest]) for p in measurement.primitives}


def test_a_series_is_a_quantity_whatever_it_costs():
    little, more = (program(UNITS, epsilon).measurements[0].primitives[0] for epsilon in ("0.1", "0.2"))
    assert little.digest != more.digest
    assert little.series == more.series
    other = program(UNITS.replace("quantity,", "quantity + 1,"), "0.1").measurements[0].primitives[0]
    assert other.series != little.series
    assert program(UNITS, "0.1", PURE).measurements[0].primitives[0].series != little.series


def test_cells_of_private_keys_belong_to_no_series():
    asked = program("SELECT basket, COUNT(*) AS n FROM purchases GROUP BY 1", "0.2")
    assert series_of(asked, {}) == []


@pytest.mark.parametrize("dataset", [SHOP, PURE])
@pytest.mark.parametrize(("sql", "calls"), [(UNITS, None), (SEARCHED, None),
                                            ("SELECT COUNT(amount) FROM purchases", [(A.QUANTILE_CONT, [0], "1/2")])])  # fmt: skip
def test_what_is_at_least_as_exact_answers(sql, calls, dataset):
    more, little = program(sql, "0.21", dataset, calls), program(sql, "0.2", dataset, calls)
    known = held(more)
    (less,) = little.measurements
    assert set(series_of(little, {})) == set(known)
    reused = reuse(little, {}, known)
    assert reused.program == little
    assert reused.served == {p.digest: known[p.series].content for p in less.primitives}
    assert (reused.beside, reused.notices) == ({}, (SERVED,))
    answer = drawn(little, reused.served)
    assert {c.values for c in answer.columns} == {
        tuple(column["values"]) for one in known.values() for column in json.loads(one.content)["columns"]
    }


def test_a_stored_draw_is_left_as_it_is():
    little, more = program(UNITS, "0.1"), program(UNITS, "0.2")
    stored = to_stored(little.measurements[0], drawn(little))
    assert series_of(little, stored) == []
    reused = reuse(little, stored, held(more))
    assert (reused.program, reused.served, reused.notices) == (little, {}, ())


def test_only_the_difference_is_drawn_and_charged():
    little, more = program(UNITS, "0.1"), program(UNITS, "0.2")
    reused = reuse(more, {}, held(little))
    (before,), (asked,) = little.measurements[0].primitives, more.measurements[0].primitives
    (left,) = reused.program.measurements[0].primitives
    variance = (asked.candidates[0].scale / asked.candidates[0].denominator) ** 2
    rounded = asked.rho * (1 / 12) / (variance - 1 / 12)  # what it takes to make up for rounding to whole steps
    assert left.rho == pytest.approx(asked.rho - before.rho + rounded, rel=1e-9)
    assert left.rho == noise.loss(left.noise, left.candidates[0].norm, left.candidates[0].scale)
    assert left.worth == pytest.approx(asked.rho, rel=1e-9)
    assert (left.digest, left.series) == (asked.digest, asked.series)
    assert (reused.served, reused.notices) == ({}, (COMBINED,))


def test_a_draw_that_would_tell_nothing_is_not_made():
    nearly, more = program(UNITS, "0.1999"), program(UNITS, "0.2")
    (left,) = reuse(more, {}, held(nearly)).program.measurements[0].primitives
    assert left.rho == pytest.approx(more.measurements[0].primitives[0].rho / LEAST_DRAW, rel=1e-6)


@pytest.mark.parametrize("draws", DRAWS)
def test_two_releases_together_are_as_exact_as_they_say(draws):
    little, more = program(UNITS, "0.5"), program(UNITS, "1")
    (asked,) = more.measurements[0].primitives
    bare = drawn(program(UNITS, "1000000")).columns[0].values  # noise of far below one half
    errors, scales = [], set()
    for _ in range(draws):
        reused = reuse(more, {}, held(little))
        (column,) = drawn(reused.program, reused.beside).columns
        errors += [value - truth for value, truth in zip(column.values, bare, strict=True)]
        scales.add(column.scale)
    (scale,) = scales
    wanted = asked.candidates[0].scale / asked.candidates[0].denominator
    assert scale == pytest.approx(wanted, rel=1e-8)
    assert scale <= wanted * (1 + 1e-9), "rounding to whole steps included"
    count = len(errors)
    assert np.mean(errors) == pytest.approx(0, abs=4 * scale / math.sqrt(count))
    assert np.std(errors) == pytest.approx(scale, rel=4 / math.sqrt(2 * count))


def test_noise_within_one_step_is_drawn_whole():
    little, more = program(UNITS, "1000"), program(UNITS, "10000")
    reused = reuse(more, {}, held(little))
    assert (reused.program, reused.beside, reused.notices) == (more, {}, ())


def test_a_chain_of_releases_grows_more_exact():
    asked, known, worth = program(UNITS, "0.1"), {}, 0
    known = held(asked)
    for epsilon in ("0.2", "0.3"):
        more = program(UNITS, epsilon)
        reused = reuse(more, {}, known)
        (left,) = reused.program.measurements[0].primitives
        kept = to_stored(reused.program.measurements[0], drawn(reused.program, reused.beside))
        assert left.worth > worth
        worth = left.worth
        known = {left.series: Held(left.digest, left.worth, kept[left.digest])}
    assert worth == pytest.approx(program(UNITS, "0.3").measurements[0].primitives[0].rho, rel=1e-9)


def searched(asked):
    (found,) = (p for p in asked.measurements[0].primitives if len(p.candidates) > 1)
    return found


def held_at(asked, bound):
    """As held, with the searched sum's release as though it was found at this bound."""
    known = held(asked)
    one = known[searched(asked).series]
    content = json.loads(one.content)
    candidate = searched(asked).candidates[bound]
    content["columns"][0] |= {"bound": bound, "scale": candidate.scale / candidate.denominator}
    return {**known, searched(asked).series: replace(one, content=json.dumps(content).encode())}


def test_a_bound_that_was_found_is_kept_and_not_searched_again():
    little, more = program(SEARCHED, "0.3"), program(SEARCHED, "0.4")
    reused = reuse(more, {}, held_at(little, 5))
    left, asked = searched(reused.program), searched(more)
    assert left.search is None
    assert left.rho == pytest.approx(asked.rho - searched(little).rho, rel=1e-6)
    (column,) = (c for c in drawn(reused.program, reused.beside).columns if c.name == left.name)
    assert column.bound == 5
    wanted = asked.candidates[5].scale / asked.candidates[5].denominator
    assert column.scale == pytest.approx(wanted, rel=1e-3)
    bounds = [(one.norm, one.denominator, one.weight) for one in left.candidates]
    assert bounds == [(one.norm, one.denominator, one.weight) for one in asked.candidates]


def test_a_poor_bound_is_looked_for_again():
    more = program(SEARCHED, "0.4")
    assert searched(reuse(more, {}, held_at(program(SEARCHED, "0.1"), 5)).program) == searched(more)  # a sixteenth
    nothing = searched(more).search.fallback
    assert searched(reuse(more, {}, held_at(program(SEARCHED, "0.3"), nothing)).program) == searched(more)


@pytest.mark.parametrize(("sql", "dataset", "calls"), [
    (UNITS, PURE, None),
    ("SELECT COUNT(amount) FROM purchases", SHOP, [(A.QUANTILE_CONT, [0], "1/2")]),
])  # fmt: skip
def test_what_cannot_be_combined_is_drawn_anew(sql, dataset, calls):
    """A tree's releases are read, not its nodes; two Laplace noises together have no closed interval."""
    little, more = program(sql, "0.1", dataset, calls), program(sql, "0.2", dataset, calls)
    reused = reuse(more, {}, held(little))
    assert (reused.program, reused.served, reused.beside, reused.notices) == (more, {}, {}, ())
