"""Release: dense public cells, selected private keys, nothing exact left, stored draws used again."""

import math
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal as D
from fractions import Fraction

import pyarrow as pa
import pytest
from support.answers import exact_rows
from support.queries import ANSWERED
from support.shop import empty_database, fill, planned
from support.totals import found_cells, totals_by_cell

from gateway.catalog.types import BOOLEAN, DATE, INTEGER, TEXT, TIMESTAMP, decimal
from gateway.privacy import exact, noise, norms
from gateway.privacy.exact import ExactProbe, _canonical
from gateway.privacy.measurement import (
    Candidate,
    Key,
    Measurement,
    Noise,
    Primitive,
    Probe,
    Quantity,
    Search,
    Selection,
)
from gateway.privacy.noise import add_noise
from gateway.privacy.release import _whole, from_stored, release, to_stored, visible

HUGE = 10**22


def primitive(name, quantity, upper, *, groups, rho=HUGE, digest=None, **known):
    norm = norms.l2(groups, upper)
    scale, charge = noise.least_scale(Noise.GAUSSIAN, norm, rho)
    made = Primitive(
        name,
        quantity,
        0,
        upper,
        (Candidate(norm, scale),),
        Noise.GAUSSIAN,
        None,
        charge,
        digest or f"digest-{name}",
        1.0,
    )
    return replace(made, **known)


def probe(*primitives):
    return Probe("", 0, primitives)


def public(*primitives, **known):
    primitives = primitives or (
        primitive("p0", Quantity.ROWS, 5, groups=2),
        primitive("p1", Quantity.UNITS, 1, groups=2),
    )
    made = Measurement(
        name="m0",
        keys=(Key("k0", BOOLEAN, (False, True, None)), Key("k1", TEXT, ("a", "b"))),
        groups=None,
        listed=False,
        cells=6,
        probes=(probe(*primitives),),
        selection=None,
        suppress_by=None,
        suppress_below=0,
    )
    return replace(made, **known)


def rows(keys, *lines, units=()):
    """Return an engine's rows: (keys.., totals of p0, p1 ..), each in bin 0; `units` are (part, bin, count)."""
    found = [
        {"part": part, "unit": False, "bin": 0, **dict(zip(keys, line, strict=False)), "kept": kept, "scaled": 0}
        for line in lines
        for part, kept in enumerate(line[len(keys) :])
    ]
    found += [
        {"part": part, "unit": True, "bin": bin_, **dict.fromkeys(keys), "kept": kept, "scaled": 0}
        for part, bin_, kept in units
    ]
    names = ["part", "unit", "bin", *keys, "kept", "scaled"]
    types = {"part": pa.int64(), "unit": pa.bool_(), "bin": pa.int64(), "kept": pa.int64(), "scaled": pa.int64()}
    return (pa.table({n: pa.array([line[n] for line in found], types.get(n)) for n in names}),)


def values(noisy):
    return tuple(zip(*(column.values for column in noisy.columns), strict=True))


TABLE = rows(("k0", "k1"), (True, "a", 7, 2), (None, "b", 9, 3), (True, "stray", 1000, 900))


def test_every_public_cell_is_answered_and_strays_are_not():
    noisy = release(public(), TABLE, {})
    assert noisy.keys == ((False, "a"), (False, "b"), (True, "a"), (True, "b"), (None, "a"), (None, "b"))
    assert values(noisy) == ((0, 0), (0, 0), (7, 2), (0, 0), (0, 0), (9, 3))  # the noise is far below one here
    assert [column.name for column in noisy.columns] == ["p0", "p1"]


def test_without_keys_there_is_one_cell():
    measurement = public(keys=())
    noisy = release(measurement, rows((), (7, 2)), {})
    assert (noisy.keys, values(noisy)) == (((),), ((7, 2),))
    assert values(release(measurement, rows(()), {})) == ((0, 0),)


def test_a_cell_that_comes_twice_is_a_fault():
    with pytest.raises(AssertionError):
        release(public(), rows(("k0", "k1"), (True, "a", 1, 1), (True, "a", 1, 1)), {})


def test_a_charge_below_the_mechanisms_loss_is_a_fault():
    first, second = public().primitives
    for wrong in (
        replace(first, rho=first.rho - first.rho // 10**6),
        replace(first, candidates=(replace(first.candidates[0], norm=6 * 2**0.5),)),
        replace(first, candidates=(replace(first.candidates[0], scale=first.candidates[0].scale * 0.9),)),
    ):
        with pytest.raises(AssertionError):
            release(public(wrong, second), TABLE, {})


def searched(rho=10**10):
    """Return a count with two bounds, 8 and 64 rows; half of one in a thousandth finds which."""
    scale, _charge = noise.least_scale(Noise.GAUSSIAN, 8.0, rho)
    search_scale, search_rho = noise.least_scale(Noise.GAUSSIAN, 1.0, rho)
    wide = noise.same_loss(8.0, scale, 64.0)
    candidates = (Candidate(8.0, scale, 1, 0), Candidate(64.0, wide, 1, 0))
    search = Search(search_rho, search_scale, touched=1.0, fallback=1)
    return primitive("p0", Quantity.ROWS, 64, groups=1, rho=rho, candidates=candidates, search=search)


def test_a_search_that_is_not_charged_is_a_fault():
    measurement = public(searched(), keys=())
    release(measurement, rows((), (7,)), {})
    free = replace(searched().search, rho=0)
    with pytest.raises(AssertionError):
        release(public(replace(searched(), search=free), keys=()), rows((), (7,)), {})
    with pytest.raises(AssertionError):  # several bounds and nothing that chose between them for a charge
        release(public(replace(searched(), search=None), keys=()), rows((), (7,)), {})


def test_the_charge_of_a_search_is_the_primitives():
    one = searched()
    assert one.charge == one.rho + one.search.rho
    assert public(one, keys=()).rho == one.charge


def bins(counts, kept=(500, 500)):
    lines = [{"bin": i, "kept": k} for i, k in enumerate(kept)]
    table = {
        "part": [0] * 4,
        "unit": [False, False, True, True],
        "bin": [0, 1, 0, 1],
        "kept": [lines[0]["kept"], lines[1]["kept"], *counts],
        "scaled": [0, 100, 0, 0],
    }
    return (pa.table(table),)


def test_the_bound_follows_the_histogram():
    one = replace(searched(HUGE), candidates=tuple(replace(c, weight=1) for c in searched(HUGE).candidates))
    measurement = public(one, keys=())
    # units above the first bound: the second holds them as they are
    assert values(release(measurement, bins((900, 90)), {})) == ((1000,),)
    # none: the first is enough, and what would lie above it is scaled down
    assert values(release(measurement, bins((900, 0)), {})) == ((600,),)
    noisy = release(measurement, bins((900, 0)), {})
    assert noisy.columns[0].scale == one.candidates[0].scale


def private(min_units=10, rho=HUGE):
    units = primitive("p1", Quantity.UNITS, 1, groups=2, rho=rho)
    threshold, delta = noise.threshold(2, units.candidates[0].scale, 10**9)
    return public(
        primitive("p0", Quantity.ROWS, 5, groups=2, rho=rho),
        units,
        keys=(Key("k0", TEXT, None), Key("k1", BOOLEAN, (False, True))),
        groups=2,
        cells=None,
        selection=Selection("p1", threshold, min_units, delta),
    )


def test_private_keys_below_the_minimum_never_appear():
    table = rows(
        ("k0", "k1"),
        ("many", True, 50, 20),
        ("nine", True, 40, 9),
        (None, True, 60, 30),
        ("lots", None, 70, 50),
        ("ten", False, 30, 10),
    )
    measurement = private()
    assert measurement.delta == measurement.selection.delta
    assert measurement.rho == sum(p.rho for p in measurement.primitives)
    for _ in range(20):
        noisy = release(measurement, table, {})
        # at this budget T is 2: ten units leave one above the floor of nine, which is below T + 1
        assert noisy.keys == (("many", True), (None, True))
        assert values(noisy) == ((50, 20), (60, 30))


def test_a_private_release_of_nothing():
    assert release(private(), rows(("k0", "k1")), {}).keys == ()


def test_a_wrong_delta_is_a_fault():
    measurement = private()
    wrong = replace(measurement.selection, delta=measurement.selection.delta - 1)
    with pytest.raises(AssertionError):
        release(replace(measurement, selection=wrong), rows(("k0", "k1")), {})


def test_stored_draws_are_not_drawn_again():
    low = 10**9
    measurement = public(
        primitive("p0", Quantity.ROWS, 5, groups=2, rho=low), primitive("p1", Quantity.UNITS, 1, groups=2, rho=low)
    )
    first = release(measurement, TABLE, {})
    stored = to_stored(measurement, first)
    assert from_stored(measurement, stored) == first
    assert release(measurement, TABLE, stored) == first
    half = {"digest-p0": stored["digest-p0"]}
    assert from_stored(measurement, half) is None
    again = release(measurement, TABLE, half)
    assert again.columns[0] == first.columns[0]
    assert again.columns[1].values != first.columns[1].values


def test_stored_private_keys_carry_new_measures():
    table = rows(("k0", "k1"), ("x", True, 50, 400), ("y", False, 60, 500))
    measurement = private(rho=10**12)
    first = release(measurement, table, {})
    stored = to_stored(measurement, first)
    only_units = {"digest-p1": stored["digest-p1"]}
    again = release(measurement, table, only_units)
    assert again.keys == first.keys
    assert again.columns[1] == first.columns[1]
    assert release(measurement, table, stored) == first
    gone = release(measurement, rows(("k0", "k1")), only_units)  # a key that the data no longer holds counts zero
    assert gone.keys == first.keys


def test_listed_cells_are_those_that_the_engine_lists():
    measurement = public(keys=(Key("k0", TEXT, None),), listed=True)
    (totals,) = rows(("k0",), ("a", 7, 2), ("unlisted", 1000, 900))
    listed = pa.table(
        {"part": [-1, -1], "unit": [False] * 2, "bin": [0, 0], "k0": ["b", "a"], "kept": [0, 0], "scaled": [0, 0]}
    )
    noisy = release(measurement, (pa.concat_tables([totals, listed]),), {})
    assert noisy.keys == (("a",), ("b",))
    assert values(noisy) == ((7, 2), (0, 0))


def test_what_is_counted_in_fractions_is_released_whole():
    one = primitive("p0", Quantity.ROWS, 5, groups=1)
    one = replace(
        one, candidates=(replace(one.candidates[0], denominator=4, norm=20.0, scale=one.candidates[0].scale * 4),)
    )
    noisy = release(public(one, keys=()), rows((), (7,)), {})
    assert noisy.columns[0].values == (7,)
    assert noisy.columns[0].scale == one.candidates[0].scale / 4


def test_a_yes_or_no_is_read_beside_the_least_count_that_is_sure():
    rho = 5 * 10**9  # a deviation of 10
    one = primitive("p0", Quantity.TRUTHS, 1, groups=1, rho=rho)
    noisy = release(public(one, keys=()), rows((), (7,)), {})
    assert [column.name for column in noisy.columns] == ["p0", "p0_t"]
    assert noisy.columns[1].values == (21,)  # two deviations, rounded up
    assert from_stored(public(one, keys=()), to_stored(public(one, keys=()), noisy)) == noisy


def test_small_cells_are_hidden_after_the_noise():
    measurement = public(suppress_by="p1", suppress_below=3)
    noisy = release(measurement, TABLE, {})
    assert visible(measurement, noisy).keys == ((None, "b"),)
    assert values(visible(measurement, noisy)) == ((9, 3),)
    assert visible(public(), noisy) == noisy


def test_totals_beyond_64_bits_are_clamped():
    one = primitive("p0", Quantity.ROWS, 5, groups=1)
    one = replace(one, candidates=(replace(one.candidates[0], denominator=2**30),))
    scaled = replace(one.candidates[0], norm=one.candidates[0].norm * 2**30, scale=one.candidates[0].scale * 2**30)
    noisy = release(public(replace(one, candidates=(scaled,)), keys=()), rows((), (2**60,)), {})
    assert noisy.columns[0].values == (2**32,)


@pytest.mark.parametrize("limit", [exact.LIMIT, 1, 4])
def test_cells_of_keys_with_more_combinations_than_64_bits_number_are_told_apart(monkeypatch, limit):
    keys = tuple(Key(f"k{i}", INTEGER, None) for i in range(4))
    lines = [(1, 2, None, 4, 10), (1, 2, 3, 4, 20), (4, 3, 2, 1, 30), (1, None, 3, 4, 40), (1, 2, 3, None, 50)]
    measurement = public(primitive("p0", Quantity.ROWS, 5, groups=1), keys=keys)
    found = ExactProbe(measurement, measurement.probes[0], rows([key.name for key in keys], *lines)[0])
    with monkeypatch.context() as held:
        held.setattr(exact, "LIMIT", limit)
        assert len(found_cells(found, measurement.primitives[0])) == len(lines)
    assert totals_by_cell(found, measurement.primitives[0], 0) == {line[:4]: line[4] for line in lines}


@pytest.mark.parametrize("dense", [0, 10**6])
@pytest.mark.parametrize("limit", [exact.LIMIT, 1, 4])
def test_totals_of_cells_are_theirs_in_the_order_in_which_they_are_asked_for(monkeypatch, limit, dense):
    keys = tuple(Key(f"k{i}", INTEGER, None) for i in range(3))
    lines = [(1, 2, None, 10), (1, 2, 3, 20), (4, 3, 2, 30), (1, None, 3, 40)]
    (one,) = primitives = (primitive("p0", Quantity.ROWS, 5, groups=1),)
    measurement = public(*primitives, keys=keys)
    asked = [(4, 3, 2), (4, 2, 3), (1, 2, 9), (1, None, 3), (None, None, None), (1, 2, None)]
    with monkeypatch.context() as held:
        held.setattr(exact, "LIMIT", limit)
        held.setattr(exact, "DENSE", dense)
        found = ExactProbe(measurement, measurement.probes[0], rows([key.name for key in keys], *lines)[0])
        cells = found.found(one)
        placed = dict(zip(cells.all(), cells.among(asked).tolist(), strict=True))
    assert placed == {(4, 3, 2): 0, (1, None, 3): 3, (1, 2, None): 5, (1, 2, 3): -1}
    assert found.totals_of(one, 0, asked).tolist() == [30, 0, 0, 40, 0, 10]
    assert found.totals_of(one, 0, [(9, 9, 9)]).tolist() == [0]
    assert found.totals_of(one, 0, []).tolist() == []


def test_two_values_of_one_canonical_text_are_a_mistake_of_the_engine():
    """Neither takes the other's place: both would be one cell, which comes twice."""
    measurement = public(primitive("p0", Quantity.ROWS, 5, groups=1), keys=(Key("k0", decimal(10, 2), None),))
    found = ExactProbe(measurement, measurement.probes[0], rows(("k0",), ("1.501", 7), ("1.502", 9))[0])
    with pytest.raises(AssertionError):
        totals_by_cell(found, measurement.primitives[0], 0)


@pytest.mark.parametrize("denominator", [1, 2, 3, 7, 2**31, 2**40 + 1, 2**62 + 1])
def test_what_is_counted_in_fractions_is_rounded_to_the_nearest_whole(denominator):
    near = [0, 1, denominator // 2, denominator // 2 + 1, denominator, 2**62, 2**63 - 1]
    drawn = [value for one in near for value in (one, -one, one - 1)]
    expected = [math.floor(Fraction(value, denominator) + Fraction(1, 2)) for value in drawn]
    assert _whole(drawn, denominator) == expected


def test_a_bin_of_a_cell_that_comes_twice_is_a_mistake_of_the_engine():
    twice = rows(("k0", "k1"), (True, "a", 7, 2), (True, "a", 7, 2))
    with pytest.raises(AssertionError):
        release(public(), twice, {})


def test_cells_are_canonical():
    assert _canonical(D("1.5"), decimal(10, 2)) == "1.50"
    assert _canonical(7, INTEGER) == 7
    assert _canonical(date(1997, 1, 2), DATE) == "1997-01-02"
    assert _canonical(datetime(1997, 1, 2, 3), TIMESTAMP) == "1997-01-02T03:00:00"
    assert _canonical(None, INTEGER) is None


def test_a_search_reads_a_noisy_histogram_and_a_draw_is_noised_at_the_bound_that_it_chose(monkeypatch):
    (measurement,) = planned(ANSWERED["count_by_month"]).program.measurements
    connection = empty_database()
    fill(connection, 3, 60)
    tables = exact_rows(connection, measurement, {})
    drawn = []

    def noised(values, kind, scale):
        drawn.append((list(values), kind, scale))
        return add_noise(values, kind, scale)

    monkeypatch.setattr(noise, "add_noise", noised)
    found = release(measurement, tables, {})
    probe = ExactProbe(measurement, measurement.probes[0], tables[0])
    searched = [p for p in measurement.primitives if p.search is not None]
    assert searched
    for primitive in searched:
        assert primitive.search is not None
        assert (probe.histogram(primitive), primitive.noise, primitive.search.scale) in drawn
        totals = [
            ([totals_by_cell(probe, primitive, i).get(key, 0) for key in found.keys], primitive.noise, candidate.scale)
            for i, candidate in enumerate(primitive.candidates)
        ]
        assert sum(one in totals for one in drawn) == 1
    assert len(drawn) == len(measurement.primitives) + len(searched), "each vector meets noise once"
