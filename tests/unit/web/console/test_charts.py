"""What is drawn of an answer is what its table says."""

import json

import pytest

from gateway.web.console.budgets import curves
from gateway.web.console.charts import MOST_ROWS, SHOWN_ROWS, SHOWN_VALUES, Cell, charts, table
from gateway.web.console.figures import figure, percent


def answer(columns, rows, **bars):
    named = [{"name": name, "type": type_, **({"noisy": True} if name in bars else {})} for name, type_ in columns]
    return {"columns": named, "rows": rows, "intervals": {"confidence": 0.95, "columns": bars}}


def test_bars_have_their_whiskers_and_the_labels_of_all_keys():
    made = answer(
        [("a", "VARCHAR"), ("b", "BIGINT"), ("n", "BIGINT")], [["x", 1, 5], [None, 2, None]], n=[[3, 7], None]
    )
    [chart] = charts(made)
    drawn = json.loads(chart.data)
    assert (chart.kind, drawn["labels"]) == ("bars", ["x · 1", "NULL · 2"])
    assert (drawn["values"], drawn["low"], drawn["high"]) == ([5, None], [3, None], [7, None])


def test_dates_are_lines_in_their_order():
    made = answer([("day", "DATE"), ("n", "BIGINT")], [["1997-01-02", 2], ["1997-01-01", 1]], n=[[1, 3], [0, 2]])
    [chart] = charts(made)
    drawn = json.loads(chart.data)
    assert (chart.kind, drawn["values"], drawn["low"], drawn["high"]) == ("lines", [1, 2], [0, 1], [2, 3])
    assert drawn["x"][1] - drawn["x"][0] == 86_400


@pytest.mark.parametrize("rows", [[[None, 1], ["1997-01-01", 2]], [["1997-01-01", 1], ["1997-01-01", 2]]])
def test_dates_that_miss_or_repeat_are_bars(rows):
    assert charts(answer([("day", "DATE"), ("n", "BIGINT")], rows, n=[None, None]))[0].kind == "bars"


def test_a_noisy_text_that_python_reads_as_no_number_is_not_drawn():
    made = answer([("a", "VARCHAR"), ("n", "VARCHAR")], [["x", "nan"], ["y", "Infinity"], ["z", "7"]], n=[None] * 3)
    [chart] = charts(made)
    assert json.loads(chart.data, parse_constant=pytest.fail)["values"] == [None, None, 7]


def test_one_row_or_no_key_is_no_chart():
    assert charts(answer([("a", "VARCHAR"), ("n", "BIGINT")], [["x", 1]], n=[[0, 2]])) == []
    assert charts(answer([("n", "BIGINT")], [[1], [2]], n=[[0, 2], [1, 3]])) == []


def test_a_chart_is_cut_and_says_how_many_rows_it_has():
    rows = [[str(at), at] for at in range(MOST_ROWS + 5)]
    [chart] = charts(answer([("a", "VARCHAR"), ("n", "BIGINT")], rows, n=[[0, 1]] * len(rows)))
    assert chart.rows == MOST_ROWS == len(json.loads(chart.data)["values"])


def test_a_cell_has_its_interval_and_where_it_lies():
    made = answer([("a", "VARCHAR"), ("n", "BIGINT")], [["x", 5], ["y", 10], ["z", 3]], n=[[0, 10], [5, 15], None])
    assert [row[1] for row in table(made)] == [
        Cell(5, 0, 10, (0.0, 33.33, 66.67)), Cell(10, 5, 15, (33.33, 66.67, 100.0)), Cell(3),
    ]  # fmt: skip
    assert [row[0] for row in table(made)] == [Cell("x"), Cell("y"), Cell("z")]


def test_decimals_and_dates_as_texts_keep_their_intervals():
    made = answer([("a", "DATE"), ("d", "DECIMAL(9,2)")], [["1997-01-01", "1.50"]], a=[["1996-12-31", "1997-01-03"]],
                  d=[["1.00", "2.00"]])  # fmt: skip
    [[day, amount]] = table(made)
    assert day == Cell("1997-01-01", "1996-12-31", "1997-01-03")
    assert amount == Cell("1.50", "1.00", "2.00", (0.0, 50.0, 100.0))


def test_a_page_shows_so_many_rows_and_no_more():
    rows = [[str(at), at] for at in range(SHOWN_ROWS + 1)]
    assert len(table(answer([("a", "VARCHAR"), ("n", "BIGINT")], rows, n=[[0, 1]] * len(rows)))) == SHOWN_ROWS
    wide = [("a", "VARCHAR")] * 10
    assert len(table(answer(wide, [["x"] * 10] * 400))) == SHOWN_VALUES // 10
    assert table(answer([("a", "VARCHAR"), ("n", "BIGINT")], [], n=[])) == []


def test_the_budget_s_curve_adds_up_what_was_charged_oldest_first():
    def past(query_id, dataset, rho, at):
        return {"query_id": query_id, "dataset": dataset, "charged_at": at, "privacy": {"rho": rho, "delta": "0"}}

    made = curves([
        past("3", "a", "0.2", "2026-01-03T00:00:00Z"), past("2", "b", "0", "2026-01-02T00:00:00Z"),
        past("1", "a", "0.1", "2026-01-01T00:00:00Z"),
    ])  # fmt: skip
    assert list(made) == ["a"]
    assert [(step["query_id"], str(step["total"])) for step in made["a"]["steps"]] == [("1", "0.1"), ("3", "0.3")]
    assert json.loads(made["a"]["data"])["values"] == [0.1, 0.3]


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (True, "true"), (-1234, "−1,234"), (0.02, "0.02"), (0.019999999998, "0.02"), (1234.5678, "1,234.57"),
     (5e-07, "5e−07"), (0.0, "0"), ("a", "a"), (1e12, "1e+12"), (100.0, "100"), (2**60, "1,152,921,504,606,846,976")],
)  # fmt: skip
def test_a_figure_is_written_for_people(value, text):
    assert figure(value) == text


def test_a_share_is_a_percentage():
    assert (percent(0.95), percent(0.9978)) == ("95 %", "99.8 %")
