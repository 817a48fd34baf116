"""The post-processor: which noise chooses, one draw for one digest, and rows and bars of every kind of plan."""

import pyarrow as pa
import pytest
from support import released_plans as rp
from support.finished import call, measured
from support.released_plans import computed, fld, measurement, noisy, primitive, term

from gateway.catalog.types import BOOLEAN, DATE, DOUBLE, INTEGER, OTHER
from gateway.compile.finishing import compile_derived, compile_finish
from gateway.compile.lineage import Leaf
from gateway.engines.post import PostProcessor
from gateway.errors import GatewayError
from gateway.privacy.measurement import SCORES, Key, Noise, NoisyColumn, NoisyTable
from gateway.privacy.outputs import Output
from gateway.privacy.relations import Released
from gateway.sql.plan import (
    Aggregate,
    AggregateCall,
    AggregateKind,
    Filter,
    Join,
    JoinKind,
    Limit,
    Measured,
    Project,
    Read,
    Sort,
    SortKey,
    Staged,
    Window,
    WindowCall,
    WindowKind,
)


def test_noise_is_known_to_choose():
    """What is chosen: extremes, ranks, choices between two noisy values; not a guard, a clamp or a plain ratio."""
    _, leaf, plan = measured("m0", 4, (5.0, 5.0))
    texts = {
        "greatest": "GREATEST(m0p0, m0p1)",
        "case": "CASE WHEN m0p0 > m0p1 THEN m0p0 ELSE m0p1 END",
        "step": "CASE WHEN m0p0 > 9 THEN 1 ELSE 0 END",
        "guard": "CASE WHEN m0p0 > 0 THEN m0p1 / m0p0 END",
        "clamp": "CASE WHEN m0p0 < 0 THEN 0 WHEN m0p0 > 99 THEN 99 ELSE m0p0 END",
        "held": "GREATEST(m0p0, 0)",
        "plain": "m0p0 + m0p1",
    }
    top = Project(plan, tuple(computed(name, text, INTEGER) for name, text in texts.items()), None)
    finish = compile_finish(Released(top, frozenset()), {"m0": leaf})
    assert {column.name for column in finish.columns if column.chosen} == {"greatest", "case", "step"}
    key = SortKey(term("m0p0", INTEGER), True, nulls_first=False)
    rank = WindowCall(WindowKind.RANK, (), None, (), (key,), None, fld("rank", INTEGER), None)
    total = WindowCall(AggregateKind.SUM, (term("m0p0", INTEGER),), None, (), (), None, fld("total", INTEGER), None)
    finish = compile_finish(Released(Window(plan, (rank, total), None), frozenset()), {"m0": leaf})
    assert {column.name for column in finish.columns if column.chosen} == {"rank"}


def test_rows_that_noise_chose_keep_their_bars():
    """A HAVING or LIMIT on noisy values leaves a row's interval as it would be without."""
    measure, leaf, plan = measured("m0", 5, (10.0,))
    double = Project(plan, (computed("k", "m0k", INTEGER), computed("d", "CAST(m0p0 AS DOUBLE) * 2", DOUBLE)), None)
    kept = Filter(double, (term("d > 210", BOOLEAN),), double.fields, None)
    sort = Sort(kept, (SortKey(term("d", DOUBLE), True, nulls_first=False),), kept.fields, None)
    table = noisy("m0", [(i,) for i in range(5)], p0=([100, 104, 106, 110, 300], 10.0))
    processor = PostProcessor()
    shown = {}
    for query in (double, Limit(sort, 3, 0, sort.fields, None)):
        finish = compile_finish(Released(query, frozenset()), {"m0": leaf})
        found = processor.finish([table], {}, [measure], finish, 9, None)
        shown[len(found.rows)] = {row[0]: bar for row, bar in zip(found.rows, found.intervals["d"], strict=True)}
        assert finish.ordered == (query is not double)
    assert list(shown[3]) == [4, 3, 2]
    assert all(shown[3][k] == shown[5][k] for k in shown[3])


def test_below_an_aggregate_noise_chooses_anew_in_every_draw():
    measure, leaf, plan = measured("m0", 40, (10.0,))
    kept = Filter(plan, (term("m0p0 > 100", BOOLEAN),), plan.fields, None)
    top = Aggregate(kept, (), (call(AggregateKind.COUNT_ROWS, None, INTEGER, "n"),), None)
    finish = compile_finish(Released(top, frozenset()), {"m0": leaf})
    table = noisy("m0", [(i,) for i in range(40)], p0=([100] * 20 + [101] * 20, 10.0))
    found = PostProcessor().finish([table], {}, [measure], finish, 2, None)
    assert finish.columns[0].noisy
    [[low, high]] = found.intervals["n"]
    assert found.rows == [[20]]
    assert 6 <= low <= 19
    assert 21 <= high <= 34


@pytest.mark.parametrize("kind", [JoinKind.SEMI, JoinKind.ANTI, JoinKind.MARK])
def test_public_rows_tested_on_released_ones_are_tested_in_every_draw(kind):
    measure, leaf, plan = measured("m0", 3, (10.0,))
    high = Filter(plan, (term("m0p0 > 100", BOOLEAN),), plan.fields, None)
    read = Read("t0", None, (fld("x", INTEGER),), None)
    mark = fld("hit", BOOLEAN) if kind is JoinKind.MARK else None
    fields = (*read.fields, mark) if mark else read.fields
    join = Join(kind, read, high, (term("x = m0k", BOOLEAN),), (), fields, None, mark)
    counted = "CASE WHEN hit THEN 1 END" if mark else "x"
    top = Aggregate(join, (), (call(AggregateKind.COUNT, counted, INTEGER, "n"),), None)
    finish = compile_finish(Released(top, frozenset()), {"m0": leaf})
    sink = pa.BufferOutputStream()
    rows = pa.table({"x": pa.array([0, 1, 2, 7], pa.int64())})
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    table = noisy("m0", [(i,) for i in range(3)], p0=([101, 500, 99], 10.0))
    found = PostProcessor().finish([table], {"t0": sink.getvalue().to_pybytes()}, [measure], finish, 2, None)
    # cell 1 is over 100 in every draw, cells 0 and 2 in about half of them, row 7 has no cell
    assert found.rows == [[2]]
    assert found.intervals["n"] == [[1, 3]]


def test_one_digest_is_one_draw():
    """The same primitive in two tables is the same noise: their difference has none."""
    parts = []
    for name in ("m0", "m1"):
        measure = measurement(name, (Key("k0", INTEGER, (0, 1)),), primitive("p0", 50.0, digest="shared"))
        outputs = (Output(f"{name}p0", rp.exp.column("p0"), INTEGER, "p0", "1"),)
        fields = (fld(f"{name}k", INTEGER), fld(f"{name}p0", INTEGER))
        parts.append((measure, Leaf.of(measure, outputs), Measured(name, fields, None)))
    plans = [plan for *_, plan in parts]
    join = Join(JoinKind.INNER, *plans, (term("m0k = m1k", BOOLEAN),), (), (*plans[0].fields, *plans[1].fields), None)
    top = Project(join, (computed("k", "m0k", INTEGER), computed("d", "m0p0 - m1p0", INTEGER)), None)
    finish = compile_finish(Released(top, frozenset()), {m.name: leaf for m, leaf, _ in parts})
    tables = [noisy(m.name, [(0,), (1,)], p0=([7, 900], 50.0)) for m, *_ in parts]
    found = PostProcessor().finish(tables, {}, [m for m, *_ in parts], finish, 1, None)
    assert found.rows == [[0, 0], [1, 0]]
    assert found.intervals["d"] == [[0, 0], [0, 0]]


def quantile_table(values, curves) -> NoisyTable:
    return NoisyTable(
        "m0", tuple((i,) for i in range(len(values))), (NoisyColumn("p0_0", values, 0.0, Noise.GAUSSIAN, curves),)
    )


def test_a_quantile_is_redrawn_along_its_curve():
    measure = measurement("m0", (Key("k0", INTEGER, (0, 1)),), primitive("p0", 1.0))
    outputs = (Output("median", rp.exp.column("p0_0"), DOUBLE, "p0_0", "1"),)
    plan = Measured("m0", (fld("k", INTEGER), fld("median", DOUBLE)), None)
    curve = tuple(10.0 + 2 * score for score in SCORES)
    finish = compile_finish(Released(plan, frozenset()), {"m0": Leaf.of(measure, outputs)})
    assert finish.columns[1].direct is None
    table = quantile_table((10.0, None), (curve, ()))
    found = PostProcessor().finish([table], {}, [measure], finish, 1, None)
    assert found.rows == [[0, 10.0], [1, None]]
    [bar, none] = found.intervals["median"]
    assert none is None
    assert bar == pytest.approx([10 - 2 * 1.96, 10 + 2 * 1.96], abs=0.35)


def test_dates_have_intervals_of_whole_days():
    measure = measurement("m0", (Key("k0", INTEGER, (0,)),), primitive("p0", 1.0))
    day = rp.parse_one("CAST('2020-01-01' AS DATE) + CAST(ROUND(p0_0) AS INTEGER)", read="duckdb")
    outputs = (Output("latest", day, DATE, None, "1"),)
    plan = Measured("m0", (fld("k", INTEGER), fld("latest", DATE)), None)
    finish = compile_finish(Released(plan, frozenset()), {"m0": Leaf.of(measure, outputs)})
    table = quantile_table((100.0,), (tuple(100 + 5 * score for score in SCORES),))
    found = PostProcessor().finish([table], {}, [measure], finish, 1, None)
    assert found.rows == [[0, "2020-04-10"]]
    [[low, high]] = found.intervals["latest"]
    assert "2020-03-29" <= low <= "2020-04-02"
    assert "2020-04-18" <= high <= "2020-04-22"


def test_derived_rows_go_to_a_later_measurement_as_arrow():
    measure, leaf, plan = measured("m0", 3, (10.0,))
    mean = Aggregate(plan, (), (call(AggregateKind.AVG, "m0p0", DOUBLE, "mean"),), None)
    derived = compile_derived(Staged("d0", mean, (fld("mean", DOUBLE),), None), {"m0": leaf})
    assert derived.columns == (("mean", DOUBLE),)
    ipc = PostProcessor().derive([noisy("m0", [(0,), (1,), (2,)], p0=([1, 2, 6], 10.0))], {}, [measure], derived)
    assert pa.ipc.open_stream(ipc).read_all().to_pydict() == {"mean": [3.0]}


def test_a_column_under_two_names_leaves_twice():
    measure, leaf, plan = measured("m0", 2, (10.0,))
    twice = Project(
        plan,
        (
            computed("m0k", "m0k", INTEGER),
            *(rp.Computed(rp.Field(name, fld("m0p0", INTEGER).term), term("m0p0", INTEGER)) for name in ("a", "b")),
        ),
        None,
    )
    finish = compile_finish(Released(twice, frozenset()), {"m0": leaf})
    found = PostProcessor().finish([noisy("m0", [(0,), (1,)], p0=([5, 6], 10.0))], {}, [measure], finish, 1, None)
    assert found.rows == [[0, 5, 5], [1, 6, 6]]
    assert found.intervals["a"] == found.intervals["b"] == [[-15, 25], [-14, 26]]


def test_rows_beyond_the_limit_are_said_to_be_left_out():
    measure, leaf, plan = measured("m0", 4, (10.0,))
    finish = compile_finish(Released(plan, frozenset()), {"m0": leaf})
    table = noisy("m0", [(i,) for i in range(4)], p0=([5, 6, 7, 8], 10.0))
    found = PostProcessor().finish([table], {}, [measure], finish, 1, 3)
    assert found.truncated
    assert [row[0] for row in found.rows] == [0, 1, 2]
    assert not PostProcessor().finish([table], {}, [measure], finish, 1, 4).truncated


def test_a_ratio_over_a_cell_of_noise_alone_has_no_interval():
    measure, leaf, plan = measured("m0", 1, (10.0, 10.0))
    text = "CASE WHEN m0p0 > 0 THEN CAST(m0p1 AS DOUBLE) / CAST(m0p0 AS DOUBLE) END"
    top = Project(plan, (computed("k", "m0k", INTEGER), computed("r", text, DOUBLE)), None)
    finish = compile_finish(Released(top, frozenset()), {"m0": leaf})
    found = PostProcessor().finish(
        [noisy("m0", [(0,)], p0=([2], 10.0), p1=([50], 10.0))], {}, [measure], finish, 1, None
    )
    assert found.intervals["r"] == [None]  # NULL in two of five draws: 95 % of them are not to be had


def test_redraws_too_large_leave_the_answer_without_bars():
    measure, leaf, plan = measured("m0", 2000, (10.0,))
    sides = [
        Project(plan, (computed(f"k{i}", "m0k", INTEGER), computed(f"p{i}", "m0p0", INTEGER)), None) for i in (1, 2)
    ]
    cross = Join(JoinKind.INNER, *sides, (), (), (*sides[0].fields, *sides[1].fields), None)
    top = Aggregate(
        Project(cross, (computed("s", "p1 + p2", INTEGER),), None),
        (),
        (call(AggregateKind.MAX, "s", INTEGER, "m"),),
        None,
    )
    finish = compile_finish(Released(top, frozenset()), {"m0": leaf})
    table = noisy("m0", [(i,) for i in range(2000)], p0=(list(range(2000)), 10.0))
    found = PostProcessor().finish([table], {}, [measure], finish, 1, None)
    assert found.rows == [[3998]]
    assert found.intervals["m"] == [None]


def test_an_answer_has_the_same_bars_each_time():
    measure, leaf, plan = measured("m0", 3, (10.0,))
    top = Project(plan, (computed("k", "m0k", INTEGER), computed("d", "CAST(m0p0 AS DOUBLE) / 3", DOUBLE)), None)
    finish = compile_finish(Released(top, frozenset()), {"m0": leaf})
    table = noisy("m0", [(i,) for i in range(3)], p0=([5, 60, 700], 10.0))
    first, second, other = (
        PostProcessor().finish([table], {}, [measure], finish, seed, None).intervals for seed in (4, 4, 5)
    )
    assert first == second != other


def test_a_list_leaves_as_a_list_and_an_interval_not_at_all():
    measure, leaf, plan = measured("m0", 3, (10.0,))
    top = Aggregate(
        plan,
        (),
        (AggregateCall(AggregateKind.APPROX_TOP_K, (term("m0k", INTEGER),), None, fld("top", OTHER), None, 2),),
        None,
    )
    finish = compile_finish(Released(top, frozenset()), {"m0": leaf})
    found = PostProcessor().finish(
        [noisy("m0", [(0,), (1,), (2,)], p0=([5, 6, 7], 10.0))], {}, [measure], finish, 1, None
    )
    [[listed]] = found.rows
    assert len(listed) == 2
    assert set(listed) <= {0, 1, 2}
    step = Project(plan, (computed("span", "INTERVAL 1 DAY", OTHER),), None)
    with pytest.raises(GatewayError, match="type_mismatch"):
        compile_finish(Released(step, frozenset()), {"m0": leaf})


def test_ranks_of_noisy_values_break_ties_by_cell():
    measure, leaf, plan = measured("m0", 4, (10.0,))
    key = SortKey(term("m0p0", INTEGER), True, nulls_first=False)
    rank = WindowCall(WindowKind.ROW_NUMBER, (), None, (), (key,), None, fld("place", INTEGER), None)
    finish = compile_finish(Released(Window(plan, (rank,), None), frozenset()), {"m0": leaf})
    found = PostProcessor().finish(
        [noisy("m0", [(i,) for i in range(4)], p0=([5, 9, 5, 9], 10.0))], {}, [measure], finish, 1, None
    )
    assert [row[2] for row in found.rows] == [3, 1, 4, 2]
