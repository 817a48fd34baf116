"""`make accuracy`: how far private answers lie from plain SQL, beside what other systems reach on the same queries.

A whole query is (1, 1e-7)-DP, under zCDP and under pure accounting. Exact engine rows are computed once; the noise is
drawn again and again, through the gateway's own planner, release and finish. Nothing here tunes anything.
"""

import argparse
import math
import tempfile
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, Decimal
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from bench.peers import PEERS, SYSTEMS
from gateway.catalog.build import build
from gateway.catalog.inspection import order
from gateway.catalog.load import parse
from gateway.catalog.model import Accounting, Dataset
from gateway.cli.demo.stage import POLICY_NAME, Stage, prepare
from gateway.engines.duckdb_source import connect, stamp_of
from gateway.engines.duckdb_worker import inspect
from gateway.engines.post import PostProcessor
from gateway.planning import Planned, plan
from gateway.privacy.accounting import limits
from gateway.privacy.measurement import Noise
from gateway.privacy.release import release
from gateway.programs import PlanJob
from gateway.request import Caller, Request
from tests.support import tpch
from tests.support.answers import exact_rows

DRAWS = 25
EPSILON, DELTA = Decimal(1), Decimal("1e-7")
SCALE = "1"
ACCOUNTING = (Accounting.ZCDP, Accounting.PURE)
PAGE = Path(__file__).resolve().parent.parent / "docs" / "accuracy.md"
BEGIN, END = "<!-- figures: python -m bench accuracy --write -->", "<!-- end of figures -->"


@dataclass(frozen=True, slots=True)
class Workload:
    """One query and its columns: `keys` leading ones name the cell, the others are measured over so many `draws`."""

    name: str
    sql: str
    keys: int
    columns: tuple[str, ...]
    draws: int = DRAWS


REVENUE = "sum(l_extendedprice * (1 - l_discount)) AS rev"
LINES = "lineitem JOIN orders ON l_orderkey = o_orderkey"

TPCH = (
    Workload("W1", "SELECT c_mktsegment, count(*) AS n FROM customer GROUP BY c_mktsegment", 1, ("count",)),
    Workload(
        "W2",
        "SELECT o_orderpriority, sum(o_totalprice) AS s, count(*) AS n FROM orders GROUP BY o_orderpriority",
        1,
        ("sum", "count"),
    ),
    Workload(
        "W3",
        f"SELECT l_returnflag, l_linestatus, {REVENUE} FROM {LINES} GROUP BY l_returnflag, l_linestatus",
        2,
        ("revenue",),
    ),
    Workload(
        "W4",
        "SELECT date_trunc('month', o_orderdate) AS m, count(DISTINCT o_custkey) AS n FROM orders GROUP BY 1",
        1,
        ("customers",),
    ),
    Workload(
        "W5",
        f"SELECT avg(l_quantity) AS a, var_samp(l_quantity) AS v, stddev_samp(l_quantity) AS sd FROM {LINES}",
        0,
        ("avg", "var", "stddev"),
    ),
    Workload(
        "W6",
        "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY o_totalprice) AS med, "
        "percentile_cont(0.9) WITHIN GROUP (ORDER BY o_totalprice) AS p90 FROM orders",
        0,
        ("median", "p90"),
    ),
    Workload(
        "W7",
        "SELECT c_nationkey, o_orderdate, count(*) AS n FROM orders JOIN customer ON o_custkey = c_custkey "
        "GROUP BY c_nationkey, o_orderdate",
        2,
        ("count",),
        draws=5,  # of 60,150 cells each
    ),
    Workload(
        "W7m",
        "SELECT c_nationkey, date_trunc('month', o_orderdate) AS m, count(*) AS n FROM orders "
        "JOIN customer ON o_custkey = c_custkey GROUP BY 1, 2",
        2,
        ("count",),
    ),
    Workload(
        "W8",
        f"SELECT n_name, {REVENUE} FROM customer JOIN orders ON c_custkey = o_custkey "
        "JOIN lineitem ON l_orderkey = o_orderkey JOIN nation ON c_nationkey = n_nationkey GROUP BY n_name",
        1,
        ("revenue",),
    ),
)

CDNOW = (
    Workload(
        "C1",
        "SELECT date_trunc('month', purchased_on) AS m, count(*) AS n FROM purchases GROUP BY 1",
        1,
        ("count",),
    ),
    Workload(
        "C2",
        "SELECT c.cohort, sum(p.amount) AS s FROM purchases p JOIN customers c ON c.customer_id = p.customer_id "
        "GROUP BY c.cohort",
        1,
        ("revenue",),
    ),
)


@dataclass(frozen=True, slots=True)
class Error:
    """A column's mean relative error over all cells and draws, in percent, with its 95 % interval."""

    mean: float
    low: float
    high: float
    missing: float
    """The share of cells that plain SQL has and the answer has not, in percent: hidden, or NULL."""

    def __str__(self) -> str:
        if math.isnan(self.mean):
            return "no cell"
        lost = f", {self.missing:.0f} % of cells hidden" if self.missing >= 0.5 else ""
        return f"{_figure(self.mean)} ({_figure(self.low)}-{_figure(self.high)}{lost})"


def _figure(value: float) -> str:
    return f"{value:#.2g}".rstrip(".") if value < 100 else f"{value:.0f}"


def epsilon_for(accounting: Accounting) -> Decimal:
    """Return the epsilon to ask with so that the whole query is (EPSILON, DELTA)-DP: what it buys is at most that."""
    if accounting is Accounting.PURE:
        return EPSILON
    # a policy converts at half of its delta, the other half is for thresholds: no threshold is in these queries
    rho, _ = limits(EPSILON, 2 * DELTA)
    return (Decimal(2 * rho) * Decimal("1e-12")).sqrt().quantize(Decimal("1e-9"), ROUND_DOWN)


def planned(sql: str, dataset: Dataset, accounting: Accounting) -> Planned:
    caller = Caller("ana", "widget-analytics", frozenset({"buyer"}), "market-research", "CN")
    request = Request(sql=sql, epsilon=epsilon_for(accounting))
    made = plan(PlanJob(dataset, caller, request, tpch.NOW, dataset.grants[0]))
    ceiling = limits(EPSILON, 2 * DELTA)[0] if accounting is Accounting.ZCDP else 10**12
    assert made.rho <= ceiling  # INVARIANT: the whole query keeps to (EPSILON, DELTA)
    noise = Noise.LAPLACE if accounting is Accounting.PURE else Noise.GAUSSIAN
    assert all(p.noise is noise for m in made.program.measurements for p in m.primitives)  # INVARIANT: as accounted
    assert made.delta == 0  # INVARIANT: all of the delta converts rho
    return made


def answers(connection: duckdb.DuckDBPyConnection, made: Planned, draws: int) -> list[list[list[object]]]:
    """Return the rows of so many answers; the engine runs once."""
    measurements = made.program.measurements
    assert len(measurements) == len(made.program.steps)  # INVARIANT: nothing is staged or read here
    exact: list[list[pa.Table]] = [exact_rows(connection, step, {}) for step in measurements]
    post, finish = PostProcessor(), replace(made.program.finish, redraw_sql=None)
    found = []
    for _ in range(draws):
        noisy = [release(step, rows, {}) for step, rows in zip(measurements, exact, strict=True)]
        found.append(post.finish(noisy, {}, list(measurements), finish, 1, None).rows)
    return found


def errors(workload: Workload, plain: list[tuple[object, ...]], drawn: list[list[list[object]]]) -> list[Error]:
    """Return each column's error over the cells that plain SQL has."""
    expected = {_key(row[: workload.keys]): row[workload.keys :] for row in plain}
    found = [{_key(row[: workload.keys]): row[workload.keys :] for row in rows} for rows in drawn]
    results = []
    for column in range(len(workload.columns)):
        means, missing = [], 0
        for rows in found:
            relative = []
            for key, values in expected.items():
                value = rows[key][column] if key in rows else None
                if value is None:
                    missing += 1
                    continue
                truth = float(str(values[column]))
                relative.append(abs(float(str(value)) - truth) / abs(truth))
            means.append(100 * float(np.mean(relative)) if relative else math.nan)
        results.append(_interval(means, 100 * missing / (len(found) * len(expected))))
    return results


def _interval(means: list[float], missing: float) -> Error:
    """Return the mean over draws with its bootstrap interval."""
    seen = np.array(means)
    generator = np.random.Generator(np.random.PCG64(7))  # noqa: TID251 - resamples figures of a report, seeded
    resampled = generator.choice(seen, (2000, len(seen))).mean(axis=1)
    low, high = np.quantile(resampled, (0.025, 0.975))
    return Error(float(seen.mean()), float(low), float(high), missing)


def _key(cells: tuple[object, ...] | list[object]) -> tuple[str, ...]:
    return tuple(str(cell)[:10] if str(cell)[4:5] == "-" else str(cell) for cell in cells)


def cdnow(folder: Path, accounting: Accounting) -> tuple[Path, Dataset]:
    """Return the demo's database and its policy, with any epsilon allowed."""
    stage = Stage(folder)
    prepare(stage)
    document = parse((stage.policies / POLICY_NAME).read_text(), POLICY_NAME)
    connection = connect(str(stage.database), 1000, 1)
    inspection = inspect(connection, order(document), stamp_of(str(stage.database)))
    connection.close()
    built = build(document, inspection, data_version="1", base=stage.policies)
    privacy = replace(built.privacy, max_epsilon=Decimal(10), accounting=accounting)
    return stage.database, replace(built, privacy=privacy)


def measure(
    path: Path, dataset: Dataset, workloads: tuple[Workload, ...], accounting: Accounting
) -> dict[str, list[Error]]:
    """Return the errors of every workload's columns."""
    found = {}
    with duckdb.connect(str(path), read_only=True, config={"threads": 2}) as connection:
        for workload in workloads:
            plain = connection.execute(workload.sql).fetchall()
            made = planned(workload.sql, dataset, accounting)
            found[workload.name] = errors(workload, plain, answers(connection, made, workload.draws))
            print(accounting, workload.name, *map(str, found[workload.name]), flush=True)
    return found


def markdown(workloads: tuple[Workload, ...], ours: dict[Accounting, dict[str, list[Error]]]) -> str:
    """Return the table of errors, with peers where they were measured."""
    peers = [*SYSTEMS] if any(workload.name in PEERS for workload in workloads) else []
    head = ["query", "column", "gateway, zCDP", "gateway, pure", *peers]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for workload in workloads:
        for index, column in enumerate(workload.columns):
            cells = [workload.name, column, *(str(ours[kind][workload.name][index]) for kind in ACCOUNTING)]
            if peers:
                cells += [str(one) for one in PEERS[workload.name].columns(index)]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(arguments: list[str]) -> None:
    """Print the tables; with --write, put them into docs/accuracy.md too."""
    parser = argparse.ArgumentParser("python -m bench accuracy", description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the tables into docs/accuracy.md")
    parser.add_argument("--only", nargs="*", help="only these queries (W1, C1, ..): prints them, makes no table")
    asked = parser.parse_args(arguments)
    chosen = [tuple(w for w in all_ if not asked.only or w.name in asked.only) for all_ in (TPCH, CDNOW)]
    ours: dict[Accounting, dict[str, list[Error]]] = {kind: {} for kind in ACCOUNTING}
    for kind in ACCOUNTING:
        if chosen[0]:
            ours[kind] |= measure(tpch.database(SCALE), tpch.dataset(SCALE, accounting=kind), chosen[0], kind)
        if chosen[1]:
            with tempfile.TemporaryDirectory() as folder:
                ours[kind] |= measure(*cdnow(Path(folder), kind), chosen[1], kind)
    tables = "\n\n".join(markdown(workloads, ours) for workloads in chosen if workloads)
    print(tables)
    if asked.write:
        assert not asked.only, "--write needs every query"
        text = PAGE.read_text()
        before, after = text.split(BEGIN)[0], text.split(END)[1]
        PAGE.write_text(f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}")
