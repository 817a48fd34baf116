"""Synthetic rows: within what the policy declares, joined as it declares, the same every time, and of no data."""

from dataclasses import replace
from datetime import date, datetime

import duckdb
import pytest
from support import tpch
from support.shop import SHOP

from gateway.app.sandbox import SHOWN_ROWS, shown
from gateway.catalog.describe import describe, described
from gateway.catalog.types import DATE, TIMESTAMP
from gateway.engines.synthetic_file import make
from gateway.engines.synthetic_rows import MOST_ROWS, UNITS, counts, digest_of, name_of, synthetic


def test_sizes_are_declared_ones_scaled_down():
    found = counts(SHOP)
    assert (found["customers"], found["purchases"], found["orders"]) == (UNITS, 2_800, 2_000)
    assert all(count <= MOST_ROWS for count in found.values())


def made(dataset, folder):
    make(dataset, folder / name_of(dataset))
    return folder / name_of(dataset)


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    with duckdb.connect(str(made(SHOP, tmp_path_factory.mktemp("rows"))), read_only=True) as connection:
        yield connection


def value(connection, sql):
    return connection.execute(sql).fetchall()[0]


def test_values_are_those_that_the_policy_lets_be(rows):
    assert value(rows, "SELECT MIN(quantity) >= 0, MAX(quantity) <= 50, COUNT(DISTINCT quantity) FROM purchases") == (
        True,
        True,
        51,
    )
    assert value(rows, "SELECT COUNT(DISTINCT cohort) FROM customers") == (3,)
    assert value(rows, "SELECT MIN(amount) >= 0, MAX(amount) <= 500 FROM purchases") == (True, True)
    missing, all_ = value(rows, "SELECT COUNT(*) - COUNT(score), COUNT(*) FROM purchases")
    assert 0 < missing < all_ / 5
    assert value(rows, "SELECT COUNT(*) - COUNT(quantity) FROM purchases") == (0,)


def test_keys_are_unique_and_every_row_has_its_parent(rows):
    for table, key in (("customers", "customer_id"), ("orders", "order_id"), ("calendar", "day")):
        assert value(rows, f"SELECT COUNT(*) = COUNT(DISTINCT {key}) FROM {table}") == (True,)
    for child, parent, key in (("purchases", "customers", "customer_id"), ("lines", "orders", "order_id"),
                               ("orders", "customers", "customer_id")):  # fmt: skip
        assert value(rows, f"SELECT COUNT(*) FROM {child} ANTI JOIN {parent} USING ({key})") == (0,)
    assert value(rows, "SELECT COUNT(*) > 0 FROM purchases p JOIN calendar c ON p.purchased_on = c.day") == (True,)


@pytest.mark.parametrize(
    ("kind", "last"), [(DATE, date.max), (TIMESTAMP, datetime.fromisoformat("9999-12-31"))], ids=str
)
def test_days_at_the_end_of_the_calendar_leave_room_for_keys(kind, last):
    def until_the_end(column):
        if column.name not in ("purchased_on", "day"):
            return column
        bounds = (last, last) if column.bounds is not None else None
        return replace(column, type=kind, bounds=bounds, public_values=None)

    tables = tuple(replace(table, columns=tuple(map(until_the_end, table.columns))) for table in SHOP.tables)
    calendar = next(made for made in synthetic(replace(SHOP, tables=tables)) if made.table.name == "calendar")
    days = next(cells for (name, _), cells in zip(calendar.columns, calendar.cells, strict=True) if name == "day")
    assert len(set(days)) == len(days)
    assert max(days) <= str(last)


@pytest.mark.long
def test_the_facts_of_a_policy_with_chains_hold(tmp_path):
    dataset = tpch.dataset("0.01")
    with duckdb.connect(str(made(dataset, tmp_path)), read_only=True) as connection:
        for table in dataset.tables:
            for key in table.unique:
                columns = ", ".join(key)
                assert value(
                    connection,
                    f"SELECT COUNT(*) = (SELECT COUNT(*) FROM (SELECT DISTINCT {columns} FROM {table.name})) "
                    f"FROM {table.name}",
                ) == (True,), (table.name, key)


def test_nothing_but_the_policy_decides_them(tmp_path):
    other = replace(SHOP, data_version="another", stamp="9:9:9", grants=())
    assert digest_of(SHOP) == digest_of(other)
    assert list(synthetic(SHOP)) == list(synthetic(other))
    path = made(SHOP, tmp_path)
    assert made(other, tmp_path) == path
    changed = replace(SHOP, tables=SHOP.tables[:3])
    assert made(changed, tmp_path) != path
    assert not path.exists()  # one file a dataset


def test_the_rows_that_are_shown_are_the_first_of_the_file_without_hidden_columns():
    named = {table["name"]: [column["name"] for column in table["columns"]] for table in describe(SHOP, None)["tables"]}
    assert "secret" not in named["purchases"]
    every = {made.table.name: made for made in synthetic(SHOP)}
    for found in shown(SHOP, described(SHOP)):
        made = every.pop(found["table"])
        assert found["columns"] == named[made.table.name]
        cells = dict(zip((name for name, _ in made.columns), made.cells, strict=True))
        first = [list(row) for row in zip(*(cells[name] for name in found["columns"]), strict=True)][:SHOWN_ROWS]
        assert found["rows"] == first
    assert every == {}
