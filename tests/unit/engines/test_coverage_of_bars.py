"""Error bars hold what they promise: over many releases the noiseless value lies within them as often as they say."""

import numpy as np
import pytest
from support.finished import call, measured
from support.released_plans import computed, fld, noisy, term
from support.thinning import one_in

from gateway.catalog.types import BOOLEAN, DOUBLE, INTEGER
from gateway.compile.finishing import compile_finish
from gateway.engines.post import PostProcessor
from gateway.privacy.measurement import Noise, NoisyTable
from gateway.privacy.relations import Released
from gateway.sql.plan import Aggregate, AggregateKind, Join, JoinKind, Project, Window, WindowCall


def released(measure, truth, rng, noise: Noise = Noise.GAUSSIAN) -> NoisyTable:
    """Return one release: the truth (one list a primitive) and fresh noise of each primitive's scale."""
    columns = {}
    for part, exact in zip(measure.primitives, truth, strict=True):
        scale = part.candidates[0].scale
        drawn = rng.normal(0, scale, len(exact)) if noise is Noise.GAUSSIAN else rng.laplace(0, scale, len(exact))
        columns[part.name] = ([int(v) for v in np.rint(np.array(exact) + drawn)], scale, noise)
    return noisy(measure.name, [(i,) for i in range(len(truth[0]))], **columns)


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


@pytest.mark.parametrize(("cells", "gap"), one_in(2, [(2, 5), (6, 0), (6, 40), (40, 0)]))
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
