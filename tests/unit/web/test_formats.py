"""An answer's bytes in every format: the same values, nothing rounded, NULL told from an empty text."""

import csv
import io
import json
from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from gateway.web.delivery import Format
from gateway.web.formats import METADATA, written

BIG = 2**60
COLUMNS = [
    {"name": "k", "type": "VARCHAR"},
    {"name": "n", "type": "BIGINT", "noisy": True},
    {"name": "n_low", "type": "DECIMAL(38,2)"},
    {"name": "d", "type": "DATE", "noisy": True},
    {"name": "t", "type": "TIMESTAMP"},
    {"name": "b", "type": "BOOLEAN"},
    {"name": "x", "type": "DOUBLE", "noisy": True},
    {"name": "u", "type": "UUID"},
]
ROWS = [
    ['a,"b"\n', 5, "12.50", "2020-01-01", "2020-01-01T05:00:00", True, 0.1, "00000000-0000-0000-0000-000000000003"],
    ["", str(BIG), None, None, None, None, None, None],
    [None, None, "9" * 36 + ".99", "2020-01-03", "2020-01-01T05:00:00.000001", False, 1e300, None],
]
BARS = {
    "n": [[1, 9], [str(BIG - 3), str(BIG + 3)], None],
    "d": [["2020-01-01", "2020-01-02"], None, None],
    "x": [[0.05, 0.15], None, None],
}
ANSWER = json.dumps(
    {
        "query_id": "Q1",
        "columns": COLUMNS,
        "rows": ROWS,
        "intervals": {"confidence": 0.95, "columns": BARS},
        "price": {},
    }
).encode()
WIDE = ["k", "n", "n_low_", "n_high", "n_low", "d", "d_low", "d_high", "t", "b", "x", "x_low", "x_high", "u"]


def table(answer=ANSWER, *, intervals=False):
    return pa.ipc.open_stream(written(answer, Format.ARROW, intervals=intervals)).read_all()


def test_json_is_the_stored_bytes():
    assert written(ANSWER, Format.JSON, intervals=True) is ANSWER


def test_arrow_has_the_types_and_the_exact_values():
    found = table()
    assert [str(t) for t in found.schema.types] == [
        "string", "int64", "decimal128(38, 2)", "date32[day]", "timestamp[us]", "bool", "double", "string",
    ]  # fmt: skip
    assert found.column("n").to_pylist() == [5, BIG, None]
    assert found.column("n_low").to_pylist() == [Decimal("12.50"), None, Decimal("9" * 36 + ".99")]
    assert found.column("d").to_pylist() == [date(2020, 1, 1), None, date(2020, 1, 3)]
    assert found.column("t").to_pylist()[2] == datetime(2020, 1, 1, 5, 0, 0, 1)
    told = json.loads(found.schema.metadata[METADATA])
    assert told["query_id"] == "Q1"
    assert not {"rows", "intervals"} & set(told)


def test_intervals_are_columns_under_free_names():
    found = table(intervals=True)
    assert found.column_names == WIDE
    assert found.column("n_low_").to_pylist() == [1, BIG - 3, None]
    assert found.column("d_high").to_pylist() == [date(2020, 1, 2), None, None]
    assert found.column("x_low").to_pylist() == [0.05, None, None]


def test_an_interval_beyond_whole_numbers_is_no_error():
    wide = json.loads(ANSWER)
    wide["intervals"]["columns"]["n"][1] = [str(-(2**63) - 5), str(2**63)]
    assert str(table(json.dumps(wide).encode(), intervals=True).schema.field("n_high").type) == "double"


def test_csv_reads_back_and_tells_null_from_an_empty_text():
    text = written(ANSWER, Format.CSV, intervals=False).decode()
    head, *rows = list(csv.reader(io.StringIO(text, newline="")))
    assert head == [column["name"] for column in COLUMNS]
    plain = [["" if v is None else str(v).lower() if isinstance(v, bool) else str(v) for v in row] for row in ROWS]
    assert rows == plain
    assert text.endswith("\r\n")
    assert '\r\n"",' in text  # the empty text
    assert "\r\n,," in text  # NULLs


def test_ndjson_has_an_object_a_row():
    lines = [json.loads(line) for line in written(ANSWER, Format.NDJSON, intervals=True).splitlines()]
    assert [list(line) for line in lines] == [WIDE] * 3
    assert [line["n"] for line in lines] == [5, str(BIG), None]


def test_an_answer_without_rows_has_its_columns():
    empty = json.loads(ANSWER) | {"rows": [], "intervals": {"columns": {"n": [], "d": [], "x": []}}}
    assert table(json.dumps(empty).encode(), intervals=True).column_names == WIDE
    assert written(json.dumps(empty).encode(), Format.NDJSON, intervals=True) == b""
    assert written(json.dumps(empty).encode(), Format.CSV, intervals=False).count(b"\r\n") == 1


@pytest.mark.parametrize(
    ("type_", "values"),
    [("DATE", ["10000-01-01", "2020-01-01", None]), ("DATE", ["0044-03-15 (BC)"]), ("BIGINT", [str(2**64), 1]),
     ("TIMESTAMP", ["290309-12-22 04:00:54"]), ("DECIMAL(38,0)", ["9" * 39])],
)  # fmt: skip
def test_what_a_type_of_arrow_does_not_hold_is_text_and_no_failure(type_, values):
    document = {"columns": [{"name": "v", "type": type_}], "rows": [[value] for value in values]}
    answer = json.dumps({**document, "intervals": {"confidence": 0.95, "columns": {}}}).encode()
    table = pa.ipc.open_stream(io.BytesIO(written(answer, Format.ARROW, intervals=True))).read_all()
    assert table.column("v").to_pylist() == [None if value is None else str(value) for value in values]
