"""Values and intervals as they leave: what JSON can carry, each column as its values are."""

import datetime as dt
import uuid
from decimal import Decimal

import pytest
from support.released_plans import measurement

from gateway.catalog.types import BOOLEAN, DATE, INTEGER, TEXT, decimal
from gateway.engines.rendering import MAX_SAFE, around, bars_around, pair, safe, safe_rows
from gateway.engines.tables import cells_of
from gateway.privacy.measurement import Key, NoisyTable


def test_whatever_is_released_can_be_written():
    assert safe(2**53) == 2**53
    assert safe(2**53 + 1) == str(2**53 + 1)
    assert safe(float("nan")) is None
    assert safe([1, Decimal("1.50"), None, [float("inf")]]) == [1, "1.50", None, [None]]
    assert safe(dt.datetime(2020, 1, 1, 5)) == "2020-01-01T05:00:00"
    assert safe(uuid.UUID(int=3)) == "00000000-0000-0000-0000-000000000003"
    assert safe("290000-01-01") == "290000-01-01"


@pytest.mark.parametrize(
    "column",
    [
        [1, 2, None],
        [1, 2],
        [True, 1, False],
        [MAX_SAFE, -MAX_SAFE],
        [1, MAX_SAFE + 1],
        [-MAX_SAFE - 1, 1],
        ["a", None, True],
        [dt.date(2020, 1, 2), None],
        [dt.date(2020, 1, 2), dt.date(9, 1, 2)],
        [dt.date(2020, 1, 2), dt.datetime(2020, 1, 2, 3)],
        [1.5, float("nan")],
        [Decimal("1.50"), Decimal("1E+3")],
        [[1, float("inf")], []],
        [None, None],
        [],
    ],
)
def test_a_column_is_written_as_its_values_are_and_so_are_its_intervals(column):
    for whole in (True, False):
        expected = [around(value, 2.5, whole=whole) for value in column]
        assert bars_around(column, 2.5, whole=whole) == expected
    found = safe_rows([column, ["kept"] * len(column)], len(column))
    assert found == [[safe(value), "kept"] for value in column]
    assert [[type(value) for value in row] for row in found] == [[type(safe(value)), str] for value in column]


def test_keys_are_shown_in_their_own_types():
    cells = ((1, "a", True, "2020-01-02", "1.50"), (None,) * 5, (-(2**53), "", False, "0009-01-02", "-0.01"))
    types = (INTEGER, TEXT, BOOLEAN, DATE, decimal(10, 2))
    keys = tuple(Key(f"k{i}", type_, None) for i, type_ in enumerate(types))
    found = cells_of(NoisyTable("m0", cells, ()), measurement("m0", keys))
    assert [str(found.schema.field(key.name).type) for key in keys] == [
        "int64",
        "string",
        "bool",
        "date32[day]",
        "decimal128(10, 2)",
    ]
    rows = [(0, 1, "a", True, dt.date(2020, 1, 2), Decimal("1.50")), (1, None, None, None, None, None)]
    rows += [(2, -(2**53), "", False, dt.date(9, 1, 2), Decimal("-0.01"))]
    assert [tuple(row.values()) for row in found.to_pylist()] == rows
    assert cells_of(NoisyTable("m0", (), ()), measurement("m0", keys)).num_rows == 0


def test_rows_of_no_columns_stay_rows():
    assert safe_rows([], 2) == [[], []]


def test_an_exact_value_has_an_interval_of_itself():
    assert around(5, 0.0, whole=True) == [5, 5]


def test_an_interval_is_written_to_a_thousandth_of_its_length():
    assert pair(1.23456789, 2.34567891) == [1.235, 2.346]
    assert pair(123456.7, 987654.3) == [123500.0, 987700.0] or pair(123456.7, 987654.3) == [123000.0, 988000.0]
    assert pair(5.0, 5.0) == [5.0, 5.0]
    assert pair(1.0, float("inf")) is None
    low, high = pair(1e15 + 0.25, 1e15 + 0.75)
    assert low < 1e15 + 0.5 < high
