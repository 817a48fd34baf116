"""How often a 95 % interval holds the bounded exact value, over many releases of real purchases.

The engine runs once; noise is drawn again and again by the gateway's own release and finish. The bounded exact value is
what the same finish makes of the exact totals at the bound that a release chose.
"""

from dataclasses import replace
from decimal import Decimal

import duckdb
import pytest
from support import tpch
from support.answers import exact_rows
from support.cdnow import cdnow
from support.totals import totals_by_cell

from gateway.engines.post import PostProcessor
from gateway.planning import Planned, plan
from gateway.privacy import trees
from gateway.privacy.exact import ExactProbe
from gateway.privacy.measurement import SCORES, Measurement, NoisyColumn, NoisyTable, Primitive
from gateway.privacy.release import release
from gateway.programs import PlanJob
from gateway.request import Request

RUNS = 1_000
EPSILON = Decimal("0.25")
QUERIES = {
    "counts by month": "SELECT date_trunc('month', purchased_on) AS k, COUNT(*) AS v FROM purchases GROUP BY 1",
    "customers by month": "SELECT date_trunc('month', purchased_on) AS k, COUNT(DISTINCT customer_id) AS v FROM purchases GROUP BY 1",
    "revenue by cohort": "SELECT c.cohort AS k, SUM(p.amount) AS v FROM purchases p JOIN customers c USING (customer_id) GROUP BY 1",
    "average basket by cohort": "SELECT c.cohort AS k, AVG(p.amount) AS v FROM purchases p JOIN customers c USING (customer_id) GROUP BY 1",
    "a ratio of sums by cohort": "SELECT c.cohort AS k, SUM(p.amount) / SUM(p.quantity) AS v FROM purchases p JOIN customers c USING (customer_id) GROUP BY 1",
    "the median amount by cohort": "SELECT c.cohort AS k, MEDIAN(p.amount) AS v FROM purchases p JOIN customers c USING (customer_id) GROUP BY 1",
    "each month's share": "SELECT k, n * 100.0 / SUM(n) OVER () AS v FROM (SELECT date_trunc('month', purchased_on) AS k, COUNT(*) AS n FROM purchases GROUP BY 1) t",
}  # fmt: skip


@pytest.fixture(scope="module")
def purchases(tmp_path_factory):
    return cdnow(tmp_path_factory.mktemp("cdnow"))


def _index(primitive: Primitive, column: NoisyColumn) -> int:
    """Return the candidate that a release chose: the noise is of its scale."""
    found = [i for i, c in enumerate(primitive.candidates) if c.scale / c.denominator == column.scale]
    assert len(found) == 1
    return found[0]


def without_noise(measurement: Measurement, rows: list, noisy: NoisyTable) -> NoisyTable:
    """Return the exact cells at the bounds that a release chose."""
    held = {c.name: c for c in noisy.columns}
    columns = []
    for probe, table in zip(measurement.probes, rows, strict=True):
        exact = ExactProbe(measurement, probe, table)
        for primitive in probe.primitives:
            if primitive.tree is not None:
                columns += _quantiles(primitive, exact, noisy)
                continue
            shown = held[primitive.name]
            index = _index(primitive, shown)
            totals, denominator = totals_by_cell(exact, primitive, index), primitive.candidates[index].denominator
            values = tuple(round(totals.get(key, 0) / denominator) for key in noisy.keys)
            columns.append(replace(shown, values=values))
    order = [c.name for c in noisy.columns]
    return replace(noisy, columns=tuple(sorted(columns, key=lambda c: order.index(c.name))))


def _quantiles(primitive: Primitive, exact: ExactProbe, noisy: NoisyTable) -> list[NoisyColumn]:
    assert len(primitive.candidates) == 1  # else it could not be told which one a release chose
    tree, denominator = primitive.tree, primitive.candidates[0].denominator
    levels = [level / denominator for level in trees.levels(exact.leaves(primitive, 0, noisy.keys), tree)]
    leaves, variances = trees.consistent(levels, tree.fanout)
    middle = SCORES.index(0.0)
    shown = [c for c in noisy.columns if c.name.startswith(f"{primitive.name}_")]
    read = trees.read(tree, leaves, variances, 1e-9)
    return [
        replace(column, values=tuple(None if curve is None else curve[middle] for curve in curves))
        for column, curves in zip(shown, read, strict=True)
    ]


def coverage(database, made: Planned, runs: int) -> float:
    """Return the share of cells, over all runs, whose interval holds the bounded exact value."""
    measurements = list(made.program.measurements)
    assert len(measurements) == len(made.program.steps)
    with duckdb.connect(str(database), read_only=True) as connection:
        rows = [exact_rows(connection, step, {}) for step in measurements]
    post, finish = PostProcessor(), made.program.finish
    held = cells = 0
    for run in range(runs):
        noisy = [release(step, found, {}) for step, found in zip(measurements, rows, strict=True)]
        exact = [without_noise(*parts) for parts in zip(measurements, rows, noisy, strict=True)]
        shown = post.finish(noisy, {}, measurements, finish, run, None)
        truth = post.finish(exact, {}, measurements, replace(finish, redraw_sql=None), run, None).rows
        values = {str(row[0]): float(str(row[1])) for row in truth}
        for row, interval in zip(shown.rows, shown.intervals["v"], strict=True):
            assert interval is not None
            low, high = interval
            # half a step: whole steps leave, and an interval ends on some
            held += float(low) - 0.005 <= values[str(row[0])] <= float(high) + 0.005
            cells += 1
    assert cells >= 3 * runs
    return held / cells


@pytest.mark.long
@pytest.mark.parametrize("name", QUERIES)
def test_intervals_hold_the_bounded_exact_value(name, purchases):
    database, dataset = purchases
    job = PlanJob(dataset, tpch.CALLER, Request(QUERIES[name], epsilon=EPSILON), tpch.NOW, dataset.grants[0])
    found = coverage(database, plan(job), RUNS)
    print(f"{name}: {100 * found:.1f} %")
    assert 0.93 <= found <= 0.97
