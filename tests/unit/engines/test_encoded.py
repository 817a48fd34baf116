"""An answer's rows as bytes: what they are, and that they are handed on as they came."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace

import pytest
from support.queries import ANSWERED
from support.shop import SHOP, planned

from gateway.answer import Known, written
from gateway.app.releasing import SMALL_BYTES, WorkerReleaser
from gateway.engines.encoded import Encoded, encoded, is_one
from gateway.engines.rendering import safe_rows
from gateway.engines.shown import FinishedRows
from gateway.ledger.model import Charge
from gateway.metering.prices import Price
from gateway.orders import Cost
from gateway.privacy.release import from_stored

AT = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def plan():
    return planned(ANSWERED["count_by_day"])


class Pool:
    """A pool whose worker says what it is told to."""

    def __init__(self, header, payload):
        self.said, self.asked = SimpleNamespace(header=header, payload=payload), []

    async def call(self, method, argument, *_):
        self.asked.append((method, argument))
        return self.said


def test_rows_and_intervals_are_written_as_the_api_says():
    rows = [
        ('ä"\\\n', 1, None, True, 2**53 + 1, Decimal("0.10"), 2.5, datetime(1997, 1, 2).date(), [1, None]),
        ("", -2, 3.0, False, 0, Decimal("-1E+2"), float("nan"), None, []),
    ]  # fmt: skip
    finished = FinishedRows(
        safe_rows(list(zip(*rows, strict=True)), 2),
        {"n": [[-1, 5], None], "m": [[0.5, 1e22], ["9007199254740993", 7]]},
        False,
    )
    program = plan().program
    found = encoded(finished, program.finish, [], None)
    assert found.rows.decode() == (
        '[["ä\\"\\\\\\n", 1, null, true, "9007199254740993", "0.10", 2.5, "1997-01-02", [1, null]], '
        '["", -2, 3.0, false, 0, "-100", null, null, []]]'
    )
    assert found.intervals == b'{"n": [[-1, 5], null], "m": [[0.5, 1e+22], ["9007199254740993", 7]]}'
    assert (found.truncated, found.reached) == (False, None)


def test_an_answer_holds_its_rows_where_they_stand_byte_for_byte():
    made = replace(plan(), notices=("a notice",))
    rows, intervals = b'[["1997-01-01", 5]]', b'{"n": [[1, 9]]}'
    due = Cost(500_000_000_000, 0, Price(Decimal("1.50"), "EUR", "plan", "1", {}), ())
    charge = Charge("q1", 1, 7, "ab", AT, None)
    out = written(made, SHOP, Encoded(rows, intervals, False, None), due, charge).of("q1", AT)
    head, tail = out.split(b'"rows": ' + rows + b', "intervals": {"confidence": 0.95, "columns": ' + intervals + b"}, ")
    assert head == (
        b'{"query_id": "q1", "state": "FINISHED", "columns": [{"name": "purchased_on", "type": "DATE"}, '
        b'{"name": "n", "type": "BIGINT", "noisy": true}], '
    )
    assert tail.startswith(b'"privacy": {"rho": 0.5, "delta": 0.0, "epsilon": 1.0, "as": {')
    assert b'"stored": false, "bounds": {"n": {"rows": ' in tail
    assert tail.endswith(
        b', "intervals_cover": "noise"}, "versions": {"policy": "%s", "data": "%s", "as_of": "2026-11-25T12:00:00Z"}, '
        b'"notices": ["a notice"], "price": {"amount": "1.50", "currency": "EUR", "plan": "plan", "version": "1"}, '
        b'"receipt": {"log_index": 7, "leaf": "sha256:ab"}}'
        % (SHOP.policy_version.encode(), SHOP.data_version.encode())
    )


@pytest.mark.parametrize("size", [1, SMALL_BYTES])
async def test_what_a_finisher_wrote_is_handed_on_as_it_came(size):
    rows, intervals = b"[%s[1 ]]" % (b"[0 ], " * size), b'{"n":[ ]}'
    pool = Pool({"rows_bytes": len(rows), "truncated": True, "reached": {"n": 9, "m": None}}, rows + intervals)
    known = Known([], [], {"t0": b""})  # public rows: a worker finishes
    found = await WorkerReleaser(pool, 1).finish(known, plan().program.finish, 1, 5, 0.9, "widgets")
    assert found == Encoded(rows, intervals, True, {"n": 9.0, "m": None})
    assert pool.asked[0][0] == "finish"


@pytest.mark.parametrize(
    ("rows", "intervals"),
    [
        (b'[]], "price": [[]', b"{}"), (b"[1], [2]", b"{}"), (b"[[]", b"{}"), (b'["]', b"{}"), (b'["\\"]', b"{}"),
        (b'["\\\\"], ["]"]', b"{}"), (b"5", b"{}"), (b"{}", b"{}"), (b"[]", b"[]"), (b"", b"{}"), (b"[]", b""),
        (b"[]", b'{}, "receipt": {}'),
    ],
)  # fmt: skip
async def test_a_finisher_says_nothing_beside_rows_and_intervals(rows, intervals):
    pool = Pool({"rows_bytes": len(rows), "truncated": False, "reached": None}, rows + intervals)
    with pytest.raises(AssertionError):
        await WorkerReleaser(pool, 1).finish(
            Known([], [], {"t0": b""}), plan().program.finish, 1, None, None, "widgets"
        )


@pytest.mark.parametrize("text", [b"[]", b"{}", b'["]", "\\"]", "\\\\"]', b'{"[": [{"}": "{"}]}', b"[[1], []]"])
def test_one_value_is_one(text):
    assert is_one(text)


async def test_what_was_drawn_is_handed_on_as_it_came_and_may_be_nothing_else():
    (measurement,) = plan().program.measurements
    digests = [primitive.digest for primitive in measurement.primitives]
    contents = [b'{"no": "%d' % index for index in range(len(digests))]

    async def released(drawn, payload, stored):
        return await WorkerReleaser(Pool({"drawn": drawn}, payload), 1).release(measurement, [], stored, "widgets")

    drawn = [(digest, len(content)) for digest, content in zip(digests, contents, strict=True)]
    whole = dict(zip(digests, contents, strict=True))
    assert await released(drawn, b"".join(contents), {}) == (whole, whole)
    assert await released([], b"", {**whole, "another": b"x"}) == (whole, {})
    for wrong, payload, stored in (
        (drawn[1:], b"".join(contents[1:]), {}),
        ([*drawn, ("another", 1)], b"".join(contents) + b"x", {}),
        (drawn, b"".join(contents) + b"x", {}),
        (drawn, b"".join(contents), whole),
    ):
        with pytest.raises(AssertionError):
            await released(wrong, payload, stored)


def test_stored_draws_of_one_measurement_are_of_the_same_cells():
    (measurement,) = planned(
        "SELECT cohort, COUNT(*) AS n, SUM(amount) AS s FROM purchases JOIN customers USING (customer_id) GROUP BY cohort"
    ).program.measurements
    column = b'"columns": [{"suffix": "", "values": [5], "scale": 1.0, "curves": null, "bound": 0}]}'
    digests = sorted({primitive.digest for primitive in measurement.primitives})
    assert len(digests) > 1
    same = dict.fromkeys(digests, b'{"keys": [["a"]], ' + column)
    assert from_stored(measurement, same).keys == (("a",),)
    with pytest.raises(AssertionError):
        from_stored(measurement, {**same, digests[0]: b'{"keys": [["b"]], ' + column})
