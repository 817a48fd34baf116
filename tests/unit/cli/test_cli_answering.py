"""What the command line writes is what was checked: no second reply stands in for the answer."""

import json

import pytest

from gateway.cli.answering import Format, written

ANSWER = {
    "query_id": "Q1",
    "columns": [{"name": "n", "type": "BIGINT", "noisy": True}],
    "rows": [[61]],
    "intervals": {"confidence": 0.95, "columns": {"n": [[51, 71]]}},
}
BODY = json.dumps(ANSWER).encode()


@pytest.mark.parametrize(
    ("form", "intervals", "head"),
    [(Format.JSON, True, BODY + b"\n"), (Format.CSV, True, b"n,n_low,n_high\r\n61,51,71\r\n"),
     (Format.CSV, False, b"n\r\n61\r\n"), (Format.NDJSON, False, b'{"n": 61}\n'), (Format.ARROW, True, b"\xff\xff\xff\xff")],
)  # fmt: skip
def test_every_format_is_made_of_the_bytes_that_the_receipt_was_checked_against(form, intervals, head):
    assert written(BODY, form, intervals=intervals).startswith(head)
