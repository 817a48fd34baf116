"""A result: values of exact types, tables, and how it looks as text and as HTML."""

import json
import re
import sys
import xml.etree.ElementTree as ET
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from support.clients import PRICE, PRIVACY, SQL, Told, document

from gateway.client.asking import Answered, question
from gateway.client.errors import BadReply
from gateway.client.kept import Kept
from gateway.client.quote import Quote
from gateway.client.receipts import Witnessed, checked
from gateway.client.result import result_of

BIG = 2**70
COLUMNS = [
    {"name": "flag", "type": "BOOLEAN"}, {"name": "n", "type": "BIGINT", "noisy": True},
    {"name": "big", "type": "BIGINT", "noisy": True}, {"name": "s", "type": "DECIMAL(12,2)", "noisy": True},
    {"name": "a", "type": "DOUBLE", "noisy": True}, {"name": "text", "type": "VARCHAR"}, {"name": "day", "type": "DATE"},
    {"name": "at", "type": "TIMESTAMP"}, {"name": "id", "type": "UUID"},
]  # fmt: skip
ROWS = [
    [True, 9007199254740993, str(BIG), "1234567890.05", 0.5, "é<b>", "1997-03-01", "1997-03-01T02:00:00.000001",
     "12345678-1234-5678-1234-567812345678"],
    [None] * 9,
]  # fmt: skip
BARS = {"n": [[1, 2], None], "big": [[str(BIG - 1), str(BIG + 1)], None], "s": [[1.5, 2.5], None], "a": [None, None]}


def result(**known):
    found = {"columns": COLUMNS, "rows": ROWS, "intervals": BARS, **known}
    content = document(**found)
    return result_of(question(SQL), Answered(json.dumps(content).encode(), content, None))


def test_cells_are_values_of_their_types():
    found = result()
    assert found.rows[0] == (
        True, 9007199254740993, BIG, Decimal("1234567890.05"), 0.5, "é<b>", date(1997, 3, 1),
        datetime(1997, 3, 1, 2, 0, 0, 1), UUID("12345678-1234-5678-1234-567812345678"),
    )  # fmt: skip
    assert found.rows[1] == (None,) * 9
    assert found.intervals == {
        "n": [(1, 2), None], "big": [(BIG - 1, BIG + 1), None], "s": [(1.5, 2.5), None], "a": [None, None],
    }  # fmt: skip
    assert (len(found), list(found)) == (2, found.rows)
    assert (found.price.amount, str(found.price), found.confidence) == (Decimal("4.50"), "4.50 CNY", 0.95)


def test_an_answer_of_another_shape_is_no_answer():
    for broken in (
        {"intervals": {}},
        {"intervals": {**BARS, "n": [None]}},
        {"rows": [[1]]},
        {"rows": [["x"] * 9]},
        {"price": {}},
        {"columns": [{}]},
        {"privacy": []},
    ):
        with pytest.raises(BadReply, match="not of the shape"):
            result(**broken)


def test_arrow_types_follow_the_sql_types():
    table = result().to_arrow()
    assert dict(zip(table.schema.names, table.schema.types, strict=True)) == {
        "flag": pa.bool_(), "n": pa.int64(), "big": pa.decimal128(22, 0), "s": pa.decimal128(12, 2), "a": pa.float64(),
        "text": pa.string(), "day": pa.date32(), "at": pa.timestamp("us"), "id": pa.string(),
    }  # fmt: skip
    assert table.to_pylist()[0]["s"] == Decimal("1234567890.05")
    assert table.to_pylist()[0]["big"] == BIG
    assert set(table.to_pylist()[1].values()) == {None}


def test_arrow_types_do_not_hang_on_the_rows():
    types = [field.type for field in result().to_arrow(intervals=True).schema]
    empty = result(rows=[], intervals={name: [] for name in BARS}).to_arrow(intervals=True)
    changed = [(a, b) for a, b in zip(types, (f.type for f in empty.schema), strict=True) if a != b]
    assert changed == [(pa.decimal128(22, 0), pa.int64())] * 3, "but for integers beyond 64 bits"


def test_intervals_stand_beside_their_columns():
    table = result().to_arrow(intervals=True)
    assert table.schema.names == [
        "flag", "n", "n_low", "n_high", "big", "big_low", "big_high", "s", "s_low", "s_high", "a", "a_low", "a_high",
        "text", "day", "at", "id",
    ]  # fmt: skip
    assert table.select(["n_low", "big_high", "s_high", "a_low"]).to_pylist()[0] == {
        "n_low": 1, "big_high": BIG + 1, "s_high": 2.5, "a_low": None,
    }  # fmt: skip
    taken = [{"name": "n", "type": "BIGINT", "noisy": True}, {"name": "n_low", "type": "VARCHAR"}]
    found = result(columns=taken, rows=[[1, "x"]], intervals={"n": [[0, 2]]}).to_arrow(intervals=True)
    assert found.to_pylist() == [{"n": 1, "n_low_": 0, "n_high": 2, "n_low": "x"}]


def test_numbers_wider_than_their_type_says_and_wider_than_any():
    wide = [{"name": "s", "type": "DECIMAL(4,2)"}]
    assert result(columns=wide, rows=[["12345.67"]], intervals={}).to_arrow().schema.types == [pa.decimal128(7, 2)]
    whole = [{"name": "n", "type": "BIGINT"}]
    assert result(columns=whole, rows=[["9" * 50]], intervals={}).to_arrow().to_pylist() == [{"n": int("9" * 50)}]
    with pytest.raises(ValueError, match="80 digits"):
        result(columns=whole, rows=[["9" * 80]], intervals={}).to_arrow()


def test_a_date_that_python_does_not_have_is_text():
    days = [{"name": "day", "type": "DATE"}]
    found = result(columns=days, rows=[["12000-01-01"], ["1997-01-01"], [None]], intervals={})
    assert [row[0] for row in found] == ["12000-01-01", date(1997, 1, 1), None]
    assert found.to_arrow()["day"].to_pylist() == ["12000-01-01", "1997-01-01", None]


def test_pandas_keeps_the_types():
    frame = result().to_pandas(intervals=True)
    assert isinstance(frame, pd.DataFrame)
    assert frame["n"].dtype == pd.ArrowDtype(pa.int64())
    assert (frame["n"][0], frame["s"][0], frame["big_low"][0]) == (9007199254740993, Decimal("1234567890.05"), BIG - 1)
    assert frame.iloc[1].isna().all()
    nullable = result().to_pandas(dtype_backend="numpy_nullable")
    assert (nullable["n"].dtype, nullable["n"][0]) == (pd.Int64Dtype(), 9007199254740993)
    assert nullable["flag"].dtype == pd.BooleanDtype()


def test_polars_keeps_the_types():
    frame = result().to_polars(intervals=True)
    assert (frame.schema["n"], frame.schema["s"], frame.schema["day"]) == (pl.Int64, pl.Decimal(12, 2), pl.Date)
    assert frame["s"][0] == Decimal("1234567890.05")
    assert frame["big"][0] == BIG
    assert frame.row(1) == (None,) * 17


@pytest.mark.parametrize(("method", "package"), [("to_pandas", "pandas"), ("to_polars", "polars")])
def test_a_package_that_is_missing_is_named(monkeypatch, method, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=f"{method} needs the package {package}: pip install {package}"):
        getattr(result(), method)()


def test_text():
    columns = [{"name": "城市", "type": "VARCHAR"}, {"name": "n", "type": "BIGINT", "noisy": True}]
    found = result(
        columns=columns, rows=[["上海", 1234567], ["a\nb" + "x" * 60, None]], intervals={"n": [[1, 2], None]}
    )
    lines = repr(found).splitlines()
    assert lines[0].startswith("城市")
    assert lines[2] == f"上海{' ' * 36}  1,234,567  [1, 2]"
    assert lines[3].startswith("a\ufffdbxxx")
    assert "… " in lines[3]
    assert lines[3].rstrip().endswith("NULL")
    assert lines[4] == "price 4.50 CNY; privacy rho 0.02, delta 0 (epsilon 0.93 at delta 5e-07)"
    assert "receipt not verified" in lines[5]
    assert lines[6] == "note  intervals cover the noise alone"
    assert "\x1b" not in repr(result(notices=["\x1b[2J"]))


def test_long_answers_are_cut_in_text_and_html_alone():
    columns = [{"name": "n", "type": "BIGINT"}]
    found = result(columns=columns, rows=[[n] for n in range(1000)], intervals={})
    assert "... and 980 more rows" in repr(found)
    assert "and 940 more rows" in found._repr_html_()
    assert found.to_arrow().num_rows == 1000


def test_html_is_well_formed_escaped_and_has_its_bars():
    columns = [{"name": "<b>&\"'", "type": "VARCHAR"}, {"name": "n", "type": "BIGINT", "noisy": True}]
    hostile = "<script>alert('x')</script>"
    rows, bars = [[hostile, 5], [None, 7], ["z", None]], {"n": [[0, 10], [6, 8], None]}
    page = result(columns=columns, rows=rows, intervals={**bars}, notices=["<img src=x>"])._repr_html_()
    tree = ET.fromstring(f"<x>{page}</x>")  # noqa: S314 - our own
    assert not [e for e in tree.iter() if e.tag in ("script", "img", "b")]
    assert hostile in "".join(tree.itertext())
    assert not re.search(r"https?:|url\(|javascript:| on\w+=", page)
    first, second = tree.findall(".//svg")
    assert [e.get("cx") for e in tree.findall(".//circle")] == ["60.0", "82.0"]
    assert first.find("path").get("d").startswith("M5.0 7.0H115.0")
    assert second.get("aria-label") == "7, interval [6, 8]"
    assert "overflow-x:auto" in page
    assert "currentColor" in page


def test_html_draws_bars_of_dates_and_of_one_point():
    columns = [{"name": "day", "type": "DATE", "noisy": True}, {"name": "at", "type": "TIMESTAMP", "noisy": True},
               {"name": "n", "type": "DOUBLE", "noisy": True}, {"name": "t", "type": "VARCHAR", "noisy": True}]  # fmt: skip
    rows = [["1997-01-02", "1997-01-02T00:00:00", 3.0, "x"]]
    bars = {"day": [["1997-01-01", "1997-01-03"]], "at": [["1997-01-01T00:00:00", "1997-01-03T00:00:00"]],
            "n": [[3.0, 3.0]], "t": [None]}  # fmt: skip
    page = result(columns=columns, rows=rows, intervals=bars)._repr_html_()
    assert re.findall(r'cx="([\d.]+)"', page) == ["60.0", "60.0", "60.0"]


def test_a_verified_receipt_is_told():
    told, kept = Told(), Kept()
    body = told.answers_one()
    receipt = checked(SQL, body, json.loads(body), json.dumps(told.receipt()).encode(), kept, kept.seen(), Witnessed())
    found = result_of(question(SQL), Answered(body, json.loads(body), receipt))
    words = "receipt verified: leaf 1 of 3 in the log gw (its key seen for the first time)"
    assert words in repr(found)
    assert words in found._repr_html_()


def test_a_quote_says_what_it_is_about():
    quote = Quote(SQL, {
        "columns": [{"name": "n", "type": "BIGINT", "noisy": True}], "price": {**PRICE, "currency": "XXX", "plan": None},
        "privacy": PRIVACY, "expected": {"half_width": {"n": 10.0, "m": None}}, "levels": [{"asked": True}],
        "proposal": {"change": "day by month"}, "notices": ["a notice"],
    })  # fmt: skip
    assert repr(quote).splitlines() == [
        "price free; privacy rho 0.02, delta 0 (epsilon 0.93 at delta 5e-07)", "expected  n ± 10",
        "coarser: day by month", "note  a notice",
    ]  # fmt: skip
    assert (quote.columns[0].noisy, quote.price.plan, quote.levels) == (True, None, [{"asked": True}])
