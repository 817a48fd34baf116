"""What the terminal shows: intervals as half-widths, the caret under the place, costs."""

import io

import pytest
from rich.console import Console

from gateway.cli.show import (
    Estimate,
    answer_table,
    budget_table,
    cost_line,
    datasets_table,
    error_text,
    estimates,
    notes,
    table_of,
)
from gateway.errors import GatewayError, Position

ANSWER = {
    "columns": [
        {"name": "cohort", "type": "VARCHAR"},
        {"name": "n", "type": "BIGINT", "noisy": True},
        {"name": "revenue", "type": "DECIMAL(38,2)", "noisy": True},
    ],
    "rows": [["1997-01", 2000, "1234567.50"], [None, 0, None], ["1997-03", 50, "10.00"]],
    "intervals": {
        "confidence": 0.95,
        "columns": {"n": [[1900, 2100], [-100, 100], None], "revenue": [["1234000.00", "1235135.00"], None, None]},
    },
}


def text_of(renderable, width=140):
    out = io.StringIO()
    Console(file=out, width=width, color_system=None, legacy_windows=False).print(renderable)
    return out.getvalue()


def test_estimates_are_half_the_interval():
    assert estimates(ANSWER, "n") == [Estimate(2000.0, 100.0), Estimate(0.0, 100.0), None]
    assert estimates(ANSWER, "revenue") == [Estimate(1234567.5, 567.5), None, None]


def test_a_share_of_zero_is_not_shown():
    assert Estimate(2000.0, 100.0).relative == 0.05
    assert Estimate(-2000.0, 100.0).relative == 0.05
    assert Estimate(0.0, 100.0).relative is None


def test_the_table_puts_the_spread_beside_the_value():
    lines = text_of(answer_table(ANSWER)).splitlines()
    first = next(line for line in lines if "1997-01" in line)
    assert "2,000" in first
    assert "± 100  (5.0%)" in first
    assert "1,234,567.50" in first
    assert "± 568  (0.0%)" in first
    empty = next(line for line in lines if line.count("NULL") == 2)
    assert "± 100 " in empty
    assert "%" not in empty


def test_rows_beyond_the_limit_are_counted_not_dropped_in_silence():
    shown = text_of(answer_table(ANSWER, limit=1))
    assert "and 2 more rows" in shown
    assert "1997-03" not in shown
    assert "more rows" not in text_of(answer_table(ANSWER, limit=3))


def test_names_that_look_like_markup_are_shown_as_they_are():
    answer = {"columns": [{"name": "[red]", "type": "VARCHAR"}], "rows": [["[/]"]], "intervals": {"columns": {}}}
    shown = text_of(answer_table(answer))
    assert "[red]" in shown
    assert "[/]" in shown


def test_the_cost_of_a_charge_and_of_a_repeat():
    price = {"amount": "5.51", "currency": "CNY"}
    charged = {"rho": 0.03125, "delta": 0, "stored": False, "as": {"epsilon": 1.18, "delta": 5e-7}}
    assert "rho 0.03125, delta 0  (epsilon 1.18 at delta 5e-07)  price 5.51 CNY" in text_of(
        cost_line({"privacy": charged, "price": price})
    )
    free = text_of(cost_line({"privacy": charged, "price": {"amount": "0", "currency": "XXX"}}))
    assert "price free" in free
    assert "XXX" not in free
    assert "nothing" in text_of(cost_line({"privacy": {"stored": True}, "price": price}))


@pytest.mark.parametrize(
    ("sql", "line", "column", "marked"),
    [
        ("SELECT *\nFROM purchases", 2, 6, "p"),
        ("SELECT\t\tfoo(x)", 1, 9, "f"),
        ("SELECT " + "a + " * 60 + "foo(x)", 1, 7 + 240 + 1, "f"),
        ("x", 1, 1, "x"),
    ],
)
def test_the_caret_stands_under_the_place(sql, line, column, marked):
    error = GatewayError("raw_rows", "why", "instead", Position(line, column))
    shown = text_of(error_text(error, sql)).splitlines()
    caret = next(text for text in shown if text.strip() == "^")
    above = shown[shown.index(caret) - 1]
    assert above[caret.index("^")] == marked
    assert shown[0] == "raw_rows  why"
    assert "hint: instead" in shown


@pytest.mark.parametrize("position", [None, Position(9, 1), Position(0, 1)])
def test_no_caret_without_a_place_in_the_text(position):
    shown = text_of(error_text(GatewayError("raw_rows", "why", "", position), "SELECT 1"))
    assert "^" not in shown
    assert "hint" not in shown


def test_every_account_is_a_row():
    level = {"level": "buyer", "rho": {"limit": 0.5, "spent": 0.2, "left": 0.3}, "delta": {"left": 5e-7}}
    shown = text_of(
        budget_table(
            {"datasets": [{"dataset": "d", "levels": [level], "queries_left": 7, "counted_with": "the last query"}]}
        )
    )
    row = next(line for line in shown.splitlines() if "buyer" in line)
    assert [cell.strip() for cell in row.strip("│").split("│")] == ["d", "buyer", "0.5", "0.2", "0.3", "5e-07"]
    assert "d: about 7 more like the last query" in shown


def test_numbers_stand_right():
    lines = text_of(table_of(("name", "n"), [("a", 1), ("b", 1000)])).splitlines()
    assert next(line for line in lines if line.startswith("│ a")).endswith("    1 │")


def test_a_dataset_that_is_not_open_is_shown_as_such():
    entry = {"name": "d", "title": "A title", "provider": "acme", "data_version": None, "state": "unavailable"}
    row = next(line for line in text_of(datasets_table({"datasets": [entry]})).splitlines() if "acme" in line)
    assert [cell.strip() for cell in row.strip("│").split("│")] == ["d", "A title", "acme", "-", "unavailable"]


def test_what_of_one_person_counts_is_noted_once_for_the_columns_that_it_holds_for():
    bounds = {"n": {"rows": 5, "groups": 6}, "s": {"rows": 5, "groups": 6}, "c": {"rows": 1, "groups": None}}
    answer = {"privacy": {"bounds": bounds}, "notices": ["rows without a unit are not counted"]}
    assert [line.plain for line in notes(answer)] == [
        "note  of one person count at most 5 rows in a cell, at most 6 cells: n, s",
        "note  of one person count at most 1 row in a cell: c",
        "note  rows without a unit are not counted",
    ]
    assert notes({"privacy": {}}) == []
