"""Release: dense public cells, selected private keys, nothing exact left, stored draws used again."""

from dataclasses import replace

import pyarrow as pa
import pytest

from gateway.catalog.types import BOOLEAN, DATE, INTEGER, TEXT, TIMESTAMP, decimal
from gateway.privacy import noise
from gateway.privacy.measurement import Key, Measurement, Primitive, Quantity, Selection
from gateway.privacy.release import _canonical, from_stored, release, to_stored, visible


def primitive(name, quantity, upper, *, groups, rho=10**22, digest=None):
    scale, charge = noise.gaussian(groups, upper, rho)
    return Primitive(name, quantity, 0, upper, scale, charge, digest or f"digest-{name}")


def public(**known):
    made = Measurement(
        name="m0",
        keys=(Key("k0", BOOLEAN, (False, True, None)), Key("k1", TEXT, ("a", "b"))),
        groups=2,
        primitives=(primitive("p0", Quantity.ROWS, 5, groups=2), primitive("p1", Quantity.UNITS, 1, groups=2)),
        selection=None,
        suppress_by=None,
        suppress_below=0,
        sql="",
        parameters=0,
    )
    return replace(made, **known)


TABLE = pa.table({"k0": [True, None, True], "k1": ["a", "b", "stray"], "p0": [7, 9, 1000], "p1": [2, 3, 900]})


def test_every_public_cell_is_answered_and_strays_are_not():
    measurement = public()
    assert measurement.cells() == 6
    noisy = release(measurement, TABLE, {})
    assert noisy.keys == ((False, "a"), (False, "b"), (True, "a"), (True, "b"), (None, "a"), (None, "b"))
    assert noisy.values == ((0, 0), (0, 0), (7, 2), (0, 0), (0, 0), (9, 3))  # the noise is far below one here


def test_without_keys_there_is_one_cell():
    measurement = public(keys=())
    noisy = release(measurement, pa.table({"p0": [7], "p1": [2]}), {})
    assert (noisy.keys, noisy.values) == (((),), ((7, 2),))
    assert release(
        measurement, pa.table({"p0": pa.array([], pa.int64()), "p1": pa.array([], pa.int64())}), {}
    ).values == ((0, 0),)


def test_a_cell_that_comes_twice_is_a_fault():
    with pytest.raises(AssertionError):
        release(public(), pa.table({"k0": [True, True], "k1": ["a", "a"], "p0": [1, 1], "p1": [1, 1]}), {})


def test_a_charge_below_the_mechanisms_loss_is_a_fault():
    measurement = public()
    cheap = replace(measurement.primitives[0], rho=measurement.primitives[0].rho - 1)
    with pytest.raises(AssertionError):
        release(replace(measurement, primitives=(cheap, measurement.primitives[1])), TABLE, {})
    loud = replace(measurement.primitives[0], upper=6)
    with pytest.raises(AssertionError):
        release(replace(measurement, primitives=(loud, measurement.primitives[1])), TABLE, {})


def private(min_units=10, rho=10**22):
    units = primitive("p1", Quantity.UNITS, 1, groups=2, rho=rho)
    threshold, delta = noise.threshold(2, units.scale, 10**9)
    return public(
        keys=(Key("k0", TEXT, None), Key("k1", BOOLEAN, (False, True))),
        primitives=(primitive("p0", Quantity.ROWS, 5, groups=2, rho=rho), units),
        selection=Selection("p1", threshold, min_units, delta),
    )


def test_private_keys_below_the_minimum_never_appear():
    table = pa.table(
        {
            "k0": ["many", "nine", None, "lots", "ten"],
            "k1": [True, True, True, None, False],
            "p0": [50, 40, 60, 70, 30],
            "p1": [20, 9, 30, 50, 10],
        }
    )
    measurement = private()
    assert measurement.cells() is None
    assert measurement.delta == measurement.selection.delta
    assert measurement.rho == sum(p.rho for p in measurement.primitives)
    for _ in range(20):
        noisy = release(measurement, table, {})
        # at this budget T is 2: ten units leave one above the floor of nine, which is below T + 1
        assert noisy.keys == (("many", True), (None, True))
        assert noisy.values == ((50, 20), (60, 30))


def test_a_private_release_of_nothing():
    empty = pa.table(
        {
            "k0": pa.array([], pa.string()),
            "k1": pa.array([], pa.bool_()),
            "p0": pa.array([], pa.int64()),
            "p1": pa.array([], pa.int64()),
        }
    )
    assert release(private(), empty, {}).keys == ()


def test_a_wrong_delta_is_a_fault():
    measurement = private()
    wrong = replace(measurement.selection, delta=measurement.selection.delta - 1)
    with pytest.raises(AssertionError):
        release(replace(measurement, selection=wrong), TABLE.slice(0, 0), {})


def test_stored_draws_are_not_drawn_again():
    noisy_budget = 10**9
    measurement = public(
        primitives=(
            primitive("p0", Quantity.ROWS, 5, groups=2, rho=noisy_budget),
            primitive("p1", Quantity.UNITS, 1, groups=2, rho=noisy_budget),
        )
    )
    first = release(measurement, TABLE, {})
    stored = to_stored(measurement, first)
    assert from_stored(measurement, stored) == first
    assert release(measurement, TABLE, stored) == first
    half = {"digest-p0": stored["digest-p0"]}
    assert from_stored(measurement, half) is None
    again = release(measurement, TABLE, half)
    assert [row[0] for row in again.values] == [row[0] for row in first.values]
    assert [row[1] for row in again.values] != [row[1] for row in first.values]


def test_stored_private_keys_carry_new_measures():
    table = pa.table({"k0": ["x", "y"], "k1": [True, False], "p0": [50, 60], "p1": [400, 500]})
    measurement = private(rho=10**12)
    first = release(measurement, table, {})
    stored = to_stored(measurement, first)
    only_units = {"digest-p1": stored["digest-p1"]}
    again = release(measurement, table, only_units)
    assert again.keys == first.keys
    assert [row[1] for row in again.values] == [row[1] for row in first.values]
    assert release(measurement, table, stored) == first
    gone = release(measurement, table.slice(0, 0), only_units)  # a key that the data no longer holds counts zero
    assert gone.keys == first.keys


def test_small_cells_are_hidden_after_the_noise():
    measurement = public(suppress_by="p1", suppress_below=3)
    noisy = release(measurement, TABLE, {})
    assert visible(measurement, noisy).keys == ((None, "b"),)
    assert visible(public(), noisy) == noisy


def test_cells_are_canonical():
    from datetime import date, datetime
    from decimal import Decimal as D

    assert _canonical(D("1.5"), decimal(10, 2)) == "1.50"
    assert _canonical(7, INTEGER) == 7
    assert _canonical(date(1997, 1, 2), DATE) == "1997-01-02"
    assert _canonical(datetime(1997, 1, 2, 3), TIMESTAMP) == "1997-01-02T03:00:00"
    assert _canonical(None, INTEGER) is None
