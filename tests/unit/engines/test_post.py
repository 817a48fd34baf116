"""The post-processor: error bars that hold what they promise, one draw for one digest, values that JSON can carry."""

import datetime as dt
import uuid
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from support import released_plans as rp
from support.released_plans import computed, fld, measurement, noisy, primitive, term

from gateway.catalog.types import BOOLEAN, DATE, DOUBLE, INTEGER, OTHER, TEXT, decimal
from gateway.compile.finishing import compile_derived, compile_finish
from gateway.compile.lineage import Leaf
from gateway.engines.post import PostProcessor
from gateway.engines.rendering import MAX_SAFE, around, bars_around, pair, safe, safe_rows
from gateway.engines.tables import cells_of
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


def measured(name: str, cells: int, scales: tuple[float, ...], noise: Noise = Noise.GAUSSIAN):
    """Return a measurement by one integer key, its leaf and its plan: columns `<name>k`, `<name>p0`, ..."""
    parts = tuple(primitive(f"p{i}", scale, noise, f"{name}.p{i}") for i, scale in enumerate(scales))
    measure = measurement(name, (Key("k0", INTEGER, tuple(range(cells))),), *parts)
    outputs = tuple(Output(f"{name}{p.name}", rp.exp.column(p.name), INTEGER, p.name, "1") for p in parts)
    fields = (fld(f"{name}k", INTEGER), *(fld(o.column, INTEGER) for o in outputs))
    return measure, Leaf.of(measure, outputs), Measured(name, fields, None)


def released(measure, truth, rng, noise: Noise = Noise.GAUSSIAN) -> NoisyTable:
    """Return one release: the truth (one list a primitive) and fresh noise of each primitive's scale."""
    columns = {}
    for part, exact in zip(measure.primitives, truth, strict=True):
        scale = part.candidates[0].scale
        drawn = rng.normal(0, scale, len(exact)) if noise is Noise.GAUSSIAN else rng.laplace(0, scale, len(exact))
        columns[part.name] = ([int(v) for v in np.rint(np.array(exact) + drawn)], scale, noise)
    return noisy(measure.name, [(i,) for i in range(len(truth[0]))], **columns)


def call(kind, text, type_, name, parameter=None):
    arguments = () if text is None else (term(text, INTEGER),)
    return AggregateCall(kind, arguments, None, fld(name, type_), None, parameter)


def coverage(plan, parts, truths, seed, runs, noise=Noise.GAUSSIAN) -> dict[str, float]:
    """Return, for each noisy column, the share of cells over many releases whose interval holds the noiseless value."""
    leaves = {m.name: leaf for m, leaf in parts}
    finish = compile_finish(Released(plan, frozenset()), leaves)
    processor, rng = PostProcessor(), np.random.default_rng(seed)
    measures = [m for m, _ in parts]
    exact = [
        noisy(
            m.name, [(i,) for i in range(len(t[0]))], **{p.name: (x, 0.0) for p, x in zip(m.primitives, t, strict=True)}
        )
        for m, t in zip(measures, truths, strict=True)
    ]
    keyed = [i for i, c in enumerate(finish.columns) if not c.noisy]
    truth = {tuple(row[i] for i in keyed): row for row in processor.finish(exact, {}, measures, finish, 1, None).rows}
    held: dict[str, list[bool]] = {c.name: [] for c in finish.columns if c.noisy}
    for run in range(runs):
        tables = [released(m, t, rng, noise) for m, t in zip(measures, truths, strict=True)]
        found = processor.finish(tables, {}, measures, finish, run, None)
        for place, row in enumerate(found.rows):
            wanted = truth.get(tuple(row[i] for i in keyed))
            for index, column in enumerate(finish.columns):
                if column.noisy and wanted is not None:
                    bar = found.intervals[column.name][place]
                    held[column.name].append(bar is not None and float(bar[0]) <= float(wanted[index]) <= float(bar[1]))
    return {name: float(np.mean(cells)) for name, cells in held.items()}


QUICK = pytest.param(60, 0.91, 0.985, id="quick")
LONG = pytest.param(1000, 0.93, 0.97, id="long", marks=pytest.mark.long)


def within(found: dict[str, float], lo: float, hi: float) -> None:
    assert all(lo <= share <= hi for share in found.values()), found


@pytest.mark.parametrize(("runs", "lo", "hi"), [QUICK, LONG])
def test_counts_and_sums_and_their_ratios_are_held_by_95_percent(runs, lo, hi):
    measure, leaf, plan = measured("m0", 8, (12.0, 300.0))
    truth = ([400, 900, 250, 3000, 700, 1200, 640, 810], [9000, 4000, 12000, 70000, 500, 31000, 8000, 100])
    top = Project(
        plan,
        (
            computed("k", "m0k", INTEGER),
            computed("count", "m0p0", INTEGER),
            computed("sum", "m0p1", INTEGER),
            computed("mean", "CAST(m0p1 AS DOUBLE) / NULLIF(CAST(m0p0 AS DOUBLE), 0)", DOUBLE),
            computed("product", "CAST(m0p1 AS DOUBLE) * CAST(m0p0 AS DOUBLE)", DOUBLE),
            computed("difference", "m0p1 - m0p0 * 3", INTEGER),
        ),
        None,
    )
    found = coverage(top, [(measure, leaf)], [truth], 3, runs)
    assert found.keys() == {"count", "sum", "mean", "product", "difference"}
    within(found, lo, hi)


@pytest.mark.parametrize(("runs", "lo", "hi"), [QUICK, LONG])
def test_laplace_counts_are_held_by_95_percent(runs, lo, hi):
    measure, leaf, plan = measured("m0", 20, (7.5,), Noise.LAPLACE)
    share = Project(
        plan,
        (
            computed("k", "m0k", INTEGER),
            computed("count", "m0p0", INTEGER),
            computed("double", "CAST(m0p0 AS DOUBLE) * 2", DOUBLE),
        ),
        None,
    )
    within(coverage(share, [(measure, leaf)], [(list(range(100, 2100, 100)),)], 4, runs, Noise.LAPLACE), lo, hi + 0.005)


@pytest.mark.parametrize(("runs", "lo", "hi"), [QUICK, LONG])
def test_totals_shares_and_joins_are_held_by_95_percent(runs, lo, hi):
    m0, leaf0, plan0 = measured("m0", 6, (20.0,))
    m1, leaf1, plan1 = measured("m1", 6, (35.0,))
    join = Join(JoinKind.LEFT, plan0, plan1, (term("m0k = m1k", BOOLEAN),), (), (*plan0.fields, *plan1.fields), None)
    total = WindowCall(AggregateKind.SUM, (term("m0p0", INTEGER),), None, (), (), None, fld("total", INTEGER), None)
    top = Project(
        Window(join, (total,), None),
        (
            computed("k", "m0k", INTEGER),
            computed("total", "total", INTEGER),
            computed("share", "CAST(m0p0 AS DOUBLE) / NULLIF(CAST(total AS DOUBLE), 0)", DOUBLE),
            computed("growth", "CAST(m1p0 AS DOUBLE) / NULLIF(CAST(m0p0 AS DOUBLE), 0)", DOUBLE),
            computed("change", "m1p0 - m0p0", INTEGER),
        ),
        None,
    )
    truths = [([900, 400, 1600, 700, 2500, 300],), ([1000, 300, 1700, 900, 2400, 350],)]
    # one total over all cells is in each of six rows, so its cells are not six tries but one
    within(coverage(top, [(m0, leaf0), (m1, leaf1)], truths, 5, runs), lo - 0.02, hi + 0.005)


@pytest.mark.parametrize(("runs", "lo", "hi"), [QUICK, LONG])
def test_aggregates_of_released_values_are_held_by_95_percent(runs, lo, hi):
    measure, leaf, plan = measured("m0", 12, (15.0,))
    grouped = Aggregate(
        Project(plan, (computed("g", "m0k % 3", INTEGER), computed("n", "m0p0", INTEGER)), None),
        (computed("key", "g", INTEGER),),
        (
            call(AggregateKind.SUM, "n", INTEGER, "sum"),
            call(AggregateKind.AVG, "n", DOUBLE, "avg"),
            call(AggregateKind.COUNT_ROWS, None, INTEGER, "cells"),
        ),
        None,
    )
    found = coverage(grouped, [(measure, leaf)], [([100 * (i + 2) for i in range(12)],)], 6, runs)
    assert found.keys() == {"sum", "avg"}  # how many cells there are carries no noise
    within(found, lo, hi)


@pytest.mark.parametrize(("cells", "gap"), [(2, 5), (6, 0), (6, 40), (40, 0)])
def test_extremes_of_released_values_are_held_by_about_95_percent_or_more(gap, cells):
    """MAX of noisy values is biased, the more so the closer they are: its intervals are wide rather than short."""
    measure, leaf, plan = measured("m0", cells, (15.0,))
    top = Aggregate(
        plan,
        (),
        (call(AggregateKind.MAX, "m0p0", INTEGER, "max"), call(AggregateKind.MIN, "m0p0", INTEGER, "min")),
        None,
    )
    truth = ([500 + gap * i for i in range(cells)],)
    within(coverage(top, [(measure, leaf)], [truth], 7, 60), 0.88, 1.0)


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


# -- intervals and values ----------------------------------------------------------------------------------------------


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
    found = safe_rows([(value, "kept", "left out") for value in column], 2)
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
    assert safe_rows([(1,), (2,)], 0) == [[], []]


def test_an_exact_value_has_an_interval_of_itself():
    assert around(5, 0.0, whole=True) == [5, 5]


def test_an_interval_is_written_to_a_thousandth_of_its_length():
    assert pair(1.23456789, 2.34567891) == [1.235, 2.346]
    assert pair(123456.7, 987654.3) == [123500.0, 987700.0] or pair(123456.7, 987654.3) == [123000.0, 988000.0]
    assert pair(5.0, 5.0) == [5.0, 5.0]
    assert pair(1.0, float("inf")) is None
    low, high = pair(1e15 + 0.25, 1e15 + 0.75)
    assert low < 1e15 + 0.5 < high
