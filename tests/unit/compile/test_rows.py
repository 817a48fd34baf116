"""What statements of measurements are made of, by what an engine makes of it: keyed hashes, held sums, scaled vectors."""

import duckdb
import pytest
from sqlglot import exp

from gateway.compile.norming import bin_of, ratio_of, scaled_down
from gateway.compile.rows import held, keyed_hash
from gateway.privacy.exact import LIMIT
from gateway.privacy.measurement import Noise
from gateway.privacy.norms import WEIGHT, Clip, level
from gateway.sql.terms import whole

CELLS = (
    ("1", "23"),
    ("12", "3"),
    ("123", ""),
    ("", "123"),
    ("123", None),
    (None, "123"),
    (None, None),
    ("-", "-"),
    ("-", None),
    ("1:2", "3"),
    ("1", ":23"),
    ("0:", "0:"),
    ("x" * 65, "y"),
    ("x" * 66, "y"),
    ("x" * 64, "xy"),
)


def value(node: exp.Expr):
    return duckdb.connect().execute(f"SELECT {node.sql('duckdb')}").fetchall()[0][0]


def test_no_two_lists_of_cells_have_one_hash():
    sql = f"SELECT {keyed_hash(('a', 'b')).sql('duckdb')} FROM (SELECT unnest(?) AS c) t, (SELECT c[1] AS a, c[2] AS b)"
    rows = duckdb.connect().execute(sql, ["secret", [list(cells) for cells in CELLS]]).fetchall()
    hashes = {row[0] for row in rows}
    assert len(rows) == len(hashes) == len(CELLS)
    assert None not in hashes
    others = duckdb.connect().execute(sql, ["another", [list(cells) for cells in CELLS]]).fetchall()
    assert not hashes & {row[0] for row in others}


@pytest.mark.parametrize("sign", [1, -1])
def test_a_sum_that_64_bits_do_not_hold_is_held_at_the_limit(sign):
    huge = exp.Cast(this=exp.Literal.string(str(sign * 2**100)), to=exp.DataType.build("HUGEINT"))
    assert value(held(huge)) == sign * LIMIT
    assert value(held(whole(sign * 7))) == sign * 7
    assert value(held(exp.Null())) == 0


@pytest.mark.parametrize("noise", Noise)
def test_a_vector_that_is_scaled_down_keeps_a_margin_for_what_doubles_err(noise):
    clip = Clip((level(noise, 10.0),), scaled=True, touched=1.0)
    for entry in (11, 13, 999, 10**6 + 3, 2**31, 3**30, 2**50):
        norm = whole(entry if noise is Noise.LAPLACE else entry**2)
        assert value(bin_of(clip, norm)) == 1
        ratio = ratio_of(noise, clip, norm)
        for signed in (entry, -entry):
            found = value(scaled_down(whole(signed), ratio))
            assert WEIGHT - 2 <= abs(found) <= WEIGHT - 1
            assert found * signed > 0
    assert value(scaled_down(whole(10), ratio_of(noise, clip, whole(10)))) is None
